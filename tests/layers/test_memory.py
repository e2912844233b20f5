"""What is done to a memory before it is looked at, against NumPy."""

from __future__ import annotations

import numpy as np

from mmtoolkit.layers.memory import masked_mean, normalise, per_row

VALUES = np.random.default_rng(0).normal(3.0, 5.0, size=(2, 4, 6)).astype(np.float32)
MASK = np.array([[True, True, False, True], [False, True, False, False]])


def test_masked_mean() -> None:
    expected = [VALUES[row, MASK[row]].mean(axis=0) for row in range(2)]
    np.testing.assert_allclose(masked_mean(VALUES, MASK), expected, atol=1e-6)
    np.testing.assert_allclose(masked_mean(VALUES), VALUES.mean(axis=1), atol=1e-6)


def test_normalised_rows_have_mean_0_and_spread_1() -> None:
    rows = VALUES.astype(np.float64)
    expected = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(normalise(VALUES), expected, atol=1e-5)
    assert not np.asarray(normalise(np.full((1, 3), 7.0, np.float16))).any()  # nothing stands out: no division by zero


def test_each_row_is_repeated_for_its_hypotheses() -> None:
    values = VALUES[:, 0]
    np.testing.assert_array_equal(per_row(values, np.zeros((6, 1))), np.repeat(values, 3, axis=0))
    np.testing.assert_array_equal(per_row(values, np.zeros((2, 9))), values)
