"""Predictions for data sets, and reports on them, over any task."""

from mmtoolkit.evaluation.environment import versions
from mmtoolkit.evaluation.out_of_distribution import drawn, images_of, out_of_distribution
from mmtoolkit.evaluation.prediction import Prediction, predict, predictions
from mmtoolkit.evaluation.report import evaluate

__all__ = [
    "Prediction",
    "drawn",
    "evaluate",
    "images_of",
    "out_of_distribution",
    "predict",
    "predictions",
    "versions",
]
