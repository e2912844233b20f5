"""Compares two runs or reports on the same data, and says which differences are more than noise."""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from mmtoolkit.cli.command import aligned, check_target, run, tell
from mmtoolkit.cli.options import Printing, Replacing
from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.reports import Comparison, compared, comparison_page, read_rows
from mmtoolkit.reports.comparison import STATISTICS, change_rows


@dataclass(frozen=True, kw_only=True)
class Options(Printing, Replacing):
    """The options of `mmtoolkit compare`.

    Args:
        first: Run A: the folder of a training, or the JSON file of evaluate --out.
        second: Run B.
        out: HTML page of the comparison.
    """

    first: tyro.conf.Positional[Path]
    second: tyro.conf.Positional[Path]
    out: Path | None = None


def main(options: Options) -> int:
    """Compares two runs or reports on the same data, and says which differences are more than noise.

    Both are compared on the records that both have. The interval of a difference is a paired bootstrap over pictures:
    where 0 lies in it, the difference is noise.
    """
    first, second, out, json = options.first, options.second, options.out, options.json
    check_target("--out", out, ending=".html", overwrite=options.overwrite)
    (ours, rows), (theirs, other_rows) = (read_report(path) for path in (first, second))
    comparison = compared(ours, theirs, rows, other_rows)
    if out:
        page = comparison_page(comparison, (str(first), str(second)))
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, lambda file: file.write(page.encode()))
        tell(f"page: {out}")
    told = as_json(comparison) if json else None
    print(
        json_format.dumps(told, indent=1, ensure_ascii=False) if told else "\n".join(aligned(change_rows(comparison)))
    )
    if not json:
        tell(f"{comparison.records} records" + (f", {comparison.left_out} left out" if comparison.left_out else ""))
        for name, a, b in comparison.settings:
            tell(f"differs: {name}: {a or 'none'} and {b or 'none'}")
        for name, records in moved(comparison).items():
            if records:
                tell(f"{name} in B: {', '.join(records)}")
    return 0


def read_report(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A report, and the rows of the table beside it.

    Raises:
        InputError: It is no report, or the table is missing.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json_format.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected the folder of a finished run, or a report.json. Received: {path}, where no report can be read."
        ) from error
    rows = read_rows(file.with_suffix(".csv"), STATISTICS)
    if not isinstance(report, dict) or "scores" not in report or not rows:
        raise InputError(f"expected a report with scores. Received: {file}, which has none; evaluate again.")
    return report, rows


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON object that begins with the scores."""
    scores = {
        change.name: {
            "a": change.first,
            "b": change.second,
            "difference": change.difference,
            "interval": change.interval,
            "beyond_noise": change.beyond_noise,
        }
        for change in comparison.changes
    }
    about = {name: getattr(comparison, name) for name in ("records", "left_out", "settings")}
    return {"scores": scores} | about | moved(comparison)


def moved(comparison: Comparison) -> dict[str, list[str]]:
    """The names of the records that became better and of those that became worse, the most changed first."""
    key = "question_id" if any("question_id" in row for row, _ in comparison.better + comparison.worse) else "image_id"
    return {name: [str(row[key]) for row, _ in getattr(comparison, name)] for name in ("better", "worse")}


if __name__ == "__main__":
    run(main)
