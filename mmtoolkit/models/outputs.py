"""Outputs of models for one example: a text and its score."""

from __future__ import annotations

from typing import NamedTuple


class Caption(NamedTuple):
    """Holds a generated sentence.

    Args:
        text: The sentence.
        score: Score of the search: log-probability over length to the power of the length penalty.
    """

    text: str
    score: float


class Answer(NamedTuple):
    """Holds a possible answer.

    Args:
        text: The answer.
        probability: Probability that the model gives it.
    """

    text: str
    probability: float

    @property
    def score(self) -> float:
        """Returns the probability, by which answers are ranked."""
        return self.probability


class Continuation(NamedTuple):
    """Holds what a language model writes after a text.

    Args:
        text: What it writes.
        score: Log-probability of that; where a passage is given, of the passage.
        tokens: Number of the tokens of the passage; 0 without one.
    """

    text: str
    score: float
    tokens: int = 0
