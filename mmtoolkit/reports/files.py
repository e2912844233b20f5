"""The three files of a report: JSON for programs, a page for people, and a table with all the rows."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.files import file_digest, parse_json, read_whole, write_atomically, write_json
from mmtoolkit.records import digest, is_embedded
from mmtoolkit.reports.older import NAMES, renamed, task_of_older
from mmtoolkit.reports.report_html import examples_of, report_page
from mmtoolkit.reports.rows import MOST_BYTES, read_rows, write_rows
from mmtoolkit.task import Metric, Report, Task, View

PAGE, TABLE = ".html", ".csv"  # beside the JSON file
TABLE_SHA256 = "table_sha256"  # a report that is killed while it replaces another one has the table of neither


def write_report(
    path: Path, task: Task[Any], report: Mapping[str, Any], *, views: Mapping[str, View], language: str = ""
) -> list[Path]:
    """Writes a report, and beside it its page and the table of its rows, where it has some.

    Args:
        path: The JSON file.
        task: The task of the report.
        report: What an evaluation gave, and what a job added to it; its rows go into the table.
        views: By id, the views of the report's examples.
        language: Of the page's fixed words, `"en"` or `"ko"`; that of the examples by default.

    Returns:
        The files that were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = report.get("rows")
    content = {name: value for name, value in report.items() if name != "rows"}
    if not rows:
        for beside in (PAGE, TABLE):  # of a report that this one replaces
            path.with_suffix(beside).unlink(missing_ok=True)
        write_json(path, content)
        return [path]
    write_rows(path.with_suffix(TABLE), rows)
    today = f"{datetime.date.today()}"
    page = report_page(task, content, title(path), views_of=views, date=today, language=language)
    write_atomically(path.with_suffix(PAGE), lambda file: file.write(page.encode()))
    content[TABLE_SHA256] = file_digest(path.with_suffix(TABLE))
    write_json(path, content)  # last: where it is, the others are
    return [path, path.with_suffix(PAGE), path.with_suffix(TABLE)]


def save_report(
    path: Path,
    task: Task[Any],
    report: Mapping[str, Any],
    *,
    model: Any,
    records: Sequence[Any],
    source: Any,
    data: Path | None = None,
    language: str = "",
) -> list[Path]:
    """Writes a report on a model's records, with the views of its examples and what the result depends on.

    Args:
        path: The JSON file.
        task: The task of the report.
        report: What an evaluation gave, and what a job added to it.
        model: The model.
        records: What it was evaluated on.
        source: Where features or pixels come from; `None` for a model without images.
        data: The folder or file of the data: pictures outside of it are named on the page, and not embedded; `None`
            embeds all.
        language: Of the page's fixed words, `"en"` or `"ko"`; that of the examples by default.

    Returns:
        The files that were written.
    """
    whole = {**report, "data_sha256": digest(records), **model.provenance}
    held = {record.id: record for record in records}
    shown = [row for row in examples_of(report) if is_embedded(held[row["id"]], data)]
    outputs = [row["output"] for row in shown]
    views = task.views(model, [held[row["id"]] for row in shown], outputs, source)
    views_of = dict(zip((row["id"] for row in shown), views, strict=False))
    return write_report(path, task, whole, views=views_of, language=language)


def read_report(path: Path) -> Report:
    """Reads a report: its JSON file, or the folder of a run that has one.

    Raises:
        InputError: There is none, or it has no scores.
    """
    file = report_file(path)
    try:
        report = parse_json(read_whole(file, most=MOST_BYTES).decode())
    except (OSError, ValueError) as error:
        raise InputError(
            f"expected the folder of a finished run, or a report.json. Received: {path}, where no report can be read."
        ) from error
    if not isinstance(report, dict) or not report.get("scores"):
        raise InputError(f"expected a report with scores. Received: {file}, which has none; evaluate again.")
    known: dict[str, Any] = {NAMES.get(str(name), str(name)): value for name, value in report.items()}
    return Report({"task": task_of_older(report), **known})


def read_table(path: Path, metric: Metric) -> list[dict[str, Any]]:
    """Reads the rows of a report, with the statistics of a metric as numbers.

    Raises:
        InputError: They cannot be read, there are none, or they are not those of the report's JSON file.
    """
    file = report_file(path).with_suffix(TABLE)
    known = read_report(path).get(TABLE_SHA256)
    if known and file.is_file() and file_digest(file) != known:
        raise InputError(
            f"expected the table of {report_file(path)}. Received: {file}, of another one; evaluate again."
        )
    if not (rows := read_rows(file, metric.columns)):
        raise InputError(f"expected the table of a report. Received: {file}, which has no rows; evaluate again.")
    return [renamed(row) for row in rows]


def report_file(path: Path) -> Path:
    """Returns the JSON file of a report, given that or the folder of its run."""
    return path / "report.json" if path.is_dir() else path


def title(path: Path) -> str:
    """Names a page by its file, or by the folder of a run.

    Example:
        >>> title(Path("runs/flickr8k/report.json")), title(Path("dev.json"))
        ('flickr8k', 'dev')
    """
    return path.parent.name or path.stem if path.stem == "report" else path.stem
