"""The recurrent cells: LSTM, GRU and plain, and their variants.

In the sources of the equations below `[h, x]` is a concatenation: one product with it is the sum of a product with the
output and one with the input, of which a cell computes the first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import keras
from keras import ops

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.layers.cell import Cell
from mmtoolkit.layers.registered import registered_class, registered_name

Activation = Literal["tanh", "sigmoid", "relu"]


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

    gates, states, keeping = 4, 2, (1, 1.0)

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
class PeepholeLSTMCell(LSTMCell):
    """Computes an LSTM whose gates see the memory: input and forget gate the old one, the output gate the new one.

    The weights from the memory start at zero, where it is an `LSTMCell`.

    Args:
        units: Width of the state.
        diagonal: Whether each unit of a gate sees its own unit of the memory alone; else all of them, by a full matrix,
            as where the gates read the concatenation `[C, h, x]`.

    Source: Gers & Schmidhuber, "Recurrent Nets that Time and Count", 2000 (diagonal).
    """

    def __init__(self, units: int, *, diagonal: bool = False, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.diagonal = diagonal

    def build(self, projection_shape: Any = None, state_shape: Any = None, below_shape: Any = None) -> None:
        super().build()
        shape = (3 * self.units,) if self.diagonal else (self.units, 3 * self.units)
        self.peephole_kernel = self.add_weight(shape=shape, name="peephole_kernel", initializer="zeros")

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        _, carry = state
        see = ops.multiply if self.diagonal else ops.matmul
        to_input, to_forget, to_output = ops.split(self.peephole_kernel, 3, axis=-1)
        total = projection + product + self.bias
        input_gate, forget_gate, candidate, output_gate = ops.split(total, 4, axis=-1)  # each [rows, units]
        kept = ops.sigmoid(forget_gate + see(carry, to_forget)) * carry
        carry = kept + ops.sigmoid(input_gate + see(carry, to_input)) * ops.tanh(candidate)
        return ops.sigmoid(output_gate + see(carry, to_output)) * ops.tanh(carry), carry

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "diagonal": self.diagonal}


@keras.saving.register_keras_serializable("mmtoolkit")
class CoupledLSTMCell(Cell):
    """Computes an LSTM that writes where it forgets: `C = f * C + (1 - f) * C~`; gates forget, candidate, output.

    Source: Greff et al., "LSTM: A Search Space Odyssey", 2017, section 3 (CIFG).
    """

    gates, states, keeping = 3, 2, (0, 1.0)

    def bias_initializer(self, shape: Any, dtype: Any = None) -> Any:
        return ops.concatenate([ops.ones((self.units,), dtype), ops.zeros((2 * self.units,), dtype)])

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        _, carry = state
        forget_gate, candidate, output_gate = ops.split(projection + product + self.bias, 3, axis=-1)
        forget_gate = ops.sigmoid(forget_gate)  # [rows, units]
        carry = forget_gate * carry + (1.0 - forget_gate) * ops.tanh(candidate)
        return ops.sigmoid(output_gate) * ops.tanh(carry), carry


@keras.saving.register_keras_serializable("mmtoolkit")
class DepthGatedLSTMCell(LSTMCell):
    """Computes an LSTM whose memory takes in that of the cell below, through a gate of its own, the last one.

    `C = d * C_below + f * C + i * C~` with `d = sigmoid(W_xd x + w_cd * C + w_ld * C_below + b_d)`. The lowest cell of
    a stack has none below and is an LSTM.

    Source: Yao et al., "Depth-Gated LSTM", 2015; the other gates without their peepholes.
    """

    gates, recurrent_gates, reads_below = 5, 4, True

    def build(self, projection_shape: Any = None, state_shape: Any = None, below_shape: Any = None) -> None:
        super().build()
        self.depth_kernel = self.add_weight(shape=(2 * self.units,), name="depth_kernel", initializer="zeros")

    def bias_initializer(self, shape: Any, dtype: Any = None) -> Any:
        return ops.concatenate([super().bias_initializer(shape, dtype), ops.zeros((self.units,), dtype)])

    def update(
        self, projection: Any, product: Any, state: tuple[Any, ...], below: tuple[Any, ...] | None
    ) -> tuple[Any, ...]:
        _, carry = state
        total, depth_gate = ops.split(projection + self.bias, [4 * self.units], axis=-1)
        input_gate, forget_gate, candidate, output_gate = ops.split(total + product, 4, axis=-1)  # each [rows, units]
        under = ops.zeros_like(carry) if below is None else below[1]
        from_past, from_under = ops.split(self.depth_kernel, 2)
        depth_gate = ops.sigmoid(depth_gate + from_past * carry + from_under * under)
        kept = ops.sigmoid(forget_gate) * carry + depth_gate * under
        carry = kept + ops.sigmoid(input_gate) * ops.tanh(candidate)
        return ops.sigmoid(output_gate) * ops.tanh(carry), carry


@keras.saving.register_keras_serializable("mmtoolkit")
class GRUCell(Cell):
    """Computes a gated recurrent unit; gates in the order update, reset, candidate; reset applies to the product.

    `h = z * h + (1 - z) * h~`, as in `keras.layers.GRU(reset_after=True)`.

    Source: Cho et al. 2014, equations 5-8, in the form of cuDNN (the bias of the recurrent candidate is left out).
    """

    gates, states, adds_product, keeping = 3, 1, False, (0, 1.0)

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        (hidden,) = state
        update, reset, candidate = ops.split(projection + self.bias, 3, axis=-1)  # each [rows, units]
        from_update, from_reset, from_candidate = ops.split(product, 3, axis=-1)
        update, reset = ops.sigmoid(update + from_update), ops.sigmoid(reset + from_reset)
        return (update * hidden + (1.0 - update) * ops.tanh(candidate + reset * from_candidate),)


@keras.saving.register_keras_serializable("mmtoolkit")
class GRULectureCell(Cell):
    """Computes a GRU as most lectures write it; gates in the order update, reset, candidate.

    `h = (1 - z) * h + z * h~` with `h~ = tanh(W [r * h, x])`: the update gate lets the new in, where that of `GRUCell`
    keeps the old, and the reset applies to the output before the product.

    Source: Chung et al., "Empirical Evaluation of Gated Recurrent Neural Networks on Sequence Modeling", 2014,
        equations 5-8.
    """

    gates, states, recurrent_gates, keeping = 3, 1, 2, (0, -1.0)

    def build(self, projection_shape: Any = None, state_shape: Any = None, below_shape: Any = None) -> None:
        super().build()
        self.candidate_kernel = self.add_weight(
            shape=(self.units, self.units), name="candidate_kernel", initializer="orthogonal"
        )

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        (hidden,) = state
        gates, candidate = ops.split(projection + self.bias, [2 * self.units], axis=-1)
        update, reset = ops.split(ops.sigmoid(gates + product), 2, axis=-1)  # each [rows, units]
        candidate = ops.tanh(candidate + ops.matmul(reset * hidden, self.candidate_kernel))
        return ((1.0 - update) * hidden + update * candidate,)


@keras.saving.register_keras_serializable("mmtoolkit")
class VanillaCell(Cell):
    """Computes a plain recurrent network: `h = tanh(W x + U h + b)`.

    Example:
        With `w_xh = 2`, `w_hh = 3`, `b = 1`, from 0 and the input 0.5:
        >>> cell = VanillaCell(1)
        >>> cell.build()
        >>> cell.set_weights([np.array([[3.0]]), np.array([1.0])])
        >>> (hidden,) = cell(ops.array([[2 * 0.5]]), (ops.zeros((1, 1)),))
        >>> round(float(hidden[0, 0]), 4)      # tanh(2)
        0.964

    Args:
        units: Width of the state.
        activation: tanh, sigmoid or relu.

    Source: Elman, "Finding Structure in Time", 1990.
    """

    gates, states = 1, 1

    def __init__(self, units: int, *, activation: Activation = "tanh", **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.activation = activation

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        return (keras.activations.get(self.activation)(projection + product + self.bias),)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable("mmtoolkit")
class JordanCell(Cell):
    """Computes a network whose output is fed back: `h = tanh(W x + U y + b)`, `y = tanh(V h + c)`; the state is `y`.

    Source: Jordan, "Serial Order: A Parallel Distributed Processing Approach", 1986.
    """

    gates, states = 1, 1

    def build(self, projection_shape: Any = None, state_shape: Any = None, below_shape: Any = None) -> None:
        super().build()
        same = {"shape": (self.units, self.units), "initializer": "orthogonal"}
        self.output_kernel = self.add_weight(name="output_kernel", **same)
        self.output_bias = self.add_weight(shape=(self.units,), name="output_bias", initializer="zeros")

    def update(self, projection: Any, product: Any, state: tuple[Any, ...], below: Any) -> tuple[Any, ...]:
        hidden = ops.tanh(projection + product + self.bias)  # [rows, units]
        return (ops.tanh(ops.matmul(hidden, self.output_kernel) + self.output_bias),)


CELLS: dict[str, Callable[..., Cell]] = {
    "lstm": LSTMCell,
    "gru": GRUCell,
    "rnn": VanillaCell,
    "rnn_relu": partial(VanillaCell, activation="relu"),
    "rnn_sigmoid": partial(VanillaCell, activation="sigmoid"),
    "peephole": PeepholeLSTMCell,
    "peephole_diagonal": partial(PeepholeLSTMCell, diagonal=True),
    "coupled": CoupledLSTMCell,
    "gru_lecture": GRULectureCell,
    "depth_gated": DepthGatedLSTMCell,
    "jordan": JordanCell,
}
SYNONYMS = {"vanilla": "rnn", "elman": "rnn"}


def cell_named(name: str) -> Callable[..., Cell]:
    """Returns what makes the cell of a name: one of `CELLS`, or what a class of your own is registered under.

    Raises:
        InputError: There is none.
    """
    if (name := SYNONYMS.get(name, name)) in CELLS:
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
