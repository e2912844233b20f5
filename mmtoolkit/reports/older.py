"""Reports of version 0.1 before rows had one form: they named no task, and their columns were the task's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"vgg19_sha256": "encoder_sha256"}  # of entries, before there were other encoders
COLUMNS = {
    "captioning": {"image_id": "id", "caption": "output", "group": "grade"},
    "question answering": {
        **{"question_id": "id", "image_id": "group", "question": "input", "answer": "output"},
        **{"probability": "score", "group": "grade"},
    },
}


def task_of_older(report: Mapping[str, Any]) -> str:
    """Returns the name of the task of a report that names none.

    Example:
        >>> task_of_older({"scores": {}, "questions": 49})
        'question answering'
    """
    return "question answering" if "questions" in report else "captioning"


def renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row in today's form, whichever it has.

    Example:
        >>> renamed({"image_id": "a.jpg", "caption": "a dog", "group": "right"})
        {'id': 'a.jpg', 'output': 'a dog', 'grade': 'right', 'group': 'a.jpg', 'input': ''}
    """
    if "id" in row:
        return dict(row)
    names = COLUMNS[task_of_older({"questions": 0} if "question_id" in row else {})]
    new = {names.get(name, name): value for name, value in row.items()}
    return new | {"group": new.get("group", new["id"]), "input": new.get("input", "")}
