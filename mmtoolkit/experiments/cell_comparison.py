"""Compares recurrent cells on tasks of memory, each with the same budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from mmtoolkit.experiments.toy_sequences import RECALLED, SYMBOLS, adding, copying
from mmtoolkit.layers import SequenceEncoder
from mmtoolkit.metrics import Bootstrap

ToyTask = Literal["adding", "copy"]
TESTED, ROWS, RATE, CLIP = 1000, 32, 1e-3, 1.0  # test sequences; sequences a step; Adam's rate; clipping by norm
MAKERS: dict[str, Callable[..., tuple[Any, Any]]] = {"adding": adding, "copy": copying}
BETTER: dict[str, Literal["higher", "lower"]] = {"adding": "lower", "copy": "higher"}
SCORES = {"adding": "mean squared error", "copy": "accuracy"}
CHANCE = {"adding": 1 / 6, "copy": 100 / SYMBOLS}  # of the mean, and of a guess


class Result(NamedTuple):
    """What a cell has reached.

    Args:
        cell: Its name.
        size: Number of training sequences.
        score: Mean squared error (adding), or percentage of the symbols that are right (copy).
        interval: Its 95 % bootstrap interval over the test sequences.
        seconds: Time of the training.
        steps: Its steps.
        parameters: Number of the model's weights.
    """

    cell: str
    size: int
    score: float
    interval: tuple[float, float]
    seconds: float
    steps: int
    parameters: int


class Budget(keras.callbacks.Callback):
    """Ends a training after so many seconds, not counting its first step, or after so many steps.

    Args:
        seconds: Most seconds; `None` for any.
        steps: Most steps; `None` for any.
    """

    def __init__(self, seconds: float | None, steps: int | None) -> None:
        super().__init__()
        self.seconds, self.steps, self.done, self.started = seconds, steps, 0, 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.done += 1
        if self.done == 1:  # which compiles the graph
            self.started = time.perf_counter()
        late = self.seconds is not None and time.perf_counter() - self.started >= self.seconds
        if late or self.done == self.steps:
            self.model.stop_training = True


def compare_cells(
    task: ToyTask,
    cells: Sequence[str],
    *,
    length: int,
    sizes: Sequence[int],
    seconds: float | None = 60.0,
    steps: int | None = None,
    units: int = 64,
    seed: int = 0,
) -> Iterator[Result]:
    """Trains each cell on each number of sequences with one budget, and yields what it has reached.

    Example:
        >>> (result,) = compare_cells("adding", ["gru"], length=6, sizes=[64], seconds=None, steps=3, units=8)
        >>> result.steps, result.parameters, result.interval[0] < result.score < result.interval[1]
        (3, 273, True)

    Args:
        task: `"adding"` or `"copy"`.
        cells: Names of the cells.
        length: Steps of a sequence, or blanks between symbols and their recall.
        sizes: Numbers of training sequences.
        seconds: Budget of each training; `None` for `steps` alone.
        steps: Most steps of each training.
        units: Width of the state.
        seed: Random seed of data and weights.
    """
    inputs, targets = MAKERS[task](TESTED, length, seed=seed + 1)
    for size in sizes:
        seen, wanted = MAKERS[task](size, length, seed=seed + 2)
        for cell in cells:
            keras.utils.set_random_seed(seed)
            model = toy_model(task, cell, seen.shape[-1], units)
            budget, started = Budget(seconds, steps), time.perf_counter()
            while not model.stop_training:
                model.fit(seen, wanted, batch_size=min(ROWS, size), epochs=1000, verbose=0, callbacks=[budget])
            took = time.perf_counter() - started
            errors = errors_of(task, model.predict(inputs, batch_size=100, verbose=0), targets)
            (low, high) = Bootstrap()([(1.0, value) for value in errors], mean)["mean"]
            score = float(np.mean(errors))
            yield Result(cell, size, score, (low, high), took, budget.done, model.count_params())


def toy_model(task: ToyTask, cell: str, features: int, units: int) -> keras.Model:
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


def errors_of(task: ToyTask, outputs: Any, targets: Any) -> list[float]:
    """Computes the squared error of each sequence, or the percentage of its symbols that are right."""
    if task == "adding":
        return [float(value) for value in np.square(outputs - targets)[:, 0]]
    return [float(value) for value in 100 * (outputs.argmax(axis=-1) == targets).mean(axis=1)]


def mean(totals: Sequence[float]) -> dict[str, float]:
    """Divides the second sum by the first."""
    return {"mean": totals[1] / totals[0]}


def recommendation(task: ToyTask, results: Sequence[Result]) -> str:
    """Says which cell to take for one number of sequences: the smallest of those that none is surely better than.

    Example:
        >>> small, large = Result("rnn", 9, 50.0, (45, 55), 1, 1, 100), Result("lstm", 9, 90.0, (85, 95), 1, 1, 400)
        >>> recommendation("copy", [small, large])
        'with 9 sequences take lstm: accuracy 90 (85 to 95); surely worse: rnn'
    """
    higher = BETTER[task] == "higher"
    best = (max if higher else min)(results, key=lambda each: each.score)

    def is_worse(each: Result) -> bool:
        return each.interval[1] < best.interval[0] if higher else each.interval[0] > best.interval[1]

    good = sorted((each for each in results if not is_worse(each)), key=lambda each: each.parameters)
    chosen, (low, high) = good[0], good[0].interval
    learnt = (low > CHANCE[task]) if higher else (high < CHANCE[task])
    if not learnt:
        return f"with {chosen.size} sequences none has learnt the task: {SCORES[task]} {chosen.score:.3g} is chance"
    worse = ", ".join(each.cell for each in results if is_worse(each)) or "none"
    return (
        f"with {chosen.size} sequences take {chosen.cell}: {SCORES[task]} {chosen.score:.3g} "
        f"({low:.3g} to {high:.3g}); surely worse: {worse}"
    )
