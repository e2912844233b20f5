"""Makes views of images: the pixels with a model's attention over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.task import PictureView
from mmtoolkit.vision.images import read_image

SIDE = 224  # pixels: the least of an image that is shown


def picture_view(
    image: Path, words: Sequence[str], weights: Any, *, size: int, grid: tuple[int, int], title: str | None = None
) -> PictureView:
    """Makes the view of an image file; one that cannot be read is grey.

    Args:
        image: The file.
        words: The word of each attention map.
        weights: `<float>[words, regions]`; `None` for a model without attention.
        size: Side of the model's square images, in pixels.
        grid: Rows and columns of the regions.
        title: Heading of the drawing.
    """
    try:
        pixels = read_image(image, size=max(SIDE, size))
    except InputError:
        pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    maps = None if weights is None else np.asarray(weights, np.float32).reshape(-1, *grid)
    return PictureView(pixels, words, maps, title)
