"""The tasks: each module defines what distinguishes one from the others.

A new task is a module here and a line in `TASKS`.
"""

from __future__ import annotations

from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.task import Task
from mmtoolkit.tasks.captioning import Captioning, captioning
from mmtoolkit.tasks.language_modelling import LanguageModelling, language_modelling
from mmtoolkit.tasks.question_answering import QuestionAnswering, question_answering

TASKS: tuple[Task[Any], ...] = (captioning, question_answering, language_modelling)

__all__ = [
    "TASKS",
    "Captioning",
    "LanguageModelling",
    "QuestionAnswering",
    "captioning",
    "language_modelling",
    "question_answering",
    "task_named",
    "task_of",
]


def task_of(model: Any) -> Task[Any]:
    """Returns the task of a model.

    Example:
        >>> task_of(captioner).name
        'captioning'
    """
    return next(task for task in TASKS if task.model_class == type(model).__name__)


def task_named(name: Any) -> Task[Any]:
    """Returns the task of that name, e.g. the one in a report.

    Raises:
        InputError: There is none.
    """
    for task in TASKS:
        if task.name == name:
            return task
    raise InputError(f"Expected the name of a task ({', '.join(task.name for task in TASKS)}). Received: {name!r}.")
