"""Computes BLEU of a corpus."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from mmtoolkit.metrics.ngrams import count_ngrams
from mmtoolkit.task import summed

TINY, SMALL = 1e-15, 1e-9  # coco-caption's: no matches score nearly 0, and no denominator is 0


def bleu(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]], *, order: int = 4
) -> list[float]:
    """Computes BLEU-1 to BLEU-`order` in percent; matches and lengths are summed over the corpus, then divided.

    Example:
        >>> [round(score, 2) for score in bleu([["a", "dog", "sits"]], [[["a", "dog", "runs"]]], order=2)]
        [66.67, 57.74]

    Args:
        hypotheses: The words of each hypothesis.
        references: For each hypothesis, the words of its references; one or more.
        order: The longest n-gram.

    Source: Papineni et al. 2002, with coco-caption's brevity penalty: against the reference nearest in length, the
        shorter of two equally near.
    """
    pairs = zip(hypotheses, references, strict=True)
    return bleu_scores(summed(bleu_statistics(words, others, order=order) for words, others in pairs))


def bleu_statistics(words: Sequence[str], references: Sequence[Sequence[str]], *, order: int = 4) -> tuple[int, ...]:
    """Counts what one image adds to BLEU: matched and proposed n-grams per order; hypothesis and reference length.

    Example:
        >>> bleu_statistics(["a", "dog", "sits"], [["a", "dog", "runs", "fast"]], order=2)
        (2, 1, 3, 2, 3, 4)
    """
    orders = range(1, order + 1)
    matched = (clipped_matches(words, references, size) for size in orders)
    proposed = (max(0, len(words) - size + 1) for size in orders)
    length = nearest_length(len(words), [len(reference) for reference in references])
    return (*matched, *proposed, len(words), length)


def bleu_scores(totals: Sequence[float]) -> list[float]:
    """Computes BLEU-1 to the highest order in percent from the sums of `bleu_statistics` over a corpus.

    Example:
        >>> [round(score, 2) for score in bleu_scores((2, 1, 3, 2, 3, 4))]
        [47.77, 41.37]
    """
    *counts, length, reference_length = totals
    order = len(counts) // 2
    ratio = (length + TINY) / (reference_length + SMALL)
    brevity = math.exp(min(0.0, 1 - 1 / ratio))
    scores, product = [], 1.0
    for index, (matched, proposed) in enumerate(zip(counts[:order], counts[order:], strict=True), 1):
        product *= (matched + TINY) / (proposed + SMALL)
        scores.append(100 * brevity * product ** (1 / index))
    return scores


def nearest_length(length: int, others: Sequence[int]) -> int:
    """Returns the length nearest to `length`, the shorter of two equally near.

    Example:
        >>> nearest_length(10, [12, 8, 20])
        8
    """
    return min(others, key=lambda other: (abs(other - length), other))


def clipped_matches(words: Sequence[str], references: Sequence[Sequence[str]], order: int) -> int:
    """Counts matched n-grams, each at most as often as the reference that has it most often.

    Example:
        >>> clipped_matches("the the the".split(), ["the cat".split(), "the the dog".split()], 1)
        2
    """
    most: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        most |= count_ngrams(reference, order)
    return (count_ngrams(words, order) & most).total()
