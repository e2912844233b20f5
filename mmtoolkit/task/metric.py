"""A metric: statistics of examples that add up, scores of their sums, and how these are ranked and printed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

Direction = Literal["higher", "lower"]
Statistics = Mapping[str, tuple[float, ...]]  # by the id of an example, what it adds to the scores
Texts = Mapping[str, str]  # by the id of an example


class Metric(ABC):
    """Scores outputs against references: statistics of each example, and scores of their sums.

    The statistics add up over a corpus, so that a bootstrap resample, a comparison and a report need no text. Reports,
    validation, fine-tuning and curves read names, directions and digits here.

    Example:
        >>> metric = mm.task_of(model).metric
        >>> metric.score({"1": "red", "2": "2"}, {"1": ["red"], "2": ["3"]})
        {'accuracy': 50.0}
    """

    names: ClassVar[tuple[str, ...]]  # the first one decides which state of a model is kept
    columns: ClassVar[tuple[str, ...]]  # names of the statistics
    ties: ClassVar[tuple[str, ...]] = ()  # further scores that decide, in their order, where the first one is the same
    row_scores: ClassVar[tuple[str, ...]]  # statistics by which single examples are ranked, the preferred one first
    is_fine: ClassVar[bool] = False  # whether it tells states apart by a few examples
    corpus_weighted: ClassVar[frozenset[str]] = frozenset()  # statistics that weigh an example by all references

    @abstractmethod
    def statistics(self, outputs: Texts, references: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, ...]]:
        """Computes what each example adds to the scores, named by `columns`.

        Args:
            outputs: By the id of an example, its output.
            references: For the same ids, one or more references.

        Raises:
            InputError: There is nothing to score, or an id is on one side only.
        """

    @abstractmethod
    def scores(self, sums: Sequence[float]) -> dict[str, float]:
        """Computes the scores by name from the sums of the statistics over a corpus."""

    def better(self, name: str) -> Direction:
        """Returns whether a higher or a lower score of that name is better."""
        return "higher"

    def digits(self, name: str) -> int:
        """Returns the number of decimals that a score of that name is printed with."""
        return 2

    def score(self, outputs: Texts, references: Mapping[str, Sequence[str]]) -> dict[str, float]:
        """Computes the scores of a corpus."""
        return self.scores(summed(self.statistics(outputs, references).values()))

    def printed(self, name: str, value: float) -> str:
        """Formats a score.

        Example:
            >>> mm.captioning.metric.printed("BLEU-4", 21.456)
            '21.46'
        """
        return f"{value:.{self.digits(name)}f}"

    def is_better(self, name: str, value: float, other: float) -> bool:
        """Compares two values of the score of that name."""
        return value > other if self.better(name) == "higher" else value < other

    def worst(self, name: str) -> float:
        """Returns the value that every other one is better than."""
        return float("-inf") if self.better(name) == "higher" else float("inf")

    def rank(self, scores: Mapping[str, float], name: str) -> tuple[float, ...]:
        """Returns the sort key of a state of a model, larger is better: the score of that name, then `ties`.

        Scores are rounded to two decimals, so that smaller differences do not count.
        """
        decisive = [each for each in (name, *self.ties) if each in scores]
        return tuple(round(scores[each], 2) * (1 if self.better(each) == "higher" else -1) for each in decisive)

    def as_json(self) -> dict[str, Any]:
        """Describes the metric as JSON, for a report."""
        return {
            "names": list(self.names),
            "better": {name: self.better(name) for name in self.names},
            "digits": {name: self.digits(name) for name in self.names},
        }


def summed(rows: Iterable[Sequence[float]]) -> list[float]:
    """Sums statistics column by column."""
    return [sum(column) for column in zip(*rows, strict=True)]
