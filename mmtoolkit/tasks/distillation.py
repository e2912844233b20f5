"""Distils captioners: a student is trained on what they write as well as on what people wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmtoolkit.metrics import tokenizer_of
from mmtoolkit.metrics.rewards import CaptionReward, Reward
from mmtoolkit.records import CaptionRecord
from mmtoolkit.tasks.objectives import Around

if TYPE_CHECKING:
    from mmtoolkit.models import Captioner

BATCH = 32  # pictures captioned at a time
CANDIDATES = 20  # captions of a picture among which the best are chosen


def distilled(
    records: Sequence[CaptionRecord],
    teacher: Captioner,
    source: Any,
    *,
    keep: int = 5,
    measure: Reward = "cider",
    progress: Callable[[int, int], None] | None = None,
) -> list[CaptionRecord]:
    """Adds to the captions of each picture those of a teacher that agree most with them.

    Example:
        >>> teacher = mm.load("shapes_demo")
        >>> taught = distilled(records, teacher, teacher.image_source(), keep=2)
        >>> len(taught[0].captions) - len(records[0].captions)
        2

    Args:
        records: The training records.
        teacher: A captioner, or a `CaptionerEnsemble`.
        source: Where the teacher's features or pixels come from.
        keep: Captions that are added to each picture, at most.
        measure: By which the best of a beam are chosen; see `CaptionReward`.
        progress: Called with (done, total).

    Source: Kim & Rush, "Sequence-Level Knowledge Distillation", 2016, section 3.3 (interpolation), of which the measure
        is CIDEr in place of BLEU.
    """
    from mmtoolkit.decoding import BeamSearch

    references = {record.id: record.captions for record in records}
    reward = CaptionReward(references, kind=measure, tokenize=tokenizer_of(references.values()))
    usual: Any = teacher.decoding
    search = BeamSearch(
        width=CANDIDATES,
        n_best=CANDIDATES,
        length_penalty=getattr(usual, "length_penalty", 0.7),
        no_repeat_ngram=getattr(usual, "no_repeat_ngram", 0),
    )
    taught: list[CaptionRecord] = []
    for start in range(0, len(records), BATCH):
        part = records[start : start + BATCH]
        written = teacher.decode({source.input_name: source.read([record.image for record in part])}, search)
        for record, captions in zip(part, written, strict=True):
            texts = list(dict.fromkeys(caption.text for caption in captions if caption.text))
            scores = dict(zip(texts, reward(record.id, texts, [True] * len(texts)), strict=True))
            best = sorted(texts, key=scores.__getitem__, reverse=True)[:keep]
            taught.append(replace(record, captions=(*record.captions, *best), sources=()))
        if progress:
            progress(min(start + BATCH, len(records)), len(records))
    return taught


class OfRecords(Around):
    """Trains on other records than those of the data set, e.g. distilled ones.

    Args:
        objective: What is minimised.
        records: The records.
    """

    def __init__(self, objective: Any, records: Sequence[Any]) -> None:
        super().__init__(objective)
        self.records = records

    def dataset(self, model: Any, records: Sequence[Any], source: Any, **order: Any) -> Any:
        """Makes the `tf.data.Dataset` of training batches from a position on."""
        return self.objective.dataset(model, self.records, source, **order)
