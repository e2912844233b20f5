"""Searches over `step`: each owns its loop and knows nothing of the model behind it.

A search is called with `step(tokens, state) -> (logits, state)` and the first state, whose every leaf has one row per
picture. It reorders whatever nested state it is given with one gather and never looks inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.errors import InputError

Step = Callable[[Any, Any], tuple[Any, Any]]
NEVER = (0, 1, 3)  # PAD, START and UNK of a Vocabulary: no search writes them
MINUS_INFINITY = -1e9
IMPOSSIBLE = -1e8  # below this a total holds a forbidden token


@dataclass(frozen=True)
class Greedy:
    """Takes the likeliest token at every step.

    Example:
        >>> ids, scores = Greedy()(step, state, start=1, end=2, max_length=20)

    Returns:
        `ids <int32>[batch, 1, max_length]`, padded with 0 after `end`, and `scores <float32>[batch, 1]`, the sum of the
        log-probabilities, the one of `end` included.
    """

    def __call__(
        self, step: Step, state: Any, *, start: int, end: int, max_length: int, never: Sequence[int] = NEVER
    ) -> tuple[Any, Any]:
        def likeliest(log_probabilities: Any, time: Any) -> Any:
            return ops.argmax(log_probabilities, axis=-1)

        ids, scores = one_by_one(likeliest, step, state, start=start, end=end, max_length=max_length, never=never)
        return ops.expand_dims(ids, 1), ops.expand_dims(scores, 1)


@dataclass(frozen=True)
class BeamSearch:
    """Keeps the `width` likeliest unfinished sentences and the `n_best` best finished ones at every step.

    A sentence that ends leaves the beam, so width 1 is greedy search. Sentences are compared by
    `sum of log-probabilities / length ** length_penalty`, the end token counted. The search stops early once no
    unfinished sentence can still win.

    Example:
        >>> ids, scores = BeamSearch(width=3, length_penalty=0.7)(step, state, start=1, end=2, max_length=20)

    Args:
        width: Number of unfinished sentences kept.
        length_penalty: 0 compares sums (short sentences win), 1 means per token.
        n_best: Number of sentences returned, at most `width`.
        min_length: Number of tokens before `end` may come.
        no_repeat_ngram: No run of so many tokens comes twice in a sentence; 0 allows all.

    Returns:
        `ids <int32>[batch, n_best, max_length]`, best first, padded with 0 after `end`, and
        `scores <float32>[batch, n_best]`, the compared values. Sentences that did not end within `max_length` come
        only where too few did; where there are fewer sentences than `n_best`, the rest are all 0 with a score of -1e9.

    Raises:
        InputError: An option is out of its range.

    Source: Graves 2012; the length penalty is that of Wu et al. 2016, equation 14, without its constants.
    """

    width: int = 3
    length_penalty: float = 0.7
    n_best: int = 1
    min_length: int = 0
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        if self.width < 1 or not 1 <= self.n_best <= self.width:
            raise InputError(
                "A beam needs width >= 1 and 1 <= n_best <= width; choose a larger width or a smaller n_best. "
                f"Received: width={self.width}, n_best={self.n_best}."
            )
        for name in ("length_penalty", "min_length", "no_repeat_ngram"):
            if getattr(self, name) < 0:
                raise InputError(f"A beam's {name} must not be negative. Received: {getattr(self, name)}.")

    def __call__(
        self, step: Step, state: Any, *, start: int, end: int, max_length: int, never: Sequence[int] = NEVER
    ) -> tuple[Any, Any]:
        width = self.width
        batch = ops.shape(keras.tree.flatten(state)[0])[0]

        def proceed(time: Any, ids: Any, last: Any, alive: Any, done: Any, scores: Any, state: Any) -> Any:
            hope = ops.max(alive, axis=1)
            may_win = hope / self.longest(max_length) > scores[:, -1]
            return ops.any(ops.logical_and(may_win, hope > IMPOSSIBLE))

        def move(time: Any, ids: Any, last: Any, alive: Any, done: Any, scores: Any, state: Any) -> tuple[Any, ...]:
            logits, state = step(last, state)
            log_probabilities = forbid(ops.log_softmax(ops.cast(logits, "float32")), never)
            vocabulary = log_probabilities.shape[-1]
            if self.no_repeat_ngram:
                flat = ops.reshape(ids, (-1, max_length))
                log_probabilities += MINUS_INFINITY * repeats(flat, time, self.no_repeat_ngram, vocabulary)
            if self.min_length:
                too_short = time < self.min_length
                log_probabilities = ops.where(too_short, forbid(log_probabilities, (end,)), log_probabilities)
            totals = ops.expand_dims(alive, -1) + ops.reshape(log_probabilities, (batch, width, vocabulary))
            alive, best = ops.top_k(ops.reshape(totals, (batch, width * vocabulary)), width)
            origin, last = ops.cast(best // vocabulary, "int32"), ops.cast(best % vocabulary, "int32")
            ids = write(pick(ids, origin), time, last)

            ended = ops.logical_and(last == end, alive > IMPOSSIBLE)
            length = ops.cast(time + 1, "float32") ** self.length_penalty
            finished = ops.where(ended, alive / length, MINUS_INFINITY)
            scores, best = ops.top_k(ops.concatenate([scores, finished], axis=1), self.n_best)
            done = pick(ops.concatenate([done, ids], axis=1), best)
            alive = ops.where(last == end, MINUS_INFINITY, alive)  # a finished sentence leaves the beam

            rows = ops.reshape(ops.expand_dims(ops.arange(batch) * width, 1) + origin, (-1,))
            state = keras.tree.map_structure(lambda leaf: ops.take(leaf, rows, axis=0), state)
            return time + 1, ids, ops.reshape(last, (-1,)), alive, done, scores, state

        only_first = ops.concatenate(
            [ops.zeros((batch, 1), "float32"), ops.full((batch, width - 1), MINUS_INFINITY, "float32")], axis=1
        )
        first = (
            ops.convert_to_tensor(0, "int32"),
            ops.zeros((batch, width, max_length), "int32"),
            ops.full((batch * width,), start, "int32"),
            only_first,
            ops.zeros((batch, self.n_best, max_length), "int32"),
            ops.full((batch, self.n_best), MINUS_INFINITY, "float32"),
            keras.tree.map_structure(lambda leaf: ops.repeat(leaf, width, axis=0), state),
        )
        _, ids, _, alive, done, scores, _ = ops.while_loop(proceed, move, first, maximum_iterations=max_length)
        # Sentences cut off at max_length only fill the places that no finished sentence took.
        cut = ops.where(alive > IMPOSSIBLE, alive / self.longest(max_length), MINUS_INFINITY)
        places = ops.concatenate([scores, cut - 1e4], axis=1)
        _, best = ops.top_k(places, self.n_best)
        scores = ops.take_along_axis(ops.concatenate([scores, cut], axis=1), best, axis=1)
        return pick(ops.concatenate([done, ids], axis=1), best), scores

    def longest(self, max_length: int) -> float:
        """The divisor of the longest sentence, which is the best that an unfinished one can hope for."""
        return float(max_length) ** self.length_penalty


@dataclass(frozen=True)
class Sample:
    """Draws each token from the model's distribution.

    Example:
        >>> ids, scores = Sample(temperature=0.7, top_p=0.9)(step, state, start=1, end=2, max_length=20)

    Args:
        temperature: Divides the logits; below 1 likely tokens become likelier, near 0 it is greedy search.
        top_k: Draws among so many likeliest tokens; 0 means all.
        top_p: Draws among the likeliest tokens that together have this probability, the one that reaches it included.
        n_best: Sentences drawn for each picture, put best first.
        seed: Start of the random numbers: every call draws the same. `None` or a `keras.random.SeedGenerator` draws
            anew at every call.

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
        self, step: Step, state: Any, *, start: int, end: int, max_length: int, never: Sequence[int] = NEVER
    ) -> tuple[Any, Any]:
        batch = ops.shape(keras.tree.flatten(state)[0])[0]
        chances = keras.random.uniform((batch * self.n_best, max_length), seed=self.seed)

        def drawn(log_probabilities: Any, time: Any) -> Any:
            return draw(self.narrow(log_probabilities / self.temperature), ops.take(chances, time, axis=1))

        state = keras.tree.map_structure(lambda leaf: ops.repeat(leaf, self.n_best, axis=0), state)
        ids, scores = one_by_one(drawn, step, state, start=start, end=end, max_length=max_length, never=never)
        scores, best = ops.top_k(ops.reshape(scores, (batch, self.n_best)), self.n_best)
        return pick(ops.reshape(ids, (batch, self.n_best, max_length)), best), scores

    def narrow(self, logits: Any) -> Any:
        """Makes the tokens impossible that `top_k` and `top_p` leave out of `<float32>[rows, vocabulary]`."""
        if self.top_k and self.top_k < logits.shape[-1]:
            least = ops.top_k(logits, self.top_k)[0][:, -1:]
            logits = ops.where(logits < least, MINUS_INFINITY, logits)
        if self.top_p < 1:
            likeliest = ops.flip(ops.sort(logits, axis=-1), axis=-1)
            chances = ops.softmax(likeliest, axis=-1)
            before = ops.cumsum(chances, axis=-1) - chances  # of all likelier tokens
            least = ops.min(ops.where(before < self.top_p, likeliest, np.inf), axis=-1, keepdims=True)
            logits = ops.where(logits < least, MINUS_INFINITY, logits)
        return logits


Search = Greedy | BeamSearch | Sample
SEARCHES: dict[str, type[Search]] = {"Greedy": Greedy, "BeamSearch": BeamSearch, "Sample": Sample}


def one_by_one(
    choose: Callable[[Any, Any], Any],
    step: Step,
    state: Any,
    *,
    start: int,
    end: int,
    max_length: int,
    never: Sequence[int],
) -> tuple[Any, Any]:
    """Writes one sentence a row, each token chosen from the log-probabilities of its moment, until all have ended.

    Args:
        choose: Log-probabilities `<float32>[rows, vocabulary]` and the time to tokens `<int>[rows]`.
        step: The model.
        state: One row a sentence.
        start: Read first.
        end: Ends a sentence; 0 follows.
        max_length: Most tokens of a sentence.
        never: Tokens that are impossible.

    Returns:
        `ids <int32>[rows, max_length]` and `scores <float32>[rows]`, the sums of the log-probabilities.
    """
    rows = ops.shape(keras.tree.flatten(state)[0])[0]

    def proceed(time: Any, ids: Any, last: Any, scores: Any, done: Any, state: Any) -> Any:
        return ops.logical_not(ops.all(done))

    def move(time: Any, ids: Any, last: Any, scores: Any, done: Any, state: Any) -> tuple[Any, ...]:
        logits, state = step(last, state)
        log_probabilities = forbid(ops.log_softmax(ops.cast(logits, "float32")), never)
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
    _, ids, _, scores, _, _ = ops.while_loop(proceed, move, first, maximum_iterations=max_length)
    return ids, scores


def draw(logits: Any, chances: Any) -> Any:
    """The token whose share of the cumulated softmax holds the chance: `<int32>[rows]`.

    Example:
        Shares 0.25 and 0.75:
        >>> draw(log([[1.0, 3.0], [1.0, 3.0]]), [0.2, 0.3])
        [0, 1]

    Args:
        logits: `<float32>[rows, tokens]`.
        chances: `<float32>[rows]` from 0 to below 1.

    Source: Devroye, "Non-Uniform Random Variate Generation", 1986, III.2: inversion.
    """
    cumulated = ops.cumsum(ops.softmax(logits, axis=-1), axis=-1)
    # Times the last sum, which rounding leaves a little beside 1: no chance then falls past the last possible token.
    reached = cumulated > ops.expand_dims(chances, -1) * cumulated[:, -1:]
    return ops.cast(ops.argmax(reached, axis=-1), "int32")


def forbid(log_probabilities: Any, tokens: Sequence[int]) -> Any:
    """Makes the given tokens impossible in `<float>[..., vocabulary]`."""
    ids = ops.arange(log_probabilities.shape[-1])
    forbidden = ops.zeros_like(ids, dtype="bool")
    for token in tokens:
        forbidden = ops.logical_or(forbidden, ids == token)
    return ops.where(forbidden, MINUS_INFINITY, log_probabilities)


def write(ids: Any, time: Any, tokens: Any) -> Any:
    """Puts `tokens` at position `time` of `<int32>[..., max_length]`."""
    here = ops.arange(ids.shape[-1]) == time
    tokens = tokens if isinstance(tokens, int) else ops.expand_dims(tokens, -1)
    return ops.where(here, tokens, ids)


def pick(rows: Any, chosen: Any) -> Any:
    """Takes `<int>[batch, k]` of the rows `<int32>[batch, n, length]`."""
    return ops.take_along_axis(rows, ops.expand_dims(ops.cast(chosen, "int32"), -1), axis=1)


def repeats(ids: Any, time: Any, size: int, vocabulary: int) -> Any:
    """1.0 where a token would complete a run of `size` tokens that `<int32>[rows, max_length]` already holds."""
    length = ids.shape[-1]
    positions = ops.arange(length)
    matches = positions + size - 1 < time  # runs that lie before the present position
    matches = ops.expand_dims(matches, 0)
    for offset in range(size - 1):
        recent = ops.take(ids, ops.clip(time - size + 1 + offset, 0, length - 1), axis=1)
        shifted = ops.take(ids, ops.minimum(positions + offset, length - 1), axis=1)
        matches = ops.logical_and(matches, shifted == ops.expand_dims(recent, 1))
    last = ops.take(ids, ops.minimum(positions + size - 1, length - 1), axis=1)
    marked = ops.where(matches, last, vocabulary)  # one id past the vocabulary marks "no match"
    return ops.max(ops.one_hot(marked, vocabulary + 1), axis=1)[:, :vocabulary]
