"""The table beside a report: every output with its group and what it adds to the scores."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.files import read_whole, write_atomically

MOST_BYTES = 2**29  # of a file of a report: some million rows
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet runs, or would after an apostrophe is taken away


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows of a report as CSV, with the byte order mark by which spreadsheets know UTF-8.

    A text that a spreadsheet would run as a formula gets an apostrophe before it, which `read_rows` takes away.
    """
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value) for name, value in row.items()} for row in rows)
    write_atomically(path, lambda file: file.write(table.getvalue().encode("utf-8-sig", "replace")))


def plain(value: Any) -> Any:
    """Returns a cell that no spreadsheet runs.

    Example:
        >>> plain("=1+1"), plain("a dog"), plain(-0.5)
        ("'=1+1", 'a dog', -0.5)
    """
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def as_it_was(value: Any) -> Any:
    """Returns the text of a cell that `plain` wrote."""
    return value[1:] if isinstance(value, str) and value[:1] == "'" and FORMULA.match(value) else value


def read_rows(path: Path, statistics: Sequence[str]) -> list[dict[str, Any]]:
    """Reads the table of a report, the statistics among its columns as numbers.

    Raises:
        InputError: It cannot be read, or a statistic is no number; the message names file and line.
    """
    try:
        text = io.StringIO(read_whole(path, most=MOST_BYTES).decode("utf-8-sig"), newline="")
        rows = [{name: as_it_was(value) for name, value in row.items()} for row in csv.DictReader(text)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"expected the table of a report. Received: {path}, which cannot be read; evaluate again."
        ) from error
    for number, row in enumerate(rows, start=2):
        for name in statistics:
            if name in row:
                try:
                    row[name] = float(row[name])
                except (TypeError, ValueError):
                    raise InputError(
                        f"{path}:{number}: expected a number as {name!r}. Received: {row[name]!r}; evaluate again."
                    ) from None
    return rows
