"""Additive (Bahdanau) attention: one pure function and the layer that owns its weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmtoolkit.layers.loops import DIRECT, Direct
from mmtoolkit.layers.memory import Memory, values_shape


def additive_attention(query: Any, keys: Any, values: Any, v: Any, mask: Any = None) -> tuple[Any, Any]:
    """Weighs each region by `softmax(v · tanh(query + key))` and averages the values.

    The rows of the query may be a multiple of the batch (row = picture × hypotheses): every picture's keys
    are then used for all of its rows without being copied.

    Example:
        One region always gets all the attention:
        >>> additive_attention(ones((1, 2)), ones((1, 1, 2)), 5 * ones((1, 1, 3)), ones((2,)))
        ([[5., 5., 5.]], [[1.]])

    Args:
        query: `<float>[rows, units]`, already projected.
        keys: `<float>[batch, regions, units]`.
        values: `<float>[batch, regions, features]`.
        v: `<float>[units]`.
        mask: `<bool>[batch, regions]`; masked regions get exactly 0.0.

    Returns:
        The context `<float>[rows, features]` and the alignment `<float32>[rows, regions]`, whose rows sum to 1.

    Source: Bahdanau, Cho & Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate",
        2015, appendix A.1.2; Xu et al., "Show, Attend and Tell", 2015, equations 4-6.
    """
    return weigh(DIRECT.scores(query, keys, v), values, mask)


def weigh(scores: Any, values: Any, mask: Any = None) -> tuple[Any, Any]:
    """Averages the values by the softmax of their scores `<float32>[batch, hypotheses, regions]`."""
    regions = ops.shape(scores)[-1] if scores.shape[-1] is None else scores.shape[-1]
    if mask is not None:
        scores = ops.where(ops.expand_dims(mask, 1), scores, -1e9)
    alignment = ops.softmax(scores, axis=-1)
    context = ops.matmul(ops.cast(alignment, values.dtype), values)  # [batch, hypotheses, features]
    return ops.reshape(context, (-1, values.shape[-1])), ops.reshape(alignment, (-1, regions))


@keras.saving.register_keras_serializable("mmtoolkit")
class BahdanauAttention(keras.layers.Layer):
    """Owns the projections of `additive_attention`: keys once per picture, the query once per step.

    Example:
        >>> attention = BahdanauAttention(units=512)
        >>> memory = attention.prepare(regions)              # regions: <float>[batch, 196, 512]
        >>> context, alignment = attention(state, memory)    # state: <float>[rows, 512]

    Args:
        units: Width of the space in which query and keys are compared.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.key_projection = keras.layers.Dense(units, name="keys", dtype=self.dtype_policy)
        self.query_projection = keras.layers.Dense(units, use_bias=False, name="query", dtype=self.dtype_policy)

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        self.query_projection.build(query_shape)
        if not self.key_projection.built:  # `prepare` comes before the first call and builds it
            self.key_projection.build(values_shape(memory_shape))
        self.v = self.add_weight(shape=(self.units,), name="v", initializer=keras.initializers.RandomUniform(-0.1, 0.1))

    def prepare(self, values: Any, mask: Any = None) -> Memory:
        """Projects the values once: `<float>[batch, regions, features]` to a `Memory`."""
        return Memory(self.key_projection(values), values, mask)

    def call(
        self, query: Any, memory: Memory, shift: Any = None, *, loop: Direct = DIRECT, slot: Any = None
    ) -> tuple[Any, Any]:
        """As `additive_attention`; `shift <float>[rows, units]` is added to the projected query.

        A loop that is not `DIRECT` multiplies and compares in its own way, with the slot of the step.
        """
        query = loop.through(query, self.query_projection)
        query = query if shift is None else query + shift
        if loop is DIRECT:
            return additive_attention(query, memory.keys, memory.values, self.v, memory.mask)
        return weigh(loop.scores(query, memory.keys, self.v, slot), memory.values, memory.mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
