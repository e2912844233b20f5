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
