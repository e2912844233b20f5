"""Computes METEOR 1.5: how well a hypothesis' words can be aligned with those of the best reference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from mmtoolkit.metrics.meteor_alignment import align
from mmtoolkit.metrics.meteor_data import MeteorData, load_data, load_prefixes
from mmtoolkit.metrics.meteor_matches import STAGES, Sentence, find_matches, index_sentence
from mmtoolkit.metrics.meteor_normalizer import normalize
from mmtoolkit.task import summed

# Of English and the task "rank", coco-caption's.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = (1.0, 0.6, 0.8, 0.6)  # of exact matches, stems, synonyms, paraphrases


def meteor(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """Computes METEOR 1.5 of a corpus of English sentences in percent, with coco-caption's settings.

    Example:
        With the extra `meteor`:
        >>> round(meteor([["a", "dog", "runs"]], [[["the", "dog", "is", "running"]]]), 1)  # doctest: +SKIP
        22.7

    Args:
        hypotheses: The words of each hypothesis.
        references: For each hypothesis, the words of its references; one or more.

    Raises:
        InputError: A package with its data is missing or damaged.

    Source: Denkowski and Lavie 2014. The statistics are those of the program METEOR 1.5, unless a word or phrase is
        more than 40 times in a sentence.
    """
    return meteor_scores(summed(meteor_statistics(hypotheses, references)))["METEOR"]


def meteor_statistics(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> list[tuple[float, ...]]:
    """Counts what each image adds to METEOR, against the reference with the best score, the first of equal ones.

    Returns:
        For each image: the words of hypothesis and reference, the function words of both, then for each stage the
        matched content words of both and the matched function words of both, the chunks, and the matched words of
        both. A sentence that is matched whole and in order has no chunk, because it has no penalty.

    Raises:
        InputError: A package with its data is missing or damaged.
    """
    prefixes = load_prefixes()
    sentences = [normalize(" ".join(words), prefixes) for words in hypotheses]
    wanted = [[normalize(" ".join(words), prefixes) for words in others] for others in references]
    data = load_data(chain(sentences, chain.from_iterable(wanted)))
    return [best_statistics(words, others, data) for words, others in zip(sentences, wanted, strict=True)]


def meteor_scores(totals: Sequence[float]) -> dict[str, float]:
    """Computes METEOR in percent from the sums of `meteor_statistics` over a corpus.

    Example:
        >>> rows = (3, 3, 1, 1, 1, 1, 1, 1, *[0] * 12, 1, 2, 2)  # "a dog runs" and "a dog sits": two of three words
        >>> round(meteor_scores(rows)["METEOR"], 1)  # 4 / 7 of the weights, less 0.6 (1 / 2)^0.2 of it
        27.3
    """
    return {"METEOR": 100 * score(totals)}


def score(totals: Sequence[float]) -> float:
    """Computes METEOR between 0 and 1: the weighted mean of precision and recall, less the penalty for order."""
    *sizes, chunks, matched, reference_matched = totals
    precision, recall = share_matched(sizes[0::2]), share_matched(sizes[1::2])
    if not precision or not recall:
        return 0.0
    mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    fragments = chunks / ((matched + reference_matched) / 2)
    return mean * (1 - GAMMA * fragments**BETA)


def share_matched(counts: Sequence[float]) -> float:
    """Computes the weighted share of matched words of one side.

    Example:
        >>> share_matched((4, 2, 1, 2, *[0] * 6))  # one of two content words and both function words
        0.625

    Args:
        counts: Its words, its function words, and its matched content and function words of each stage.
    """
    words, function_words, *matched = counts
    weight = DELTA * (words - function_words) + (1 - DELTA) * function_words
    content = sum(count * stage * DELTA for count, stage in zip(matched[0::2], WEIGHTS, strict=True))
    function = sum(count * stage * (1 - DELTA) for count, stage in zip(matched[1::2], WEIGHTS, strict=True))
    return (content + function) / weight if weight else 0.0


def best_statistics(words: list[str], references: Sequence[list[str]], data: MeteorData) -> tuple[float, ...]:
    """Counts the statistics of a hypothesis against the reference with the best score."""
    hypothesis = index_sentence(words, data)
    return max((statistics(hypothesis, index_sentence(other, data), data) for other in references), key=score)


def statistics(hypothesis: Sentence, reference: Sentence, data: MeteorData) -> tuple[float, ...]:
    """Counts the statistics of a hypothesis against one reference."""
    sentences = hypothesis.words, reference.words
    alignment = align(find_matches(hypothesis, reference, data), len(hypothesis.words))
    counts = [[0, 0, 0, 0] for _ in STAGES]
    for stage, start, length, other, other_length in alignment.matches:
        for side, place, size in ((0, other, other_length), (1, start, length)):
            for word in sentences[side][place : place + size]:
                counts[stage][side + 2 * (word in data.function_words)] += 1
    lengths = [len(words) for words in sentences]
    matched = [sum(stage[side] + stage[side + 2] for stage in counts) for side in (0, 1)]
    chunks = 0 if matched == lengths and alignment.chunks == 1 else alignment.chunks
    functions = [sum(word in data.function_words for word in words) for words in sentences]
    return (*lengths, *functions, *chain.from_iterable(counts), chunks, *matched)
