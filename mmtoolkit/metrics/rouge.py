"""Computes ROUGE-L: the longest common subsequence with a reference."""

from __future__ import annotations

from collections.abc import Sequence

BETA = 1.2  # coco-caption's weight of recall against precision


def rouge_l(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """Computes ROUGE-L of a corpus in percent: the mean F-measure of the longest common subsequences.

    The best precision and the best recall may come from different references, as in coco-caption.

    Example:
        >>> round(rouge_l([["a", "dog", "sits"]], [[["a", "dog", "runs"]]]), 2)
        66.67

    Args:
        hypotheses: The words of each hypothesis.
        references: For each hypothesis, the words of its references; one or more.

    Source: Lin 2004, equations 2-4.
    """
    scores = [sentence_rouge_l(words, others) for words, others in zip(hypotheses, references, strict=True)]
    return 100 * sum(scores) / len(scores)


def sentence_rouge_l(words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Computes ROUGE-L of one sentence, 0 to 1; 0 for an empty one."""
    common = [(longest_common_subsequence(words, other), len(other)) for other in references]
    precision = max(length for length, _ in common) / max(1, len(words))
    recall = max(length / max(1, size) for length, size in common)
    if precision == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Counts the words that two sentences share in the same order, gaps allowed.

    A row of the usual table is one integer here, one bit a word: fast for very long texts too.

    Example:
        >>> longest_common_subsequence("a big dog runs".split(), "a dog now runs".split())
        3

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for place, word in enumerate(second):
        places[word] = places.get(word, 0) | 1 << place
    everywhere = (1 << len(second)) - 1
    row = everywhere  # a bit is 0 where the common subsequence grows
    for word in first:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & everywhere
    return len(second) - row.bit_count()
