"""Memories that attention reads, and operations on their rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from mmtoolkit.errors import InputError


class Memory(NamedTuple):
    """Holds the values that a decoder attends to, and their projections, which are computed once.

    Args:
        keys: `<float>[batch, regions, units]`, the projected values.
        values: `<float>[batch, regions, features]`.
        mask: `<bool>[batch, regions]`, True where a region exists; `None` where all do.
        gates: `<float>[batch, gates * units]`, the mean of the values projected to a decoder's gates, if it is read.
        compare: Computes the scores of a query in place of `additive_scores`; a `CompiledScores` of the keys.
        draws: `<int32>[batch, time]`, by which hard attention draws its locations while a decoder trains.
    """

    keys: Any
    values: Any
    mask: Any = None
    gates: Any = None
    compare: Callable[[Any, Any], Any] | None = None
    draws: Any = None


def values_shape(memory_shape: Any) -> tuple[int | None, ...]:
    """Returns the values' shape of a `Memory` of shapes, or of the list that a saved file makes of one."""
    inner = memory_shape[1]
    return tuple(inner if isinstance(inner, (list, tuple)) else memory_shape)


def normalise(values: Any) -> Any:
    """Normalises each row of `<float>[..., features]` to mean 0 and standard deviation 1, without weights.

    Source: Ba, Kiros & Hinton, "Layer Normalization", 2016, equation 3, without gain and bias.
    """
    values = ops.cast(values, "float32")
    values = values - ops.mean(values, axis=-1, keepdims=True)
    return values * ops.rsqrt(ops.mean(ops.square(values), axis=-1, keepdims=True) + 1e-5)


def per_row(values: Any, rows: Any) -> Any:
    """Repeats each row of `<float>[batch, width]` for its hypotheses, to as many rows as `[batch x hypotheses, …]`."""
    batch, width = ops.shape(values)[0], values.shape[-1]
    repeated = ops.broadcast_to(ops.expand_dims(values, 1), (batch, ops.shape(rows)[0] // batch, width))
    return ops.reshape(repeated, (-1, width))


def gates_for(memory: Memory | None, words: Any) -> Any:
    """Returns a memory's `gates` for words `<float>[rows, embedding]` or `<float>[batch, time, embedding]`."""
    if memory is None or memory.gates is None:
        raise InputError("A decoder with mean_input reads memories of its own prepare. Received: another's.")
    return ops.expand_dims(memory.gates, 1) if len(words.shape) == 3 else per_row(memory.gates, words)


def empty_context(memory: Memory | None, *, weights: bool) -> tuple[Any, ...]:
    """Returns the context before the first step: zeros `<float>[batch, features]`, and weights `[batch, regions]`."""
    if memory is None:
        return ()
    context = ops.zeros_like(memory.values[:, 0])  # [batch, features]
    return (context, ops.zeros_like(memory.values[..., 0], "float32")) if weights else (context,)


def rows_of(values: Any, rows: Any) -> Any:
    """Gathers the rows `<int32>[batch]` of `[count, …]`, which may repeat; without `rows` all stay as they are."""
    return values if values is None or rows is None else ops.take(values, rows, axis=0)


def memory_of(memory: Memory | None, rows: Any, draws: Any = None) -> Memory | None:
    """Gathers the memories of the images `<int32>[batch]`, which may repeat; `None` stays `None`."""
    return None if memory is None else Memory(*(rows_of(part, rows) for part in memory[:4]))._replace(draws=draws)


def masked_mean(values: Any, mask: Any = None) -> Any:
    """Averages `<float>[batch, regions, features]` to `<float>[batch, features]`, without masked regions."""
    if mask is None:
        return ops.mean(values, axis=1)
    weights = ops.expand_dims(ops.cast(mask, values.dtype), -1)
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
