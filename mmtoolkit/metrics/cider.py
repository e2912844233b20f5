"""Computes CIDEr: the similarity to the references, in which rare n-grams count most."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmtoolkit.metrics.ngrams import count_ngrams

ORDER = 4
SIGMA = 6.0  # of the length penalty

Ngram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """The weighted n-grams of one sentence: the weights and their norm per order, and the sentence's length."""

    weights: tuple[dict[Ngram, float], ...]
    norms: tuple[float, ...]
    length: int


def cider(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """Computes CIDEr-D of a corpus: the mean over images of 10 times the similarity to the references.

    An n-gram has more weight the fewer images have it in their references, so a single image always scores 0.

    Example:
        >>> hypotheses = [["a", "black", "dog", "runs"], ["two", "boys", "swim"]]
        >>> round(cider(hypotheses, [[words] for words in hypotheses]), 2)  # three words have no 4-gram
        8.75

    Args:
        hypotheses: The words of each hypothesis.
        references: For each hypothesis, the words of its references; one or more.

    Source: Vedantam et al. 2015, as coco-caption prints it under this name: CIDEr-D with clipping and the Gaussian
        length penalty, document frequencies from these references.
    """
    scores = cider_by_image(hypotheses, references)
    return sum(scores) / len(scores)


def cider_by_image(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> list[float]:
    """Computes CIDEr-D of each image, with the document frequencies of all the references."""
    rarity = inverse_document_frequency(references)
    pairs = zip(hypotheses, references, strict=True)
    return [sentence_cider([words], others, rarity)[0] for words, others in pairs]


def sentence_cider(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]], rarity: Mapping[Ngram, float]
) -> list[float]:
    """Computes CIDEr-D of several hypotheses for one image.

    Args:
        hypotheses: The words of each hypothesis.
        references: The words of the image's references.
        rarity: As `inverse_document_frequency` returns it.
    """
    weighed = [weigh(words, ngrams(words), rarity) for words in references]
    scores = []
    for words in hypotheses:
        hypothesis = weigh(words, ngrams(words), rarity)
        scores.append(10 * sum(similarity(hypothesis, other) for other in weighed) / len(weighed))
    return scores


def ngrams(words: Sequence[str]) -> list[Counter[Ngram]]:
    """Counts the n-grams of each order."""
    return [count_ngrams(words, order) for order in range(1, ORDER + 1)]


def inverse_document_frequency(references: Sequence[Sequence[Sequence[str]]]) -> dict[Ngram, float]:
    """Computes the log of all images over those whose references have the n-gram; `()` has that of an unseen one."""
    images: Counter[Ngram] = Counter()
    for others in references:
        images.update({ngram for words in others for order in ngrams(words) for ngram in order})
    everything = math.log(len(references))
    return {(): everything} | {ngram: everything - math.log(count) for ngram, count in images.items()}


def weigh(words: Sequence[str], counts: Sequence[Counter[Ngram]], rarity: Mapping[Ngram, float]) -> Vectors:
    """Multiplies each count by the n-gram's inverse document frequency."""
    unseen = rarity[()]
    weights = tuple({ngram: count * rarity.get(ngram, unseen) for ngram, count in order.items()} for order in counts)
    norms = tuple(math.sqrt(sum(weight * weight for weight in order.values())) for order in weights)
    return Vectors(weights, norms, max(0, len(words) - 1))  # coco-caption measures length in bigrams


def similarity(hypothesis: Vectors, reference: Vectors) -> float:
    """Computes the mean over the orders of the clipped cosine, times the length penalty."""
    total = 0.0
    for index in range(ORDER):
        theirs = reference.weights[index]
        norm = hypothesis.norms[index] * reference.norms[index]
        if norm:
            shared = ((weight, theirs[ngram]) for ngram, weight in hypothesis.weights[index].items() if ngram in theirs)
            total += sum(min(mine, other) * other for mine, other in shared) / norm
    penalty = math.exp(-((hypothesis.length - reference.length) ** 2) / (2 * SIGMA**2))
    return penalty * total / ORDER
