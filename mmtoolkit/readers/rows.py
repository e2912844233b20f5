"""One caption or one question as a row, and the checks that all of their formats share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.splits import split_name
from mmtoolkit.readers.tables import near

HALF_CHARACTER = re.compile("[\ud800-\udfff]")

ItemT = TypeVar("ItemT")
RowT = TypeVar("RowT", "Row", "QuestionRow")


class Row(NamedTuple):
    """One caption as its file gives it."""

    source: str  # the place, "captions.csv:7" say
    image: str
    caption: str
    split: str | None = None
    id: str | None = None
    image_id: str | None = None  # where the picture has another name in results than its file's

    @property
    def texts(self) -> dict[str, str]:
        """What must be written, each with what it is to its picture."""
        return {"a caption of": self.caption}


class QuestionRow(NamedTuple):
    """One question as its file gives it; the first fields are those of `Row`."""

    source: str
    image: str
    question: str
    answers: tuple[str, ...]  # none where they are kept secret
    split: str | None = None
    id: str | None = None
    image_id: str | None = None
    question_type: str = ""
    answer_type: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """What must be written, each with what it is to its picture."""
        answers = {"an answer to a question about": "".join(self.answers)} if self.answers else {}
        return {"a question about": self.question} | answers


def rows_of(
    items: Iterable[tuple[str, ItemT]], parse: Callable[[str, ItemT], Iterable[RowT]], on_fault: OnFault
) -> Iterator[RowT]:
    """The rows of each item, which comes with its place; `on_fault` gets the items that cannot be used."""
    for source, item in items:
        try:
            yield from parse(source, item)
        except Fault as fault:
            on_fault(fault)


def wrong_field(name: str, kind: str, fields: dict[str, Any], unit: str = "line") -> str:
    """What to say of a JSON object whose field is absent or of another type."""
    if name in fields:
        return f"expected {name!r} to be {kind}. Received: {fields[name]!r:.60}. Correct the {unit}."
    received = ", ".join(map(repr, fields)) or "no field"
    return f"expected a field {name!r}, {kind}. Received: {received}.{near(name, fields)} Correct the {unit}."


def checked(rows: Iterable[RowT], on_fault: OnFault, sources: dict[str, str] | None = None) -> Iterator[RowT]:
    """The rows of one file, with their splits under the project's names; `on_fault` gets those that cannot be used.

    `sources` says where each id was seen first; files whose ids must differ share it.
    """
    sources = {} if sources is None else sources
    for row in rows:
        try:
            yield checked_row(row, sources)
        except Fault as fault:
            on_fault(fault)


def checked_row(row: RowT, sources: dict[str, str]) -> RowT:
    """The row with its split under the project's name; `sources` says where each id was seen first."""
    if not row.image:
        raise Fault(row.source, "expected the name of a picture. Received: none. Name it or delete the line.")
    for what, text in row.texts.items():
        if not text:
            message = f"expected {what} {row.image!r}. Received: an empty one. Write it or delete the line."
            raise Fault(row.source, message, row.image, "empty")
    if half := HALF_CHARACTER.search("".join((row.image, *row.texts.values()))):
        message = f"expected whole characters of Unicode. Received: the half {half[0]!r}. Correct the text."
        raise Fault(row.source, message, row.image)
    if row.id is not None and (first := sources.setdefault(row.id, row.source)) != row.source:
        message = f"expected every id once. Received: {row.id!r}, also {where(first)}. Rename one."
        raise Fault(row.source, message, row.image)
    try:
        return row if row.split is None else row._replace(split=split_name(row.split))
    except InputError as error:
        raise Fault(row.source, str(error), row.image) from error


def where(source: str) -> str:
    """The place of another row of the data in a sentence.

    Example:
        >>> where("captions.csv:7"), where("captions_val2014.json:annotations[12]")
        ('on line 7', 'in captions_val2014.json:annotations[12]')
    """
    line = source.rpartition(":")[2]
    return f"on line {line}" if line.isdecimal() else f"in {source}"


def nfc(name: str) -> str:
    """The name in Unicode's composed form, in which names are compared."""
    return unicodedata.normalize("NFC", name)
