"""Presets and Keras' own files: a loaded model answers as the saved one did, and a bad file is named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import ml_dtypes
import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.decoding import search_config, search_from_config
from mmtoolkit.models import Captioner, Model
from mmtoolkit.presets import seal
from mmtoolkit.vision import ExtractorKey
from mmtoolkit.vision.image_distribution import ImageDistribution

Make = Callable[..., Captioner]


@pytest.fixture
def inputs(learnt: Any) -> dict[str, np.ndarray]:
    """The learnt drawings with words to read."""
    tokens = np.random.default_rng(0).integers(1, len(learnt.captioner.codec.vocabulary), (8, 6)).astype(np.int32)
    return {"images": learnt.images, "tokens": tokens}


@pytest.fixture(scope="module")
def shapes() -> mm.Captioner:
    return mm.Captioner.from_preset("shapes_demo")


@pytest.fixture
def preset(learnt: Any, tmp_path: Path) -> Path:
    learnt.captioner.save_preset(tmp_path / "preset", card={"data": "eight drawings", "seed": 0})
    return tmp_path / "preset"


def edited(path: Path, **changes: Any) -> Path:
    """Changes keys of a preset's config.json; a key set to None goes."""
    config = json.loads((path / "config.json").read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in config.items() if value is not None}
    (path / "config.json").write_text(json.dumps(kept), encoding="utf-8")
    seal(path)
    return path


# --- presets ---


def test_a_loaded_preset_gives_the_same_logits_and_captions(learnt: Any, preset: Path, inputs: Any) -> None:
    loaded = Captioner.from_preset(preset)
    np.testing.assert_array_equal(loaded(inputs), learnt.captioner(inputs))
    mine, theirs = (model.decode({"images": learnt.images}) for model in (loaded, learnt.captioner))
    assert [best[0].text for best in mine] == [best[0].text for best in theirs]
    np.testing.assert_allclose([best[0].score for best in mine], [best[0].score for best in theirs], rtol=1e-4)
    assert loaded.codec.vocabulary == learnt.captioner.codec.vocabulary
    assert loaded.get_config() | {"codec": None} == learnt.captioner.get_config() | {"codec": None}


def test_a_preset_may_be_saved_again_with_its_card(preset: Path, inputs: Any, tmp_path: Path) -> None:
    loaded = Captioner.from_preset(preset)
    assert loaded.card == {"data": "eight drawings", "seed": 0}
    loaded.save_preset(tmp_path / "copy")
    for name in ("config.json", "codecs/words/codec.json", "codecs/words/vocabulary.txt"):
        assert (tmp_path / "copy" / name).read_bytes() == (preset / name).read_bytes()
    mine, theirs = (json.loads((folder / "card.json").read_bytes()) for folder in (tmp_path / "copy", preset))
    for card in (mine, theirs):  # Keras counts layers in its names for them
        del card["preset_files"]["model.weights.h5"]["sha256"]
    assert mine == theirs
    np.testing.assert_array_equal(Captioner.from_preset(tmp_path / "copy")(inputs), loaded(inputs))


@pytest.mark.parametrize("float16", [False, True])
def test_what_the_training_pictures_look_like_is_a_part_of_the_preset(
    learnt: Any, tmp_path: Path, float16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file of its own, that older presets lack; it is kept by copies and by saving again."""
    vectors = np.random.default_rng(0).normal(size=(40, 32))
    monkeypatch.setattr(learnt.captioner, "image_distribution", ImageDistribution.fit(vectors[:30], vectors[30:]))
    learnt.captioner.save_preset(tmp_path / "preset", float16=float16)
    loaded = Captioner.from_preset(tmp_path / "preset")
    assert loaded.image_distribution.threshold == learnt.captioner.image_distribution.threshold
    loaded.bare().save_preset(tmp_path / "copy")
    kept = (tmp_path / "copy" / "seen_pictures.h5").read_bytes()
    assert kept == (tmp_path / "preset" / "seen_pictures.h5").read_bytes()
    (tmp_path / "copy" / "seen_pictures.h5").unlink()
    older = Captioner.from_preset(tmp_path / "copy")
    assert older.image_distribution is None
    older.save_preset(tmp_path / "preset")
    assert not (tmp_path / "preset" / "seen_pictures.h5").exists()


def test_a_damaged_description_of_the_training_pictures_is_named(preset: Path) -> None:
    (preset / "seen_pictures.h5").write_bytes(b"no HDF5")
    assert str(preset / "seen_pictures.h5") in refused(preset)


def test_its_default_search_and_options_come_back(
    make_captioner: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmtoolkit.models.model.choose_precision", lambda precision: "bfloat16")
    codec = mm.TextCodec.fit(["ab", "b"], level="char", lower=False)
    search = mm.BeamSearch(width=4, length_penalty=1.5, n_best=2, min_length=1, no_repeat_ngram=3)
    options = {"cell": "gru", "gated_context": "none", "deep_output": False, "attention_penalty": 0.25}
    captioner = make_captioner(codec, decoding=search, max_length=9, dtype="mixed_bfloat16", **options)
    captioner.save_preset(tmp_path / "preset")
    loaded = Captioner.from_preset(tmp_path / "preset")
    assert (loaded.decoding, loaded.max_length, loaded.codec.level) == (search, 9, "char")
    assert loaded.dtype_policy.name == loaded.decoder.attention.dtype_policy.name == "mixed_bfloat16"
    assert loaded.get_config().items() >= options.items()


def test_bfloat16_becomes_float32_where_the_processor_lacks_it(
    make_captioner: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ExtractorKey("random", "bfloat16")
    codec = mm.TextCodec.fit(["a b"])
    made = make_captioner(codec, encoder="vgg19", image_size=224, extractor=key, dtype="mixed_bfloat16")
    made.save_preset(tmp_path / "preset")
    for precision, dtype in (("bfloat16", "mixed_bfloat16"), ("float32", "float32")):
        monkeypatch.setattr("mmtoolkit.models.model.choose_precision", lambda asked, here=precision: here)
        loaded = Captioner.from_preset(tmp_path / "preset")
        assert (loaded.extractor, loaded.dtype_policy.name) == (ExtractorKey("random", precision), dtype)
        for ours, theirs in zip(loaded.get_weights(), made.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_word_table_to_start_from_is_kept_in_the_weights(make_captioner: Make, tmp_path: Path) -> None:
    codec = mm.TextCodec.fit(["a b c"])
    table = np.random.default_rng(0).normal(size=(len(codec.vocabulary), 24)).astype(np.float32)
    make_captioner(codec, embeddings=table).save_preset(tmp_path / "preset")
    np.testing.assert_array_equal(Captioner.from_preset(tmp_path / "preset").decoder.embedding.table, table)


def test_a_preset_holds_the_weights_and_no_optimizer(preset: Path, learnt: Any) -> None:
    assert learnt.captioner.optimizer.variables
    assert not [name for name in layout(preset / "model.weights.h5") if name.startswith("optimizer")]


def test_a_half_precision_preset_holds_the_rounded_weights(
    preset: Path, learnt: Any, inputs: Any, tmp_path: Path
) -> None:
    learnt.captioner.save_preset(tmp_path / "half", float16=True)
    loaded = mm.Captioner.from_preset(tmp_path / "half")
    for ours, theirs in zip(loaded.get_weights(), learnt.captioner.get_weights(), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs.astype(np.float16).astype(np.float32))
    assert loaded.compute_dtype == "float32"
    float16, full = ((folder / "model.weights.h5").stat().st_size for folder in (tmp_path / "half", preset))
    numbers = sum(weight.size for weight in learnt.captioner.get_weights())
    assert float16 < full - 2 * numbers
    assert [c[0].text for c in loaded.decode(inputs)] == learnt.captions


def test_a_half_precision_preset_of_a_bfloat16_model_holds_what_it_computes_with(
    make_captioner: Make, learnt: Any, tmp_path: Path
) -> None:
    """To the bit where float16 reaches: what is smaller than its smallest numbers has no part in any sum."""
    captioner = make_captioner(learnt.captioner.codec, encoder="vgg19", dtype="mixed_bfloat16")
    inputs = {"regions": np.random.default_rng(0).normal(size=(3, 196, 512)).astype(np.float16)}
    captioner.save_preset(tmp_path / "half", float16=True)
    captioner.save_preset(tmp_path / "full")
    loaded = mm.Captioner.from_preset(tmp_path / "half")
    for ours, theirs in zip(loaded.get_weights(), captioner.get_weights(), strict=True):
        rounded = theirs.astype(ml_dtypes.bfloat16).astype(np.float32)
        np.testing.assert_allclose(ours, rounded, rtol=0, atol=2.0**-25)
    if loaded.compute_dtype == captioner.compute_dtype:
        assert loaded.decode(inputs) == captioner.decode(inputs)
    float16, full = ((tmp_path / name / "model.weights.h5").stat().st_size for name in ("half", "full"))
    assert float16 < 0.45 * full


def test_weights_that_half_precision_does_not_hold_are_refused(
    make_captioner: Make, learnt: Any, tmp_path: Path
) -> None:
    captioner = make_captioner(learnt.captioner.codec)
    captioner.decoder.cell.bias.assign(captioner.decoder.cell.bias + 7e4)
    with pytest.raises(mm.InputError, match="65,504.*cell/bias; leave it out"):
        captioner.save_preset(tmp_path / "half", float16=True)
    assert not list(tmp_path.iterdir())


def test_a_preset_of_an_older_form_is_told_apart_from_a_broken_one(
    make_captioner: Make, learnt: Any, tmp_path: Path
) -> None:
    make_captioner(learnt.captioner.codec, mean_input=False).save_preset(tmp_path / "older")
    model = json.loads((tmp_path / "older" / "config.json").read_text(encoding="utf-8"))["model"]
    edited(tmp_path / "older", model={name: value for name, value in model.items() if name != "mean_input"})
    with pytest.raises(mm.InputError, match="lacks mean_input: another version of mmtoolkit saved it"):
        Captioner.from_preset(tmp_path / "older")


def test_saving_replaces_a_preset_and_leaves_nothing_else(preset: Path, make_captioner: Make) -> None:
    (preset / "codecs" / "older").mkdir()
    smaller = make_captioner(mm.TextCodec.fit(["a"]), units=4)
    smaller.save_preset(preset, card={"name": "smaller"})
    assert Captioner.from_preset(preset).card == {"name": "smaller"}
    assert [path.name for path in preset.parent.iterdir()] == ["preset"]
    assert [path.name for path in (preset / "codecs").iterdir()] == ["words"]


@pytest.mark.parametrize("moment", ["weights", "first move", "second move"])
@pytest.mark.parametrize("stopped", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_save_that_is_stopped_leaves_the_old_preset(
    preset: Path, learnt: Any, moment: str, stopped: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the moment, there is a whole preset and nothing beside it."""
    import os

    moves = iter({"weights": "", "first move": "x", "second move": "ox"}[moment])
    replace = os.replace

    def fail(*args: Any, **kwargs: Any) -> None:
        raise stopped

    def move(source: Any, target: Any) -> None:
        is_of_the_preset = Path(target).suffix != ".json"
        if is_of_the_preset and next(moves, "o") == "x":
            fail()
        replace(source, target)

    monkeypatch.setattr("mmtoolkit.presets.os.replace", move)
    if moment == "weights":
        monkeypatch.setattr(keras.Model, "save_weights", fail)
    with pytest.raises((KeyboardInterrupt, OSError)):
        learnt.captioner.save_preset(preset, card={"name": "new"})
    assert Captioner.from_preset(preset).card == {"data": "eight drawings", "seed": 0}
    assert [path.name for path in preset.parent.iterdir()] == ["preset"]


# --- presets that cannot be loaded ---


@keras.saving.register_keras_serializable("tests")
class Answerer(Model):
    """Another kind of model."""


def refused(path: str | Path, cls: type[Model] = Captioner) -> str:
    with pytest.raises(mm.InputError) as caught:
        cls.from_preset(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_preset_of_another_class(preset: Path) -> None:
    message = refused(preset, Answerer)
    assert "of the class Answerer" in message and f"{preset}, of the class Captioner" in message


def test_an_unknown_name_lists_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("harbour", "shapes_demo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    monkeypatch.setattr("mmtoolkit.presets.resources.files", lambda package: tmp_path)
    message = refused("zebra")
    assert "harbour, shapes_demo" in message and "Received: 'zebra'" in message
    near = refused("shape_demo")
    assert "harbour, shapes_demo" in near and near.endswith("Did you mean 'shapes_demo'?")


@pytest.mark.parametrize(
    "name",
    ["config.json", "card.json", "model.weights.h5", "codecs/words/codec.json", "codecs/words/vocabulary.txt"],
)
def test_a_missing_file_is_named(preset: Path, name: str) -> None:
    (preset / name).unlink()
    message = refused(preset)
    assert str(preset) in message and name in message


@pytest.mark.parametrize("content", ["{", "[1]", "\xff", ""])
def test_damaged_json_is_named(preset: Path, content: str) -> None:
    (preset / "config.json").write_text(content, encoding="latin-1")
    assert str(preset / "config.json") in refused(preset)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model": None}, "model"),
        ({"model": {"encoder": "small", "unitz": 3}}, "unitz"),
        ({"model": {"decoding": {"name": "Beam"}}}, "Beam"),
        ({"model": {"encoder": "small", "cell": "lstn"}}, "lstn"),
        ({"codecs": []}, "codec"),
    ],
)
def test_a_config_that_describes_no_captioner_is_named(preset: Path, changes: dict[str, Any], named: str) -> None:
    message = refused(edited(preset, **changes))
    assert str(preset / "config.json") in message and named in message


@pytest.fixture
def damaged(preset: Path, make_captioner: Make) -> Iterator[Callable[[str], Path]]:
    weights = preset / "model.weights.h5"

    def damage(how: str) -> Path:
        if how == "cut":
            weights.write_bytes(weights.read_bytes()[:5000])
        elif how == "text":
            weights.write_text("no weights")
        else:
            options = {"another size": {"units": 7}, "another cell": {"cell": "gru"}}[how]
            make_captioner(mm.TextCodec.load(preset / "codecs" / "words"), **options).save_weights(str(weights))
            seal(preset)
        return preset

    yield damage


@pytest.mark.parametrize("how", ["cut", "text", "another size", "another cell"])
def test_weights_that_do_not_fit_are_named(damaged: Callable[[str], Path], how: str) -> None:
    preset = damaged(how)
    assert str(preset / "model.weights.h5") in refused(preset)


def test_fewer_words_than_the_weights_have_rows(preset: Path) -> None:
    words = preset / "codecs" / "words" / "vocabulary.txt"
    words.write_text("".join(words.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    seal(preset)
    assert str(preset / "model.weights.h5") in refused(preset)


# --- Keras' own files ---


def test_a_keras_file_gives_the_same_model(learnt: Any, inputs: Any, tmp_path: Path) -> None:
    """Also after a search, and with the compiled loss and optimizer."""
    learnt.captioner.decode({"images": learnt.images})
    learnt.captioner.save(tmp_path / "captioner.keras")
    loaded = keras.models.load_model(tmp_path / "captioner.keras")
    assert isinstance(loaded, Captioner)
    np.testing.assert_array_equal(loaded(inputs), learnt.captioner(inputs))
    assert loaded.generate([learnt.records[0].image]) == learnt.captions[:1]
    assert loaded.loss.get_config() == learnt.captioner.loss.get_config()
    assert int(loaded.optimizer.iterations) == 80


def test_weights_saved_before_and_after_a_search_are_the_same(make_captioner: Make, tmp_path: Path) -> None:
    captioner = make_captioner(mm.TextCodec.fit(["a b"]))
    captioner.save_weights(tmp_path / "before.weights.h5")
    captioner.decode({"images": np.zeros((1, 32, 32, 3), np.uint8)})
    captioner.save_weights(tmp_path / "after.weights.h5")
    fresh = make_captioner(mm.TextCodec.fit(["a b"]), seed=1)
    fresh.load_weights(tmp_path / "after.weights.h5")
    for mine, theirs in zip(fresh.get_weights(), captioner.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert layout(tmp_path / "before.weights.h5") == layout(tmp_path / "after.weights.h5")


def layout(path: Path) -> list[str]:
    import h5py

    names: list[str] = []
    with h5py.File(path) as file:
        file.visit(names.append)
    return names


# --- searches as JSON ---


@pytest.mark.parametrize("search", [mm.Greedy(), mm.BeamSearch(width=5, length_penalty=0.3, n_best=2)])
def test_a_search_comes_back_from_json(search: Any) -> None:
    assert search_from_config(json.loads(json.dumps(search_config(search)))) == search


def test_an_unknown_search_lists_the_known_ones() -> None:
    with pytest.raises(mm.InputError, match="Greedy, BeamSearch, Sample.*'Beam'"):
        search_from_config({"name": "Beam"})


def test_a_preset_can_be_moved(preset: Path, tmp_path: Path, inputs: Any, learnt: Any) -> None:
    moved = shutil.move(preset, tmp_path / "elsewhere")
    np.testing.assert_array_equal(Captioner.from_preset(str(moved))(inputs), learnt.captioner(inputs))


# --- what a person of Keras tries ---


def test_a_misspelt_argument_is_named(shapes: mm.Captioner) -> None:
    with pytest.raises(TypeError, match="Captioner has no argument 'unit'. Did you mean 'units'?"):
        mm.Captioner(shapes.codec, unit=3)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(from_logits=False),
        keras.losses.sparse_categorical_crossentropy,
    ],
    ids=["name", "sparse", "categorical", "function"],
)
def test_a_loss_of_probabilities_is_refused(shapes: mm.Captioner, loss: Any) -> None:
    with pytest.raises(mm.InputError, match="Expected a loss of logits, such as .*; give it from_logits=True"):
        shapes.compile("adam", loss=loss)


@pytest.mark.parametrize(
    "loss",
    [mm.token_loss(), keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mse", None],
    ids=["ours", "logits", "mse", "none"],
)
def test_other_losses_are_taken(shapes: mm.Captioner, loss: Any) -> None:
    shapes.compile("adam", loss=loss)


def test_keras_own_export_says_which_one_to_use(shapes: mm.Captioner, tmp_path: Path) -> None:
    with pytest.raises(mm.InputError, match=r"write mmtoolkit\.export\("):
        shapes.export(tmp_path)
    assert callable(mm.export) and not list(tmp_path.iterdir())


def test_a_saved_model_is_loaded_in_a_fresh_process(shapes: mm.Captioner, tmp_path: Path) -> None:
    path = tmp_path / "b.keras"
    shapes.save(path)
    picture = np.zeros((64, 64, 3), np.uint8)
    assert mm.load(path).generate(picture) == shapes.generate(picture)
    program = (
        "import sys, keras, mmtoolkit as mm, numpy as np\n"
        "print(keras.models.load_model(sys.argv[1]).generate(np.zeros((64, 64, 3), np.uint8)))"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == shapes.generate(picture), done.stderr


def test_what_is_printed_of_a_codec_says_what_it_knows(shapes: mm.Captioner) -> None:
    words = "Vocabulary(43 tokens: 'a', 'the', 'is', 'triangle', 'square', …)"
    assert repr(shapes.codec) == f"TextCodec(word level, lower-cased, {words})"
    assert repr(mm.Vocabulary(("[PAD]", "[START]", "[END]", "[UNK]", "a"))) == "Vocabulary(5 tokens: 'a')"
