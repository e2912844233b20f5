"""The question-answerer: what its two heads answer, what training teaches it, and its presets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from once import Once

import mmtoolkit as mm
from mmtoolkit.evaluation import evaluate
from mmtoolkit.scenes import write_scenes
from mmtoolkit.tasks import question_answering

SIDE = 32
SMALL = {"units": 64, "attention_units": 32, "embedding_dim": 16, "filters": (8, 16, 24, 32), "dropout": 0.0}
SMALL |= {"encoder": "small", "image_size": SIDE}


class Learnt(NamedTuple):
    """A model, the questions that it has learnt by heart, and where their pictures come from."""

    model: mm.VisualQA
    records: list[mm.QuestionRecord]
    source: Any


@pytest.fixture(scope="session")
def asked(once: Once) -> list[mm.QuestionRecord]:
    """All questions about six drawings."""
    folder, _ = once("drawings", partial(write_scenes, count=10, seed=5, size=SIDE))
    return [record for record in mm.read_questions(folder) if record.image_id <= "images/000006.png"]


def codecs(records: list[mm.QuestionRecord], head: str) -> tuple[mm.TextCodec, mm.TextCodec]:
    questions, answers = [record.question for record in records], [record.answers[0] for record in records]
    return mm.TextCodec.fit(questions), mm.TextCodec.fit(answers, level="whole" if head == "classify" else "answer")


@pytest.fixture(scope="session", params=["classify", "generate"])
def learnt(request: pytest.FixtureRequest, asked: list[mm.QuestionRecord], once: Once) -> Learnt:
    """Trained until the answers are known by heart, by each head."""
    keras.utils.set_random_seed(0)
    model = mm.VisualQA(*codecs(asked, request.param), head=request.param, **SMALL)
    model.build(model.input_shapes())
    source = mm.Pictures(SIDE)

    def train(folder: Path) -> None:
        folder.mkdir()
        model.compile(keras.optimizers.Adam(1e-2, global_clipnorm=5.0), loss=model.answer_loss())
        batch = mm.question_dataset(asked, model.codec, model.answers_codec, features=source, batch_size=64).cache()
        model.fit(batch.repeat(60), verbose=0, shuffle=False)
        model.save_weights(folder / "learnt.weights.h5")

    folder, _ = once(f"learnt-answers-{request.param}", train)
    model.load_weights(folder / "learnt.weights.h5")
    return Learnt(model, asked, source)


def test_what_was_learnt_by_heart_is_answered(learnt: Learnt) -> None:
    records = learnt.records
    images, questions = [record.image for record in records], [record.question for record in records]
    answers = learnt.model.answer(images, questions, source=learnt.source)
    right = [answer.text == record.answers[0] for answer, record in zip(answers, records, strict=True)]
    assert np.mean(right) > 0.95
    assert np.mean([answer.probability for answer in answers]) > 0.7
    assert all(0.0 < answer.probability <= 1.0 + 1e-6 for answer in answers)


def test_the_wrong_picture_hurts(learnt: Learnt) -> None:
    """The report's own comparison: the same questions about pictures of others."""
    report = evaluate(question_answering, learnt.model, learnt.records, source=learnt.source)
    mixed = report["baselines"]["pictures of other questions"]
    assert report["scores"]["accuracy"] > mixed["accuracy"] + 20
    points = report["gains"]["pictures of other questions"]
    assert points["scores"]["accuracy"] == pytest.approx(report["scores"]["accuracy"] - mixed["accuracy"])
    low, high = points["intervals"]["accuracy"]
    assert 0 < low < points["scores"]["accuracy"] < high


def test_a_preset_answers_alike(learnt: Learnt, tmp_path: Path) -> None:
    learnt.model.save_preset(tmp_path / "preset")
    again = mm.VisualQA.from_preset(tmp_path / "preset")
    images, questions = [learnt.records[0].image] * 2, [learnt.records[0].question, learnt.records[1].question]
    ours, theirs = (model.answer(images, questions, n_best=3) for model in (learnt.model, again))
    assert [[answer.text for answer in best] for best in ours] == [[answer.text for answer in best] for best in theirs]
    probabilities = [[[answer.probability for answer in best] for best in found] for found in (ours, theirs)]
    np.testing.assert_allclose(*probabilities, rtol=1e-5)


def test_several_answers_come_best_first(learnt: Learnt) -> None:
    record = learnt.records[0]
    (best,) = learnt.model.answer([record.image], [record.question], n_best=4)
    assert len(best) == 4 == len({answer.text for answer in best})
    assert [a.probability for a in best] == sorted((a.probability for a in best), reverse=True)
    assert sum(answer.probability for answer in best) <= 1.0 + 1e-5


@pytest.mark.parametrize(
    "question",
    ["", "   ", "?", "무슨 색인가요?", "zebra quagga", "is it red? " * 250],
    ids=lambda text: text[:8] or "empty",
)
def test_any_question_gets_an_answer(learnt: Learnt, question: str) -> None:
    """None, another script, unknown words, 750 words: an answer, and one that does not change with what follows."""
    (best,) = learnt.model.answer([learnt.records[0].image], [question])
    known = {record.answers[0] for record in learnt.records}
    if learnt.model.head == "generate":
        known = {word for answer in known for word in answer.split()}
        assert best.text and set(best.text.split()) <= known
    else:
        assert best.text in known
    assert np.isfinite(best.probability)
    if len(question) > 100:  # cut to `max_question` words
        (same,) = learnt.model.answer([learnt.records[0].image], [question + "and blue?"])
        assert same.probability == pytest.approx(best.probability, rel=1e-5)


def test_pictures_and_questions_come_in_pairs(learnt: Learnt) -> None:
    with pytest.raises(mm.InputError, match="Received: 2 pictures, 1 questions"):
        learnt.model.answer([learnt.records[0].image] * 2, ["what?"])
    with pytest.raises(mm.InputError, match="Expected questions as texts. Received: int"):
        learnt.model.answer(learnt.records[0].image, [3])


def test_one_picture_or_one_question_goes_with_all_the_others(learnt: Learnt) -> None:
    """What is alone and in no list gives one answer, or one list of them."""
    image, question = learnt.records[0].image, learnt.records[0].question
    other = next(record.image for record in learnt.records if record.image != image)
    alone, answer = learnt.model.answer(image, question), learnt.model.answer
    assert isinstance(alone, mm.Answer) and answer([image], [question]) == [alone]
    assert answer(image, question, n_best=2)[0] == alone and len(answer(image, question, n_best=2)) == 2
    assert answer(image, [question, "is it red?"]) == answer([image] * 2, [question, "is it red?"])
    assert answer([image, other], question) == answer([image, other], [question] * 2)


def test_attention_is_over_the_regions(learnt: Learnt) -> None:
    record = learnt.records[0]
    inputs = learnt.model.inputs_for([record.image], [record.question], learnt.source)
    attention_weights = learnt.model.attention_weights(inputs)
    assert attention_weights.shape == (1, 1, 16)
    np.testing.assert_allclose(attention_weights.sum(axis=-1), 1.0, atol=1e-6)


def test_attention_follows_the_regions_and_the_question(asked: list[mm.QuestionRecord]) -> None:
    keras.utils.set_random_seed(0)
    small = {**SMALL, "encoder": "vgg19", "units": 16, "hops": 2}
    model = mm.VisualQA(*codecs(asked, "classify"), **small)
    model.build(model.input_shapes())
    random = np.random.default_rng(0)
    regions, order = random.normal(size=(1, 196, 512)).astype(np.float32), random.permutation(196)
    inputs = {"regions": regions, **model.inputs_for([], ["how many shapes are there?"], None)}
    moved = {**inputs, "regions": regions[:, order]}
    attention_weights = model.attention_weights(inputs)
    assert attention_weights.shape == (1, 2, 196) and attention_weights.std() > 1e-4
    np.testing.assert_allclose(model.attention_weights(moved), attention_weights[:, :, order], atol=1e-6)
    np.testing.assert_allclose(model(moved), model(inputs), atol=1e-4)
    other = {**inputs, **model.inputs_for([], ["is there a red square?"], None)}
    assert np.abs(model.attention_weights(other) - attention_weights).max() > 1e-5


def test_regions_are_pooled_always_and_cropped_while_training(asked: list[mm.QuestionRecord]) -> None:
    """Without any dropout a call differs in training by its crop alone."""
    found = {}
    for crop, pool in ((0.5, 1), (0.0, 1), (0.0, 2)):
        keras.utils.set_random_seed(3)
        model = mm.VisualQA(*codecs(asked, "classify"), crop=crop, pool=pool, **SMALL)
        model.build(model.input_shapes())
        inputs = model.inputs_for([asked[0].image], [asked[0].question], mm.Pictures(SIDE))
        model.encoder.trainable = False  # whose norms would differ too
        found[crop, pool] = [np.asarray(model(inputs, training=training)) for training in (False, True)]
        assert model.attention_weights(inputs).shape == (1, 1, 16 // pool**2)
        again = mm.VisualQA.from_config(model.get_config())
        assert (again.visual_encoder.crop.share, again.visual_encoder.pool.side) == (crop, pool)
    np.testing.assert_array_equal(found[0.0, 1][0], found[0.0, 1][1])
    np.testing.assert_array_equal(found[0.5, 1][0], found[0.0, 1][0])
    assert not np.allclose(found[0.5, 1][1], found[0.5, 1][0])
    assert not np.allclose(found[0.0, 2][0], found[0.0, 1][0])


def test_a_model_of_questions_alone_sees_no_picture(asked: list[mm.QuestionRecord]) -> None:
    model = mm.VisualQA(*codecs(asked, "classify"), question_only=True, **SMALL)
    model.build(model.input_shapes())
    assert set(model.input_shapes()) == {"question"}
    both = model.answer([asked[0].image, asked[-1].image], ["how many shapes are there?"] * 2)
    assert both[0].text == both[1].text and both[0].probability == pytest.approx(both[1].probability)
    with pytest.raises(mm.InputError, match="question_only=True"):
        model.attention_weights(model.inputs_for([], ["what?"], None))
    with pytest.raises(mm.InputError, match="reads questions alone"):
        model.vector(model.inputs_for([], ["what?"], None))
    assert not any("encoder" in weight.path or "attention" in weight.path for weight in model.weights)


def test_unknown_options_are_refused(asked: list[mm.QuestionRecord]) -> None:
    words = codecs(asked, "classify")
    for options, told in (
        ({"head": "write"}, "head is one of classify, generate. Received: 'write'"),
        ({"fusion": "sum"}, "Received: 'sum'"),
        ({"encoder": "resnet"}, "Received: 'resnet'"),
        ({"head": "generate"}, "those of another one. Received: head='generate', level='whole'"),
        ({"decoding": mm.Greedy()}, "Received: Greedy"),
        ({"decoding": mm.BeamSearch(length_penalty=0.7)}, "log-probabilities. Received: BeamSearch"),
        ({"encoder": "vgg19-block5"}, "an extractor of vgg19-block4_pool. Received: None"),
    ):
        with pytest.raises(mm.InputError, match=told):
            mm.VisualQA(*words, **{**SMALL, **options})
