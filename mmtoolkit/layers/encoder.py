"""Encodes sequences by recurrent cells: questions, sentences to translate or to classify."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import keras
from keras import ops

from mmtoolkit.layers.cell import Cell
from mmtoolkit.layers.cells import GRUCell, LSTMCell, cell_name, cell_named
from mmtoolkit.layers.deferred import DIRECT, Deferred, can_defer
from mmtoolkit.layers.forms import check_depth
from mmtoolkit.layers.keras_cells import keras_layer, to_keras
from mmtoolkit.layers.unroll import states_before, unroll

FAST = (LSTMCell, GRUCell)  # which cuDNN has


def has_accelerator() -> bool:
    """Checks whether there is a device on which Keras' own layers call cuDNN."""
    known = keras.backend.backend() in ("tensorflow", "jax")
    return known and any(not name.lower().startswith("cpu") for name in keras.distribution.list_devices())


@keras.saving.register_keras_serializable("mmtoolkit")
class SequenceEncoder(keras.layers.Layer):
    """Encodes sequences of vectors; their padding changes nothing.

    Example:
        >>> outputs, last = SequenceEncoder(512)(words, tokens != 0)     # words: <float>[batch, time, embedding]
        >>> ops.shape(outputs), ops.shape(last)
        ((2, 7, 512), (2, 512))

    Args:
        units: Width of each state; with two directions the outputs are twice as wide.
        cell: `"lstm"`, `"gru"`, `"rnn"`, another name of `cells.CELLS`, or a registered class of your own that inherits
            from `Cell`.
        layers: Number of stacked cells.
        bidirectional: Whether a second cell of each layer reads backwards.
        dropout: Share of the features dropped between two layers while training.

    Raises:
        InputError: `layers` is not a whole number from 1, or there is no such cell.

    Source: Schuster & Paliwal, "Bidirectional Recurrent Neural Networks", 1997.
    """

    def __init__(
        self,
        units: int,
        *,
        cell: str | type[Cell] = "lstm",
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_depth("encoder", layers)
        self.units, self.cell_name, self.layers = units, cell_name(cell), layers
        self.supports_masking = True  # and passes on the mask of its input with the outputs at all steps
        self.bidirectional, self.dropout = bidirectional, dropout
        directions = ("forward", "backward") if bidirectional else ("forward",)
        same = {"dtype": self.dtype_policy}
        names = [f"{direction}_{layer}" for layer in range(layers) for direction in directions]
        self.cells = [cell_named(self.cell_name)(units, name=name, **same) for name in names]
        gates = self.cells[0].gates * units
        self.projections = [keras.layers.Dense(gates, use_bias=False, name=f"{name}_input", **same) for name in names]
        self.drop = keras.layers.Dropout(dropout, **same)
        self.is_fast = type(self.cells[0]) in FAST and has_accelerator()
        if self.is_fast and keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # XLA does not compile what calls cuDNN
        self.by_keras = SimpleNamespace(layers=[])  # in which Keras finds no weights: they are the cells'

    @property
    def width(self) -> int:
        """Returns the number of features of an output."""
        return self.units * (2 if self.bidirectional else 1)

    def build(self, vectors_shape: Any, mask_shape: Any = None) -> None:
        directions = len(self.cells) // self.layers
        for number, (projection, cell) in enumerate(zip(self.projections, self.cells, strict=True)):
            width = vectors_shape[-1] if number < directions else self.width
            projection.build((None, None, width))
            cell.build()
            if self.is_fast:
                layer = keras_layer(
                    cell, return_sequences=True, return_state=True, go_backwards=self.is_backward(number)
                )
                layer.build((None, None, width))
                self.by_keras.layers.append(layer)

    def call(self, vectors: Any, mask: Any = None, training: bool | None = None) -> tuple[Any, Any]:
        """Computes the outputs at all steps, `<float>[batch, time, width]`, and at the last, `<float>[batch, width]`.

        Args:
            vectors: `<float>[batch, time, features]`.
            mask: `<bool>[batch, time]`, True at the steps that are read, which begin a row; `None` where all are.
            training: Whether features are dropped.
        """
        outputs, state = self.run(vectors, self.initial_state(ops.shape(vectors)[0]), mask, training=training)
        directions, parts = len(self.cells) // self.layers, self.cells[0].states
        top = state[-directions * parts :: parts]  # the outputs of the highest cells
        return outputs, ops.concatenate(top, axis=-1)  # [batch, time, width], [batch, width]

    def initial_state(self, rows: Any) -> tuple[Any, ...]:
        """Returns zeros for the state of every cell, from the lowest up: `<float>[rows, units]` each."""
        return (ops.zeros((rows, self.units), self.compute_dtype),) * (len(self.cells) * self.cells[0].states)

    def run(
        self, vectors: Any, state: tuple[Any, ...], mask: Any = None, training: bool | None = None
    ) -> tuple[Any, tuple[Any, ...]]:
        """Reads sequences from a given state on, layer by layer; returns the outputs at all steps and the last state.

        Args:
            vectors: `<float>[batch, time, features]`.
            state: As `initial_state` returns it.
            mask: `<bool>[batch, time]`, True at the steps that are read, which begin a row; `None` where all are.
            training: Whether features are dropped.
        """
        mask = None if mask is None else ops.transpose(mask)  # [time, batch]
        directions, parts = len(self.cells) // self.layers, self.cells[0].states
        below: Sequence[tuple[Any, ...]] = [()] * directions  # the states of the layer below
        after: list[Any] = []
        for layer in range(self.layers):
            vectors = self.drop(vectors, training=training) if layer else vectors
            results = [
                self.read(vectors, mask, number, below[direction], state[number * parts :][:parts], training=training)
                for direction, number in enumerate(range(layer * directions, (layer + 1) * directions))
            ]
            below = [states for states, _ in results]
            after += [part for _, last in results for part in last]
            vectors = ops.concatenate([ops.transpose(states[0], (1, 0, 2)) for states in below], axis=-1)
        return vectors, tuple(after)  # [batch, time, width], [batch, units] each

    def step(self, vector: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Reads one vector `<float>[batch, features]` of each row, forwards; returns the output and the next state."""
        parts, below = self.cells[0].states, None
        after: list[Any] = []
        for number, (projection, cell) in enumerate(zip(self.projections, self.cells, strict=True)):
            below = cell(projection(vector), state[number * parts :][:parts], below=below if cell.reads_below else None)
            vector, after = below[0], [*after, *below]
        return vector, tuple(after)

    def read(
        self,
        vectors: Any,
        mask: Any,
        number: int,
        below: tuple[Any, ...],
        start: tuple[Any, ...],
        *,
        training: bool | None,
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Runs one cell over the sequences.

        Args:
            vectors: `<float>[batch, time, features]`.
            mask: `<bool>[time, batch]`, or `None`.
            number: Number of the cell.
            below: The states of the cell below in the same direction, `<float>[time, batch, units]` each.
            start: Its first state, `<float>[batch, units]` each.
            training: Whether gradients are wanted.

        Returns:
            Its states in the order of the sequence, `<float>[time, batch, units]` each, and its last state.
        """
        cell, backward = self.cells[number], self.is_backward(number)
        if training and self.is_fast:  # what is exported has no operation of an accelerator
            return self.read_by_keras(vectors, mask, number, start)
        engine = Deferred([cell.recurrent_kernel]) if training and cell.adds_product and can_defer() else DIRECT
        projected = ops.transpose(self.projections[number](vectors), (1, 0, 2))  # [time, batch, gates * units]

        def move(state: tuple[Any, ...], inputs: tuple[Any, ...]) -> tuple[Any, ...]:
            return engine.cell(cell, inputs[0], state, inputs[1:] or None)

        inputs = (engine.step_inputs(projected), *(below if cell.reads_below else ()))
        states, last = unroll(move, start, inputs, mask=mask, reverse=backward)
        engine.finish([states_before(states[0], start[0], reverse=backward)])
        return states, last

    def read_by_keras(
        self, vectors: Any, mask: Any, number: int, start: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Runs one cell as `read` does, by Keras' own layer, which calls cuDNN; its states are the outputs alone."""
        layer, mask = self.by_keras.layers[number], None if mask is None else ops.transpose(mask)  # [batch, time]
        weights = to_keras(self.cells[number], self.projections[number].kernel.value)
        others = [variable.value for variable in layer.non_trainable_variables]
        (outputs, *last), _ = layer.stateless_call(weights, others, vectors, initial_state=list(start), mask=mask)
        outputs = ops.flip(outputs, axis=1) if self.is_backward(number) else outputs
        return (ops.transpose(outputs, (1, 0, 2)),), tuple(last)

    def is_backward(self, number: int) -> bool:
        """Checks whether a cell reads backwards: with two directions the odd ones do."""
        return self.bidirectional and number % 2 == 1

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "cell": self.cell_name, "layers": self.layers}
        return {**super().get_config(), **own, "bidirectional": self.bidirectional, "dropout": self.dropout}
