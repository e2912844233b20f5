"""Records are plain, immutable and need no heavy import."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from mmtoolkit.records import CaptionRecord, texts


def test_texts_keeps_the_order_of_records_and_captions():
    records = [
        CaptionRecord(Path("b.jpg"), "b", ("a dog", "a brown dog")),
        CaptionRecord(Path("a.jpg"), "a", ("고양이 한 마리",)),
    ]
    assert texts(records) == ["a dog", "a brown dog", "고양이 한 마리"]
    assert texts([]) == []


def test_a_record_cannot_be_changed():
    record = CaptionRecord(Path("a.jpg"), "a", ("a dog",))
    assert record.split is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.split = "train"  # type: ignore[misc]


def test_records_and_readers_load_no_array_or_image_library():
    code = (
        "import sys, mmtoolkit.records, mmtoolkit.readers\n"
        "print([name for name in ('tensorflow', 'keras', 'numpy', 'PIL') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
