"""Tasks that are made to test how long a recurrent network remembers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SYMBOLS, RECALLED = 8, 10  # of the copy task: kinds of symbols, and how many are repeated


def adding(count: int, length: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Makes the adding problem: the sum of the two values that are marked, one in each half.

    Whoever always says 1 has a mean squared error of 1/6.

    Example:
        >>> inputs, targets = adding(2, 10, seed=0)
        >>> inputs.shape, targets.shape
        ((2, 10, 2), (2, 1))
        >>> bool(np.isclose((inputs[0, :, 0] * inputs[0, :, 1]).sum(), targets[0, 0]))
        True

    Args:
        count: Number of sequences.
        length: Steps of each, 2 or more.
        seed: Random seed.

    Returns:
        Values from 0 to 1 and marks, `<float32>[count, length, 2]`, and the sums, `<float32>[count, 1]`.

    Source: Hochreiter & Schmidhuber, "Long Short-Term Memory", 1997, experiment 4, with values as in Le, Jaitly &
        Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015, section 4.1.
    """
    random = np.random.default_rng(seed)
    inputs, rows = np.zeros((count, length, 2), np.float32), np.arange(count)
    inputs[..., 0] = random.random((count, length))
    for marks in (random.integers(0, length // 2, count), random.integers(length // 2, length, count)):
        inputs[rows, marks, 1] = 1.0
    return inputs, np.sum(inputs[..., 0] * inputs[..., 1], axis=1, keepdims=True)


def copying(count: int, length: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Makes the copy task: ten symbols, so many blanks, a sign, and then the ten symbols are to be repeated.

    Whoever guesses is right once in eight.

    Example:
        >>> inputs, targets = copying(2, 20, seed=0)
        >>> inputs.shape, targets.shape      # eight symbols, blank and sign
        ((2, 40, 10), (2, 10))
        >>> np.array_equal(inputs[0, :10].argmax(axis=1), targets[0])
        True

    Args:
        count: Number of sequences.
        length: Number of blanks, 1 or more.
        seed: Random seed.

    Returns:
        One-hot inputs, `<float32>[count, length + 20, 10]`, and the symbols, `<int32>[count, 10]`.

    Source: Hochreiter & Schmidhuber 1997; in this form Arjovsky, Shah & Bengio, "Unitary Evolution Recurrent Neural
        Networks", 2016, section 5.1.
    """
    symbols = np.random.default_rng(seed).integers(0, SYMBOLS, (count, RECALLED), dtype=np.int32)
    ids = np.full((count, length + 2 * RECALLED), SYMBOLS, np.int32)  # blank
    ids[:, :RECALLED] = symbols
    ids[:, length + RECALLED - 1] = SYMBOLS + 1  # the sign
    return np.eye(SYMBOLS + 2, dtype=np.float32)[ids], symbols
