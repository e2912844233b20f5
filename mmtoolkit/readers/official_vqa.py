"""Reads VQA v1 and v2: questions in one JSON file, the answers of ten people in another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.published import field, items, list_in
from mmtoolkit.readers.rows import QuestionRow, place_phrase, rows_of
from mmtoolkit.readers.tables import read_json

VQA_NAME = re.compile(
    r"(?:v2_)?OpenEnded_(?:mscoco|abstract_v002)_(?P<split>train|val|test|test-dev)(?P<year>\d{4})_questions\.json"
)
PREFIXES = {"mscoco": ("COCO", "jpg"), "abstract_v002": ("abstract_v002", "png")}
SUBFOLDERS = ("annotations", "questions")


def official_questions(path: Path, content: Any, on_fault: OnFault) -> Iterator[QuestionRow]:
    """Yields the rows of a questions file, with the answers of its annotations file.

    Questions of a test split, whose annotations are kept secret, have no answers.

    Source: Antol et al., "VQA: Visual Question Answering", 2015; the format: https://visualqa.org/download.html.
    """
    match = VQA_NAME.fullmatch(path.name)
    split = match["split"].removesuffix("-dev") if match else None
    questions = list_in(path, content, "questions")
    prefix, ending = PREFIXES.get(str(content.get("data_type", "mscoco")), PREFIXES["mscoco"])
    subset = image_folder(path, content)
    annotations = annotations_of(path, on_fault)
    asked = dict(annotations or {})

    def question_rows(source: str, item: Any) -> Iterator[QuestionRow]:
        question_id, image_id = (str(field(source, item, key, int, str)) for key in ("question_id", "image_id"))
        image = f"{prefix}_{subset}_{image_id:0>12}.{ending}"  # e.g. COCO_train2014_000000000009.jpg
        question = field(source, item, "question", str, image=image).strip()
        row = QuestionRow(source, image, question, (), split, question_id, image_id)
        if annotations is None:
            yield row
            return
        if asked.pop(question_id, None) is None:
            raise Fault(source, f"expected answers to question {question_id}. Received: none. Add or delete it.", image)
        yield annotated(row, *annotations[question_id])

    yield from rows_of(items(f"{path}:questions", questions), question_rows, on_fault)
    for question_id, (source, _) in asked.items():
        on_fault(
            Fault(source, f"expected the question {question_id} in {path.name}. Received: none. Add or delete it.")
        )


def annotated(row: QuestionRow, source: str, item: dict[str, Any]) -> QuestionRow:
    """Returns the question with its answers as written, and its types where the annotation has them."""
    answers = []
    for place, answer in items(f"{source}.answers", field(source, item, "answers", list, image=row.image)):
        # the line ends and tabs that a few answers hold are blanks to the official evaluator
        answers.append(re.sub(r"[\n\t]", " ", field(place, answer, "answer", str, image=row.image)).strip())
    if not any(answers):
        raise Fault(source, "expected at least one answer. Received: none. Add one or delete the item.", row.image)
    types = {name: field(source, item, name, str) for name in ("question_type", "answer_type") if name in item}
    return row._replace(answers=tuple(answers), **types)


def annotations_of(path: Path, on_fault: OnFault) -> dict[str, tuple[str, dict[str, Any]]] | None:
    """Reads the annotations of a questions file, each with its place, by question id; `None` if they are secret."""
    name = path.name.replace("OpenEnded_", "").replace("_questions.json", "_annotations.json")
    parent = path.parent
    places = [parent, *(parent / folder for folder in SUBFOLDERS), *(parent / ".." / folder for folder in SUBFOLDERS)]
    file = next((place / name for place in places if (place / name).is_file()), None)
    if file is None or name == path.name:
        match = VQA_NAME.fullmatch(path.name)
        if match and match["split"] in ("test", "test-dev"):
            return None
        raise InputError(f"{path}: expected its annotations {name} beside it. Received: no such file. Add it.")
    annotations: dict[str, tuple[str, dict[str, Any]]] = {}
    for source, item in items(f"{file}:annotations", list_in(file, read_json(file), "annotations")):
        try:
            question_id = str(field(source, item, "question_id", int, str))
            first, _ = annotations.setdefault(question_id, (source, item))
            if first != source:
                message = (
                    f"expected every question once. Received: {question_id}, also {place_phrase(first)}. Delete one."
                )
                raise Fault(source, message)
        except Fault as fault:
            on_fault(fault)
    return annotations


def image_folder(path: Path, content: dict[str, Any]) -> str:
    """Returns the folder of the pictures; those of test-dev are in `test2015`."""
    match = VQA_NAME.fullmatch(path.name)
    subset = content.get("data_subtype") or (match["split"] + match["year"] if match else "train2014")
    return str(subset).replace("-dev", "")


def picture_folders(path: Path, content: Any) -> tuple[Path, tuple[str, ...]]:
    """Returns the base folder of a questions file, and the folders of its pictures from there."""
    parent = path.absolute().parent
    folder = Path(os.path.normpath(path.parent / os.pardir)) if parent.name in SUBFOLDERS else path.parent
    own = image_folder(path, content if isinstance(content, dict) else {})
    return folder, (own, f"images/{own}", "images")
