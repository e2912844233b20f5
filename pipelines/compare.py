"""Compares two runs or reports on the same data, and marks which differences are more than noise."""

from __future__ import annotations

import datetime
import json as json_format
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from mmtoolkit.cli.command import aligned, check_target, run, tell
from mmtoolkit.cli.options import Page, Printing, Replacing
from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.records import fingerprint, is_embedded
from mmtoolkit.reports import Comparison, compare, comparison_page, read_report, read_table
from mmtoolkit.reports.comparison import change_rows
from mmtoolkit.task import Task
from mmtoolkit.tasks import task_named

NAMED = 8  # of the records that became better, and of those that became worse


@dataclass(frozen=True, kw_only=True)
class Options(Page, Printing, Replacing):
    """The options of `mmtoolkit compare`.

    Args:
        first: Run A: the folder of a training, or the JSON file of evaluate --out.
        second: Run B.
        out: HTML page of the comparison.
        data: The data set of both, whose pictures and references the page of --out shows.
    """

    first: tyro.conf.Positional[Path]
    second: tyro.conf.Positional[Path]
    out: Path | None = None
    data: Path | None = None


def main(options: Options) -> int:
    """Compares two runs or reports on the same data, and marks which differences are more than noise.

    Both are compared on the records that both have. The interval of a difference is a paired bootstrap over pictures:
    where 0 lies in it, the difference is noise.
    """
    check_target("--out", options.out, ending=".html", overwrite=options.overwrite)
    first, second = read_report(options.first), read_report(options.second)
    task = task_named(first["task"])
    if second["task"] != task.name:
        raise InputError(
            "expected two reports on the same data. Received: two that have none in common, of "
            f"{task.name} and {second['task']}; evaluate both presets on the same data."
        )
    tables = read_table(options.first, task.metric), read_table(options.second, task.metric)
    comparison = compare(task.metric, (first, second), tables)
    if out := options.out:
        records = records_of(task, options.data, tables[0]) if options.data else {}
        names = (str(options.first), str(options.second))
        today = f"{datetime.date.today()}"
        page = comparison_page(comparison, names, records=records, date=today, language=options.fixed)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, lambda file: file.write(page.encode()))
        tell(f"page: {out}")
    if options.json:
        print(json_format.dumps(as_json(comparison), indent=1, ensure_ascii=False))
        return 0
    print("\n".join(aligned(change_rows(comparison))))
    tell(f"{comparison.records} records" + (f", {comparison.left_out} left out" if comparison.left_out else ""))
    for name, a, b in comparison.settings:
        tell(f"differs: {name}: {a or 'none'} and {b or 'none'}")
    for name, ids in moved(comparison).items():
        if ids:
            tell(f"{name} in B: {', '.join(ids)}")
    return 0


def records_of(task: Task[Any], data: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Loads the records that a table of rows is about, by id; a picture that is missing costs its record only.

    Raises:
        InputError: There is none with the references of its row.
    """
    records, _ = task.load(data, on_error="skip")
    wanted = {row["id"]: row["references"] for row in rows}
    found = {each.id: each for each in records if wanted.get(each.id) == fingerprint(each.references)}
    if not found:
        raise InputError(
            f"--data expects the data set of both reports. Received: {data}, which has none of their rows."
        )
    return {key: each if is_embedded(each, data) else replace(each, image=None) for key, each in found.items()}


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Returns the comparison as one JSON object that begins with the scores."""
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
    """Lists the records that became better and those that became worse, the most changed first."""
    return {name: [str(row["id"]) for row, _ in getattr(comparison, name)[:NAMED]] for name in ("better", "worse")}


if __name__ == "__main__":
    run(main)
