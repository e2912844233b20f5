"""What a decoder attends to."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops


class Memory(NamedTuple):
    """What a decoder attends to, projected once.

    Args:
        keys: `<float>[batch, regions, units]`, the projected values.
        values: `<float>[batch, regions, features]`.
        mask: `<bool>[batch, regions]`, True where a region exists; `None` where all do.
        gates: `<float>[batch, gates * units]`, what a decoder's gates get from all of it; `None` for nothing.
    """

    keys: Any
    values: Any
    mask: Any = None
    gates: Any = None


def values_shape(memory_shape: Any) -> tuple[int | None, ...]:
    """The values' shape in a `Memory` of shapes or the list that a saved file makes of one; else the shape given."""
    inner = memory_shape[1]
    return tuple(inner if isinstance(inner, (list, tuple)) else memory_shape)


def normalise(values: Any) -> Any:
    """Each row of `<float>[..., features]` with mean 0 and spread 1, without weights: what is stored needs no gradient.

    Source: Ba, Kiros & Hinton, "Layer Normalization", 2016, equation 3, without gain and bias.
    """
    values = ops.cast(values, "float32")
    values = values - ops.mean(values, axis=-1, keepdims=True)
    return values * ops.rsqrt(ops.mean(ops.square(values), axis=-1, keepdims=True) + 1e-5)


def per_row(values: Any, rows: Any) -> Any:
    """`<float>[batch, width]`, each repeated for its hypotheses, as many as `[batch x hypotheses, …]` has rows."""
    batch, width = ops.shape(values)[0], values.shape[-1]
    repeated = ops.broadcast_to(ops.expand_dims(values, 1), (batch, ops.shape(rows)[0] // batch, width))
    return ops.reshape(repeated, (-1, width))


def rows_of(values: Any, rows: Any) -> Any:
    """Of `[count, …]` the rows `<int32>[batch]`, which may come more than once; all as they are without `rows`."""
    return values if values is None or rows is None else ops.take(values, rows, axis=0)


def memory_of(memory: Memory, rows: Any) -> Memory:
    """The memory of each of the pictures `<int32>[batch]`, which may come more than once."""
    return Memory(*(rows_of(part, rows) for part in memory))


def masked_mean(values: Any, mask: Any = None) -> Any:
    """The mean region: `<float>[batch, regions, features]` to `<float>[batch, features]`, masked ones left out."""
    if mask is None:
        return ops.mean(values, axis=1)
    weights = ops.expand_dims(ops.cast(mask, values.dtype), -1)
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
