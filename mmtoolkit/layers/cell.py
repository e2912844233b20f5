"""The base of the recurrent cells."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Cell(keras.layers.Layer):
    """Base of the recurrent cells: a recurrent kernel and a bias for `gates` gates, and the equations in `update`.

    `cell(projection, state)` takes `<float>[rows, gates * units]` and a tuple of `<float>[rows, units]` whose first
    entry is the output, and returns the next state. The input is projected to the gates already, so that a decoder can
    project all words of a sentence in one matrix product, outside its loop.

    The recurrent kernel multiplies the output for the first `recurrent_gates` gates, by default all of them.

    Args:
        units: Width of the state.
    """

    gates: int
    states: int
    recurrent_gates: int | None = None  # None for all
    keeping: tuple[int, float] | None = None  # the gate that keeps the state, and the sign by which it does
    adds_product = True  # whether the recurrent product is added to the projection as it is
    reads_below = False  # whether the equations read the state of the cell below

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, projection_shape: Any = None, state_shape: Any = None, below_shape: Any = None) -> None:
        width = (self.recurrent_gates or self.gates) * self.units
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width), name="recurrent_kernel", initializer="orthogonal"
        )
        self.bias = self.add_weight(shape=(self.gates * self.units,), name="bias", initializer=self.bias_initializer)

    def bias_initializer(self, shape: Any, dtype: Any = None) -> Any:
        """Returns the first values of the bias: zeros, unless a cell overrides it."""
        return ops.zeros(shape, dtype)

    def call(self, projection: Any, state: tuple[Any, ...], *, below: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """Computes the next state.

        Args:
            projection: `<float>[rows, gates * units]`, the projected input.
            state: `<float>[rows, units]` each, the output first.
            below: The new state of the cell below, if there is one.
        """
        product = ops.matmul(state[0], self.recurrent_kernel)  # [rows, recurrent gates * units]
        return self.update(projection, product, state, below)

    def update(
        self, projection: Any, product: Any, state: tuple[Any, ...], below: tuple[Any, ...] | None
    ) -> tuple[Any, ...]:
        """Computes the next state from the projected input and the recurrent product, by the equations of the cell."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
