"""Rows of picture bytes: each is decoded, or told, by itself."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mmtoolkit.serving.golden import bomb
from mmtoolkit.serving.pictures import EMPTY, OK, STATUS, TOO_LARGE, UNREADABLE, decode_rows
from mmtoolkit.vision import read_image

SIDE = 32


@pytest.fixture(scope="module")
def decode() -> object:
    return tf.function(
        lambda data: decode_rows(data, size=SIDE), input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False
    )


def test_good_rows_are_the_pictures_of_training_and_bad_ones_are_told(decode: object, pictures: list[Path]) -> None:
    data = [path.read_bytes() for path in pictures]
    batch = [data[0], b"", data[1], b"no picture", bomb(), data[2], data[3][:200]]
    images, status = decode(tf.constant(batch))  # type: ignore[operator]
    assert status.numpy().tolist() == [OK, EMPTY, OK, UNREADABLE, TOO_LARGE, OK, UNREADABLE]
    for row, path in ((0, pictures[0]), (2, pictures[1]), (5, pictures[2])):
        np.testing.assert_array_equal(images[row], read_image(path, size=SIDE))
    assert not images.numpy()[[1, 3, 4, 6]].any()


def test_there_may_be_no_good_row_and_no_row_at_all(decode: object) -> None:
    images, status = decode(tf.constant([b"", b"x"]))  # type: ignore[operator]
    assert status.numpy().tolist() == [EMPTY, UNREADABLE] and images.shape == (2, SIDE, SIDE, 3)
    images, status = decode(tf.constant([], tf.string))  # type: ignore[operator]
    assert len(status) == 0 and images.shape == (0, SIDE, SIDE, 3)


def mutated(data: bytes, seed: int) -> bytes:
    """Some bytes replaced, cut out or repeated."""
    dice, found = random.Random(seed), bytearray(data)
    for _ in range(dice.choice((1, 3, 20))):
        at = dice.randrange(len(found))
        kind = dice.randrange(4)
        if kind == 0:
            found[at] = dice.randrange(256)
        elif kind == 1:
            del found[at : at + dice.randrange(1, 30)]
        elif kind == 2:
            found[at:at] = found[at : at + dice.randrange(1, 30)]
        else:  # the sizes stand near the start
            found[dice.randrange(min(64, len(found)))] = dice.choice((0, 0x7F, 0xFF))
        if not found:
            return b""
    return bytes(found)


def test_mutated_pictures_neither_fail_a_batch_nor_decode_otherwise_than_in_python(
    decode: object, tmp_path: Path
) -> None:
    """500 of them, and bombs: what Python reads is good, and the same picture; what it refuses has a status."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    seeds = []
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        seeds.append(buffer.getvalue())
    batch = [mutated(seeds[number % 4], number) for number in range(500)]
    batch += [bomb(), bomb(65_000), *seeds]
    images, status = decode(tf.constant(batch))  # type: ignore[operator]
    found = status.numpy()
    assert found[-6:].tolist() == [TOO_LARGE, TOO_LARGE, OK, OK, OK, OK]
    assert 50 < (found == OK).sum() < 450 and set(found.tolist()) <= set(range(len(STATUS)))
    for row in range(0, 500, 7):
        path = tmp_path / f"{row}"
        path.write_bytes(batch[row])
        if found[row] == OK:
            # of WebP the graph reads only what is sure to have neither alpha nor frames
            np.testing.assert_allclose(images[row], tf.cast(decode_alone(batch[row]), tf.float32), atol=0)


def decode_alone(data: bytes) -> tf.Tensor:
    """A picture by the decoder of training."""
    from mmtoolkit.vision.images import image_decoder

    return image_decoder(SIDE)(data)
