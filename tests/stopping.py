"""A training that loses its power after some steps."""

from __future__ import annotations

from typing import Any

import keras


class Stopped(Exception):
    """What stands for the loss of power."""


class StopAfter(keras.callbacks.Callback):
    """Raises after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if not self.left:
            raise Stopped
