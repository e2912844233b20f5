"""Searches for several sentences of each picture at a time, by a beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from mmtoolkit.decoding.agreement import MOST_TOKENS, rerank
from mmtoolkit.decoding.tokens import BANNED, IMPOSSIBLE, MINUS_INFINITY, Step, forbid, gather_rows, write
from mmtoolkit.errors import InputError

RERANKS = ("none", "cider", "bleu")
WIDEST = 1000  # sentences: a wider beam finds no better ones, and its memory grows with it


@dataclass(frozen=True)
class BeamSearch:
    """Keeps the `width` likeliest unfinished sentences and the `n_best` best finished ones at every step.

    A sentence that ends leaves the beam, so width 1 is greedy search. Sentences are compared by
    `sum of log-probabilities / length ** length_penalty`, the end token counted. The search stops early once no
    unfinished sentence can still win.

    Example:
        >>> search = BeamSearch(width=3, length_penalty=0.7)
        >>> ids, scores = search(step, ops.zeros((1, 1)), start=1, end=2, max_length=5)
        >>> np.asarray(ids).tolist()
        [[[5, 4, 2, 0, 0]]]

    Args:
        width: Number of unfinished sentences kept.
        length_penalty: 0 compares sums (short sentences win), 1 means per token.
        n_best: Number of sentences returned, at most `width`.
        min_length: Number of tokens before `end` may come.
        no_repeat_ngram: No run of so many tokens comes twice in a sentence; 0 allows all.
        groups: Parts of the beam, of equal width, that search one after the other at every step, each penalised for
            the tokens that earlier ones chose at that step. Each gives at most `n_best / groups` finished sentences,
            rounded up; two groups may give the same one.
        diversity: Penalty on a token for each sentence of the earlier groups that continues with it. It guides the
            choice; the scores stay those of the model.
        rerank: `"cider"` or `"bleu"`: all `width` finished sentences are compared with each other, and those come first
            that agree with the others most (`agreement.rerank`); `"none"` for the likeliest first.

    Returns:
        `ids <int32>[batch, n_best, max_length]`, best first, padded with 0 after `end`, and
        `scores <float32>[batch, n_best]`, the compared values. Sentences that did not end within `max_length` come
        only where too few did; where there are fewer sentences than `n_best`, the rest are all 0 with a score of -1e9.

    Raises:
        InputError: An option is out of its range.

    Source: Graves 2012; the length penalty is that of Wu et al. 2016, equation 14, without its constants;
        groups: Vijayakumar et al., "Diverse Beam Search", 2016, equation 5 with the Hamming diversity of section 5.1.
    """

    width: int = 3
    length_penalty: float = 0.7
    n_best: int = 1
    min_length: int = 0
    no_repeat_ngram: int = 0
    groups: int = 1
    diversity: float = 0.5
    rerank: str = "none"

    def __post_init__(self) -> None:
        if not 1 <= self.n_best <= self.width <= WIDEST:
            raise InputError(
                f"A beam needs 1 <= n_best <= width <= {WIDEST:,}; choose another width or a smaller n_best. "
                f"Received: width={self.width}, n_best={self.n_best}."
            )
        if self.groups < 1 or self.width % self.groups:
            raise InputError(
                "The groups of a beam share its width evenly; choose a width that is a multiple of them. "
                f"Received: groups={self.groups}, width={self.width}."
            )
        if self.rerank not in RERANKS:
            raise InputError(f"A beam's rerank is one of {', '.join(RERANKS)}. Received: {self.rerank!r}.")
        if self.rerank != "none" and self.width == 1:
            raise InputError(
                f"Reranking compares the sentences of a beam. Received: rerank={self.rerank!r} with width=1; choose a "
                "larger width."
            )
        for name in ("length_penalty", "min_length", "no_repeat_ngram", "diversity"):
            if getattr(self, name) < 0:
                raise InputError(f"A beam's {name} must not be negative. Received: {getattr(self, name)}.")

    def __call__(
        self, step: Step, state: Any, *, start: int, end: int, max_length: int, banned: Sequence[int] = BANNED
    ) -> tuple[Any, Any]:
        self.check_size(max_length)
        groups, size = self.groups, self.width // self.groups
        batch = ops.shape(keras.tree.flatten(state)[0])[0]

        def cond(time: Any, ids: Any, last: Any, alive: Any, done: Any, scores: Any, state: Any) -> Any:
            upper_bound = ops.max(alive, axis=-1)
            may_win = upper_bound / self.longest(max_length) > scores[..., -1]
            return ops.any(ops.logical_and(may_win, upper_bound > IMPOSSIBLE))

        def body(time: Any, ids: Any, last: Any, alive: Any, done: Any, scores: Any, state: Any) -> tuple[Any, ...]:
            logits, state = step(ops.reshape(last, (-1,)), state)
            log_probabilities = forbid(ops.log_softmax(ops.cast(logits, "float32")), banned)
            log_probabilities = self.allow(log_probabilities, ids, time, end)
            shape = (batch, groups, size, log_probabilities.shape[-1])
            alive, origin, last = self.choose(ops.expand_dims(alive, -1) + ops.reshape(log_probabilities, shape))
            rows = ops.reshape(firsts + origin, (-1,))
            ids, state = keras.tree.map_structure(lambda leaf: ops.take(leaf, rows, axis=0), (ids, state))
            written = write(ids, time, ops.reshape(last, (-1,)))

            ended = ops.logical_and(last == end, alive > IMPOSSIBLE)
            length = ops.cast(time + 1, "float32") ** self.length_penalty
            finished = ops.where(ended, alive / length, MINUS_INFINITY)
            scores, best = ops.top_k(ops.concatenate([scores, finished], axis=-1), kept)
            done = gather_rows(ops.concatenate([done, ops.reshape(written, sentences)], axis=-2), best)
            alive = ops.where(last == end, MINUS_INFINITY, alive)  # a finished sentence leaves the beam
            return time + 1, written, last, alive, done, scores, state

        sentences = (batch, groups, size, max_length)
        firsts = ops.reshape(ops.arange(batch * groups) * size, (batch, groups, 1))
        wanted = self.n_best if self.rerank == "none" else self.width
        kept = -(-wanted // groups)  # finished sentences of a group
        only_first = ops.where(ops.arange(size) == 0, 0.0, MINUS_INFINITY)
        first = (
            ops.convert_to_tensor(0, "int32"),
            ops.zeros((batch * self.width, max_length), "int32"),
            ops.full((batch, groups, size), start, "int32"),
            ops.broadcast_to(ops.cast(only_first, "float32"), (batch, groups, size)),
            ops.zeros((batch, groups, kept, max_length), "int32"),
            ops.full((batch, groups, kept), MINUS_INFINITY, "float32"),
            keras.tree.map_structure(lambda leaf: ops.repeat(leaf, self.width, axis=0), state),
        )
        _, ids, _, alive, done, scores, _ = ops.while_loop(cond, body, first, maximum_iterations=max_length)
        # Sentences cut off at max_length only fill the places that no finished sentence took.
        cut = ops.where(alive > IMPOSSIBLE, alive / self.longest(max_length), MINUS_INFINITY)
        scores, places = (
            ops.reshape(ops.concatenate([scores, other], axis=-1), (batch, -1)) for other in (cut, cut - 1e4)
        )
        _, best = ops.top_k(places, wanted)
        ids = ops.concatenate([done, ops.reshape(ids, sentences)], axis=-2)
        ids = ops.reshape(ids, (batch, -1, max_length))
        ids, scores = gather_rows(ids, best), ops.take_along_axis(scores, best, axis=1)
        if self.rerank == "none":
            return ids, scores
        return rerank(ids, scores, measure=self.rerank, n_best=self.n_best, end=end)

    def check_size(self, max_length: int) -> None:
        """Checks that the sentences of a beam that is reranked can be compared with each other."""
        if self.rerank != "none" and self.width * max_length > MOST_TOKENS:
            raise InputError(
                f"Reranking compares all sentences of a beam, of at most {MOST_TOKENS:,} tokens together. Received: "
                f"{self.width} sentences of up to {max_length}; choose a smaller width."
            )

    def allow(self, log_probabilities: Any, ids: Any, time: Any, end: int) -> Any:
        """Forbids tokens that would repeat a run or end too early, in `<float32>[rows, vocabulary]`."""
        if self.no_repeat_ngram:
            repeated = repeats(ids, time, self.no_repeat_ngram, log_probabilities.shape[-1])
            log_probabilities += MINUS_INFINITY * repeated
        if self.min_length:
            too_short = time < self.min_length
            log_probabilities = ops.where(too_short, forbid(log_probabilities, (end,)), log_probabilities)
        return log_probabilities

    def choose(self, totals: Any) -> tuple[Any, Any, Any]:
        """Chooses the likeliest continuations of each group, less the penalty on tokens that earlier groups chose.

        Args:
            totals: Log-probabilities of all sentences so far, `<float32>[batch, groups, size, vocabulary]`.

        Returns:
            Of the chosen ones, each `[batch, groups, size]`: log-probabilities, places of the sentences that they
            continue, and tokens.
        """
        vocabulary, chosen, counts = totals.shape[-1], [], ops.zeros(())
        for group in range(self.groups):
            own = totals[:, group]
            flat = (ops.shape(own)[0], own.shape[1] * vocabulary)
            wanted = own - self.diversity * counts if group else own
            alive, best = ops.top_k(ops.reshape(wanted, flat), own.shape[1])
            if group:  # what guides the choice is no part of the score
                alive = ops.take_along_axis(ops.reshape(own, flat), best, axis=-1)
            origin, last = ops.cast(best // vocabulary, "int32"), ops.cast(best % vocabulary, "int32")
            chosen.append((alive, origin, last))
            if group + 1 == self.groups:
                break
            counts += ops.sum(ops.one_hot(ops.where(alive > IMPOSSIBLE, last, -1), vocabulary), axis=1, keepdims=True)
        alive, origin, last = (ops.stack(parts, axis=1) for parts in zip(*chosen, strict=True))
        return alive, origin, last

    def longest(self, max_length: int) -> float:
        """Computes the divisor of the longest sentence, which gives the upper bound of an unfinished one's score."""
        return float(max_length) ** self.length_penalty


def repeats(ids: Any, time: Any, size: int, vocabulary: int) -> Any:
    """Marks with 1.0 each token that would complete a run of `size` tokens already in `<int32>[rows, max_length]`."""
    length = ids.shape[-1]
    positions = ops.arange(length)
    matches = ops.expand_dims(positions + size - 1 < time, 0)  # runs that end before the present position
    for offset in range(size - 1):
        recent = ops.take(ids, ops.clip(time - size + 1 + offset, 0, length - 1), axis=1)
        shifted = ops.take(ids, ops.minimum(positions + offset, length - 1), axis=1)
        matches = ops.logical_and(matches, shifted == ops.expand_dims(recent, 1))
    last = ops.take(ids, ops.minimum(positions + size - 1, length - 1), axis=1)
    marked = ops.where(matches, last, vocabulary)  # one id past the vocabulary marks "no match"
    row = ops.broadcast_to(ops.expand_dims(ops.arange(ops.shape(ids)[0]), 1), ops.shape(marked))
    # Not the maximum of one-hot rows, which takes as long as all the rest of a step.
    places = ops.reshape(ops.stack([row, marked], axis=-1), (-1, 2))
    counted = ops.scatter(places, ops.ones_like(places[:, 0], "float32"), (ops.shape(ids)[0], vocabulary + 1))
    return ops.minimum(counted, 1.0)[:, :vocabulary]
