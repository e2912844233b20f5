"""One directory that a server serves, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import mmtoolkit as mm
from mmtoolkit.serving import export as exporting
from mmtoolkit.serving.export import Fixed, NotServable, export
from mmtoolkit.serving.loaded import ServedModel
from mmtoolkit.serving.savedmodel import read_model, served_signatures
from mmtoolkit.tasks import Captioning, captioning
from mmtoolkit.vision.sources import extractor_key


def ask(model: ServedModel, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
    found = {}
    for name, value in inputs.items():
        found[name] = np.array(value, object) if isinstance(value[0], (bytes, str)) else np.array(value)
    return model.predict(signature, found, seconds=60)


@pytest.fixture(scope="module")
def captions(models: Path) -> ServedModel:
    return ServedModel(models / "captions" / "1")


@pytest.fixture(scope="module")
def answers(models: Path) -> ServedModel:
    return ServedModel(models / "answers" / "1")


def test_the_signatures_are_those_that_are_promised(captions: ServedModel, answers: ServedModel) -> None:
    assert list(captions.signatures["serving_default"].inputs) == ["image_bytes"]
    assert set(captions.signatures) == {"serving_default", "n_best", "attention", "from_regions", "sample"}
    assert set(captions.signatures["serving_default"].outputs) == {"caption", "score", "tokens", "status"}
    assert set(answers.signatures["serving_default"].inputs) == {"image_bytes", "question"}
    assert set(answers.signatures["attention"].outputs) == {"answers", "probabilities", "attention", "status"}


def test_the_captions_are_those_of_the_preset(
    captioner: mm.Captioner, captions: ServedModel, pictures: list[Path]
) -> None:
    expected = captioner.generate(pictures)
    assert len(set(expected)) > 3 and any(not caption.isascii() for caption in expected)
    data = [path.read_bytes() for path in pictures]
    found = ask(captions, "serving_default", image_bytes=data)
    assert [caption.decode() for caption in found["caption"]] == expected
    for tokens, caption in zip(found["tokens"], expected, strict=True):
        assert " ".join(token.decode() for token in tokens if token) == caption
    several = ask(captions, "n_best", image_bytes=data)
    written = captioner.decode({"images": captioner.image_source().read(pictures)}, mm.BeamSearch(width=3, n_best=2))
    assert several["captions"].tolist() == [[caption.text.encode() for caption in row] for row in written]
    np.testing.assert_allclose(several["scores"], [[caption.score for caption in row] for row in written], atol=1e-4)


def test_the_attention_is_that_of_the_preset(
    captioner: mm.Captioner, captions: ServedModel, pictures: list[Path]
) -> None:
    inputs = {"images": captioner.image_source().read(pictures)}
    found = ask(captions, "attention", image_bytes=[path.read_bytes() for path in pictures])
    expected = captioner.attention_weights(inputs, [caption.decode() for caption in found["caption"]])
    for looked, wanted in zip(found["attention"], expected, strict=True):
        np.testing.assert_allclose(looked[: len(wanted)], wanted, atol=1e-5)
        assert not looked[len(wanted) :].any()


def test_a_draw_depends_on_its_own_seed_alone(captions: ServedModel, pictures: list[Path]) -> None:
    data = pictures[0].read_bytes()
    many = ask(captions, "sample", image_bytes=[data] * 8, seed=np.arange(8, dtype=np.int32))
    assert len(set(many["caption"])) > 3
    alone = ask(captions, "sample", image_bytes=[data], seed=np.array([5], np.int32))
    assert alone["caption"][0] == many["caption"][5]


def test_the_answers_are_those_of_the_preset_also_to_a_question_without_words(
    answerer: mm.VisualQA, answers: ServedModel, pictures: list[Path]
) -> None:
    questions = ["how many circles are there?", "", "원이 몇 개 있나요?", "what " * 200]
    expected = answerer.answer(pictures[:4], questions, n_best=5)
    data = [path.read_bytes() for path in pictures[:4]]
    found = ask(answers, "serving_default", image_bytes=data, question=[question.encode() for question in questions])
    assert found["answers"].tolist() == [[answer.text.encode() for answer in row] for row in expected]
    shares = [[answer.probability for answer in row] for row in expected]
    np.testing.assert_allclose(found["probabilities"], shares, atol=1e-5)
    alone = ask(answers, "serving_default", image_bytes=data[1:2], question=[b""])
    np.testing.assert_allclose(alone["probabilities"], found["probabilities"][1:2], atol=1e-5)


def test_a_bad_picture_leaves_the_others_as_they_were(captions: ServedModel, pictures: list[Path]) -> None:
    data = pictures[0].read_bytes()
    alone = ask(captions, "attention", image_bytes=[data])
    found = ask(captions, "attention", image_bytes=[b"junk", data, b""])
    assert found["status"].tolist() == [b"unreadable", b"ok", b"empty"]
    for name in ("caption", "tokens"):
        np.testing.assert_array_equal(found[name][1], alone[name][0])
    for name in ("score", "attention"):
        np.testing.assert_allclose(found[name][1], alone[name][0], rtol=1e-5, atol=1e-6)
    for name in ("caption", "tokens", "score", "attention"):
        assert not np.any(found[name][[0, 2]] != (b"" if found[name].dtype == object else 0))


def test_regions_that_are_no_numbers_are_refused_in_their_row(captioner: mm.Captioner, captions: ServedModel) -> None:
    shape = captions.signatures["from_regions"].inputs["regions"].shape[1:]
    regions = np.random.default_rng(0).random((4, *shape), np.float32)
    expected = ask(captions, "from_regions", regions=regions)
    assert set(expected["status"]) == {b"ok"} and all(expected["caption"])
    regions[1, 0, 0], regions[3, -1, -1] = np.nan, np.inf
    found = ask(captions, "from_regions", regions=regions)
    assert found["status"].tolist() == [b"ok", b"unreadable", b"ok", b"unreadable"]
    assert found["caption"].tolist() == [expected["caption"][0], b"", expected["caption"][2], b""]
    assert not found["score"][[1, 3]].any()


def test_every_weight_is_stored_once(captioner: mm.Captioner, models: Path) -> None:
    reader: Any = tf.train.load_checkpoint(str(models / "captions" / "1" / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in reader.get_variable_to_shape_map().items() if "OBJECT" not in name]
    used = [weight for weight in captioner.weights if "seed_generator" not in weight.path]
    assert sum(sizes) == sum(int(np.prod(weight.shape)) for weight in used)


def test_weights_that_float16_holds_take_two_bytes_and_compute_the_same(
    captioner: mm.Captioner, tmp_path: Path, pictures: list[Path]
) -> None:
    captioner.save_preset(tmp_path / "small", float16=True)
    small = mm.load(tmp_path / "small")
    place, verdict = export(captioning, small, tmp_path / "model")
    assert not verdict.problems
    reader: Any = tf.train.load_checkpoint(str(place / "variables" / "variables"))
    kinds = {name: kind for name, kind in reader.get_variable_to_dtype_map().items() if "OBJECT" not in name}
    assert set(kinds.values()) == {tf.float16} and len(kinds) == len(small.weights)
    found = ask(ServedModel(place), "serving_default", image_bytes=[path.read_bytes() for path in pictures])
    best = [row[0] for row in small.decode({"images": small.image_source().read(pictures)})]
    assert [text.decode() for text in found["caption"]] == [caption.text for caption in best]
    np.testing.assert_allclose(found["score"], [caption.score for caption in best], rtol=1e-4)


@pytest.mark.slow
def test_vgg19_is_stored_and_proven_as_it_computes(captioner: mm.Captioner, tmp_path: Path) -> None:
    """In bfloat16: half the bytes of the 20,024,384 numbers that Keras documents for VGG19 without its top."""
    keras.utils.set_random_seed(0)
    seeing = mm.Captioner.from_config({**captioner.get_config(), "encoder": "vgg19"})
    seeing.build(seeing.input_shapes())
    seeing.extractor = extractor_key("random", precision="bfloat16")
    place, verdict = export(captioning, seeing, tmp_path / "seeing", fixed=Fixed("bfloat16"))
    assert verdict.problems == [] and verdict.requests > 10
    reader: Any = tf.train.load_checkpoint(str(place / "variables" / "variables"))
    shapes, kinds = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    assert sum(int(np.prod(shapes[name])) for name, kind in kinds.items() if kind == tf.bfloat16) == 20_024_384
    card = json.loads((place / "assets.extra" / "card.json").read_text(encoding="utf-8"))
    assert (card["precision"], card["text_ops"], card["n_best"]) == ("bfloat16", [], 3)


def test_a_precision_is_for_vgg19_alone(captioner: mm.Captioner, tmp_path: Path) -> None:
    with pytest.raises(mm.InputError, match="that of an encoder whose regions are stored"):
        export(captioning, captioner, tmp_path / "out", fixed=Fixed("bfloat16"))
    assert not list(tmp_path.iterdir())


def test_what_warms_up_and_what_is_told_lies_beside(models: Path) -> None:
    extra = models / "captions" / "1" / "assets.extra"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(extra / "tf_serving_warmup_requests"))
    ]
    asked = {log.predict_log.request.model_spec.signature_name for log in logs}
    assert asked == set(served_signatures(read_model(models / "captions" / "1")))
    card = json.loads((extra / "card.json").read_text(encoding="utf-8"))
    assert (card["class"], card["precision"], card["max_length"]) == ("Captioner", "float32", 6)
    assert card["signatures"]["serving_default"]["outputs"]["score"] == ["float", [-1]]


def test_versions_count_up_and_none_is_lost(captioner: mm.Captioner, models: Path, tmp_path: Path) -> None:
    assert exporting.next_version(models / "captions") == 2 and exporting.next_version(tmp_path / "none") == 1
    with pytest.raises(mm.InputError, match="1 is there already; name another --version"):
        export(captioning, captioner, models / "captions", version=1)
    with pytest.raises(mm.InputError, match=r"--precision is one of float32, bfloat16\. Received: 'float8'"):
        export(captioning, captioner, tmp_path, fixed=Fixed(precision="float8"))
    assert not list(tmp_path.iterdir())


def test_what_does_not_answer_as_the_preset_is_not_kept(
    captioner: mm.Captioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature serving_default alone, with another search than that of the golden request."""
    task = Captioning()
    signatures, golden = task.signatures, task.golden

    def other(model: Any, extractor: Any, **options: Any) -> Any:
        model.decoding = mm.BeamSearch(width=1, length_penalty=0.0, min_length=5)
        return {"serving_default": signatures(model, extractor, **options)["serving_default"]}

    def few(model: Any, probes: Any, **options: Any) -> Any:
        model.decoding = captioner.decoding
        return [next(iter(golden(model, probes, **options)))]

    monkeypatch.setattr(task, "signatures", other)
    monkeypatch.setattr(task, "golden", few)
    with pytest.raises(NotServable, match=r"signature serving_default, 1 rows of image_bytes, row 0: (caption|score)"):
        export(task, captioner, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
