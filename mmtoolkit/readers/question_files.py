"""Finds and parses questions files: VQA, easy-VQA, DAQUAR, and CSV and JSON Lines tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_lines import placed
from mmtoolkit.readers.data_files import data_files, tables_below
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.images import TABLE_FOLDERS, check_exists, picture_finder
from mmtoolkit.readers.objects import has_fields, objects_in, question_rows
from mmtoolkit.readers.official_vqa import VQA_NAME, is_official, official_questions, picture_folders
from mmtoolkit.readers.published import items
from mmtoolkit.readers.rows import Ids, QuestionRow, checked, rows_of
from mmtoolkit.readers.splits import SPLIT_NAMES
from mmtoolkit.readers.tables import csv_rows, json_objects, numbered_lines, read_json

SUFFIXES = (".csv", ".json", ".jsonl", ".txt")
DAQUAR_NAME = re.compile(r"qa(?:\.\d+\.raw)?[._](?P<split>train|val|dev|test)\.txt")
DAQUAR_IMAGE = re.compile(r"\bimage\d+\b")
DAQUAR_END = re.compile(r"(?: (?:in|of|on|from))?(?: (?:the|this))? image\d+ ?\??$")
EASY_NAME = re.compile(rf"(?:({'|'.join(SPLIT_NAMES)})/)?questions\.json")
NAMES = (  # the first that fits a file of a folder decides
    rf"(?!.*MultipleChoice)(?:annotations/|questions/)?{VQA_NAME.pattern}",
    EASY_NAME.pattern,
    DAQUAR_NAME.pattern,
    rf"(?:annotations/|questions/)?{VQA_NAME.pattern}",  # the same questions, to be chosen among
    r"questions\.(?:csv|jsonl)",
)


class QuestionsFile(NamedTuple):
    """A questions file: its rows, still to be read, and the folders of its pictures."""

    path: Path
    rows: Iterator[QuestionRow]
    find: Callable[[str], Path | None]
    folder: Path
    folders: tuple[str, ...]


def questions_files(path: Path) -> list[Path]:
    """Returns the questions file that a path names, or those that a folder holds, one for each split."""
    check_exists(path)
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            endings = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            raise InputError(f"expected a file of questions in {endings}. Received: {path}. Name another.")
        return [path]
    if files := data_files(path, NAMES, what="one data set of questions"):
        return files
    expected = (
        "expected questions.csv, questions.jsonl, a single .csv or .jsonl, or the files of VQA, easy-VQA or DAQUAR"
    )
    tables = "".join(f"{name}, " for name in tables_below(path)[:3])
    raise InputError(
        f"{path}: {expected}. Received: no file of questions. Write questions.csv with the columns "
        f"image,question,answer, or name {tables}another folder or file."
    )


def open_questions(path: Path, on_fault: OnFault, ids: Ids, split: str | None = None) -> QuestionsFile:
    """Opens a questions file.

    Args:
        path: The file.
        on_fault: Gets each fault of its rows.
        ids: The ids of the data set so far.
        split: The split of rows that name none.
    """
    folder: Path = path.parent
    folders: tuple[str, ...] = TABLE_FOLDERS
    suffix = path.suffix.lower()
    if suffix == ".json":
        content = read_json(path)
        if is_official(path, content):
            folder, folders = picture_folders(path, content)
            rows = official_questions(path, content, on_fault)
        else:
            rows = json_questions(path, content, on_fault, split)
    elif suffix == ".txt":
        rows = daquar_rows(path, on_fault)
    elif suffix == ".jsonl":
        rows = object_rows(placed(path, json_objects(path, on_fault)), on_fault, split)
    else:
        table = csv_rows(path, required=("image", "question"), optional=("answer",), on_fault=on_fault)
        rows = object_rows(placed(path, table), on_fault, split, cells=True)
    find = picture_finder(folder, folders)
    return QuestionsFile(path, checked(rows, on_fault, ids, split=split), find, folder, folders)


def json_questions(path: Path, content: Any, on_fault: OnFault, split: str | None) -> Iterator[QuestionRow]:
    """Returns the rows of a JSON file that is not VQA's: objects with their own pictures, or easy-VQA's lists.

    Raises:
        InputError: It holds neither.
    """
    if objects := objects_in(path, content, ("image", "question")):
        return object_rows(objects, on_fault, split)
    first = content[0] if isinstance(content, list) and content else content
    if isinstance(first, list):
        return rows_of(items(str(path), content), easy_rows(path), on_fault)
    received = ", ".join(map(repr, first)) if isinstance(first, dict) else repr(first)
    raise InputError(
        f"{path}: expected questions with their pictures and answers. Received: {received:.60}. Write questions.jsonl "
        'with {"image": "1.jpg", "question": "what?", "answer": "a dog"} and the like on each line.'
    )


def object_rows(
    objects: Iterable[tuple[str, Any]], on_fault: OnFault, split: str | None, *, cells: bool = False
) -> Iterator[QuestionRow]:
    """Yields the rows of placed objects, or of a CSV table; where none has answers they are kept secret."""
    objects = list(objects)
    answered = any(has_fields(item, ("answer",)) for _, item in objects)
    yield from rows_of(objects, question_rows(answered=answered, cells=cells, split=split), on_fault)


def easy_rows(path: Path) -> Callable[[str, Any], Iterator[QuestionRow]]:
    """Returns a parser of easy-VQA's `[question, answer, image id]`; the folder of the file names the split.

    Source: https://github.com/vzhou842/easy-VQA.
    """
    name = path.absolute().parent.name
    split = name if name.lower() in SPLIT_NAMES else None

    def parse(source: str, item: Any) -> Iterator[QuestionRow]:
        if not (isinstance(item, list) and [type(part) for part in item] == [str, str, int]):
            raise Fault(source, f"expected [question, answer, image id]. Received: {item!r:.60}. Correct the item.")
        question, answer, number = item
        place = re.sub(r".*\[(\d+)\]", r"\1", source)
        yield QuestionRow(
            source, f"{number}.png", question.strip(), (answer.strip(),), split, f"{name}/{place}", f"{name}/{number}"
        )

    return parse


def daquar_rows(path: Path, on_fault: OnFault) -> Iterator[QuestionRow]:
    """Yields the rows of DAQUAR: a line with a question that names its picture, then a line with its answers.

    Source: Malinowski & Fritz, "A Multi-World Approach to Question Answering about Real-World Scenes", 2014.
    """
    match = DAQUAR_NAME.fullmatch(path.name)
    split, asked = match["split"] if match else None, None
    for line, text in numbered_lines(path, on_fault):
        if image := DAQUAR_IMAGE.search(text):
            if asked:
                on_fault(Fault(asked.source, "expected an answer on the next line. Received: a question. Add it."))
            question = DAQUAR_END.sub("", " ".join(text.split()))  # single spaces: the search stays linear
            question = DAQUAR_IMAGE.sub("image", question).rstrip(" ?") + "?"
            asked = QuestionRow(f"{path}:{line}", image[0], question, (), split, f"{path.stem}:{line}", image[0])
        elif asked:
            yield asked._replace(answers=(text.strip(),))
            asked = None
        else:
            received = f"Received: {text[:60]!r}. Correct the line."
            on_fault(Fault(f"{path}:{line}", f"expected a question that names its picture, e.g. 'image3'. {received}"))
    if asked:
        on_fault(Fault(asked.source, "expected an answer on the next line. Received: the end of the file. Add it."))
