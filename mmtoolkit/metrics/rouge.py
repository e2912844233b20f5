"""ROUGE-L: the longest common subsequence with a reference."""

from __future__ import annotations

from collections.abc import Sequence

BETA = 1.2  # coco-caption's weight of recall against precision


def rouge_l(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """The mean over the corpus of the F-measure of common subsequences, in percent.

    Best precision and best recall may come from two references, as in coco-caption.

    Example:
        >>> round(rouge_l([["a", "dog", "sits"]], [[["a", "dog", "runs"]]]), 2)
        66.67

    Args:
        hypotheses: The words of each hypothesis.
        references: For each hypothesis, the words of its references; one or more.

    Source: Lin 2004, equations 2-4.
    """
    pairs = zip(hypotheses, references, strict=True)
    scores = [sentence_rouge_l(words, others) for words, others in pairs]
    return 100 * sum(scores) / len(scores)


def sentence_rouge_l(words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """ROUGE-L of one sentence, between 0 and 1; 0 where nothing was said."""
    common = [(longest_common_subsequence(words, other), len(other)) for other in references]
    precision = max(length for length, _ in common) / max(1, len(words))
    recall = max(length / max(1, size) for length, size in common)
    if precision == 0:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """How many words two sentences share in the same order, gaps allowed.

    Example:
        >>> longest_common_subsequence("a big dog runs".split(), "a dog now runs".split())
        3
    """
    row = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0  # the row above, one column to the left
        for column, other in enumerate(second, 1):
            above = row[column]
            row[column] = diagonal + 1 if word == other else max(above, row[column - 1])
            diagonal = above
    return row[-1]
