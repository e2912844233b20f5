"""Wraps the cells of this package for Keras' own recurrent layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mmtoolkit.layers.cell import Cell


@keras.saving.register_keras_serializable("mmtoolkit")
class RNNCell(keras.layers.Layer):
    """Wraps a cell with an input projection, for `keras.layers.RNN`, `Bidirectional` and `StackedRNNCells`.

    Example:
        >>> from mmtoolkit.layers import LSTMCell
        >>> reader = keras.layers.Bidirectional(keras.layers.RNN(RNNCell(LSTMCell(64))))
        >>> ops.shape(reader(words))      # words: <float>[batch, time, features]
        (2, 128)

    Args:
        cell: One of this package, as `LSTMCell`, or a cell of your own.
    """

    def __init__(self, cell: Cell | Mapping[str, Any], **kwargs: Any) -> None:
        owned: Cell = keras.saving.deserialize_keras_object(cell) if isinstance(cell, Mapping) else cell
        same = {"dtype": owned.dtype_policy}
        super().__init__(**{**same, **kwargs})
        self.input_projection = keras.layers.Dense(owned.gates * owned.units, use_bias=False, name="input", **same)
        self.cell = owned
        self.state_size, self.output_size = [owned.units] * owned.states, owned.units

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        self.input_projection.build(inputs_shape)
        if not self.cell.built:  # a loaded cell is
            self.cell.build()

    def call(self, inputs: Any, states: Any, training: bool | None = None) -> tuple[Any, list[Any]]:
        """Computes the output `<float>[batch, units]` and the next states.

        Args:
            inputs: `<float>[batch, features]`.
            states: `<float>[batch, units]` each, the output first.
            training: Changes nothing.
        """
        after = self.cell(self.input_projection(inputs), tuple(keras.tree.flatten(states)))
        return after[0], list(after)

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Returns states of zeros."""
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": keras.saving.serialize_keras_object(self.cell)}
