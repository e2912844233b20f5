"""Parses line-based captions files: Flickr8k, Flickr30k, and CSV and JSON Lines tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.rows import Row, rows_of, wrong_field
from mmtoolkit.readers.tables import csv_rows, decoded, json_objects, numbered_lines

LineT = TypeVar("LineT")


def placed(path: Path, lines: Iterable[tuple[int, LineT]]) -> Iterator[tuple[str, LineT]]:
    """Yields the content of numbered lines, each with its place."""
    return ((f"{path}:{number}", content) for number, content in lines)


def header(path: Path, separator: str) -> list[str]:
    """Returns the column names in the first line that is not empty."""
    return [name.strip() for name in decoded(path).lstrip().partition("\n")[0].split(separator)]


def line_captions(path: Path, on_fault: OnFault) -> Iterator[Row]:
    """Returns the rows of a line-based captions file; its ending and first line select the parser."""
    if path.suffix.lower() == ".jsonl":
        return rows_of(placed(path, json_objects(path, on_fault)), json_rows, on_fault)
    if is_flickr30k_table(path):
        return rows_of(placed(path, lines_below_header(path, on_fault)), flickr30k_rows, on_fault)
    if path.suffix.lower() == ".csv":
        table = csv_rows(path, required=("image", "caption"), on_fault=on_fault)
        return rows_of(placed(path, table), table_rows, on_fault)
    if header(path, ",") == ["image", "caption"]:
        return rows_of(placed(path, lines_below_header(path, on_fault)), kaggle_rows, on_fault)
    return rows_of(placed(path, numbered_lines(path, on_fault)), token_rows, on_fault)


def is_flickr30k_table(path: Path) -> bool:
    """Checks whether a file is Flickr30k in Kaggle's form."""
    return path.suffix.lower() == ".csv" and header(path, "|") == ["image_name", "comment_number", "comment"]


def lines_below_header(path: Path, on_fault: OnFault) -> Iterator[tuple[int, str]]:
    """Returns the numbered lines after the first."""
    lines = numbered_lines(path, on_fault)
    next(lines)
    return lines


def token_rows(source: str, text: str) -> Iterator[Row]:
    """Parses a line of the official form of Flickr8k and Flickr30k, `image.jpg#0<TAB>caption`."""
    name, tab, caption = text.partition("\t")
    image, _, number = name.strip().rpartition("#")
    if not (tab and image and number.isdecimal()):
        expected = "expected 'image.jpg#0<TAB>caption', or 'image,caption' as the first line of a CSV"
        raise Fault(source, f"{expected}. Received: {text[:60]!r}. Correct the line.")
    yield Row(source, image, caption.strip(), id=name.strip())


def flickr30k_rows(source: str, text: str) -> Iterator[Row]:
    """Parses a line of Kaggle's Flickr30k, `image.jpg| 0| caption`; a caption may hold the separator."""
    fields = [field.strip() for field in text.split("|", 2)]
    if len(fields) < 3 or not fields[1].isdecimal():
        received = f"Received: {text[:60]!r}. Correct the line."
        image = fields[0] if len(fields) > 1 else ""
        raise Fault(source, f"expected 'image_name| comment_number| comment'. {received}", image)
    image, number, caption = fields
    yield Row(source, image, caption, id=f"{image}#{number}")


def kaggle_rows(source: str, text: str) -> Iterator[Row]:
    """Parses a line of Kaggle's `image,caption`; commas and quotes inside a caption may be unquoted."""
    image, _, caption = text.partition(",")
    yield Row(source, image.strip(), unquoted(caption.strip()))


def unquoted(caption: str) -> str:
    """Returns a caption without its CSV quotes if it is one well-formed quoted field, else unchanged.

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


def table_rows(source: str, fields: dict[str, str]) -> Iterator[Row]:
    """Converts a CSV row with the columns `image,caption[,split][,id]`."""
    yield Row(source, fields["image"], fields["caption"], fields.get("split") or None, fields.get("id") or None)


def json_rows(source: str, fields: dict[str, Any]) -> Iterator[Row]:
    """Converts a JSON object with `image`, `caption` (a string) or `captions` (a list), `split` and `id`."""
    image, given_split, given_id = fields.get("image"), fields.get("split"), fields.get("id")
    if not isinstance(image, str):
        raise Fault(source, wrong_field("image", "a string", fields))
    if not isinstance(given_split, str | None):
        raise Fault(source, wrong_field("split", "a string", fields), image)
    if not isinstance(given_id, str | int | None):
        raise Fault(source, wrong_field("id", "a string or a whole number", fields), image)
    name = "captions" if "captions" in fields else "caption"
    captions = fields.get(name) if name == "captions" else [fields.get(name)]
    if not isinstance(captions, list) or not captions or not all(isinstance(one, str) for one in captions):
        kind = "a list of strings" if name == "captions" else "a string"
        raise Fault(source, wrong_field(name, kind, fields), image)
    row_id = None if given_id is None else str(given_id)
    for caption in captions:
        yield Row(source, image.strip(), caption.strip(), given_split or None, row_id)
