"""The folder of the exports: locked, and free of what a killed export left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mmtoolkit.cli.command import check_target, exit_code
from mmtoolkit.locks import BusyError
from mmtoolkit.pipelines import export


def test_a_killed_export_is_swept_and_a_second_one_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "models"
    for name in (".1.7.new/variables", "1", ".mine.new"):
        (out / name).mkdir(parents=True)
    options, found = export.Options(preset="shapes_demo", out=out), list[set[str]]()

    def exported(options: Any) -> int:
        found.append(set(os.listdir(out)))
        with pytest.raises(BusyError, match="which exports since"):
            export.main(options)
        return 0

    monkeypatch.setattr(export, "exported", exported)
    assert export.main(options) == 0
    assert found == [{"1", ".mine.new", ".lock"}] and set(os.listdir(out)) == {"1", ".mine.new"}


class ResourceExhaustedError(Exception):
    """As TensorFlow raises it."""


@pytest.mark.parametrize(
    ("message", "expected"),
    [("x/variables.data; No space left on device", "No space left on device"), ("OOM", "the memory does not suffice")],
)
def test_a_full_disk_is_not_called_a_lack_of_memory(
    capsys: pytest.CaptureFixture[str], message: str, expected: str
) -> None:
    def job() -> int:
        raise ResourceExhaustedError(message)

    assert exit_code(job) == 1
    assert capsys.readouterr().err.strip().startswith(f"error: {expected}")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that nobody can write to")
def test_a_place_that_cannot_be_written_is_found_out_before_the_work() -> None:
    with pytest.raises(OSError) as caught:
        check_target("--out", Path("/proc/self/new/captions.csv"), overwrite=False, ending=".csv")
    assert caught.value.filename == "/proc/self/new/captions.csv"
