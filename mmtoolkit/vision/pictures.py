"""Views of images: the pixels that a model saw with the attention over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.task import PictureView
from mmtoolkit.vision.images import read_image

SIDE = 224  # pixels of an image that is shown, at least


def picture_view(
    image: Path, words: Sequence[str], weights: Any, *, size: int, grid: tuple[int, int], title: str | None = None
) -> PictureView:
    """Makes the view of an image file; one that cannot be read, which no model has seen, is grey.

    Args:
        image: The file.
        words: What each map of attention belongs to.
        weights: `<float>[words, regions]`; `None` of a model without attention.
        size: Side of the square in which the model saw the image, in pixels.
        grid: Rows and columns of the regions.
        title: The heading of a drawing.
    """
    try:
        pixels = read_image(image, size=max(SIDE, size))
    except InputError:
        pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    maps = None if weights is None else np.asarray(weights, np.float32).reshape(-1, *grid)
    return PictureView(pixels, words, maps, title)
