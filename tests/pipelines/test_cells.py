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
    assert head.split("\t")[:3] == ["cell", "trained on", "mean squared error"]
    assert [line.split("\t")[0] for line in (first, second)] == ["rnn", "gru"]
    (found,) = json.loads((tmp_path / "cells.json").read_text(encoding="utf-8"))
    assert found["recommendations"] == [advice] and advice.startswith("with 64 sequences ")
    assert found["chance"] == 1 / 6 and [each["parameters"] for each in found["results"]] == [33, 89]
    again = job("cells", *words, "--out", tmp_path / "cells.json")
    assert again.code == 2 and "is there already" in again.error


def test_what_is_no_task_is_said(job: Job) -> None:
    wrong = {
        ("--length", 1): "--length expects 2 or more",
        ("--budget", 0): "--budget expects",
        ("--task", "ading"): "Did you mean 'adding'?",
        ("--task", "char-lm"): "which trains on --data. Received: --task char-lm without --data",
        ("--data", "x.txt"): "Received: --task adding with --data",
        ("--task", "vqa", "char-lm", "--data", "x.txt"): "at most one job",
    }
    for words, said in wrong.items():
        done = job("cells", *words)
        assert done.code == 2 and said in done.error


def test_cells_are_compared_on_one_s_own_data(job: Job, tmp_path: Path) -> None:
    """A job's own trainings; the scores are those of their reports."""
    (tmp_path / "x.txt").write_text("abcd efgh\n" * 400, encoding="utf-8")
    (tmp_path / "more.yaml").write_text("window: 16\nbatch_size: 8\nembedding_dim: 8\n", encoding="utf-8")
    words = ("--task", "adding", "char-lm", "--data", tmp_path / "x.txt", "--settings", tmp_path / "more.yaml")
    words += ("--cells", "rnn", "gru", "--units", 8, "--length", 4, "--sizes", 32, "--shares", 1)
    done = job("cells", *words, "--budget", 0.5, "--runs", tmp_path / "runs", "--json")
    assert done.code == 0, done.err
    toy, own = json.loads(done.out)
    assert (toy["task"], own["task"], own["score"], own["better"]) == ("adding", "char-lm", "nats", "lower")
    assert [each["cell"] for each in own["results"]] == ["rnn", "gru"]
    for each in own["results"]:
        report = json.loads((tmp_path / "runs" / f"{each['cell']}-100" / "report.json").read_text(encoding="utf-8"))
        assert each["score"] == report["scores"]["nats"] and each["epochs"] == len(report["history"]["loss"])
        assert report["options"]["window"] == 16 and report["options"]["units"] == 8
        assert each["parameters"] == {"rnn": 1, "gru": 3}[each["cell"]] * (16 * 8 + 8) + 14 * 8 + 9 * 14
