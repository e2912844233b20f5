"""Searches for one sentence per row, by the likeliest token or a sampled one at each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.decoding.tokens import BANNED, MINUS_INFINITY, Step, forbid, gather_rows, write
from mmtoolkit.errors import InputError


@dataclass(frozen=True)
class Greedy:
    """Takes the likeliest token at every step.

    Example:
        >>> ids, scores = Greedy()(step, ops.zeros((1, 1)), start=1, end=2, max_length=5)
        >>> np.asarray(ids).tolist()
        [[[5, 4, 2, 0, 0]]]

    Returns:
        `ids <int32>[batch, 1, max_length]`, padded with 0 after `end`, and `scores <float32>[batch, 1]`, the sum of the
        log-probabilities, that of `end` included.
    """

    def __call__(
        self, step: Step, state: Any, *, start: int, end: int, max_length: int, banned: Sequence[int] = BANNED
    ) -> tuple[Any, Any]:
        def likeliest(log_probabilities: Any, time: Any) -> Any:
            return ops.argmax(log_probabilities, axis=-1)

        ids, scores = sampling(likeliest, step, state, start=start, end=end, max_length=max_length, banned=banned)
        return ops.expand_dims(ids, 1), ops.expand_dims(scores, 1)


@dataclass(frozen=True)
class Sample:
    """Samples each token from the model's distribution.

    Example:
        >>> search = Sample(temperature=0.7, top_p=0.9)
        >>> ids, scores = search(step, ops.zeros((1, 1)), start=1, end=2, max_length=5)
        >>> np.asarray(ids).tolist()
        [[[5, 4, 2, 0, 0]]]

    Args:
        temperature: Divides the logits; below 1 likely tokens become likelier, near 0 it is greedy search.
        top_k: Number of likeliest tokens to sample from; 0 means all.
        top_p: Probability of the likeliest tokens to sample from; the token that reaches it is included.
        n_best: Number of sentences sampled for each picture; they are returned best first.
        seed: Seed of the samples, the same at every call. With `None` or a `keras.random.SeedGenerator` calls differ.

    Returns:
        `ids <int32>[batch, n_best, max_length]`, padded with 0 after `end`, and `scores <float32>[batch, n_best]`, the
        log-probabilities of the sentences under the model itself, whatever the options.

    Raises:
        InputError: An option is out of its range.

    Source: Fan, Lewis & Dauphin 2018 for `top_k`; Holtzman et al. 2020 for `top_p`.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    n_best: int = 1
    seed: int | keras.random.SeedGenerator | None = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"A sample's temperature must be above 0. Received: {self.temperature}; Greedy() is 0.")
        if self.top_k < 0 or self.n_best < 1:
            raise InputError(
                f"A sample needs top_k >= 0 and n_best >= 1. Received: top_k={self.top_k}, n_best={self.n_best}."
            )
        if not 0 < self.top_p <= 1:
            raise InputError(f"A sample's top_p is above 0 and at most 1. Received: {self.top_p}.")

    def __call__(
        self,
        step: Step,
        state: Any,
        *,
        start: int,
        end: int,
        max_length: int,
        banned: Sequence[int] = BANNED,
        uniforms: Any = None,
    ) -> tuple[Any, Any]:
        """Samples sentences; `uniforms <float32>[batch * n_best, max_length]` in [0, 1) replace the random numbers."""
        batch = ops.shape(keras.tree.flatten(state)[0])[0]
        if uniforms is None:
            uniforms = keras.random.uniform((batch * self.n_best, max_length), seed=self.seed)

        def drawn(log_probabilities: Any, time: Any) -> Any:
            return draw(self.narrow(log_probabilities / self.temperature), ops.take(uniforms, time, axis=1))

        state = keras.tree.map_structure(lambda leaf: ops.repeat(leaf, self.n_best, axis=0), state)
        ids, scores = sampling(drawn, step, state, start=start, end=end, max_length=max_length, banned=banned)
        scores, best = ops.top_k(ops.reshape(scores, (batch, self.n_best)), self.n_best)
        return gather_rows(ops.reshape(ids, (batch, self.n_best, max_length)), best), scores

    def narrow(self, logits: Any) -> Any:
        """Forbids the tokens of `<float32>[rows, vocabulary]` that `top_k` and `top_p` leave out."""
        if self.top_k and self.top_k < logits.shape[-1]:
            least = ops.top_k(logits, self.top_k)[0][:, -1:]
            logits = ops.where(logits < least, MINUS_INFINITY, logits)
        if self.top_p < 1:
            likeliest = ops.flip(ops.sort(logits, axis=-1), axis=-1)
            probabilities = ops.softmax(likeliest, axis=-1)
            before = ops.cumsum(probabilities, axis=-1) - probabilities  # of all likelier tokens
            least = ops.min(ops.where(before < self.top_p, likeliest, np.inf), axis=-1, keepdims=True)
            logits = ops.where(logits < least, MINUS_INFINITY, logits)
        return logits


def sampling(
    choose: Callable[[Any, Any], Any],
    step: Step,
    state: Any,
    *,
    start: int,
    end: int,
    max_length: int,
    banned: Sequence[int],
) -> tuple[Any, Any]:
    """Generates one sentence per row, choosing a token at each step, until all have ended.

    Args:
        choose: From log-probabilities `<float32>[rows, vocabulary]` and the time to tokens `<int>[rows]`.
        step: As in every search, like the rest.

    Returns:
        `ids <int32>[rows, max_length]` and `scores <float32>[rows]`, the sums of the log-probabilities.
    """
    rows = ops.shape(keras.tree.flatten(state)[0])[0]

    def cond(time: Any, ids: Any, last: Any, scores: Any, done: Any, state: Any) -> Any:
        return ops.logical_not(ops.all(done))

    def body(time: Any, ids: Any, last: Any, scores: Any, done: Any, state: Any) -> tuple[Any, ...]:
        logits, state = step(last, state)
        log_probabilities = forbid(ops.log_softmax(ops.cast(logits, "float32")), banned)
        chosen = ops.cast(choose(log_probabilities, time), "int32")
        gained = ops.take_along_axis(log_probabilities, ops.expand_dims(chosen, -1), axis=-1)[:, 0]
        scores = scores + ops.where(done, 0.0, gained)
        chosen = ops.where(done, 0, chosen)
        return time + 1, write(ids, time, chosen), chosen, scores, ops.logical_or(done, chosen == end), state

    first = (
        ops.convert_to_tensor(0, "int32"),
        ops.zeros((rows, max_length), "int32"),
        ops.full((rows,), start, "int32"),
        ops.zeros((rows,), "float32"),
        ops.zeros((rows,), "bool"),
        state,
    )
    _, ids, _, scores, _, _ = ops.while_loop(cond, body, first, maximum_iterations=max_length)
    return ids, scores


def draw(logits: Any, uniforms: Any) -> Any:
    """Samples a token per row by inverting the cumulative softmax at a uniform number: `<int32>[rows]`.

    Example:
        Probabilities 0.25 and 0.75:
        >>> np.asarray(draw(ops.log([[1.0, 3.0], [1.0, 3.0]]), ops.array([0.2, 0.3]))).tolist()
        [0, 1]

    Args:
        logits: `<float32>[rows, tokens]`.
        uniforms: `<float32>[rows]` from 0 to below 1.

    Source: Devroye, "Non-Uniform Random Variate Generation", 1986, III.2: inversion.
    """
    cumulated = ops.cumsum(ops.softmax(logits, axis=-1), axis=-1)
    # Times the last sum, which rounding leaves a little off 1: no number then falls past the last possible token.
    reached = cumulated > ops.expand_dims(uniforms, -1) * cumulated[:, -1:]
    return ops.cast(ops.argmax(reached, axis=-1), "int32")
