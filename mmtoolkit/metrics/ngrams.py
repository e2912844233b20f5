"""Counts n-grams for BLEU and CIDEr."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def count_ngrams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """Counts each run of `order` words.

    Example:
        >>> count_ngrams(["a", "dog", "a", "dog"], 2)
        Counter({('a', 'dog'): 2, ('dog', 'a'): 1})
    """
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))
