"""The recurrent cells, against NumPy and Keras' own with the same weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.layers import GRUCell, LSTMCell, VanillaCell
from mmtoolkit.layers.cells import CELLS, cell_named

RANDOM = np.random.default_rng(1)
ROWS, INPUTS, UNITS = 4, 3, 5
INPUT = RANDOM.normal(size=(ROWS, INPUTS)).astype("float32")
HIDDEN, CARRY = (RANDOM.normal(size=(ROWS, UNITS)).astype("float32") for _ in range(2))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def weights(gates: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Input kernel, recurrent kernel, bias; none of them zero."""
    shapes = ((INPUTS, gates * UNITS), (UNITS, gates * UNITS), (gates * UNITS,))
    return tuple(RANDOM.normal(size=shape).astype("float32") for shape in shapes)  # type: ignore[return-value]


def test_lstm_equals_numpy_and_keras() -> None:
    kernel, recurrent, bias = weights(4)
    ours, theirs = LSTMCell(UNITS), keras.layers.LSTMCell(UNITS)
    ours.build()
    ours.set_weights([recurrent, bias])
    theirs.build((None, INPUTS))
    theirs.set_weights([kernel, recurrent, bias])
    hidden, carry = ours(INPUT @ kernel, (HIDDEN, CARRY))

    w = dict(zip("ifco", np.split(INPUT @ kernel + HIDDEN @ recurrent + bias, 4, axis=1), strict=True))
    expected_carry = sigmoid(w["f"]) * CARRY + sigmoid(w["i"]) * np.tanh(w["c"])
    np.testing.assert_allclose(carry, expected_carry, atol=1e-5)
    np.testing.assert_allclose(hidden, sigmoid(w["o"]) * np.tanh(expected_carry), atol=1e-5)

    _, (keras_hidden, keras_carry) = theirs(INPUT, [HIDDEN, CARRY])
    np.testing.assert_allclose(hidden, keras_hidden, atol=1e-5)
    np.testing.assert_allclose(carry, keras_carry, atol=1e-5)


def test_vanilla_equals_numpy_and_keras() -> None:
    kernel, recurrent, bias = weights(1)
    ours, theirs = VanillaCell(UNITS), keras.layers.SimpleRNNCell(UNITS)
    ours.build()
    ours.set_weights([recurrent, bias])
    theirs.build((None, INPUTS))
    theirs.set_weights([kernel, recurrent, bias])
    (hidden,) = ours(INPUT @ kernel, (HIDDEN,))
    np.testing.assert_allclose(hidden, np.tanh(INPUT @ kernel + HIDDEN @ recurrent + bias), atol=1e-5)
    np.testing.assert_allclose(hidden, theirs(INPUT, HIDDEN)[0], atol=1e-5)


def test_gru_equals_numpy_and_keras() -> None:
    kernel, recurrent, bias = weights(3)
    ours, theirs = GRUCell(UNITS), keras.layers.GRUCell(UNITS, reset_after=True)
    ours.build()
    ours.set_weights([recurrent, bias])
    theirs.build((None, INPUTS))
    theirs.set_weights([kernel, recurrent, np.stack([bias, np.zeros_like(bias)])])  # no recurrent bias
    (hidden,) = ours(INPUT @ kernel, (HIDDEN,))

    update_x, reset_x, candidate_x = np.split(INPUT @ kernel + bias, 3, axis=1)
    update_h, reset_h, candidate_h = np.split(HIDDEN @ recurrent, 3, axis=1)
    update = sigmoid(update_x + update_h)
    candidate = np.tanh(candidate_x + sigmoid(reset_x + reset_h) * candidate_h)
    np.testing.assert_allclose(hidden, update * HIDDEN + (1 - update) * candidate, atol=1e-5)
    np.testing.assert_allclose(hidden, theirs(INPUT, HIDDEN)[0], atol=1e-5)


def test_gru_has_keras_recurrent_bias_but_for_the_candidate() -> None:
    """Keras' second bias adds to the first for update and reset; only the candidate's part is left out here."""
    kernel, recurrent, bias = weights(3)
    second = np.concatenate([RANDOM.normal(size=2 * UNITS), np.zeros(UNITS)]).astype("float32")
    ours, theirs = GRUCell(UNITS), keras.layers.GRUCell(UNITS, reset_after=True)
    ours.build()
    ours.set_weights([recurrent, bias + second])
    theirs.build((None, INPUTS))
    theirs.set_weights([kernel, recurrent, np.stack([bias, second])])
    np.testing.assert_allclose(ours(INPUT @ kernel, (HIDDEN,))[0], theirs(INPUT, HIDDEN)[0], atol=1e-5)


def test_the_forget_gate_starts_open() -> None:
    cell = LSTMCell(UNITS)
    cell.build()
    np.testing.assert_array_equal(cell.bias, [0] * UNITS + [1] * UNITS + [0] * 2 * UNITS)


def test_the_gru_starts_without_bias() -> None:
    cell = GRUCell(UNITS)
    cell.build()
    np.testing.assert_array_equal(cell.bias, np.zeros(3 * UNITS))


@pytest.mark.parametrize("name", CELLS)
def test_the_state_keeps_its_shape_and_its_output_is_first(name: str) -> None:
    cell = cell_named(name)(UNITS)
    state = tuple(np.zeros((ROWS, UNITS), "float32") for _ in range(cell.states))
    after = cell(RANDOM.normal(size=(ROWS, cell.gates * UNITS)).astype("float32"), state)
    assert [tuple(part.shape) for part in after] == [(ROWS, UNITS)] * cell.states
    assert np.abs(after[0]).max() < 1.0  # an output is bounded by tanh, a carry is not


def test_cells_have_names() -> None:
    assert (cell_named("lstm"), cell_named("gru")) == (LSTMCell, GRUCell)


def test_a_misspelt_cell_names_the_near_one() -> None:
    with pytest.raises(InputError, match="one of lstm, gru, vanilla. Received: 'ltsm'. Did you mean 'lstm'"):
        cell_named("ltsm")
