"""What training adds to Keras' `fit`: an optimizer recipe, and validation by what the model says."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from mmtoolkit.errors import InputError
from mmtoolkit.evaluation import CAPTIONS, Judge
from mmtoolkit.models import Model
from mmtoolkit.vision import ImageSource


def adam(
    learning_rate: float,
    *,
    steps: int,
    warmup: int = 300,
    clip: float = 5.0,
    averaging: float = 0.999,
    lookahead: int = 0,
) -> keras.optimizers.Optimizer:
    """Adam with a linear warm-up, a cosine decay to 2 % of the rate, clipping and averaged weights.

    Example:
        >>> model.compile(adam(6e-4, steps=469 * 10), loss=token_loss())

    Args:
        learning_rate: The highest rate, after the warm-up.
        steps: Length of the whole training.
        warmup: Steps until the highest rate, at most a tenth of all.
        clip: Largest global norm of the gradient.
        averaging: Share of the old average kept at each step, at most `1 - 3 / steps`: a short training is averaged
            over its last third, not mixed with its random start. 0 trains without averaging. `DecodedValidation`
            validates and saves the averages, and `fit` ends with them in the model.
        lookahead: After so many steps, again and again, the weights go back to their averages, from which a rate may be
            higher; 0 for never.

    Raises:
        InputError: `lookahead` is below 0, or there are no averages to go back to.

    Source: Kingma & Ba 2015; cosine decay of Loshchilov & Hutter 2017; averaging of Polyak & Juditsky 1992; going back:
        Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019, whose slow weights are the averages.
    """
    if lookahead < 0 or (lookahead and not averaging):
        raise InputError(
            "lookahead is a number of steps after which the weights go back to averages, which there must be. "
            f"Received: lookahead={lookahead}, averaging={averaging}."
        )
    warmup = min(warmup, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else learning_rate,
        max(1, steps - warmup),
        alpha=0.02,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    longest = max(0.0, 1.0 - 3.0 / max(1, steps))
    average: dict[str, Any] = {}
    if averaging:
        back = {"ema_overwrite_frequency": lookahead} if lookahead else {}
        average = {"use_ema": True, "ema_momentum": min(averaging, longest), **back}
    return keras.optimizers.Adam(rate, global_clipnorm=clip, **average)


class DecodedValidation(keras.callbacks.Callback):
    """Has a model caption or answer after each epoch, keeps the best one as a preset, and stops when it gets no better.

    Example:
        >>> model.fit(dataset, epochs=20, callbacks=[DecodedValidation(valid, store, Path("runs/a/preset"))])

    Args:
        records: The validation split.
        source: Where its features or pixels come from.
        preset: Where the best model is kept.
        judge: What is decoded and scored: `CAPTIONS`, or `ANSWERS` of questions.
        monitor: The score that decides; the first of the judge's by default.
        patience: Epochs without a better score before training stops.
        card: What the preset's card says besides the scores.
        watch: Called after each epoch with the model, the number of the epoch (from 1) and what it said, by id.

    Raises:
        InputError: There is no score of the name `monitor`.
    """

    def __init__(
        self,
        records: Sequence[Any],
        source: ImageSource | None,
        preset: Path,
        *,
        judge: Judge = CAPTIONS,
        monitor: str | None = None,
        patience: int = 5,
        card: Mapping[str, Any] | None = None,
        watch: Callable[[Any, int, Mapping[str, str]], None] | None = None,
    ) -> None:
        super().__init__()
        monitor = judge.scores[0] if monitor is None else monitor
        if monitor not in judge.scores:
            raise InputError(f"The score that decides is one of {', '.join(judge.scores)}. Received: {monitor!r}.")
        self.records, self.source, self.preset, self.judge = records, source, preset, judge
        self.monitor, self.patience, self.card = monitor, patience, dict(card or {})
        self.watch = watch
        self.best, self.best_epoch = float("-inf"), -1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with averaged(self.model):
            self.validate(epoch, {} if logs is None else logs)

    def validate(self, epoch: int, logs: dict[str, Any]) -> None:
        """Scores the captions, and keeps the model or loses patience."""
        model: Model = self.model
        started = time.perf_counter()
        said, scores = self.judge.run(model, self.records, self.source)
        logs.update({f"val_{name}": score for name, score in scores.items()})
        logs["val_seconds"] = time.perf_counter() - started
        if scores[self.monitor] > self.best:
            self.best, self.best_epoch = scores[self.monitor], epoch
            model.save_preset(self.preset, card={**self.card, "valid_scores": scores, "epoch": epoch + 1})
        elif epoch - self.best_epoch >= self.patience:
            model.stop_training = True
        if self.watch:
            self.watch(model, epoch + 1, said)

    def progress(self) -> dict[str, Any]:
        """What a checkpoint keeps of it, as JSON."""
        return {"best": self.best if self.best_epoch >= 0 else None, "best_epoch": self.best_epoch}

    def go_on(self, progress: Mapping[str, Any]) -> None:
        """Goes on from what `progress` told."""
        self.best_epoch = progress["best_epoch"]
        self.best = float("-inf") if progress["best"] is None else progress["best"]


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Puts the averages that the optimizer keeps in the place of the weights, and the weights back, to the bit.

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
