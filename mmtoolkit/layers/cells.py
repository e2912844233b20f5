"""Recurrent cells: their input is already projected to the gates, so they own only the recurrent weights.

A decoder can then project all words of a caption in one matrix product, outside its loop.
"""

from __future__ import annotations

from typing import Any, cast

import keras
from keras import ops

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.layers.registered import registered_class, registered_name


class Cell(keras.layers.Layer):
    """Base of the recurrent cells: a recurrent kernel and a bias for `gates` gates, and the equations in `update`.

    `cell(projection, state)` takes `<float>[rows, gates * units]` and a tuple of `<float>[rows, units]` whose first
    entry is the output, and returns the next state.

    Args:
        units: Width of the state.
    """

    gates: int
    states: int
    adds_product = True  # whether the recurrent product is added to the projection as it is
    reads_below = False  # whether the equations read the state of the cell below

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, projection_shape: Any = None, state_shape: Any = None, below_shape: Any = None) -> None:
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.gates * self.units), name="recurrent_kernel", initializer="orthogonal"
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
        product = ops.matmul(state[0], self.recurrent_kernel)  # [rows, gates * units]
        return self.update(projection, product, state, below)

    def update(
        self, projection: Any, product: Any, state: tuple[Any, ...], below: tuple[Any, ...] | None
    ) -> tuple[Any, ...]:
        """Computes the next state from the projected input and the recurrent product, by the equations of the cell."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("mmtoolkit")
class LSTMCell(Cell):
    """Computes a long short-term memory; gates in the order input, forget, candidate, output.

    Example:
        The forget gate's bias of 1 alone keeps sigmoid(1) of the memory:
        >>> hidden, carry = LSTMCell(1)(ops.zeros((1, 4)), (ops.zeros((1, 1)), ops.ones((1, 1))))
        >>> round(float(carry[0, 0]), 3)
        0.731

    Source: Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000; its bias starts at 1
        (Jozefowicz et al. 2015).
    """

    gates, states = 4, 2

    def bias_initializer(self, shape: Any, dtype: Any = None) -> Any:
        ones, zeros = ops.ones((self.units,), dtype), ops.zeros((self.units,), dtype)
        return ops.concatenate([zeros, ones, zeros, zeros])

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        _, carry = state
        total = projection + product + self.bias
        input_gate, forget_gate, candidate, output_gate = ops.split(total, 4, axis=-1)  # each [rows, units]
        carry = ops.sigmoid(forget_gate) * carry + ops.sigmoid(input_gate) * ops.tanh(candidate)
        return ops.sigmoid(output_gate) * ops.tanh(carry), carry


@keras.saving.register_keras_serializable("mmtoolkit")
class GRUCell(Cell):
    """Computes a gated recurrent unit; gates in the order update, reset, candidate; reset applies to the product.

    `h = z * h + (1 - z) * h~`, as in `keras.layers.GRU(reset_after=True)`.

    Source: Cho et al. 2014, equations 5-8, in the form of cuDNN (the bias of the recurrent candidate is left out).
    """

    gates, states, adds_product = 3, 1, False

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        (hidden,) = state
        update, reset, candidate = ops.split(projection + self.bias, 3, axis=-1)  # each [rows, units]
        from_update, from_reset, from_candidate = ops.split(product, 3, axis=-1)
        update, reset = ops.sigmoid(update + from_update), ops.sigmoid(reset + from_reset)
        return (update * hidden + (1.0 - update) * ops.tanh(candidate + reset * from_candidate),)


@keras.saving.register_keras_serializable("mmtoolkit")
class VanillaCell(Cell):
    """Computes a plain recurrent network: `h = tanh(W x + U h + b)`.

    Source: Elman 1990.
    """

    gates, states = 1, 1

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        return (ops.tanh(projection + product + self.bias),)


CELLS: dict[str, type[Cell]] = {"lstm": LSTMCell, "gru": GRUCell, "vanilla": VanillaCell}


def cell_named(name: str) -> type[Cell]:
    """Returns the cell class of a name: one of `CELLS`, or what a class of your own is registered under.

    Raises:
        InputError: There is none.
    """
    if name in CELLS:
        return CELLS[name]
    if ">" in str(name):
        return cast(type[Cell], registered_class(name, "a cell", Cell))
    raise InputError(f"A cell is one of {', '.join(CELLS)}. Received: {name!r}.{did_you_mean(str(name), CELLS)}")


def cell_name(cell: str | type[Cell]) -> str:
    """Returns the name of a cell that is given by its name or its class.

    Example:
        >>> cell_name("gru"), cell_name(LSTMCell)
        ('gru', 'lstm')

    Raises:
        InputError: The class is none of a cell, or is not registered with Keras.
    """
    if isinstance(cell, str):
        return cell
    if not (isinstance(cell, type) and issubclass(cell, Cell)):
        raise InputError(f"A cell is {', '.join(CELLS)} or a class that inherits from Cell. Received: {cell!r}.")
    return next((name for name, known in CELLS.items() if known is cell), None) or registered_name(cell, "a cell")
