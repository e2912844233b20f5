"""EfficientNet-Lite: its parts against NumPy, its sizes against the published ones, its weights by what they see."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from mmtoolkit.backbones import Backbone
from mmtoolkit.efficientnet_lite import (
    PUBLISHED,
    EfficientNetLite0,
    EfficientNetLite1,
    EfficientNetLite2,
    inverted_bottleneck,
    keras_weights,
    packaged_weights,
    preprocess_input,
)
from mmtoolkit.files import file_digest
from mmtoolkit.vision.torch_files import read_tensors

PHOTO = Path(__file__).parents[1] / "docs" / "photo.png"


@pytest.mark.parametrize(
    ("build", "side", "millions"),
    [(EfficientNetLite0, 224, 4.7), (EfficientNetLite1, 240, 5.4), (EfficientNetLite2, 260, 6.1)],
)
def test_sizes_are_those_that_its_authors_publish(build: type, side: int, millions: float) -> None:
    network = build(input_shape=(side, side, 3))
    top = 1281 * 1000  # the layer of classes, which their count has
    trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert round((trained + top) / 1e6, 1) in (millions, round(millions - 0.1, 1))  # 4.65, 5.42, 6.09
    assert network.output.shape[1:] == (-(-side // 32), -(-side // 32), 1280)


def test_a_block_computes_what_its_equations_say() -> None:
    random = np.random.default_rng(0)
    inputs = keras.Input((5, 6, 3))
    for stride, filters in ((1, 3), (2, 4)):
        outputs = inverted_bottleneck(inputs, filters, name="b", kernel=3, expansion=2, stride=stride)
        block = keras.Model(inputs, outputs)
        weights = [random.uniform(0.1, 1.5, weight.shape).astype("float32") for weight in block.weights]
        block.set_weights(weights)
        maps = random.normal(size=(1, 5, 6, 3)).astype("float32")
        expand, depthwise, project = weights[0][0, 0], weights[5][..., 0], weights[10][0, 0]
        wide = np.clip(normalise(maps @ expand, weights[1:5]), 0, 6)
        deep = np.clip(normalise(filtered(wide, depthwise, stride), weights[6:10]), 0, 6)
        expected = normalise(deep @ project, weights[11:15]) + (maps if stride == 1 else 0)
        np.testing.assert_allclose(np.asarray(block(maps)), expected, rtol=1e-4, atol=1e-4)


def normalise(maps: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    gamma, beta, mean, variance = weights
    return gamma * (maps - mean) / np.sqrt(variance + 1e-3) + beta


def filtered(maps: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's padding `SAME`: what is missing is added evenly, the odd one below and to the right."""
    (rows, columns), sides = maps.shape[1:3], []
    for side in (rows, columns):
        missing = max((-(-side // stride) - 1) * stride + 3 - side, 0)
        sides.append((missing // 2, missing - missing // 2))
    padded = np.pad(maps, [(0, 0), *sides, (0, 0)])
    out = np.zeros((1, -(-rows // stride), -(-columns // stride), maps.shape[-1]))
    for row, column in np.ndindex(out.shape[1:3]):
        window = padded[0, row * stride : row * stride + 3, column * stride : column * stride + 3]
        out[0, row, column] = (window * kernel).sum(axis=(0, 1))
    return out


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_weights_know_what_is_in_a_photo(name: str) -> None:
    path = packaged_weights(name)
    if path is None:
        pytest.skip(f"needs the package {PUBLISHED[name].package}")
    assert file_digest(path) == PUBLISHED[name].sha256
    tensors = read_tensors(path)
    network, _ = Backbone(name).build()
    network.set_weights(keras_weights(tensors))
    side = Backbone(name).image_size
    with Image.open(PHOTO) as page:
        photo = page.convert("RGB").crop((16, 59, 240, 283)).resize((side, side), Image.Resampling.BICUBIC)
    features = np.asarray(network(preprocess_input(np.float32(photo)[None]))).mean(axis=(1, 2))
    logits = features @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert np.argmax(logits) == 872  # ImageNet's tripod
