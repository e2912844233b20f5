"""Rows of one caption or one question each, and the checks that all their formats share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.splits import split_name

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
PLACEHOLDERS = frozenset(("nan", "none", "null", "n/a", "#n/a", "na", "todo", "tbd"))
OF = r"[-_ ]?(?:of[-_ ]?)?(?:seq(?:uence)?|sentence|text|token|caption)"
MARK = (  # <start>, </s>, <|endoftext|>, [CLS], [SEP], startseq, seqend
    rf"(?:<\|?/?(?:start|begin|end|stop|go|bos|eos|sos|pad|cls|sep|s)(?:{OF})?\|?>"
    rf"|\[/?(?:start|end|bos|eos|sos|pad|cls|sep)\]|\b(?:start|end|begin)[-_]?(?:of[-_]?)?seq\b|\bseq(?:start|end)\b)"
)
LONGEST_MARK = 40  # letters at the end of a text where it is looked for, with a full stop and the like
MARK_AT_START = re.compile(rf"\s*({MARK})", re.IGNORECASE)
MARK_AT_END = re.compile(rf"({MARK})\W*\Z", re.IGNORECASE)
MARKING_WORDS = re.compile(r"\s*(bos|sos|xxbos|ssss)\s.*\s(eos|xxeos|eeee)\W*\Z", re.IGNORECASE | re.DOTALL)

SHOWN = 12  # names of fields in a message

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
    def of_picture(self) -> bool: ...

    @property
    def what(self) -> str: ...

    @property
    def texts(self) -> tuple[str, ...]: ...

    def _replace(self, *, split: str | None) -> Self: ...


RowT = TypeVar("RowT", bound=AnyRow)


class Row(NamedTuple):
    """One caption as its file has it."""

    source: str  # the place, e.g. "captions.csv:7"
    image: str
    caption: str
    split: str | None = None
    id: str | None = None
    image_id: str | None = None  # if the picture has another name in results than its file's
    of_picture: bool = False  # whether the id may be the picture's, the same in all of its rows

    @property
    def what(self) -> str:
        """The relation of the text to the picture."""
        return "a caption of"

    @property
    def texts(self) -> tuple[str, ...]:
        """What was written about the picture."""
        return (self.caption,)


class QuestionRow(NamedTuple):
    """One question as its file has it; the first fields are those of `Row`."""

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
    def what(self) -> str:
        """The relation of the text to the picture."""
        return "a question about"

    @property
    def of_picture(self) -> bool:
        """Whether the id may be the picture's: never, as results are matched with their answers by it."""
        return False

    @property
    def texts(self) -> tuple[str, ...]:
        """What was written about the picture: the question, then its answers."""
        return (self.question, *self.answers)


class Ids(NamedTuple):
    """The ids of one data set so far.

    Args:
        first: The place and the picture of the first row with each id.
        pictures: The ids of each picture's rows.
    """

    first: dict[str, tuple[str, str]]
    pictures: dict[str, set[str]]

    def is_free(self, row: AnyRow, row_id: str) -> bool:
        """Enters the id of a row; returns whether no other row has it, or all rows of its picture and no other."""
        own = self.pictures.setdefault(row.image, set())
        own.add(row_id)
        source, image = self.first.setdefault(row_id, (row.source, row.image))
        return source == row.source or (row.of_picture and image == row.image and len(own) == 1)


def rows_of(
    items: Iterable[tuple[str, ItemT]], parse: Callable[[str, ItemT], Iterable[RowT]], on_fault: OnFault
) -> Iterator[RowT]:
    """Yields the rows of each placed item; `on_fault` gets the items that cannot be used."""
    for source, item in items:
        try:
            yield from parse(source, item)
        except Fault as fault:
            on_fault(fault)


def unit_of(source: str) -> str:
    """Returns what is at a place: an item of a JSON file, or a line.

    Example:
        >>> unit_of("captions.csv:7"), unit_of("captions_val2014.json:annotations[12]")
        ('line', 'item')
    """
    return "item" if source.endswith("]") else "line"


def wrong_field(name: str, kind: str, fields: Mapping[str, Any], unit: str) -> str:
    """Returns the message for a JSON object whose field is absent or of another type."""
    if name in fields:
        return f"expected {name!r} to be {kind}. Received: {fields[name]!r:.60}. Correct the {unit}."
    received = ", ".join(map(repr, list(fields)[:SHOWN])) or "no field"
    received += ", …" if len(fields) > SHOWN else ""
    return f"expected a field {name!r}, {kind}. Received: {received}.{did_you_mean(name, fields)} Correct the {unit}."


def checked(
    rows: Iterable[RowT], on_fault: OnFault, ids: Ids | None = None, *, split: str | None = None
) -> Iterator[RowT]:
    """Yields the usable rows of one file, with canonical split names; `on_fault` gets the faults of the others.

    Args:
        rows: The rows.
        on_fault: Gets each fault.
        ids: The ids so far; files whose ids must differ share them.
        split: The split of rows that name none.
    """
    ids = ids or Ids({}, {})
    for row in rows:
        try:
            yield checked_row(row if row.split else row._replace(split=split), ids)
        except Fault as fault:
            on_fault(fault)


def checked_row(row: RowT, ids: Ids) -> RowT:
    """Returns the row with its canonical split name, and enters its id in `ids`."""
    if not row.image:
        raise Fault(row.source, "expected the name of a picture. Received: none. Name it or delete the line.")
    check_texts(row)
    if row.id is not None and not ids.is_free(row, row.id):
        first, _ = ids.first[row.id]
        message = f"expected every id once. Received: {row.id!r}, also {place_phrase(first)}. Rename one."
        raise Fault(row.source, message, row.image)
    try:
        return row if row.split is None else row._replace(split=split_name(row.split))
    except InputError as error:
        raise Fault(row.source, str(error), row.image) from error


def check_texts(row: AnyRow) -> None:
    """Checks that the texts of a row are whole, and words that a person wrote.

    Raises:
        Fault: They are not.
    """
    text, *answers = row.texts
    if not text or (answers and not any(answers)):
        what = "an answer to a question about" if text else row.what
        advice = "Write it, name the split test" if text else "Write it"
        message = f"expected {what} {row.image!r}. Received: an empty one. {advice} or delete the line."
        raise Fault(row.source, message, row.image, "empty")
    if surrogate := LONE_SURROGATE.search("".join((row.image, *row.texts))):
        message = f"expected whole Unicode characters. Received: half of one, {surrogate[0]!r}. Correct the text."
        raise Fault(row.source, message, row.image)
    if is_placeholder(text):
        message = f"expected {row.what} {row.image!r} in words. Received: {text!r:.60}. Write it or delete the line."
        raise Fault(row.source, message, row.image, "empty")
    for each in row.texts[:2]:  # of several answers all have them or none
        if marks := marks_of(each):
            message = f"expected a text without marks of its start and end. Received: {each!r:.60}. "
            advice = f"Delete {' and '.join(map(repr, marks))} in the whole file; a model adds its own."
            raise Fault(row.source, message + advice, row.image, "marker")


def is_placeholder(text: str) -> bool:
    """Checks whether a text stands for none: it has no letter and no digit, or is e.g. `nan`.

    Example:
        >>> is_placeholder("-"), is_placeholder("N/A"), is_placeholder("2")
        (True, True, False)
    """
    return not any(map(str.isalnum, text)) or text.strip(" .").lower() in PLACEHOLDERS


def marks_of(text: str) -> list[str]:
    """Returns the marks of other programs at a text's start and end.

    Example:
        >>> marks_of("startseq a dog endseq"), marks_of("<s> a dog"), marks_of("start of a race")
        (['startseq', 'endseq'], ['<s>'], [])
    """
    if words := MARKING_WORDS.match(text):
        return [words[1], words[2]]
    found = MARK_AT_START.match(text), MARK_AT_END.search(text, max(0, len(text) - LONGEST_MARK))
    return [match[1] for match in found if match]


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
