"""Reranks the sentences of a search by how much they agree with each other."""

from __future__ import annotations

from typing import Any

from keras import ops

from mmtoolkit.decoding.tokens import IMPOSSIBLE, MINUS_INFINITY, gather_rows

ORDER = 4  # the longest n-gram
SIGMA = 6.0  # of CIDEr-D's length penalty
MOST_TOKENS = 4096  # of the sentences of a picture together: a square of so many numbers takes 64 MB


def rerank(ids: Any, scores: Any, *, measure: str, n_best: int, end: int) -> tuple[Any, Any]:
    """Returns the `n_best` sentences with the highest expected score against the others, in place of the likeliest.

    The expectation is over the sentences themselves, each with a probability proportional to `exp(score)`. A likely
    sentence that says less than the others, or something else, falls behind. Sentences that did not end come last, and
    count only where none did.

    Example:
        >>> ids = ops.array([[[5, 6, 2, 0], [7, 8, 9, 2], [7, 8, 6, 2]]])
        >>> np.asarray(rerank(ids, ops.zeros((1, 3)), measure="bleu", n_best=1, end=2)[0]).tolist()
        [[[7, 8, 6, 2]]]

    Args:
        ids: `<int32>[batch, sentences, max_length]`, padded with 0 after the end.
        scores: `<float32>[batch, sentences]`, those of a `BeamSearch`.
        measure: `"bleu"`, of single sentences with one added to the counts, or `"cider"`, CIDEr-D that weighs all
            n-grams alike, as one picture has no document frequencies.
        n_best: Number of sentences returned.
        end: The token that ends a sentence.

    Returns:
        `ids <int32>[batch, n_best, max_length]` and their scores `<float32>[batch, n_best]`, which are as before.

    Source: Kumar & Byrne, "Minimum Bayes-Risk Decoding for Statistical Machine Translation", 2004, equation 3.
    """
    compare = sentence_bleu if measure == "bleu" else sentence_cider
    utility = ops.map(compare, ids)  # [batch, sentences, sentences]; of one picture at a time
    found = scores > IMPOSSIBLE
    ended = ops.logical_and(found, ops.any(ids == end, axis=-1))
    counted = ops.where(ops.any(ended, axis=-1, keepdims=True), ended, found)
    chances = ops.exp(ops.log_softmax(ops.where(counted, scores, MINUS_INFINITY), axis=-1))
    expected = ops.sum(utility * ops.expand_dims(chances, 1), axis=-1)  # from 0 to 1
    expected = expected - ops.where(counted, 0.0, 2.0) - ops.where(found, 0.0, 2.0)
    _, best = ops.top_k(expected, n_best)
    return gather_rows(ids, best), ops.take_along_axis(scores, best, axis=1)


def counts_of(ids: Any, order: int) -> tuple[Any, Any, Any]:
    """Counts, for each n-gram of each sentence, how often each sentence has it.

    Args:
        ids: `<int32>[sentences, max_length]`.
        order: Length of the n-grams.

    Returns:
        These counts `<float32>[sentences, places, sentences]`; how often a sentence has its own n-gram
        `<float32>[sentences, places, 1]`, 1 where there is none; and whether there is one, of the same shape.
    """
    sentences, places = ids.shape[0], ids.shape[1] - order + 1
    same: Any = True
    for offset in range(order):
        words = ops.reshape(ids[:, offset : offset + places], (-1,))  # of all sentences
        same = ops.logical_and(same, ops.expand_dims(words, 1) == ops.expand_dims(words, 0))
    real = ops.reshape(ids[:, order - 1 :] != 0, (-1, 1))
    same = ops.cast(ops.logical_and(same, real), "float32")  # [sentences * places, sentences * places]
    counts = ops.sum(ops.reshape(same, (sentences, places, sentences, places)), axis=-1)
    numbers = ops.arange(sentences)
    itself = ops.cast(ops.expand_dims(numbers, 1) == ops.expand_dims(numbers, 0), "float32")
    mine = ops.sum(counts * ops.expand_dims(itself, 1), axis=-1, keepdims=True)
    return counts, ops.maximum(mine, 1.0), ops.reshape(ops.cast(real, "float32"), (sentences, places, 1))


def lengths(ids: Any) -> Any:
    """Counts the tokens of each sentence, its end included: `<float32>[sentences]`."""
    return ops.sum(ops.cast(ids != 0, "float32"), axis=-1)


def orders(ids: Any) -> range:
    """Lists the lengths of n-grams that sentences can have."""
    return range(1, min(ORDER, ids.shape[1]) + 1)


def sentence_bleu(ids: Any) -> Any:
    """Computes BLEU-4 of each sentence against each other one as its reference, as `metrics.rewards.smooth_bleu`."""
    length = lengths(ids)
    logs: Any = ops.minimum(0.0, 1.0 - ops.expand_dims(length, 0) / ops.maximum(ops.expand_dims(length, 1), 1.0))
    for order in orders(ids):
        counts, mine, _ = counts_of(ids, order)
        more = float(order > 1)
        clipped = ops.sum(ops.minimum(counts, mine) / mine, axis=1)  # each n-gram once for each time that it matches
        possible = ops.expand_dims(ops.maximum(length - (order - 1.0), 0.0), 1)
        logs = logs + ops.log(ops.maximum((clipped + more) / ops.maximum(possible + more, 1.0), 1e-30)) / ORDER
    return ops.exp(logs)


def sentence_cider(ids: Any) -> Any:
    """Computes the mean over the orders of the clipped cosine of counts, times the length penalty."""
    length = lengths(ids)
    total: Any = 0.0
    for order in orders(ids):
        counts, mine, real = counts_of(ids, order)
        norm = ops.sqrt(ops.maximum(ops.sum(mine * real, axis=(1, 2)), 1e-30))
        shared = ops.sum(ops.minimum(counts, mine) * counts / mine, axis=1)
        total = total + shared / (ops.expand_dims(norm, 1) * ops.expand_dims(norm, 0))
    gap = ops.expand_dims(length, 1) - ops.expand_dims(length, 0)
    return total / ORDER * ops.exp(-ops.square(gap) / (2.0 * SIGMA**2))
