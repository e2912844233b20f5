"""Tells whether the attention of a word for a shape is on such a shape."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmtoolkit.files import read_whole
from mmtoolkit.task import PictureView

SHAPES = "shapes.csv"  # beside the captions of scenes
BOX = ("name", "left", "top", "right", "bottom")
MOST_BYTES = 2**27  # of that file
BATCH = 64  # records whose attention is computed at a time


class Box(NamedTuple):
    """A shape's name in the captions, and the box around it in shares of the picture's sides."""

    name: str
    left: float
    top: float
    right: float
    bottom: float


def read_boxes(folder: Path) -> dict[str, list[Box]]:
    """Reads the boxes of a folder of scenes, by picture; none where the data are no scenes."""
    try:
        text = read_whole(folder / SHAPES, most=MOST_BYTES).decode("utf-8-sig")
        boxes: dict[str, list[Box]] = {}
        for row in csv.DictReader(io.StringIO(text, newline="")):
            boxes.setdefault(row["image"], []).append(Box(row["name"], *(float(row[side]) for side in BOX[1:])))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):  # a table of that name that is another one
        return {}
    return boxes


def pointing_game(views: Mapping[str, Any], boxes: Mapping[str, Sequence[Box]]) -> dict[str, float]:
    """Computes how often the region of most attention for a shape's word overlaps such a shape.

    Example:
        >>> view = PictureView(np.zeros((8, 8, 3), np.uint8), ["a", "star"], np.array([np.eye(2), [[0, 1], [0, 0]]]))
        >>> pointing_game({"1.png": view}, {"1.png": [Box("star", 0.6, 0.1, 0.9, 0.4)]})
        {'words': 1, 'hits': 100.0, 'chance': 25.0}

    Args:
        views: By picture, its `PictureView`, with the attention of each word of a caption.
        boxes: By picture, the boxes around its shapes.

    Returns:
        `words`, the number of words that name a shape of their picture; `hits`, the share of them in percent whose
        region of most attention overlaps such a shape; and `chance`, the share that regions drawn at random would have.

    Source: Zhang et al., "Top-Down Neural Attention by Excitation Backprop", 2016, section 4.1; there the boxes are
        widened by 15 pixels, here a region counts as a whole.
    """
    hits, chances = list[bool](), list[float]()
    for picture, view in views.items():
        if not isinstance(view, PictureView) or view.maps is None:
            continue
        for word, weights in zip(view.words, np.asarray(view.maps), strict=False):
            named = [box for box in boxes.get(picture, ()) if word.startswith(box.name)]  # circles; 동그라미가
            if named:
                inside = np.any([overlap(box, *weights.shape) for box in named], axis=0)
                hits.append(bool(inside.flat[weights.argmax()]))
                chances.append(float(inside.mean()))
    return {"words": len(hits), "hits": percent(hits), "chance": percent(chances)}


def evaluate_pointing(
    task: Any, model: Any, records: Sequence[Any], outputs: Mapping[str, str], *, source: Any, data: Path
) -> dict[str, float]:
    """Plays the pointing game with a model's outputs; empty where there are no boxes, or no attention on shapes.

    Args:
        task: The task of the model.
        model: The model.
        records: The records of scenes.
        outputs: The output for each record, by id.
        source: Where pixels or features come from.
        data: The folder of the scenes, or a table in it.
    """
    boxes = read_boxes(data if data.is_dir() else data.parent)
    shown = [record for record in records if record.group in boxes]
    views: dict[str, Any] = {}
    for start in range(0, len(shown), BATCH):
        part = shown[start : start + BATCH]
        texts = [outputs[record.id] for record in part]
        views |= dict(zip((record.id for record in part), task.views(model, part, texts, source), strict=True))
    found = pointing_game(views, {record.id: boxes[record.group] for record in shown})
    return found if found["words"] else {}


def pointing_text(found: Mapping[str, float]) -> str:
    """Formats the result of the pointing game.

    Example:
        >>> pointing_text({"words": 8, "hits": 75.0, "chance": 12.5})
        'pointing game: the attention of 75.00 % of 8 words for shapes is on such a shape, by chance 12.50 %'
    """
    hits = f"{found['hits']:.2f} % of {found['words']:,} words"
    return f"pointing game: the attention of {hits} for shapes is on such a shape, by chance {found['chance']:.2f} %"


def overlap(box: Box, rows: int, columns: int) -> np.ndarray:
    """Computes which regions of a grid overlap a box: `<bool>[rows, columns]`."""
    down, right = np.arange(rows) / rows, np.arange(columns) / columns
    vertical = (down < box.bottom) & (down + 1 / rows > box.top)
    return vertical[:, None] & ((right < box.right) & (right + 1 / columns > box.left))[None]


def percent(values: Sequence[float]) -> float:
    """Returns the mean in percent, 0 of nothing."""
    return round(100 * float(np.mean(values)), 2) if values else 0.0
