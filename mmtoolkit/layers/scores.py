"""Computes the scores of additive attention, as written and in compiled passes over powers of the keys.

`tanh(a + b) = 1 - 2 / (1 + exp(2 a) exp(2 b))`: with `exp(2 keys)` computed once, no step computes an exponential for
each pair of query and key.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from mmtoolkit.compiled import compiled

LARGEST = 43.0  # exp(2 * 43) is below the largest float32; tanh is 1 long before


def additive_scores(query: Any, keys: Any, v: Any) -> Any:
    """Computes `v · tanh(query + key)` in float32, whatever the types.

    Args:
        query: `<float>[rows, units]`, where the rows may be a multiple of the batch.
        keys: `<float>[batch, regions, units]`.
        v: `<float>[units]`.

    Returns:
        `<float32>[batch, hypotheses, regions]`.
    """
    batch, regions, units = ops.shape(keys)
    query, keys, v = (ops.cast(x, "float32") for x in (query, keys, v))
    query = ops.reshape(query, (batch, -1, 1, units))  # [batch, hypotheses, 1, units]
    compared = ops.tanh(query + ops.expand_dims(keys, 1))  # [batch, hypotheses, regions, units]
    # As one matrix-vector product, not sum(v * compared): a third of the traffic through memory, and of the time.
    scores = ops.matmul(ops.reshape(compared, (-1, units)), ops.expand_dims(v, -1))
    return ops.reshape(scores, (batch, -1, regions))


class CompiledScores:
    """Computes `additive_scores` in one compiled pass over the powers of the keys, which are computed once.

    Queries and keys beyond 43 count as 43. The keys get no gradient.

    Args:
        keys: `<float>[batch, regions, units]`.
        dtype: Type in which the powers are kept.
    """

    def __init__(self, keys: Any, dtype: str = "float32") -> None:
        self.powers = ops.stop_gradient(ops.cast(powers(keys), dtype))

    def __call__(self, query: Any, v: Any) -> Any:
        """Computes `<float32>[batch, hypotheses, regions]` from a query `<float>[rows, units]`."""
        batch, (regions, units) = ops.shape(self.powers)[0], self.powers.shape[1:]
        query = ops.reshape(query, (batch, -1, units))  # [batch, hypotheses, units]
        scores = scores_of(query, self.powers, ops.cast(v, "float32"))
        return ops.reshape(scores, (batch, -1, regions))  # TensorFlow does not see the shape of what is compiled


def powers(values: Any) -> Any:
    """Computes `exp(2 values)` in float32."""
    return ops.exp(2.0 * ops.clip(ops.cast(values, "float32"), -LARGEST, LARGEST))


def half(query: Any, key_powers: Any) -> Any:
    """Computes `(1 - tanh(query + key)) / 2`, `<float32>[…, regions, units]`, from a query `<float>[…, units]`."""
    return 1.0 / (1.0 + ops.expand_dims(powers(query), -2) * ops.cast(key_powers, "float32"))


@compiled
def scores_of(query: Any, key_powers: Any, v: Any) -> Any:
    """Computes `v · tanh(query + key)`: `<float32>[batch, hypotheses, regions]`."""
    return ops.sum(v) - 2.0 * ops.matmul(half(query, ops.expand_dims(key_powers, 1)), v)


@compiled
def query_gradient(query: Any, key_powers: Any, v: Any, upstream: Any) -> Any:
    """Computes the gradient of `scores_of` for the query, `<float32>[batch, units]`.

    The derivative of tanh is `4 half (1 - half)`.
    """
    part = half(query, key_powers)  # [batch, regions, units]
    weighted = ops.matmul(ops.expand_dims(upstream, 1), part - part * part)  # a third faster than their sum
    return 4.0 * ops.cast(v, "float32") * ops.squeeze(weighted, 1)


@compiled
def keys_gradient(queries: Any, key_powers: Any, v: Any, upstream: Any) -> Any:
    """Computes the gradient of `scores_of` for the keys, `<float32>[batch, regions, units]`, summed over steps."""
    part = half(queries, key_powers)  # [steps, batch, regions, units]
    return 4.0 * ops.cast(v, "float32") * ops.sum(ops.expand_dims(upstream, -1) * (part - part * part), axis=0)


@compiled
def weighted_halves(queries: Any, key_powers: Any, upstream: Any) -> Any:
    """Sums the halves, weighted by the gradient of the scores, over the steps: `<float32>[batch, regions, units]`."""
    return ops.sum(ops.expand_dims(upstream, -1) * half(queries, key_powers), axis=0)
