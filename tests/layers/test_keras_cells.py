"""Weights of Keras' recurrent layers in our cells, and ours in theirs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.layers import RNNCell
from mmtoolkit.layers.cells import cell_named
from mmtoolkit.layers.keras_cells import from_keras, keras_layer, to_keras

RANDOM = np.random.default_rng(0)
WIDTH, UNITS = 3, 5
VECTORS = RANDOM.normal(size=(2, 6, WIDTH)).astype("float32")
NAMES = ("lstm", "gru", "gru_lecture", "rnn", "rnn_relu")


def randomised(layer: keras.Layer) -> keras.Layer:
    layer(VECTORS)
    for weight in layer.weights:
        weight.assign(0.5 * RANDOM.normal(size=weight.shape))
    return layer


@pytest.mark.parametrize("name", NAMES)
def test_keras_computes_what_a_cell_does(name: str) -> None:
    ours = randomised(keras.layers.RNN(RNNCell(cell_named(name)(UNITS)), return_sequences=True))
    theirs = keras_layer(ours.cell.cell, return_sequences=True)
    theirs.build(VECTORS.shape)
    weights = to_keras(ours.cell.cell, ours.cell.input_projection.kernel.value)
    theirs.set_weights([np.asarray(weight) for weight in weights])
    np.testing.assert_allclose(ours(VECTORS), theirs(VECTORS), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_computes_what_keras_does(name: str) -> None:
    ours = keras.layers.RNN(RNNCell(cell_named(name)(UNITS)), return_sequences=True)
    ours(VECTORS)
    theirs = randomised(keras_layer(ours.cell.cell, return_sequences=True))
    if name == "gru":
        kernel, recurrent, bias = theirs.get_weights()
        bias[1, 2 * UNITS :] = 0.0
        theirs.set_weights([kernel, recurrent, bias])
    ours.cell.input_projection.kernel.assign(from_keras(ours.cell.cell, theirs.get_weights()))
    np.testing.assert_allclose(ours(VECTORS), theirs(VECTORS), atol=1e-6)


def test_a_gru_of_keras_with_a_bias_that_ours_lacks_is_refused() -> None:
    cell = cell_named("gru")(UNITS)
    with pytest.raises(InputError, match="second bias is not 0 there"):
        from_keras(cell, randomised(keras_layer(cell)).get_weights())


def test_a_cell_that_keras_lacks_is_named() -> None:
    with pytest.raises(InputError, match="GRULectureCell, VanillaCell. Received: JordanCell"):
        keras_layer(cell_named("jordan")(UNITS))
