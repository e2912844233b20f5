"""Two reports on the same records side by side: what changed, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.html import escape, page, table
from mmtoolkit.metrics import Bootstrap, corpus_scores, mean_scores, paired
from mmtoolkit.metrics.captions import STATISTICS as CAPTION_STATISTICS
from mmtoolkit.metrics.intervals import Interval
from mmtoolkit.metrics.vqa import STATISTICS as ANSWER_STATISTICS
from mmtoolkit.reports.report_html import flat, number

STATISTICS = (*CAPTION_STATISTICS, *ANSWER_STATISTICS)
CALLED = (
    "data_sha256",
    "train_sha256",
    "vgg19_sha256",
    "precision",
    "split",
    "epoch",
    "decoding",
    "options",
    "versions",
)
NO_CIDER = ", and CIDEr with them: it weighs words by all records of a report"
SHOWN = 8  # of the records that became better, and of those that became worse

Row = Mapping[str, Any]


class Change(NamedTuple):
    """One score of two runs.

    Args:
        name: The score, or a group of examples whose share it is.
        first: What run A reaches on the records that both have.
        second: What run B reaches.
        interval: Of the difference B - A: a paired bootstrap over pictures, 95 %.
    """

    name: str
    first: float
    second: float
    interval: Interval

    @property
    def difference(self) -> float:
        """How much higher B is."""
        return self.second - self.first

    @property
    def beyond_noise(self) -> bool:
        """Whether 0, no difference, lies outside the interval."""
        return not self.interval[0] <= 0 <= self.interval[1]


class Comparison(NamedTuple):
    """What differs between two runs.

    Args:
        records: How many of the records both have; only those are compared.
        left_out: How many only one of them has, or has with other references.
        changes: The scores, and the shares of the groups.
        settings: Options, hashes and versions that differ: the name, A's value and B's.
        better: Records of which B says something better than A does, the largest gain first, as pairs of rows.
        worse: The others, the largest loss first.
    """

    records: int
    left_out: int
    changes: list[Change]
    settings: list[list[str]]
    better: list[tuple[Row, Row]]
    worse: list[tuple[Row, Row]]


def compared(first: Row, second: Row, rows: Sequence[Row], other_rows: Sequence[Row]) -> Comparison:
    """Compares two reports on the records that both have.

    Args:
        first: A's report.
        second: B's.
        rows: What A says of each record, as the report's table has it.
        other_rows: What B says.

    Raises:
        InputError: They have no record in common, or one is about captions and the other about answers.
    """
    key = "question_id" if rows and "question_id" in rows[0] else "image_id"
    ours, theirs = ({row[key]: row for row in table if key in row} for table in (rows, other_rows))
    common = [name for name, row in ours.items() if name in theirs and row["references"] == theirs[name]["references"]]
    captions = bool(rows) and "CIDEr" in rows[0]
    if not common or captions != ("CIDEr" in other_rows[0]):
        raise InputError(
            "expected two reports about the same pictures or questions. Received: two that have none in common; "
            "evaluate both presets on the same data."
        )
    pairs = [(ours[name], theirs[name]) for name in common]
    left_out, found, by = len({**ours, **theirs}) - len(common), changes(pairs), "CIDEr" if captions else "accuracy"
    if left_out and captions:  # CIDEr weighs words by all references of a report: these two weigh differently
        found, by = [change for change in found if change.name != "CIDEr"], "ROUGE-L"
    return Comparison(len(common), left_out, found, different(first, second), *moved(pairs, by))


def changes(pairs: Sequence[tuple[Row, Row]]) -> list[Change]:
    """The scores and the shares of the groups, with the intervals of their differences."""
    captions = "CIDEr" in pairs[0][0]
    names = [
        name for name in (CAPTION_STATISTICS if captions else ANSWER_STATISTICS) if all(name in row for row in pairs[0])
    ]
    groups = list(dict.fromkeys(row["group"] for pair in pairs for row in pair))
    scored = corpus_scores if captions else mean_scores

    def score(totals: Sequence[float]) -> dict[str, float]:
        shares = {
            f"{group} (share)": 100 * total / totals[0]
            for group, total in zip(groups, totals[len(names) :], strict=True)
        }
        return {**scored(totals[: len(names)]), **shares}

    totals: dict[str, list[float]] = {}
    for a, b in pairs:  # the questions about a picture are drawn together
        row = [
            float(value)
            for each in (b, a)
            for value in (*(each[name] for name in names), *(each["group"] == group for group in groups))
        ]
        before = totals.setdefault(a["image_id"], [0.0] * len(row))
        before[:] = [old + new for old, new in zip(before, row, strict=True)]
    sums = [sum(column) for column in zip(*totals.values(), strict=True)]
    half = len(sums) // 2
    second, first = score(sums[:half]), score(sums[half:])
    intervals = Bootstrap()(list(totals.values()), paired(score))
    return [Change(name, first[name], second[name], intervals[name]) for name in first]


def different(first: Row, second: Row) -> list[list[str]]:
    """Options, hashes and versions that are not the same."""
    ours, theirs = (dict(flat({name: report[name] for name in CALLED if name in report})) for report in (first, second))
    return [
        [name, ours.get(name, ""), theirs.get(name, "")]
        for name in {**ours, **theirs}
        if ours.get(name) != theirs.get(name)
    ]


def moved(pairs: Sequence[tuple[Row, Row]], name: str) -> tuple[list[tuple[Row, Row]], list[tuple[Row, Row]]]:
    """The records whose score of a name rose most, and those whose score fell most."""

    def gain(pair: tuple[Row, Row]) -> float:
        return float(pair[1][name] - pair[0][name])

    ordered = sorted(pairs, key=gain, reverse=True)
    better = [pair for pair in ordered[:SHOWN] if gain(pair) > 0]
    return better, [pair for pair in ordered[::-1][:SHOWN] if gain(pair) < 0]


def change_rows(comparison: Comparison) -> list[list[str]]:
    """The changes as a table with a head; what is beyond noise is marked."""
    rows = [["", "A", "B", "B - A", "95 % interval", ""]]
    for change in comparison.changes:
        low, high = (number(change.name, end) for end in change.interval)
        mark = ("higher" if change.difference > 0 else "lower") if change.beyond_noise else "noise"
        values = (change.first, change.second, change.difference)
        rows.append([change.name, *(number(change.name, value) for value in values), f"{low} to {high}", mark])
    return rows


def comparison_page(comparison: Comparison, names: tuple[str, str]) -> str:
    """A self-contained page of the comparison.

    Args:
        comparison: What differs.
        names: What A and B are.
    """
    left = f", {comparison.left_out} that only one has are left out{NO_CIDER}" if comparison.left_out else ""
    lead = f"<p class=lead>A: {escape(names[0])}<br>B: {escape(names[1])}<br>{comparison.records:,} records{left}</p>"
    sections = [("What changed", table(change_rows(comparison)))]
    for title, pairs in (("Better in B", comparison.better), ("Worse in B", comparison.worse)):
        if pairs:
            sections.append((title, table([["", "A", "B"], *(told(*pair) for pair in pairs)])))
    if comparison.settings:
        sections.append(("Different settings", table([["", "A", "B"], *comparison.settings])))
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections)
    return page("Two runs compared", lead + body)


def told(ours: Row, theirs: Row) -> list[str]:
    """A record and what both say of it."""
    name = f"{ours['image_id']}: {ours['question']}" if "question" in ours else ours["image_id"]
    return [name, *(row.get("caption", row.get("answer", "")) for row in (ours, theirs))]
