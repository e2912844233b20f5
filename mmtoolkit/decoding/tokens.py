"""Operations of all searches on rows of token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

Step = Callable[[Any, Any], tuple[Any, Any]]
BANNED = (0, 1, 3)  # PAD, START and UNK of a Vocabulary: no search writes them
MINUS_INFINITY = -1e9
IMPOSSIBLE = -1e8  # below this a total holds a forbidden token


def forbid(log_probabilities: Any, tokens: Sequence[int]) -> Any:
    """Forbids the given tokens in `<float>[..., vocabulary]`."""
    ids = ops.arange(log_probabilities.shape[-1])
    forbidden = ops.zeros_like(ids, dtype="bool")
    for token in tokens:
        forbidden = ops.logical_or(forbidden, ids == token)
    return ops.where(forbidden, MINUS_INFINITY, log_probabilities)


def write(ids: Any, time: Any, tokens: Any) -> Any:
    """Writes `tokens` at position `time` of `<int32>[..., max_length]`."""
    here = ops.arange(ids.shape[-1]) == time
    tokens = tokens if isinstance(tokens, int) else ops.expand_dims(tokens, -1)
    return ops.where(here, tokens, ids)


def gather_rows(rows: Any, chosen: Any) -> Any:
    """Gathers `<int>[..., k]` of the rows `<int32>[..., n, length]`.

    `take_along_axis` takes many more operations where the number of pictures is not known.
    """
    count, length, shape = ops.shape(rows)[-2], rows.shape[-1], ops.shape(chosen)
    places = ops.reshape(ops.cast(chosen, "int32"), (-1, shape[-1]))
    places += ops.expand_dims(ops.arange(ops.shape(places)[0]) * count, -1)
    picked = ops.take(ops.reshape(rows, (-1, length)), ops.reshape(places, (-1,)), axis=0)
    return ops.reshape(picked, (*shape, length))
