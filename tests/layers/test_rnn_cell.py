"""The cells in Keras' recurrent layers, against NumPy and against Keras' own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from numpy_cells import advance

from mmtoolkit.layers import GRUCell, LSTMCell, RNNCell
from mmtoolkit.layers.cells import CELLS

BATCH, TIME, WIDTH, UNITS = 3, 5, 4, 6
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(BATCH, TIME, WIDTH)).astype("float32")


def randomised(layer: Any) -> Any:
    layer(VECTORS)
    for number, weight in enumerate(layer.weights):
        weight.assign(0.5 * np.random.default_rng(number).normal(size=weight.shape))
    return layer


def by_hand(cell: RNNCell, vectors: np.ndarray) -> np.ndarray:
    """All outputs in float64, `[batch, time, units]`, from the equations."""
    projected = vectors @ np.asarray(cell.input_projection.kernel, "float64")
    state, outputs = [np.zeros((BATCH, UNITS))] * cell.cell.states, []
    for time in range(vectors.shape[1]):
        state = advance(cell.cell, projected[:, time], state)
        outputs.append(state[0])
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("name", CELLS)
def test_in_a_recurrent_layer_it_is_its_equations(name: str) -> None:
    layer = randomised(keras.layers.RNN(RNNCell(CELLS[name](UNITS)), return_sequences=True, return_state=True))
    outputs, *states = layer(VECTORS)
    expected = by_hand(layer.cell, VECTORS)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_allclose(states[0], expected[:, -1], atol=1e-5)
    assert len(states) == layer.cell.cell.states and layer.cell.state_size == [UNITS] * len(states)


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


@pytest.mark.parametrize("name", CELLS)
def test_it_reads_backwards_and_stands_on_others(name: str) -> None:
    both = randomised(keras.layers.Bidirectional(keras.layers.RNN(RNNCell(CELLS[name](UNITS)), return_sequences=True)))
    forward, backward = both.forward_layer.cell, both.backward_layer.cell
    expected = [by_hand(forward, VECTORS), by_hand(backward, VECTORS[:, ::-1])[:, ::-1]]
    np.testing.assert_allclose(both(VECTORS), np.concatenate(expected, axis=-1), atol=1e-5)
    stacked = keras.layers.StackedRNNCells([RNNCell(CELLS[name](UNITS)) for _ in range(2)])
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
