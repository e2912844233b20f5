"""Compiles functions of tensors with XLA, and runs loops over time that XLA can train."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras


def can_compile() -> bool:
    """Checks whether `compiled` compiles: in TensorFlow, but not on macOS, where it has no XLA for the GPU."""
    return keras.backend.backend() == "tensorflow" and sys.platform != "darwin"


def keras_compiles() -> bool:
    """Returns whether Keras compiles models with XLA by default, as it does on a machine with a GPU."""
    return bool(keras.Sequential().jit_compile)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of tensors with XLA where possible; elsewhere returns it unchanged.

    An export must not contain such functions: the server has no XLA for the CPU.

    Example:
        >>> @compiled
        ... def squares(x):
        ...     return keras.ops.sum(x * x)
        >>> float(squares(keras.ops.array([1.0, 2.0])))
        5.0
    """
    if not can_compile():
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


def scan(move: Callable[[Any, Any], Any], state: Any, inputs: Any) -> tuple[Any, Any]:
    """Applies `move` to one time step after the other in a loop that XLA can train.

    On TensorFlow the loop of `keras.ops.scan` has no bound, without which XLA cannot compile its gradients. The number
    of steps is such a bound, as XLA compiles a graph anew for every shape.

    Example:
        >>> states, last = scan(lambda total, x: total + x, ops.zeros((1,)), ops.array([[1.0], [2.0]]))
        >>> np.asarray(states).tolist(), np.asarray(last).tolist()
        ([[1.0], [3.0]], [3.0])

    Args:
        move: From a state and the inputs of one step to the next state, of the same structure, shapes and types.
        state: The first state, a tensor or a nest of them.
        inputs: A tensor `[time, …]` or a nest of them.

    Returns:
        The states after each step, `[time, …]`, and the last one.
    """
    if keras.backend.backend() != "tensorflow":
        last, states = keras.ops.scan(lambda state, read: (move(state, read),) * 2, state, inputs)
        return states, last
    import tensorflow as tf

    flat = tf.nest.flatten(inputs)
    steps = tf.shape(flat[0])[0]

    def array(dtype: Any, shape: Any) -> Any:
        return tf.TensorArray(dtype, steps, element_shape=shape)

    reads = [array(x.dtype, x.shape[1:]).unstack(x) for x in flat]
    written = tuple(array(x.dtype, x.shape) for x in tf.nest.flatten(state))

    def body(time: Any, state: Any, written: tuple[Any, ...]) -> tuple[Any, ...]:
        state = move(state, tf.nest.pack_sequence_as(inputs, [x.read(time) for x in reads]))
        parts = tf.nest.flatten(state)
        return time + 1, state, tuple(x.write(time, part) for x, part in zip(written, parts, strict=True))

    loop = (tf.constant(0), state, written)
    _, state, written = tf.while_loop(lambda time, *_: time < steps, body, loop, maximum_iterations=steps)
    return tf.nest.pack_sequence_as(state, [x.stack() for x in written]), state
