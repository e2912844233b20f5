"""Crops and pools the grids of regions that a feature store holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from mmtoolkit.errors import InputError


@keras.saving.register_keras_serializable("mmtoolkit")
class RegionCrop(keras.layers.Layer):
    """Crops each image's grid of regions at random while training, and resizes the crop to the whole grid.

    This stands in for random crops of pixels where the regions of whole images come from a feature store.

    Example:
        >>> ops.shape(RegionCrop(0.5)(regions, training=True))      # of at least 7 x 7 of the 14 x 14
        (2, 196, 512)

    Args:
        share: Largest share of the grid's sides that is cut off, from 0 to below 1.
        seed: Seed of the random crops.
        grid: Rows and columns of the regions, where they are no square.

    Raises:
        InputError: `share` is out of range, or the regions are no such grid.

    Source: random crops as in Krizhevsky et al., "ImageNet Classification with Deep CNNs", 2012, section 4.1.
    """

    def __init__(
        self, share: float, *, seed: int | None = None, grid: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.grid: tuple[int, ...] = tuple(grid or ())
        if not 0 <= share < 1:
            raise InputError(f"A crop cuts off a share from 0 to below 1. Received: {share!r}.")
        self.share, self.seed = share, seed
        self.numbers = keras.random.SeedGenerator(seed)

    def build(self, regions_shape: Any) -> None:
        if self.share:
            self.grid = grid_of(regions_shape[1], self.grid, "A crop")

    def call(self, regions: Any, training: bool | None = None) -> Any:
        """Crops and resizes `<float>[batch, regions, features]`; the shape stays."""
        if not training or not self.share:
            return regions
        batch, count = ops.shape(regions)[0], regions.shape[1]
        sizes, *starts = ops.unstack(keras.random.uniform((3, batch), seed=self.numbers, dtype="float32"), 3)
        rows, columns = (  # [batch, rows], [batch, columns]
            self.places(start, sizes, side) for start, side in zip(starts, self.grid, strict=True)
        )
        places = ops.expand_dims(rows, 2) * self.grid[1] + ops.expand_dims(columns, 1)
        places = ops.reshape(places, (-1, count)) + count * ops.expand_dims(ops.arange(batch), 1)
        return ops.take(ops.reshape(regions, (-1, regions.shape[2])), places, axis=0)

    def places(self, start: Any, size: Any, side: int) -> Any:
        """Computes which row (or column) of each image fills each place of the grid: `<int32>[batch, side]`."""
        kept = ops.maximum(1, ops.cast(ops.round(side * (1 - self.share * size)), "int32"))  # [batch]
        room = ops.cast(side - kept + 1, "float32")
        first = ops.minimum(ops.cast(ops.floor(start * room), "int32"), side - kept)
        return ops.expand_dims(first, 1) + ops.expand_dims(kept, 1) * ops.arange(side) // side

    def compute_output_shape(self, regions_shape: Any, **_: Any) -> Any:
        return regions_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "share": self.share, "seed": self.seed, "grid": list(self.grid) or None}


@keras.saving.register_keras_serializable("mmtoolkit")
class RegionPool(keras.layers.Layer):
    """Max-pools squares of regions, as a further pooling layer of the network that made them would.

    Example:
        >>> ops.shape(regions), ops.shape(RegionPool(2)(regions))
        ((2, 196, 512), (2, 49, 512))

    Args:
        side: Side of the squares; 1 leaves the regions as they are.
        grid: Rows and columns of the regions, where they are no square.

    Raises:
        InputError: The regions are no grid that can be cut into such squares.
    """

    def __init__(self, side: int, *, grid: Sequence[int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid: tuple[int, ...] = tuple(grid or ())
        if side < 1:
            raise InputError(f"Regions are pooled in squares of side 1 or more. Received: {side!r}.")
        self.side = side

    def build(self, regions_shape: Any) -> None:
        if self.side == 1:
            return
        self.grid = grid_of(regions_shape[1], self.grid, f"Pooling {self.side} x {self.side}")
        if any(side % self.side for side in self.grid):
            raise InputError(
                f"Pooling {self.side} x {self.side} needs a grid whose sides {self.side} divides. Received: "
                f"{self.grid[0]} x {self.grid[1]} regions."
            )

    def call(self, regions: Any) -> Any:
        """Pools `<float>[batch, regions, features]` to `<float>[batch, regions / side², features]`."""
        if self.side == 1:
            return regions
        (rows, columns), features = self.grid, regions.shape[2]
        # Not the maximum over two axes: compiled by XLA, which may compute a region twice, its gradient can be 0 / 0.
        pooled = ops.max_pool(ops.reshape(regions, (-1, rows, columns, features)), self.side)
        return ops.reshape(pooled, (-1, rows * columns // self.side**2, features))

    def compute_output_shape(self, regions_shape: Any) -> Any:
        count = regions_shape[1]
        return (regions_shape[0], None if count is None else count // self.side**2, *regions_shape[2:])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "side": self.side, "grid": list(self.grid) or None}


def grid_of(count: int, grid: Sequence[int], noun: str) -> tuple[int, int]:
    """Returns the rows and columns of regions, by default those of a square.

    Raises:
        InputError: The regions are no such grid.
    """
    rows, columns = grid or (math.isqrt(count),) * 2
    if rows * columns != count:
        wanted = f"{rows} x {columns} regions" if grid else "a square grid of regions, or the sides of another grid"
        raise InputError(f"{noun} needs {wanted}. Received: {count} regions.")
    return rows, columns
