"""Reads a picture's sides from its header, in a graph, before decoding: a small file can hold a huge picture."""

from __future__ import annotations

import tensorflow as tf

MOST_PIXELS = 2**26  # of a picture that is decoded: 67 megapixels take 200 MB
MOST_SIDE = 2**16 - 1  # as of a JPEG: while a picture is resized, floats of a whole side are in memory
MOST_EXTENSIONS = 64  # blocks before the first frame of a GIF
HEAD = 32  # bytes: enough for the sizes of all formats but JPEG and GIF


def too_large(data: tf.Tensor) -> tf.Tensor:
    """Checks, as `<bool>[]`, whether a picture's header claims more than `MOST_PIXELS`, or a side above `MOST_SIDE`."""
    sides = claimed_sides(data)
    return (tf.reduce_prod(sides) > MOST_PIXELS) | (tf.reduce_max(sides) > MOST_SIDE)


def claimed_sides(data: tf.Tensor) -> tf.Tensor:
    """Reads the width and height `<int64>[2]` that the header of a picture `<string>[]` claims, zeros without one.

    Example:
        >>> claimed_sides(tf.io.read_file("a.jpg"))
        [500, 375]

    For a GIF these are the larger sides of its screen and its first frame.

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
        return tf.maximum(tf.stack([number(7, 6), number(9, 8)]), first_frame(data)[1])

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


def drop_animation(data: tf.Tensor) -> tf.Tensor:
    """Removes the frames of a GIF `<string>[]` after its first, all bytes if it has none; other formats stay."""
    is_gif = tf.equal(tf.strings.substr(data, 0, 4), b"GIF8")
    return tf.cond(is_gif, lambda: first_frame(data)[0], lambda: data)


def first_frame(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts a GIF `<string>[]` after its first frame, and reads the sides `<int64>[2]` of that frame.

    Without a frame after `MOST_EXTENSIONS` at most there are no bytes, and the sides are zeros.

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

    def table(flags: tf.Tensor) -> tf.Tensor:
        return tf.where(flags >= 128, 3 * 2 ** (flags % 8 + 1), 0)

    def after(chain: tf.Tensor) -> tf.Tensor:
        return tf.gather(ends, tf.minimum(chain, end)) + 1

    (at,) = tf.while_loop(
        lambda at: (code(at) == 0x21) & (at < end),
        lambda at: (after(at + 2),),
        (13 + table(code(tf.constant(10))),),
        maximum_iterations=MOST_EXTENSIONS,
    )
    sides = [tf.cast(code(at + place) + 256 * code(at + place + 1), tf.int64) for place in (5, 7)]
    is_frame = code(at) == 0x2C
    stop = tf.minimum(after(at + 11 + table(code(at + 9))), tf.strings.length(data))
    cut = tf.strings.join([tf.strings.substr(data, 0, stop), b";"])
    return tf.where(is_frame, cut, b""), tf.where(is_frame, tf.stack(sides), 0)
