"""Images that golden requests send: drawn from a seed, in several formats, some with an EXIF orientation."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

COUNT, SIDE = 8, 256
ORIENTATION, TURNED = 0x0112, 6  # EXIF: to be turned right by a quarter


def probe_images() -> list[bytes]:
    """Draws and encodes different images of coloured shapes; the first one is a JPEG file."""
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    formats: list[tuple[str, Mapping[str, Any]]] = [
        ("JPEG", {"quality": 90}),
        ("PNG", {}),
        ("JPEG", {"quality": 90, "exif": exif}),
        ("WEBP", {"quality": 90}),
    ]
    return [encoded(drawn(seed), *formats[seed % len(formats)]) for seed in range(COUNT)]


def drawn(seed: int) -> Image.Image:
    """Draws rectangles and ellipses of random places, sizes and colours on a plain ground."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(160, 256, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for number in range(1 + seed % 4):
        left, top = random.integers(0, SIDE * 2 // 3, 2).tolist()
        wide, tall = random.integers(SIDE // 8, SIDE // 2, 2).tolist()
        shape = pen.ellipse if (seed + number) % 2 else pen.rectangle
        shape((left, top, left + wide, top + tall), fill=tuple(random.integers(0, 200, 3).tolist()))
    return image


def encoded(image: Image.Image, kind: str, options: Mapping[str, Any]) -> bytes:
    """Encodes an image in a format."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
