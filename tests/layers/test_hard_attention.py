"""Hard attention: where it attends, how it draws, its reward and its baseline, against NumPy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtoolkit.layers import HardAttention
from mmtoolkit.layers import attention as attention_module
from mmtoolkit.layers.attention import EXPECTED, NUMBERS, locations

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(2, 5, 3)).astype("float32")
MASK = np.array([[True, True, False, True, False], [False, True, True, True, True]])
ROWS = 3  # of each picture
QUERY = RANDOM.normal(size=(2 * ROWS, 6)).astype("float32")


def make() -> HardAttention:
    layer = HardAttention(4)
    layer.build((None, 6), (None, None, 3))
    for weight in layer.trainable_weights:
        weight.assign(RANDOM.normal(size=weight.shape))
    return layer


def probabilities(layer: HardAttention) -> np.ndarray:
    """`[rows, regions]`, a row at a time; masked regions have none."""
    kernel, bias = (np.asarray(weight, "float64") for weight in layer.key_projection.weights)
    (query_kernel,) = (np.asarray(weight, "float64") for weight in layer.query_projection.weights)
    rows = []
    for row, query in enumerate(QUERY @ query_kernel):
        scores = np.tanh(query + VALUES[row // ROWS] @ kernel + bias) @ np.asarray(layer.v, "float64")
        powers = np.where(MASK[row // ROWS], np.exp(scores), 0.0)
        rows.append(powers / powers.sum())
    return np.array(rows)


def test_the_context_is_the_likeliest_region_of_each_row() -> None:
    layer = make()
    context, weights = layer(QUERY, layer.prepare(VALUES, MASK))
    expected = probabilities(layer)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    likeliest = expected.argmax(axis=1)
    np.testing.assert_array_equal(context, [VALUES[row // ROWS, region] for row, region in enumerate(likeliest)])
    assert len(set(likeliest)) > 1


def test_the_context_is_the_region_drawn_or_the_mean_by_the_weights() -> None:
    layer = make()
    expected = probabilities(layer)
    draws = (NUMBERS * np.array([0.0, 0.3, 0.6, 0.9, 0.9999999, 0.5])).astype("int32")
    draws[-1] = EXPECTED
    context, _ = layer.attend(QUERY, layer.prepare(VALUES, MASK), None, draws)
    for row, draw in enumerate(draws[:-1]):
        region = next(region for region, end in enumerate(np.cumsum(expected[row])) if end > draw / NUMBERS)
        np.testing.assert_array_equal(context[row], VALUES[row // ROWS, region])
    np.testing.assert_allclose(context[-1], expected[-1] @ VALUES[1], atol=1e-6)


def test_regions_are_drawn_as_often_as_they_are_likely() -> None:
    """Within four standard errors of a share in so many draws; a masked region never, not even by the first number."""
    layer, count = HardAttention(4), 20_000
    weights = np.array([0.0, 0.5, 0.0, 0.2, 0.3, 0.0], "float32")
    draws = np.asarray(layer.draw(np.zeros((count, 1), "int32")))[:, 0]
    drawn = draws[draws != EXPECTED]
    shares = np.asarray(locations(np.tile(weights, (len(drawn), 1)), drawn)).mean(axis=0)
    assert (np.abs(shares - weights) <= 4 * np.sqrt(weights * (1 - weights) / len(drawn))).all()
    assert drawn.min() >= 0 and drawn.max() < NUMBERS
    for first_and_last in (0, NUMBERS - 1):
        assert weights[np.asarray(locations(weights, np.int32(first_and_last))).argmax()] > 0


def test_a_masked_region_is_not_drawn_by_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parallel sum, as of a GPU, may grow a little where nothing is added."""
    monkeypatch.setattr(attention_module.ops, "cumsum", lambda x, axis: np.array([0.5, 0.5000001, 1.0], "float32"))
    weights = np.array([0.5, 0.0, 0.5], "float32")
    assert np.asarray(locations(weights, np.int32(NUMBERS // 2))).tolist() == [0.0, 0.0, 1.0]


def test_half_of_the_sentences_get_the_expectation_throughout() -> None:
    draws = np.asarray(HardAttention(4).draw(np.zeros((4000, 3), "int32")))
    expected = draws == EXPECTED
    assert (expected.all(axis=1) == expected.any(axis=1)).all()
    assert abs(expected[:, 0].mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)
    assert len(np.unique(draws[~expected])) > 0.99 * (~expected).sum()


def test_the_draws_follow_the_seed_and_move_on() -> None:
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        layer = HardAttention(4)
        runs.append([np.asarray(layer.draw(np.zeros((4, 5), "int32"))) for _ in range(2)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert (runs[0][0] != runs[0][1]).any()


def test_the_baseline_is_the_moving_mean_of_the_log_likelihoods() -> None:
    """b_k = 0.9 b_{k-1} + 0.1 log p, from 0: -1, -2.9 and -1.61 for means of -10, -20 and 10."""
    layer, found = make(), []
    for likelihoods in ([-8.0, -12.0], [-20.0, -20.0], [5.0, 15.0]):
        layer.reinforce_loss(tf.constant(likelihoods), *step_of(draws=[[0], [EXPECTED]]))
        found.append(float(layer.baseline))
    np.testing.assert_allclose(found, [-1.0, -2.9, -1.61], rtol=1e-6)


def step_of(draws: list[list[int]], real: float = 1.0) -> tuple[tf.Tensor, ...]:
    """Two sentences of a step over two regions, the first of which has a quarter of the weight."""
    weights = tf.constant([[[0.25, 0.75]], [[0.25, 0.75]]])
    return weights, tf.constant(draws), tf.constant([[real], [real]])


@pytest.mark.parametrize(("region", "draw"), [(0, 0), (1, NUMBERS // 2), (None, EXPECTED)])
def test_the_gradient_is_the_reward_times_that_of_the_log_probability(
    region: int | None, draw: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand, with a baseline of -2: rewards 3 and -1; two tokens; the derivative of log p is 1 / p."""
    layer, entropy = make(), 0.1
    monkeypatch.setattr(attention_module, "ENTROPY", entropy)
    layer.baseline.assign(-2.0)
    weights, draws, real = step_of(draws=[[draw], [EXPECTED]])
    with tf.GradientTape() as tape:
        tape.watch(weights)
        loss = layer.reinforce_loss(tf.constant([1.0, -3.0]), weights, draws, real)
    expected = np.zeros((2, 1, 2))
    if region is not None:
        expected[0, 0, region] = 3.0 / (0.25, 0.75)[region]
    expected += -entropy * (np.log([0.25, 0.75]) + 1.0)  # of H = -sum p log p
    np.testing.assert_allclose(tape.gradient(loss, weights), -expected / 2, rtol=1e-5)
    assert float(loss) == 0.0  # what is reported stays the loss of the words


def test_padding_and_masked_regions_add_nothing() -> None:
    layer = make()
    weights, draws, real = step_of(draws=[[0], [NUMBERS // 2]], real=1.0)
    wide = [tf.pad(weights, [[0, 0], [0, 1], [0, 1]]), tf.pad(draws, [[0, 0], [0, 1]]), tf.pad(real, [[0, 0], [0, 1]])]
    found = []
    for given in ((weights, draws, real), wide):
        layer.baseline.assign(0.0)
        with tf.GradientTape() as tape:
            tape.watch(given[0])
            loss = layer.reinforce_loss(tf.constant([1.0, -3.0]), *given)
        found.append(tape.gradient(loss, given[0]).numpy())
    np.testing.assert_allclose(found[1][:, :1, :2], found[0], rtol=1e-6)
    assert np.isfinite(found[1]).all() and not found[1][:, 1].any()


def test_a_search_compares_as_an_export_does() -> None:
    layer = HardAttention(2**10)
    memory = layer.prepare(np.ones((1, 64, 3), "float32"))
    assert not layer.can_fuse(memory) and layer.fused(memory).compare is None
