"""Reads text files as numbered lines, CSV rows and JSON objects; faults carry file and line."""

from __future__ import annotations

import csv
import errno
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.files import BYTE_ORDER_MARK, read_whole
from mmtoolkit.readers.columns import misspelt, spelling
from mmtoolkit.readers.faults import Fault, OnFault, fault_at, raise_fault

MOST_BYTES = 2**31  # of a file of text, which is read whole: twice that of the largest questions in use
DELIMITERS = ",;\t|"  # between the columns of a table, as spreadsheets of several countries write them
NO_UTF8 = re.compile("[\udc80-\udcff]")  # what `decoded` makes of bytes that are not UTF-8


def read_text(path: Path) -> str:
    """Reads a UTF-8 file, with or without a byte order mark, its line ends unchanged but for carriage returns alone.

    Raises:
        Fault: A byte is not UTF-8; the message names its line.
    """
    text = decoded(path)
    if fault := not_utf8(text, path, 1):
        raise fault
    return text


def decoded(path: Path) -> str:
    """Reads a file as `read_text` does, but bytes that are not UTF-8 become lone surrogates.

    Raises:
        Fault: It is larger than `MOST_BYTES`.
    """
    try:
        data = read_whole(path, most=MOST_BYTES)
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        message = f"expected a file of at most {MOST_BYTES // 10**6} MB. Received: a larger one. Split it."
        raise fault_at(path, 1, message) from error
    if (at := data.find(b"\0\0\0\0")) >= 0:  # a sparse file is full of them
        received = f"{path.name} with zeros, from byte {at:,} on; write it again"
        raise fault_at(path, 1, f"expected a file of text. Received: {received}.")
    return decode(data)


def decode(content: bytes) -> str:
    """Decodes the content of a file as `decoded` does."""
    text = content.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    return text if "\n" in text.rstrip() else text.replace("\r\n", "\n").replace("\r", "\n")


def not_utf8(text: str, path: Path, line: int) -> Fault | None:
    """Returns the fault of a text, which begins at `line`, with a byte that is not UTF-8, at that byte's line."""
    match = NO_UTF8.search(text)
    if match is None:
        return None
    byte = ord(match[0]) - 0xDC00
    message = f"expected UTF-8 text. Received: the byte 0x{byte:02x}. Save the file as UTF-8 and try again."
    return fault_at(path, line + text.count("\n", 0, match.start()), message)


def numbered_lines(path: Path, on_fault: OnFault = raise_fault) -> Iterator[tuple[int, str]]:
    """Yields the lines of a UTF-8 file that are not blank, numbered from 1; `on_fault` gets those not in UTF-8.

    Only a line feed ends a line, or a carriage return in a file without any: `str.splitlines` would also cut a caption
    at U+2028 or U+0085.
    """
    for number, line in enumerate(decoded(path).split("\n"), start=1):
        if fault := not_utf8(line, path, number):
            on_fault(fault)
        elif line.strip():
            yield number, line.rstrip("\r")


def csv_rows(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    on_fault: OnFault = raise_fault,
    text: str | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the rows of a CSV file with a header, each with the number of its first line; skips empty rows.

    Example:
        >>> size = Path("captions.csv").write_text("image,caption\\n1.jpg,a dog\\n")
        >>> next(csv_rows(Path("captions.csv"), required=("image", "caption")))
        (2, {'image': '1.jpg', 'caption': 'a dog'})

    Args:
        path: A UTF-8 file with commas, semicolons, tabs or bars between its columns; a field with one of these, a quote
            or a line end is in double quotes.
        required: The columns that the header must name, by any of their names in `columns.NAMES`.
        optional: Columns that it may lack but not misspell; all others are kept as they are.
        on_fault: Gets each row that cannot be used; raises by default.
        text: The content of the file, if it is read already, or not written yet.

    Raises:
        Fault: A required column is missing, a column is named twice, a row has more fields than the header, a double
            quote is not closed or the text is not UTF-8.
    """
    header: list[str] = []

    def on_row_fault(fault: Fault) -> None:
        (on_fault if header else raise_fault)(fault)  # without its header no row can be read

    for line, fields in csv_fields(path, on_row_fault, text):
        if not header:
            header = fields
            check_header(path, line, header, required=required, optional=optional)
            continue
        if any(fields[len(header) :]):
            message = f"expected {len(header)} fields. Received: {len(fields)}. "
            advice = "Put a field that holds a comma, or what else is between the columns, in double quotes."
            on_fault(fault_at(path, line, message + advice))
            continue
        yield line, dict.fromkeys(header, "") | dict(zip(header, fields, strict=False))


def csv_fields(path: Path, on_fault: OnFault = raise_fault, text: str | None = None) -> Iterator[tuple[int, list[str]]]:
    """Yields the stripped fields of each CSV row that is not empty, with the number of the row's first line.

    A row of one line with wrong quotes goes to `on_fault`; where they swallow further lines the fault is raised, since
    the number of lost rows is unknown.
    """
    text = decoded(path) if text is None else text
    whole = not NO_UTF8.search(text)
    table = io.StringIO(text, newline="")
    reader = csv.reader(table, delimiter=delimiter_of(text), strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            message = f"expected a CSV row whose double quotes are closed, and doubled inside. Received: {error}. "
            fault = fault_at(path, line, message + "Correct the quotes of this row.")
            if reader.line_num > line:
                raise fault from error
            on_fault(fault)
            continue
        if fields is None:
            return
        if not whole and (not_text := not_utf8("".join(fields), path, line)):
            on_fault(not_text)
            continue
        stripped = [field.strip() for field in fields]
        if any(stripped):
            yield line, stripped


def delimiter_of(text: str) -> str:
    """Returns what separates the columns of a table: of a comma and the like, what its first line has most of.

    Example:
        >>> delimiter_of("image;caption\\n1.jpg;a dog, running")
        ';'
    """
    first = text.lstrip().partition("\n")[0]
    return max(DELIMITERS, key=lambda delimiter: count_fields(first, delimiter))


def count_fields(line: str, delimiter: str) -> int:
    """Counts the fields of a line of CSV; one that cannot be read, e.g. with a carriage return, has none."""
    try:
        return len(next(csv.reader([line], delimiter=delimiter), ()))
    except csv.Error:
        return 0


def check_header(
    path: Path, line: int, header: Sequence[str], *, required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    """Checks that the required columns are there, and that none is misspelt or named twice."""
    received = f"Received: {', '.join(map(repr, header))}."
    for name in (*required, *optional):
        near = misspelt(name, header)
        if not spelling(header, name) and (near or name in required):
            advice = f"Rename {near[0]!r} to {name!r}" if near else "Correct the header"
            raise fault_at(path, line, f"expected a column {name!r}. {received} {advice}.")
    for name in header:
        if name and header.count(name) > 1:
            raise fault_at(path, line, f"expected every column once. {received} Rename or delete one {name!r}.")


def json_objects(path: Path, on_fault: OnFault = raise_fault) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the objects of a JSON Lines file with their line numbers; `on_fault` gets the other lines."""
    expected = "expected one JSON object on the line. Received: "
    for number, line in numbered_lines(path, on_fault):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            on_fault(fault_at(path, number, f"{expected}{line[:60]!r} ({error}). Correct the line."))
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            on_fault(fault_at(path, number, f"{expected}{line[:60]!r}. Correct the line."))


def read_json(path: Path) -> Any:
    """Reads the value of a JSON file.

    Raises:
        Fault: The text is not UTF-8 or not JSON; the message names the line and column.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        message = f"expected JSON. Received: {error.msg}, at column {error.colno}. "
        advice = "Correct the file, or fetch it anew if its end is missing."
        if error.msg == "Extra data" and error.colno == 1:
            advice = "Let its name end in .jsonl if there is an object on each line."
        raise fault_at(path, error.lineno, message + advice) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets in thousands of brackets
        raise fault_at(path, 1, f"expected JSON. Received: {error}. Correct the file.") from error
