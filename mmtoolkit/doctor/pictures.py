"""What is wrong or odd in picture files, seen with Pillow; and what each looks like, in a few numbers."""

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
SIDE = 32  # of what near duplicates are compared by
Progress = Callable[[int, int], None]
Oddity = tuple[str, str]  # a kind and a sentence


class Look(NamedTuple):
    """What one picture file is.

    Args:
        oddities: What is wrong or odd, each a kind and a sentence.
        digest: SHA-256 of its bytes.
        hash: `<bool>[64]`, its perceptual hash; `None` where there is no picture.
        small: `<uint8>[32, 32, 3]`, the picture squashed.
    """

    oddities: tuple[Oddity, ...]
    digest: bytes = b""
    hash: np.ndarray | None = None
    small: np.ndarray | None = None


def look_at_all(paths: Sequence[Path], progress: Progress | None = None) -> dict[Path, Look]:
    """What each picture file is.

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
    looks: dict[Path, Look] = {}
    with ThreadPoolExecutor(2) as pool:  # Pillow decodes outside Python's lock
        for done, (path, found) in enumerate(zip(paths, pool.map(look_at, paths), strict=True), start=1):
            looks[path] = found if found.small is None else found._replace(hash=perceptual_hash(imagehash, found.small))
            if progress and (done % 50 == 0 or done == len(paths)):
                progress(done, len(paths))
    return looks


def perceptual_hash(imagehash: object, small: np.ndarray) -> np.ndarray:
    """The low frequencies of a picture's brightness above or below their median."""
    return imagehash.phash(Image.fromarray(small)).hash.ravel()  # type: ignore[attr-defined]


def look_at(path: Path) -> Look:
    """What one picture file is; its perceptual hash apart."""
    try:
        data = path.read_bytes()
    except OSError as error:
        return Look((("unreadable", f"cannot be read ({error.strerror}); replace the file or leave it out"),))
    digest = hashlib.sha256(data).digest()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(path)
    except Exception as error:  # Pillow's plug-ins raise many kinds
        return Look((without_format(data, error),), digest)
    odd = list(oddities(picture, path))
    if picture.width * picture.height > HUGE:
        return Look(tuple(odd), digest)
    try:
        small = squashed(picture)
    except Exception:
        return Look((*odd, ("truncated", "is damaged or cut off; replace the file or leave it out")), digest)
    return Look(tuple(odd), digest, small=small)


def without_format(data: bytes, error: Exception) -> Oddity:
    """What to say of a file that Pillow does not open."""
    if isinstance(error, Image.DecompressionBombError):
        return "huge", "has more pixels than any photo; make it smaller or leave it out"
    if data[4:8] == b"ftyp":
        return "heic", "is HEIC, which needs the package pillow-heif; install 'mmtoolkit[heic]' or convert it to JPEG"
    if not data:
        return "unreadable", "is an empty file; replace it or leave it out"
    return "unreadable", "is no picture that is known; replace the file or leave it out"


def oddities(picture: Image.Image, path: Path) -> list[Oddity]:
    """What is odd in a picture's head."""
    found: list[Oddity] = []
    name, suffixes = picture.format or "", SUFFIXES.get(picture.format or "", ())
    if path.suffix.lower() not in suffixes:
        right = suffixes[0] if suffixes else "another ending"
        found.append(("wrong extension", f"is {name}, not what {path.suffix or 'its name'} says; rename it to {right}"))
    if name == "HEIF":
        found.append(("heic", "is HEIC, which few programs and no server read; convert it to JPEG"))
    if picture.mode == "CMYK":
        found.append(("cmyk", "has the colours of print (CMYK), which change when it is read; save it as RGB"))
    if min(picture.size) < TINY:
        found.append(("tiny", f"is {picture.width} x {picture.height} pixels; too small to show anything"))
    if (pixels := picture.width * picture.height) > HUGE:
        found.append(("huge", f"has {pixels / 1e6:.0f} megapixels, which takes long to read; make it smaller"))
    return found


def squashed(picture: Image.Image) -> np.ndarray:
    """The picture, upright, as `<uint8>[32, 32, 3]`; all of it is decoded, a JPEG at the size that suffices."""
    picture.draft("RGB", (4 * SIDE, 4 * SIDE))
    picture = ImageOps.exif_transpose(picture).convert("RGB")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0))
