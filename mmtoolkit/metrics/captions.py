"""The scores of generated captions, as coco-caption counts them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.bleu import bleu
from mmtoolkit.metrics.cider import cider
from mmtoolkit.metrics.rouge import rouge_l
from mmtoolkit.metrics.tokenizer import ptb_tokenize

Id = TypeVar("Id", bound=Hashable)

TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"ptb": ptb_tokenize, "none": str.split}


def score_captions(
    hypotheses: Mapping[Id, str], references: Mapping[Id, Sequence[str]], *, tokenize: str = "ptb"
) -> dict[str, float]:
    """BLEU-1 to BLEU-4 and ROUGE-L in percent, and CIDEr as it is usually printed (0.9, say).

    Example:
        >>> scores = score_captions({1: "A dog runs."}, {1: ["a dog runs", "The dog is running."]})
        >>> list(scores), round(scores["BLEU-1"])
        (['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr'], 100)

    Args:
        hypotheses: The generated caption of each image.
        references: The reference captions of each image; one or more.
        tokenize: `"ptb"` as in coco-caption (lower case, no punctuation), or `"none"` for sentences that are words
            between blanks already.

    Raises:
        InputError: Nothing to score, an image on one side only, an image without references, an unknown `tokenize`.
    """
    if tokenize not in TOKENIZERS:
        raise InputError(f"tokenize expects 'ptb' or 'none'. Received: {tokenize!r}.")
    check_ids(hypotheses, references)
    split = TOKENIZERS[tokenize]
    said = [split(caption) for caption in hypotheses.values()]
    wanted = [[split(caption) for caption in references[identity]] for identity in hypotheses]
    scores = {f"BLEU-{order}": score for order, score in enumerate(bleu(said, wanted), 1)}
    return scores | {"ROUGE-L": rouge_l(said, wanted), "CIDEr": cider(said, wanted)}


def check_ids(hypotheses: Mapping[Id, str], references: Mapping[Id, Sequence[str]]) -> None:
    """Refuses what cannot be scored."""
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
        if isinstance(captions, str) or not captions:
            raise InputError(f"Image {identity!r} expects a list of reference captions. Received: {captions!r}.")


def some(identities: Iterable[Hashable]) -> str:
    """The first few ids in words.

    Example:
        >>> some([1, 2, 3, 4, 5, 6, 7])
        '7 images: 1, 2, 3, 4, 5, …'
    """
    named = [repr(identity) for identity in identities]
    shown = ", ".join(named[:5]) + (", …" if len(named) > 5 else "")
    return f"{len(named)} image{'s' if len(named) > 1 else ''}: {shown}"
