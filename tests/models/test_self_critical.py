"""Self-critical training of a real captioner: it learns by rewards alone, and goes on after a stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from stopping import StopAfter, Stopped

import mmtoolkit as mm
from mmtoolkit.data.sampled import SAMPLES
from mmtoolkit.decoding import Sample
from mmtoolkit.losses import token_loss
from mmtoolkit.readers import Splits
from mmtoolkit.tasks import captioning
from mmtoolkit.tasks.self_critical import SelfCritical, sharpened
from mmtoolkit.training import fitting
from mmtoolkit.training.recipe import Recipe


@pytest.fixture
def beginner(drawings: list[mm.CaptionRecord], make_captioner: Callable[..., mm.Captioner]) -> mm.Captioner:
    """A captioner that knows some words of each drawing's caption."""
    captioner = make_captioner(mm.TextCodec.fit(mm.texts(drawings), min_count=1))
    captioner.compile(keras.optimizers.Adam(5e-3, global_clipnorm=5.0), loss=token_loss(0.0))
    batch = mm.caption_dataset(drawings, captioner.codec, features=captioner.image_source(), batch_size=8).cache()
    captioner.fit(batch.repeat(28), verbose=0, shuffle=False)
    return captioner


def mean_reward(objective: SelfCritical, captioner: mm.Captioner, records: list[mm.CaptionRecord]) -> float:
    """The mean reward of forty samples of each picture."""
    sampled = captioner.generate([record.image for record in records], decoding=Sample(n_best=40, seed=1), n_best=40)
    pairs = zip(records, sampled, strict=True)
    return float(np.mean([objective.reward(record.id, said, [True] * len(said)) for record, said in pairs]))


def test_it_learns_by_rewards_alone(drawings: list[mm.CaptionRecord], beginner: mm.Captioner) -> None:
    objective, sharp = SelfCritical(drawings), sharpened(beginner)
    before = mean_reward(objective, sharp, drawings)
    sharp.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), loss=objective.loss(sharp, 0.1))
    order = {"batch_size": 8 * SAMPLES, "seed": 0, "epoch": 0, "step": 0}
    batches = objective.dataset(sharp, drawings, sharp.image_source(), **order)
    sharp.fit(batches, epochs=40, verbose=0, shuffle=False)
    assert mean_reward(objective, sharp, drawings) > before + 0.5


def test_sharpening_divides_the_logits(drawings: list[mm.CaptionRecord], beginner: mm.Captioner) -> None:
    sharp = sharpened(beginner, 0.5)
    pixels = beginner.image_source().read([record.image for record in drawings])
    inputs = {"images": pixels, "tokens": beginner.codec.encode_batch([d.captions[0] for d in drawings])}
    np.testing.assert_allclose(np.asarray(sharp(inputs)), 2 * np.asarray(beginner(inputs)), rtol=1e-4, atol=1e-4)
    # What is sampled from it is what the model that was given says at that temperature.
    uniforms = np.random.default_rng(0).random((len(drawings), beginner.max_length), np.float32)
    same = {"images": pixels, "uniforms": uniforms}
    np.testing.assert_array_equal(sharp.searched(same, Sample())[0], beginner.searched(same, Sample(0.5))[0])
    assert sharp.attention_penalty == 0.0


def test_a_stopped_training_goes_on_to_the_bit(
    drawings: list[mm.CaptionRecord], beginner: mm.Captioner, tmp_path: Path
) -> None:
    objective = SelfCritical(drawings[2:], reward="mix")
    recipe = Recipe(epochs=2, clip=1.0, batch_size=2 * SAMPLES, averaging=0.5, checkpoint_every=1)
    splits, source = Splits(drawings[2:], drawings[:2], []), beginner.image_source()

    def run(out: Path) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        model = sharpened(beginner)
        aims = {"source": source, "recipe": recipe, "objective": objective, "tell": lambda line: None}
        fitting.fit(captioning, model, splits, out=out, **aims)
        return [np.asarray(weight) for weight in model.weights]

    whole = run(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "StopAtNaN", lambda preset: StopAfter(2))
        with pytest.raises(Stopped):
            run(tmp_path / "stopped")
    for one, other in zip(whole, run(tmp_path / "stopped"), strict=True):
        np.testing.assert_array_equal(one, other)


@dataclass(frozen=True)
class Echo:
    """Returns its random numbers in place of sentences."""

    def __call__(self, step: Any, state: Any, *, uniforms: Any, **same: Any) -> tuple[Any, Any]:
        return keras.ops.expand_dims(uniforms, 1), uniforms[:, :1]


def test_random_numbers_keep_their_digits_in_bfloat16(drawings: list[mm.CaptionRecord], beginner: mm.Captioner) -> None:
    """With 8 bits of them, what comes after 255 of 256 parts of the probability would never be sampled."""
    half = beginner.bare(dtype="mixed_bfloat16")
    pixels = half.image_source().read([record.image for record in drawings])
    uniforms = np.random.default_rng(3).random((len(drawings), half.max_length)).astype("float32")
    echo: Any = Echo()
    np.testing.assert_array_equal(half.searched({"images": pixels, "uniforms": uniforms}, echo)[0][:, 0], uniforms)
