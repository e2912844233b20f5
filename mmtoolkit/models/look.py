"""What a model makes of one picture, with its attention, to be looked at."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.installation import install_command
from mmtoolkit.pictures import draw
from mmtoolkit.task import PictureView
from mmtoolkit.vision import picture_view


@dataclass(frozen=True)
class Look:
    """Holds what a model makes of one picture; a notebook shows it as a picture.

    Example:
        >>> look = captioner.look("a.jpg")
        >>> look.text, look.attention.shape      # eleven words
        ('a purple triangle is to the left of a red square', (11, 8, 8))
        >>> look.save("attention.png")

    Args:
        text: The caption or the answer.
        score: Its score: see `Caption` and `Answer`.
        view: The picture with the attention over it.
    """

    text: str
    score: float
    view: PictureView

    @property
    def attention(self) -> np.ndarray | None:
        """Returns the attention, `<float32>[words, rows, columns]`; `None` of a model without."""
        return self.view.maps

    @cached_property
    def picture(self) -> Image.Image:
        """Draws the picture, and once for each word with the attention over it."""
        return draw(self.view)

    def save(self, path: str | Path) -> None:
        """Writes `picture` as a file, in the format of its ending.

        Raises:
            InputError: The ending is of no format of pictures.
        """
        target = Path(path)
        kind = Image.registered_extensions().get(target.suffix.lower())
        if kind not in Image.SAVE:
            raise InputError(f"Expected a picture's name, such as NAME.png. Received: {target}.")
        write_atomically(target, lambda file: self.picture.save(file, kind))

    def plot(self) -> Any:
        """Draws `picture` as a matplotlib figure.

        Raises:
            InputError: matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise InputError(f"plot() needs matplotlib. Received: none; {install_command('plots')}.") from error
        width, height = self.picture.size
        figure = Figure(figsize=(width / 100, height / 100), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(np.asarray(self.picture))
        axes.set_axis_off()
        return figure

    def _repr_png_(self) -> bytes:
        data = io.BytesIO()
        self.picture.save(data, "PNG")
        return data.getvalue()

    def __repr__(self) -> str:
        return f"Look({self.text!r}, score={self.score:.3f})"


def caption_views(
    model: Any, inputs: Mapping[str, Any], images: Sequence[Any], captions: Sequence[str]
) -> list[PictureView]:
    """Makes the views of pictures with the attention of each word of their captions.

    Args:
        model: A captioner.
        inputs: The inputs of its `decode`.
        images: The pictures.
        captions: A caption for each.
    """
    weights = model.attention_weights(inputs, captions) if images and model.has_attention else [None] * len(images)
    return [
        picture_view(image, words, each, grid=model.grid)
        for image, words, each in zip(images, model.codec.split(captions), weights, strict=True)
    ]


def question_views(
    model: Any, inputs: Mapping[str, Any], images: Sequence[Any], questions: Sequence[str], answers: Sequence[str]
) -> list[PictureView]:
    """Makes the views of pictures with the attention of each hop; the answer belongs to the last one.

    Args:
        model: A question-answerer.
        inputs: The inputs of its `decode`.
        images: The picture of each question.
        questions: The questions.
        answers: An answer to each.
    """
    attended = bool(images) and model.has_attention
    grid, weights = (model.grid, model.attention_weights(inputs)) if attended else ((1, 1), [None] * len(images))
    hops = [f"hop {number}" for number in range(1, model.fusion.hops)] if attended else []
    return [
        picture_view(image, [*hops, answer], each, grid=grid, title=question)
        for image, question, answer, each in zip(images, questions, answers, weights, strict=True)
    ]
