"""The table of labels: read anew before every change, and on disk whole after it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.readers.images import picture_finder
from mmtoolkit.readers.rows import LONE_SURROGATE
from mmtoolkit.readers.tables import BYTE_ORDER_MARK, csv_fields, csv_rows

Label = tuple[str, ...]  # the texts of one row: a caption, or a question and its answer


class Form(NamedTuple):
    """What a table of labels is called, and its columns besides the picture."""

    name: str
    texts: tuple[str, ...]


CAPTIONS = Form("captions.csv", ("caption",))
QUESTIONS = Form("questions.csv", ("question", "answer"))


@dataclass(frozen=True)
class Sheet:
    """A table of labels and the pictures that it is of.

    Args:
        path: The CSV file, there or not.
        texts: Its columns besides the picture.
        pictures: The pictures by the names that the table's readers find them by.
        find: From a name in the table to the picture's absolute path.
    """

    path: Path
    texts: tuple[str, ...]
    pictures: Mapping[str, Path]
    find: Callable[[str], Path | None]

    def picture_of(self, name: str) -> str | None:
        """A name in the table as `pictures` has it; nothing for a picture that is not among them."""
        if (found := self.find(name)) is None:
            return None
        own = os.path.relpath(found, os.path.abspath(self.path.parent)).replace(os.sep, "/")
        return own if own in self.pictures else None


class Rows(NamedTuple):
    """What a table holds: its header, its rows, each as long as the header, and how the file begins."""

    header: list[str]
    rows: list[list[str]]
    start: bytes = b""


def open_sheet(path: Path, form: Form, paths: Sequence[Path]) -> Sheet:
    """A table of pictures, which it names from where it lies; what is in it already is checked.

    Raises:
        InputError: There is such a file, and its readers would not take it.
    """
    folder = os.path.abspath(path.parent)
    named = {os.path.relpath(os.path.abspath(each), folder).replace(os.sep, "/"): each for each in paths}
    sheet = Sheet(path, form.texts, named, picture_finder(Path(folder)))
    read_rows(sheet)
    return sheet


def read_rows(sheet: Sheet) -> Rows:
    """The rows of the file as it is now; of one that is not there, those of an empty table.

    Raises:
        InputError: Its readers would not take it; the message names the line.
    """
    required = ("image", *sheet.texts)
    fields: list[list[str]] = []
    if sheet.path.exists():
        for _ in csv_rows(sheet.path, required=required):
            pass
        fields = [row for _, row in csv_fields(sheet.path)]
    if not fields:
        return Rows([*required], [])
    header, *rows = fields
    start = BYTE_ORDER_MARK if sheet.path.read_bytes().startswith(BYTE_ORDER_MARK) else b""  # Excel wants it
    return Rows(header, [row + [""] * (len(header) - len(row)) for row in rows], start)


def labels(sheet: Sheet) -> dict[str, list[Label]]:
    """What the table says of each of its pictures that it says something of.

    Example:
        >>> labels(sheet)  # doctest: +SKIP
        {'1.jpg': [('a dog',), ('a pup',)]}
    """
    content = read_rows(sheet)
    found: dict[str, list[Label]] = {}
    for row in content.rows:
        name, label = sheet.picture_of(cell(content, row, "image")), label_of(sheet, content, row)
        if name is not None and all(label):
            found.setdefault(name, []).append(label)
    return found


def unfinished(sheet: Sheet) -> int:
    """How many rows lack a text, for which readers refuse them."""
    content = read_rows(sheet)
    return sum(not all(label_of(sheet, content, row)) for row in content.rows)


def save(sheet: Sheet, name: str, given: Sequence[Sequence[str]]) -> None:
    """Puts labels in the place of those that a picture has; all else stays, and the file is on disk on return.

    Example:
        >>> save(sheet, "1.jpg", [["a dog"], ["a pup"]])  # doctest: +SKIP

    Args:
        sheet: The table.
        name: The picture, as `sheet.pictures` has it.
        given: Its labels; those that lack a text are left out, and line breaks become spaces.

    Raises:
        InputError: The name cannot be written so that readers find it, a text is not whole Unicode, or somebody has
            made the file one that readers do not take.
        OSError: The disk is full, say.
    """
    wanted = [label for each in given if all(label := tuple(map(flat, each)))]
    check_name(name)
    content = read_rows(sheet)
    own = [row for row in content.rows if sheet.picture_of(cell(content, row, "image")) == name]
    fresh = rows_for(sheet, content, own, name, wanted)
    rows: list[list[str]] = []
    for row in content.rows:
        if not any(row is each for each in own):
            rows.append(row)
        elif fresh:  # where the first one stood
            rows += fresh
            fresh = []
    if own or wanted:
        write_rows(sheet.path, content._replace(rows=rows + fresh))


def rows_for(
    sheet: Sheet, content: Rows, own: Sequence[list[str]], name: str, wanted: Sequence[Label]
) -> list[list[str]]:
    """A row for each label: the picture's row that says so already, or another of its rows, or a new one."""
    left = list(own)
    found: list[list[str] | None] = []
    for label in wanted:
        same = next((row for row in left if label_of(sheet, content, row) == label), None)
        left = [row for row in left if row is not same]
        found.append(same)
    rows = []
    for label, row in zip(wanted, found, strict=True):
        taken = row or (left.pop(0) if left else new_row(content, own, name))
        texts = dict(zip(sheet.texts, label, strict=True))
        rows.append([texts.get(column, value) for column, value in zip(content.header, taken, strict=True)])
    return rows


def new_row(content: Rows, own: Sequence[list[str]], name: str) -> list[str]:
    """A row without texts; a picture keeps its name and its split, which its rows must share."""
    kept = ("image", "split") if own else ()
    shared = {column: cell(content, own[0], column) for column in kept if column in content.header}
    return [({"image": name} | shared).get(column, "") for column in content.header]


def cell(content: Rows, row: Sequence[str], column: str) -> str:
    """What a row has in a column."""
    return row[content.header.index(column)]


def label_of(sheet: Sheet, content: Rows, row: Sequence[str]) -> Label:
    """The texts of a row."""
    return tuple(cell(content, row, column) for column in sheet.texts)


def flat(text: str) -> str:
    """A text on one line, as readers give it back.

    Example:
        >>> flat(" a dog\\n runs ")
        'a dog runs'

    Raises:
        InputError: It holds half a character.
    """
    if surrogate := LONE_SURROGATE.search(text):
        raise InputError(
            f"expected whole Unicode characters. Received: half of one, {surrogate[0]!r}. Correct the text."
        )
    return " ".join(text.split())


def check_name(name: str) -> None:
    """Refuses the name of a picture that a table cannot hold.

    Raises:
        InputError: It is not Unicode, or begins or ends with a space.
    """
    if LONE_SURROGATE.search(name) or name != name.strip():
        raise InputError(
            f"expected a file name in Unicode without spaces around it. Received: {name!r}; rename the picture."
        )


def write_rows(path: Path, content: Rows) -> None:
    """Writes the whole table, or leaves the old one."""
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\n").writerows([content.header, *content.rows])
    write_atomically(path, lambda file: file.write(content.start + table.getvalue().encode()))
