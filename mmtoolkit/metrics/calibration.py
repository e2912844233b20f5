"""Whether a model is as often right as it is sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BINS = 10


class Bin(NamedTuple):
    """Answers of about the same probability.

    Args:
        answers: How many.
        confidence: Their mean probability, in percent.
        accuracy: How many of them are right, in percent.
    """

    answers: int
    confidence: float
    accuracy: float


def calibration(probabilities: Sequence[float], right: Sequence[float], *, bins: int = BINS) -> list[Bin]:
    """The answers in bins of equal width by their probability; bins without answers are left out.

    Example:
        >>> calibration([0.92, 0.98, 0.5], [1, 0, 1])
        [Bin(answers=1, confidence=50.0, accuracy=100.0), Bin(answers=2, confidence=95.0, accuracy=50.0)]

    Args:
        probabilities: What the model thinks of its answers, 0 to 1.
        right: How right each is, 0 to 1.
        bins: How many bins there are from 0 to 1.

    Source: DeGroot and Fienberg 1983; Guo et al., "On Calibration of Modern Neural Networks", 2017, section 2.
    """
    held: dict[int, list[tuple[float, float]]] = {}
    for probability, correct in zip(probabilities, right, strict=True):
        held.setdefault(min(bins - 1, int(bins * probability)), []).append((probability, correct))
    columns = [list(zip(*held[number], strict=True)) for number in sorted(held)]
    return [Bin(len(sure), 100 * sum(sure) / len(sure), 100 * sum(true) / len(true)) for sure, true in columns]


def calibration_error(bins: Sequence[Bin]) -> float:
    """How far probability and accuracy are apart, in percentage points, averaged over the answers.

    Example:
        >>> calibration_error([Bin(1, 50.0, 100.0), Bin(2, 95.0, 50.0)])
        46.666666666666664

    Source: Guo et al. 2017, equation 3: the expected calibration error.
    """
    return sum(each.answers * abs(each.confidence - each.accuracy) for each in bins) / sum(
        each.answers for each in bins
    )
