"""The sequence encoder, against Keras' own LSTM and GRU with the same weights."""

from __future__ import annotations

from typing import Any
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from numpy_cells import advance

from mmtoolkit.errors import InputError
from mmtoolkit.layers import SequenceEncoder
from mmtoolkit.layers import encoder as encoder_module
from mmtoolkit.layers.cells import CELLS

BATCH, TIME, WIDTH, UNITS = 3, 6, 5, 4
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(BATCH, TIME, WIDTH)).astype("float32")
LENGTHS = np.array([6, 2, 1])
MASK = np.arange(TIME) < LENGTHS[:, None]


def ready(**options: object) -> SequenceEncoder:
    """An encoder with no weight at a special value."""
    encoder = SequenceEncoder(UNITS, **options)
    encoder(VECTORS, MASK)
    for number, weight in enumerate(encoder.weights):
        weight.assign(0.5 * np.random.default_rng(number).normal(size=weight.shape))
    return encoder


def theirs(
    encoder: SequenceEncoder, number: int, vectors: np.ndarray, *, backward: bool
) -> tuple[np.ndarray, np.ndarray]:
    """One cell's outputs and last output by Keras, each sequence cut to its length and read by itself."""
    cell, projection = encoder.cells[number], encoder.projections[number]
    bias = np.asarray(cell.bias)
    if encoder.cell_name == "lstm":
        layer = keras.layers.LSTM(UNITS, return_sequences=True)
    else:
        layer = keras.layers.GRU(UNITS, return_sequences=True, reset_after=True)
        bias = np.stack([bias, np.zeros_like(bias)])
    layer.build((None, None, vectors.shape[-1]))
    layer.set_weights([np.asarray(projection.kernel), np.asarray(cell.recurrent_kernel), bias])
    outputs, ends = np.zeros((BATCH, TIME, UNITS), "float32"), []
    for row, length in enumerate(LENGTHS):
        sequence = vectors[row : row + 1, :length]
        found = np.asarray(layer(sequence[:, ::-1] if backward else sequence))[0]
        ends.append(found[-1])
        outputs[row, :length] = found[::-1] if backward else found
    return outputs, np.stack(ends)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_equals_keras_on_sequences_without_padding(cell: str, bidirectional: bool, layers: int) -> None:
    encoder = ready(cell=cell, bidirectional=bidirectional, layers=layers)
    outputs, last = encoder(VECTORS, MASK)
    directions = 2 if bidirectional else 1
    expected = VECTORS
    for layer in range(layers):
        found = [theirs(encoder, layer * directions + d, expected, backward=d == 1) for d in range(directions)]
        expected, ends = (np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True))
    np.testing.assert_allclose(np.asarray(outputs)[MASK], expected[MASK], atol=2e-6)
    np.testing.assert_allclose(last, ends, atol=2e-6)
    assert last.shape == (BATCH, encoder.width) == (BATCH, UNITS * directions)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_stands_behind_the_end_changes_nothing(bidirectional: bool) -> None:
    encoder = ready(bidirectional=bidirectional, layers=2)
    wide = np.concatenate([np.where(MASK[..., None], VECTORS, 9.0), np.full((BATCH, 3, WIDTH), -9.0)], axis=1)
    outputs, last = encoder(wide.astype("float32"), np.pad(MASK, ((0, 0), (0, 3))))
    expected, expected_last = encoder(VECTORS, MASK)
    np.testing.assert_allclose(last, expected_last, atol=1e-6)
    np.testing.assert_allclose(np.asarray(outputs)[:, :TIME][MASK], np.asarray(expected)[MASK], atol=1e-6)


def test_without_a_mask_all_is_read() -> None:
    encoder = ready()
    np.testing.assert_allclose(encoder(VECTORS)[1], encoder(VECTORS, np.ones_like(MASK))[1], atol=1e-7)
    assert np.abs(np.asarray(encoder(VECTORS)[1]) - np.asarray(encoder(VECTORS, MASK)[1])).max() > 1e-3


def test_dropout_works_between_layers_and_in_training_only() -> None:
    encoder = ready(layers=2, dropout=0.5)
    same = [np.asarray(encoder(VECTORS, MASK, training=False)[1]) for _ in range(2)]
    other = [np.asarray(encoder(VECTORS, MASK, training=True)[1]) for _ in range(2)]
    assert (same[0] == same[1]).all() and np.abs(other[0] - other[1]).max() > 1e-3
    one = ready(layers=1, dropout=0.5)
    assert (ops.convert_to_numpy(one(VECTORS, training=True)[1]) == ops.convert_to_numpy(one(VECTORS)[1])).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_any_cell_is_read_in_any_direction_and_depth(cell: str, bidirectional: bool) -> None:
    """Also one that reads the memory of the cell below, in the same direction and at the same step."""
    encoder = ready(cell=cell, layers=3, bidirectional=bidirectional)
    outputs, last = encoder(VECTORS, MASK)
    directions = 2 if bidirectional else 1
    for row, length in enumerate(LENGTHS):
        vectors, below = VECTORS[row, :length].astype("float64"), [[None] * length] * directions
        for layer in range(3):
            found: list[list[Any]] = []
            for direction in range(directions):
                number = layer * directions + direction
                one, states = encoder.cells[number], [None] * length
                projected = vectors @ np.asarray(encoder.projections[number].kernel)
                state = [np.zeros(UNITS)] * one.states
                for time in reversed(range(length)) if direction else range(length):
                    state = states[time] = advance(one, projected[time], state, below[direction][time])
                found.append(states)
            below = found
            vectors = np.concatenate([[state[0] for state in states] for states in found], axis=-1)
        np.testing.assert_allclose(np.asarray(outputs)[row, :length], vectors, atol=1e-5)
        ends = [states[0 if direction else -1][0] for direction, states in enumerate(found)]
        np.testing.assert_allclose(last[row], np.concatenate(ends), atol=1e-5)


def test_layers_are_at_least_one_and_a_cell_is_one_of_the_named() -> None:
    for layers in (0, 1.5):
        with pytest.raises(InputError, match=f"encoder are a whole number from 1. Received: layers={layers}"):
            SequenceEncoder(4, layers=layers)
    with pytest.raises(InputError, match="Did you mean 'gru'"):
        SequenceEncoder(4, cell="grru")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_on_an_accelerator_it_trains_by_the_layers_of_keras(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs at the steps that are read, last outputs and all gradients are those of our own loop."""
    plain = ready(cell=cell, bidirectional=True, layers=2)
    monkeypatch.setattr(encoder_module, "has_accelerator", lambda: True)
    fast = ready(cell=cell, bidirectional=True, layers=2)
    assert fast.is_fast and not plain.is_fast and not fast.supports_jit
    called = mock.Mock(wraps=encoder_module.to_keras)
    monkeypatch.setattr(encoder_module, "to_keras", called)
    assert len(fast.weights) == len(plain.weights)
    found = []
    for encoder in (plain, fast):
        with tf.GradientTape() as tape:
            outputs, last = encoder(VECTORS, MASK, training=True)
            loss = tf.reduce_sum(tf.where(MASK[..., None], outputs, 0.0) ** 3) + tf.reduce_sum(last**2)
        gradients = tape.gradient(loss, [weight.value for weight in encoder.weights])
        found.append([np.where(MASK[..., None], outputs, 0.0), last, *gradients])
    assert called.call_count == 4
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, atol=2e-6)
    np.testing.assert_array_equal(fast(VECTORS, MASK)[1], plain(VECTORS, MASK)[1])
    assert called.call_count == 4  # what is exported has the loop


def test_a_cell_that_cudnn_lacks_is_looped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_module, "has_accelerator", lambda: True)
    assert not ready(cell="peephole").is_fast and ready(cell="peephole").supports_jit


def test_a_mask_of_keras_is_read_and_passed_on() -> None:
    """By its name, and as an embedding of Keras sets it; what is behind the end of a row changes nothing."""
    encoder = ready(cell="gru")
    np.testing.assert_array_equal(encoder(VECTORS, mask=MASK)[1], encoder(VECTORS, MASK)[1])
    keras.utils.set_random_seed(0)
    tokens, sequence = keras.Input((5,), dtype="int32"), SequenceEncoder(4, cell="gru")
    outputs, last = sequence(keras.layers.Embedding(9, 3, mask_zero=True)(tokens))
    pooled = keras.layers.GlobalAveragePooling1D()(outputs)  # which reads the mask that is passed on
    model = keras.Model(tokens, [outputs, last, pooled])
    steps, after, mean = model(np.array([[3, 5, 0, 0, 0]]))
    np.testing.assert_allclose(after, steps[:, 1], atol=1e-6)
    np.testing.assert_allclose(mean, np.mean(steps[:, :2], axis=1), atol=1e-6)
