"""Views of image files: upright, with their own sides, and grey where there is nothing to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmtoolkit.vision import picture_view

RED, BLUE = (220, 20, 20), (20, 20, 220)


@pytest.mark.parametrize(("sides", "shown"), [((64, 32), (32, 64)), ((1000, 500), (224, 448)), ((30, 900), (448, 15))])
def test_a_view_has_the_sides_of_its_file(tmp_path: Path, sides: tuple[int, int], shown: tuple[int, int]) -> None:
    """Where the model saw a square; larger ones are made smaller."""
    Image.new("RGB", sides, RED).save(tmp_path / "a.png")
    view = picture_view(tmp_path / "a.png", ["dog"], np.arange(6.0), grid=(2, 3))
    assert view.pixels.shape == (*shown, 3) and view.maps is not None
    assert view.maps.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_view_is_upright(tmp_path: Path) -> None:
    """EXIF orientation 6: what is stored on the left is the top."""
    stored = Image.new("RGB", (80, 40), RED)
    stored.paste(BLUE, (40, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    pixels = picture_view(tmp_path / "a.jpg", [], None, grid=(1, 1)).pixels.astype(int)
    assert pixels.shape == (80, 40, 3)
    assert np.abs(pixels[10, 20] - RED).max() < 12 and np.abs(pixels[70, 20] - BLUE).max() < 12


def test_what_cannot_be_read_is_grey(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    for name in ("a.jpg", "none.png"):
        assert (picture_view(tmp_path / name, [], None, grid=(1, 1)).pixels == 128).all()
