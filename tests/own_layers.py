"""An encoder, an attention and a cell of a user's own, registered as Keras asks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmtoolkit.layers import Memory
from mmtoolkit.layers.cell import Cell


@keras.saving.register_keras_serializable("tests")
class Patches(keras.layers.Layer):
    """Embeds rectangles of pixels: a grid that need not be square, as regions with a map's four dimensions."""

    def __init__(self, features: int = 6, height: int = 8, width: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features, self.height, self.width = features, height, width
        self.embed = keras.layers.Conv2D(features, (height, width), strides=(height, width))

    def call(self, images: Any) -> Any:
        return self.embed(images / 255.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "features": self.features, "height": self.height, "width": self.width}


@keras.saving.register_keras_serializable("tests")
class DotAttention(keras.layers.Layer):
    """`softmax(W q . k) v` (Luong et al. 2015, "general")."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.projection: Any = None

    def prepare(self, values: Any, mask: Any = None) -> Memory:
        return Memory(values, values, mask)

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        width = memory_shape[1][-1] if isinstance(memory_shape[1], (list, tuple)) else memory_shape[-1]
        self.projection = keras.layers.Dense(width, use_bias=False, name="projection")
        self.projection.build(query_shape)

    def call(self, query: Any, memory: Memory) -> tuple[Any, Any]:
        batch, width = ops.shape(memory.values)[0], memory.values.shape[-1]
        query = ops.reshape(self.projection(query), (batch, -1, width))  # [batch, hypotheses, features]
        scores = ops.matmul(query, ops.transpose(memory.keys, (0, 2, 1)))
        weights = ops.softmax(ops.cast(scores, "float32"), axis=-1)
        context = ops.matmul(ops.cast(weights, memory.values.dtype), memory.values)
        return ops.reshape(context, (-1, width)), ops.reshape(
            weights, (-1, weights.shape[-1] or ops.shape(weights)[-1])
        )


@keras.saving.register_keras_serializable("tests")
class LeakyCell(Cell):
    """`h = 0.9 h + 0.1 tanh(W x + U h + b)`."""

    gates, states = 1, 1

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        return (0.9 * state[0] + 0.1 * ops.tanh(projection + product + self.bias),)


class Unregistered(Patches):
    """The same, but unknown to Keras."""
