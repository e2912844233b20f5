"""Maps the weights of cells to those of Keras' own recurrent layers, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers.cell import Cell
from mmtoolkit.layers.cells import GRUCell, GRULectureCell, LSTMCell, VanillaCell

COUNTERPARTS = {LSTMCell: "LSTM", GRUCell: "GRU", GRULectureCell: "GRU", VanillaCell: "SimpleRNN"}


def has_counterpart(cell: Cell) -> bool:
    """Checks whether a layer of Keras computes what a cell does."""
    return type(cell) in COUNTERPARTS


def keras_layer(cell: Cell, **options: Any) -> Any:
    """Makes the recurrent layer of Keras that computes what a cell does, without its weights.

    Example:
        >>> layer = keras_layer(GRULectureCell(4), return_sequences=True)
        >>> type(layer).__name__, layer.reset_after
        ('GRU', False)

    Args:
        cell: An `LSTMCell`, `GRUCell`, `GRULectureCell` or `VanillaCell`.
        options: Of the layer.

    Raises:
        InputError: Keras has none.
    """
    if not has_counterpart(cell):
        names = ", ".join(kind.__name__ for kind in COUNTERPARTS)
        raise InputError(f"Keras has layers for {names}. Received: {type(cell).__name__}; wrap it as RNNCell.")
    form: dict[str, Any] = {"activation": cell.activation} if isinstance(cell, VanillaCell) else {}
    form |= {"reset_after": isinstance(cell, GRUCell)} if COUNTERPARTS[type(cell)] == "GRU" else {}
    return getattr(keras.layers, COUNTERPARTS[type(cell)])(cell.units, dtype=cell.dtype_policy, **form, **options)


def to_keras(cell: Cell, kernel: Any) -> list[Any]:
    """Returns the weights of `keras_layer(cell)`: kernel, recurrent kernel and bias, of which gradients may be taken.

    Example:
        >>> cell, kernel = LSTMCell(4), ops.ones((3, 4 * 4))
        >>> cell.build()
        >>> layer = keras_layer(cell)
        >>> layer.build((None, None, 3))
        >>> layer.set_weights([np.asarray(weight) for weight in to_keras(cell, kernel)])

    Args:
        cell: As in `keras_layer`, with its weights.
        kernel: `<float>[inputs, gates * units]`, which projects the input.
    """
    recurrent, bias = cell.recurrent_kernel.value, cell.bias.value
    if isinstance(cell, GRUCell):  # Keras has a second bias, which adds to the recurrent product
        return [kernel, recurrent, ops.stack([bias, ops.zeros_like(bias)])]
    if isinstance(cell, GRULectureCell):
        recurrent = ops.concatenate([recurrent, cell.candidate_kernel.value], axis=1)
        return [turned(weight, cell.units) for weight in (kernel, recurrent, bias)]
    return [kernel, recurrent, bias]


def from_keras(cell: Cell, weights: Sequence[Any]) -> Any:
    """Gives a cell the weights of `keras_layer(cell)`, and returns the kernel that projects the input.

    Args:
        cell: As in `keras_layer`.
        weights: Kernel, recurrent kernel and bias, as `get_weights` of the layer returns them.

    Raises:
        InputError: A GRU has a recurrent bias of the candidate, which `GRUCell` lacks.
    """
    kernel, recurrent, bias = (np.asarray(weight) for weight in weights)
    if not cell.built:
        cell.build()
    if isinstance(cell, GRUCell):
        if abs(bias[1, 2 * cell.units :]).max() > 0:
            raise InputError(
                "A GRUCell has no recurrent bias of the candidate. Received: a GRU whose second bias is not 0 there; "
                "wrap keras.layers.GRUCell itself in keras.layers.RNN."
            )
        bias = bias.sum(axis=0)  # both add to the sums of update and reset
    if isinstance(cell, GRULectureCell):
        kernel, recurrent, bias = (
            ops.convert_to_numpy(turned(weight, cell.units)) for weight in (kernel, recurrent, bias)
        )
        cell.set_weights([recurrent[:, : 2 * cell.units], bias, recurrent[:, 2 * cell.units :]])
    else:
        cell.set_weights([recurrent, bias])
    return kernel


def turned(weight: Any, units: int) -> Any:
    """Negates the columns of the update gate: Keras keeps the old where the lecture lets the new in."""
    return weight * np.repeat([-1.0, 1.0, 1.0], units).astype("float32")
