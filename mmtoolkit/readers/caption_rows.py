"""The lines of captions files as rows: one parser for each format, and the checks that all formats share."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmtoolkit.readers.splits import split_name
from mmtoolkit.readers.tables import at, csv_rows, json_objects, near, numbered_lines


class Row(NamedTuple):
    """One caption as its file gives it."""

    line: int
    image: str
    caption: str
    split: str | None = None
    id: str | None = None


def parse(path: Path) -> Iterator[Row]:
    """The rows of a captions file, by its ending and, for `.txt`, its first line."""
    if path.suffix.lower() == ".csv":
        return csv_captions(path)
    if path.suffix.lower() == ".jsonl":
        return json_captions(path)
    first = next(numbered_lines(path), (0, ""))[1]
    is_kaggle = [name.strip() for name in first.split(",")] == ["image", "caption"]
    return kaggle_captions(path) if is_kaggle else token_captions(path)


def token_captions(path: Path) -> Iterator[Row]:
    """Rows of the official form, `image.jpg#0<TAB>caption`."""
    for line, text in numbered_lines(path):
        name, tab, caption = text.partition("\t")
        image, _, number = name.strip().rpartition("#")
        if not (tab and image and number.isdecimal()):
            expected = "expected 'image.jpg#0<TAB>caption', or 'image,caption' as the first line of a CSV"
            raise at(path, line, f"{expected}. Received: {text[:60]!r}. Correct the line.")
        yield Row(line, image, caption.strip(), id=name.strip())


def kaggle_captions(path: Path) -> Iterator[Row]:
    """Rows of Kaggle's `image,caption`, where commas and quotes inside a caption may stand unquoted."""
    lines = numbered_lines(path)
    next(lines)  # the header
    for line, text in lines:
        image, _, caption = text.partition(",")
        yield Row(line, image.strip(), unquoted(caption.strip()))


def unquoted(caption: str) -> str:
    """The caption without its CSV quotes, if it is one well-formed quoted field, else as it is.

    Example:
        >>> unquoted('"a dog, running"'), unquoted('"stop" says the sign, twice')
        ('a dog, running', '"stop" says the sign, twice')
    """
    if not caption.startswith('"'):
        return caption
    try:
        fields = next(csv.reader([caption], strict=True))
    except csv.Error:
        return caption
    return fields[0].strip() if len(fields) == 1 else caption


def csv_captions(path: Path) -> Iterator[Row]:
    """Rows of a CSV file with the columns `image,caption[,split][,id]`."""
    for line, fields in csv_rows(path, required=("image", "caption")):
        yield Row(line, fields["image"], fields["caption"], fields.get("split") or None, fields.get("id") or None)


def json_captions(path: Path) -> Iterator[Row]:
    """Rows of JSON Lines with `image`, `caption` (a string) or `captions` (a list), `split` and `id`."""
    for line, fields in json_objects(path):
        image, given_split, given_id = fields.get("image"), fields.get("split"), fields.get("id")
        if not isinstance(image, str):
            raise at(path, line, wrong_field("image", "a string", fields))
        if not isinstance(given_split, str | None):
            raise at(path, line, wrong_field("split", "a string", fields))
        if not isinstance(given_id, str | int | None):
            raise at(path, line, wrong_field("id", "a string or a whole number", fields))
        name = "captions" if "captions" in fields else "caption"
        captions = fields.get(name) if name == "captions" else [fields.get(name)]
        if not isinstance(captions, list) or not captions or not all(isinstance(one, str) for one in captions):
            raise at(path, line, wrong_field(name, "a list of strings" if name == "captions" else "a string", fields))
        row_id = None if given_id is None else str(given_id)
        for caption in captions:
            yield Row(line, image.strip(), caption.strip(), given_split or None, row_id)


def wrong_field(name: str, kind: str, fields: dict[str, Any]) -> str:
    """What to say of a JSON object whose field is absent or of another type."""
    if name in fields:
        return f"expected {name!r} to be {kind}. Received: {fields[name]!r}. Correct the line."
    received = ", ".join(map(repr, fields)) or "no field"
    return f"expected a field {name!r}, {kind}. Received: {received}.{near(name, fields)} Correct the line."


def checked(rows: Iterable[Row], path: Path) -> Iterator[Row]:
    """The rows, with their splits under the project's names; stops at the first that cannot be used."""
    lines: dict[str, int] = {}
    for row in rows:
        if not row.image:
            raise at(path, row.line, "expected the name of a picture. Received: none. Name it or delete the line.")
        if not row.caption:
            message = f"expected a caption of {row.image!r}. Received: an empty one. Write it or delete the line."
            raise at(path, row.line, message)
        if row.id is not None and lines.setdefault(row.id, row.line) != row.line:
            message = f"expected every id once. Received: {row.id!r}, also on line {lines[row.id]}. Rename one."
            raise at(path, row.line, message)
        yield row if row.split is None else row._replace(split=split_name(row.split, place=f"{path}:{row.line}: "))
