"""A model of four words that is nothing but a function of the prefix, to try searches on."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

PAD, START, END, UNK = 0, 1, 2, 3
WORDS = (4, 5, 6, 7)
SIZE, LONGEST, BATCH = 8, 4, 3


class PrefixModel:
    """Logits that depend on the picture and on the whole prefix, looked up in a random table."""

    def __init__(self, seed: int, *, spread: float = 2.0, end_bonus: float = 0.0) -> None:
        random = np.random.default_rng(seed)
        self.table = random.normal(0, spread, (BATCH, SIZE**LONGEST, SIZE)).astype("float32")
        self.table[..., END] += end_bonus
        self.steps = 0

    def state(self, pictures: Any = range(BATCH)) -> dict[str, Any]:
        """Nested on purpose: a dictionary with a tuple in it, of integers and floats, of several ranks."""
        picture = tf.constant(list(pictures), tf.int32)
        written = tf.zeros((len(picture), LONGEST), tf.int32)
        return {"picture": picture, "written": (written, tf.zeros((len(picture), 2, 2)), tf.zeros_like(picture))}

    def step(self, tokens: Any, state: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Reads the prefix from its state: a search that mixes up its rows reads another one."""
        self.steps += 1
        written, floats, length = state["written"]
        here = tf.one_hot(length, LONGEST, dtype=tf.int32)
        written = written + here * tokens[:, None]
        number = tf.reduce_sum(written * tf.constant([SIZE**place for place in range(LONGEST)]), axis=1)
        logits = tf.gather_nd(tf.constant(self.table), tf.stack([state["picture"], number], axis=1))
        return logits, {"picture": state["picture"], "written": (written, floats + 1.0, length + 1)}

    def log_probabilities(self, picture: int, prefix: tuple[int, ...]) -> np.ndarray:
        """The same in NumPy; `prefix` without START."""
        number = sum(token * SIZE**place for place, token in enumerate((START, *prefix)))
        logits = self.table[picture, number].astype("float64")
        return logits - np.log(np.exp(logits).sum())

    def sum_of(self, picture: int, sentence: tuple[int, ...]) -> float:
        """Log-probability of a whole sentence."""
        return sum(self.log_probabilities(picture, sentence[:i])[token] for i, token in enumerate(sentence))


def run(search: Any, model: PrefixModel, *, max_length: int = LONGEST, pictures: Any = range(BATCH)) -> Any:
    ids, scores = search(model.step, model.state(pictures), start=START, end=END, max_length=max_length)
    return ops.convert_to_numpy(ids), ops.convert_to_numpy(scores)


def trimmed(ids: np.ndarray) -> tuple[int, ...]:
    """A row up to END, which must be followed by PAD alone."""
    row = ids.tolist()
    stop = row.index(END) + 1 if END in row else len(row)
    assert not any(row[stop:])
    return tuple(row[:stop])


def compiled(search: Any, model: PrefixModel, *, jit_compile: bool) -> Any:
    """The search as a graph for any number of pictures."""

    def decode(picture: Any) -> Any:
        rows = tf.shape(picture)[0]
        state = {
            "picture": picture,
            "written": (tf.zeros((rows, LONGEST), tf.int32), tf.zeros((rows, 2, 2)), tf.zeros_like(picture)),
        }
        return search(model.step, state, start=START, end=END, max_length=LONGEST)

    return tf.function(decode, input_signature=[tf.TensorSpec([None], tf.int32)], jit_compile=jit_compile)
