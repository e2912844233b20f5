"""Backpropagation through time: the sums of a lecture, evaluated by hand, against autodiff."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtoolkit.layers import SequenceEncoder, VanillaCell
from mmtoolkit.layers.unroll import unroll

TIME, INPUTS, UNITS, CLASSES = 5, 3, 4, 6
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(TIME, INPUTS))
W_XH, W_HH, W_HY = (0.7 * RANDOM.normal(size=shape) for shape in ((INPUTS, UNITS), (UNITS, UNITS), (UNITS, CLASSES)))
BIAS = RANDOM.normal(size=UNITS)
TARGETS = RANDOM.integers(0, CLASSES, TIME)
WANTED = RANDOM.normal(size=(TIME, CLASSES))


def states() -> np.ndarray:
    """`h_0` to `h_T`, by the equation."""
    hidden = [np.zeros(UNITS)]
    for vector in VECTORS:
        hidden.append(np.tanh(vector @ W_XH + hidden[-1] @ W_HH + BIAS))
    return np.stack(hidden)


def to_outputs(loss: str, outputs: np.ndarray) -> np.ndarray:
    """`dL_t / dy_t`: softmax minus one-hot, or the difference."""
    if loss == "squared":
        return outputs - WANTED
    chances = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    return chances - np.eye(CLASSES)[TARGETS]


def summed(loss: str) -> dict[str, np.ndarray]:
    """`dL/dW = sum over t, and over k up to t, of dL_t/dh_t (product of dh_j/dh_j-1 from k+1 to t) dh_k/dW`."""
    hidden = states()
    to_y = to_outputs(loss, hidden[1:] @ W_HY)
    sums = {"xh": np.zeros_like(W_XH), "hh": np.zeros_like(W_HH), "hy": np.zeros_like(W_HY)}
    for t in range(1, TIME + 1):
        sums["hy"] += np.outer(hidden[t], to_y[t - 1])
        for k in range(1, t + 1):
            jacobian = np.eye(UNITS)  # dh_t / dh_k
            for j in range(k + 1, t + 1):
                jacobian = np.diag(1 - hidden[j] ** 2) @ W_HH.T @ jacobian
            to_sum = (W_HY @ to_y[t - 1]) @ jacobian * (1 - hidden[k] ** 2)  # of step k, before tanh
            sums["xh"] += np.outer(VECTORS[k - 1], to_sum)
            sums["hh"] += np.outer(hidden[k - 1], to_sum)
    return sums


@pytest.mark.parametrize("loss", ["softmax", "squared"])
@pytest.mark.parametrize("training", [True, False])
def test_autodiff_is_the_sum_over_all_pairs_of_steps(loss: str, training: bool) -> None:
    """Also where the kernel's gradient is taken after the loop, as in training."""
    encoder, output = SequenceEncoder(UNITS, cell="rnn"), keras.layers.Dense(CLASSES, use_bias=False)
    with tf.GradientTape() as tape:
        outputs = output(encoder(VECTORS[None].astype("float32"), training=training)[0])[0]
        encoder.projections[0].kernel.assign(W_XH)
        encoder.cells[0].set_weights([W_HH, BIAS])
        output.kernel.assign(W_HY)
        outputs = output(encoder(VECTORS[None].astype("float32"), training=training)[0])[0]  # [time, classes]
        losses = (
            tf.nn.sparse_softmax_cross_entropy_with_logits(TARGETS, outputs)
            if loss == "softmax"
            else 0.5 * tf.reduce_sum((outputs - WANTED.astype("float32")) ** 2, axis=-1)
        )
        total = tf.reduce_sum(losses)
    kernels = [encoder.projections[0].kernel, encoder.cells[0].recurrent_kernel, output.kernel]
    found = tape.gradient(total, [kernel.value for kernel in kernels])
    for gradient, expected in zip(found, summed(loss).values(), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_the_lectures_example_by_its_numbers() -> None:
    """`h_t = tanh(2 x_t + 3 h_t-1 + 1)` over -0.5, 0.1, -0.6 from 0: every coefficient of `h` is 3."""
    cell = VanillaCell(1)
    cell.build()
    cell.set_weights([np.array([[3.0]]), np.array([1.0])])
    kernel, words = tf.constant(2.0), np.array([-0.5, 0.1, -0.6], "float32").reshape(3, 1, 1)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        reached, (last,) = unroll(lambda state, x: cell(kernel * x, state), (tf.zeros((1, 1)),), words)
    h1, h2, h3 = 0.0, np.tanh(1.2), np.tanh(3 * np.tanh(1.2) - 0.2)
    np.testing.assert_allclose(np.ravel(reached[0]), [h1, h2, h3], atol=1e-6)
    np.testing.assert_allclose(np.ravel(reached[0]), [0.0, 0.8337, 0.9801], atol=5e-5)
    d1, d2, d3 = 1 - h1**2, 1 - h2**2, 1 - h3**2  # of tanh
    to_kernel, to_recurrent, to_bias = tape.gradient(last, [kernel, cell.recurrent_kernel.value, cell.bias.value])
    np.testing.assert_allclose(to_kernel, d3 * (-0.6 + 3 * d2 * (0.1 + 3 * d1 * -0.5)), rtol=1e-4)
    np.testing.assert_allclose(to_recurrent, [[d3 * (h2 + 3 * d2 * (h1 + 3 * d1 * 0.0))]], rtol=1e-4)
    np.testing.assert_allclose(to_bias, [d3 * (1 + 3 * d2 * (1 + 3 * d1))], rtol=1e-4)


def test_a_shared_weight_has_the_sum_of_the_gradients_of_its_copies() -> None:
    cells = [VanillaCell(UNITS) for _ in range(TIME)]
    for cell in cells:
        cell.build()
        cell.set_weights([W_HH, BIAS])
    projected = tf.constant((VECTORS @ W_XH)[:, None], "float32")  # [time, 1, units]

    def gradients(of: list[Any]) -> list[Any]:
        kernels = list({id(cell): cell.recurrent_kernel.value for cell in of}.values())
        with tf.GradientTape() as tape:
            state: Any = (tf.zeros((1, UNITS)),)
            for cell, x in zip(of, projected, strict=True):
                state = cell(x, state)
            loss = tf.reduce_sum(state[0] ** 3)
        return [np.asarray(gradient) for gradient in tape.gradient(loss, kernels)]

    (shared,) = gradients([cells[0]] * TIME)
    copies = gradients(cells)
    assert len(copies) == TIME and np.abs(copies[1] - copies[-1]).max() > 1e-3
    np.testing.assert_allclose(shared, sum(copies), atol=1e-6)
