"""Text files to numbered lines, CSV rows and JSON objects; what is wrong is named with file and line."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def at(path: Path, line: int, message: str) -> InputError:
    """An error that begins with the place.

    Example:
        >>> str(at(Path("captions.csv"), 7, "expected a caption."))
        'captions.csv:7: expected a caption.'
    """
    return InputError(f"{path}:{line}: {message}")


def near(name: str, names: Iterable[str]) -> str:
    """A question that offers the names most like a misspelt one, or nothing where none is like it.

    Example:
        >>> near("captoin", ["image", "caption"])
        " Did you mean 'caption'?"
    """
    matches = [repr(match) for match in alike(name, names)]
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def alike(name: str, names: Iterable[str]) -> list[str]:
    """The names most like one, upper and lower case apart, the most alike first.

    Example:
        >>> alike("caption", ["Image", "Captoin"])
        ['Captoin']
    """
    lowered = {candidate.lower(): candidate for candidate in names}
    return [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered)]


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark, its line ends untouched.

    Raises:
        InputError: A byte is not UTF-8; the message names its line.
    """
    content = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        received = content[error.start : error.start + 1]
        message = f"expected UTF-8 text. Received: the byte 0x{received.hex()}. Save the file as UTF-8 and try again."
        raise at(path, line, message) from error


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file that hold more than spaces, numbered from 1.

    Only a line feed ends a line: `str.splitlines` would also cut a caption at U+2028 or U+0085.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")


def csv_rows(path: Path, *, required: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with a header, each with the number of its first line; empty rows are skipped.

    Example:
        >>> next(csv_rows(Path("captions.csv"), required=("image", "caption")))  # doctest: +SKIP
        (2, {'image': '1.jpg', 'caption': 'a dog'})

    Args:
        path: A comma-separated UTF-8 file; a field with a comma, a quote or a line end stands in double quotes.
        required: The columns that the header must name; others are kept as they are.

    Raises:
        InputError: A required column is missing, a column is named twice, a row has more fields than the header, a
            double quote is not closed or the text is not UTF-8.
    """
    header: list[str] = []
    for line, fields in csv_fields(path):
        if not header:
            header = fields
            check_header(path, line, header, required=required)
            continue
        if any(fields[len(header) :]):
            message = f"expected {len(header)} fields. Received: {len(fields)}. "
            raise at(path, line, message + "Put a field that holds a comma in double quotes.")
        yield line, dict.fromkeys(header, "") | dict(zip(header, fields, strict=False))


def csv_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The stripped fields of each CSV row that is not empty, with the number of the row's first line."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            message = f"expected a CSV row whose double quotes are closed, and doubled inside. Received: {error}. "
            raise at(path, line, message + "Correct the quotes of this row.") from error
        if fields is None:
            return
        stripped = [field.strip() for field in fields]
        if any(stripped):
            yield line, stripped


def check_header(path: Path, line: int, header: Sequence[str], *, required: Sequence[str]) -> None:
    """Raises where a required column is missing or a column is named twice."""
    received = f"Received: {', '.join(map(repr, header))}."
    for name in required:
        if name not in header:
            misspelt = alike(name, header)
            advice = f"Rename {misspelt[0]!r} to {name!r}" if misspelt else "Correct the header"
            raise at(path, line, f"expected a column {name!r}. {received} {advice}.")
    for name in header:
        if name and header.count(name) > 1:
            raise at(path, line, f"expected every column once. {received} Rename or delete one {name!r}.")


def json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON Lines file, each with its line number.

    Raises:
        InputError: A line is not one JSON object or the text is not UTF-8.
    """
    for number, line in numbered_lines(path):
        try:
            value = json.loads(line)
        except ValueError as error:
            message = f"expected one JSON object on the line. Received: {line[:60]!r} ({error}). Correct the line."
            raise at(path, number, message) from error
        if not isinstance(value, dict):
            raise at(path, number, f"expected one JSON object on the line. Received: {line[:60]!r}. Correct the line.")
        yield number, value
