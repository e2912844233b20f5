"""Decodes pictures: training, evaluation, prediction and the served graph all call `decode_image`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.image_files import (
    DARK,
    SUFFIXES,
    TooLargeError,
    limits_text,
    open_picture,
    read_picture,
    read_start,
    to_rgb,
    too_large_text,
)
from mmtoolkit.vision.headers import claimed_sides, exceed, first_frame, has_alpha

EXIF_SEARCH = 65536  # bytes: the EXIF block is one JPEG segment near the start of the file
ORIENTATION, MOST_TAGS = 0x0112, 512
GRAPH_READS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")  # it reads only some kinds of BMP
FEW = 16  # pictures of a process before the decoder is compiled
ROWS = 256  # composed on white at a time, in numbers of 16 bits
MOVING = 2  # a flag of WebP: TensorFlow decodes still ones only
TOO_LARGE = limits_text()
UNREADABLE = (OSError, tf.errors.InvalidArgumentError)


def decode_image(data: tf.Tensor, *, size: int) -> tf.Tensor:
    """Decodes the bytes of a picture to a square `<uint8>[size, size, 3]`, in a graph.

    The picture is squashed (bilinear, antialiased) and turned upright by its EXIF orientation; what is transparent is
    composed on white.

    Example:
        >>> decode_image(tf.io.read_file("a.jpg"), size=224).shape
        TensorShape([224, 224, 3])

    Args:
        data: `<string>[]`, JPEG, PNG, GIF (first frame), BMP or a still WebP, that is not `too_large`.
        size: Side of the result in pixels.

    Raises:
        tf.errors.InvalidArgumentError: The bytes are no such picture, are cut off, or are `too_large`.
    """
    sides = claimed_sides(data)
    with tf.control_dependencies([tf.debugging.Assert(tf.logical_not(exceed(sides)), [TOO_LARGE, sides])]):
        return decode_still(tf.identity(data), size=size)


def decode_still(data: tf.Tensor, *, size: int) -> tf.Tensor:
    """Decodes like `decode_image` bytes that are not `too_large`."""
    return upright(squash(decode(data), size), exif_orientation(data))


def decode(data: tf.Tensor) -> tf.Tensor:
    """Decodes the bytes of a picture to `<uint8>[height, width, 3]`, composed on white."""

    def starts(word: bytes) -> tf.Tensor:
        return tf.equal(tf.strings.substr(data, 0, len(word)), word)

    pixels = tf.case(
        [
            (starts(b"\xff\xd8"), lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")),
            (starts(b"GIF8"), lambda: decode_gif(data)),
            (has_alpha(data), lambda: on_white(tf.io.decode_image(data, channels=4, expand_animations=False))),
        ],
        default=lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
    )
    pixels.set_shape((None, None, 3))
    return pixels


def decode_gif(data: tf.Tensor) -> tf.Tensor:
    """Decodes the first frame of a GIF on its canvas, which is white where the frame leaves it free."""
    frame = first_frame(data)
    pixels = tf.io.decode_image(frame.data, channels=3, expand_animations=False)
    free = frame.canvas - frame.corner - tf.shape(pixels)[:2]
    margins = tf.pad(tf.stack([frame.corner, free], axis=1), [[0, 1], [0, 0]])
    return tf.pad(pixels, margins, constant_values=tf.constant(255, tf.uint8))


def on_white(pixels: tf.Tensor) -> tf.Tensor:
    """Composes `<uint8>[height, width, 4]`, the last channel its opacity, on white: `<uint8>[height, width, 3]`."""
    count = tf.shape(pixels)[0]

    def compose(start: tf.Tensor, done: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        part = pixels[start : start + ROWS]
        ink = (255 - tf.cast(part[..., :3], tf.uint16)) * tf.cast(part[..., 3:], tf.uint16)
        return start + ROWS, done.write(start // ROWS, tf.cast(255 - (ink + 127) // 255, tf.uint8))

    def composed() -> tf.Tensor:
        parts = tf.TensorArray(tf.uint8, -(-count // ROWS), infer_shape=False, element_shape=(None, None, 3))
        _, parts = tf.while_loop(lambda start, _: start < count, compose, (0, parts), parallel_iterations=1)
        return parts.concat()

    return tf.cond(tf.reduce_all(tf.equal(pixels[..., 3], 255)), lambda: pixels[..., :3], composed)


def squash(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes `<uint8>[height, width, 3]` to `<uint8>[size, size, 3]`, bilinear with antialiasing."""

    def resized() -> tf.Tensor:
        values = tf.image.resize(pixels, (size, size), method="bilinear", antialias=True)
        return tf.ensure_shape(tf.saturate_cast(tf.round(values), tf.uint8), (size, size, 3))

    return tf.cond(tf.reduce_all(tf.equal(tf.shape(pixels)[:2], size)), lambda: pixels, resized)


def upright(square: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Rotates and mirrors `[size, size, 3]` from EXIF orientation 1..8 to upright.

    Source: EXIF 2.3 (CIPA DC-008), tag 0x0112.
    """
    swapped = orientation >= 5  # rows and columns change places
    flip_columns = tf.reduce_any(tf.equal(orientation, (2, 3, 6, 7)))
    flip_rows = tf.reduce_any(tf.equal(orientation, (3, 4, 7, 8)))
    square = tf.cond(swapped, lambda: tf.transpose(square, (1, 0, 2)), lambda: square)
    square = tf.cond(flip_columns, lambda: tf.reverse(square, [1]), lambda: square)
    return tf.cond(flip_rows, lambda: tf.reverse(square, [0]), lambda: square)


def exif_orientation(data: tf.Tensor) -> tf.Tensor:
    """Reads the EXIF orientation `<int32>[]` 1..8 of JPEG, PNG or WebP bytes, 1 if it is missing or invalid.

    Source: EXIF 2.3 (CIPA DC-008): marker FFE1, two bytes of length, "Exif", two zeros, then a TIFF header. A PNG has
        it in a chunk "eXIf", a WebP in a chunk "EXIF" followed by its length, some with "Exif" and zeros inside.
    """
    start = tf.strings.substr(data, 0, 4)
    in_jpeg = tf.equal(tf.strings.substr(data, 0, 2), b"\xff\xd8")
    mark = tf.where(in_jpeg, b"Exif", tf.where(tf.equal(start, b"\x89PNG"), b"eXIf", b"EXIF"))
    searched = tf.cond(in_jpeg, lambda: tf.strings.substr(data, 0, EXIF_SEARCH), lambda: data)
    parts = tf.strings.split(searched, mark, maxsplit=1)

    def read() -> tf.Tensor:
        rest = parts[1]
        in_segment = tf.equal(tf.strings.substr(parts[0], -4, 2), b"\xff\xe1") | tf.logical_not(in_jpeg)
        skipped = tf.where(in_jpeg, 2, tf.where(tf.equal(start, b"RIFF"), 4, 0))
        prefixed = tf.equal(tf.strings.substr(rest, skipped, 6), b"Exif\0\0")
        block = tf.io.decode_raw(rest, tf.uint8)[tf.where(prefixed, skipped + 6, skipped) :]
        return tf.where(in_segment, tiff_orientation(block), 1)

    return tf.cond(tf.equal(tf.size(parts), 2), read, lambda: tf.constant(1))


def tiff_orientation(block: tf.Tensor) -> tf.Tensor:
    """Reads the orientation tag in the first directory of a TIFF block `<uint8>[bytes]`, 1 if there is none."""
    big_endian = tf.reduce_all(tf.equal(block[:2], ord("M")))
    padded = tf.cast(tf.pad(block, [[0, 1]]), tf.int64)

    def number(at: tf.Tensor, width: int) -> tf.Tensor:
        """Decodes the unsigned integer of `width` bytes at each position; past the end are zeros."""
        positions = tf.minimum(at[..., None] + tf.range(width, dtype=tf.int64), tf.size(block, tf.int64))
        digits = tf.gather(padded, positions)
        digits = tf.where(big_endian, digits, tf.reverse(digits, [-1]))
        return tf.reduce_sum(digits * [256**power for power in reversed(range(width))], -1)

    directory = number(tf.constant(4, tf.int64), 4)
    entries = directory + 2 + 12 * tf.range(tf.minimum(number(directory, 2), MOST_TAGS))
    values = tf.boolean_mask(number(entries + 8, 2), tf.equal(number(entries, 2), ORIENTATION))
    first = tf.cast(tf.concat([values, [1]], axis=0)[0], tf.int32)
    return tf.where((first >= 1) & (first <= 8), first, 1)


def read_image(image: Path | bytes | Image.Image | np.ndarray, *, size: int) -> np.ndarray:
    """Reads one picture as `<uint8>[size, size, 3]`.

    Example:
        >>> read_image(np.zeros((300, 400, 3), np.uint8), size=224).shape
        (224, 224, 3)

    Args:
        image: A file, the bytes of one, a Pillow picture, or an array as of `pixels_in`.
        size: Side of the result in pixels.

    Raises:
        InputError: It is missing, is no picture, or is cut off.
    """
    try:
        if isinstance(image, Path):
            return decode_file(image, size=size)
        if isinstance(image, bytes):
            return decode_bytes(image, size=size)
        return squasher(size)(pixels_in(image)).numpy()
    except UNREADABLE as error:
        given = image if isinstance(image, Path) else "bytes" if isinstance(image, bytes) else "a Pillow picture"
        raise InputError(
            f"Expected a picture (JPEG, PNG, GIF, BMP or WebP). Received: {given}, which cannot be read "
            f"({reason(error)}); replace the file or leave it out."
        ) from error


def decode_bytes(data: bytes, *, size: int) -> np.ndarray:
    """Decodes the bytes of a picture file to `<uint8>[size, size, 3]`, in the graph or, what that cannot, by Pillow."""
    return image_decoder(size)(data).numpy() if in_graph(data) else decode_by_pillow(data, size=size)


def decode_by_pillow(source: Path | bytes, *, size: int) -> np.ndarray:
    """Decodes a picture file, or the bytes of one, with Pillow: HEIC, TIFF and the like."""
    return squasher(size)(copied(to_rgb(open_picture(source)))).numpy()


def decode_file(path: Path, *, size: int) -> np.ndarray:
    """Decodes a picture file to `<uint8>[size, size, 3]`; warns of one of 16 bits that is all but black."""
    start = read_start(path)
    pixels = decode_bytes(read_picture(path), size=size) if in_graph(start) else decode_by_pillow(path, size=size)
    is_deep = (start.startswith(b"\x89PNG") and start[24:25] == b"\x10") or path.suffix.lower() in SUFFIXES["TIFF"]
    if is_deep and pixels.max() < DARK:
        warnings.warn(  # always in the same words, and so once
            "a picture of 16 bits a pixel is all but black, as it uses the lowest 12 at most; scale such pictures "
            "(mmtoolkit doctor names them)",
            stacklevel=2,
        )
    return pixels


@cache
def image_decoder(size: int) -> Callable[..., tf.Tensor]:
    """Returns `decode_image` for one size, compiled once there are some pictures: that takes as long as sixty do."""
    signature = [tf.TensorSpec((), tf.string)]
    compiled = tf.function(lambda data: decode_image(data, size=size), input_signature=signature, autograph=False)
    first = iter(range(FEW))

    def decode(data: bytes) -> tf.Tensor:
        if next(first, None) is None:
            return compiled(data)
        if exceed(sides := claimed_sides(tf.constant(data))):
            raise TooLargeError(too_large_text(sides.numpy().tolist()))
        return decode_still(tf.constant(data), size=size)

    return decode


@cache
def squasher(size: int) -> Callable[..., tf.Tensor]:
    """Compiles `squash` for one size, once."""
    signature = [tf.TensorSpec((None, None, 3), tf.uint8)]
    return tf.function(lambda pixels: squash(pixels, size), input_signature=signature, autograph=False)


def decode_ahead(
    images: Sequence[Path], *, size: int, batch_size: int
) -> Iterator[list[tuple[Path, np.ndarray | str]]]:
    """Yields batches of decoded pictures; threads decode the next one while the current one is used.

    Example:
        >>> paths = [Path("a.jpg"), Path("vectors.txt")]
        >>> [(_, pixels), (_, reason)] = next(decode_ahead(paths, size=224, batch_size=2))
        >>> pixels.shape, reason
        ((224, 224, 3), 'no known picture format')

    Args:
        images: Picture files.
        size: Side of the squares.
        batch_size: Pictures per batch.

    Yields:
        Each picture's file with its `<uint8>[size, size, 3]`, or with the reason why it cannot be read.
    """

    def decode(path: Path) -> tuple[Path, np.ndarray | str]:
        try:
            return path, decode_file(path, size=size)
        except UNREADABLE as error:
            return path, reason(error)

    with ThreadPoolExecutor(2) as pool:
        ahead = pool.map(decode, images[:batch_size])
        for start in range(batch_size, len(images) + batch_size, batch_size):
            current, ahead = ahead, pool.map(decode, images[start : start + batch_size])
            yield list(current)


def in_graph(data: bytes) -> bool:
    """Checks whether the bytes of a picture are in a format that `decode_image` decodes; Pillow decodes others."""
    is_moving = data[12:16] == b"VP8X" and data[20:21] and data[20] & MOVING
    return data.startswith(GRAPH_READS) and not is_moving


def pixels_in(image: Image.Image | np.ndarray) -> np.ndarray:
    """Returns the colours of a picture in memory, `<uint8>[height, width, 3]`, what is transparent composed on white.

    Example:
        >>> pixels_in(np.full((2, 2), 255.0)).tolist()
        [[[255, 255, 255], [255, 255, 255]], [[255, 255, 255], [255, 255, 255]]]

    Args:
        image: A Pillow picture, or an array `[height, width]` of grey or `[height, width, channels]` of grey, RGB or
            RGBA, with numbers from 0 to 255, as `keras.utils.load_img` and `img_to_array` give them.

    Raises:
        InputError: The array is something else.
        OSError: The picture cannot be decoded.
    """
    if isinstance(image, Image.Image):
        is_turned = image.getexif().get(ORIENTATION, 1) != 1  # `to_rgb` turns it upright in place
        return copied(to_rgb(image.copy() if is_turned else image))
    array = np.asarray(image)
    flat = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    fits = flat.ndim == 2 or (flat.ndim == 3 and flat.shape[2] in (3, 4))
    if not (fits and flat.size and array.dtype.kind in "uif"):
        raise InputError(
            "Expected a picture as <uint8>[height, width, 3]. Received: an array "
            f"<{array.dtype}>{list(array.shape)}; bring the channels to the end, and name one picture at a time."
        )
    low, high = float(flat.min()), float(flat.max())
    if not 0 <= low <= high <= 255 or (array.dtype.kind == "f" and 0 < high <= 1):
        raise InputError(
            f"Expected a picture with numbers from 0 to 255. Received: an array from {low:g} to {high:g}; scale it."
        )
    return copied(to_rgb(Image.fromarray(np.rint(flat).astype(np.uint8))))


def copied(picture: Image.Image) -> np.ndarray:
    """Copies the pixels of a picture in RGB, `<uint8>[height, width, 3]`, in parts: Pillow takes twice their memory."""
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    for top in range(0, picture.height, ROWS):
        rows = pixels[top : top + ROWS]
        rows[:] = np.asarray(picture.crop((0, top, picture.width, top + len(rows))))
    return pixels


def reason(error: Exception) -> str:
    """Describes in a few words why a picture cannot be read."""
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    if TOO_LARGE in text and (sides := re.search(r"\[(\d+) (\d+)\]", text)):  # as the graph says them
        return too_large_text([int(side) for side in sides.groups()])
    return re.sub(r"{{.*?}}|\[Op:.*", "", text.splitlines()[0]).strip(" .")
