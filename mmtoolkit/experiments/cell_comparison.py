"""Compares recurrent cells, each with the same budget, and recommends one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.experiments.toy_sequences import RECALLED, SYMBOLS, adding, copying
from mmtoolkit.layers import SequenceEncoder
from mmtoolkit.metrics import Bootstrap
from mmtoolkit.monitoring import Budget

TESTED, ROWS, RATE, CLIP = 1000, 32, 1e-3, 1.0  # test sequences; sequences a step; Adam's rate; clipping by norm
MAKERS: dict[str, Callable[..., tuple[Any, Any]]] = {"adding": adding, "copy": copying}


class Criterion(NamedTuple):
    """What cells are compared by.

    Args:
        score: Name of the score.
        better: Which of two values is better.
        chance: The score of a model that has learnt nothing, where it is known.
    """

    score: str
    better: Literal["higher", "lower"]
    chance: float | None = None


CRITERIA: Mapping[str, Criterion] = {
    "adding": Criterion("mean squared error", "lower", 1 / 6),  # of the mean
    "copy": Criterion("accuracy", "higher", 100 / SYMBOLS),  # of a guess
}


class Result(NamedTuple):
    """What a cell has reached.

    Args:
        cell: Its name.
        trained_on: What it was trained on, e.g. `"1,000 sequences"`.
        score: The score on data that it was not trained on, the mean over the seeds; NaN where a training diverged.
        interval: From the lowest to the highest end of the seeds' 95 % bootstrap intervals.
        seconds: Time of all runs of it, compilation and validation included.
        epochs: Passes over the training data, the mean over the seeds.
        parameters: Number of the model's weights.
    """

    cell: str
    trained_on: str
    score: float
    interval: tuple[float, float]
    seconds: float
    epochs: float
    parameters: int

    @classmethod
    def over_seeds(cls, results: Sequence[Result]) -> Result:
        """Joins the results of a cell with several seeds.

        Example:
            >>> runs = [Result("gru", "", 1.0, (0.9, 1.1), 2, 3, 10), Result("gru", "", 2.0, (1.8, 2.2), 2, 5, 10)]
            >>> Result.over_seeds(runs)
            Result(cell='gru', trained_on='', score=1.5, interval=(0.9, 2.2), seconds=4, epochs=4.0, parameters=10)
        """
        first = results[0]
        ends = list(zip(*(each.interval for each in results), strict=True))
        return first._replace(
            score=float(np.mean([each.score for each in results])),
            interval=(float(np.min(ends[0])), float(np.max(ends[1]))),
            seconds=sum(each.seconds for each in results),
            epochs=float(np.mean([each.epochs for each in results])),
        )


def compare_cells(
    task: str,
    cells: Sequence[str],
    *,
    length: int,
    sizes: Sequence[int],
    seconds: float | None = 60.0,
    steps: int | None = None,
    units: int = 64,
    seeds: Sequence[int] = (0,),
) -> Iterator[Result]:
    """Trains each cell on each number of sequences with one budget, and yields what it has reached.

    Example:
        >>> (result,) = compare_cells("adding", ["gru"], length=6, sizes=[64], seconds=None, steps=3, units=8)
        >>> result.epochs, result.parameters, result.interval[0] < result.score < result.interval[1]
        (1.5, 273, True)

    Args:
        task: `"adding"` or `"copy"`.
        cells: Names of the cells.
        length: Steps of a sequence, or blanks between symbols and their recall.
        sizes: Numbers of training sequences.
        seconds: Budget of each training; `None` for `steps` alone.
        steps: Most steps of each training.
        units: Width of the state.
        seeds: Random seeds of data and weights.

    Raises:
        InputError: There is no such task.
    """
    if task not in MAKERS:
        raise InputError(f"task is adding or copy. Received: {task!r}.{did_you_mean(task, MAKERS)}")
    same: dict[str, Any] = {"length": length, "seconds": seconds, "steps": steps, "units": units}
    for size in sizes:
        for cell in cells:
            yield Result.over_seeds([trained(task, cell, size, **same, seed=seed) for seed in seeds])


def trained(
    task: str, cell: str, size: int, *, length: int, seconds: float | None, steps: int | None, units: int, seed: int
) -> Result:
    """Trains a cell on so many sequences, and tests it on others; the arguments are those of `compare_cells`."""
    started = time.perf_counter()
    seen, wanted = MAKERS[task](size, length, seed=seed + 2)
    inputs, targets = MAKERS[task](TESTED, length, seed=seed + 1)
    keras.utils.set_random_seed(seed)
    model, budget, batch = toy_model(task, cell, seen.shape[-1], units), Budget(seconds, steps=steps), min(ROWS, size)
    watched = [budget, keras.callbacks.TerminateOnNaN()]
    while not model.stop_training:
        model.fit(seen, wanted, batch_size=batch, epochs=1000, verbose=0, callbacks=watched)
    errors = errors_of(task, model.predict(inputs, batch_size=100, verbose=0), targets)
    score, (low, high) = float(np.mean(errors)), Bootstrap()([(1.0, value) for value in errors], mean)["mean"]
    epochs, took = budget.done / math.ceil(size / batch), time.perf_counter() - started
    return Result(cell, f"{size:,} sequences", score, (low, high), took, epochs, model.count_params())


def toy_model(task: str, cell: str, features: int, units: int) -> keras.Model:
    """Makes a cell with an output layer, compiled."""
    inputs = keras.Input((None, features))
    outputs, last = SequenceEncoder(units, cell=cell)(inputs)
    copies = task == "copy"
    found = keras.layers.Dense(SYMBOLS)(outputs[:, -RECALLED:]) if copies else keras.layers.Dense(1)(last)
    model = keras.Model(inputs, found)
    loss: Any = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if copies else "mse"
    model.compile(keras.optimizers.Adam(RATE, global_clipnorm=CLIP), loss=loss)
    model.stop_training = False
    return model


def errors_of(task: str, outputs: Any, targets: Any) -> list[float]:
    """Computes the squared error of each sequence, or the percentage of its symbols that are right."""
    if task == "adding":
        return [float(value) for value in np.square(outputs - targets)[:, 0]]
    return [float(value) for value in 100 * (outputs.argmax(axis=-1) == targets).mean(axis=1)]


def mean(totals: Sequence[float]) -> dict[str, float]:
    """Divides the second sum by the first."""
    return {"mean": totals[1] / totals[0]}


def recommendation(criterion: Criterion, results: Sequence[Result]) -> str:
    """Recommends a cell for some training data: the smallest of those that no other is better than, intervals apart.

    Example:
        >>> small = Result("rnn", "9 sequences", 50.0, (45, 55), 1, 1, 100)
        >>> large = Result("lstm", "9 sequences", 90.0, (85, 95), 1, 1, 400)
        >>> recommendation(CRITERIA["copy"], [small, large])
        'with 9 sequences take lstm: accuracy 90 (85 to 95); worse, with intervals apart: rnn'
    """
    score, higher, chance = criterion.score, criterion.better == "higher", criterion.chance
    finite = [each for each in results if math.isfinite(each.score)]
    diverged = "".join(f"; diverged: {each.cell}" for each in results if each not in finite)
    if not finite:
        return f"with {results[0].trained_on} every training diverged"
    best = (max if higher else min)(finite, key=lambda each: each.score)

    def is_worse(each: Result) -> bool:
        return each.interval[1] < best.interval[0] if higher else each.interval[0] > best.interval[1]

    chosen = min((each for each in finite if not is_worse(each)), key=lambda each: each.parameters)
    low, high = chosen.interval
    learnt = chance is None or (low > chance if higher else high < chance)
    if not learnt:
        reached = f"{score} {chosen.score:.3g} is chance"
        return f"with {chosen.trained_on} none has learnt the task: {reached}{diverged}"
    worse = ", ".join(each.cell for each in finite if is_worse(each)) or "none"
    return (
        f"with {chosen.trained_on} take {chosen.cell}: {score} {chosen.score:.3g} "
        f"({low:.3g} to {high:.3g}); worse, with intervals apart: {worse}{diverged}"
    )
