"""Time unrolled: against a loop in NumPy, written out, as a loop, and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mmtoolkit.layers.unroll import unroll

TIME, BATCH, WIDTH = 4, 3, 2
RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.normal(size=(TIME, BATCH, WIDTH)).astype("float32")
SCALES = RANDOM.normal(size=(TIME, BATCH, 1)).astype("float32")
START = RANDOM.normal(size=(BATCH, WIDTH)).astype("float32")
KERNEL = RANDOM.normal(size=(WIDTH, WIDTH)).astype("float32")
MASK = np.arange(TIME)[:, None] < np.array([4, 2, 0])
WAYS = {"written out": (TIME, False), "looped": (None, False), "compiled": (None, True)}


def by_hand(mask: np.ndarray | None, *, reverse: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All hidden states, the last, and the number of steps that each row has moved."""
    hidden, count, states = START.astype("float64"), np.zeros((BATCH, 1)), np.zeros((TIME, BATCH, WIDTH))
    for time in reversed(range(TIME)) if reverse else range(TIME):
        for row in range(BATCH):
            if mask is None or mask[time, row]:
                hidden[row] = np.tanh(hidden[row] @ KERNEL + SCALES[time, row] * INPUTS[time, row])
                count[row] += 1
        states[time] = hidden
    return states, hidden, count


def run(way: str, mask: np.ndarray | None, *, reverse: bool) -> Any:
    """States, last state, count, and the gradient of a sum for the kernel."""
    time, compiled = WAYS[way]
    signature = [tf.TensorSpec((time, None, size), tf.float32) for size in (WIDTH, 1)]

    @tf.function(input_signature=signature, jit_compile=compiled)
    def function(inputs: Any, scales: Any) -> Any:
        kernel = tf.constant(KERNEL)

        def move(state: Any, read: Any) -> Any:
            hidden, counted = state["hidden"], state["count"]
            return {"hidden": tf.tanh(hidden @ kernel + read[1] * read[0]), "count": counted + 1}

        with tf.GradientTape() as tape:
            tape.watch(kernel)
            first = {"hidden": tf.constant(START), "count": tf.zeros((BATCH, 1), tf.int32)}
            states, last = unroll(move, first, (inputs, scales), mask=mask, reverse=reverse)
            loss = tf.reduce_sum(states["hidden"] ** 2) + tf.reduce_sum(last["hidden"])
        return states["hidden"], last["hidden"], last["count"], tape.gradient(loss, kernel)

    return function(INPUTS, SCALES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_states_are_those_of_a_loop_in_numpy(way: str, reverse: bool, mask: np.ndarray | None) -> None:
    states, last, count, gradient = run(way, mask, reverse=reverse)
    for ours, expected in zip((states, last, count), by_hand(mask, reverse=reverse), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    losses = []
    for sign in (1, -1):
        KERNEL[0, 1] += sign * 1e-3
        states, last, _ = by_hand(mask, reverse=reverse)
        KERNEL[0, 1] -= sign * 1e-3
        losses.append((states**2).sum() + last.sum())
    assert float(gradient[0, 1]) == pytest.approx((losses[0] - losses[1]) / 2e-3, rel=1e-2)


def test_an_unknown_time_is_a_loop_and_a_known_one_is_none() -> None:
    def loops(time: int | None) -> int:
        function = tf.function(lambda x: unroll(lambda state, read: state + read, x[0], x))
        graph = function.get_concrete_function(tf.TensorSpec((time, 2), tf.float32)).graph
        return sum("While" in operation.type for operation in graph.get_operations())

    assert loops(None) == 1 and loops(3) == 0


def test_every_shape_is_compiled_with_its_own_bound() -> None:
    total = tf.function(
        lambda x: unroll(lambda state, read: state + read, tf.zeros((2,)), x)[0],
        input_signature=[tf.TensorSpec((None, 2), tf.float32)],
        jit_compile=True,
    )
    for time in (1, 5, 3):
        ones = np.ones((time, 2), "float32")
        np.testing.assert_array_equal(total(ones), np.cumsum(ones, axis=0))
