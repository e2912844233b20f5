"""Writes captions for a whole data set and scores them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from PIL import Image

from mmtoolkit.decoding import Search
from mmtoolkit.evaluation.derangement import derangement
from mmtoolkit.evaluation.groups import CAPTION_GROUPS, caption_groups, grouped
from mmtoolkit.evaluation.judge import Judge
from mmtoolkit.evaluation.rows import fingerprint
from mmtoolkit.evaluation.versions import versions
from mmtoolkit.metrics import (
    Bootstrap,
    caption_statistics,
    corpus_scores,
    known_share,
    mean_words,
    repeated_share,
    score_captions,
    signature,
    totals,
    unique_share,
)
from mmtoolkit.metrics.captions import STATISTICS
from mmtoolkit.models import Captioner
from mmtoolkit.models.model import search_config
from mmtoolkit.pictures import attention_picture
from mmtoolkit.records import CaptionRecord
from mmtoolkit.vision import ImageSource, read_image


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
        written = captioner.decode({source.input_name: source.read([record.image for record in chunk])}, decoding)
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


CAPTIONS: Judge = Judge(judge_captions, ("BLEU-4", "BLEU-1", "BLEU-2", "BLEU-3", "ROUGE-L", "CIDEr"))


def evaluate_captions(
    captioner: Captioner,
    records: Sequence[CaptionRecord],
    *,
    source: ImageSource,
    decoding: Search | None = None,
    train_records: Sequence[CaptionRecord] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """A report: scores with their intervals, what the same captions score on the wrong pictures, and examples.

    Args:
        captioner: The model.
        records: Pictures with captions.
        source: Where the features or pixels come from.
        decoding: A search in place of the model's default.
        learnt: What the model was trained on: the report then says how many captions were learnt by heart.
        seed: Of the pictures drawn for each other.
        progress: Called with (done, total) after each batch.

    Returns:
        A JSON object that begins with `scores` and their 95 % bootstrap `intervals`; percentages 0-100 except CIDEr.
        `groups` are examples from right to unrelated (`caption_groups`); `rows` hold each caption with its group and
        what it adds to the scores.
    """
    captions = write_captions(captioner, records, source=source, decoding=decoding, progress=progress)
    references = {record.image_id: list(record.captions) for record in records}
    shuffled = {name: captions[other] for name, other in derangement(list(captions), seed).items()}
    statistics, bootstrap = caption_statistics(captions, references), Bootstrap()
    kinds, marks = caption_groups(captions, references, seed=seed)
    examples: list[dict[str, Any]] = [
        {"image_id": key, "caption": caption, "CIDEr": row[-1], "references": references[key]}
        for (key, caption), row in zip(captions.items(), statistics, strict=True)
    ]
    return {
        "scores": corpus_scores(totals(statistics)),
        "intervals": bootstrap(statistics, corpus_scores),
        "baselines": {"captions of other pictures": score_captions(shuffled, references)} if len(captions) > 1 else {},
        "images": len(records),
        **style_of(list(captions.values()), references.values(), train_records),
        "signature": signature(references.values(), bootstrap=bootstrap),
        "decoding": search_config(decoding or captioner.decoding),
        "groups": grouped(examples, CAPTION_GROUPS, lambda example: kinds[example["image_id"]]),
        "group_marks": dict(zip(CAPTION_GROUPS, marks, strict=False)),
        "rows": [
            {**{key: example[key] for key in ("image_id", "caption")}, "group": kinds[example["image_id"]]}
            | {"references": fingerprint(example["references"])}
            | dict(zip(STATISTICS, row, strict=True))
            for example, row in zip(examples, statistics, strict=True)
        ],
        "versions": versions(),
    }


def style_of(
    captions: Sequence[str], references: Iterable[Sequence[str]], train_records: Sequence[CaptionRecord]
) -> dict[str, float]:
    """How varied the captions are, and how long beside those of people."""
    found = {"unique_captions": unique_share(captions), "repeated_captions": repeated_share(captions)}
    found |= {"mean_words": mean_words(captions)}
    found |= {"reference_words": mean_words([caption for given in references for caption in given])}
    if train_records:
        found["learnt_captions"] = known_share(captions, (text for record in train_records for text in record.captions))
    return found


def attention_sheet(captioner: Captioner, image: Path, caption: str, attention_weights: ArrayLike) -> Image.Image:
    """The picture once per word of a caption, as the model saw it, with the attention over it.

    Args:
        captioner: The model.
        image: The picture's file.
        caption: What the model wrote.
        attention_weights: `<float>[words, regions]`, from `captioner.attention_weights`.

    Raises:
        InputError: The font lacks a character of the caption.
    """
    (words,) = captioner.codec.split([caption])
    return attention_picture(read_image(image, size=captioner.image_size), words, attention_weights)
