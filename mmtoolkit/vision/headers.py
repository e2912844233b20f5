"""Reads a picture's sides from its header, in a graph, before decoding: a small file can hold a huge picture."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from mmtoolkit.image_files import MOST_PIXELS, MOST_SIDE

MOST_EXTENSIONS = 64  # blocks before the first frame of a GIF
ALPHA_HEAD = 70  # bytes: enough to tell whether there is alpha
HEAD = 32  # bytes: enough for the sizes of all formats but JPEG and GIF


def too_large(data: tf.Tensor) -> tf.Tensor:
    """Checks, as `<bool>[]`, whether a picture's header claims more than `MOST_PIXELS`, or a side above `MOST_SIDE`."""
    return exceed(claimed_sides(data))


def exceed(sides: tf.Tensor) -> tf.Tensor:
    """Checks, as `<bool>[]`, whether sides `<int64>[2]` are more than are decoded."""
    return (tf.reduce_prod(sides) > MOST_PIXELS) | (tf.reduce_max(sides) > MOST_SIDE)


def claimed_sides(data: tf.Tensor) -> tf.Tensor:
    """Reads the width and height `<int64>[2]` that the header of a picture `<string>[]` claims, zeros without one.

    Example:
        >>> claimed_sides(tf.io.read_file("a.jpg")).numpy().tolist()
        [96, 96]

    Args:
        data: `<string>[]`, JPEG, PNG, GIF, BMP or WebP.

    Returns:
        `<int64>[2]`. For a GIF, those of the canvas that its first frame is on.

    Raises:
        tf.errors.InvalidArgumentError: A JPEG without a header that can be read.

    Source: ITU T.81, B.2.2; PNG (ISO 15948), 11.2.2; GIF89a, 18 and 20; RFC 9649 (WebP); BITMAPINFOHEADER.
    """
    head = tf.strings.join([tf.strings.substr(data, 0, HEAD), b"\0" * HEAD])
    codes = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int64)

    def number(first: int, last: int) -> tf.Tensor:
        """Decodes the unsigned integer in the bytes from `first`, the most significant, to `last`."""
        step = 1 if last >= first else -1
        places = list(range(first, last + step, step))
        return tf.reduce_sum(tf.gather(codes, places) * [256**power for power in reversed(range(len(places)))])

    def matches(start: int, word: bytes) -> tf.Tensor:
        return tf.equal(tf.strings.substr(head, start, len(word)), word)

    def jpeg() -> tf.Tensor:
        return tf.reverse(tf.cast(tf.image.extract_jpeg_shape(data)[:2], tf.int64), [0])

    def gif() -> tf.Tensor:
        screen = tf.stack([number(7, 6), number(9, 8)])
        return tf.maximum(screen, tf.reverse(tf.cast(first_frame(data).canvas, tf.int64), [0]))

    def other() -> tf.Tensor:
        lossless = number(24, 21)
        rows = number(25, 22)  # of a BMP; negative where they go down
        forms = [
            (matches(0, b"\x89PNG"), (number(16, 19), number(20, 23))),
            (matches(12, b"VP8 "), (number(27, 26) & 0x3FFF, number(29, 28) & 0x3FFF)),
            (matches(12, b"VP8L"), ((lossless & 0x3FFF) + 1, (lossless // 2**14 & 0x3FFF) + 1)),
            (matches(12, b"VP8X"), (number(26, 24) + 1, number(29, 27) + 1)),
            (matches(0, b"BM"), (number(21, 18), tf.minimum(rows, 2**32 - rows))),
        ]
        return tf.reduce_max([tf.where(matched, tf.stack(sides), 0) for matched, sides in forms], axis=0)

    return tf.cond(matches(0, b"\xff\xd8"), jpeg, lambda: tf.cond(matches(0, b"GIF8"), gif, other))


def has_alpha(data: tf.Tensor) -> tf.Tensor:
    """Checks whether the pixels of a PNG, still WebP or BMP may be transparent, by its header.

    Args:
        data: `<string>[]`.

    Returns:
        `<bool>[]`.

    Source: PNG (ISO 15948), 11.2.2 and 11.3.2: colour types 4 and 6 have alpha, and a chunk tRNS is before the data;
        RFC 9649 (WebP), 2.7 and 3.4: flags of VP8X, bit 28 after the sizes of VP8L; BITMAPV3INFOHEADER: a mask.
    """
    start = tf.strings.join([tf.strings.substr(data, 0, ALPHA_HEAD), b"\0" * ALPHA_HEAD])
    codes = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int32)

    def matches(place: int, word: bytes) -> tf.Tensor:
        return tf.equal(tf.strings.substr(start, place, len(word)), word)

    def png() -> tf.Tensor:
        before = tf.strings.split(tf.strings.join([data, b"IDAT"]), b"IDAT", maxsplit=1)[0]
        return (codes[25] // 4 % 2 == 1) | (tf.size(tf.strings.split(before, b"tRNS", maxsplit=1)) > 1)

    webp = (matches(12, b"VP8X") & (codes[20] // 16 % 2 == 1) & (codes[20] // 2 % 2 == 0)) | (
        matches(12, b"VP8L") & (codes[24] // 16 % 2 == 1)
    )
    bmp = matches(0, b"BM") & (codes[28] == 32) & (codes[30] == 3) & matches(66, b"\0\0\0\xff")
    return tf.cond(matches(0, b"\x89PNG"), png, lambda: webp | bmp)


class Frame(NamedTuple):
    """The first frame of a GIF.

    Args:
        data: `<string>[]`, a GIF of this frame alone, at the corner of its canvas; no bytes where there is no frame.
        corner: `<int32>[2]`, its top row and left column on the canvas.
        canvas: `<int32>[2]`, rows and columns, which hold all of the frame.
    """

    data: tf.Tensor
    corner: tf.Tensor
    canvas: tf.Tensor


def first_frame(data: tf.Tensor) -> Frame:
    """Cuts the first frame out of a GIF, its transparent colour made white; others would be decoded in vain.

    TensorFlow draws transparent pixels black and cuts a frame that is not at the corner.

    Args:
        data: `<string>[]`, a GIF; `MOST_EXTENSIONS` blocks at most may come before the frame.

    Source: GIF89a, sections 15 to 24: blocks hold chains of parts, each of which begins with its length.
    """
    codes = tf.pad(tf.cast(tf.io.decode_raw(data, tf.uint8), tf.int32), [[0, 16]])
    end = tf.size(codes) - 1
    places = tf.range(end + 1)
    # From every byte to the end of the chain that would begin there: steps of 1, 2, 4, … parts.
    nexts = tf.where(codes > 0, tf.minimum(places + 1 + codes, end), places)
    (ends,) = tf.while_loop(
        lambda ends: tf.reduce_any(tf.gather(ends, ends) != ends), lambda ends: (tf.gather(ends, ends),), (nexts,)
    )

    def code(place: tf.Tensor) -> tf.Tensor:
        return codes[tf.minimum(place, end)]

    def pair(place: tf.Tensor) -> tf.Tensor:
        return code(place) + 256 * code(place + 1)

    def table(flags: tf.Tensor) -> tf.Tensor:
        return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    def after(chain: tf.Tensor) -> tf.Tensor:
        return tf.gather(ends, tf.minimum(chain, end)) + 1

    # Over the extensions, the last graphic control among them kept.
    at, control = tf.while_loop(
        lambda at, control: (code(at) == 0x21) & (at < end),
        lambda at, control: (after(at + 2), tf.where(code(at + 1) == 0xF9, at, control)),
        (13 + table(code(tf.constant(10))), end),
        maximum_iterations=MOST_EXTENSIONS,
    )
    is_frame = code(at) == 0x2C
    corner = tf.stack([pair(at + 3), pair(at + 1)])
    canvas = tf.maximum(tf.stack([pair(tf.constant(8)), pair(tf.constant(6))]), corner + [pair(at + 7), pair(at + 5)])
    own = table(code(at + 9))
    stop = tf.minimum(after(at + 11 + own), tf.strings.length(data))
    palette = tf.where(own > 0, at + 10, 13)
    clear = code(control + 6)
    is_clear = (code(control + 3) % 2 == 1) & (3 * clear < tf.where(own > 0, own, table(code(tf.constant(10)))))

    def cut() -> tf.Tensor:
        frame = tf.strings.join([tf.strings.substr(data, 0, stop), b"\0" * 16])
        frame = replace(frame, at + 1, b"\0" * 4)
        whitened = tf.cond(is_clear, lambda: replace(frame, palette + 3 * clear, b"\xff" * 3), lambda: frame)
        opaque = tf.cond(is_clear, lambda: replace(whitened, control + 3, b"\0"), lambda: whitened)
        return tf.strings.join([tf.strings.substr(opaque, 0, stop), b";"])

    return Frame(tf.cond(is_frame, cut, lambda: tf.constant(b"")), corner, tf.where(is_frame, canvas, 0))


def replace(data: tf.Tensor, place: tf.Tensor, new: bytes) -> tf.Tensor:
    """Replaces the bytes from a place on by as many others."""
    return tf.strings.join([tf.strings.substr(data, 0, place), new, tf.strings.substr(data, place + len(new), -1)])
