"""Checks picture files with Pillow, and summarises each picture in a few numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmtoolkit.image_files import DARK, SUFFIXES, TooLargeError, UnscaledError, open_picture, read_picture, to_rgb

TINY, HUGE = 32, 50_000_000  # pixels: of the shorter side, and of all
SIDE = 32  # pixels: of the small pictures that near duplicates are compared by
Progress = Callable[[int, int], None]
Oddity = tuple[str, str]  # a kind and a sentence


class PictureInfo(NamedTuple):
    """The result of inspecting one picture file.

    Args:
        oddities: What is wrong or odd, each a kind and a sentence.
        digest: SHA-256 of its bytes.
        small: `<uint8>[32, 32, 3]`, the picture squashed; `None` if it cannot be decoded.
    """

    oddities: tuple[Oddity, ...]
    digest: bytes = b""
    small: np.ndarray | None = None


def inspect_pictures(paths: Sequence[Path], progress: Progress | None = None) -> dict[Path, PictureInfo]:
    """Inspects each picture file."""
    pictures: dict[Path, PictureInfo] = {}
    with ThreadPoolExecutor(2) as pool:  # Pillow decodes outside Python's lock
        for done, (path, info) in enumerate(zip(paths, pool.map(inspect_picture, paths), strict=True), start=1):
            pictures[path] = info
            if progress and (done % 50 == 0 or done == len(paths)):
                progress(done, len(paths))
    return pictures


def inspect_picture(path: Path) -> PictureInfo:
    """Inspects one picture file."""
    try:
        data = read_picture(path)
    except OSError as error:
        return PictureInfo((("unreadable", f"cannot be read ({error.strerror}); replace the file or leave it out"),))
    digest = hashlib.sha256(data).digest()
    try:
        picture = open_picture(data)
    except TooLargeError as error:
        return PictureInfo((("huge", f"has {error}; make it smaller or leave it out"),), digest)
    except OSError as error:
        kind = "heic" if "HEIC" in str(error) else "unreadable"
        return PictureInfo(((kind, f"cannot be read ({error}); replace the file or leave it out"),), digest)
    odd = list(oddities(picture, path))
    is_deep = picture.mode.startswith("I;16") or data[24:25] == b"\x10" and picture.format == "PNG"
    if picture.width * picture.height > HUGE:
        return PictureInfo(tuple(odd), digest)
    try:
        small = squashed(picture)
    except UnscaledError as error:
        return PictureInfo((*odd, ("unscaled", f"{error}".replace("its pixels are", "has pixels that are"))), digest)
    except OSError:
        return PictureInfo((*odd, ("truncated", "is damaged or cut off; replace the file or leave it out")), digest)
    if is_deep and small.max() < DARK:
        odd.append(("dark", "has 16 bits a pixel but uses the lowest 12 at most, so a model sees it black; scale it"))
    return PictureInfo(tuple(odd), digest, small=small)


def oddities(picture: Image.Image, path: Path) -> list[Oddity]:
    """Returns the oddities in a picture's header."""
    odd: list[Oddity] = []
    name, suffixes = picture.format or "", SUFFIXES.get(picture.format or "", ())
    if path.suffix.lower() not in suffixes:
        right = suffixes[0] if suffixes else "another ending"
        ending = path.suffix or "without an ending"
        odd.append(("wrong extension", f"is {name}, but is named {ending}; rename it to {right}"))
    if name == "HEIF":
        odd.append(("heic", "is HEIC, which few programs and no server read; convert it to JPEG"))
    if picture.mode == "CMYK":
        odd.append(("cmyk", "has the colours of print (CMYK), which change when it is read; save it as RGB"))
    if min(picture.size) < TINY:
        odd.append(("tiny", f"is {picture.width} x {picture.height} pixels; too small to show anything"))
    if (pixels := picture.width * picture.height) > HUGE:
        odd.append(("huge", f"has {pixels / 1e6:.0f} megapixels, which takes long to read; make it smaller"))
    return odd


def squashed(picture: Image.Image) -> np.ndarray:
    """Returns the picture, upright, as `<uint8>[32, 32, 3]`; decodes all of it, a JPEG at the size that suffices."""
    picture.draft("RGB", (4 * SIDE, 4 * SIDE))
    return np.asarray(to_rgb(picture).resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0))
