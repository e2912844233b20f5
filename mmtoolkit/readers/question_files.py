"""Finds and parses questions files: VQA, easy-VQA, DAQUAR, and CSV and JSON Lines tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_lines import placed
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.images import PICTURE_FOLDERS, check_exists, files_in, picture_finder
from mmtoolkit.readers.official_vqa import VQA_NAME, official_questions, picture_folders
from mmtoolkit.readers.published import field, items
from mmtoolkit.readers.rows import QuestionRow, RowFile, checked, rows_of, wrong_field
from mmtoolkit.readers.splits import SPLIT_NAMES
from mmtoolkit.readers.tables import csv_rows, json_objects, numbered_lines, read_json

SUFFIXES = (".csv", ".json", ".jsonl", ".txt")
DAQUAR_NAME = re.compile(r"qa(?:\.\d+\.raw)?[._](?P<split>train|val|dev|test)\.txt")
DAQUAR_FOLDERS = ("images", "nyu_depth_images")
DAQUAR_IMAGE = re.compile(r"\bimage\d+\b")
DAQUAR_END = re.compile(r"(?:\s+(?:in|of|on|from))?(?:\s+(?:the|this))?\s+image\d+\s*\??\s*$")
EASY_NAME = re.compile(rf"(?:({'|'.join(SPLIT_NAMES)})/)?questions\.json")
NAMES = (  # the first that fits a file of a folder decides
    rf"(?:annotations/|questions/)?{VQA_NAME.pattern}",
    EASY_NAME.pattern,
    DAQUAR_NAME.pattern,
    r"questions\.(?:csv|jsonl)",
    r"[^/]*\.(?:csv|jsonl)",
)
BELOW = ("annotations", "questions", *SPLIT_NAMES)


def questions_files(path: Path) -> list[Path]:
    """Returns the questions file that a path names, or those that a folder holds, one for each split."""
    check_exists(path)
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            endings = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            raise InputError(f"expected a file of questions in {endings}. Received: {path}. Name another.")
        return [path]
    names = [name for name in files_in(str(path)) if not name.startswith(".")]
    names += [f"{folder}/{name}" for folder in BELOW for name in files_in(str(path / folder))]
    for form in NAMES:
        matches = sorted(name for name in names if re.fullmatch(form, name))
        if len({without_split(name) for name in matches}) > 1:
            raise InputError(f"expected one data set of questions in {path}. Received: {', '.join(matches)}. Name one.")
        if matches:  # the questions of test-dev are among those of test
            dev = [name for name in matches if "_test-dev" in name]
            return [path / name for name in matches if name not in dev or len(dev) == len(matches)]
    expected = (
        "expected questions.csv, questions.jsonl, a single .csv or .jsonl, or the files of VQA, easy-VQA or DAQUAR"
    )
    raise InputError(
        f"{path}: {expected}. Received: no file of questions. Write questions.csv with the columns "
        "image,question,answer, or name another folder or file."
    )


def without_split(name: str) -> str:
    """Returns a file's name without its split: the same for all files of one data set.

    Example:
        >>> without_split("train/questions.json"), without_split("qa_test.txt"), without_split("a.csv")
        ('questions.json', 'qa_.txt', 'a.csv')
    """
    base = name.rpartition("/")[2]
    if match := VQA_NAME.fullmatch(base) or DAQUAR_NAME.fullmatch(base):
        return base[: match.start("split")] + base[match.end("split") :]
    return base if EASY_NAME.fullmatch(name) else name


def open_questions(path: Path, on_fault: OnFault, sources: dict[str, str]) -> RowFile[QuestionRow]:
    """Opens a questions file; `on_fault` gets each fault of its rows, `sources` the place of each id."""
    folder: Path = path.parent
    folders: tuple[str, ...] = PICTURE_FOLDERS
    endings: tuple[str, ...] = ("",)
    if path.suffix.lower() == ".json":
        content = read_json(path)
        if isinstance(content, list):
            rows = rows_of(items(str(path), content), easy_rows(path), on_fault)
        else:
            folder, folders = picture_folders(path, content)
            rows = official_questions(path, content, on_fault)
    elif path.suffix.lower() == ".txt":
        folders = DAQUAR_FOLDERS
        endings = (".jpg", ".png")
        rows = daquar_rows(path, on_fault)
    elif path.suffix.lower() == ".jsonl":
        rows = rows_of(placed(path, json_objects(path, on_fault)), json_rows, on_fault)
    else:
        table = csv_rows(path, required=("image", "question", "answer"), on_fault=on_fault)
        rows = rows_of(placed(path, table), table_rows, on_fault)
    find = picture_finder(folder, folders)

    def find_any(name: str) -> Path | None:
        return next(filter(None, (find(name + ending) for ending in endings)), None)

    return RowFile(path, checked(rows, on_fault, sources), find_any, folder, folders)


def table_rows(source: str, fields: dict[str, str]) -> Iterator[QuestionRow]:
    """Converts a CSV row with the columns `image,question,answer[,split][,id]`."""
    split, row_id = fields.get("split") or None, fields.get("id") or None
    yield QuestionRow(source, fields["image"], fields["question"], (fields["answer"],), split, row_id)


def json_rows(source: str, fields: dict[str, Any]) -> Iterator[QuestionRow]:
    """Converts a JSON object with `image`, `question`, `answer` (a string) or `answers` (a list), `split` and `id`."""
    image = field(source, fields, "image", str, unit="line").strip()
    question = field(source, fields, "question", str, image=image, unit="line").strip()
    given = field(source, fields, "answers", list, image=image, unit="line") if "answers" in fields else None
    answers = [field(source, fields, "answer", str, image=image, unit="line")] if given is None else given
    if not answers or not all(isinstance(answer, str) for answer in answers):
        raise Fault(source, wrong_field("answers", "a list of strings", fields), image)
    split = field(source, fields, "split", str, image=image, unit="line") if fields.get("split") is not None else None
    row_id = str(field(source, fields, "id", int, str, image=image, unit="line")) if "id" in fields else None
    yield QuestionRow(source, image, question, tuple(answer.strip() for answer in answers), split or None, row_id)


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
        place = source.rpartition("[")[2].removesuffix("]")
        row_id, image_id = f"{name}/{place}", f"{name}/{number}"
        yield QuestionRow(source, f"{number}.png", question.strip(), (answer.strip(),), split, row_id, image_id)

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
            question = DAQUAR_END.sub("", text).strip()
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
