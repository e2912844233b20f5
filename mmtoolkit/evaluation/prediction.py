"""Predictions for whole data sets, over any task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmtoolkit.decoding import Search
from mmtoolkit.errors import InputError
from mmtoolkit.task import Example, Output, Task
from mmtoolkit.vision import ImageSource, ReadImages

BATCH = 16  # examples per forward pass where each is shown as soon as it is computed


class Prediction(NamedTuple):
    """A model's prediction for one example.

    Args:
        example: The example.
        outputs: The model's outputs, best first; none where the image cannot be read.
        source: The image that was read, for a view; `None` for a model without images.
        distance: How far the image is from the training images, where that is known.
        error: Why the image cannot be read.
    """

    example: Any
    outputs: list[Any]
    source: ImageSource | None = None
    distance: float | None = None
    error: InputError | None = None


def predict(
    task: Task[Any],
    model: Any,
    examples: Sequence[Example],
    *,
    source: ImageSource | None = None,
    search: Search | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[Output]]:
    """Predicts the outputs of all examples, best first, by id.

    Example:
        >>> predict(mm.captioning, captioner, records[:2], source=source)["images/000002.png"][0].text
        'a purple triangle is to the left of a red square'

    Args:
        task: The task of the model.
        model: The model.
        examples: What to predict for.
        source: Where features or pixels come from; `None` for a model without images.
        search: A search in place of the model's own.
        batch_size: Examples per forward pass; by default the task's.
        progress: Called with (done, total) after each batch.

    Raises:
        InputError: An image cannot be read.
    """
    outputs: dict[str, list[Output]] = {}
    for batch in batches(examples, batch_size or task.batch_size):
        found = model.decode(task.inputs(model, batch, source), search)
        outputs.update({example.id: best for example, best in zip(batch, found, strict=True)})
        if progress:
            progress(len(outputs), len(examples))
    return outputs


def texts(task: Task[Any], model: Any, examples: Sequence[Example], source: ImageSource | None) -> dict[str, str]:
    """Predicts the best output of each example as text, by id."""
    found = predict(task, model, examples, source=source, search=task.search(model))
    return {key: best[0].text for key, best in found.items()}


def predictions(
    task: Task[Any],
    model: Any,
    examples: Sequence[Any],
    *,
    source: ImageSource | None = None,
    search: Search | None = None,
    batch_size: int | None = None,
) -> Iterator[Prediction]:
    """Yields the prediction for each example; an image that cannot be read costs its own example only.

    The encoder of images runs once for outputs and distance together.

    Args:
        task: The task of the model.
        model: The model.
        examples: What to predict for.
        source: Where features or pixels come from; `None` for a model without images.
        search: A search in place of the model's own.
        batch_size: Examples per forward pass, 16 by default: each prediction is yielded as soon as it is computed.
    """
    for batch in batches(examples, batch_size or BATCH):
        images = read_images(source, [example.image for example in batch]) if source else None
        good = [example for example in batch if not images or example.image in images.rows]
        inputs = model.encoded(task.inputs(model, good, images)) if good else {}
        outputs = iter(model.decode(inputs, search) if good else ())
        distances = model.distances(inputs) if good else None
        distance = iter([None] * len(good) if distances is None else distances.tolist())
        for example in batch:
            if images and example.image in images.errors:
                yield Prediction(example, [], error=images.errors[example.image])
            else:
                yield Prediction(example, next(outputs), images, next(distance))


def read_images(source: ImageSource, paths: Sequence[Path]) -> ReadImages:
    """Reads images together, and one by one where that fails, so that each error belongs to its image."""
    paths = list(dict.fromkeys(paths))
    try:
        return ReadImages(source, dict(zip(paths, source.read(paths), strict=True)))
    except InputError as error:
        if len(paths) == 1:
            return ReadImages(source, {}, {paths[0]: error})
    alone = [read_images(source, [path]) for path in paths]
    rows = {path: row for read in alone for path, row in read.rows.items()}
    return ReadImages(source, rows, {path: error for read in alone for path, error in read.errors.items()})


def batches(examples: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Cuts examples into batches."""
    return [examples[start : start + size] for start in range(0, len(examples), size)]
