"""Two reports on the same records side by side: what changed, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.metrics import Bootstrap, paired
from mmtoolkit.metrics.intervals import Interval
from mmtoolkit.reports.report_html import flat
from mmtoolkit.task import Metric, summed

SETTINGS = (
    *("data_sha256", "train_sha256", "encoder_sha256", "precision", "split", "epoch", "decoding", "options"),
    "versions",
)
SHOWN = 24  # of the records that became better, of those that became worse, and of the others

Row = Mapping[str, Any]


class Change(NamedTuple):
    """One score of two runs.

    Args:
        name: The score, or a grade whose share it is.
        first: What run A reaches on the records that both have.
        second: What run B reaches.
        interval: Of the difference B - A: a paired bootstrap over groups, 95 %.
    """

    name: str
    first: float
    second: float
    interval: Interval

    @property
    def difference(self) -> float:
        """B - A."""
        return self.second - self.first

    @property
    def beyond_noise(self) -> bool:
        """Whether 0, no difference, lies outside the interval."""
        return not self.interval[0] <= 0 <= self.interval[1]


class Comparison(NamedTuple):
    """What differs between two runs.

    Args:
        metric: The metric of both.
        records: How many of the records both have; only those are compared.
        left_out: How many only one of them has, or has with other references.
        changes: The scores, and the shares of the grades.
        settings: Options, hashes and versions that differ: the name, A's value and B's.
        better: Records whose output is better in B than in A, the largest gain first, as pairs of rows.
        worse: Those whose output is worse, the largest loss first.
        equal: Some of the others.
        counts: How many records are better in B, worse, and equal.
    """

    metric: Metric
    records: int
    left_out: int
    changes: list[Change]
    settings: list[list[str]]
    better: list[tuple[Row, Row]]
    worse: list[tuple[Row, Row]]
    equal: list[tuple[Row, Row]]
    counts: tuple[int, int, int]

    @property
    def verdict(self) -> str:
        """`"A"` or `"B"`, which is better in the score that decides; empty where the difference is noise."""
        decisive = self.decisive
        if decisive is None or not decisive.beyond_noise:
            return ""
        return "B" if self.metric.is_better(decisive.name, decisive.second, decisive.first) else "A"

    @property
    def decisive(self) -> Change | None:
        """The change of the score that decides, or of the first one that both have."""
        named = {change.name: change for change in self.changes}
        return next((named[name] for name in self.metric.names if name in named), None)


def compare(metric: Metric, reports: tuple[Row, Row], tables: tuple[Sequence[Row], Sequence[Row]]) -> Comparison:
    """Compares two reports on the records that both have.

    Statistics that weigh a record by the references of all are left out where the reports are not about the same.

    Args:
        metric: The metric of both reports.
        reports: The reports of A and B.
        tables: Their rows.

    Raises:
        InputError: They have no record in common.
    """
    ours, theirs = ({row["id"]: row for row in rows} for rows in tables)
    common = [key for key, row in ours.items() if key in theirs and row["references"] == theirs[key]["references"]]
    if not common:
        raise InputError(
            "expected two reports on the same data. Received: two that have none in common; "
            "evaluate both presets on the same data."
        )
    pairs = [(ours[key], theirs[key]) for key in common]
    left_out, found, ranks = len({**ours, **theirs}) - len(common), changes(metric, pairs), list(metric.row_scores)
    if left_out:
        found = [change for change in found if change.name not in metric.corpus_weighted]
        ranks = [name for name in ranks if name not in metric.corpus_weighted]
    return Comparison(metric, len(common), left_out, found, different(*reports), *moved(metric, pairs, ranks[0]))


def changes(metric: Metric, pairs: Sequence[tuple[Row, Row]]) -> list[Change]:
    """Computes the scores and the shares of the grades, with the intervals of their differences."""
    names = [name for name in metric.columns if all(name in row for row in pairs[0])]
    grades = list(dict.fromkeys(row["grade"] for pair in pairs for row in pair))

    def score(totals: Sequence[float]) -> dict[str, float]:
        held = zip(grades, totals[len(names) : -1], strict=True)
        shares = {f"{grade} (share)": 100 * total / totals[-1] for grade, total in held}
        return {**metric.scores(totals[: len(names)]), **shares}

    groups: dict[str, list[list[float]]] = {}
    for a, b in pairs:  # the records of a group are resampled together
        row = [
            float(value)
            for each in (b, a)
            for value in (*(each[name] for name in names), *(each["grade"] == grade for grade in grades), 1.0)
        ]
        groups.setdefault(a["group"], []).append(row)
    table = [summed(rows) for rows in groups.values()]
    sums = summed(table)
    half = len(sums) // 2
    second, first = score(sums[:half]), score(sums[half:])
    intervals = Bootstrap()(table, paired(score))
    return [Change(name, first[name], second[name], intervals[name]) for name in first]


def different(first: Row, second: Row) -> list[list[str]]:
    """Lists the options, hashes and versions that differ."""
    ours, theirs = (dict(flat({name: each[name] for name in SETTINGS if name in each})) for each in (first, second))
    differing = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    return [[name, ours.get(name, ""), theirs.get(name, "")] for name in differing]


def moved(
    metric: Metric, pairs: Sequence[tuple[Row, Row]], name: str
) -> tuple[list[tuple[Row, Row]], list[tuple[Row, Row]], list[tuple[Row, Row]], tuple[int, int, int]]:
    """Lists the records whose statistic of that name improved most, those that lost most, others, and counts them."""
    sign = 1 if metric.better(name) == "higher" else -1

    def gain(pair: tuple[Row, Row]) -> float:
        return sign * float(pair[1][name] - pair[0][name])

    ordered = sorted(pairs, key=gain, reverse=True)
    better = [pair for pair in ordered if gain(pair) > 0]
    worse = [pair for pair in ordered[::-1] if gain(pair) < 0]
    equal = [pair for pair in pairs if gain(pair) == 0]
    return better[:SHOWN], worse[:SHOWN], equal[:SHOWN], (len(better), len(worse), len(equal))


def change_rows(comparison: Comparison) -> list[list[str]]:
    """Formats the changes as a table with a head; those beyond noise are marked."""
    printed = comparison.metric.printed
    rows = [["", "A", "B", "B - A", "95 % interval", ""]]
    for change in comparison.changes:
        low, high = (printed(change.name, end) for end in change.interval)
        mark = ("higher" if change.difference > 0 else "lower") if change.beyond_noise else "noise"
        values = (change.first, change.second, change.difference)
        rows.append([change.name, *(printed(change.name, value) for value in values), f"{low} to {high}", mark])
    return rows
