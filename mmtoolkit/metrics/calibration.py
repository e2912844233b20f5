"""Computes calibration: how well a model's probabilities agree with its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BINS = 10


class Bin(NamedTuple):
    """Answers of similar probability.

    Args:
        answers: Their number.
        confidence: Their mean probability, in percent.
        accuracy: Their mean correctness, in percent.
    """

    answers: int
    confidence: float
    accuracy: float


def calibration(probabilities: Sequence[float], right: Sequence[float], *, bins: int = BINS) -> list[Bin]:
    """Sorts answers by probability into bins of equal width; bins without answers are left out.

    Example:
        >>> calibration([0.92, 0.98, 0.5], [1, 0, 1])
        [Bin(answers=1, confidence=50.0, accuracy=100.0), Bin(answers=2, confidence=95.0, accuracy=50.0)]

    Args:
        probabilities: The model's probability of each answer, 0 to 1.
        right: How correct each answer is, 0 to 1.
        bins: The number of bins from 0 to 1.

    Source: DeGroot and Fienberg 1983; Guo et al., "On Calibration of Modern Neural Networks", 2017, section 2.
    """
    held: dict[int, list[tuple[float, float]]] = {}
    for probability, correct in zip(probabilities, right, strict=True):
        held.setdefault(min(bins - 1, int(bins * probability)), []).append((probability, correct))
    columns = [list(zip(*held[number], strict=True)) for number in sorted(held)]
    return [Bin(len(p), 100 * sum(p) / len(p), 100 * sum(correct) / len(p)) for p, correct in columns]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Computes the mean gap of probability and accuracy over the answers, in percentage points.

    Example:
        >>> calibration_error([Bin(1, 50.0, 100.0), Bin(2, 95.0, 50.0)])
        46.666666666666664

    Source: Guo et al. 2017, equation 3: the expected calibration error.
    """
    return sum(each.answers * abs(each.confidence - each.accuracy) for each in bins) / sum(
        each.answers for each in bins
    )
