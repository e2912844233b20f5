"""The three files of a report: JSON for programs, a page to look at, and a table with all the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.files import write_atomically, write_json
from mmtoolkit.pipelines.command import tell
from mmtoolkit.pipelines.kinds import kind_of
from mmtoolkit.pipelines.runs import digest

PAGE, TABLE = ".html", ".csv"  # beside the JSON file


def write_report(path: Path, report: dict[str, Any], model: Any, records: Sequence[Any], source: Any) -> None:
    """Writes a report with the hashes of what it is about, and beside it its page and the table of its rows.

    Args:
        path: The JSON file.
        report: What an evaluation gave, and what a job added to it; its rows leave it.
        model: The model.
        records: What it was evaluated on.
        source: Where their features or pixels come from.
    """
    from mmtoolkit.reports import report_page, write_rows

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = report.pop("rows", None)
    report |= provenance(model, records)
    write_json(path, report)  # before the page, whose pictures are read once more
    if not rows:
        for beside in (PAGE, TABLE):  # of a report that this one replaces
            path.with_suffix(beside).unlink(missing_ok=True)
        tell(f"report: {path}")
        return
    write_rows(path.with_suffix(TABLE), rows)
    page = report_page(report, title(path), looks=kind_of(model).looks(model, records, source, report))
    write_atomically(path.with_suffix(PAGE), lambda file: file.write(page.encode()))
    tell(f"report: {path}; to look at: {path.with_suffix(PAGE)}")


def provenance(model: Any, records: Sequence[Any]) -> dict[str, Any]:
    """What was scored and how it was seen: hashes of the records and of VGG19's weights, and the precision."""
    weights = model.extractor.weights if model.extractor else None
    return {"data_sha256": digest(records), "vgg19_sha256": weights, "precision": model.compute_dtype}


def title(path: Path) -> str:
    """What a page is called: by its file, or by the folder of a run.

    Example:
        >>> title(Path("runs/flickr8k/report.json")), title(Path("dev.json"))
        ('flickr8k', 'dev')
    """
    return path.parent.name or path.stem if path.stem == "report" else path.stem
