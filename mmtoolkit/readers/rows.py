"""Defines the rows of one caption or question each, and checks them for all formats."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.splits import split_name
from mmtoolkit.readers.tables import did_you_mean

LONE_SURROGATE = re.compile("[\ud800-\udfff]")

ItemT = TypeVar("ItemT")


class AnyRow(Protocol):
    """A row of any task's files: a named tuple with these fields and more."""

    @property
    def source(self) -> str: ...

    @property
    def image(self) -> str: ...

    @property
    def split(self) -> str | None: ...

    @property
    def id(self) -> str | None: ...

    @property
    def texts(self) -> dict[str, str]: ...

    def _replace(self, *, split: str) -> Self: ...


RowT = TypeVar("RowT", bound=AnyRow)


class Row(NamedTuple):
    """One caption, as written in its file."""

    source: str  # the place, e.g. "captions.csv:7"
    image: str
    caption: str
    split: str | None = None
    id: str | None = None
    image_id: str | None = None  # if the picture has another name in results than its file's

    @property
    def texts(self) -> dict[str, str]:
        """The texts that must not be empty, by their relation to the picture."""
        return {"a caption of": self.caption}


class QuestionRow(NamedTuple):
    """One question, as written in its file."""

    source: str
    image: str
    question: str
    answers: tuple[str, ...]  # none if they are kept secret
    split: str | None = None
    id: str | None = None
    image_id: str | None = None
    question_type: str = ""
    answer_type: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """The texts that must not be empty, by their relation to the picture."""
        answers = {"an answer to a question about": "".join(self.answers)} if self.answers else {}
        return {"a question about": self.question} | answers


class RowFile(NamedTuple, Generic[RowT]):
    """A file of captions or questions: its rows, still to be read, and the folders of its pictures."""

    path: Path
    rows: Iterator[RowT]
    find: Callable[[str], Path | None]
    folder: Path
    folders: tuple[str, ...]


def rows_of(
    items: Iterable[tuple[str, ItemT]], parse: Callable[[str, ItemT], Iterable[RowT]], on_fault: OnFault
) -> Iterator[RowT]:
    """Yields the rows of each placed item; `on_fault` gets the items that cannot be used."""
    for source, item in items:
        try:
            yield from parse(source, item)
        except Fault as fault:
            on_fault(fault)


def wrong_field(name: str, kind: str, fields: dict[str, Any], unit: str = "line") -> str:
    """Returns the message for a JSON object whose field is absent or of another type."""
    if name in fields:
        return f"expected {name!r} to be {kind}. Received: {fields[name]!r:.60}. Correct the {unit}."
    received = ", ".join(map(repr, fields)) or "no field"
    return f"expected a field {name!r}, {kind}. Received: {received}.{did_you_mean(name, fields)} Correct the {unit}."


def checked(rows: Iterable[RowT], on_fault: OnFault, sources: dict[str, str] | None = None) -> Iterator[RowT]:
    """Yields the usable rows of one file, with canonical split names; `on_fault` gets the faults of the others.

    `sources` maps each id to the place of its first use; files whose ids must differ share it.
    """
    sources = {} if sources is None else sources
    for row in rows:
        try:
            yield checked_row(row, sources)
        except Fault as fault:
            on_fault(fault)


def checked_row(row: RowT, sources: dict[str, str]) -> RowT:
    """Returns the row with its canonical split name; `sources` maps each id to the place of its first use."""
    if not row.image:
        raise Fault(row.source, "expected the name of a picture. Received: none. Name it or delete the line.")
    for what, text in row.texts.items():
        if not text:
            message = f"expected {what} {row.image!r}. Received: an empty one. Write it or delete the line."
            raise Fault(row.source, message, row.image, "empty")
    if surrogate := LONE_SURROGATE.search("".join((row.image, *row.texts.values()))):
        message = f"expected whole Unicode characters. Received: half of one, {surrogate[0]!r}. Correct the text."
        raise Fault(row.source, message, row.image)
    if row.id is not None and (first := sources.setdefault(row.id, row.source)) != row.source:
        message = f"expected every id once. Received: {row.id!r}, also {place_phrase(first)}. Rename one."
        raise Fault(row.source, message, row.image)
    try:
        return row if row.split is None else row._replace(split=split_name(row.split))
    except InputError as error:
        raise Fault(row.source, str(error), row.image) from error


def place_phrase(source: str) -> str:
    """Returns the place of another row as words of a sentence.

    Example:
        >>> place_phrase("captions.csv:7"), place_phrase("captions_val2014.json:annotations[12]")
        ('on line 7', 'in captions_val2014.json:annotations[12]')
    """
    line = source.rpartition(":")[2]
    return f"on line {line}" if line.isdecimal() else f"in {source}"


def nfc(name: str) -> str:
    """Returns the name in Unicode's composed form, in which names are compared."""
    return unicodedata.normalize("NFC", name)
