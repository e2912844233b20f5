"""Makes views of images: the pixels with a model's attention over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmtoolkit.image_files import open_picture, upright
from mmtoolkit.task import PictureView
from mmtoolkit.vision.images import pixels_in

SIDE = 448  # pixels: the longer side of an image that is shown, at most


def picture_view(
    image: Any, words: Sequence[str], weights: Any, *, grid: tuple[int, int], title: str | None = None
) -> PictureView:
    """Makes the view of an image, with its own sides though the model saw a square; an unreadable one is grey.

    Args:
        image: A file, the bytes of one, a Pillow picture, or an array as of `pixels_in`.
        words: The word of each attention map.
        weights: `<float>[words, regions]`; `None` for a model without attention.
        grid: Rows and columns of the regions.
        title: Heading of the drawing.
    """
    try:
        pixels = np.asarray(upright(image, SIDE) if isinstance(image, Path) else small(image))
    except Exception:  # Pillow's plug-ins raise many kinds
        pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
    maps = None if weights is None else np.asarray(weights, np.float32).reshape(-1, *grid)
    return PictureView(pixels, words, maps, title)


def small(image: Any) -> Image.Image:
    """Makes an RGB picture of one in memory, no side over `SIDE`."""
    pixels = pixels_in(open_picture(image) if isinstance(image, bytes) else image)
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    return picture
