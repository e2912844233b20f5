"""A small trainable image encoder, for small and synthetic pictures."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("mmtoolkit")
class SmallCNN(keras.layers.Layer):
    """Four batch-normalised convolutions with pooling between: a grid of regions one eighth of the picture's side.

    Example:
        >>> SmallCNN()(images)      # <uint8>[batch, 64, 64, 3] to <float>[batch, 64, 128]

    Args:
        filters: Channels after each convolution; the last is the width of a region.
    """

    def __init__(self, filters: tuple[int, ...] = (16, 32, 64, 128), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        same = {"padding": "same", "use_bias": False, "dtype": self.dtype_policy}
        self.convolutions = [keras.layers.Conv2D(n, 3, name=f"conv_{i}", **same) for i, n in enumerate(self.filters)]
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
        return ops.reshape(values, (ops.shape(values)[0], -1, self.filters[-1]))

    def compute_output_shape(self, images_shape: Any) -> tuple[int | None, int | None, int]:
        side = images_shape[1]
        for _ in self.convolutions[1:]:
            side = None if side is None else side // 2
        return images_shape[0], None if side is None else side * side, self.filters[-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": list(self.filters)}


def coordinates(values: Any) -> Any:
    """Two channels that say where a pixel is, from -1 to 1 (Liu et al. 2018, CoordConv)."""
    batch, height, width = (ops.shape(values)[axis] for axis in range(3))
    rows = ops.reshape(ops.linspace(-1.0, 1.0, height), (1, height, 1, 1))
    columns = ops.reshape(ops.linspace(-1.0, 1.0, width), (1, 1, width, 1))
    shape = (batch, height, width, 1)
    return ops.cast(
        ops.concatenate([ops.broadcast_to(rows, shape), ops.broadcast_to(columns, shape)], axis=-1), values.dtype
    )
