"""Validation of a training by what the model outputs."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mmtoolkit.errors import InputError
from mmtoolkit.evaluation.prediction import predict
from mmtoolkit.models import Model
from mmtoolkit.task import Task, summed
from mmtoolkit.vision import ImageSource

WORST = (float("-inf"),)  # every state ranks higher
FEW = 20  # groups of a validation split: with fewer, scores of outputs are too coarse to choose by


class DecodedValidation(keras.callbacks.Callback):
    """Scores a model's outputs after each epoch, keeps the best state as a preset, and stops when none is better.

    With fewer than `FEW` groups, the loss decides, unless the metric is fine: hardly any output of so few is quite
    right in one state and wrong in the next.

    Example:
        >>> captioner = mm.load("shapes_demo")
        >>> captioner.compile(mm.adam(1e-4, steps=1), loss=mm.token_loss())
        >>> validation = DecodedValidation(mm.captioning, splits.valid, source=source, preset=Path("mine"))
        >>> data = mm.caption_dataset(records[:2], captioner.codec, features=source)
        >>> history = captioner.fit(data, shuffle=False, callbacks=[validation])
        >>> mm.load("mine").image_size
        64

    Args:
        task: The task of the model.
        records: The validation split.
        source: Where its features or pixels come from; `None` for a model without images.
        preset: Where the best model is kept.
        monitor: The score that decides; the first of the metric's by default.
        patience: Epochs without a better score before training stops.
        card: What the preset's card has besides the scores.
        watch: Called after each epoch with the model, the number of the epoch (from 1) and the outputs by id.

    Raises:
        InputError: There is no score of the name `monitor`.
    """

    def __init__(
        self,
        task: Task[Any],
        records: Sequence[Any],
        *,
        source: ImageSource | None,
        preset: Path,
        monitor: str | None = None,
        patience: int = 5,
        card: Mapping[str, Any] | None = None,
        watch: Callable[[Any, int, Mapping[str, str]], None] | None = None,
    ) -> None:
        super().__init__()
        metric = task.metric
        monitor = metric.names[0] if monitor is None else monitor
        if monitor not in metric.names:
            raise InputError(f"The score that decides is one of {', '.join(metric.names)}. Received: {monitor!r}.")
        self.task, self.records, self.source, self.preset = task, records, source, preset
        self.monitor, self.patience, self.card = monitor, patience, dict(card or {})
        self.watch = watch
        self.best: tuple[float, ...] = WORST
        self.best_epoch = -1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with averaged(self.model):
            self.validate(epoch, {} if logs is None else logs)

    def validate(self, epoch: int, logs: dict[str, Any]) -> None:
        """Scores the outputs; saves the model if it is the best so far, stops if none was for `patience` epochs."""
        model: Model = self.model
        started, metric = time.perf_counter(), self.task.metric
        found = predict(self.task, model, self.records, source=self.source, search=self.task.search(model))
        best = {key: outputs[0] for key, outputs in found.items()}
        scores = metric.scores(summed(self.task.statistics(best, self.records).values()))
        logs.update({f"val_{name}": score for name, score in scores.items()})
        rank, loss = standing(self.task, model, self.records, self.source, scores, self.monitor)
        logs.update({} if loss is None else {"val_loss": loss})
        logs["val_seconds"] = time.perf_counter() - started
        if rank > self.best:
            self.best, self.best_epoch = rank, epoch
            model.save_preset(self.preset, card={**self.card, "valid_scores": scores, "epoch": epoch + 1})
        elif epoch - self.best_epoch >= self.patience:
            model.stop_training = True
        if self.watch:
            self.watch(model, epoch + 1, {key: output.text for key, output in best.items()})

    def progress(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps of it, as JSON."""
        return {"best": list(self.best) if self.best_epoch >= 0 else None, "best_epoch": self.best_epoch}

    def go_on(self, progress: Mapping[str, Any]) -> None:
        """Goes on from what `progress` returned."""
        self.best = WORST if progress["best"] is None else tuple(progress["best"])
        self.best_epoch = progress["best_epoch"]


def standing(
    task: Task[Any],
    model: Model,
    records: Sequence[Any],
    source: ImageSource | None,
    scores: Mapping[str, float],
    monitor: str,
) -> tuple[tuple[float, ...], float | None]:
    """Ranks a state of a model among others by its validation scores, or by its loss on few groups.

    Args:
        task: The task of the model.
        model: The model.
        records: The validation split.
        source: Where its features or pixels come from.
        scores: The scores of the model's outputs for it.
        monitor: The score that decides.

    Returns:
        What states are compared by, larger is better; and the loss where that decides.
    """
    if task.metric.is_fine or len({record.group for record in records}) >= FEW:
        return task.metric.rank(scores, monitor), None
    loss = mean_loss(task, model, records, source)
    return (-round(loss, 4),), loss


def mean_loss(task: Task[Any], model: Model, records: Sequence[Any], source: ImageSource | None) -> float:
    """Computes the mean over batches of the loss without label smoothing and without dropout."""
    loss = task.loss(model, 0.0)
    batches = task.dataset(model, records, source, batch_size=FEW, seed=0, epoch=0, step=0)
    values = [float(loss(targets, model(inputs, training=False), weights)) for inputs, targets, weights in batches]
    return statistics.fmean(values)


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Replaces the weights by the optimizer's averages, and restores them, to the bit, at the end.

    `keras.callbacks.SwapEMAWeights` swaps by adding and subtracting, which rounds, and loses the weights where a `fit`
    ends with a part of the epochs.
    """
    weights = model.trainable_variables
    raw = [keras.ops.convert_to_numpy(weight) for weight in weights]
    model.optimizer.finalize_variable_values(weights)  # does nothing without averages
    try:
        yield
    finally:
        for weight, value in zip(weights, raw, strict=True):
            weight.assign(value)
