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
from mmtoolkit.vision import read_image
from mmtoolkit.vision.headers import MOST_PIXELS, first_frame, pixel_count, still

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
    assert pixel_count(encoded(noise(0), kind, **options)).numpy() == 77 * 123


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_sizes_that_need_all_four_bytes(kind: str) -> None:
    data = bytearray(encoded(noise(0), kind))
    place, order = {"PNG": (16, "big"), "BMP": (18, "little")}[kind]
    for offset, side in ((0, 70_000), (4, 66_051)):
        data[place + offset : place + offset + 4] = side.to_bytes(4, order)  # type: ignore[arg-type]
    assert pixel_count(bytes(data)).numpy() == 70_000 * 66_051


def test_a_bmp_whose_rows_go_down_has_as_many() -> None:
    data = bytearray(encoded(noise(0), "BMP"))
    data[22:26] = (-77).to_bytes(4, "little", signed=True)
    assert pixel_count(bytes(data)).numpy() == 77 * 123


@pytest.mark.parametrize("data", [b"", b"a", b"GIF8", b"RIFF", b"BM", b"\x89PNG", b"GIF89a" + b"\x21" * 40])
def test_what_has_no_size_has_none_that_raises(data: bytes) -> None:
    assert pixel_count(data).numpy() >= 0


def test_only_the_first_frame_of_a_gif_is_decoded() -> None:
    frames = [noise(seed) for seed in range(4)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"hello " * 200)
    cut, pixels = first_frame(tf.constant(data))
    assert len(cut.numpy()) < 0.4 * len(data) and pixels.numpy() == 77 * 123
    whole, alone = (tf.io.decode_image(each, channels=3, expand_animations=False) for each in (data, cut))
    np.testing.assert_array_equal(alone, whole)
    assert still(tf.constant(encoded(frames[0], "PNG"))).numpy() == encoded(frames[0], "PNG")


def test_a_frame_larger_than_its_screen_is_counted() -> None:
    data = bytearray(encoded(noise(0), "GIF"))
    place = data.index(b"\x2c\x00\x00\x00\x00")
    data[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    assert pixel_count(bytes(data)).numpy() == 65_535**2


def test_a_picture_that_says_it_is_huge_is_not_decoded(tmp_path: Path) -> None:
    data = bytearray(encoded(noise(0), "PNG"))
    side = int(MOST_PIXELS**0.5) + 1
    data[16:24] = side.to_bytes(4, "big") * 2
    path = tmp_path / "huge.png"
    path.write_bytes(bytes(data))
    with pytest.raises(mm.InputError, match=r"huge\.png, which cannot be read \(more than 67 megapixels\)"):
        read_image(path, size=32)
