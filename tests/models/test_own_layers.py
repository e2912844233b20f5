"""Encoders, attentions and cells of a user's own: trained, saved as presets without code, exported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from own_layers import DotAttention, LeakyCell, Patches, Unregistered

import mmtoolkit as mm
from mmtoolkit.errors import InputError
from mmtoolkit.models.vocabulary_extension import with_trainable_block
from mmtoolkit.scenes import write_scenes

CODEC = mm.TextCodec.fit(["a red circle", "a blue square above it"])
ANSWERS = mm.TextCodec.fit(["red", "blue"], level="whole")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3)).astype("uint8")
TOKENS = CODEC.encode_batch(["a red circle", "a blue square", "a circle", "it"])
SMALL = {"units": 8, "attention_units": 6, "embedding_dim": 5, "image_size": 16, "max_length": 6}


def captioner(encoder: Any = None, **options: Any) -> mm.Captioner:
    keras.utils.set_random_seed(0)
    made = mm.Captioner(CODEC, encoder=Patches() if encoder is None else encoder, **{**SMALL, **options})
    made.build(made.input_shapes())
    return made


def trained(model: mm.Captioner) -> list[float]:
    model.compile(keras.optimizers.Adam(0.01), loss=mm.token_loss())
    inputs = {"images": IMAGES, "tokens": TOKENS[:, :-1]}
    return list(model.fit(inputs, TOKENS[:, 1:], epochs=4, verbose=0, batch_size=2).history["loss"])


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("own") / "scenes", count=24, seed=0, size=32)


def test_an_own_encoder_is_trained_and_kept_by_its_name(tmp_path: Path) -> None:
    model = captioner()
    before = np.asarray(model.encoder.embed.kernel)
    losses = trained(model)
    assert losses[-1] < losses[0] and np.abs(np.asarray(model.encoder.embed.kernel) - before).max() > 1e-3
    assert model.grid == (2, 4) and model.regions_shape() == (None, 8, 6)
    model.save_preset(tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text())["model"]
    assert config["encoder"]["class"] == "tests>Patches" and config["encoder"]["config"]["width"] == 4
    again = mm.load(tmp_path / "own")
    assert type(again.encoder) is Patches
    expected = model.decode({"images": IMAGES})
    assert again.decode({"images": IMAGES}) == expected
    np.testing.assert_allclose(again.vector({"images": IMAGES}), model.vector({"images": IMAGES}), rtol=1e-5)
    path = tmp_path / "a.png"
    keras.utils.save_img(path, IMAGES[0], scale=False)
    look = again.look(path)
    assert look.attention.shape[1:] == (2, 4)  # its attention is drawn on the grid that it has


def test_regions_of_an_own_encoder_by_hand() -> None:
    model = captioner()
    kernel, bias = (np.asarray(weight) for weight in model.encoder.get_weights())
    regions = np.asarray(model.regions({"images": IMAGES}))
    for row in range(2):
        for column in range(4):
            patch = IMAGES[:, 8 * row : 8 * row + 8, 4 * column : 4 * column + 4] / 255.0
            expected = np.einsum("nyxc,yxcf->nf", patch, kernel) + bias
            np.testing.assert_allclose(regions[:, 4 * row + column], expected, rtol=1e-4, atol=1e-5)


def test_a_keras_model_is_an_encoder_whose_first_layers_stay(tmp_path: Path) -> None:
    """The last block trains; the preset holds the weights and is loaded with the model made again."""

    def network() -> Any:
        base = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(64, 64, 3), alpha=0.35)
        rescaled = keras.Sequential([keras.layers.Rescaling(1 / 127.5, offset=-1), base])
        for layer in base.layers[:-5]:
            layer.trainable = False
        return rescaled

    model = captioner(network(), image_size=64)
    images = np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3)).astype("uint8")
    frozen, free = model.encoder.layers[1].layers[1], model.encoder.layers[1].layers[-3]
    before = [np.asarray(layer.kernel) for layer in (frozen, free)]
    model.compile(keras.optimizers.Adam(0.01), loss=mm.token_loss())
    model.fit({"images": images, "tokens": TOKENS[:, :-1]}, TOKENS[:, 1:], epochs=1, verbose=0)
    np.testing.assert_array_equal(frozen.kernel, before[0])
    assert np.abs(np.asarray(free.kernel) - before[1]).max() > 0
    expected = np.asarray(model({"images": images, "tokens": TOKENS}, training=False))
    model.save_preset(tmp_path / "mobile")
    with pytest.raises(InputError, match=r"make the layer as before training, and load the preset with encoder=…"):
        mm.load(tmp_path / "mobile")
    again = mm.Captioner.from_preset(tmp_path / "mobile", encoder=network())
    np.testing.assert_allclose(again({"images": images, "tokens": TOKENS}, training=False), expected, rtol=1e-4)
    model.save(tmp_path / "mobile.keras")
    whole = keras.models.load_model(tmp_path / "mobile.keras")
    np.testing.assert_allclose(whole({"images": images, "tokens": TOKENS}, training=False), expected, rtol=1e-4)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("attention", "cell"), [(DotAttention, LeakyCell), (DotAttention, "gru")])
def test_own_attention_and_cell(attention: Any, cell: Any, layers: int, tmp_path: Path) -> None:
    """Teacher forcing is the loop over `step`, searches run, and the preset has both by their names."""
    model = captioner(attention=attention(), cell=cell, layers=layers)
    losses = trained(model)
    assert losses[-1] < losses[0]
    inputs = {"images": IMAGES, "tokens": TOKENS}
    logits, weights = model.teacher_forced(inputs)
    np.testing.assert_allclose(np.asarray(weights).sum(axis=-1), 1.0, rtol=1e-5)
    memory = model.decoder.prepare(model.regions(inputs))
    state = model.decoder.initial_state(memory)
    for place in range(TOKENS.shape[1]):
        step, state = model.decoder.step(TOKENS[:, place], state, memory)
        np.testing.assert_allclose(step, logits[:, place], rtol=1e-4, atol=1e-5)
    beam = model.decode({"images": IMAGES}, mm.BeamSearch(width=3, n_best=2))
    model.save_preset(tmp_path / "own")
    config = json.loads((tmp_path / "own" / "config.json").read_text())["model"]
    assert config["attention"]["class"] == "tests>DotAttention"
    assert config["cell"] == ("gru" if cell == "gru" else "tests>LeakyCell")
    again = mm.load(tmp_path / "own")
    assert again.decode({"images": IMAGES}, mm.BeamSearch(width=3, n_best=2)) == beam
    assert len(again.attention_weights({"images": IMAGES}, ["a red circle"] * 4)[0]) == 3


def test_an_own_cell_step_by_hand() -> None:
    model = captioner(cell=LeakyCell)
    cell = model.decoder.cell
    projection, hidden = np.ones((2, 8), "float32"), np.full((2, 8), 0.5, "float32")
    (after,) = cell(ops.convert_to_tensor(projection), (ops.convert_to_tensor(hidden),))
    expected = 0.9 * hidden + 0.1 * np.tanh(projection + hidden @ np.asarray(cell.recurrent_kernel))
    np.testing.assert_allclose(after, expected, rtol=1e-5)


def test_a_question_answerer_takes_them_too(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = mm.VisualQA(CODEC, ANSWERS, encoder=Patches(), cell=LeakyCell, image_size=16, units=8, embedding_dim=5)
    model.build(model.input_shapes())
    inputs = {"images": IMAGES, "question": TOKENS}
    expected = np.asarray(model(inputs))
    model.save_preset(tmp_path / "own")
    np.testing.assert_allclose(mm.load(tmp_path / "own")(inputs), expected, rtol=1e-5)


def test_stored_regions_of_any_shape_are_kept(tmp_path: Path) -> None:
    """Of an extractor that only the user knows: trained on, saved, and read again."""
    for shape, grid in (((12, 7), (1, 12)), ((3, 4, 7), (3, 4))):
        regions = np.random.default_rng(0).normal(size=(4, 12, 7)).astype("float16")
        model = mm.Captioner(CODEC, regions=shape, crop=0.3 if len(shape) == 3 else 0.0, **SMALL)
        model.compile("adam", loss=mm.token_loss())
        model.fit({"regions": regions, "tokens": TOKENS[:, :-1]}, TOKENS[:, 1:], verbose=0)
        model.save_preset(tmp_path / "regions")
        again = mm.load(tmp_path / "regions")
        assert again.decode({"regions": regions}) == model.decode({"regions": regions})
        assert again.grid == grid
    unnamed = mm.Captioner(CODEC, **SMALL)  # without a shape it is that of the first batch
    unnamed.build({"regions": (None, 12, 7), "tokens": (None, None)})
    unnamed.save_preset(tmp_path / "unnamed")
    assert mm.load(tmp_path / "unnamed").regions_shape() == (None, 12, 7)
    with pytest.raises(InputError, match="stored regions of an unknown extractor"):
        mm.load(tmp_path / "unnamed").generate(tmp_path / "a.png")


def test_what_is_no_layer_of_ones_own_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="An attention is a name, or a Keras layer with `prepare"):
        mm.Captioner(CODEC, attention=keras.layers.Dense(3))
    with pytest.raises(InputError, match="A cell is lstm, gru, rnn, .*, jordan or a class that inherits from Cell"):
        mm.Captioner(CODEC, cell=keras.layers.LSTMCell)

    class Unknown(LeakyCell):
        pass

    with pytest.raises(InputError, match="Received: Unknown; put @keras.saving.register_keras_serializable"):
        mm.Captioner(CODEC, cell=Unknown)
    with pytest.raises(InputError, match="makes a map .* or regions .* Received: one that makes .*leave out its last"):
        captioner(keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)]))
    with pytest.raises(InputError, match="Did you mean 'resnet50v2'"):
        mm.Captioner(CODEC, encoder="resnet50v")
    with pytest.raises(InputError, match="Received: Unregistered; put @keras.saving.register_keras_serializable"):
        captioner(Unregistered()).save_preset(tmp_path / "unregistered")
    assert not (tmp_path / "unregistered").exists()


def test_a_preset_imports_no_module_for_its_layers(tmp_path: Path) -> None:
    """A class that this process has not registered is named, not looked for; nor is any other form read."""
    captioner(attention=DotAttention()).save_preset(tmp_path / "own")
    code = f"import mmtoolkit as mm\ntry:\n    mm.load({str(tmp_path / 'own')!r})\nexcept mm.InputError as error:\n"
    done = subprocess.run([sys.executable, "-c", f"{code}    print(error)"], capture_output=True, text=True, check=True)
    assert "tests>" in done.stdout and "import the module that has it first" in done.stdout
    path = tmp_path / "own" / "config.json"
    config = json.loads(path.read_text())
    for wrong in (
        {"class_name": "Lambda", "module": "keras.layers", "config": {}, "registered_name": None},
        {"class": "tests>Patches", "config": {"features": {"class_name": "os.system"}}, "more": 1},
        {"class": "tests>Patches", "config": {"nonsense": 3}},
        {"class": "tests>LeakyCell", "config": {"units": 3, "image": "x"}},
        {"class": "tests>Patches", "config": {"dtype": {"class_name": "Lambda", "config": {}}}},
        {"class": "tests>Patches", "config": {"features": 10**9}},
        {"class": "mmtoolkit>SmallCNN", "config": {"filters": [4000, 8000]}},
        {"class": "mmtoolkit>VisualEncoder", "config": {"kind": {"class_name": "Conv2D", "module": "keras.layers"}}},
        ["tests>Patches"],
    ):
        config["model"]["encoder"] = wrong
        path.write_text(json.dumps(config))
        card = json.loads((tmp_path / "own" / "card.json").read_text())
        (tmp_path / "own" / "card.json").write_text(json.dumps({k: v for k, v in card.items() if k != "files"}))
        with pytest.raises(InputError):
            mm.load(tmp_path / "own")


def test_an_own_encoder_is_exported_and_verified(tmp_path: Path) -> None:
    model = captioner(attention=DotAttention(), cell=LeakyCell)
    trained(model)
    folder, verdict = mm.export(mm.task_of(model), model, tmp_path / "served")
    assert not verdict.problems and (folder / "saved_model.pb").is_file()


def rescaled() -> Any:
    """Layers of Keras one after the other, which no preset can name; the first of them stays as it is."""
    first = keras.layers.Conv2D(4, 8, strides=8, trainable=False, name="first")
    return keras.Sequential([keras.layers.Rescaling(1 / 255), first, keras.layers.Conv2D(6, 1, name="last")])


@pytest.mark.parametrize("kind", [rescaled, Patches])
def test_jobs_train_it_and_what_was_frozen_stays(kind: Any, scenes: Path, tmp_path: Path) -> None:
    """`fit` and both stages of `fine_tune`: the preset in between has no arguments of such a model."""
    splits = mm.split(mm.read_captions(scenes), by="image_id", seed=0)
    codec = mm.TextCodec.fit(mm.texts(splits.train))
    keras.utils.set_random_seed(0)
    model = mm.Captioner(codec, encoder=kind(), **{**SMALL, "image_size": 32, "max_length": 20})
    model.build(model.input_shapes())
    recipe = mm.Recipe(epochs=1, batch_size=16, learning_rate=0.01)
    source, quiet = mm.Pictures(32), {"recipe": recipe, "tell": lambda line: None}
    trained = mm.fit(mm.captioning, model, splits, source=source, out=tmp_path / "run", **quiet)
    before = [np.asarray(weight) for weight in trained.model.encoder.weights]
    tuned = mm.fine_tune(
        mm.captioning,
        trained.model,
        splits,
        source=source,
        source_of=lambda *_: source,
        out=tmp_path / "tuned",
        stages=("decoder", "encoder"),
        **quiet,
    )
    assert set(tuned.report["history"]) == {"decoder", "encoder"}
    stage = mm.Captioner.from_preset(tmp_path / "tuned" / "stage-2" / "preset", **trained.model.own_layers())
    moved = [np.abs(np.asarray(a) - b).max() > 0 for a, b in zip(stage.encoder.weights, before, strict=True)]
    assert moved == ([False, False, True, True] if kind is rescaled else [True, True])


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(dtype: str) -> None:
    model = captioner(attention=DotAttention(), cell=LeakyCell, dtype=dtype)
    logits, weights = model.teacher_forced({"images": IMAGES, "tokens": TOKENS})
    assert logits.dtype == weights.dtype == "float32" and np.isfinite(np.asarray(logits)).all()
    exact = mm.Captioner.from_config({**model.get_config(), "dtype": "float32"})
    exact.build(exact.input_shapes())
    exact.set_weights(model.get_weights())
    np.testing.assert_allclose(logits, exact.teacher_forced({"images": IMAGES, "tokens": TOKENS})[0], atol=0.05)


def test_a_baseline_without_pictures_and_regions_of_unknown_number(tmp_path: Path) -> None:
    options = {"image_size": 16, "units": 4, "embedding_dim": 3, "attention_units": 2}
    blind = mm.VisualQA(CODEC, ANSWERS, question_only=True, encoder=Patches(), **options)
    blind.build(blind.input_shapes())
    blind.save_preset(tmp_path / "blind")
    assert mm.load(tmp_path / "blind").question_only
    model = mm.Captioner(CODEC, **SMALL)
    model.build({"regions": (None, None, 512), "tokens": (None, None)})
    model.save_preset(tmp_path / "regions")
    assert mm.load(tmp_path / "regions").regions_shape()[2] == 512


def test_the_last_block_keeps_an_attention_of_ones_own(tmp_path: Path) -> None:
    key = mm.extractor_key("random", network="mobilenetv3small@64", precision="float32")
    attention = DotAttention()
    attention.build((None, 8), (None, None, 576))  # built before the model, so that its weights have other names
    model = mm.Captioner(CODEC, encoder="mobilenetv3small", extractor=key, attention=attention, **SMALL)
    model.build(model.input_shapes())
    deeper = with_trainable_block(model)
    expected = np.asarray(model.decoder.attention.layer.projection.kernel)
    np.testing.assert_array_equal(deeper.decoder.attention.layer.projection.kernel, expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"regions": [1, 65536]}, "regions of 65,536 features. Received: a weights file of"),
        ({"regions": [2, 2**20]}, "whole numbers from 1 to 65536"),
        ({"extractor": {"weights": "random", "precision": "float32", "network": "vgg16-fc1@512"}}, "network"),
        ({"encoder": 3}, "encoder"),
    ],
)
def test_a_small_preset_cannot_ask_for_large_layers(wrong: Any, message: str, tmp_path: Path) -> None:
    model = mm.Captioner(CODEC, regions=(12, 7), **SMALL)
    model.build(model.input_shapes())
    model.save_preset(tmp_path / "regions")
    path = tmp_path / "regions" / "config.json"
    config = json.loads(path.read_text())
    config["model"] |= wrong
    path.write_text(json.dumps(config))
    (tmp_path / "regions" / "card.json").write_text("{}")
    with pytest.raises(InputError, match=message):
        mm.load(tmp_path / "regions")


def test_pictures_up_to_1024_pixels_are_kept(tmp_path: Path) -> None:
    model = captioner(Patches(features=2, height=64, width=64), image_size=640)
    model.save_preset(tmp_path / "large")
    assert mm.load(tmp_path / "large").image_size == 640


@pytest.mark.parametrize("encoder", [3, Patches, None])
def test_what_is_no_encoder_is_told(encoder: Any) -> None:
    with pytest.raises(InputError, match="An encoder is a name, or a Keras layer or model .a layer, not its class"):
        mm.Captioner(CODEC, encoder=encoder)
