"""Views of an example: a picture with attention, an alignment of two texts, weighted words, a series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # metrics and readers need no arrays
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PictureView:
    """A picture with attention over it, e.g. a map for each word of a caption.

    Args:
        pixels: `<uint8>[height, width, 3]`, with the sides of the file; a model may have seen a square.
        words: What each map belongs to.
        maps: `<float32>[words, rows, columns]`, not negative; `None` of a model without attention.
        title: The heading of a drawing; the words, joined, by default.
    """

    pixels: NDArray[np.uint8]
    words: Sequence[str]
    maps: NDArray[np.float32] | None
    title: str | None = None


@dataclass(frozen=True)
class MatrixView:
    """Weights of the words of one text for the words of another, e.g. an alignment.

    Args:
        rows: The words that attend.
        columns: The words that are attended to.
        weights: `<float>[rows, columns]`, 0 to 1.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    weights: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class WordsView:
    """The words of one text with a weight each, e.g. which words a decision rests on.

    Args:
        words: The words.
        weights: `<float>[words]`, 0 to 1.
    """

    words: Sequence[str]
    weights: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SeriesView:
    """Values over time, e.g. what was observed and what was forecast.

    Args:
        lines: Values by name; lines may have different lengths and end together.
    """

    lines: Mapping[str, Sequence[float]]


View = PictureView | MatrixView | WordsView | SeriesView
