"""R-Drop and scheduled sampling change the batches and the loss of another objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from stopping import StopAfter, Stopped

import mmtoolkit as mm
from mmtoolkit.readers import Splits
from mmtoolkit.tasks import captioning
from mmtoolkit.tasks.objectives import (
    Consistency,
    ConsistencyLoss,
    ScheduledSampling,
    TextOnly,
    mix_words,
    twice,
)
from mmtoolkit.text import SPECIAL
from mmtoolkit.training import fitting
from mmtoolkit.training.recipe import Recipe

RANDOM = np.random.default_rng(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Computes the softmax over the last axis."""
    grown = np.exp(logits - logits.max(-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True)


def test_the_loss_is_the_papers_halved() -> None:
    logits = RANDOM.normal(size=(4, 3, 5)).astype("float32")  # two captions twice, 3 words of 5
    targets = np.array([[1, 2, 0], [3, 0, 0]] * 2)
    weights = np.array([[1, 1, 0], [1, 0, 0]] * 2, np.float32) / 6  # 3 words, each copy with half
    expected, p = 0.0, softmax(logits.astype("float64"))
    for row in range(2):
        for time in range(3):
            if not weights[row, time]:
                continue
            first, second = p[row, time], p[row + 2, time]
            likelihood = -np.log(first[targets[row, time]]) - np.log(second[targets[row, time]])
            divergence = (first * np.log(first / second)).sum() + (second * np.log(second / first)).sum()
            expected += (likelihood + 0.7 * divergence / 2) / 2 / 3  # equation 4, halved; the mean over 3 words
    loss = ConsistencyLoss(mm.token_loss(0.0), weight=0.7)
    assert float(loss(targets, logits, weights)) == pytest.approx(expected, rel=1e-5)


def test_equal_predictions_cost_what_they_cost_before() -> None:
    logits = np.repeat(RANDOM.normal(size=(1, 3, 5)), 2, axis=0)
    targets, weights = np.array([[1, 2, 3]] * 2), np.full((2, 3), 1 / 6)
    plain = float(mm.token_loss(0.1)(targets[:1], logits[:1], weights[:1] * 2))
    assert float(ConsistencyLoss(mm.token_loss(0.1), weight=9.0)(targets, logits, weights)) == pytest.approx(plain)


def test_pictures_that_captions_share_are_not_repeated() -> None:
    inputs = {"regions": tf.zeros((2, 4, 8)), "image_index": tf.constant([0, 1, 1]), "tokens": tf.zeros((3, 5))}
    doubled, targets, weights = twice(inputs, tf.zeros((3, 5)), tf.ones((3, 5)))
    assert doubled["regions"].shape == (2, 4, 8) and doubled["tokens"].shape == targets.shape == (6, 5)
    assert doubled["image_index"].numpy().tolist() == [0, 1, 1, 0, 1, 1] and float(weights[0, 0]) == 0.5
    alone, _, _ = twice({"regions": tf.zeros((3, 4, 8)), "tokens": tf.zeros((3, 5))}, tf.zeros(3), tf.ones(3))
    assert alone["regions"].shape == (6, 4, 8)


def test_drawn_words_come_from_the_prediction_one_position_before() -> None:
    first, count = len(SPECIAL), 400
    tokens = np.tile(np.array([[1, first, first + 1, 3, 2, 0]], np.int32), (count, 1))
    logits = np.zeros((count, 6, first + 3), np.float32)
    logits[:, 0, :] = [9, 9, 9, 9, -9, 1.0, 1.0 + np.log(3)]  # after START: the second word or the third, 1 to 3
    logits[:, 1, :] = [9, 9, 9, 9, 9, -9, -9]  # after the first word: the first again
    mixed = mix_words(tokens, logits, share=0.5, seed=0)
    assert (mixed[:, [0, 3, 4, 5]] == tokens[:, [0, 3, 4, 5]]).all()  # START, UNK, END, padding
    drawn = mixed[mixed[:, 1] != first, 1]
    assert set(drawn.tolist()) == {first + 1, first + 2} and 0.4 < len(drawn) / count < 0.6
    assert 0.65 < (drawn == first + 2).mean() < 0.85
    assert 0.4 < (mixed[:, 2] == first).mean() < 0.6
    assert (mix_words(tokens, logits, share=0.0, seed=0) == tokens).all()
    assert (mix_words(tokens, logits, share=0.5, seed=0) == mixed).all()
    assert (mix_words(tokens, logits, share=0.5, seed=1) != mixed).any()


def test_the_share_of_own_words_grows_with_the_steps(
    drawings: list[mm.CaptionRecord], make_captioner: Callable[..., mm.Captioner]
) -> None:
    captioner = make_captioner(mm.TextCodec.fit(mm.texts(drawings), min_count=1))
    captioner.compile(keras.optimizers.Adam(), loss=mm.token_loss())
    objective = ScheduledSampling(captioning, share=1.0, epochs=2)
    order = {"batch_size": 4, "seed": 0, "epoch": 0, "step": 0}
    source = captioner.image_source()
    plain = next(iter(captioning.dataset(captioner, drawings, source, **order)))[0]["tokens"].numpy()
    shares = []
    for step in (0, 2, 4):  # of two epochs of two steps
        captioner.optimizer.iterations.assign(step)
        inputs, targets, _ = next(iter(objective.dataset(captioner, drawings, source, **order)))
        words = plain[:, 1:] >= len(SPECIAL)
        shares.append((inputs["tokens"].numpy() != plain)[:, 1:][words].mean())
        assert (targets.numpy()[:, :-1] == plain[:, 1:])[words].all()  # which are people's still
    assert shares[0] == 0 and 0.3 < shares[1] < 0.65 and shares[2] > 0.8  # some are drawn as they were


def test_a_stopped_training_goes_on_to_the_bit(
    drawings: list[mm.CaptionRecord], make_captioner: Callable[..., mm.Captioner], tmp_path: Path
) -> None:
    """With both of them, and half of the pictures mirrored."""
    codec = mm.TextCodec.fit(mm.texts(drawings), min_count=1)
    recipe = Recipe(epochs=2, batch_size=3, averaging=0.5, mirror=True, checkpoint_every=1)
    splits = Splits(drawings[2:], drawings[:2], [])

    def run(out: Path, **changed: Any) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        model = make_captioner(codec, dropout=0.3)
        objective = Consistency(ScheduledSampling(captioning, share=0.5, epochs=2), weight=1.0)
        aims = {"recipe": replace(recipe, **changed), "objective": objective, "tell": lambda line: None}
        fitting.fit(captioning, model, splits, source=model.image_source(), out=out, **aims)
        return [np.asarray(weight) for weight in model.weights]

    whole = run(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "StopAtNaN", lambda preset: StopAfter(3))
        with pytest.raises(Stopped):
            run(tmp_path / "stopped")
    for one, other in zip(whole, run(tmp_path / "stopped"), strict=True):
        np.testing.assert_array_equal(one, other)
    same = [np.array_equal(*pair) for pair in zip(whole, run(tmp_path / "as it is", mirror=False), strict=True)]
    assert not all(same)


def test_texts_alone_come_with_empty_pictures(
    drawings: list[mm.CaptionRecord], make_captioner: Callable[..., mm.Captioner]
) -> None:
    captioner = make_captioner(mm.TextCodec.fit(mm.texts(drawings), min_count=1))
    texts = [record.captions[0] for record in drawings]
    objective = TextOnly(captioning, texts, like=drawings[0])
    order = {"batch_size": 3, "seed": 0, "epoch": 0, "step": 0}
    batches = list(objective.dataset(captioner, [], captioner.image_source(), **order))
    assert sum(int(np.max(inputs["images"])) for inputs, _, _ in batches) == 0
    read = [row for inputs, _, _ in batches for row in captioner.codec.decode_all(inputs["tokens"].numpy())]
    assert sorted(map(str, read)) == sorted(captioner.codec.decode(captioner.codec.encode(text)) for text in texts)
