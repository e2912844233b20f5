"""What models give for one example: a text and its score."""

from __future__ import annotations

from typing import NamedTuple


class Caption(NamedTuple):
    """A written sentence.

    Args:
        text: The sentence.
        score: What the search compared: log-probability over length to the power of the length penalty.
    """

    text: str
    score: float


class Answer(NamedTuple):
    """A possible answer.

    Args:
        text: The answer.
        probability: Of this answer, as the model sees it.
    """

    text: str
    probability: float

    @property
    def score(self) -> float:
        """What the search ranks by: the probability."""
        return self.probability
