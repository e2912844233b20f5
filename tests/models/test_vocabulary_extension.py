"""A model that learns new words keeps what it knows, and starts the new ones from their neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.models.vocabulary_extension import (
    extend_vocabulary,
    predicted_neighbours,
    with_rows,
    with_trainable_block,
)
from mmtoolkit.vision import LiveRegions, extractor_key

SMALL = {"encoder": "small", "image_size": 32, "units": 16, "attention_units": 8, "embedding_dim": 8}
TEXTS = [
    f"a {colour} {shape} {place}"
    for colour in ("red", "blue", "green")
    for shape in ("circle", "square", "hexagon")
    for place in ("above", "below", "beside")
]
CODEC = mm.TextCodec.fit([text for text in TEXTS if "hexagon" not in text])


@pytest.fixture
def captioner() -> mm.Captioner:
    keras.utils.set_random_seed(3)
    model = mm.Captioner(CODEC, filters=(4, 8, 8, 8), **SMALL)
    model.build(model.input_shapes())
    return model


def answerer(head: str, answers: mm.TextCodec) -> mm.VisualQA:
    keras.utils.set_random_seed(4)
    model = mm.VisualQA(CODEC, answers, head=head, filters=(4, 8, 8, 8), **SMALL)
    model.build(model.input_shapes())
    return model


def test_old_words_keep_their_ids_and_their_logits(captioner: mm.Captioner) -> None:
    larger, extension = extend_vocabulary(captioner, {"words": TEXTS})
    assert extension.words == {"words": ("hexagon",)}
    assert larger.codec.vocabulary.tokens == (*CODEC.vocabulary.tokens, "hexagon")
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    inputs = {"images": images, "tokens": CODEC.encode_batch(["a red circle", "a green square above"])}
    before, after = (np.asarray(model(inputs)) for model in (captioner, larger))
    np.testing.assert_array_equal(after[..., :-1], before)


def test_a_new_word_is_the_mean_of_its_neighbours(captioner: mm.Captioner) -> None:
    larger, extension = extend_vocabulary(captioner, {"words": TEXTS})
    assert set(extension.neighbours["hexagon"]) >= {"circle", "square"}  # the words that stand where it stands
    ids = CODEC.vocabulary.ids(extension.neighbours["hexagon"])
    decoder, other = captioner.decoder, larger.decoder
    for axis, old, new in (
        (0, decoder.embedding.table, other.embedding.table),
        (1, decoder.output_layer.kernel, other.output_layer.kernel),
        (0, decoder.output_layer.bias, other.output_layer.bias),
    ):
        expected = np.take(np.asarray(old), ids, axis=axis).mean(axis=axis)
        np.testing.assert_allclose(np.take(np.asarray(new), -1, axis=axis), expected, rtol=1e-6)


def test_answers_grow_the_classifier_and_old_ones_keep_their_logits() -> None:
    answers = mm.TextCodec.fit(["circle", "square", "red", "red circle"], level="whole")
    model = answerer("classify", answers)
    questions = [f"which shape is {text.split()[1]}" for text in TEXTS]
    given = [text.split()[2] for text in TEXTS] + ["red hexagon"] * 2
    larger, extension = extend_vocabulary(model, {"words": [*questions, *TEXTS], "answers": given})
    assert extension.words["answers"] == ("hexagon", "red hexagon")
    assert set(extension.words["words"]) == {"which", "shape", "is", "hexagon"}
    inputs = {"images": np.zeros((1, 32, 32, 3), np.uint8), "question": CODEC.encode_batch(["a red circle"])}
    before, after = (np.asarray(each(inputs)) for each in (model, larger))
    np.testing.assert_allclose(after[:, :4], before, atol=1e-6)
    assert after.shape == (1, 6)
    bias = np.asarray(larger.output_layer.bias)
    ids = [answers.vocabulary.id_of[token] - 4 for token in extension.neighbours["hexagon"]] or range(4)
    assert bias[4] == pytest.approx(np.mean([np.asarray(model.output_layer.bias)[index] for index in ids]))


def test_written_answers_grow_too() -> None:
    model = answerer("generate", mm.TextCodec.fit(["red circle", "blue"], level="answer"))
    larger, extension = extend_vocabulary(model, {"words": TEXTS, "answers": ["green circle", "green square"]})
    assert extension.words["answers"] == ("green", "square")
    assert larger.decoder.output_layer.kernel.shape[1] == model.decoder.output_layer.kernel.shape[1] + 2
    np.testing.assert_array_equal(larger.embedding.table[: len(CODEC.vocabulary)], model.embedding.table)


def test_rows_by_hand() -> None:
    old = np.arange(12.0).reshape(2, 6)
    new = with_rows(old, (2, 8), 10, [(5, 6), ()])  # six columns of ten tokens: none for the special ones
    np.testing.assert_array_equal(new[:, :6], old)
    np.testing.assert_array_equal(new[:, 6], old[:, [1, 2]].mean(axis=1))
    np.testing.assert_array_equal(new[:, 7], old.mean(axis=1))


def test_nothing_new_changes_nothing(captioner: mm.Captioner) -> None:
    same, extension = extend_vocabulary(captioner, {"words": ["a red circle"]})
    assert same is captioner and extension.words == {"words": ()}


def test_characters_grow(captioner: mm.Captioner) -> None:
    letters: Any = mm.Captioner(mm.TextCodec.fit(["abc"], level="char"), filters=(4, 8, 8, 8), **SMALL)
    letters.build(letters.input_shapes())
    larger, extension = extend_vocabulary(letters, {"words": ["개가 a", "개"]})
    assert extension.words == {"words": ("개", " ", "가")} or extension.words == {"words": ("개", "가", " ")}
    assert larger.codec.decode_all(larger.codec.encode_batch(["개 가"])) == ["개 가"]


def test_rare_words_stay_unknown(captioner: mm.Captioner) -> None:
    assert extend_vocabulary(captioner, {"words": ["a hexagon", "a star", "a star"]}, min_count=2)[1].words == {
        "words": ("star",)
    }


def test_neighbours_come_from_what_was_learnt_where_that_is_given(captioner: mm.Captioner) -> None:
    """Texts about hexagons alone hold no other shape."""
    new = {"words": [text for text in TEXTS if "hexagon" in text]}
    old = {"words": [text for text in TEXTS if "hexagon" not in text]}
    alone, both = (extend_vocabulary(captioner, new, known=known)[1].neighbours["hexagon"] for known in (None, old))
    assert not {"circle", "square"} & set(alone)
    assert {"circle", "square"} <= set(both)


def test_what_a_model_would_say_in_the_place_of_a_new_word(captioner: mm.Captioner) -> None:
    """By hand: the mean of its probabilities over the places where the word is wanted, special and new words apart."""
    larger, extension = extend_vocabulary(captioner, {"words": TEXTS})
    images = np.random.default_rng(2).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    tokens = larger.codec.encode_batch(["a red hexagon above", "a blue circle", "a hexagon hexagon"])
    batch = ({"images": images, "tokens": tokens[:, :-1]}, tokens[:, 1:], None)
    logits = np.asarray(larger(batch[0]), np.float64)[..., 4:-1]
    odds = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    hexagon = larger.codec.vocabulary.id_of["hexagon"]
    wanted = odds[tokens[:, 1:] == hexagon]
    assert wanted.shape == (3, len(CODEC.vocabulary) - 4)
    expected = tuple(CODEC.vocabulary.tokens[4 + index] for index in np.argsort(-wanted.sum(axis=0))[:3])
    found = predicted_neighbours(larger, extension, [batch, batch])
    assert found == {"words": {"hexagon": expected}}
    placed, told = extend_vocabulary(captioner, {"words": TEXTS}, neighbours=found)
    assert told.neighbours == {"hexagon": expected}
    ids = [CODEC.vocabulary.id_of[token] for token in expected]
    rows = np.asarray(captioner.decoder.embedding.table)[ids].mean(axis=0)
    np.testing.assert_allclose(np.asarray(placed.decoder.embedding.table)[-1], rows, rtol=1e-6)
    nothing = predicted_neighbours(larger, extension, [])
    assert nothing == {"words": {"hexagon": ()}}  # then word2vec says what it is like
    assert extend_vocabulary(captioner, {"words": TEXTS}, neighbours=nothing)[1] == extension


def test_what_a_model_would_answer_in_the_place_of_a_new_answer() -> None:
    """Targets are shares of annotators; answers have no column for special tokens."""
    answers = mm.TextCodec.fit(["circle", "square", "red", "blue"], level="whole")
    model = answerer("classify", answers)
    larger, extension = extend_vocabulary(model, {"words": TEXTS, "answers": ["hexagon", "hexagon", "circle"]})
    images = np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    question = larger.codec.encode_batch(["a red circle", "a hexagon above", "a green square"])
    targets = np.array([[1, 0, 0, 0, 0], [0, 0.5, 0, 0, 0.5], [0, 0, 0, 0, 1]], np.float32)
    inputs = {"images": images, "question": question}
    logits = np.asarray(larger(inputs), np.float64)[1:, :4]
    odds = (np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)).sum(axis=0)
    expected = tuple(answers.vocabulary.tokens[4 + index] for index in np.argsort(-odds)[:3])
    assert predicted_neighbours(larger, extension, [(inputs, targets, None)]) == {"answers": {"hexagon": expected}}


def test_with_vgg19s_last_block_a_model_sees_what_it_saw(tmp_path: Path) -> None:
    """The logits of one picture, from regions of the block and from those before it; only rounding is between them."""
    key = extractor_key("random", precision="float32")
    keras.utils.set_random_seed(5)
    sizes = {"units": 16, "attention_units": 8, "embedding_dim": 8}
    model = mm.Captioner(CODEC, encoder="vgg19", extractor=key, **sizes)
    model.build(model.input_shapes())
    deeper = with_trainable_block(model)
    assert deeper.encoder_name == "vgg19-block5" and deeper.extractor.network == "vgg19-block4_pool"
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    picture = tmp_path / "a.png"
    Image.fromarray(pixels).save(picture)
    tokens = CODEC.encode_batch(["a red circle above"])
    logits = [
        np.asarray(each({"regions": LiveRegions(each.extractor).read([picture]), "tokens": tokens}))
        for each in (model, deeper)
    ]
    assert np.abs(logits[0] - logits[0].mean()).max() > 0.05
    np.testing.assert_allclose(logits[1], logits[0], atol=2e-3)


@pytest.mark.parametrize(
    ("layer", "message"),
    [(None, "regions of an unknown extractor; leave the stage out"), ("block5_pool", "vgg19-block5_pool")],
)
def test_only_the_block_that_a_model_looks_at_can_be_added(layer: str | None, message: str) -> None:
    options: dict[str, Any] = {"encoder": "small", "image_size": 32}
    if layer:
        key = extractor_key("random", precision="float32", network=f"vgg19-{layer}")
        options = {"encoder": "vgg19", "extractor": key}
    model = mm.Captioner(CODEC, units=8, attention_units=8, embedding_dim=8, **options)
    with pytest.raises(mm.InputError, match=f"Received: .*{message}"):
        with_trainable_block(model)
