"""Reads and writes the table of labels: read again before every change, complete on disk after it."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.files import BYTE_ORDER_MARK, csv_bytes, read_whole, sweep, write_atomically
from mmtoolkit.locks import locked
from mmtoolkit.readers.columns import listed, spelling
from mmtoolkit.readers.images import picture_finder
from mmtoolkit.readers.rows import LONE_SURROGATE, is_placeholder, marks_of
from mmtoolkit.readers.tables import MOST_BYTES, csv_fields, csv_rows, decode, delimiter_of
from mmtoolkit.task import Form

Label = tuple[str, ...]  # the texts of one row: a caption, or a question and its answer
LONGEST = 2000  # characters of a text


CAPTIONS = Form("captions.csv", ("caption",))
QUESTIONS = Form("questions.csv", ("question", "answer"))


@dataclass(frozen=True)
class Sheet:
    """A table of labels and its pictures.

    Args:
        path: The CSV file, which may not exist yet.
        texts: Its columns besides the picture.
        pictures: The pictures by their names in the table.
        find: Returns a picture's absolute path by its name in the table.
    """

    path: Path
    texts: tuple[str, ...]
    pictures: Mapping[str, Path]
    find: Callable[[str], Path | None]

    @property
    def target(self) -> Path:
        """The file that is replaced: the one that an existing link leads to."""
        return self.path.resolve() if self.path.is_symlink() and self.path.exists() else self.path

    def picture_of(self, name: str) -> str | None:
        """Returns the key in `pictures` of a name in the table; `None` if the picture is not among them."""
        if (path := self.find(name)) is None:
            return None
        own = os.path.relpath(path, os.path.abspath(self.path.parent)).replace(os.sep, "/")
        return own if own in self.pictures else None


class Rows(NamedTuple):
    """The content of a table: its header, and its rows, each as long as the header.

    Args:
        header: The names of the columns, as the file has them.
        rows: The rows.
        delimiter: What is between the columns.
        marked: Whether a byte order mark is at the start; `None` if it is to be there once a letter is not ASCII.
    """

    header: list[str]
    rows: list[list[str]]
    delimiter: str = ","
    marked: bool | None = None


def open_sheet(path: Path, form: Form, paths: Sequence[Path]) -> Sheet:
    """Opens a table of pictures, with names relative to its folder, and checks what it already contains.

    Raises:
        InputError: The file exists, and its readers refuse it.
    """
    folder = os.path.abspath(path.parent)
    named = {os.path.relpath(os.path.abspath(each), folder).replace(os.sep, "/"): each for each in paths}
    sheet = Sheet(path, form.texts, named, picture_finder(Path(folder)))
    read_rows(sheet)
    return sheet


@contextmanager
def hold(sheet: Sheet) -> Iterator[None]:
    """Holds the lock of a table: what two processes read, change and replace in turns would lose labels.

    What killed processes left of it is deleted.

    Raises:
        BusyError: Another process holds it.
        InputError: The folder of the table cannot be written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(sheet.target, "labels"))
        except OSError as error:
            expected = "expected a table in a folder that can be written"
            received = f"{sheet.target} ({error.strerror})"
            raise InputError(f"{expected}. Received: {received}; name another with --out.") from error
        sweep(sheet.target.parent, glob.escape(sheet.target.name), idle=0)
        yield


def read_rows(sheet: Sheet) -> Rows:
    """Reads the current rows of the file; an absent file is an empty table."""
    content = read_whole(sheet.path, most=MOST_BYTES) if sheet.path.exists() else b""
    return rows_in(sheet, content)


def rows_in(sheet: Sheet, content: bytes) -> Rows:
    """Parses the rows of a table as its readers do.

    Raises:
        Fault: They refuse it.
    """
    text, required = decode(content), ("image", *sheet.texts)
    fields = [row for _, row in csv_fields(sheet.path, text=text)]
    if not fields:
        return Rows([*required], [])
    for _ in csv_rows(sheet.path, required=required, text=text):
        pass
    header, *rows = fields
    marked = None if content.isascii() else content.startswith(BYTE_ORDER_MARK)
    filled = [(row + [""] * len(header))[: len(header)] for row in rows]
    return Rows(header, filled, delimiter_of(text), marked)


def labels(sheet: Sheet) -> dict[str, list[Label]]:
    """Returns the labels of each picture that has any.

    Example:
        >>> sheet = open_sheet(Path("captions.csv"), CAPTIONS, [Path("a.jpg")])
        >>> save(sheet, "a.jpg", [["a dog"], ["a pup"]])
        >>> labels(sheet)
        {'a.jpg': [('a dog',), ('a pup',)]}
    """
    content = read_rows(sheet)
    labelled: dict[str, list[Label]] = {}
    for row in content.rows:
        name, label = sheet.picture_of(cell(content, row, "image")), label_of(sheet, content, row)
        if name is not None and is_written(label):
            labelled.setdefault(name, []).append(label)
    return labelled


def unfinished(sheet: Sheet) -> int:
    """Counts the rows that lack a text, or words, which readers refuse."""
    content = read_rows(sheet)
    return sum(not is_written(label_of(sheet, content, row)) for row in content.rows)


def save(sheet: Sheet, name: str, given: Sequence[Sequence[str]]) -> None:
    """Replaces a picture's labels and keeps all other rows; the file is on disk on return.

    Example:
        >>> save(open_sheet(Path("captions.csv"), CAPTIONS, [Path("a.jpg")]), "a.jpg", [["a dog"]])
        >>> Path("captions.csv").read_text()
        'image,caption\\na.jpg,a dog\\n'

    Args:
        sheet: The table.
        name: The picture, as `sheet.pictures` has it.
        given: Its labels; those that lack a text are left out, and line breaks become spaces.

    Raises:
        InputError: Readers would not return the name or a text as it is, a text is longer than `LONGEST`, or the file
            has become one that readers refuse.
        OSError: E.g. the disk is full.
    """
    check_name(name)
    content = read_rows(sheet)
    own = [row for row in content.rows if sheet.picture_of(cell(content, row, "image")) == name]
    typed = [tuple(map(one_line, each)) for each in given]
    for label in typed:
        if label not in (label_of(sheet, content, row) for row in own):  # another program may write what we do not
            check_texts(label)
    wanted = [label for label in typed if is_written(label)]
    fresh = rows_for(sheet, content, own, name, wanted)
    rows: list[list[str]] = []
    for row in content.rows:
        if not any(row is each for each in own):
            rows.append(row)
        elif fresh:  # in place of the first one
            rows += fresh
            fresh = []
    if own or wanted:
        write_rows(sheet, content._replace(rows=rows + fresh))


def rows_for(
    sheet: Sheet, content: Rows, own: Sequence[list[str]], name: str, wanted: Sequence[Label]
) -> list[list[str]]:
    """Returns a row for each label: the picture's row with that label, another of its rows, or a new one."""
    left = list(own)
    kept: list[list[str] | None] = []
    for label in wanted:
        same = next((row for row in left if label_of(sheet, content, row) == label), None)
        left = [row for row in left if row is not same]
        kept.append(same)
    rows = []
    for label, row in zip(wanted, kept, strict=True):
        taken = row or (left.pop(0) if left else new_row(content, own, name))
        texts = dict(zip((column_of(content, text) for text in sheet.texts), label, strict=True))
        rows.append([texts.get(column, value) for column, value in zip(content.header, taken, strict=True)])
    return rows


def new_row(content: Rows, own: Sequence[list[str]], name: str) -> list[str]:
    """Returns a row without texts; a picture keeps its name and its split, which its rows must share."""
    image, split = column_of(content, "image"), spelling(content.header, "split")
    if own:
        return [value if column in (image, split) else "" for column, value in zip(content.header, own[0], strict=True)]
    return [name if column == image else "" for column in content.header]


def column_of(content: Rows, field: str) -> str:
    """Returns the name of a field's column; `read_rows` has checked that it is there."""
    return spelling(content.header, field) or field


def cell(content: Rows, row: Sequence[str], field: str) -> str:
    """Returns the value of a row in a field's column."""
    return row[content.header.index(column_of(content, field))]


def label_of(sheet: Sheet, content: Rows, row: Sequence[str]) -> Label:
    """Returns the texts of a row."""
    return tuple(cell(content, row, column) for column in sheet.texts)


def is_written(label: Label) -> bool:
    """Checks whether a label has all its texts, the caption or the question in words, as readers want it."""
    return all(label) and not is_placeholder(label[0])


def one_line(text: str) -> str:
    """Returns a text on one line, as readers return it.

    Example:
        >>> one_line(" a dog\\n runs ")
        'a dog runs'
    """
    return " ".join(text.split())


def check_texts(label: Label) -> None:
    """Checks that readers return the texts of a label as they are.

    Raises:
        InputError: One is too long, not whole Unicode, with another program's marks of its start and end, or a list.
    """
    for text in label:
        if len(text) > LONGEST:
            raise InputError(f"expected a text of at most {LONGEST:,} characters. Received: {len(text):,}; shorten it.")
        if surrogate := LONE_SURROGATE.search(text):
            raise InputError(
                f"expected whole Unicode characters. Received: half of one, {surrogate[0]!r}. Correct the text."
            )
        if marks := marks_of(text):
            received = " and ".join(map(repr, marks))
            raise InputError(f"expected a text without marks of its start and end. Received: {received}; delete them.")
        if is_list(text):
            raise InputError(f"expected one text. Received: {text:.60}, a list; write it without the brackets.")


def is_list(text: str) -> bool:
    """Checks whether readers take a text for a list of texts, or for one with a fault."""
    try:
        return listed(text) is not None
    except ValueError:
        return True


def check_name(name: str) -> None:
    """Checks that a table can hold the name of a picture."""
    if LONE_SURROGATE.search(name) or name != name.strip():
        raise InputError(
            f"expected a file name in Unicode without spaces around it. Received: {name!r}; rename the picture."
        )


def write_rows(sheet: Sheet, content: Rows) -> None:
    """Writes the whole table, or leaves the old one.

    Raises:
        InputError: Readers would not return the rows as they are.
    """
    table = csv_bytes([content.header, *content.rows], delimiter=content.delimiter)
    if content.marked is not None:
        table = BYTE_ORDER_MARK * content.marked + table.removeprefix(BYTE_ORDER_MARK)
    try:
        again = rows_in(sheet, table)
    except InputError as error:
        raise InputError(f"expected labels that can be read again. Received: {error}; {sheet.path} is kept.") from error
    if again[:3] != content[:3]:
        raise InputError(f"expected labels that are read as they are. Received: others; {sheet.path} is kept.")
    write_atomically(sheet.target, lambda file: file.write(table))
