"""A cell that reads the output of the cell below: what tests of deep stages use."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmtoolkit.layers.cells import Cell


@keras.saving.register_keras_serializable("tests")
class BelowCell(Cell):
    """`h = tanh(W x + U h + b + h below)`, and without a cell below the plain one."""

    gates, states, reads_below = 1, 1, True

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        return (ops.tanh(projection + product + self.bias + (0.0 if below is None else below[0])),)
