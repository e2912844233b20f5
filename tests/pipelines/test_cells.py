"""`mmtoolkit cells`: its table, its recommendation, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = Callable[..., Any]


def test_cells_are_compared(job: Job, tmp_path: Path) -> None:
    words = ("--cells", "rnn", "gru", "--length", 6, "--sizes", 64, "--budget", 0.2, "--units", 4)
    done = job("cells", *words, "--out", tmp_path / "cells.json")
    assert done.code == 0, done.err
    head, first, second, advice = done.out.splitlines()
    assert head.split("\t")[:3] == ["cell", "sequences", "mean squared error"]
    assert [line.split("\t")[0] for line in (first, second)] == ["rnn", "gru"]
    found = json.loads((tmp_path / "cells.json").read_text(encoding="utf-8"))
    assert found["recommendations"] == [advice] and advice.startswith("with 64 sequences ")
    assert found["chance"] == 1 / 6 and [each["parameters"] for each in found["results"]] == [33, 89]
    again = job("cells", *words, "--out", tmp_path / "cells.json")
    assert again.code == 2 and "is there already" in again.error


def test_what_is_no_task_is_said(job: Job) -> None:
    for words, said in ((("--length", 1), "--length expects 2 or more"), (("--budget", 0), "--budget expects")):
        done = job("cells", *words)
        assert done.code == 2 and said in done.error
