"""Batches of sampled captions: their weights by hand, and that their gradient is that of the expected reward."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import mmtoolkit as mm
from mmtoolkit.data.sampled import SAMPLES, advantages, rewarded_batch, sampled_dataset
from mmtoolkit.text import END, PAD, START

FIRST = 4  # the first word's id
CODEC = mm.TextCodec.fit(["red blue"], min_count=1)


def test_weights_by_hand() -> None:
    ids = np.array([[5, 4, END, PAD, PAD], [4, END, PAD, PAD, PAD], [5, 5, 5, 5, 5]])
    tokens, targets, weights = rewarded_batch(ids, np.array([0.6, -0.2, 1.0]))
    assert tokens.tolist() == [[START, 5, 4, PAD, PAD], [START, 4, PAD, PAD, PAD], [START, 5, 5, 5, 5]]
    assert targets.tolist() == ids.tolist()
    expected = [[0.06, 0.06, 0.06, 0, 0], [-0.02, -0.02, 0, 0, 0], [0.1] * 5]  # over 3 + 2 + 5 tokens
    np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_advantages_are_over_the_mean_of_the_others() -> None:
    def rewards(name: str, captions: Sequence[str], ended: Sequence[bool]) -> list[float]:
        assert name == "a" and list(captions) == ["red", "blue", "red blue red"] and list(ended) == [True, True, False]
        return [1.0, 2.0, 6.0]

    red, blue = CODEC.vocabulary.tokens.index("red"), CODEC.vocabulary.tokens.index("blue")
    ids = np.array([[red, END, PAD], [blue, END, PAD], [red, blue, red]])
    assert advantages(rewards, "a", ids, CODEC).tolist() == pytest.approx([1 - 4, 2 - 3.5, 6 - 1.5])


class Chain:
    """Says words by a table of logits of the next word; the picture does not count."""

    codec, max_length, uses_images = CODEC, 3, False

    def __init__(self, logits: np.ndarray) -> None:
        self.logits = logits

    def searched(self, inputs: dict[str, np.ndarray], search: Any) -> tuple[np.ndarray, np.ndarray]:
        table = ops.convert_to_tensor(self.logits)
        ids, scores = search(
            lambda tokens, state: (ops.take(table, tokens, axis=0), state),
            ops.zeros((len(inputs["regions"]), 1)),
            start=START,
            end=END,
            max_length=self.max_length,
            uniforms=inputs["uniforms"],
        )
        return np.asarray(ids), np.asarray(scores)


SOURCE: Any = SimpleNamespace(
    input_name="regions", shape=(1, 2), dtype=np.float16, read=lambda images: np.zeros((len(images), 1, 2), np.float16)
)
RECORDS = [SimpleNamespace(id=f"{number}", image=Path(f"{number}.jpg")) for number in range(400)]


def reward_of(caption: str) -> float:
    return {"red": 1.0, "blue": -0.5, "": 0.25}.get(caption, len(caption) / 10)


def rewards(name: str, captions: Sequence[str], ended: Sequence[bool]) -> list[float]:
    return [reward_of(caption) for caption in captions]


def test_the_gradient_is_that_of_the_expected_reward() -> None:
    """Over all 13 captions of two words up to three long, against 2,000 samples of 400 pictures."""
    random = np.random.default_rng(0)
    size = len(CODEC.vocabulary)
    logits = random.normal(size=(size, size)).astype("float32")
    logits[:, [PAD, START, 3]] = -1e9  # the search never says them
    chain = Chain(logits)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)

    def score(words: tuple[int, ...]) -> tuple[float, np.ndarray]:
        chance, gradient = 1.0, np.zeros((size, size))
        for before, word in itertools.pairwise((START, *words)):
            chance *= probabilities[before, word]
            gradient[before] -= probabilities[before]
            gradient[before, word] += 1
        return chance, gradient

    vocabulary = range(FIRST, size)
    captions = [(*words, END) for length in range(3) for words in itertools.product(vocabulary, repeat=length)]
    captions += list(itertools.product(vocabulary, repeat=3))
    chances, gradients = zip(*map(score, captions), strict=True)
    assert sum(chances) == pytest.approx(1.0)
    said = [reward_of(" ".join(CODEC.vocabulary.tokens[word] for word in words if word >= FIRST)) for words in captions]
    expected = sum(
        chance * reward * gradient for chance, reward, gradient in zip(chances, said, gradients, strict=True)
    )

    found, spread = [], []
    for inputs, targets, weights in sampled_dataset(chain, RECORDS, source=SOURCE, rewards=rewards, batch_size=50):
        assert inputs["image_index"].numpy().tolist() == [row for row in range(10) for _ in range(SAMPLES)]
        tokens, ids, gains = (np.asarray(part) for part in (inputs["tokens"], targets, weights))
        real = ids != PAD
        gains = gains * real.sum() / len(ids)  # the mean over captions, which `expected` is
        each = np.zeros((size, size))
        for row, column in np.argwhere(real):
            step = -probabilities[tokens[row, column]]
            step[ids[row, column]] += 1
            each[tokens[row, column]] += gains[row, column] * step
        found.append(each)
    spread = np.std(found, axis=0) / np.sqrt(len(found))
    error = np.abs(np.mean(found, axis=0) - expected)
    assert (error <= 4 * spread + 1e-6).all() and np.abs(expected).max() > 10 * spread.max()


def test_a_resumed_epoch_has_the_same_batches() -> None:
    chain = Chain(np.random.default_rng(1).normal(size=(len(CODEC.vocabulary),) * 2).astype("float32"))

    def batches(**at: int) -> list[Any]:
        made = sampled_dataset(chain, RECORDS[:40], source=SOURCE, rewards=rewards, batch_size=50, seed=3, **at)
        return [keras.tree.map_structure(np.asarray, batch) for batch in made]

    whole, rest = batches(epoch=1), batches(epoch=1, step=2)
    assert len(whole) == 4
    keras.tree.map_structure(np.testing.assert_array_equal, whole[2:], rest)
    assert not np.array_equal(whole[0][1], batches(epoch=2)[0][1])


def test_a_batch_is_sampled_when_it_is_asked_for() -> None:
    """Not ahead: it has to come from the weights of its step."""
    chain, asked = Chain(np.zeros((len(CODEC.vocabulary),) * 2, "float32")), []
    searched = chain.searched
    chain.searched = lambda inputs, search: asked.append(1) or searched(inputs, search)  # type: ignore[func-returns-value]
    batches = iter(sampled_dataset(chain, RECORDS[:40], source=SOURCE, rewards=rewards, batch_size=50))
    for count in (1, 2, 3):
        next(batches)
        assert len(asked) == count
