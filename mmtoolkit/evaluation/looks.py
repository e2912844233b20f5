"""The pictures of a report's examples as the model saw them, and where it looked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.models import Captioner, VisualQA
from mmtoolkit.records import CaptionRecord, QuestionRecord
from mmtoolkit.reports import Look
from mmtoolkit.vision import ImageSource, read_image

SIDE = 224  # pixels of a picture on the page


def caption_looks(
    captioner: Captioner, records: Sequence[CaptionRecord], source: ImageSource, report: Mapping[str, Any]
) -> dict[str, Look]:
    """By image id, a map under each word of the examples' captions."""
    held = {record.image_id: record for record in records}
    found = shown(report)
    captions = [example["caption"] for example in found]
    images = [held[example["image_id"]].image for example in found]
    maps: list[Any] = [()] * len(found)
    if found and captioner.has_attention:
        maps = captioner.attention_weights({source.input_name: source.read(images)}, captions)
    pictures = [picture(captioner, image) for image in images]
    split = captioner.codec.split(captions)
    return {
        example["image_id"]: Look(seen, words, grids(rows))
        for example, seen, words, rows in zip(found, pictures, split, maps, strict=True)
    }


def answer_looks(
    model: VisualQA, records: Sequence[QuestionRecord], source: ImageSource | None, report: Mapping[str, Any]
) -> dict[str, Look]:
    """By question id, a map under each look at the examples' pictures; the answer stands under the last."""
    held = {record.question_id: record for record in records}
    found = shown(report)
    asked = [held[example["question_id"]] for example in found]
    maps: list[Any] = [()] * len(found)
    if found and model.has_attention:
        inputs = model.inputs_for([record.image for record in asked], [record.question for record in asked], source)
        maps = list(model.attention_weights(inputs))
    looks: dict[str, Look] = {}
    for example, record, rows in zip(found, asked, maps, strict=True):
        words = [*(f"look {number}" for number in range(1, len(rows))), example["answer"]]
        looks[example["question_id"]] = Look(picture(model, record.image), words, grids(rows))
    return looks


def shown(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The examples of all groups."""
    return [example for group in report["groups"].values() for example in group["examples"]]


def picture(model: Captioner | VisualQA, image: Path) -> Image.Image:
    """A picture as the model saw it, large enough to be looked at; a grey one in the place of one that is damaged."""
    try:
        seen = Image.fromarray(read_image(image, size=max(SIDE, model.image_size)))
    except InputError:  # a model that reads questions alone has not looked at it
        return Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    return seen.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def grids(rows: Any) -> list[np.ndarray]:
    """Attention over regions in reading order as square maps."""
    side = math.isqrt(np.shape(rows)[1]) if len(rows) else 0
    return [np.asarray(row, np.float32).reshape(side, side) for row in rows]
