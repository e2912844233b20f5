"""Greedy search and sampling, against the probabilities of the model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from prefix_model import END, PAD, WORDS, PrefixModel, compiled, run, trimmed

from mmtoolkit.decoding import Greedy, Sample, draw
from mmtoolkit.errors import InputError

LOGITS = np.array([1.0, 2.2, -3.0, 4.1], "float32")


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def shares(logits: np.ndarray, draws: int = 10_000) -> np.ndarray:
    """How often each token comes for chances spread evenly over 0 to 1: the softmax itself, up to one draw each."""
    uniforms = (np.arange(draws, dtype="float32") + 0.5) / draws
    drawn = ops.convert_to_numpy(draw(np.tile(logits.astype("float32"), (draws, 1)), uniforms))
    return np.bincount(drawn, minlength=len(logits)) / draws


def test_drawing_equals_the_softmax() -> None:
    """Worked out by hand: e^1.0, e^2.2, e^-3.0 and e^4.1 over their sum."""
    powers = np.array([2.718282, 9.025013, 0.049787, 60.340288])
    np.testing.assert_allclose(softmax(LOGITS), powers / 72.13337, atol=1e-6)
    np.testing.assert_allclose(shares(LOGITS), softmax(LOGITS), atol=2e-4)


def test_the_ends_of_the_chances_draw_possible_tokens() -> None:
    impossible = np.array([-1e9, 0.0, -1e9, 1.0, -1e9], "float32")
    uniforms = np.array([0.0, np.nextafter(np.float32(1), np.float32(0)) - 2**-24], "float32")
    np.testing.assert_array_equal(draw(np.stack([impossible] * 2), uniforms), [1, 3])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"top_k": 1}, [3]),
        ({"top_k": 2}, [1, 3]),
        ({"top_k": 9}, [0, 1, 2, 3]),
        ({"top_p": 0.5}, [3]),
        ({"top_p": 0.9}, [1, 3]),  # 0.837 is less than 0.9, so the token that reaches it is in
        ({"top_p": 0.97}, [0, 1, 3]),
        ({"top_k": 2, "top_p": 0.5}, [3]),
        ({}, [0, 1, 2, 3]),
    ],
    ids=str,
)
def test_top_k_and_top_p_leave_the_rest_out(options: dict[str, Any], kept: list[int]) -> None:
    narrowed = ops.convert_to_numpy(Sample(**options).narrow(LOGITS[None]))[0]
    assert np.flatnonzero(narrowed > -1e8).tolist() == kept
    expected = np.where(np.isin(range(4), kept), softmax(LOGITS), 0.0)
    np.testing.assert_allclose(shares(narrowed), expected / expected.sum(), atol=2e-4)


def test_whole_sentences_come_as_often_as_the_model_says() -> None:
    """4,000 sentences of one picture: each share is within five standard deviations of its probability."""
    model, draws = PrefixModel(3, spread=1.0), 4000
    ids, scores = run(Sample(n_best=draws, seed=7), model, max_length=2, pictures=[1])
    found = [tuple(int(token) for token in row[:2]) for row in ids[0]]
    allowed = (END, *WORDS)

    def probability(prefix: tuple[int, ...], token: int) -> float:
        logits = model.log_probabilities(1, prefix)
        return float(np.exp(logits[token]) / np.exp(logits[list(allowed)]).sum())

    expected = {(END, PAD): probability((), END)}
    expected |= {(a, b): probability((), a) * probability((a,), b) for a in WORDS for b in allowed}
    assert sum(expected.values()) == pytest.approx(1.0)
    assert set(found) <= set(expected)
    for sentence, chance in expected.items():
        deviation = np.sqrt(chance * (1 - chance) / draws)
        assert abs(found.count(sentence) / draws - chance) < 5 * deviation, sentence
    assert (np.diff(scores[0]) <= 0).all()
    for sentence, score in list(zip(found, scores[0], strict=True))[::100]:
        assert score == pytest.approx(model.sum_of(1, tuple(token for token in sentence if token != PAD)), rel=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("search", [Sample(n_best=3), Sample(top_k=3, top_p=0.9, temperature=1.5)], ids=str)
def test_sampling_in_a_graph(search: Any, jit_compile: bool) -> None:
    """XLA has random numbers of its own, so only the plain graph draws what is drawn without one."""
    model = PrefixModel(11)
    ids, scores = compiled(search, model, jit_compile=jit_compile)(tf.constant([2, 1]))
    for picture, rows, found in zip([2, 1], ids.numpy(), scores.numpy(), strict=True):
        for row, score in zip(rows, found, strict=True):
            assert score == pytest.approx(model.sum_of(picture, trimmed(row)), rel=1e-4)
    if not jit_compile:
        np.testing.assert_array_equal(ids, run(search, model, pictures=[2, 1])[0])


def test_a_low_temperature_is_greedy_search() -> None:
    model = PrefixModel(5)
    np.testing.assert_array_equal(run(Sample(temperature=1e-3), model)[0], run(Greedy(), model)[0])


def test_temperature_divides_the_logits() -> None:
    model, halved = PrefixModel(6), PrefixModel(6)
    halved.table /= 2
    np.testing.assert_array_equal(run(Sample(temperature=2.0), model)[0], run(Sample(), halved)[0])


def test_a_seed_repeats_and_a_generator_goes_on() -> None:
    model = PrefixModel(9, spread=0.5)
    same = [run(Sample(n_best=5, seed=3), model)[0] for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert (run(Sample(n_best=5, seed=4), model)[0] != same[0]).any()
    going_on = Sample(n_best=5, seed=keras.random.SeedGenerator(3))
    assert (run(going_on, model)[0] != run(going_on, model)[0]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, r"above 0. Received: 0.0; Greedy\(\) is 0"),
        ({"top_k": -1}, "top_k=-1"),
        ({"n_best": 0}, "n_best=0"),
        ({"top_p": 0.0}, "Received: 0.0"),
        ({"top_p": 1.5}, "Received: 1.5"),
    ],
    ids=str,
)
def test_a_samples_options_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sample(**options)
