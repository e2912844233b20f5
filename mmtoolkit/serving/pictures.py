"""Decodes picture bytes inside a served graph, where one bad picture must not fail the others of its batch."""

from __future__ import annotations

import tensorflow as tf

from mmtoolkit.vision.headers import too_large
from mmtoolkit.vision.images import decode_still

OK, EMPTY, TOO_LARGE, UNREADABLE = range(4)
STATUS = ("ok", "empty", "too large", "unreadable")  # by number


def decode_rows(image_bytes: tf.Tensor, *, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes each picture by itself; one that cannot be decoded becomes black, with the reason in its status.

    Example:
        >>> images, status = decode_rows(tf.constant([Path("a.jpg").read_bytes(), b"", b"junk"]), size=224)
        >>> status.numpy().tolist()
        [0, 1, 3]

    Args:
        image_bytes: `<string>[batch]`.
        size: Side of the squares in pixels.

    Returns:
        `<uint8>[batch, size, size, 3]`, and `<int32>[batch]`, places in `STATUS`.
    """
    batch = tf.size(image_bytes)

    def decoded(row: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, ...]:
        blank = tf.zeros((size, size, 3), tf.uint8)
        large = too_large(data)
        image = tf.cond(large, lambda: blank, lambda: decode_still(data, size=size))
        return row, image, tf.where(large, TOO_LARGE, OK)

    # An operation that fails ends a graph, but only drops an element of a data set: the rows that are left show which.
    # One after the other, so that only one picture is there at its full size; VGG19 takes ten times as long.
    rows = tf.data.Dataset.from_tensor_slices((tf.range(batch), image_bytes))
    good = rows.map(decoded).ignore_errors()
    spare = tf.data.Dataset.from_tensors((batch, tf.zeros((size, size, 3), tf.uint8), OK))  # there is one at least
    places, images, status = good.concatenate(spare).batch(tf.cast(batch, tf.int64) + 1).get_single_element()
    failed = tf.where(tf.equal(tf.strings.length(image_bytes), 0), EMPTY, UNREADABLE)
    blank = tf.zeros((batch + 1, size, size, 3), tf.uint8)
    where = places[:, None]
    images = tf.tensor_scatter_nd_update(blank, where, images)[:-1]
    return images, tf.tensor_scatter_nd_update(tf.concat([failed, [OK]], axis=0), where, status)[:-1]
