"""The size that a picture claims, before it is decoded."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.image_files import MOST_PIXELS
from mmtoolkit.vision import read_image
from mmtoolkit.vision.headers import (
    MOST_EXTENSIONS,
    claimed_sides,
    first_frame,
    too_large,
)

FORMS: list[tuple[str, dict[str, Any]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"exif": b"Exif\0\0MM"}),
]


def noise(seed: int, size: tuple[int, int] = (77, 123)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "options"), FORMS, ids=str)
def test_the_header_of_every_format_is_read(kind: str, options: dict[str, Any]) -> None:
    assert claimed_sides(encoded(noise(0), kind, **options)).numpy().tolist() == [123, 77]


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_sizes_that_need_all_four_bytes(kind: str) -> None:
    data = bytearray(encoded(noise(0), kind))
    place, order = {"PNG": (16, "big"), "BMP": (18, "little")}[kind]
    for offset, side in ((0, 70_000), (4, 66_051)):
        data[place + offset : place + offset + 4] = side.to_bytes(4, order)  # type: ignore[arg-type]
    assert claimed_sides(bytes(data)).numpy().tolist() == [70_000, 66_051]


def test_a_bmp_whose_rows_go_down_has_as_many() -> None:
    data = bytearray(encoded(noise(0), "BMP"))
    data[22:26] = (-77).to_bytes(4, "little", signed=True)
    assert claimed_sides(bytes(data)).numpy().tolist() == [123, 77]


@pytest.mark.parametrize("data", [b"", b"a", b"GIF8", b"RIFF", b"BM", b"\x89PNG", b"GIF89a" + b"\x21" * 40])
def test_what_has_no_size_has_none_that_raises(data: bytes) -> None:
    assert (claimed_sides(data).numpy() >= 0).all()


def test_only_the_first_frame_of_a_gif_is_decoded() -> None:
    frames = [noise(seed) for seed in range(4)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"hello " * 200)
    cut, corner, canvas = first_frame(tf.constant(data))
    assert len(cut.numpy()) < 0.4 * len(data) and canvas.numpy().tolist() == [77, 123] and not corner.numpy().any()
    whole, alone = (tf.io.decode_image(each, channels=3, expand_animations=False) for each in (data, cut))
    np.testing.assert_array_equal(alone, whole)


def test_a_frame_larger_than_its_screen_is_counted() -> None:
    data = bytearray(encoded(noise(0), "GIF"))
    place = data.index(b"\x2c\x00\x00\x00\x00")
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    assert claimed_sides(bytes(data)).numpy().tolist() == [65_535] * 2
    assert too_large(bytes(data))


def test_a_picture_that_says_it_is_huge_is_not_decoded(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(0), "PNG"))
    side = int(MOST_PIXELS**0.5) + 1
    data[16:24] = side.to_bytes(4, "big") * 2
    path = tmp_path / "huge.png"
    path.write_bytes(bytes(data))
    with pytest.raises(mm.InputError, match=r"huge\.png, which cannot be read \(more than 67 megapixels, or 65,535 "):
        read_image(path, size=32)


def test_a_line_of_pixels_is_large_too() -> None:
    # 100,000 pixels in a row take 300 KB, but 270 MB while they are made small.
    assert not too_large(encoded(Image.new("RGB", (65_535, 1)), "PNG"))
    assert too_large(encoded(Image.new("RGB", (65_536, 1)), "PNG"))
    data = bytearray(encoded(noise(0), "PNG"))
    data[16:24] = b"\xff" * 8  # the product of such sides does not fit into 64 bits with a sign
    assert too_large(bytes(data))


@pytest.mark.parametrize("blocks", [MOST_EXTENSIONS, MOST_EXTENSIONS + 1])
def test_a_gif_may_have_some_blocks_before_its_frame(blocks: int) -> None:
    data = encoded(noise(0).quantize(16), "GIF")
    place = data.index(b"\x2c\x00\x00\x00\x00")
    padded = data[:place] + b"\x21\xfe\x00" * blocks + data[place:]
    cut, _, canvas = first_frame(tf.constant(padded))
    good = blocks <= MOST_EXTENSIONS
    assert canvas.numpy().tolist() == ([77, 123] if good else [0, 0]) and bool(cut.numpy()) is good
