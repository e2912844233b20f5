"""The pointing game: boxes against the pixels that are drawn, hits against a search by hand."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.scenes import evaluate_pointing, pointing_game, read_boxes, write_scenes
from mmtoolkit.scenes.pointing import Box
from mmtoolkit.scenes.shapes import BACKGROUND, KINDS, NEW_KINDS, RADII, Scene, Shape, box_of, draw_scene
from mmtoolkit.task import PictureView

SIZE = 96
PLAIN = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("kind", KINDS + NEW_KINDS)
@pytest.mark.parametrize("size", RADII)
def test_a_box_is_that_of_the_pixels(kind: str, size: str) -> None:
    shape = Shape(kind, "blue", 2, 1, size)
    pixels = np.asarray(draw_scene(Scene((shape,)), size=SIZE)).astype(int)
    rows, columns = np.nonzero(np.abs(pixels - BACKGROUND).sum(axis=-1) > 0)
    drawn = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(np.array(box_of(shape)) * SIZE, drawn, atol=1.0)


def test_boxes_are_written_with_the_words_of_the_captions(tmp_path: Path) -> None:
    for language, words in (
        ("en", {"circle", "square", "triangle", "star"}),
        ("ko", {"동그라미", "네모", "세모", "별"}),
    ):
        folder = write_scenes(tmp_path / language, count=20, seed=3, language=language, size=32)
        boxes = read_boxes(folder)
        named = {record.group: " ".join(record.references) for record in mm.read_captions(folder)}
        assert set(boxes) == set(named) and {box.name for held in boxes.values() for box in held} <= words
        assert all(box.name in named[image] for image, held in boxes.items() for box in held)
    (tmp_path / "shapes.csv").write_text("image,name\n1.png,star\n")
    assert read_boxes(tmp_path) == {} and read_boxes(tmp_path / "nowhere") == {}


@pytest.mark.parametrize("seed", range(5))
def test_hits_are_those_of_a_search_by_hand(seed: int) -> None:
    draw = random.Random(seed)
    views: dict[str, Any] = {}
    boxes: dict[str, list[Box]] = {}
    hits, chances = [], []
    for picture in "abcd":
        rows, columns = draw.randint(2, 5), draw.randint(2, 5)
        words = ["a", "star", "circles", "dog"]
        maps = np.array([[[draw.random() for _ in range(columns)] for _ in range(rows)] for _ in words])
        corners = [sorted((draw.random(), draw.random())) + sorted((draw.random(), draw.random())) for _ in range(2)]
        boxes[picture] = [Box(name, a, c, b, d) for name, (a, b, c, d) in zip(("star", "circle"), corners, strict=True)]
        views[picture] = PictureView(PLAIN, words, maps)
        for place, box in ((1, boxes[picture][0]), (2, boxes[picture][1])):
            over = {
                (row, column)
                for row in range(rows)
                for column in range(columns)
                if row / rows < box.bottom and (row + 1) / rows > box.top
                if column / columns < box.right and (column + 1) / columns > box.left
            }
            most = max(
                ((row, column) for row in range(rows) for column in range(columns)), key=lambda at: maps[place][at]
            )
            hits.append(most in over)
            chances.append(len(over) / (rows * columns))
    found = pointing_game(views, boxes)
    assert found["words"] == 8
    assert found["hits"] == pytest.approx(100 * np.mean(hits), abs=0.01)
    assert found["chance"] == pytest.approx(100 * np.mean(chances), abs=0.01)


def test_views_without_attention_and_data_without_boxes_play_no_game(tmp_path: Path) -> None:
    assert pointing_game({"a": PictureView(PLAIN, ["star"], None)}, {"a": [Box("star", 0, 0, 1, 1)]})["words"] == 0
    nothing = evaluate_pointing(mm.captioning, None, [], {}, source=None, data=tmp_path)
    assert nothing == {}
