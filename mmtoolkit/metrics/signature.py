"""Builds the signature of scores: one line with everything that they depend on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mmtoolkit import __version__
from mmtoolkit.metrics.intervals import Bootstrap


def signature(
    references: Collection[Sequence[str]],
    *,
    tokenize: str = "ptb",
    bootstrap: Bootstrap | None = None,
    meteor: bool = False,
) -> str:
    """Returns one line with all settings that scores depend on; only scores with equal lines are comparable.

    Example:
        >>> signature([["a dog runs", "the dog runs"], ["a cat"]], bootstrap=Bootstrap()).partition("|mmtoolkit:")[0]
        'BLEU:coco|ROUGE-L:coco|CIDEr:coco-D|df:references|tokenizer:ptb|images:2|references:1-2|bootstrap:1000|level:95|seed:0'

    Args:
        references: The reference captions of each image.
        tokenize: As in `score_captions`.
        bootstrap: The bootstrap of the intervals.
        meteor: Whether METEOR is among the scores.

    Source: Post 2018, "A call for clarity in reporting BLEU scores".
    """
    counts = {len(captions) for captions in references}
    parts = {"BLEU": "coco", "ROUGE-L": "coco", "CIDEr": "coco-D", "df": "references"}
    if meteor:
        parts["METEOR"] = "1.5-en-norm"
    parts |= {"tokenizer": tokenize, "images": str(len(references))}
    parts["references"] = "-".join(map(str, sorted({min(counts), max(counts)})))
    if bootstrap:
        level = f"{100 * bootstrap.level:g}"
        parts |= {"bootstrap": str(bootstrap.resamples), "level": level, "seed": str(bootstrap.seed)}
    return "|".join(f"{name}:{value}" for name, value in (parts | {"mmtoolkit": __version__}).items())
