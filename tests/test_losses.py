"""The token loss, against NumPy."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtoolkit.data.datasets import token_batch
from mmtoolkit.losses import TokenLoss, token_loss

RANDOM = np.random.default_rng(2)
LOGITS = RANDOM.normal(0, 3, (3, 5, 7)).astype("float32")
CAPTIONS = [[1, 4, 5, 6, 4, 2], [1, 5, 2], [1, 6, 6, 2]]
_, TARGETS, WEIGHTS = token_batch([np.array(ids) for ids in CAPTIONS])


def smoothed_cross_entropy(logits: np.ndarray, targets: np.ndarray, smoothing: float) -> np.ndarray:
    """Cross-entropy against a distribution written out in full, in double precision."""
    logits = logits.astype("float64")
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.full(logits.shape, smoothing / logits.shape[-1])
    for place in np.ndindex(targets.shape):
        wanted[place][targets[place]] += 1.0 - smoothing
    return -(wanted * log_probabilities).sum(-1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 1.0])
def test_equals_numpy(smoothing: float) -> None:
    expected = smoothed_cross_entropy(LOGITS, TARGETS, smoothing)
    np.testing.assert_allclose(TokenLoss(smoothing).call(TARGETS, LOGITS), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(TokenLoss(smoothing)(TARGETS, LOGITS, WEIGHTS), (expected * WEIGHTS).sum(), rtol=1e-5)


def test_equals_keras() -> None:
    keras_loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2, reduction="none")
    expected = keras_loss(keras.ops.one_hot(TARGETS, 7), LOGITS)
    np.testing.assert_allclose(TokenLoss(0.2).call(TARGETS, LOGITS), expected, rtol=1e-5, atol=1e-6)


def test_a_uniform_guess_costs_the_log_of_the_choices() -> None:
    assert float(TokenLoss()([[1]], np.zeros((1, 1, 4)))) == pytest.approx(np.log(4), rel=1e-6)


def test_the_weighted_sum_is_the_mean_over_real_tokens() -> None:
    single = smoothed_cross_entropy(LOGITS, TARGETS, 0.1)
    real = [single[row, time] for row, ids in enumerate(CAPTIONS) for time in range(len(ids) - 1)]
    assert float(token_loss(0.1)(TARGETS, LOGITS, WEIGHTS)) == pytest.approx(np.mean(real), rel=1e-5)


def test_padding_counts_for_nothing() -> None:
    """Whatever the model says after END, and however far a batch is padded, the loss is the same."""
    loss = token_loss()
    before = float(loss(TARGETS, LOGITS, WEIGHTS))
    after_end = np.where(TARGETS[..., None] == 0, 1e4 * RANDOM.normal(size=LOGITS.shape), LOGITS).astype("float32")
    assert float(loss(TARGETS, after_end, WEIGHTS)) == before
    wider = [np.pad(array, ((0, 0), (0, 3))) for array in (TARGETS, WEIGHTS)]
    logits = np.concatenate([LOGITS, RANDOM.normal(size=(3, 3, 7))], axis=1).astype("float32")
    assert float(loss(wider[0], logits, wider[1])) == pytest.approx(before, rel=1e-6)


def test_padding_gets_no_gradient() -> None:
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = token_loss()(TARGETS, logits, WEIGHTS)
    gradient = tape.gradient(loss, logits).numpy()
    assert not gradient[TARGETS == 0].any()
    assert np.abs(gradient[TARGETS != 0]).max(-1).min() > 0


def test_half_a_batch_and_the_other_half_add_up() -> None:
    """What makes the loss right when a batch is spread over several devices."""
    loss = token_loss()
    halves = [float(loss(TARGETS[rows], LOGITS[rows], WEIGHTS[rows])) for rows in (slice(0, 1), slice(1, 3))]
    assert sum(halves) == pytest.approx(float(loss(TARGETS, LOGITS, WEIGHTS)), rel=1e-6)


def test_weights_may_be_negative() -> None:
    """Self-critical training weighs captions by advantages, whose sum may be nearly zero."""
    weights = np.array([[1.0], [-1.001], [0.5]]) * WEIGHTS
    expected = (smoothed_cross_entropy(LOGITS, TARGETS, 0.0) * weights).sum()
    assert float(TokenLoss()(TARGETS, LOGITS, weights)) == pytest.approx(expected, rel=1e-4)


def test_large_half_precision_logits_stay_finite() -> None:
    logits = keras.ops.cast(1000 * LOGITS, "bfloat16")
    loss = token_loss()(TARGETS, logits, WEIGHTS)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    expected = smoothed_cross_entropy(np.float64(keras.ops.cast(logits, "float32")) / 1e6, TARGETS, 0.1)
    assert np.isfinite(expected).all() and np.isfinite(float(loss))


def test_config_round_trip() -> None:
    loss = TokenLoss(0.25, name="words")
    config = json.loads(json.dumps(keras.losses.serialize(loss)))
    again = keras.losses.deserialize(config)
    assert isinstance(again, TokenLoss)
    assert (again.label_smoothing, again.name, again.reduction) == (0.25, "words", "sum")
    assert float(again(TARGETS, LOGITS, WEIGHTS)) == float(loss(TARGETS, LOGITS, WEIGHTS))


def test_the_default_smooths_by_a_tenth() -> None:
    assert token_loss().label_smoothing == 0.1
