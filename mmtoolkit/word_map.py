"""Draws maps of words: their vectors on the first two principal axes, with labels that do not overlap."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from mmtoolkit.errors import InputError
from mmtoolkit.fonts import font, warn_of_boxes
from mmtoolkit.pictures import GAP, INK, PAPER, TITLE_SIZE

LABEL_SIZE = 17
ROOM = 96  # pixels: the sheet's side is this times the square root of the number of words
SMALLEST_SIDE = 640
DOT, DOT_RADIUS = (214, 56, 72), 3
FAINT = (140, 145, 155)
RINGS = (0, 12, 26, 42, 60, 80, 102, 126, 152, 180)  # pixels between a dot and its label


class Plane(NamedTuple):
    """Holds points on the first two principal axes.

    Args:
        points: `<float64>[words, 2]`.
        share: The share of the variance on the two axes, 0 to 1.
    """

    points: NDArray[np.float64]
    share: float


def principal_plane(vectors: ArrayLike) -> Plane:
    """Projects vectors, scaled to length 1, onto their first two principal axes.

    The largest number of an axis is positive, so that the same vectors always give the same map.

    Example:
        >>> principal_plane([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]).points.round(2).tolist()
        [[1.0, -0.33], [0.0, 0.67], [-1.0, -0.33]]

    Args:
        vectors: `<float>[words, dim]`, three words or more, two numbers or more.

    Raises:
        InputError: There are fewer.

    Source: Pearson, "On Lines and Planes of Closest Fit to Systems of Points in Space", 1901.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or rows.shape[0] < 3 or rows.shape[1] < 2:
        raise InputError(
            f"a map needs 3 words or more with vectors of 2 numbers or more. Received: {list(rows.shape)}."
        )
    directions = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    centred = directions - directions.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    first = axes[:2] * np.sign(axes[[0, 1], np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return Plane(centred @ first.T, float((spread[:2] ** 2).sum() / max((spread**2).sum(), 1e-12)))


def word_map_picture(words: Sequence[str], vectors: ArrayLike) -> Image.Image:
    """Draws words as labelled dots on the two principal axes of their vectors.

    Each label takes the nearest free place around its dot, the first words first; a thin line joins distant labels to
    their dots.

    Example:
        >>> word_map_picture(["dog", "cat", "run"], [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]).size
        (640, 640)

    Args:
        words: The labels, the most important ones first.
        vectors: `<float>[words, dim]`, a row for each.

    Raises:
        InputError: There are fewer than three words.
    """
    words = [unicodedata.normalize("NFC", word) for word in words]  # fonts have 한, seldom its separate letters
    warn_of_boxes(" ".join(words))
    plane = principal_plane(vectors)
    side = max(SMALLEST_SIDE, round(ROOM * math.sqrt(len(words))))
    top = 2 * GAP + TITLE_SIZE
    sheet = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), f"{len(words)} words", fill=INK, font=font(TITLE_SIZE))
    note = f"two principal axes, {100 * plane.share:.0f} % of the variance"
    draw.text((side - GAP, GAP + TITLE_SIZE), note, fill=FAINT, font=font(LABEL_SIZE), anchor="rs")
    dots = fitted(plane.points, np.array([4 * GAP, top + GAP]), np.array([side - 4 * GAP, side - 2 * GAP]))
    sizes = [np.array([font(LABEL_SIZE, word).getlength(word) + 6, 1.25 * LABEL_SIZE]) for word in words]
    labels = placed(dots, sizes, np.array([GAP / 2, top]), np.array([side - GAP / 2, side - GAP / 2]))
    for (x, y), (left, upper, right, lower) in zip(dots, labels, strict=True):
        near = np.clip((x, y), (left, upper), (right, lower))
        if np.hypot(*(near - (x, y))) > RINGS[1]:
            draw.line((x, y, *near), fill=FAINT)
    for x, y in dots:
        draw.ellipse((x - DOT_RADIUS, y - DOT_RADIUS, x + DOT_RADIUS, y + DOT_RADIUS), fill=DOT)
    for word, (left, upper, right, lower) in zip(words, labels, strict=True):
        draw.text(((left + right) / 2, (upper + lower) / 2), word, fill=INK, font=font(LABEL_SIZE, word), anchor="mm")
    return sheet


def fitted(points: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scales points to a rectangle of the sheet, each axis on its own, with larger values upwards."""
    least, most = points.min(axis=0), points.max(axis=0)
    shares = (points - least) / np.maximum(most - least, 1e-12)
    shares[:, 1] = 1 - shares[:, 1]
    return low + shares * (high - low)


def placed(
    dots: NDArray[np.float64], sizes: Sequence[NDArray[np.float64]], low: NDArray[np.float64], high: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Places a box `left, upper, right, lower` for each label, apart from others and from dots if there is room."""
    taken = np.concatenate([dots - DOT_RADIUS, dots + DOT_RADIUS], axis=1)
    labels: list[NDArray[np.float64]] = []
    for dot, size in zip(dots, sizes, strict=True):
        best, least = np.zeros(4), math.inf
        for corner in corners(dot, size):
            corner = np.clip(corner, low, high - size)
            box = np.concatenate([corner, corner + size])
            covered = overlap(box, taken)
            if covered < least:
                best, least = box, covered
            if covered == 0:
                break
        labels.append(best)
        taken = np.concatenate([taken, [best]])
    return labels


def corners(dot: NDArray[np.float64], size: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yields upper left corners to try for a label: right of, below, left of and above its dot, then on wider rings."""
    for number, ring in enumerate(RINGS):
        turns = 4 if number == 0 else 16
        for turn in range(turns):
            angle = 2 * math.pi * turn / turns
            way = np.array([math.cos(angle), math.sin(angle)])
            yield dot + way * (size / 2 + DOT_RADIUS + ring) - size / 2


def overlap(box: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Computes the area that a box shares with others, in square pixels."""
    common = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.maximum(common, 0).prod(axis=1).sum())
