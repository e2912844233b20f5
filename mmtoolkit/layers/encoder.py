"""A recurrent reader of sequences: questions, sentences to translate or to judge."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers.cells import cell_named
from mmtoolkit.layers.unroll import unroll


@keras.saving.register_keras_serializable("mmtoolkit")
class SequenceEncoder(keras.layers.Layer):
    """Reads padded sequences of vectors; what stands behind a sequence's end changes nothing.

    Example:
        >>> encoder = SequenceEncoder(512)
        >>> outputs, last = encoder(words, mask)     # words: <float>[batch, time, embedding], mask: <bool>[batch, time]

    Args:
        units: Width of each state; with two directions the outputs are twice as wide.
        cell: `"lstm"`, `"gru"` or `"vanilla"`.
        layers: Cells one above the other, 1 or 2.
        bidirectional: Whether a second cell of each layer reads backwards.
        dropout: Share of the features dropped between two layers while training.

    Raises:
        InputError: `layers` is neither 1 nor 2, or there is no such cell.

    Source: Schuster & Paliwal, "Bidirectional Recurrent Neural Networks", 1997.
    """

    def __init__(
        self,
        units: int,
        *,
        cell: str = "lstm",
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if layers not in (1, 2):
            raise InputError(f"An encoder has 1 or 2 layers. Received: layers={layers!r}.")
        self.units, self.cell_name, self.layers = units, cell, layers
        self.bidirectional, self.dropout = bidirectional, dropout
        directions = ("forward", "backward") if bidirectional else ("forward",)
        same = {"dtype": self.dtype_policy}
        names = [f"{direction}_{layer}" for layer in range(layers) for direction in directions]
        self.cells = [cell_named(cell)(units, name=name, **same) for name in names]
        gates = self.cells[0].gates * units
        self.projections = [keras.layers.Dense(gates, use_bias=False, name=f"{name}_input", **same) for name in names]
        self.drop = keras.layers.Dropout(dropout, **same)

    @property
    def width(self) -> int:
        """Features of an output."""
        return self.units * (2 if self.bidirectional else 1)

    def build(self, vectors_shape: Any, mask_shape: Any = None) -> None:
        directions = len(self.cells) // self.layers
        for number, (projection, cell) in enumerate(zip(self.projections, self.cells, strict=True)):
            projection.build((None, None, vectors_shape[-1] if number < directions else self.width))
            cell.build()

    def call(self, vectors: Any, mask: Any = None, training: bool | None = None) -> tuple[Any, Any]:
        """The outputs at all places, `<float>[batch, time, width]`, and at the last one, `<float>[batch, width]`.

        Args:
            vectors: `<float>[batch, time, features]`.
            mask: `<bool>[batch, time]`, True at the places that are read, which begin a row; `None` where all are.
            training: Whether features are dropped.
        """
        if mask is None:
            mask = ops.ones(ops.shape(vectors)[:2], "bool")
        directions = len(self.cells) // self.layers
        for layer in range(self.layers):
            vectors = self.drop(vectors, training=training) if layer else vectors
            found = [
                self.read(vectors, mask, number, backward=number % directions == 1)
                for number in range(layer * directions, (layer + 1) * directions)
            ]
            outputs, ends = zip(*found, strict=True)
            vectors = ops.concatenate(outputs, axis=-1)
        return vectors, ops.concatenate(ends, axis=-1)

    def read(self, vectors: Any, mask: Any, number: int, *, backward: bool) -> tuple[Any, Any]:
        """One cell's outputs, in the order of the sequence, and its last output."""
        cell = self.cells[number]
        projected = ops.transpose(self.projections[number](vectors), (1, 0, 2))  # [time, batch, gates]
        nothing = ops.zeros((ops.shape(vectors)[0], self.units), projected.dtype)
        state = (nothing,) * cell.states
        mask = ops.transpose(mask)  # [time, batch]
        outputs, last = unroll(lambda state, read: cell(read, state), state, projected, mask=mask, reverse=backward)
        return ops.transpose(outputs[0], (1, 0, 2)), last[0]

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "cell": self.cell_name, "layers": self.layers}
        return {**super().get_config(), **own, "bidirectional": self.bidirectional, "dropout": self.dropout}
