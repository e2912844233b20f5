"""Scores a language model by how likely it finds a text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from mmtoolkit.errors import InputError
from mmtoolkit.task import Direction, Metric, Texts


class LikelihoodMetric(Metric):
    """Computes nats per token, bits per character and perplexity per token; lower is better for each.

    An unknown word costs what the token of unknown ones does, so that models are compared with one vocabulary.

    Example:
        100 characters as 100 tokens, of which each had the probability 1/4:
        >>> scores = LikelihoodMetric().scores([100 * math.log(4), 100, 100])
        >>> {name: round(score, 3) for name, score in scores.items()}
        {'nats': 1.386, 'bits': 2.0, 'perplexity': 4.0}

    Source: Jelinek et al., "Perplexity: A Measure of the Difficulty of Speech Recognition Tasks", 1977.
    """

    names: ClassVar[tuple[str, ...]] = ("nats", "bits", "perplexity")
    columns: ClassVar[tuple[str, ...]] = ("nats", "tokens", "characters")
    row_scores: ClassVar[tuple[str, ...]] = ("nats",)
    is_fine: ClassVar[bool] = True

    def statistics(self, outputs: Texts, references: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, ...]]:
        raise InputError("A likelihood is of a model. Received: texts; evaluate the model that wrote them.")

    def scores(self, sums: Sequence[float]) -> dict[str, float]:
        nats, tokens, characters = sums
        per_token = nats / max(1.0, tokens)
        bits = nats / math.log(2) / max(1.0, characters)
        return {"nats": per_token, "bits": bits, "perplexity": math.exp(min(per_token, 700.0))}

    def better(self, name: str) -> Direction:
        return "lower"

    def digits(self, name: str) -> int:
        return 1 if name == "perplexity" else 3

    def rank(self, scores: Mapping[str, float], name: str) -> tuple[float, ...]:
        """Returns the sort key of a state of a model, larger is better; a thousandth of a nat counts."""
        return (-round(scores[name], 3),)
