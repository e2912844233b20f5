"""The vocabulary of every job: a task, its examples, its outputs, its metric and its views."""

from mmtoolkit.task.metric import Direction, Metric, Statistics, Texts, summed
from mmtoolkit.task.task import Evaluation, Example, Form, Grades, OnError, Output, Section, Task
from mmtoolkit.task.views import MatrixView, PictureView, SeriesView, View, WordsView

__all__ = [
    "Direction",
    "Evaluation",
    "Example",
    "Form",
    "Grades",
    "MatrixView",
    "Metric",
    "OnError",
    "Output",
    "PictureView",
    "Section",
    "SeriesView",
    "Statistics",
    "Task",
    "Texts",
    "View",
    "WordsView",
    "summed",
]
