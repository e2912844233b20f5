"""Writes captions for a whole data set and scores them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from PIL import Image

from mmtoolkit.decoding import Search
from mmtoolkit.evaluation.judge import Judge
from mmtoolkit.evaluation.versions import versions
from mmtoolkit.metrics import (
    Bootstrap,
    caption_statistics,
    corpus_scores,
    score_captions,
    signature,
    totals,
    unique_share,
)
from mmtoolkit.models import Captioner
from mmtoolkit.models.task import search_config
from mmtoolkit.pictures import attention_picture
from mmtoolkit.records import CaptionRecord
from mmtoolkit.vision import ImageSource, read_image

EXAMPLES = 20


def write_captions(
    captioner: Captioner,
    records: Sequence[CaptionRecord],
    *,
    source: ImageSource,
    decoding: Search | None = None,
    batch_size: int = 50,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """The best caption of every record, by image id.

    Args:
        captioner: The model.
        records: Pictures to caption.
        source: Where their features or pixels come from.
        decoding: A search in place of the model's default.
        batch_size: Pictures a forward pass.
        progress: Called with (done, total) after each batch.
    """
    captions: dict[str, str] = {}
    for start in range(0, len(records), batch_size):
        chunk = records[start : start + batch_size]
        written = captioner.write({source.input_name: source.read([record.image for record in chunk])}, decoding)
        captions.update({record.image_id: best[0].text for record, best in zip(chunk, written, strict=True)})
        if progress:
            progress(len(captions), len(records))
    return captions


def judge_captions(
    captioner: Captioner, records: Sequence[CaptionRecord], source: ImageSource
) -> tuple[dict[str, str], dict[str, float]]:
    """The captions of all records, by image id, and their scores."""
    captions = write_captions(captioner, records, source=source)
    return captions, score_captions(captions, {record.image_id: record.captions for record in records})


CAPTIONS = Judge(judge_captions, ("BLEU-4", "BLEU-1", "BLEU-2", "BLEU-3", "ROUGE-L", "CIDEr"))


def evaluate_captions(
    captioner: Captioner,
    records: Sequence[CaptionRecord],
    *,
    source: ImageSource,
    decoding: Search | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """A report: scores with their intervals, what the same captions score on the wrong pictures, and examples.

    Returns:
        A JSON object that begins with `scores` and their 95 % bootstrap `intervals`; percentages 0-100 except CIDEr.
    """
    captions = write_captions(captioner, records, source=source, decoding=decoding, progress=progress)
    references = {record.image_id: list(record.captions) for record in records}
    shuffled = dict(zip(captions, random.Random(seed).sample(list(captions.values()), len(captions)), strict=True))
    statistics, bootstrap = caption_statistics(captions, references), Bootstrap()
    return {
        "scores": corpus_scores(totals(statistics)),
        "intervals": bootstrap(statistics, corpus_scores),
        "baselines": {"captions of other pictures": score_captions(shuffled, references)},
        "images": len(records),
        "unique_captions": unique_share(captions.values()),
        "signature": signature(references.values(), bootstrap=bootstrap),
        "decoding": search_config(decoding or captioner.decoding),
        "examples": [
            {"image_id": record.image_id, "caption": captions[record.image_id], "references": list(record.captions)}
            for record in records[:EXAMPLES]
        ],
        "versions": versions(),
    }


def attention_sheet(captioner: Captioner, image: Path, caption: str, alignments: ArrayLike) -> Image.Image:
    """The picture once per word of a caption, as the model saw it, with the attention over it.

    Args:
        captioner: The model.
        image: The picture's file.
        caption: What the model wrote.
        alignments: `<float>[words, regions]`, from `captioner.attend`.

    Raises:
        InputError: The font lacks a character of the caption.
    """
    (words,) = captioner.codec.split([caption])
    return attention_picture(read_image(image, size=captioner.image_size), words, alignments)
