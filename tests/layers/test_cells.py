"""The recurrent cells, against NumPy and Keras' own with the same weights."""

from __future__ import annotations

from typing import get_args

import keras
import numpy as np
import pytest
from numpy_cells import advance, sigmoid

from mmtoolkit.cli.model_options import CellName
from mmtoolkit.errors import InputError
from mmtoolkit.layers import GRUCell, GRULectureCell, LSTMCell, VanillaCell
from mmtoolkit.layers.cells import CELLS, cell_name, cell_named

RANDOM = np.random.default_rng(1)
ROWS, INPUTS, UNITS = 4, 3, 5
INPUT = RANDOM.normal(size=(ROWS, INPUTS)).astype("float32")
HIDDEN, CARRY = (RANDOM.normal(size=(ROWS, UNITS)).astype("float32") for _ in range(2))


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
@pytest.mark.parametrize("over", [False, True])
def test_a_cell_is_its_equations(name: str, over: bool) -> None:
    """Also over another cell, whose memory only the depth-gated one reads."""
    cell = cell_named(name)(UNITS)
    state = (HIDDEN, CARRY)[: cell.states]
    below = tuple(RANDOM.normal(size=(ROWS, UNITS)).astype("float32") for _ in state) if over else None
    projection = RANDOM.normal(size=(ROWS, cell.gates * UNITS)).astype("float32")
    cell.build()
    cell.set_weights([RANDOM.normal(size=weight.shape) for weight in cell.weights])
    after = cell(projection, state, below=below)
    for part, expected in zip(after, advance(cell, projection, state, below), strict=True):
        np.testing.assert_allclose(part, expected, atol=1e-5)
    other = cell(projection, state, below=below and tuple(-part for part in below))
    assert np.allclose(after[0], other[0]) != (over and name == "depth_gated")


def test_the_lectures_gru_is_that_of_keras_with_the_update_gate_turned_round() -> None:
    kernel, recurrent, bias = weights(3)
    ours, theirs = GRULectureCell(UNITS), keras.layers.GRUCell(UNITS, reset_after=False)
    ours.build()
    ours.set_weights([recurrent[:, : 2 * UNITS], bias, recurrent[:, 2 * UNITS :]])
    theirs.build((None, INPUTS))
    turned = np.repeat([-1.0, 1.0, 1.0], UNITS)  # 1 - sigmoid(x) = sigmoid(-x)
    theirs.set_weights([kernel * turned, recurrent * turned, bias * turned])
    np.testing.assert_allclose(ours(INPUT @ kernel, (HIDDEN,))[0], theirs(INPUT, HIDDEN)[0], atol=1e-5)


@pytest.mark.parametrize("name", ["peephole", "peephole_diagonal", "depth_gated"])
def test_what_extends_the_lstm_starts_as_one(name: str) -> None:
    cell, plain = cell_named(name)(UNITS), LSTMCell(UNITS)
    projection = RANDOM.normal(size=(ROWS, cell.gates * UNITS)).astype("float32")
    cell.build()
    plain.build()
    plain.set_weights([cell.recurrent_kernel, cell.bias[: 4 * UNITS]])
    found, expected = cell(projection, (HIDDEN, CARRY)), plain(projection[:, : 4 * UNITS], (HIDDEN, CARRY))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("name", "forget"), [("peephole", 1), ("depth_gated", 1), ("coupled", 0)])
def test_the_forget_gate_of_every_kind_starts_open(name: str, forget: int) -> None:
    cell = cell_named(name)(UNITS)
    cell.build()
    np.testing.assert_array_equal(cell.bias, np.repeat(np.eye(cell.gates)[forget], UNITS))


@pytest.mark.parametrize("name", CELLS)
def test_the_state_keeps_its_shape_and_its_output_is_first(name: str) -> None:
    cell = cell_named(name)(UNITS)
    state = tuple(np.zeros((ROWS, UNITS), "float32") for _ in range(cell.states))
    after = cell(RANDOM.normal(size=(ROWS, cell.gates * UNITS)).astype("float32"), state)
    assert [tuple(part.shape) for part in after] == [(ROWS, UNITS)] * cell.states
    assert np.abs(after[0]).max() < 1.0 or name == "rnn_relu"  # an output is bounded by tanh, a carry is not


def test_cells_have_names() -> None:
    assert (cell_named("lstm"), cell_named("gru")) == (LSTMCell, GRUCell)
    assert cell_named("vanilla") is cell_named("elman") is cell_named("rnn") is VanillaCell
    assert cell_name(VanillaCell) == "rnn" and cell_name("vanilla") == "vanilla"  # as presets have it


def test_a_misspelt_cell_names_the_near_one() -> None:
    with pytest.raises(InputError, match="one of lstm, gru, rnn, .*jordan. Received: 'ltsm'. Did you mean 'lstm'"):
        cell_named("ltsm")


def test_the_commands_take_every_cell() -> None:
    assert set(get_args(CellName)) == {*CELLS, "vanilla"}
