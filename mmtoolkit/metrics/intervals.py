"""Computes bootstrap confidence intervals from resampled images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mmtoolkit.errors import InputError

Interval = tuple[float, float]
Statistics = Sequence[Sequence[float]]  # what each image adds to some scores
Score = Callable[[Sequence[float]], Mapping[str, float]]  # the sums of these over a corpus -> its scores


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """Computes bootstrap confidence intervals of corpus scores.

    Each resample draws as many images as there are, with replacement. Their statistics are summed and then scored, so
    that BLEU stays a score of the corpus. The interval is cut at the percentiles of these scores.

    Example:
        >>> def mean(totals):
        ...     return {"mean": totals[1] / totals[0]}
        >>> Bootstrap(resamples=200)([(1, 0), (1, 1), (1, 1), (1, 2)], mean)["mean"]
        (0.25, 1.5)

    Args:
        resamples: How many times the images are drawn.
        level: The share of the scores inside the interval.
        seed: Resample after resample, the images are `numpy.random.default_rng(seed).integers(images, size=images)`.

    Raises:
        InputError: No resample, or a level that is no share between 0 and 1.

    Source: Efron 1979; Koehn 2004, "Statistical significance tests for machine translation evaluation", section 3.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise InputError(f"resamples expects 1 or more. Received: {self.resamples}.")
        if not 0 < self.level < 1:
            raise InputError(f"level expects a share between 0 and 1. Received: {self.level}.")

    def __call__(self, statistics: Statistics, score: Score) -> dict[str, Interval]:
        """Computes the interval of every score."""
        import numpy as np  # here, because scores without intervals need no arrays

        table, chance = np.asarray(statistics, dtype=float), np.random.default_rng(self.seed)
        draws = (chance.integers(len(table), size=len(table)) for _ in range(self.resamples))
        scores = [score(table[drawn].sum(axis=0).tolist()) for drawn in draws]
        tail = (1 - self.level) / 2
        cuts = {name: np.quantile([each[name] for each in scores], [tail, 1 - tail]) for name in scores[0]}
        return {name: (float(low), float(high)) for name, (low, high) in cuts.items()}


def paired(score: Score) -> Score:
    """Returns the paired difference of a score: that of the first half of the sums minus that of the second.

    Both systems get the same images in each resample, so images that are hard for both add no noise.

    Example:
        >>> def mean(totals):
        ...     return {"mean": totals[1] / totals[0]}
        >>> paired(mean)([2, 3, 2, 1])
        {'mean': 1.0}

    Source: Koehn 2004, section 4.
    """

    def difference(totals: Sequence[float]) -> dict[str, float]:
        half = len(totals) // 2
        first, second = score(totals[:half]), score(totals[half:])
        return {name: first[name] - second[name] for name in first}

    return difference
