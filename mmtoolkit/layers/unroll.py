"""Unrolls time, for encoders and decoders alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from mmtoolkit.compiled import scan

each = keras.tree.map_structure
MOST_WRITTEN = (
    160  # steps that are written out: a step is then a sixth faster, and the graph takes 0.1 s a step to make
)


def unroll(
    move: Callable[[Any, Any], Any], state: Any, inputs: Any, *, mask: Any = None, reverse: bool = False
) -> tuple[Any, Any]:
    """Applies `move` to one time step after the other and collects the states.

    If the number of steps is known when the graph is built, and not large, the steps are written out; else they become
    a loop whose bound XLA knows. Both train when compiled. The result is that of

        for time in range(steps):
            state = move(state, inputs[time])
            states.append(state)

    Example:
        >>> states, last = unroll(lambda total, x: total + x, ops.zeros((1,)), ops.array([[1.0], [2.0], [3.0]]))
        >>> np.asarray(states).tolist(), np.asarray(last).tolist()
        ([[1.0], [3.0], [6.0]], [6.0])

    Args:
        move: From a state and the inputs of one step to the next state, of the same structure, shapes and types.
        state: The first state, a tensor `[batch, …]` or a nest of them.
        inputs: A tensor `[time, batch, …]` or a nest of them.
        mask: `<bool>[time, batch]`; where it is False the state stays as it is. `None` for all True.
        reverse: Whether the last step comes first. The states are returned in the order of the inputs.

    Returns:
        The states after each step, `[time, batch, …]`, and the state after the last one.
    """
    read = (inputs,) if mask is None else (inputs, mask)
    if reverse:
        read = each(lambda x: ops.flip(x, axis=0), read)

    def step(state: Any, read: tuple[Any, ...]) -> Any:
        moved, *real = move(state, read[0]), *read[1:]
        return each(lambda new, old: ops.where(over(real[0], new), new, old), moved, state) if real else moved

    steps = keras.tree.flatten(inputs)[0].shape[0]
    if steps is None or steps > MOST_WRITTEN:
        states, state = scan(step, state, read)
    else:
        reached, leaves = [], [ops.unstack(x, steps) for x in keras.tree.flatten(read)]
        for parts in zip(*leaves, strict=True):
            state = step(state, keras.tree.pack_sequence_as(read, parts))
            reached.append(state)
        states = each(lambda *parts: ops.stack(parts), *reached)
    if reverse:
        states = each(lambda x: ops.flip(x, axis=0), states)
    return states, state


def states_before(states: Any, start: Any, *, reverse: bool = False) -> Any:
    """Returns the state before each step, given the states `[time, batch, …]` after them and the first one."""
    start = ops.expand_dims(start, 0)
    return ops.concatenate([states[1:], start] if reverse else [start, states[:-1]])


def over(mask: Any, values: Any) -> Any:
    """Reshapes `<bool>[batch]` to broadcast over `[batch, …]`."""
    return ops.reshape(mask, (-1,) + (1,) * (len(values.shape) - 1))
