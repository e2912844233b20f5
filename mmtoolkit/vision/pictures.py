"""Makes views of images: the pixels with a model's attention over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmtoolkit.image_files import upright
from mmtoolkit.task import PictureView

SIDE = 448  # pixels: the longer side of an image that is shown, at most


def picture_view(
    image: Path, words: Sequence[str], weights: Any, *, grid: tuple[int, int], title: str | None = None
) -> PictureView:
    """Makes the view of an image file, with its own sides though the model saw a square; an unreadable one is grey.

    Args:
        image: The file.
        words: The word of each attention map.
        weights: `<float>[words, regions]`; `None` for a model without attention.
        grid: Rows and columns of the regions.
        title: Heading of the drawing.
    """
    try:
        pixels = np.asarray(upright(image, SIDE))
    except Exception:  # Pillow's plug-ins raise many kinds
        pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    maps = None if weights is None else np.asarray(weights, np.float32).reshape(-1, *grid)
    return PictureView(pixels, words, maps, title)
