"""Mirrors half of the pictures of a training."""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmtoolkit.errors import InputError


class MirroredHalf:
    """Provides the pictures of another source, about half of them mirrored left to right.

    Which ones is a function of the seed and of all the pictures that are read together: a training that is resumed
    reads the same, and the next epoch, whose batches are others, other ones.

    Example:
        >>> paths = [Path("a.jpg"), Path("b.jpg")]
        >>> plain, half = mm.Pictures(64), MirroredHalf(mm.Pictures(64), seed=2)
        >>> [bool((a == b).all()) for a, b in zip(half.read(paths), plain.read(paths))]
        [True, False]

    Args:
        source: `Pictures`; a `FeatureStore` to which the pictures were added `mirrored` too; or a source of your own
            whose `read` takes `mirrored`.
        seed: Random seed.

    Raises:
        InputError: The source cannot mirror.

    Source: Krizhevsky et al., "ImageNet Classification with Deep CNNs", 2012, section 4.1.
    """

    def __init__(self, source: Any, *, seed: int = 0) -> None:
        if "mirrored" not in inspect.signature(source.read).parameters:
            raise InputError(
                "Mirrored pictures come from Pictures or a FeatureStore. Received: a "
                f"{type(source).__name__}, whose `read` takes no `mirrored`."
            )
        self.source, self.seed = source, seed
        self.input_name, self.shape, self.dtype = source.input_name, source.shape, source.dtype

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """Reads one row per path."""
        return self.source.read(images, mirrored=self.choose(images))

    def choose(self, images: Sequence[Path]) -> Any:
        """Chooses which pictures are mirrored: `<bool>[pictures]`."""
        names = zlib.crc32("\n".join(image.name for image in images).encode())
        return np.random.default_rng([self.seed, names]).random(len(images)) < 0.5
