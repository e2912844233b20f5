"""Additive (Bahdanau) attention: one pure function and the layer that owns its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmtoolkit.compiled import can_compile
from mmtoolkit.errors import InputError, shortened
from mmtoolkit.layers.memory import Memory, values_shape
from mmtoolkit.layers.registered import layer_config, layer_from
from mmtoolkit.layers.scores import CompiledScores, additive_scores

WORTH_COMPILING = 2**15  # keys of an image, as numbers


def additive_attention(query: Any, keys: Any, values: Any, v: Any, mask: Any = None) -> tuple[Any, Any]:
    """Weighs each region by `softmax(v · tanh(query + key))` and averages the values.

    The rows of the query may be a multiple of the batch (row = picture × hypotheses): every picture's keys
    are then used for all of its rows without being copied.

    Example:
        One region always gets all the attention:
        >>> query, keys, values = ops.ones((1, 2)), ops.ones((1, 1, 2)), 5 * ops.ones((1, 1, 3))
        >>> context, weights = additive_attention(query, keys, values, ops.ones((2,)))
        >>> np.asarray(context).tolist(), np.asarray(weights).tolist()
        ([[5.0, 5.0, 5.0]], [[1.0]])

    Args:
        query: `<float>[rows, units]`, already projected.
        keys: `<float>[batch, regions, units]`.
        values: `<float>[batch, regions, features]`.
        v: `<float>[units]`.
        mask: `<bool>[batch, regions]`; masked regions get exactly 0.0.

    Returns:
        The context `<float>[rows, features]` and the weights `<float32>[rows, regions]`, whose rows sum to 1.

    Source: Bahdanau, Cho & Bengio, "Neural Machine Translation by Jointly Learning to Align and Translate",
        2015, appendix A.1.2; Xu et al., "Show, Attend and Tell", 2015, equations 4-6.
    """
    return weigh(additive_scores(query, keys, v), values, mask)


def weigh(scores: Any, values: Any, mask: Any = None) -> tuple[Any, Any]:
    """Averages the values by the softmax of their scores `<float32>[batch, hypotheses, regions]`."""
    if mask is not None:
        scores = ops.where(ops.expand_dims(mask, 1), scores, -1e9)
    weights = ops.softmax(scores, axis=-1)  # [batch, hypotheses, regions]
    context = ops.matmul(ops.cast(weights, values.dtype), values)  # [batch, hypotheses, features]
    return ops.reshape(context, (-1, values.shape[-1])), ops.reshape(weights, (-1, ops.shape(scores)[-1]))


@keras.saving.register_keras_serializable("mmtoolkit")
class BahdanauAttention(keras.layers.Layer):
    """Computes `additive_attention`, projecting the keys once per picture and the query once per step.

    Example:
        >>> attention = BahdanauAttention(units=512)
        >>> memory = attention.prepare(regions)                          # regions: <float>[batch, 196, 512]
        >>> context, weights = attention(ops.ones((2, 512)), memory)     # the state: <float>[rows, 512]
        >>> ops.shape(context), ops.shape(weights)
        ((2, 512), (2, 196))

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

    def call(self, query: Any, memory: Memory, shift: Any = None) -> tuple[Any, Any]:
        """Computes `additive_attention`; `shift <float>[rows, units]` is added to the projected query."""
        return self.attend(query, memory, shift)

    def attend(self, query: Any, memory: Memory, shift: Any = None) -> tuple[Any, Any]:
        """Computes what `call` does, also for a memory of `fused`, which Keras cannot pass: it holds a function."""
        query = self.query_projection(query)  # [rows, units]
        query, v = query if shift is None else query + shift, ops.cast(self.v, self.compute_dtype)
        if memory.compare is None:
            return additive_attention(query, memory.keys, memory.values, v, memory.mask)
        return weigh(memory.compare(query, v), memory.values, memory.mask)

    def can_fuse(self, memory: Memory) -> bool:
        """Checks whether `CompiledScores` can be used and are worth the time that compiling takes."""
        known = (memory.keys.shape[1] or 0) * self.units >= WORTH_COMPILING
        return known and can_compile() and is_plain(self.query_projection)

    def fused(self, memory: Memory) -> Memory:
        """Adds `CompiledScores` to a memory, for searches in this process; the server of an export has no compiler."""
        return memory._replace(compare=CompiledScores(memory.keys)) if self.can_fuse(memory) else memory

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class OwnAttention(keras.layers.Layer):
    """Gives an attention of your own what a decoder asks of a `BahdanauAttention`.

    Args:
        layer: A layer whose `prepare(values, mask)` makes a `Memory`, and which maps a query `<float>[rows, units]` and
            that to the context `<float>[rows, features]` and the weights `<float32>[rows, regions]`.

    Raises:
        InputError: It is no layer with `prepare`.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer = layer_from(layer, "attention") if isinstance(layer, Mapping) else layer
        if not (isinstance(self.layer, keras.layers.Layer) and callable(getattr(self.layer, "prepare", None))):
            raise InputError(
                "An attention is a name, or a Keras layer with `prepare(values, mask)` and `call(query, memory)`. "
                f"Received: {shortened(layer)}."
            )

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        if not self.layer.built:
            memory = self.layer.prepare(ops.zeros((1, 1, values_shape(memory_shape)[-1]), self.compute_dtype))
            self.layer(ops.zeros((1, query_shape[-1]), self.compute_dtype), memory)

    def prepare(self, values: Any, mask: Any = None) -> Memory:
        memory: Memory = self.layer.prepare(values, mask)
        return memory

    def call(self, query: Any, memory: Memory, shift: Any = None) -> tuple[Any, Any]:
        return self.attend(query, memory, shift)

    def attend(self, query: Any, memory: Memory, shift: Any = None) -> tuple[Any, Any]:
        context, weights = self.layer(query, memory)
        return ops.cast(context, self.compute_dtype), ops.cast(weights, "float32")

    def can_fuse(self, memory: Memory) -> bool:
        return False

    def fused(self, memory: Memory) -> Memory:
        return memory

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": layer_config(self.layer)}


def make_attention(attention: Any, units: int, dtype: Any) -> Any:
    """Makes the attention of a decoder by its name or of a layer; `None` where the name is that of none."""
    if attention == "bahdanau":
        return BahdanauAttention(units, name="attention", dtype=dtype)
    return None if isinstance(attention, str) else OwnAttention(attention, name="attention", dtype=dtype)


def is_plain(layer: Any) -> bool:
    """Checks that a dense layer multiplies by its kernel alone: it has no LoRA and is not quantized."""
    return not (layer.lora_enabled or layer.quantization_mode)
