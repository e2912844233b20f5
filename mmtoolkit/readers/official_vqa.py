"""Reads VQA v1 and v2: questions in one JSON file, the answers of ten people in another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.published import field, items
from mmtoolkit.readers.rows import QuestionRow, place_phrase, rows_of, wrong_field
from mmtoolkit.readers.tables import read_json

VQA_NAME = re.compile(
    r"(?:v2_)?(?:OpenEnded|MultipleChoice)_(?:mscoco|abstract_v002)_(?P<split>train|val|test|test-dev)(?P<year>\d{4})_questions\.json"
)
PREFIXES = {"mscoco": ("COCO", "jpg"), "abstract_v002": ("abstract_v002", "png")}
SUBFOLDERS = ("annotations", "questions")


def official_questions(path: Path, content: Any, on_fault: OnFault) -> Iterator[QuestionRow]:
    """Yields the rows of a questions file, with the answers of its annotations file.

    Questions of a test split, whose annotations are kept secret, have no answers.

    Source: Antol et al., "VQA: Visual Question Answering", 2015; the format: https://visualqa.org/download.html.

    Raises:
        InputError: It has another form, or the annotations of a train or validation split are missing.
    """
    match = VQA_NAME.fullmatch(path.name)
    split = match["split"].removesuffix("-dev") if match else None
    name, annotations = image_name(path, content), annotations_of(path, on_fault)
    asked = dict(annotations or {})

    def question_rows(source: str, item: Any) -> Iterator[QuestionRow]:
        question_id, image_id = (str(field(source, item, key, int, str)) for key in ("question_id", "image_id"))
        image = name(image_id)
        question = field(source, item, "question", str, image=image).strip()
        row = QuestionRow(source, image, question, (), split, question_id, image_id)
        if annotations is None:
            yield row
            return
        if asked.pop(question_id, None) is None:
            raise Fault(source, f"expected answers to question {question_id}. Received: none. Add or delete it.", image)
        yield annotated(row, *annotations[question_id])

    yield from rows_of(items(f"{path}:questions", content["questions"]), question_rows, on_fault)
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
    file, name = annotations_file(path), annotations_name(path)
    if file is None:
        match = VQA_NAME.fullmatch(path.name)
        if match and match["split"] in ("test", "test-dev"):
            return None
        raise InputError(f"{path}: expected its annotations {name} beside it. Received: no such file. Add it.")
    content = read_json(file)
    annotations: dict[str, tuple[str, dict[str, Any]]] = {}
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        fields = content if isinstance(content, dict) else {}
        raise InputError(f"{file}: {wrong_field('annotations', 'a list', fields, 'file')}")
    for source, item in items(f"{file}:annotations", content["annotations"]):
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


def annotations_name(path: Path) -> str:
    """Returns the name of the annotations of a questions file.

    Example:
        >>> annotations_name(Path("v2_OpenEnded_mscoco_val2014_questions.json"))
        'v2_mscoco_val2014_annotations.json'
    """
    return re.sub(r"OpenEnded_|MultipleChoice_", "", path.name).replace("_questions.json", "_annotations.json")


def annotations_file(path: Path) -> Path | None:
    """Returns the annotations of a questions file, beside it or in the folders of the archives; `None` without any."""
    name, parent = annotations_name(path), path.parent
    places = [parent, *(parent / folder for folder in SUBFOLDERS), *(parent / ".." / folder for folder in SUBFOLDERS)]
    files = (place / name for place in places if (place / name).is_file())
    return None if name == path.name else next(files, None)


def is_official(path: Path, content: Any) -> bool:
    """Checks whether a JSON file is VQA's, by its name or by annotations of its questions."""
    has_questions = isinstance(content, dict) and isinstance(content.get("questions"), list)
    return VQA_NAME.fullmatch(path.name) is not None or (has_questions and annotations_file(path) is not None)


def image_name(path: Path, content: Any) -> Any:
    """Returns a function from an image id to its file name, e.g. `COCO_train2014_000000000009.jpg`.

    Raises:
        InputError: The file has another form.
    """
    if not isinstance(content, dict) or not isinstance(content.get("questions"), list):
        fields = content if isinstance(content, dict) else {}
        raise InputError(f"{path}: {wrong_field('questions', 'a list', fields, 'file')}")
    prefix, ending = PREFIXES.get(str(content.get("data_type", "mscoco")), PREFIXES["mscoco"])
    subset = image_folder(path, content)
    return lambda image_id: f"{prefix}_{subset}_{image_id:0>12}.{ending}"


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
