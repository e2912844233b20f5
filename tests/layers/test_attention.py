"""Additive attention, against NumPy and `keras.layers.AdditiveAttention`."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from mmtoolkit.layers import BahdanauAttention, Memory, additive_attention

RANDOM = np.random.default_rng(0)
QUERY, KEYS, VALUES, V = (RANDOM.normal(size=shape).astype("float32") for shape in ((2, 4), (2, 5, 4), (2, 5, 3), (4,)))
MASK = np.array([[True, True, False, True, False], [True, False, True, True, True]])


def by_hand(
    query: np.ndarray, keys: np.ndarray, values: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Show, Attend and Tell, equations 4 to 6 (and Bahdanau's appendix), a region at a time."""
    contexts, attention_weights = [], []
    for row in range(len(query)):
        there = [r for r in range(keys.shape[1]) if mask is None or mask[row, r]]
        energies = {r: np.dot(v, np.tanh(query[row] + keys[row, r])) for r in there}
        total = sum(np.exp(energy) for energy in energies.values())
        alignment = np.zeros(keys.shape[1])
        for region in there:
            alignment[region] = np.exp(energies[region]) / total
        attention_weights.append(alignment)
        contexts.append(sum(alignment[region] * values[row, region] for region in there))
    return np.array(contexts), np.array(attention_weights)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_equals_numpy(mask: np.ndarray | None) -> None:
    context, alignment = additive_attention(QUERY, KEYS, VALUES, V, mask)
    expected_context, expected_alignment = by_hand(QUERY, KEYS, VALUES, V, mask)
    np.testing.assert_allclose(alignment, expected_alignment, atol=1e-6)
    np.testing.assert_allclose(context, expected_context, atol=1e-6)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_equals_keras(mask: np.ndarray | None) -> None:
    theirs = keras.layers.AdditiveAttention(use_scale=True)
    theirs.build([(2, 1, 4), (2, 5, 3), (2, 5, 4)])
    theirs.scale.assign(V)
    expected_context, expected_alignment = theirs(
        [QUERY[:, None], VALUES, KEYS],
        mask=None if mask is None else [None, ops.convert_to_tensor(mask)],
        return_attention_scores=True,
    )
    context, alignment = additive_attention(QUERY, KEYS, VALUES, V, mask)
    np.testing.assert_allclose(alignment, expected_alignment[:, 0], atol=1e-6)
    np.testing.assert_allclose(context, expected_context[:, 0], atol=1e-6)


def test_one_region_gets_all_the_attention() -> None:
    context, alignment = additive_attention(
        ops.ones((1, 2)), ops.ones((1, 1, 2)), 5 * ops.ones((1, 1, 3)), ops.ones((2,))
    )
    assert (np.asarray(context).tolist(), np.asarray(alignment).tolist()) == ([[5.0, 5.0, 5.0]], [[1.0]])


def test_masked_regions_get_exactly_zero_and_rows_sum_to_one() -> None:
    keys = np.where(MASK[..., None], KEYS, 100.0).astype("float32")  # what is masked would win by far
    _, alignment = additive_attention(QUERY, keys, VALUES, np.abs(V), MASK)
    alignment = np.asarray(alignment)
    assert (alignment[~MASK] == 0.0).all() and (alignment[MASK] > 0.0).all()
    np.testing.assert_allclose(alignment.sum(axis=1), 1.0, atol=1e-6)


def test_what_is_masked_does_not_matter() -> None:
    elsewhere = np.where(MASK[..., None], VALUES, 1e4).astype("float32")
    before, after = (additive_attention(QUERY, KEYS, values, V, MASK)[0] for values in (VALUES, elsewhere))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_hypotheses_share_the_memory_of_their_picture(mask: np.ndarray | None) -> None:
    """Rows 0..2 are hypotheses of picture 0, rows 3..5 of picture 1."""
    query = RANDOM.normal(size=(6, 4)).astype("float32")
    per_group = additive_attention(query, KEYS, VALUES, V, mask)
    repeated = None if mask is None else np.repeat(mask, 3, axis=0)
    apart = by_hand(query, np.repeat(KEYS, 3, axis=0), np.repeat(VALUES, 3, axis=0), V, repeated)
    for ours, expected in zip(per_group, apart, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_half_precision_weighs_in_full_precision() -> None:
    half = [ops.cast(array, "bfloat16") for array in (QUERY, KEYS, VALUES, V)]
    context, alignment = additive_attention(*half)
    assert keras.backend.standardize_dtype(alignment.dtype) == "float32"
    assert keras.backend.standardize_dtype(context.dtype) == "bfloat16"
    np.testing.assert_allclose(np.asarray(alignment).sum(axis=1), 1.0, atol=1e-6)


def test_the_layer_projects_query_and_keys() -> None:
    layer = BahdanauAttention(4)
    state = RANDOM.normal(size=(2, 6)).astype("float32")
    context, alignment = layer(state, layer.prepare(VALUES, MASK))
    key_kernel, key_bias = (np.asarray(w) for w in layer.key_projection.weights)
    (query_kernel,) = (np.asarray(w) for w in layer.query_projection.weights)
    assert layer.v.shape == (4,)
    expected = by_hand(state @ query_kernel, VALUES @ key_kernel + key_bias, VALUES, np.asarray(layer.v), MASK)
    np.testing.assert_allclose(context, expected[0], atol=1e-6)
    np.testing.assert_allclose(alignment, expected[1], atol=1e-6)


def test_the_layer_has_each_weight_once_however_it_is_built() -> None:
    prepared, built = BahdanauAttention(4), BahdanauAttention(4)
    prepared(np.ones((2, 6), "float32"), prepared.prepare(VALUES))
    built.build((None, 6), (None, None, 3))
    shapes = [sorted(tuple(w.shape) for w in layer.weights) for layer in (prepared, built)]
    assert shapes[0] == shapes[1] == [(3, 4), (4,), (4,), (6, 4)]


def test_prepare_keeps_the_mask_beside_keys_and_values() -> None:
    layer = BahdanauAttention(4)
    memory = layer.prepare(VALUES, MASK)
    assert isinstance(memory, Memory)
    np.testing.assert_array_equal(memory.mask, MASK)
    np.testing.assert_array_equal(memory.values, VALUES)
    assert memory.keys.shape == (2, 5, 4)
