"""The library's seams carry a captioner into a graph, picture bytes in, sentences out, that runs without Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import mmtoolkit as mm
from mmtoolkit.scenes import write_scenes
from mmtoolkit.vision import decode_image

RUNNER = Path(__file__).with_name("c_session.py")
SIDE = 32

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="loads TensorFlow's shared objects")


@pytest.fixture(scope="module")
def captioner() -> mm.Captioner:
    """Random weights, large enough that every picture gets another sentence, in two scripts."""
    keras.utils.set_random_seed(0)
    small = {"units": 12, "attention_units": 6, "embedding_dim": 8, "filters": (4, 4, 8, 8), "image_size": SIDE}
    codec = mm.TextCodec.fit(["a red circle is above two blue squares", "빨간 원이 파란 네모 위에 있다"])
    captioner = mm.Captioner(codec, encoder="small", max_length=8, decoding=mm.BeamSearch(width=3), **small)
    captioner.build(captioner.input_shapes())
    random = np.random.default_rng(2)
    captioner.decoder.set_weights([random.normal(0, 1.5, weight.shape) for weight in captioner.decoder.get_weights()])
    return captioner


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    scenes = write_scenes(tmp_path_factory.mktemp("pictures") / "scenes", count=10, seed=2, size=48)
    return sorted((scenes / "images").iterdir())[:6]


def export(captioner: mm.Captioner, folder: Path) -> None:
    """Writes a SavedModel `image_bytes <string>[batch] -> caption <string>[batch]`.

    The model itself is not tracked, or every weight would be stored twice; the codec's tables must be.
    """

    def serve(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        square = tf.TensorSpec((SIDE, SIDE, 3), tf.uint8)
        images = tf.map_fn(lambda data: decode_image(data, size=SIDE), image_bytes, fn_output_signature=square)
        ids, _ = captioner.search({"images": images})
        return {"caption": captioner.codec.decode_tensor(ids[:, 0])}

    archive = keras.export.ExportArchive()
    archive.track(captioner.codec.tables)
    archive.add_endpoint("serve", serve, input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    archive.write_out(str(folder), verbose=False)


@pytest.fixture(scope="module")
def exported(captioner: mm.Captioner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "1"
    export(captioner, folder)
    return folder


@pytest.fixture(scope="module")
def run_exported(exported: Path) -> Callable[[list[Path]], list[str]]:
    """Runs the exported model on files in a process of its own, through the C API alone."""
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serve"]

    def run(files: list[Path]) -> list[str]:
        names = signature.inputs["image_bytes"].name, signature.outputs["caption"].name
        command = [sys.executable, RUNNER, exported, *names, *files]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_exported_model_run_by_the_c_loader_returns_the_same_strings(
    captioner: mm.Captioner, run_exported: Callable[[list[Path]], list[str]], pictures: list[Path]
) -> None:
    expected = captioner.generate(pictures)
    assert len(set(expected)) > 3
    assert any(not caption.isascii() for caption in expected)
    assert run_exported(pictures) == expected


def test_every_weight_is_stored_once(captioner: mm.Captioner, exported: Path) -> None:
    reader: Any = tf.train.load_checkpoint(str(exported / "variables" / "variables"))
    sizes = [int(np.prod(shape)) for name, shape in reader.get_variable_to_shape_map().items() if "OBJECT" not in name]
    assert sum(sizes) == sum(int(np.prod(weight.shape)) for weight in captioner.weights if used(weight))


def used(weight: Any) -> bool:
    """Whether the captions depend on it: a random number generator's state does not go into the graph."""
    return "seed_generator" not in weight.path
