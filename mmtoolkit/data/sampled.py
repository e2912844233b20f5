"""Turns captions that a model samples, with their rewards, into training batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmtoolkit.data.datasets import WEIGHTS, WORDS, Batch, in_batches, picture_specs
from mmtoolkit.data.stages import batch_plan
from mmtoolkit.decoding import Sample
from mmtoolkit.text import END, PAD, START

SAMPLES = 5  # captions of each picture: each one's baseline is the mean reward of the others
Rewards = Callable[[str, Sequence[str], Sequence[bool]], Sequence[float]]


def sampled_dataset(
    model: Any,
    records: Sequence[Any],
    *,
    source: Any,
    rewards: Rewards,
    batch_size: int = 80,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
) -> Any:
    """Yields captions sampled from a model as it is trained, weighted by how much better than the others they are.

    With a summed cross-entropy of these weights, its gradient is that of the expected reward (REINFORCE). A batch is
    sampled when it is asked for, by random numbers of its own pictures: an epoch that is resumed goes on the same.

    Args:
        model: The captioner.
        records: Pictures, each with an `id`.
        source: A `FeatureStore` or `Pictures`.
        rewards: From a picture's id, some captions of it, and which of them ended, to their rewards.
        batch_size: Captions a batch, `SAMPLES` of each picture.
        seed: Seed of the order and the samples.
        epoch: The first epoch.
        step: Number of batches of the first epoch to skip.

    Source: Rennie et al., "Self-Critical Sequence Training", 2017, equation 5; the mean of the other samples as the
        baseline: Kool et al., "Buy 4 REINFORCE Samples, Get a Baseline for Free!", 2019.
    """
    search = Sample(n_best=SAMPLES)

    def read(chosen: np.ndarray) -> Batch:
        pictures = [records[index] for index in chosen]
        values = source.read([record.image for record in pictures])
        random = np.random.default_rng([seed, *chosen.tolist()])
        uniforms = random.random((len(pictures) * SAMPLES, model.max_length), np.float32)
        ids, _ = model.searched({source.input_name: values, "uniforms": uniforms}, search)
        gains = np.array(
            [advantages(rewards, record.id, of, model.codec) for record, of in zip(pictures, ids, strict=True)]
        )
        index = np.repeat(np.arange(len(pictures), dtype=np.int32), SAMPLES)
        tokens, targets, weights = rewarded_batch(ids.reshape(-1, model.max_length), gains.ravel())
        return {source.input_name: values, "image_index": index, "tokens": tokens}, targets, weights

    specs = {**picture_specs(source, shared=True), "tokens": WORDS}
    pictures = max(1, batch_size // SAMPLES)
    plan = partial(batch_plan, np.zeros(len(records), int), batch_size=pictures, seed=seed)
    return in_batches(read, (specs, WORDS, WEIGHTS), plan, epoch=epoch, step=step, ahead=False)


def advantages(rewards: Rewards, name: str, ids: np.ndarray, codec: Any) -> np.ndarray:
    """Computes by how much the reward of each caption exceeds the mean of the others.

    Args:
        rewards: As in `sampled_dataset`.
        name: The picture's id.
        ids: `<int32>[captions, max_length]`, padded after END.
        codec: The codec of the captions.

    Returns:
        `<float64>[captions]`, of sum 0.
    """
    texts = [str(text) for text in codec.decode_all(ids)]
    scores = np.asarray(rewards(name, texts, (ids == END).any(axis=1).tolist()))
    return (scores - scores.mean()) * len(scores) / (len(scores) - 1)


def rewarded_batch(ids: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns input tokens, the next tokens as targets, and weights: the gain of a caption over all captions' tokens.

    Example:
        >>> [part.tolist() for part in rewarded_batch(np.array([[5, 2, 0]]), np.array([0.5]))]
        [[[1, 5]], [[5, 2]], [[0.25, 0.25]]]

    Args:
        ids: `<int32>[captions, max_length]`, padded after END.
        gains: `<float>[captions]`.
    """
    targets = ids[:, : max(1, int((ids != PAD).sum(axis=1).max()))]
    tokens = np.concatenate([np.full_like(targets[:, :1], START), targets[:, :-1]], axis=1)
    real = targets != PAD
    return np.where(tokens == END, PAD, tokens), targets, (real * gains[:, None] / real.sum()).astype(np.float32)
