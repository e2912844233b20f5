"""Trainable image encoders: a small one for small and synthetic pictures, and the last block of VGG19."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from mmtoolkit.errors import InputError


@keras.saving.register_keras_serializable("mmtoolkit")
class SmallCNN(keras.layers.Layer):
    """Encodes pixels by batch-normalised convolutions with pooling: four give a grid of an eighth of the image's side.

    Example:
        >>> ops.shape(images), ops.shape(SmallCNN()(images))
        ((2, 64, 64, 3), (2, 64, 128))

    Args:
        filters: Channels after each convolution; the last is the width of a region.
        kernels: Side of each convolution, 3 by default. With 1 for the last, which then mixes no neighbours into a
            region, attention is more often on what a region shows; captions are worse (`benchmarks/pointing.py`).

    Raises:
        InputError: There are not as many kernels as filters.
    """

    def __init__(
        self, filters: Sequence[int] = (16, 32, 64, 128), kernels: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.kernels = tuple(kernels or [3] * len(self.filters))
        if len(self.kernels) != len(self.filters):
            raise InputError(
                f"A small CNN has a kernel for each of its filters. Received: kernels={list(self.kernels)}, "
                f"filters={list(self.filters)}."
            )
        same = {"padding": "same", "use_bias": False, "dtype": self.dtype_policy}
        self.convolutions = [
            keras.layers.Conv2D(n, side, name=f"conv_{i}", **same)
            for i, (n, side) in enumerate(zip(self.filters, self.kernels, strict=True))
        ]
        self.norms = [
            keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{i}", dtype=self.dtype_policy)
            for i in range(len(self.filters))
        ]
        self.pool = keras.layers.MaxPooling2D(2, dtype=self.dtype_policy)

    def build(self, images_shape: Any) -> None:
        channels = 3 + 2
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build((None, None, None, channels))
            channels = convolution.filters
            norm.build((None, None, None, channels))

    def call(self, images: Any, training: bool | None = None) -> Any:
        values = ops.cast(images, self.compute_dtype) / 127.5 - 1.0
        values = ops.concatenate([values, coordinates(values)], axis=-1)
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            values = ops.relu(norm(convolution(values), training=training))
            if index < len(self.convolutions) - 1:
                values = self.pool(values)
        height, width = values.shape[1:3]
        count = -1 if None in (height, width) else height * width  # known where it can be: pooling and crops need it
        return ops.reshape(values, (ops.shape(values)[0], count, self.filters[-1]))

    def compute_output_shape(self, images_shape: Any) -> tuple[int | None, int | None, int]:
        side = images_shape[1]
        for _ in self.convolutions[1:]:
            side = None if side is None else side // 2
        return images_shape[0], None if side is None else side * side, self.filters[-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": list(self.filters), "kernels": list(self.kernels)}


@keras.saving.register_keras_serializable("mmtoolkit")
class VGG19Block5(keras.layers.Layer):
    """Applies the last four convolutions of VGG19, from the regions before them to those of `block5_conv4`.

    Their kernels are kept divided by `rate`, so that an optimizer of Adam's kind moves them by that share of its
    learning rate: a few steps must not undo the training on a million pictures.

    Example:
        >>> ops.shape(VGG19Block5()(regions))      # random, unless it starts with `start(kernels)` of VGG19's file
        (2, 196, 512)

    Args:
        rate: Share of the optimizer's learning rate at which the block learns.

    Source: Simonyan & Zisserman, "Very Deep Convolutional Networks", 2015, configuration E; scaled weights: Karras et
        al., "Progressive Growing of GANs", 2018, section 4.1.
    """

    def __init__(self, rate: float = 0.05, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate

    def build(self, regions_shape: Any) -> None:
        width = regions_shape[-1]
        scaled = keras.initializers.VarianceScaling(2.0 / self.rate**2, "fan_in")
        self.kernels = [
            self.add_weight(shape=(3, 3, width, width), name=f"kernel_{i}", initializer=scaled) for i in range(4)
        ]
        self.biases = [self.add_weight(shape=(width,), name=f"bias_{i}", initializer="zeros") for i in range(4)]

    def start(self, weights: Sequence[Any]) -> None:
        """Sets the weights to kernels and biases of VGG19, given in turn."""
        for variable, value in zip(self.kernels, weights[0::2], strict=True):
            variable.assign(value / self.rate)
        for variable, value in zip(self.biases, weights[1::2], strict=True):
            variable.assign(value / self.rate)

    def call(self, regions: Any, training: bool | None = None) -> Any:
        batch, count, width = ops.shape(regions)[0], regions.shape[1], regions.shape[-1]
        side = math.isqrt(count)
        values = ops.reshape(ops.cast(regions, self.compute_dtype), (-1, side, side, width))
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            values = ops.relu(ops.conv(values, self.rate * kernel, padding="same") + self.rate * bias)
        return ops.reshape(values, (batch, count, width))

    def compute_output_shape(self, regions_shape: Any) -> tuple[int | None, ...]:
        return tuple(regions_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


def coordinates(values: Any) -> Any:
    """Computes each pixel's coordinates, from -1 to 1, as two channels (Liu et al. 2018, CoordConv)."""
    batch, height, width = (ops.shape(values)[axis] for axis in range(3))
    rows = ops.reshape(ops.linspace(-1.0, 1.0, height), (1, height, 1, 1))
    columns = ops.reshape(ops.linspace(-1.0, 1.0, width), (1, 1, width, 1))
    shape = (batch, height, width, 1)
    return ops.cast(
        ops.concatenate([ops.broadcast_to(rows, shape), ops.broadcast_to(columns, shape)], axis=-1), values.dtype
    )
