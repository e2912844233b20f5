"""How far gradients reach through time: in full, truncated, and clipped."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mmtoolkit.layers import SequenceEncoder

INPUTS = 32  # features of the random inputs
WIDE = 512  # sequences with which memory is measured: that of a few is hardly more than of none
RECURRENT = ("recurrent_kernel", "candidate_kernel")  # weights that multiply what a cell has put out


class Truncation(NamedTuple):
    """What truncated backpropagation through time gives beside the full one.

    Args:
        window: Steps that gradients flow over.
        cosine: Of the angle between both gradients of the recurrent kernel.
        error: Norm of their difference, as a share of the norm of the full one.
        megabytes: Memory that it takes for `WIDE` sequences, beyond that of windows of one step.
    """

    window: int
    cosine: float
    error: float
    megabytes: float


def random_encoder(cell: str, *, units: int, gain: float, seed: int, keep_bias: float | None = None) -> SequenceEncoder:
    """Makes an encoder of one cell with new weights.

    Args:
        cell: Name of the cell.
        units: Width of the state.
        gain: Factor of the recurrent weights.
        seed: Random seed.
        keep_bias: Bias of the gate that keeps the state, the forget gate of an LSTM; as it starts by default.
    """
    keras.utils.set_random_seed(seed)
    encoder = SequenceEncoder(units, cell=cell)
    encoder.build((None, None, INPUTS))
    for weight in encoder.cells[0].weights:
        if weight.name in RECURRENT:
            weight.assign(gain * weight)
    if keep_bias is not None and encoder.cells[0].keeping:
        gate, sign = encoder.cells[0].keeping
        bias = encoder.cells[0].bias.numpy()
        bias[gate * units : (gate + 1) * units] = sign * keep_bias
        encoder.cells[0].bias.assign(bias)
    return encoder


def random_inputs(length: int, *, rows: int, seed: int) -> NDArray[np.float32]:
    """Draws inputs of mean 0 and standard deviation 1, `<float32>[rows, length, features]`."""
    return np.random.default_rng(seed).normal(size=(rows, length, INPUTS)).astype("float32")


def gradient_norms(stack: Any, vectors: Any) -> NDArray[np.float64]:
    """Computes the norm of the gradient of a loss at the last step with respect to the state after each step.

    The loss is a random projection of the last output. A state is all that a cell passes on: of an LSTM its output and
    its memory, of several layers those of each.

    Example:
        >>> encoder = random_encoder("rnn_sigmoid", units=8, gain=1.0, seed=0)
        >>> norms = gradient_norms(encoder, random_inputs(20, rows=4, seed=0))
        >>> bool(norms[0] < 1e-6)      # a sigmoid's slope is a quarter at most
        True

    Args:
        stack: A `SequenceEncoder` of one direction.
        vectors: `<float32>[rows, length, features]`.

    Returns:
        `<float64>[length]`, the means over the rows, as shares of the last one.

    Source: Pascanu, Mikolov & Bengio, "On the Difficulty of Training Recurrent Neural Networks", 2013, equation 5.
    """
    vectors = tf.convert_to_tensor(vectors)
    rows, length = vectors.shape[:2]
    projection = tf.random.stateless_normal((rows, stack.units), (0, 0))
    states = []
    with tf.GradientTape() as tape:
        state = stack.initial_state(rows)
        for time in range(length):
            _, state = stack.step(vectors[:, time], state)
            tape.watch(state)
            states.append(state)
        # The last output is a part of the last state.
        loss = tf.reduce_sum(tf.cast(state[-stack.cells[-1].states], "float32") * projection)
    found = tape.gradient(loss, states, unconnected_gradients="zero")
    squares = [sum(np.sum(np.square(np.asarray(part, "float64")), axis=1) for part in parts) for parts in found]
    norms = [float(np.mean(np.sqrt(square))) for square in squares]
    return np.array(norms) / norms[-1]


def kernel_gradient(encoder: SequenceEncoder, vectors: Any, window: int) -> NDArray[np.float32]:
    """Computes the gradient of the recurrent kernel by backpropagation over windows of so many steps.

    The loss is half of the squared distance of all outputs to random targets.
    """
    rows, length = vectors.shape[:2]
    targets = tf.random.stateless_normal((rows, length, encoder.units), (1, 0))
    kernel = encoder.cells[0].recurrent_kernel.value
    state, total = encoder.initial_state(rows), tf.zeros(kernel.shape)
    for start in range(0, length, window):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            outputs, state = encoder.run(tf.convert_to_tensor(vectors[:, start : start + window]), state)
            loss = tf.reduce_sum((outputs - targets[:, start : start + window]) ** 2) / (2 * rows * length)
        total += tape.gradient(loss, kernel)
        state = tuple(map(tf.stop_gradient, state))
    return total.numpy()


def truncations(
    cell: str,
    windows: Sequence[int],
    *,
    length: int,
    units: int,
    gain: float,
    keep_bias: float | None = None,
    rows: int = 16,
    seed: int = 0,
) -> list[Truncation]:
    """Compares truncated backpropagation through time with the full one, in its gradient and in its memory.

    Args:
        cell: Name of the cell.
        windows: Steps of the truncations.
        length: Steps of the sequences.
        units: Width of the state.
        gain: Factor of the recurrent weights.
        keep_bias: As of `random_encoder`.
        rows: Number of sequences.
        seed: Random seed.
    """
    encoder, vectors = (
        random_encoder(cell, units=units, gain=gain, seed=seed, keep_bias=keep_bias),
        random_inputs(length, rows=rows, seed=seed),
    )
    full, found = kernel_gradient(encoder, vectors, length), []
    for window in windows:
        part = kernel_gradient(encoder, vectors, window)
        cosine = float(np.vdot(full, part) / (np.linalg.norm(full) * np.linalg.norm(part)))
        error = float(np.linalg.norm(part - full) / np.linalg.norm(full))
        found.append(Truncation(window, cosine, error, memory_of(cell, window, length, units)))
    return found


def memory_of(cell: str, window: int, length: int, units: int) -> float:
    """Measures the memory, in MB, that a gradient over `WIDE` sequences takes, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(peak_growth, (cell, window, length, units))


def peak_growth(cell: str, window: int, length: int, units: int) -> float:
    """Returns by how many MB the peak memory of this process grows by a gradient, after one over windows of one."""
    encoder, vectors = random_encoder(cell, units=units, gain=1.0, seed=0), random_inputs(length, rows=WIDE, seed=0)
    kernel_gradient(encoder, vectors, 1)
    before = peak()
    kernel_gradient(encoder, vectors, window)
    return peak() - before


def peak() -> float:
    """Returns the peak memory of this process in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux `getrusage` begins with the peak of the process that started this one
        lines = status.read_text(encoding="ascii").splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS gives bytes


def clipped_losses(
    cell: str,
    clip: float | None,
    *,
    length: int,
    units: int,
    gain: float,
    keep_bias: float | None = None,
    steps: int = 20,
    rows: int = 16,
    seed: int = 0,
) -> list[float]:
    """Trains a cell by gradient descent on a random regression; returns the loss before each step.

    Args:
        cell: Name of the cell.
        clip: Largest norm of the gradient of all weights; `None` for any.
        length: Steps of the sequences.
        units: Width of the state.
        gain: Factor of the recurrent weights.
        keep_bias: As of `random_encoder`.
        steps: Steps of the descent, at the rate 0.01.
        rows: Number of sequences.
        seed: Random seed.

    Source: Pascanu, Mikolov & Bengio 2013, algorithm 1.
    """
    encoder, vectors = (
        random_encoder(cell, units=units, gain=gain, seed=seed, keep_bias=keep_bias),
        random_inputs(length, rows=rows, seed=seed),
    )
    targets = tf.random.stateless_normal((rows, units), (2, 0))
    optimizer = keras.optimizers.SGD(0.01, global_clipnorm=clip)
    losses: list[float] = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            _, last = encoder(tf.convert_to_tensor(vectors))
            loss = tf.reduce_mean((last - targets) ** 2)
        losses.append(float(loss))
        if not np.isfinite(losses[-1]):
            break
        weights = encoder.trainable_weights
        optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
    return losses
