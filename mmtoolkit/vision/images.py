"""The one decoder of pictures: training, evaluation, prediction and a served graph all call `decode_image`."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import tensorflow as tf

from mmtoolkit.errors import InputError

EXIF_SEARCH = 65536  # bytes: the EXIF block is one JPEG segment near the start of the file
ORIENTATION = 0x0112
GRAPH_READS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM")


def decode_image(data: tf.Tensor, *, size: int) -> tf.Tensor:
    """Graph form: the bytes of a picture to a square of `<uint8>[size, size, 3]`.

    The picture is squashed (bilinear, antialiased) and turned as the EXIF block of a JPEG says.

    Example:
        >>> decode_image(tf.io.read_file("a.jpg"), size=224).shape
        TensorShape([224, 224, 3])

    Args:
        data: `<string>[]`, JPEG, PNG, GIF (first frame), BMP or WebP.
        size: Side of the result in pixels.

    Raises:
        tf.errors.InvalidArgumentError: The bytes are no such picture, or are cut off.
    """
    is_jpeg = tf.equal(tf.strings.substr(data, 0, 2), b"\xff\xd8")
    pixels = tf.cond(
        is_jpeg,
        lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
    )
    pixels.set_shape((None, None, 3))
    has_size = tf.reduce_all(tf.equal(tf.shape(pixels)[:2], size))
    squashed = tf.cond(has_size, lambda: pixels, lambda: squash(pixels, size))
    return upright(squashed, tf.cond(is_jpeg, lambda: exif_orientation(data), lambda: tf.constant(1)))


def squash(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """`<uint8>[height, width, 3]` to `<uint8>[size, size, 3]`, bilinear with antialiasing."""
    resized = tf.image.resize(pixels, (size, size), method="bilinear", antialias=True)
    return tf.saturate_cast(tf.round(resized), tf.uint8)


def upright(square: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors `[size, size, 3]` from EXIF orientation 1..8 to upright.

    Source: EXIF 2.3 (CIPA DC-008), tag 0x0112.
    """
    swapped = orientation >= 5  # rows and columns change places
    flip_columns = tf.reduce_any(tf.equal(orientation, (2, 3, 6, 7)))
    flip_rows = tf.reduce_any(tf.equal(orientation, (3, 4, 7, 8)))
    square = tf.cond(swapped, lambda: tf.transpose(square, (1, 0, 2)), lambda: square)
    square = tf.cond(flip_columns, lambda: tf.reverse(square, [1]), lambda: square)
    return tf.cond(flip_rows, lambda: tf.reverse(square, [0]), lambda: square)


def exif_orientation(data: tf.Tensor) -> tf.Tensor:
    """Graph form: the EXIF orientation 1..8 of JPEG bytes, 1 where there is none or it makes no sense.

    Args:
        data: `<string>[]`.

    Returns:
        `<int32>[]`.

    Source: EXIF 2.3 (CIPA DC-008): marker FFE1, two bytes of length, "Exif", two zeros, then a TIFF header.
    """
    parts = tf.strings.split(tf.strings.substr(data, 0, EXIF_SEARCH), b"Exif", maxsplit=1)

    def read() -> tf.Tensor:
        block = tf.cast(tf.io.decode_raw(parts[1], tf.uint8), tf.int32)[2:]
        in_segment = tf.strings.regex_full_match(tf.strings.substr(parts[0], -4, 2), r"(?s)\C*")
        return tf.where(in_segment, tiff_orientation(block), 1)

    return tf.cond(tf.size(parts) == 2, read, lambda: tf.constant(1))
