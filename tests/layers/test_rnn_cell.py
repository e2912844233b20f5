"""The cells in Keras' recurrent layers, against NumPy and against Keras' own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from below_cell import BelowCell

from mmtoolkit.layers import GRUCell, LSTMCell, RNNCell, VanillaCell
from mmtoolkit.layers.cells import Cell

BATCH, TIME, WIDTH, UNITS = 3, 5, 4, 6
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(BATCH, TIME, WIDTH)).astype("float32")
KINDS = [LSTMCell, GRUCell, VanillaCell, BelowCell]


def randomised(layer: Any) -> Any:
    layer(VECTORS)
    for number, weight in enumerate(layer.weights):
        weight.assign(0.5 * np.random.default_rng(number).normal(size=weight.shape))
    return layer


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(cell: RNNCell, vectors: np.ndarray) -> np.ndarray:
    """All outputs in float64, `[batch, time, units]`, from the equations."""
    kernel, recurrent, bias = (np.asarray(weight, "float64") for weight in cell.weights)
    hidden, carry, outputs = np.zeros((BATCH, UNITS)), np.zeros((BATCH, UNITS)), []
    for time in range(vectors.shape[1]):
        inputs, product = vectors[:, time] @ kernel + bias, hidden @ recurrent
        if isinstance(cell.cell, LSTMCell):
            i, f, c, o = np.split(inputs + product, 4, axis=1)
            carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(c)
            hidden = sigmoid(o) * np.tanh(carry)
        elif isinstance(cell.cell, GRUCell):
            (z, r, c), (hz, hr, hc) = np.split(inputs, 3, axis=1), np.split(product, 3, axis=1)
            z, r = sigmoid(z + hz), sigmoid(r + hr)
            hidden = z * hidden + (1 - z) * np.tanh(c + r * hc)
        else:
            hidden = np.tanh(inputs + product)
        outputs.append(hidden)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_recurrent_layer_it_is_its_equations(kind: type[Cell]) -> None:
    layer = randomised(keras.layers.RNN(RNNCell(kind(UNITS)), return_sequences=True, return_state=True))
    outputs, *states = layer(VECTORS)
    expected = by_hand(layer.cell, VECTORS)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(states[0], expected[:, -1], atol=1e-5)
    assert len(states) == kind.states and layer.cell.state_size == [UNITS] * kind.states


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_the_weights_of_keras_give_its_outputs(name: str) -> None:
    """Masked, from a first state that is not zero."""
    options: dict[str, Any] = {"return_sequences": True}
    ours = randomised(keras.layers.RNN(RNNCell({"LSTM": LSTMCell, "GRU": GRUCell}[name](UNITS)), **options))
    theirs = getattr(keras.layers, name)(UNITS, **options)
    theirs.build(VECTORS.shape)
    kernel, recurrent, bias = ours.get_weights()
    theirs.set_weights([kernel, recurrent, bias if name == "LSTM" else np.stack([bias, np.zeros_like(bias)])])
    mask = np.arange(TIME) < np.array([[5], [2], [1]])
    start = [RANDOM.normal(size=(BATCH, UNITS)).astype("float32") for _ in ours.cell.state_size]
    given = {"mask": mask, "initial_state": start}
    np.testing.assert_allclose(ours(VECTORS, **given), theirs(VECTORS, **given), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_backwards_and_stands_on_others(kind: type[Cell]) -> None:
    both = randomised(keras.layers.Bidirectional(keras.layers.RNN(RNNCell(kind(UNITS)), return_sequences=True)))
    forward, backward = both.forward_layer.cell, both.backward_layer.cell
    expected = [by_hand(forward, VECTORS), by_hand(backward, VECTORS[:, ::-1])[:, ::-1]]
    np.testing.assert_allclose(both(VECTORS), np.concatenate(expected, axis=-1), atol=1e-5)
    stacked = keras.layers.StackedRNNCells([RNNCell(kind(UNITS)) for _ in range(2)])
    layer = randomised(keras.layers.RNN(stacked, return_sequences=True))
    np.testing.assert_allclose(layer(VECTORS), by_hand(stacked.cells[1], by_hand(stacked.cells[0], VECTORS)), atol=1e-5)


def test_a_model_of_it_is_saved_and_trained(tmp_path: Any) -> None:
    inputs = keras.Input((None, WIDTH))
    hidden = keras.layers.RNN(RNNCell(GRUCell(UNITS)), return_sequences=True)(inputs)
    model = keras.Model(inputs, keras.layers.Bidirectional(keras.layers.RNN(RNNCell(LSTMCell(UNITS))))(hidden))
    model.compile(keras.optimizers.Adam(0.01), loss="mse")
    history = model.fit(VECTORS, np.ones((BATCH, 2 * UNITS)), epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(VECTORS), model(VECTORS), atol=1e-6)


def test_in_half_precision_the_states_are_half() -> None:
    layer = keras.layers.RNN(RNNCell(LSTMCell(UNITS, dtype="mixed_bfloat16")), dtype="mixed_bfloat16")
    assert layer(VECTORS).dtype == "bfloat16"
    assert {weight.dtype for weight in layer.weights} == {"float32"}
