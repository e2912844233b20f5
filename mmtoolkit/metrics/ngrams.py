"""Counts of n-grams, and sums of counts, shared by the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def count_ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """Counts each run of `order` words.

    Example:
        >>> count_ngrams(["a", "dog", "a", "dog"], 2)
        Counter({('a', 'dog'): 2, ('dog', 'a'): 1})
    """
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def totals(statistics: Iterable[Sequence[float]]) -> list[float]:
    """Sums over all images what each image adds to a score.

    Example:
        >>> totals([(1, 4), (2, 5)])
        [3, 9]
    """
    return [sum(column) for column in zip(*statistics, strict=True)]
