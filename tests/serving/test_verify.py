"""What `verify` catches: exports that reload in Python and fail, or answer otherwise, in the server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import mmtoolkit as mm
from mmtoolkit.files import write_json
from mmtoolkit.serving import export as exporting
from mmtoolkit.serving import verify as verifying
from mmtoolkit.serving.export import Fixed
from mmtoolkit.serving.golden import GOLDEN, Golden, pack, unpack
from mmtoolkit.serving.savedmodel import EXTRA, foreign_ops, read_model
from mmtoolkit.serving.signatures import Signature
from mmtoolkit.serving.verify import MOST_BYTES, differences, read_golden, replay, verify
from mmtoolkit.tasks import captioning

Export = Callable[..., Path]
OTHERS = ("attention", "from_regions", "n_best", "sample")


@pytest.fixture(scope="module")
def request_of(models: Path) -> Golden:
    """A golden request of `serving_default`, three rows."""
    golden, _ = read_golden(models / "captions" / "1")
    return next(each for each in golden if each.signature == "serving_default" and len(each.inputs["image_bytes"]) == 3)


@pytest.fixture
def plain(captioner: mm.Captioner, request_of: Golden, tmp_path: Path) -> Export:
    """Writes `serving_default` alone with one golden request, the function changed by `wrap`."""

    def write(wrap: Callable[[Any], Any] = lambda function: function, model: Any = None) -> Path:
        ready = exporting.at_precision(model or captioner, Fixed())
        served = captioning.signatures(ready, None, n_best=1, sample=mm.Sample())["serving_default"]
        folder = tmp_path / "1"
        exporting.write_model(folder, ready, {"serving_default": Signature(served.inputs, wrap(served.function))})
        return with_golden(folder, request_of)

    return write


def with_golden(folder: Path, request: Golden) -> Path:
    (folder / EXTRA).mkdir(exist_ok=True)
    write_json(folder / EXTRA / GOLDEN, {"tolerance": 1e-4, "requests": [request.to_json()]})
    return folder


def problems_of(folder: Path) -> list[str]:
    """What is wrong with a model of which only one request is compared."""
    return [problem for problem in verify(folder).problems if ": its golden requests have " not in problem]


def test_a_plain_save_of_a_keras_model_does_not_load(tmp_path: Path) -> None:
    """It reloads in Python, which is why Python's word is not taken."""
    module = tf.Module()
    module.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def served(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"score": module.model(tf.ones((tf.shape(image_bytes)[0], 2)))[:, 0]}

    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"serving_default": served})
    expected = np.sum(module.model.get_weights()[0], axis=0)
    reloaded: Any = tf.saved_model.load(str(tmp_path / "1"))
    found = reloaded.signatures["serving_default"](image_bytes=tf.constant([b"1"]))["score"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    request = Golden("serving_default", {"image_bytes": np.array([b"1"], object)}, {"score": expected}, [[]])
    (problem,) = problems_of(with_golden(tmp_path / "1", request))
    assert problem.startswith("signature serving_default, 1 rows of image_bytes: ") and "variable" in problem


def test_a_wrong_vocabulary_is_seen(captioner: mm.Captioner, plain: Export) -> None:
    tokens = captioner.codec.vocabulary.tokens
    shifted = (*tokens[:4], *tokens[5:], tokens[4])
    config = {**captioner.get_config(), "codec": mm.TextCodec(mm.Vocabulary(shifted))}
    other = mm.Captioner.from_config(config)
    other.build(other.input_shapes())
    other.set_weights(captioner.get_weights())
    problems = problems_of(plain(model=other))
    assert any("row 0: caption is '" in problem and ", not '" in problem for problem in problems)


def test_a_table_that_is_not_filled_is_seen(plain: Export) -> None:
    """As where the table is not tracked: nothing fills it when the model is loaded."""

    def looking_up(function: Any) -> Any:
        with tf.init_scope():
            filling = tf.lookup.KeyValueTensorInitializer(["a"], [1])
            looking_up.table = tf.lookup.StaticHashTable(filling, 0)  # type: ignore[attr-defined]

        def served(image_bytes: tf.Tensor) -> Any:
            found = looking_up.table.lookup(image_bytes)  # type: ignore[attr-defined]
            with tf.control_dependencies([found]):
                return {name: tf.identity(value) for name, value in function(image_bytes).items()}

        return served

    with pytest.raises((AssertionError, ValueError), match="untracked"):  # Keras and TensorFlow see this one
        plain(looking_up)


def test_a_table_whose_filling_was_lost_is_seen(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(models / "answers" / "1", folder)
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (graph,) = saved.meta_graphs
    graph.signature_def.pop("__saved_model_init_op")
    graph.collection_def.clear()
    path.write_bytes(saved.SerializeToString())
    golden = [request for request in read_golden(folder)[0] if request.signature == "serving_default"]
    problems = problems_of(with_golden(folder, golden[0]))
    assert len(problems) == 1 and "Table not initialized" in problems[0]


def test_what_only_python_runs_is_refused_before_it_runs(plain: Export) -> None:
    def in_python(function: Any) -> Any:
        def served(image_bytes: tf.Tensor) -> Any:
            found = function(image_bytes)
            return {
                **found,
                "caption": tf.reshape(tf.numpy_function(lambda x: x, [found["caption"]], tf.string), (-1,)),
            }

        return served

    with pytest.raises(mm.InputError, match=r"only compute, .*Received: (Eager)?PyFunc; nothing of it was run"):
        verify(plain(in_python))


def test_what_the_server_would_have_to_compile_is_refused(plain: Export) -> None:
    def compiled(function: Any) -> Any:
        double = tf.function(lambda x: x * 2 / 2, jit_compile=True, autograph=False)

        def served(image_bytes: tf.Tensor) -> Any:
            found = function(image_bytes)
            return {**found, "score": double(found["score"])}

        return served

    refused, _ = foreign_ops(read_model(plain(compiled)))
    assert len(refused) == 1 and "_XlaMustCompile" in refused[0]


def test_operations_of_tensorflow_text_are_told(models: Path) -> None:
    assert foreign_ops(read_model(models / "answers" / "1")) == ([], ["NormalizeUTF8"])
    assert foreign_ops(read_model(models / "captions" / "1")) == ([], [])  # pictures need no text operations


def test_operations_that_this_process_has_and_the_server_lacks_are_seen(plain: Export) -> None:
    def split(function: Any) -> Any:
        import tensorflow_text

        def served(image_bytes: tf.Tensor) -> Any:
            words = tensorflow_text.WhitespaceTokenizer().tokenize(["a b"]).flat_values
            with tf.control_dependencies([words]):
                return {name: tf.identity(value) for name, value in function(image_bytes).items()}

        return served

    with pytest.raises(mm.InputError, match=r"only compute, .*Received: TFText>WhitespaceTokenize\w*; "):
        verify(plain(split))


def test_every_signature_must_be_asked_alone_and_in_a_batch(models: Path, request_of: Golden, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(models / "captions" / "1", folder)
    problems = verify(with_golden(folder, request_of)).problems
    assert [problem.partition(": ")[::2] for problem in problems] == [
        ("signature serving_default", "its golden requests have [3] rows, not [1, 3]; export again"),
        *((f"signature {name}", "its golden requests have no rows, not [1, 3]; export again") for name in OTHERS),
    ]


def test_a_missing_signature_is_named(models: Path, request_of: Golden, tmp_path: Path) -> None:
    folder = tmp_path / "1"
    shutil.copytree(models / "captions" / "1", folder)
    problems = problems_of(with_golden(folder, replace(request_of, signature="beams")))
    assert len(problems) == 1 and problems[0].startswith("signature beams: it is missing; there are serving_default, ")


def test_numbers_may_differ_by_the_tolerance_and_strings_in_a_tie() -> None:
    request = Golden(
        "serving_default",
        {"image_bytes": np.array([b"1", b"2"], object)},
        {"caption": np.array([b"a", b"b"], object), "score": np.array([-1.0, -2.0], np.float32)},
        [[("a", -1.0), ("c", -1.00005), ("d", -1.5)], [("b", -2.0)]],
        {"caption": "score"},
    )

    def compared(captions: list[bytes], scores: list[float]) -> list[str]:
        return list(differences(request, {"caption": np.array(captions, object), "score": np.array(scores)}, 1e-4))

    assert compared([b"a", b"b"], [-1.00009, -2.0]) == []
    (wrong,) = compared([b"a", b"b"], [-1.0, -2.001])
    assert wrong == "signature serving_default, 2 rows of image_bytes, row 1: score differs by 0.001, more than 0.0001"
    assert compared([b"c", b"b"], [-1.00005, -2.0]) == []
    (wrong,) = compared([b"c", b"b"], [-1.001, -2.0])
    assert wrong.endswith("row 0: score differs by 0.001, more than 0.0002")
    (wrong,) = compared([b"d", b"b"], [-1.5, -2.0])[:1]
    assert wrong.endswith("row 0: caption is 'd', not 'a'")
    assert compared([b"a", b"b"], [float("nan"), -2.0])
    (wrong,) = compared([b"a"], [-1.0, -2.0])
    assert wrong.endswith("caption has the shape [1], not [2]")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content.update(tolerance=1e9), "its tolerance is 1000000000.0"),
        (lambda content: content.update(tolerance="x"), "its tolerance is 'x'"),
        (lambda content: content.update(requests=3), "not iterable"),
        (lambda content: content.update(requests=[[]]), ""),
        (lambda content: content["requests"][0].update(inputs={}), "not as many rows"),
        (lambda content: content["requests"][0].update(inputs=[1]), ""),
        (lambda content: content["requests"][0].update(others=[[]]), "not as many rows"),
        (lambda content: content["requests"][0].update(scored={"caption": "none"}), "none"),
        (lambda content: content["requests"][0].update(scored={"caption": "tokens"}), "not as many scores"),
        (lambda content: content["requests"][0]["outputs"]["score"].update(dtype="object"), "not 'object'"),
        (lambda content: content["requests"][0]["outputs"]["score"].update(shape=[10**9]), "reshape"),
        (lambda content: content["requests"][0]["outputs"]["score"].update(data="*"), ""),
    ],
)
def test_golden_requests_of_a_stranger_are_checked(
    request_of: Golden, tmp_path: Path, change: Callable[[Any], Any], told: str
) -> None:
    folder = with_golden(tmp_path, request_of)
    assert len(read_golden(folder)[0]) == 1
    content = json.loads((folder / EXTRA / GOLDEN).read_text(encoding="utf-8"))
    change(content)
    write_json(folder / EXTRA / GOLDEN, content)
    with pytest.raises(mm.InputError, match=f"does not hold golden requests .*{told}"):
        read_golden(folder)


def test_golden_requests_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / EXTRA).mkdir()
    with (tmp_path / EXTRA / GOLDEN).open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(mm.InputError, match="does not hold golden requests .*larger than 67 MB"):
        read_golden(tmp_path)


def test_a_model_that_does_not_end_is_ended(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "LONGEST", 0.01)
    assert verifying.run(models / "captions" / "1", []) == [{"error": "its requests took longer than 0.01 seconds"}]


def test_text_for_numbers_is_a_difference(request_of: Golden) -> None:
    texts = {**request_of.outputs, "score": np.array([b"1"] * 3, object)}
    assert "score has text, not the other" in " ".join(differences(request_of, texts, 1e-4))


def test_golden_requests_survive_the_file(request_of: Golden) -> None:
    again = Golden.from_json(request_of.to_json())
    assert again.others == request_of.others and again.signature == request_of.signature
    for side in ("inputs", "outputs"):
        for name, value in getattr(request_of, side).items():
            np.testing.assert_array_equal(getattr(again, side)[name], value)
    numbers = np.array([[1.5, -2.0]], np.float32)
    np.testing.assert_array_equal(unpack(pack(numbers)), numbers)


def test_a_live_server_is_asked_the_same(models: Path) -> None:
    folder = models / "captions" / "1"

    def refusing(signature: str, inputs: Any) -> Any:
        raise mm.InputError("it answered 503")

    verdict = replay(folder, refusing)
    assert len(verdict.problems) == verdict.requests > 5 and verdict.problems[0].endswith("it answered 503")


def test_what_is_no_export_is_said(tmp_path: Path, models: Path) -> None:
    with pytest.raises(mm.InputError, match=r"Expected the directory of an exported version\. Received: .*nothing"):
        verify(tmp_path / "nothing")
    with pytest.raises(mm.InputError, match=r"name one of its versions: 1"):
        verify(models / "captions")
    shutil.copytree(models / "captions" / "1", tmp_path / "1")
    (tmp_path / "1" / EXTRA / GOLDEN).unlink()
    with pytest.raises(mm.InputError, match=r"with golden requests.*export the preset again"):
        verify(tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(mm.InputError, match=r"saved_model\.pb is damaged"):
        verify(tmp_path / "1")
    assert keras.backend.backend() == "tensorflow"
