"""A report: a JSON object that prints its scores, and shows them as a table in a notebook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

SHOWN = 5  # rows in a notebook
COLUMNS = ("id", "input", "output", "grade")


class Report(dict[str, Any]):
    """Holds a report: `scores`, their `intervals`, `baselines`, `rows`, as `evaluate` and `read_report` return it.

    Example:
        >>> Report(scores={"BLEU-4": 22.41}, intervals={"BLEU-4": (21.1, 23.6)}, rows=[{}, {}])
        Report(BLEU-4 22.41 [21.1, 23.6]; 2 rows)
    """

    def __repr__(self) -> str:
        scores = ", ".join(
            f"{name} {value} [{ends}]" if ends else f"{name} {value}" for name, value, ends, *_ in self.lines()
        )
        return f"Report({scores}; {len(self.get('rows', ())):,} rows)"

    def lines(self) -> Iterator[tuple[str, ...]]:
        """Yields name, value, ends of the interval, and the value of each baseline of every score, as texts."""
        baselines = [part(self, "baselines", name) for name in part(self, "baselines")]
        for name, value in part(self, "scores").items():
            interval = part(self, "intervals").get(name)
            ends = ", ".join(map(number, interval)) if isinstance(interval, (list, tuple)) else ""
            yield (name, number(value), ends, *(number(theirs.get(name, "")) for theirs in baselines))

    def _repr_html_(self) -> str:
        scores = [("score", "value", "95 %", *part(self, "baselines")), *self.lines()]
        rows = [tuple(str(row.get(name, "")) for name in COLUMNS) for row in self.get("rows", ())[:SHOWN]]
        return table(scores) + (table([COLUMNS, *rows]) if rows else "")


def part(report: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Returns a part of a report that holds entries by name; empty where it is something else."""
    found: Any = report
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def number(value: Any) -> str:
    """Formats a number; anything else is shown as it is."""
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def table(rows: list[tuple[str, ...]]) -> str:
    """Formats rows of texts as an HTML table, the first one as its head."""
    lines = [(("td" if place else "th"), row) for place, row in enumerate(rows)]
    cells = ("".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in row) for tag, row in lines)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in cells)}</table>"
