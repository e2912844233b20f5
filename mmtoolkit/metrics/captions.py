"""Scores generated captions as coco-caption does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.bleu import bleu_scores, bleu_statistics
from mmtoolkit.metrics.cider import cider_by_image
from mmtoolkit.metrics.intervals import Bootstrap, Interval
from mmtoolkit.metrics.rouge import sentence_rouge_l
from mmtoolkit.metrics.tokenizer import char_tokenize, ptb_tokenize
from mmtoolkit.scripts import unspaced_script
from mmtoolkit.task import Metric, Texts, summed

Id = TypeVar("Id", bound=Hashable)

ORDERS = range(1, 5)  # of BLEU
STATISTICS = (  # what `caption_statistics` gives for each image
    "images",
    *(f"right {order}-grams" for order in ORDERS),
    *(f"{order}-grams" for order in ORDERS),
    "words",
    "wanted words",
    "ROUGE-L",
    "CIDEr",
)
TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"ptb": ptb_tokenize, "char": char_tokenize, "none": str.split}


def score_captions(
    hypotheses: Mapping[Id, str] | Sequence[str],
    references: Mapping[Id, Sequence[str]] | Sequence[Sequence[str]],
    *,
    tokenize: str = "ptb",
) -> dict[str, float]:
    """Computes BLEU-1 to BLEU-4 and ROUGE-L in percent, and CIDEr on its usual scale (e.g. 0.9).

    Example:
        >>> scores = score_captions({1: "A dog runs."}, {1: ["a dog runs", "The dog is running."]})
        >>> list(scores), round(scores["BLEU-1"])
        (['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr'], 100)

    Args:
        hypotheses: The generated caption of each image, by image or in a list.
        references: The reference captions of each image, one or more, by image or in a list of as many.
        tokenize: `"ptb"` as in coco-caption (lower case, no punctuation), `"char"` with each character of scripts
            without spaces apart, or `"none"` for sentences that are words between blanks already.

    Raises:
        InputError: Nothing to score, an image on one side only, an image without references, an unknown `tokenize`.
    """
    statistics = caption_statistics(by_image(hypotheses), by_image(references), tokenize=tokenize)
    return corpus_scores(summed(statistics))


def by_image(texts: Any) -> Mapping[Any, Any]:
    """Numbers texts that are in a list.

    Raises:
        InputError: They are something else.
    """
    if isinstance(texts, Mapping):
        return texts
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputError(f"Expected texts by image, or a list of them. Received: {type(texts).__name__}.")
    return dict(enumerate(texts))


def confidence_intervals(
    hypotheses: Mapping[Id, str],
    references: Mapping[Id, Sequence[str]],
    *,
    tokenize: str = "ptb",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Computes the bootstrap interval of every score of `score_captions`.

    CIDEr keeps the document frequencies of all the references in every resample.

    Example:
        >>> hypotheses = {1: "A dog runs.", 2: "A cat sits."}
        >>> intervals = confidence_intervals(hypotheses, {1: ["a dog runs"], 2: ["a cat on a mat"]})
        >>> [round(score) for score in intervals["BLEU-1"]]
        [34, 100]

    Args:
        hypotheses: The generated caption of each image.
        references: The reference captions of each image; one or more.
        tokenize: As in `score_captions`.
        resamples: How many times the images are drawn anew, with replacement.
        level: The share of the resamples' scores inside the interval.
        seed: The seed of the random numbers.

    Raises:
        InputError: As `score_captions`; no resample, or a level that is no share.
    """
    bootstrap = Bootstrap(resamples=resamples, level=level, seed=seed)
    return bootstrap(caption_statistics(hypotheses, references, tokenize=tokenize), corpus_scores)


def caption_statistics(
    hypotheses: Mapping[Id, str], references: Mapping[Id, Sequence[str]], *, tokenize: str = "ptb"
) -> list[tuple[float, ...]]:
    """Computes what each image adds to the scores: 1 for itself, its BLEU counts, its ROUGE-L and its CIDEr.

    Their names are `STATISTICS`.
    """
    sentences, wanted = in_words(hypotheses, references, tokenize=tokenize)
    return [
        (1, *bleu_statistics(words, others), sentence_rouge_l(words, others), cider)
        for words, others, cider in zip(sentences, wanted, cider_by_image(sentences, wanted), strict=True)
    ]


def tokenizer_of(references: Collection[Sequence[str]]) -> str:
    """Returns the name of the tokenizer for captions like these: `"char"` where words have no spaces between them."""
    return "ptb" if unspaced_script(caption for captions in references for caption in captions) is None else "char"


def corpus_scores(totals: Sequence[float]) -> dict[str, float]:
    """Computes the scores by name from the sums of `caption_statistics` over a corpus."""
    images, *counts, rouge, cider = totals
    scores = {f"BLEU-{order}": score for order, score in enumerate(bleu_scores(counts), 1)}
    return scores | {"ROUGE-L": 100 * rouge / images, "CIDEr": cider / images}


def in_words(
    hypotheses: Mapping[Id, str], references: Mapping[Id, Sequence[str]], *, tokenize: str
) -> tuple[list[list[str]], list[list[list[str]]]]:
    """Checks hypotheses and references, and splits both into words, in the order of the hypotheses."""
    if tokenize not in TOKENIZERS:
        raise InputError(f"tokenize expects {', '.join(map(repr, TOKENIZERS))}. Received: {tokenize!r}.")
    check_ids(hypotheses, references)
    split = TOKENIZERS[tokenize]
    wanted = [[split(caption) for caption in references[identity]] for identity in hypotheses]
    return [split(caption) for caption in hypotheses.values()], wanted


def check_ids(hypotheses: Mapping[Id, str], references: Mapping[Id, Sequence[str]]) -> None:
    """Checks that hypotheses and references are texts for the same images."""
    if not hypotheses:
        raise InputError("score_captions expects at least one hypothesis. Received: none.")
    alone = [identity for identity in hypotheses if identity not in references]
    if alone:
        raise InputError(f"Every hypothesis needs references. Received: none for {some(alone)}.")
    silent = [identity for identity in references if identity not in hypotheses]
    if silent:
        raise InputError(f"Every image with references needs a hypothesis. Received: none for {some(silent)}.")
    for identity, caption in hypotheses.items():
        if not isinstance(caption, str):
            raise InputError(f"Image {identity!r} expects one caption as its hypothesis. Received: {caption!r}.")
    for identity, captions in references.items():
        if isinstance(captions, str) or not captions or not all(isinstance(caption, str) for caption in captions):
            raise InputError(f"Image {identity!r} expects a list of reference captions. Received: {captions!r}.")


def some(identities: Iterable[Hashable]) -> str:
    """Returns the number of ids and the first few of them, for a message.

    Example:
        >>> some([1, 2, 3, 4, 5, 6, 7])
        '7 images: 1, 2, 3, 4, 5, …'
    """
    named = [repr(identity) for identity in identities]
    shown = ", ".join(named[:5]) + (", …" if len(named) > 5 else "")
    return f"{len(named)} image{'s' if len(named) > 1 else ''}: {shown}"


class CaptionMetric(Metric):
    """BLEU, ROUGE-L and CIDEr as a task's metric; states of a model are ranked by BLEU-4, ties by CIDEr.

    A few short captions often have no 4-gram right, so that BLEU-4 alone cannot rank the states.

    Example:
        >>> round(CaptionMetric().score({"1": "a dog"}, {"1": ["a dog"]})["BLEU-1"])
        100
    """

    names = ("BLEU-4", "BLEU-1", "BLEU-2", "BLEU-3", "ROUGE-L", "CIDEr")
    columns: ClassVar[tuple[str, ...]] = STATISTICS
    ties = ("CIDEr",)
    row_scores = ("CIDEr", "ROUGE-L")
    corpus_weighted = frozenset({"CIDEr"})

    def statistics(self, outputs: Texts, references: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, ...]]:
        split = tokenizer_of(references.values())
        return dict(zip(outputs, caption_statistics(outputs, references, tokenize=split), strict=True))

    def scores(self, sums: Sequence[float]) -> dict[str, float]:
        return corpus_scores(sums)

    def digits(self, name: str) -> int:
        return 3 if name == "CIDEr" else 2
