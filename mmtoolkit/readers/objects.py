"""Converts rows of tables and objects of JSON files to captions and questions, by the names of their fields."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmtoolkit.readers.columns import folded, listed, misspelt, spelling
from mmtoolkit.readers.faults import Fault
from mmtoolkit.readers.images import is_picture
from mmtoolkit.readers.published import field, items
from mmtoolkit.readers.rows import QuestionRow, Row, unit_of, wrong_field
from mmtoolkit.readers.splits import SPLIT_NAMES

Fields = Mapping[str, Any]
NUMBERED = ("imageid", "imgid")  # names of pictures that may be numbers
LISTS = ("captions", "answers")  # what an object has as a list
IN_LISTS = ("answer", "caption", "raw", "text")  # where the objects of such a list have their texts


def caption_rows(source: str, fields: Fields, *, cells: bool = False) -> Iterator[Row]:
    """Converts a row with a picture and its caption or captions, perhaps a split and an id.

    Args:
        source: Its place.
        fields: Its fields, by any of the names in `columns.NAMES`.
        cells: Whether it is of a CSV table, where a list is a text too.
    """
    image = image_in(source, fields)
    split, row_id = optional(source, fields, "split", image, str), optional(source, fields, "id", image, str, int)
    for caption in texts_in(source, fields, "caption", image=image, cells=cells):
        yield Row(source, image, caption, split, row_id, of_picture=True)


def question_rows(
    *, answered: bool, cells: bool = False, split: str | None = None
) -> Callable[[str, Fields], Iterator[QuestionRow]]:
    """Returns a parser of rows with a picture, a question and its answer or answers.

    Questions of a table without answers, and those of a test split that lack them, are read without.

    Args:
        answered: Whether any row of the file has answers.
        cells: Whether the rows are of a CSV table.
        split: The split of rows that name none.
    """

    def parse(source: str, fields: Fields) -> Iterator[QuestionRow]:
        image = image_in(source, fields)
        own_split = optional(source, fields, "split", image, str) or split
        row_id = optional(source, fields, "id", image, str, int)
        question = field(source, fields, spelling(fields, "question") or "question", str, image=image).strip()
        secret = not answered or SPLIT_NAMES.get((own_split or "").strip().lower()) == "test"
        answers: list[str] = []
        if not (secret and lacks_answers(fields)):
            answers = texts_in(source, fields, "answer", image=image, cells=cells)
        types = [
            value if isinstance(value := fields.get(f"{kind}_type"), str) else "" for kind in ("question", "answer")
        ]
        yield QuestionRow(source, image, question, tuple(answers), own_split, row_id, None, *types)

    return parse


def lacks_answers(fields: Fields) -> bool:
    """Checks whether a row has no answers, and no field whose name is a misspelt one."""
    key = spelling(fields, "answer")
    return not misspelt("answer", fields) if key is None else fields[key] in (None, "", [])


def image_in(source: str, fields: Fields) -> str:
    """Returns the name of the row's picture."""
    key = (isinstance(fields, Mapping) and spelling(fields, "image")) or "image"
    kinds = (str, int) if folded(key) in NUMBERED else (str,)
    return str(field(source, fields, key, *kinds)).strip()


def optional(source: str, fields: Fields, name: str, image: str, *kinds: type) -> str | None:
    """Returns a field that a row may lack, as text; `None` if it is absent or empty."""
    key = spelling(fields, name) or name
    return None if fields.get(key) in (None, "") else str(field(source, fields, key, *kinds, image=image))


def texts_in(source: str, fields: Fields, name: str, *, image: str, cells: bool) -> list[str]:
    """Returns the captions or the answers of a row: one, or those of a list, also of one that is written as text.

    Raises:
        Fault: There are none, they are no texts, or the list cannot be parsed.
    """
    key = spelling(fields, name) or name
    value, plural = fields.get(key), key in LISTS and not cells
    if isinstance(value, str):
        try:
            value = listed(value) or ([] if plural else [value])
        except ValueError as error:
            message = f'expected several {name}s as a list of quoted texts, ["a", "b"]. Received: {value!r:.60}. '
            raise Fault(source, f"{message}Quote each of them, or write a row for each.", image) from error
    elif not isinstance(value, list):
        value = [] if plural else [value]
    texts = [text_of(item, numbers=name == "answer") for item in value]
    if not texts or None in texts:
        kind = "a list of strings" if plural else "a string"
        raise Fault(source, wrong_field(key, kind, fields, unit_of(source)), image)
    return [text.strip() for text in texts if text is not None]


def text_of(item: Any, *, numbers: bool) -> str | None:
    """Returns the text that an item of a list is or has; `None` if it has none."""
    if isinstance(item, dict):
        item = next((item[name] for name in IN_LISTS if name in item), None)
    if numbers and isinstance(item, int | float) and not isinstance(item, bool):
        return str(item)
    return item if isinstance(item, str) else None


def objects_in(path: Path, content: Any, needed: Collection[str]) -> list[tuple[str, Any]] | None:
    """Returns the objects of a JSON file that are rows, each with its place; `None` if there are none.

    They are a list, a list in an object, the values of an object whose names are their ids, as in GQA, or captions of
    the pictures that the names are. Where the object lists its images, as COCO does, an `image_id` is one of those.

    Args:
        path: The file.
        content: Its content.
        needed: Fields of `columns.NAMES`; a list that has them in none of its objects holds no rows.
    """
    lists = [list(items(str(path), content))] if isinstance(content, list) else []
    if isinstance(content, dict):
        lists += [list(items(f"{path}:{key}", value)) for key, value in content.items() if isinstance(value, list)]
        lists.append([(f"{path}[{key}]", value | {"id": key}) for key, value in content.items() if type(value) is dict])
        captions = [(key, {"image": key, "caption": value}) for key, value in content.items() if is_picture(key)]
        lists.append([(f"{path}[{key}]", fields) for key, fields in captions])
    rows = next((rows for rows in lists if any(has_fields(item, needed) for _, item in rows)), None)
    files = file_names(content)
    return rows and [
        (place, item | {"image": files[str(item["image_id"])]} if names_file(item, files) else item)
        for place, item in rows
    ]


def file_names(content: Any) -> dict[str, str]:
    """Returns the file names of the images that an object lists, by their ids."""
    images = content.get("images") if isinstance(content, dict) else None
    known = [image for image in images if has_fields(image, ("image", "id"))] if isinstance(images, list) else []
    return {str(image[spelling(image, "id") or ""]): image[spelling(image, "image") or ""] for image in known}


def names_file(item: Any, files: Mapping[str, str]) -> bool:
    """Checks whether an object names its picture by the id of one of the listed images."""
    return isinstance(item, dict) and spelling(item, "image") == "image_id" and str(item["image_id"]) in files


def has_fields(item: Any, needed: Collection[str]) -> bool:
    """Checks whether an item of a list is an object with the fields."""
    return isinstance(item, dict) and all(spelling(item, name) for name in needed)
