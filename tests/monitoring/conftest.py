"""Reads back what was written for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf


class Point(NamedTuple):
    """One record: which plugin of TensorBoard shows it, under what name, at which step."""

    plugin: str
    name: str
    step: int
    value: np.ndarray


def read(folder: Path) -> list[Point]:
    points = []
    for file in sorted(folder.glob("events.*")):
        for record in tf.data.TFRecordDataset(str(file)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                plugin = value.metadata.plugin_data.plugin_name
                points.append(Point(plugin, value.tag, event.step, tf.make_ndarray(value.tensor)))
    return points


@pytest.fixture
def events_in() -> Callable[[Path], list[Point]]:
    """`events_in(folder)`: the records of an event folder in their order."""
    return read


@pytest.fixture
def curve() -> Callable[[Path, str], dict[int, float]]:
    """`curve(folder, "train/loss")`: step -> value."""
    return lambda folder, name: {point.step: float(point.value) for point in read(folder) if point.name == name}
