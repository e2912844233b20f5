"""The vocabulary of every job: a task, its examples, its outputs, its metric and its views."""

from mmtoolkit.task.metric import Direction, Metric, Statistics, Texts, summed
from mmtoolkit.task.report import Report
from mmtoolkit.task.task import Bars, Diagonal, Evaluation, Example, Form, Grades, OnError, Output, Part, Section, Task
from mmtoolkit.task.views import MatrixView, PictureView, SeriesView, View, WordsView

__all__ = [
    "Bars",
    "Diagonal",
    "Direction",
    "Evaluation",
    "Example",
    "Form",
    "Grades",
    "MatrixView",
    "Metric",
    "OnError",
    "Output",
    "Part",
    "PictureView",
    "Report",
    "Section",
    "SeriesView",
    "Statistics",
    "Task",
    "Texts",
    "View",
    "WordsView",
    "summed",
]
