"""Reranks the sentences of a search by how much they agree with each other."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from mmtoolkit.decoding.tokens import gather_rows

ORDER = 4  # the longest n-gram
SIGMA = 6.0  # of CIDEr-D's length penalty


def rerank(ids: Any, scores: Any, *, measure: str, n_best: int) -> tuple[Any, Any]:
    """Returns the `n_best` sentences with the highest expected score against the others, in place of the likeliest.

    The expectation is over the sentences themselves, each with a probability proportional to `exp(score)`. A likely
    sentence that says less than the others, or something else, falls behind.

    Example:
        >>> ids = ops.array([[[5, 6, 2, 0], [7, 8, 9, 2], [7, 8, 6, 2]]])
        >>> np.asarray(rerank(ids, ops.zeros((1, 3)), measure="bleu", n_best=1)[0]).tolist()
        [[[7, 8, 6, 2]]]

    Args:
        ids: `<int32>[batch, sentences, max_length]`, padded with 0 after the end.
        scores: `<float32>[batch, sentences]`, those of a `BeamSearch`.
        measure: `"bleu"`, of single sentences with one added to the counts, or `"cider"`, CIDEr-D that weighs all
            n-grams alike, as one picture has no document frequencies.
        n_best: Number of sentences returned.

    Returns:
        `ids <int32>[batch, n_best, max_length]` and their scores `<float32>[batch, n_best]`, which are as before.

    Source: Kumar & Byrne, "Minimum Bayes-Risk Decoding for Statistical Machine Translation", 2004, equation 3.
    """
    matches = [count_matches(ids, order) for order in range(1, ORDER + 1)]
    utility = bleu(ids, matches) if measure == "bleu" else cider(ids, matches)  # [batch, sentences, sentences]
    expected = ops.sum(utility * ops.expand_dims(ops.softmax(scores, axis=-1), 1), axis=-1)
    expected = ops.where(scores > ops.max(scores, axis=-1, keepdims=True) - 1e6, expected, -1.0)  # no sentence
    _, best = ops.top_k(expected, n_best)
    return gather_rows(ids, best), ops.take_along_axis(scores, best, axis=1)


def count_matches(ids: Any, order: int) -> Any:
    """Counts, for each n-gram of each sentence, how often each sentence has it; 0 where there is no n-gram.

    Returns:
        `<float32>[batch, sentences, max_length - order + 1, sentences]`.
    """
    places = ids.shape[-1] - order + 1
    same = 1.0
    for offset in range(order):
        words = ids[..., offset : offset + places]
        left = ops.expand_dims(words, (3, 4))  # [batch, sentences, places, 1, 1]
        right = ops.expand_dims(words, (1, 2))  # [batch, 1, 1, sentences, places]
        same = same * ops.cast(ops.logical_and(left == right, left != 0), "float32")
    return ops.sum(same, axis=-1)


def own(matches: Any) -> Any:
    """Returns how often each sentence has its own n-grams, `[batch, sentences, places, 1]`; 1 where there is none."""
    count = ops.shape(matches)[1]
    mine = ops.sum(matches * ops.reshape(ops.eye(count), (1, count, 1, count)), axis=-1, keepdims=True)
    return ops.maximum(mine, 1.0)


def lengths(ids: Any) -> Any:
    """Counts the tokens of each sentence, its end included: `<float32>[batch, sentences]`."""
    return ops.sum(ops.cast(ids != 0, "float32"), axis=-1)


def bleu(ids: Any, matches: list[Any]) -> Any:
    """Computes BLEU-4 of each sentence against each other one as its reference, as `metrics.rewards.smooth_bleu`."""
    length = lengths(ids)
    logs: Any = ops.minimum(0.0, 1.0 - ops.expand_dims(length, 1) / ops.maximum(ops.expand_dims(length, 2), 1.0))
    for order, counts in enumerate(matches, start=1):
        mine, more = own(counts), float(order > 1)
        clipped = ops.sum(ops.minimum(counts, mine) / mine, axis=2)  # each n-gram once for each time that it matches
        possible = ops.expand_dims(ops.maximum(length - order + 1, 0.0), 2)
        share = (clipped + more) / ops.maximum(possible + more, 1.0)
        logs = logs + ops.log(ops.maximum(share, 1e-30)) / ORDER
    return ops.exp(logs)


def cider(ids: Any, matches: list[Any]) -> Any:
    """Computes the mean over the orders of the clipped cosine of counts, times the length penalty."""
    length = lengths(ids)
    total: Any = 0.0
    for counts in matches:
        mine = own(counts)
        has = ops.cast(ops.max(counts, axis=-1, keepdims=True) > 0, "float32")  # an n-gram is there
        norm = ops.sqrt(ops.maximum(ops.sum(mine * has, axis=(2, 3)), 1e-30))  # [batch, sentences]
        shared = ops.sum(ops.minimum(counts, mine) * counts / mine, axis=2)
        total = total + shared / (ops.expand_dims(norm, 2) * ops.expand_dims(norm, 1))
    gap = ops.expand_dims(length, 2) - ops.expand_dims(length, 1)
    return total / ORDER * ops.exp(-ops.square(gap) / (2 * math.pow(SIGMA, 2)))
