"""`RegionCrop`, parts of a grid of regions while training, and `RegionPool`, squares of them made one."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.layers import RegionCrop, RegionPool

GRID = np.arange(2 * 36, dtype=np.float32).reshape(2, 36, 1)  # each region is its own number


def test_a_crop_is_a_rectangle_spread_over_the_grid() -> None:
    """Every picture shown is what NumPy makes of one size and one start, each of which occurs."""
    crop = RegionCrop(0.5, seed=1)
    possible = {}
    for kept in (3, 4, 5, 6):
        for top in range(7 - kept):
            for left in range(7 - kept):
                rows, columns = (start + np.arange(6) * kept // 6 for start in (top, left))
                possible[(GRID[0].reshape(6, 6)[np.ix_(rows, columns)]).tobytes()] = (kept, top, left)
    seen = set()
    for _ in range(150):
        first, second = np.asarray(crop(GRID, training=True)).reshape(2, 6, 6)
        seen |= {possible[first.tobytes()], possible[(second - 36).astype(np.float32).tobytes()]}
    assert seen == set(possible.values())


def test_nothing_is_cut_off_outside_of_training_or_by_a_share_of_nothing() -> None:
    np.testing.assert_array_equal(RegionCrop(0.5)(GRID), GRID)
    np.testing.assert_array_equal(RegionCrop(0.0)(GRID, training=True), GRID)


def test_the_seed_decides() -> None:
    first, second = (np.asarray(RegionCrop(0.5, seed=7)(GRID, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_what_a_crop_refuses() -> None:
    with pytest.raises(InputError, match="share from 0 to below 1. Received: 1"):
        RegionCrop(1)
    with pytest.raises(InputError, match="a square grid of regions, or the sides of another grid. Received: 12"):
        RegionCrop(0.5).build((None, 12, 4))
    with pytest.raises(InputError, match="A crop needs 3 x 5 regions. Received: 12 regions"):
        RegionCrop(0.5, grid=(3, 5)).build((None, 12, 4))
    assert keras.layers.deserialize(keras.layers.serialize(RegionCrop(0.3, seed=2))).share == 0.3


def test_pooling_takes_the_largest_of_each_square() -> None:
    regions = np.random.default_rng(2).normal(size=(2, 36, 3)).astype(np.float32)
    pooled = np.asarray(RegionPool(2)(regions)).reshape(2, 3, 3, 3)
    grid = regions.reshape(2, 6, 6, 3)
    for row in range(3):
        for column in range(3):
            square = grid[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_array_equal(pooled[:, row, column], square.max(axis=(1, 2)))
    np.testing.assert_array_equal(RegionPool(1)(regions), regions)


def test_grids_need_not_be_square() -> None:
    regions = np.arange(2 * 24 * 1, dtype=np.float32).reshape(2, 24, 1)
    grid = regions.reshape(2, 4, 6)
    pooled = np.asarray(RegionPool(2, grid=(4, 6))(regions)).reshape(2, 2, 3)
    for row in range(2):
        for column in range(3):
            square = grid[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_array_equal(pooled[:, row, column], square.max(axis=(1, 2)))
    for seed in range(20):
        for before, after in zip(grid, RegionCrop(0.5, seed=seed, grid=(4, 6))(regions, training=True), strict=True):
            cropped = np.asarray(after).reshape(4, 6)
            rows, columns = (cropped - before[0, 0]) // 6, (cropped - before[0, 0]) % 6
            assert (rows == rows[:, :1]).all() and (columns == columns[:1]).all()  # a rectangle of the grid
            assert np.ptp(rows) + 1 >= 2 and np.ptp(columns) + 1 >= 3  # at least half of each side
            assert set(np.diff(np.unique(rows))) <= {1.0} and set(np.diff(np.unique(columns))) <= {1.0}


def test_what_pooling_refuses() -> None:
    with pytest.raises(InputError, match="squares of side 1 or more. Received: 0"):
        RegionPool(0)
    with pytest.raises(InputError, match="whose sides 4 divides. Received: 6 x 6 regions"):
        RegionPool(4).build((None, 36, 3))
