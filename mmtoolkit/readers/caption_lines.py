"""Parsers of line-based captions files: Flickr8k, Flickr30k, and CSV and JSON Lines tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from mmtoolkit.readers.columns import spelling
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.objects import caption_rows
from mmtoolkit.readers.rows import Row, rows_of
from mmtoolkit.readers.tables import csv_rows, decoded, delimiter_of, json_objects, numbered_lines

QUOTED_NAME = re.compile(r'"((?:[^"]|"")+)"\s*,(.*)')
LineT = TypeVar("LineT")


def placed(path: Path, lines: Iterable[tuple[int, LineT]]) -> Iterator[tuple[str, LineT]]:
    """Yields the content of numbered lines, each with its place."""
    return ((f"{path}:{number}", content) for number, content in lines)


def header(path: Path, separator: str) -> list[str]:
    """Returns the names in the first line of a file that is not empty, without quotes."""
    return [name.strip().strip('"') for name in decoded(path).lstrip().partition("\n")[0].split(separator)]


def line_captions(path: Path, on_fault: OnFault) -> Iterator[Row]:
    """Returns the rows of a line-based captions file; its ending and first line select the parser."""
    if path.suffix.lower() == ".jsonl":
        return rows_of(placed(path, json_objects(path, on_fault)), caption_rows, on_fault)
    if is_flickr30k_table(path):
        return rows_of(placed(path, lines_below_header(path, on_fault)), flickr30k_rows, on_fault)
    columns = header(path, delimiter_of(decoded(path)))
    is_table = spelling(columns, "image") is not None and spelling(columns, "caption") is not None
    if path.suffix.lower() != ".csv" and is_table and is_kaggle(columns, header(path, ",")):
        return rows_of(placed(path, lines_below_header(path, on_fault)), kaggle_rows, on_fault)
    if path.suffix.lower() == ".csv" or is_table:
        table = csv_rows(path, required=("image", "caption"), on_fault=on_fault)
        return rows_of(placed(path, table), partial(caption_rows, cells=True), on_fault)
    return rows_of(placed(path, numbered_lines(path, on_fault)), token_rows, on_fault)


def is_kaggle(columns: list[str], with_commas: list[str]) -> bool:
    """Checks whether a table has the picture, a comma and the caption, which may then have commas of its own."""
    return columns == with_commas and len(columns) == 2 and spelling(columns[:1], "image") is not None


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
    """Parses a line of Kaggle's `image,caption`; commas and quotes inside a caption may be unquoted, not in a name."""
    if quoted := QUOTED_NAME.fullmatch(text):
        image, caption = quoted[1].replace('""', '"'), quoted[2]
    else:
        image, _, caption = text.partition(",")
    yield from caption_rows(source, {"image": image, "caption": unquoted(caption.strip())}, cells=True)


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
