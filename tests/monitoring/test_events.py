"""What is written for TensorBoard can be read, and needs no package of that name."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mmtoolkit.monitoring import Events


def test_numbers_texts_and_pictures_come_back(
    events_in: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the records of TensorBoard's own plugins: a scalar, a text, and width, height and PNG of a picture."""
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as where the package is not installed
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
    events = Events(tmp_path / "logs")
    events.scalar("train/loss", 2.5, step=50)
    events.text("captions", "1.jpg\n  개가 달린다", step=1)
    events.picture("attention", picture, step=2)
    events.flush()
    loss, text, sheet = events_in(tmp_path / "logs")
    assert loss == ("scalars", "train/loss", 50, np.float32(2.5))
    assert text[:3] == ("text", "captions", 1)
    assert [line.decode() for line in text.value] == ["    1.jpg\n      개가 달린다"]
    assert sheet[:3] == ("images", "attention", 2)
    width, height, png = sheet.value
    assert (width, height) == (b"7", b"5")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), np.asarray(picture))


def test_tensorboard_is_told_what_kind_each_is(tmp_path: Path) -> None:
    """The numbers come from TensorFlow's summary.proto: SCALAR, TENSOR and BLOB_SEQUENCE."""
    events = Events(tmp_path)
    events.scalar("a", 1, step=1)
    events.text("b", "x", step=1)
    events.picture("c", Image.new("RGB", (2, 2)), step=1)
    events.flush()
    (file,) = tmp_path.iterdir()
    records = [tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
    kinds = {value.tag: value.metadata for record in records for value in record.summary.value}
    name = next(iter(kinds.values())).DESCRIPTOR.fields_by_name["data_class"].enum_type.values_by_number
    assert {tag: name[kind.data_class].name for tag, kind in kinds.items()} == {
        "a": "DATA_CLASS_SCALAR",
        "b": "DATA_CLASS_TENSOR",
        "c": "DATA_CLASS_BLOB_SEQUENCE",
    }


def test_a_run_that_goes_on_writes_beside_its_first_part(curve: Callable, tmp_path: Path) -> None:
    for step in (1, 2):
        events = Events(tmp_path)
        events.scalar("loss", step / 2, step=step)
        events.flush()
        del events
    assert curve(tmp_path, "loss") == {1: 0.5, 2: 1.0}
