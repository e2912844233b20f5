"""Checks picture files with Pillow, and summarises each picture in a few numbers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from mmtoolkit.errors import InputError

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "HEIF": (".heic", ".heif"),
    "TIFF": (".tif", ".tiff"),
}
TINY, HUGE = 32, 50_000_000  # pixels: of the shorter side, and of all
SIDE = 32  # pixels: of the small pictures that near duplicates are compared by
Progress = Callable[[int, int], None]
Oddity = tuple[str, str]  # a kind and a sentence


class PictureInfo(NamedTuple):
    """The result of inspecting one picture file.

    Args:
        oddities: What is wrong or odd, each a kind and a sentence.
        digest: SHA-256 of its bytes.
        hash: `<bool>[64]`, its perceptual hash; `None` if it cannot be decoded.
        small: `<uint8>[32, 32, 3]`, the picture squashed; `None` likewise.
    """

    oddities: tuple[Oddity, ...]
    digest: bytes = b""
    hash: np.ndarray | None = None
    small: np.ndarray | None = None


def inspect_pictures(paths: Sequence[Path], progress: Progress | None = None) -> dict[Path, PictureInfo]:
    """Inspects each picture file.

    Raises:
        InputError: The package imagehash is not installed.
    """
    try:
        import imagehash
    except ImportError as error:
        raise InputError(
            "Finding duplicates needs the package imagehash. Received: none; run pip install 'mmtoolkit[doctor]'."
        ) from error
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    pictures: dict[Path, PictureInfo] = {}
    with ThreadPoolExecutor(2) as pool:  # Pillow decodes outside Python's lock
        for done, (path, info) in enumerate(zip(paths, pool.map(inspect_picture, paths), strict=True), start=1):
            if info.small is not None:
                info = info._replace(hash=imagehash.phash(Image.fromarray(info.small)).hash.ravel())
            pictures[path] = info
            if progress and (done % 50 == 0 or done == len(paths)):
                progress(done, len(paths))
    return pictures


def inspect_picture(path: Path) -> PictureInfo:
    """Inspects one picture file, without its perceptual hash."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return PictureInfo((("unreadable", f"cannot be read ({error.strerror}); replace the file or leave it out"),))
    digest = hashlib.sha256(data).digest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
    except Exception as error:  # Pillow's plug-ins raise many kinds
        return PictureInfo((why_unreadable(data, error),), digest)
    odd = list(oddities(picture, path))
    if picture.width * picture.height > HUGE:
        return PictureInfo(tuple(odd), digest)
    try:
        small = squashed(picture)
    except Exception:
        return PictureInfo((*odd, ("truncated", "is damaged or cut off; replace the file or leave it out")), digest)
    return PictureInfo(tuple(odd), digest, small=small)


def why_unreadable(data: bytes, error: Exception) -> Oddity:
    """Returns the oddity of a file that Pillow cannot open."""
    if isinstance(error, Image.DecompressionBombError):
        return "huge", "has more pixels than any photo; make it smaller or leave it out"
    if data[4:8] == b"ftyp":
        return "heic", "is HEIC, which needs the package pillow-heif; install 'mmtoolkit[heic]' or convert it to JPEG"
    if not data:
        return "unreadable", "is an empty file; replace it or leave it out"
    return "unreadable", "is no picture that is known; replace the file or leave it out"


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
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0))
