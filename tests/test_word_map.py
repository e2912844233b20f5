"""The plane against a covariance matrix's eigenvectors; the map measured by its pixels and boxes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.word_map import DOT, DOT_RADIUS, fitted, overlap, placed, principal_plane, word_map_picture

VECTORS = np.random.default_rng(0).normal(size=(60, 8)) * np.linspace(3, 0.5, 8)


def test_the_plane_is_that_of_the_two_largest_eigenvectors() -> None:
    plane = principal_plane(VECTORS * np.random.default_rng(1).uniform(1, 9, (60, 1)))  # lengths do not count
    directions = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    values, axes = np.linalg.eigh(np.cov(directions.T))
    expected = (directions - directions.mean(axis=0)) @ axes[:, [-1, -2]]
    expected *= np.sign((expected * plane.points).sum(axis=0))
    np.testing.assert_allclose(plane.points, expected, atol=1e-9)
    assert plane.share == pytest.approx(values[-2:].sum() / values.sum())


def test_the_example_of_the_docstring() -> None:
    plane = principal_plane([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(plane.points, [[1, -1 / 3], [0, 2 / 3], [-1, -1 / 3]], atol=1e-12)
    assert plane.share == pytest.approx(1)


@pytest.mark.parametrize("vectors", [np.zeros((3, 2)), np.ones((5, 4))])
def test_words_that_are_all_alike_are_at_one_point(vectors: np.ndarray) -> None:
    plane = principal_plane(vectors)
    np.testing.assert_allclose(plane.points, 0, atol=1e-12)
    assert word_map_picture([f"w{i}" for i in range(len(vectors))], vectors).size == (640, 640)


@pytest.mark.parametrize("shape", [(2, 5), (5, 1), (0, 0), (4,)])
def test_too_few_words_or_numbers_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="3 words or more with vectors of 2 numbers or more. Received: "):
        principal_plane(np.ones(shape))


def test_points_fill_the_sheet_upwards() -> None:
    points = fitted(np.array([[0.0, 0.0], [1.0, 5.0], [0.5, 10.0]]), np.array([10, 20]), np.array([110, 220]))
    assert points.tolist() == [[10, 220], [110, 120], [60, 20]]


def test_the_overlap_is_the_shared_area() -> None:
    assert overlap(np.array([0, 0, 10, 10]), np.array([[8, 7, 20, 20], [10, 0, 20, 5], [2, 2, 3, 3]])) == 2 * 3 + 1


def test_labels_cover_neither_each_other_nor_dots() -> None:
    dots = fitted(principal_plane(VECTORS).points, np.array([60, 60]), np.array([700, 700]))
    dots[:6] = dots[0]  # six words at one point
    boxes = placed(dots, [np.array([70.0, 21.0])] * len(dots), np.array([0, 40]), np.array([760, 760]))
    circles = np.concatenate([dots - DOT_RADIUS, dots + DOT_RADIUS], axis=1)
    for number, box in enumerate(boxes):
        assert overlap(box, np.array(boxes[:number] or [[0, 0, 0, 0]])) == 0
        assert overlap(box, circles) == 0
        assert (
            (box >= [0, 40, 0, 40]).all()
            and (box <= 760).all()
            and (box[2:] - box[:2]).tolist() == pytest.approx([70, 21])
        )


def test_without_room_the_least_covering_place_is_taken() -> None:
    boxes = placed(np.full((9, 2), 20.0), [np.array([36.0, 20.0])] * 9, np.array([0, 0]), np.array([40, 40]))
    assert len(boxes) == 9 and all((box >= 0).all() and (box <= 40).all() for box in boxes)


def test_every_word_has_a_dot_and_more_words_a_larger_sheet() -> None:
    words = [f"word{number}" for number in range(60)]
    sheet = word_map_picture(words, VECTORS)
    dots = (np.asarray(sheet) == DOT).all(axis=-1).sum()
    assert 0.7 * 60 * 29 < dots <= 60 * 49  # each a disc of radius 3, some on top of each other
    assert sheet.width == sheet.height == 96 * 60**0.5 // 1 + 1
    assert np.array_equal(word_map_picture(words, VECTORS), sheet)


def test_hangul_renders_whole_or_in_letters() -> None:
    words = ["개", "고양이", "사람"]
    sheet = np.asarray(word_map_picture(words, VECTORS[:3]))
    apart = ["\u1100\u1162", "\u1100\u1169\u110b\u1163\u11bc\u110b\u1175", "\u1109\u1161\u1105\u1161\u11b7"]
    assert np.array_equal(word_map_picture(apart, VECTORS[:3]), sheet)
    assert not np.array_equal(word_map_picture(["새", "고양이", "사람"], VECTORS[:3]), sheet)
    with pytest.warns(UserWarning, match="\U00012000 is drawn as boxes"):
        word_map_picture(["\U00012000", "a", "b"], VECTORS[:3])


def test_drawing_imports_neither_matplotlib_nor_tensorflow() -> None:
    code = "import sys, mmtoolkit.word_map as m; m.word_map_picture(list('abc'), [[1, 0], [0, 1], [1, 1]])\n"
    code += "print([name for name in ('matplotlib', 'tensorflow', 'gensim') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
