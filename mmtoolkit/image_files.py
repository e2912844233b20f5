"""Opens picture files with Pillow, and converts their pixels to the colours that a model sees."""

from __future__ import annotations

import errno
import io
import re
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmtoolkit.errors import InputError, first_line
from mmtoolkit.files import check_regular, read_whole
from mmtoolkit.installation import install_command

if TYPE_CHECKING:
    from PIL import Image

# The formats that are read, and the endings of their files; the first ending is the usual one.
SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "MPO": (".jpg", ".jpeg", ".mpo"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "WEBP": (".webp",),
    "HEIF": (".heic", ".heif"),
    "AVIF": (".avif",),
    "TIFF": (".tif", ".tiff"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
}
PICTURE_SUFFIXES = tuple(dict.fromkeys(suffix for suffixes in SUFFIXES.values() for suffix in suffixes))
DARK = 16  # of 255: what is below it in a picture of 16 bits uses 12 of them at most
BITS_PER_SAMPLE = 258  # a tag of TIFF
MOST_PIXELS = 2**26  # of a picture that is decoded: 67 megapixels take 200 MB
MOST_DOWNLOAD = 2**25  # bytes of a picture from the network
MOST_BYTES = 2**29  # of a picture's file: eight for each of those pixels
MOST_SIDE = 2**16 - 1  # as of a JPEG: while a picture is made small, all of a side is there in floats
MOST_OF_JPEG2000 = MOST_PIXELS // 2  # its decoder takes 12 bytes a pixel besides


class TooLargeError(OSError):
    """The header of a picture claims more pixels than are decoded."""


def limits_text(most: int = MOST_PIXELS) -> str:
    """Returns what a picture has that claims too many pixels."""
    return f"more than {most // 10**6} megapixels, or {MOST_SIDE:,} pixels on a side"


def too_large_text(sides: Sequence[int], most: int = MOST_PIXELS) -> str:
    """Returns what is wrong with a picture that claims too many pixels, by its sides."""
    return f"{limits_text(most)}: it has {' x '.join(f'{side:,}' for side in sides)}"


class UnscaledError(OSError):
    """The pixels of a picture are numbers whose black and white are not known."""


def open_picture(source: Path | bytes) -> Image.Image:
    """Opens a picture in one of the formats of `SUFFIXES`; its pixels are decoded when they are needed.

    Pillow knows 40 formats more, by a file's content: one of them starts Ghostscript. None of them is tried.

    Example:
        >>> open_picture(Path("a.jpg")).size
        (96, 96)

    Raises:
        TooLargeError: It claims more than `MOST_PIXELS`, of a JPEG 2000 half of them, or a side above `MOST_SIDE`.
        OSError: The file cannot be read, or is no such picture; HEIC needs the package pillow-heif.
    """
    from PIL import Image, UnidentifiedImageError

    reads_heif = register_heif()
    Image.init()
    known = [name for name in SUFFIXES if name in Image.OPEN]
    start = source[:16] if isinstance(source, bytes) else read_start(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=known)
    except Image.DecompressionBombError as error:
        pixels = re.findall(r"\d+", str(error))[:1]  # Pillow says how many
        raise TooLargeError(too_large_text([int(number) for number in pixels])) from error
    except Exception as error:  # Pillow's plug-ins raise many kinds
        raise UnidentifiedImageError(why_unreadable(start, reads_heif=reads_heif)) from error
    most = MOST_OF_JPEG2000 if picture.format == "JPEG2000" else MOST_PIXELS
    if picture.width * picture.height > most or max(picture.size) > MOST_SIDE:
        raise TooLargeError(too_large_text(picture.size, most))
    return picture


def read_picture(path: Path) -> bytes:
    """Reads a picture file, as `check_file` allows.

    Raises:
        OSError: The file cannot be read, is none, or is larger than `MOST_BYTES`.
    """
    check_file(path)
    return read_whole(path, most=MOST_BYTES)


def fetch_image(url: str, *, most: int = MOST_DOWNLOAD, seconds: float = 20.0) -> bytes:
    """Downloads the bytes of a picture, which `generate` and `answer` take.

    Example:
        >>> captioner.generate(fetch_image("https://example.org/a.jpg"))  # doctest: +SKIP
        'a purple triangle is to the left of a red square'

    Args:
        url: The address, of `http` or `https`.
        most: The most bytes that are taken.
        seconds: How long it may take in all.

    Raises:
        InputError: It cannot be downloaded, is too large, or takes too long.
    """
    import http.client

    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"Expected an address, https://…. Received: {url!r:.100}; name a file without this function.")
    found: list[bytes | Exception] = []

    def fetch() -> None:
        try:
            found.append(downloaded(url, most=most, until=time.monotonic() + seconds))
        except (OSError, ValueError, http.client.HTTPException) as error:
            found.append(error)

    thread = threading.Thread(target=fetch, daemon=True)  # a server can send its headers as slowly as it likes
    thread.start()
    thread.join(seconds)
    late = TimeoutError(f"it takes more than {seconds:g} seconds")
    result = found[0] if found else late
    if isinstance(getattr(result, "reason", result), TimeoutError):  # the socket's own, which can be the first
        result = late
    if isinstance(result, Exception):
        raise InputError(f"Expected a picture at {url}. Received: none ({first_line(result)}); try again.") from result
    return result


def downloaded(url: str, *, most: int, until: float) -> bytes:
    """Downloads at most so many bytes, over HTTP alone, also where the server leads elsewhere.

    Raises:
        OSError: It cannot be downloaded, is larger, or is not there in time.
    """
    from urllib import request

    opener, data = request.OpenerDirector(), bytearray()
    kinds: tuple[type[request.BaseHandler], ...] = (
        *(request.ProxyHandler, request.HTTPHandler, request.HTTPSHandler, request.UnknownHandler),
        *(request.HTTPRedirectHandler, request.HTTPDefaultErrorHandler, request.HTTPErrorProcessor),
    )
    for kind in kinds:
        opener.add_handler(kind())
    with opener.open(url, timeout=max(0.1, until - time.monotonic())) as reply:
        while part := reply.read1(2**16):
            data += part
            if len(data) > most:
                raise OSError(f"it has more than {most // 10**6} MB")
            if time.monotonic() > until:
                raise TimeoutError("it takes more time than it may")
    return bytes(data)


def read_start(path: Path) -> bytes:
    """Reads the first bytes of a picture file, as `check_file` allows."""
    check_file(path)
    with path.open("rb") as file:
        return file.read(32)


def check_file(path: Path) -> None:
    """Checks, before a picture file is opened, that it is a file and not too large.

    Raises:
        OSError: It is none, or is larger than `MOST_BYTES`.
    """
    check_regular(path)
    if path.stat().st_size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"its file has more than {MOST_BYTES // 10**6} MB", str(path))


def register_heif() -> bool:
    """Has Pillow read HEIC where the package pillow-heif is installed; returns whether it is."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def why_unreadable(start: bytes, *, reads_heif: bool) -> str:
    """Returns in a few words why a file cannot be opened, by its first bytes."""
    if not start:
        return "an empty file"
    if start[4:8] == b"ftyp" and not reads_heif:
        return f"HEIC needs the package pillow-heif ({install_command('heic')}), or convert it to JPEG"
    known = start[4:8] == b"ftyp" or start[8:12] == b"WEBP" or start.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8"))
    return "damaged or cut off" if known else "no known picture format"


def to_rgb(picture: Image.Image) -> Image.Image:
    """Converts a picture to 8-bit RGB, turned upright by its EXIF orientation, what is transparent composed on white.

    Gray values of 16 bits, and of 12 where the file says so, are scaled to 8.

    Raises:
        UnscaledError: Its pixels are 32-bit numbers.
        OSError: The file is damaged or cut off.
    """
    import numpy as np
    from PIL import Image, ImageOps, UnidentifiedImageError

    if picture.mode in ("I", "F"):
        kind = "32-bit integers" if picture.mode == "I" else "32-bit floats"
        raise UnscaledError(f"its pixels are {kind}, whose black and white are not known; save it as 8-bit")
    bits = getattr(picture, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))[0]
    try:
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith("I;16"):  # which Pillow would cut at 255
            return Image.fromarray((np.asarray(picture) >> (bits - 8)).astype(np.uint8)).convert("RGB")
        if not picture.has_transparency_data:
            return picture if picture.mode == "RGB" else picture.convert("RGB")
        picture = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        white = Image.new("RGB", picture.size, "white")
        white.paste(picture, mask=picture)  # rounds as `decode_image` does
        return white
    except Exception as error:  # Pillow's plug-ins raise many kinds
        raise UnidentifiedImageError("damaged or cut off") from error


def upright(path: Path, side: int) -> Image.Image:
    """Reads a picture file as `to_rgb` converts it, no side over `side`."""
    with open_picture(path) as picture:
        picture.draft("RGB", (2 * side, 2 * side))
        small = to_rgb(picture)
    small.thumbnail((side, side))
    return small
