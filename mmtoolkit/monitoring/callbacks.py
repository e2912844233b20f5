"""Callbacks that monitor a training: curves, a stop at NaN, and messages below the progress bar."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from mmtoolkit.monitoring.diagnostics import exploding_gradients, squared_gradients, vanishing_gradients
from mmtoolkit.monitoring.events import Events

Tell = Callable[[str], None]

NOTHING: NDArray[np.float64] = np.zeros(1)


def once_each(tell: Tell) -> Callable[[str, str | None], None]:
    """Returns a function that prints the first message of each kind, as a warning.

    Example:
        >>> warn = once_each(print)
        >>> warn("attention", None)
        >>> warn("attention", "it does not move")
        warning: it does not move
        >>> warn("attention", "it still does not")
    """
    warned: set[str] = set()

    def warn(kind: str, message: str | None) -> None:
        if message is not None and kind not in warned:
            warned.add(kind)
            tell(f"warning: {message}")

    return warn


class AfterBar(keras.callbacks.Callback):
    """Delays messages until Keras' progress bar has ended its line, after all other callbacks of an epoch.

    Example:
        >>> notes = AfterBar(print)
        >>> notes.add("the gradients vanish")      # as of `Curves(events, tell=notes.add)`
        >>> notes.on_epoch_begin(1)
        the gradients vanish
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self.tell, self.lines = tell, list[str]()

    def add(self, line: str) -> None:
        self.lines.append(line)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        while self.lines:
            self.tell(self.lines.pop(0))

    def on_train_end(self, logs: Any = None) -> None:
        self.on_epoch_begin(0)


class Budget(keras.callbacks.Callback):
    """Stops a training after so many seconds of its steps, or after so many steps.

    The first step, which compiles the graph, and validation do not count. The epoch that is stopped is still validated.

    Example:
        >>> line, limit = keras.Sequential([keras.layers.Dense(1)]), Budget(steps=3)
        >>> line.compile("sgd", loss="mse")
        >>> history = line.fit(np.ones((8, 1)), np.ones((8, 1)), batch_size=1, callbacks=[limit])
        >>> limit.done
        3

    Args:
        seconds: Most seconds; `None` for any.
        steps: Most steps; `None` for any.
    """

    def __init__(self, seconds: float | None = None, *, steps: int | None = None) -> None:
        super().__init__()
        self.seconds, self.steps, self.done, self.spent, self.last = seconds, steps, 0, 0.0, 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.last = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        now = time.perf_counter()
        self.spent += now - self.last if self.done else 0.0
        self.last, self.done = now, self.done + 1
        if (self.seconds is not None and self.spent >= self.seconds) or self.done == self.steps:
            self.model.stop_training = True


class StopAtNaN(keras.callbacks.Callback):
    """Stops a training whose loss or weights are not finite, before they are saved.

    `keras.callbacks.TerminateOnNaN` ends the epoch, whose callbacks would still save the model, and does not check the
    weights after the last step of an epoch. Keras' own `fit` wants it before `DecodedValidation`.

    Args:
        preset: Folder of the best weights, for the message.

    Raises:
        FloatingPointError: During `fit`; the message has what to try and where the best weights are.
    """

    turn = -1  # nothing may be saved before it

    def __init__(self, preset: Path) -> None:
        super().__init__()
        self.preset, self.epoch, self.step = preset, 0, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch, self.step = epoch + 1, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.step = batch + 1
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            self.stop(f"the loss was {loss}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not all(bool(ops.all(ops.isfinite(weight))) for weight in self.model.trainable_weights):
            self.stop("weights were not finite")

    def stop(self, problem: str) -> None:
        weights = f"the best weights are kept in {self.preset}" if self.preset.is_dir() else "there is no preset yet"
        raise FloatingPointError(
            f"{problem} at step {self.step} of epoch {self.epoch}, training stopped and {weights}; "
            "try a lower --learning-rate, and --precision float32 where it was bfloat16."
        )


class Curves(keras.callbacks.Callback):
    """Writes loss, learning rate, gradient norm and validation scores, and warns of gradients that explode or vanish.

    The loss is the mean over the steps since the last point. The gradient norm comes from Adam's second moments: it
    costs next to nothing, is the norm after the clip, and is missing with other optimizers. Keras' own `fit` wants it
    after `DecodedValidation`, whose scores it reads from the logs.

    Example:
        >>> line = keras.Sequential([keras.layers.Dense(1)])
        >>> line.compile("adam", loss="mse")
        >>> curves = Curves(Events(Path("logs")), tell=print)
        >>> history = line.fit(np.ones((4, 1)), np.ones((4, 1)), callbacks=[curves])
        >>> len(list(Path("logs").iterdir()))
        1

    Args:
        events: Where the curves are written.
        tell: Called with each warning, at most once for each kind.
        every: Steps from one point of a curve to the next.
    """

    turn = 1  # the scores are in the logs by then

    def __init__(self, events: Events, *, tell: Tell, every: int = 50) -> None:
        super().__init__()
        self.events, self.warn, self.every = events, once_each(tell), every
        self.done = self.steps = 0  # of this epoch's steps: all, and those up to the last point
        self.losses = 0.0  # their sum up to the last point
        self.moments = NOTHING  # at the last point
        self.squares = NOTHING  # of this epoch's gradients, summed over its steps

    def on_train_begin(self, logs: Any = None) -> None:
        self.moments = self.second_moments() if self.adam and self.adam.built else NOTHING

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.done = self.steps = 0
        self.losses, self.squares = 0.0, NOTHING

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.done = batch + 1
        if self.done % self.every == 0:
            self.write_point((logs or {})["loss"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.done > self.steps:
            self.write_point((logs or {})["loss"])
        for name, value in (logs or {}).items():
            if name.startswith("val_"):
                self.events.scalar(f"valid/{name.removeprefix('val_')}", value, step=epoch + 1)
        if self.adam:
            self.check_gradients(self.squares / self.steps)
        self.events.flush()

    def write_point(self, mean_loss: float) -> None:
        """Writes one point of each curve; Keras' loss is the mean since the epoch began."""
        count, losses, at = self.done - self.steps, mean_loss * self.done, int(self.model.optimizer.iterations)
        self.events.scalar("train/loss", (losses - self.losses) / count, step=at)
        self.events.scalar("train/learning_rate", float(self.model.optimizer.learning_rate), step=at)
        self.losses, self.steps = losses, self.done
        if self.adam:
            moments = self.second_moments()
            squares = squared_gradients(moments, self.moments, steps=count, decay=self.adam.beta_2)
            self.events.scalar("train/gradient_norm", math.sqrt(squares.sum()), step=at)
            self.moments, self.squares = moments, self.squares + count * squares

    def check_gradients(self, squares: NDArray[np.float64]) -> None:
        """Warns if an epoch's mean squared gradients, summed over each variable, explode or vanish."""
        weights = self.model.trainable_weights
        sizes = {
            weight.path: math.sqrt(square / math.prod(weight.shape))
            for weight, square in zip(weights, squares, strict=True)
        }
        self.warn("exploding", exploding_gradients(math.sqrt(squares.sum()), self.adam.global_clipnorm))
        self.warn("vanishing", vanishing_gradients(sizes, self.adam.epsilon))

    @property
    def adam(self) -> Any:
        """The optimizer if it is Adam, else `None`."""
        return self.model.optimizer if isinstance(self.model.optimizer, keras.optimizers.Adam) else None

    def second_moments(self) -> NDArray[np.float64]:
        """Sums Adam's second moments over each variable, in the order of the model's trainable weights."""
        moments = [moment for moment in self.adam.variables if moment.path.endswith("_velocity")]
        return np.array([float(ops.sum(moment)) for moment in moments])
