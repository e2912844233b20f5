"""Rows of picture bytes: each is decoded, or told, by itself."""

from __future__ import annotations

import io
import random
import resource
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mmtoolkit.serving.client import RestClient
from mmtoolkit.serving.golden import bomb
from mmtoolkit.serving.pictures import EMPTY, OK, STATUS, TOO_LARGE, UNREADABLE, decode_rows
from mmtoolkit.vision import read_image
from mmtoolkit.vision.images import image_decoder

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


@pytest.fixture(scope="module")
def fuzzed() -> list[bytes]:
    """500 mutated pictures, and what says that it is huge or is a line of pixels."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    seeds = [encoded(picture, kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP")]
    return [mutated(seeds[number % 5], number) for number in range(500)] + large(seeds)


def encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def large(seeds: list[bytes]) -> list[bytes]:
    """A bomb of each format."""
    jpeg, _, gif, _, bmp = map(bytearray, seeds)
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xdc" * 2
    gif[6:10] = b"\xff" * 4
    bmp[18:26] = (60_000).to_bytes(4, "little") * 2
    webp = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\0" * 2 + bytes(8)
    line = encoded(Image.new("RGB", (200_000, 1)), "PNG")
    return [*map(bytes, (jpeg, gif, bmp)), webp, line, bomb(), bomb(65_000)]


def test_mutated_pictures_neither_fail_a_batch_nor_decode_otherwise_than_in_python(
    decode: object, fuzzed: list[bytes]
) -> None:
    """What Python reads is good, and the same picture; what Python refuses has a status."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    images, status = decode(tf.constant(fuzzed))  # type: ignore[operator]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KB; a bomb alone would be gigabytes
    found = status.numpy()
    assert found[500:].tolist() == [TOO_LARGE] * 7
    assert 100 < (found[:500] == OK).sum() < 400 and set(found.tolist()) <= set(range(len(STATUS)))
    for data, image, told in zip(fuzzed, images, found, strict=True):
        if told == OK:
            np.testing.assert_array_equal(image, image_decoder(SIDE)(data))
        else:
            with pytest.raises(tf.errors.InvalidArgumentError):
                image_decoder(SIDE)(data)


def test_a_server_tells_of_each_what_the_graph_tells(
    decode: object, fuzzed: list[bytes], address: str, pictures: list[Path]
) -> None:
    client, good = RestClient(f"{address}/v1/models/captions"), pictures[0].read_bytes()
    (expected,) = client.ask([good])
    for start in range(0, len(fuzzed), 50):
        batch = [*fuzzed[start : start + 50], good]
        told = client.ask(batch)
        _, status = decode(tf.constant(batch))  # type: ignore[operator]
        assert [each.status for each in told] == [STATUS[number] for number in status.numpy()]
        assert (told[-1].text, told[-1].score) == (expected.text, pytest.approx(expected.score, abs=1e-4))
