"""Additive (Bahdanau) attention, soft and hard: pure functions and the layers that own the weights."""

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
NUMBERS = 2**24  # that locations are drawn by: float32 holds each of them
EXPECTED = -1  # in the place of such a number: the mean of all regions, which is the expectation of the one drawn
ENTROPY = 0.002  # weight of the entropy in the gradient, lambda_e; that of the reward, lambda_r, is 1
KEPT = 0.9  # of the baseline, at each step


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
    return weighted_mean(weights, values), ops.reshape(weights, (-1, ops.shape(scores)[-1]))


def weighted_mean(weights: Any, values: Any) -> Any:
    """Averages values `[batch, regions, features]` by weights `[batch, hypotheses, regions]`: `[rows, features]`."""
    context = ops.matmul(ops.cast(weights, values.dtype), values)  # [batch, hypotheses, features]
    return ops.reshape(context, (-1, values.shape[-1]))


def locations(weights: Any, draws: Any = None) -> Any:
    """Chooses one region each: 1.0 for that region and 0.0 for all others, which has no gradient.

    Example:
        Three quarters of the numbers draw the second of these regions:
        >>> weights = ops.array([[0.25, 0.75]] * 3)
        >>> np.asarray(locations(weights, ops.array([NUMBERS // 4 - 1, NUMBERS // 4, EXPECTED]))).tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]]

    Args:
        weights: `<float32>[..., regions]`, probabilities.
        draws: `<int32>[...]`, random numbers from 0 to below `NUMBERS`, by which regions are drawn; where it is
            `EXPECTED`, the weights stay as they are. Without them the likeliest regions are chosen.

    Returns:
        `<float32>[..., regions]`.

    Source: Devroye, "Non-Uniform Random Variate Generation", 1986, III.2: inversion.
    """
    regions = ops.shape(weights)[-1]
    if draws is None:
        return ops.one_hot(ops.argmax(weights, axis=-1), regions, dtype="float32")
    draws = ops.expand_dims(draws, -1)
    cumulated = ops.cumsum(weights, axis=-1)
    reached = cumulated > ops.cast(draws, "float32") / NUMBERS * cumulated[..., -1:]
    # Never a masked one, also where a sum in parallel rounds to a little more there.
    first = ops.argmax(ops.logical_and(reached, weights > 0), axis=-1)
    return ops.where(draws == EXPECTED, weights, ops.one_hot(first, regions, dtype="float32"))


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


@keras.saving.register_keras_serializable("mmtoolkit")
class HardAttention(BahdanauAttention):
    """Attends to one region alone: the likeliest, and while training one that is drawn by its weight.

    What is drawn has no gradient for the weights. `reinforce_loss` gives them theirs, and must be added to the loss.
    The weights returned are the probabilities of the regions, which is what the authors draw in their pictures too.

    Example:
        >>> attention = HardAttention(units=512)
        >>> memory = attention.prepare(regions)                          # regions: <float>[batch, 196, 512]
        >>> context, weights = attention(ops.ones((2, 512)), memory)
        >>> np.array_equal(context[0], regions[0, np.argmax(weights[0])])
        True

    Args:
        units: As in `BahdanauAttention`.

    Source: Xu et al., "Show, Attend and Tell", 2015, section 4.1.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, query_shape: Any, memory_shape: Any) -> None:
        super().build(query_shape, memory_shape)
        whole: dict[str, Any] = {"dtype": "float32", "autocast": False, "aggregation": "mean"}
        self.baseline = self.add_weight(shape=(), name="baseline", initializer="zeros", trainable=False, **whole)

    def attend(self, query: Any, memory: Memory, shift: Any = None, draws: Any = None) -> tuple[Any, Any]:
        """Attends to the likeliest regions, or to those that `draws <int32>[rows]` choose as in `locations`."""
        _, weights = super().attend(query, memory, shift)  # [rows, regions]
        chosen = ops.reshape(locations(weights, draws), (ops.shape(memory.values)[0], -1, ops.shape(weights)[-1]))
        return weighted_mean(chosen, memory.values), weights

    def can_fuse(self, memory: Memory) -> bool:
        return False  # two regions of almost the same score must not change places between a search and an export

    def draw(self, tokens: Any) -> Any:
        """Draws the numbers for each step of sentences `<int32>[batch, time]`; half of them get `EXPECTED` throughout.

        A memory takes them: `memory._replace(draws=attention.draw(tokens))`.
        """
        batch, time = ops.shape(tokens)
        draws = keras.random.randint((batch, time), 0, NUMBERS, seed=self.seed_generator)
        expected = keras.random.randint((batch, 1), 0, 2, seed=self.seed_generator) == 0
        return ops.where(expected, EXPECTED, draws)

    def reinforce_loss(self, log_likelihood: Any, weights: Any, draws: Any, real: Any) -> Any:
        """Computes a loss of 0 with the gradient of the locations' distribution, per real step, and moves the baseline.

        Args:
            log_likelihood: `<float32>[batch]`, of each sentence given its locations.
            weights: `<float32>[batch, time, regions]`, as a decoder returns them while it trains.
            draws: `<int32>[batch, time]`, by which the locations were drawn.
            real: `<float32>[batch, time]`, 1.0 for the steps that predict a token.

        Source: Williams, "Simple Statistical Gradient-Following Algorithms", 1992; Xu et al. 2015, equations 11 and 12
            and the baseline between them, which is the one before this batch.
        """
        logs = ops.log(ops.maximum(weights, 1e-30))  # masked regions have the weight 0
        taken = ops.stop_gradient(locations(weights, draws)) * ops.cast(draws != EXPECTED, "float32")[..., None]
        chosen = ops.sum(real * ops.sum(taken * logs, axis=-1), axis=-1)  # [batch], log p(s|a)
        entropy = -ops.sum(real * ops.sum(weights * logs, axis=-1))
        reward = ops.stop_gradient(log_likelihood - self.baseline)
        self.baseline.assign(KEPT * self.baseline + (1.0 - KEPT) * ops.mean(log_likelihood))
        loss = -(ops.sum(reward * chosen) + ENTROPY * entropy) / ops.maximum(ops.sum(real), 1.0)
        return loss - ops.stop_gradient(loss)  # its value says nothing of the model


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


ADDITIVE: dict[str, type[BahdanauAttention]] = {"bahdanau": BahdanauAttention, "hard": HardAttention}


def make_attention(attention: Any, units: int, dtype: Any) -> Any:
    """Makes the attention of a decoder by its name or of a layer; `None` where the name is that of none."""
    given = {"name": "attention", "dtype": dtype}
    if isinstance(attention, str):
        return ADDITIVE[attention](units, **given) if attention in ADDITIVE else None
    return OwnAttention(attention, **given)


def is_plain(layer: Any) -> bool:
    """Checks that a dense layer multiplies by its kernel alone: it has no LoRA and is not quantized."""
    return not (layer.lora_enabled or layer.quantization_mode)
