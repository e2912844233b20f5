"""`mmtoolkit cells`: its table, its recommendation, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Job = Callable[..., Any]


def test_cells_are_compared(job: Job, tmp_path: Path) -> None:
    words = ("--cells", "rnn", "gru", "--length", 6, "--sizes", 64, "--budget", 0.2, "--units", 4)
    done = job("cells", *words, "--out", tmp_path / "cells.json")
    assert done.code == 0, done.err
    head, first, second, advice = done.out.splitlines()
    assert head.split("\t")[:3] == ["cell", "trained on", "mean squared error"]
    assert [line.split("\t")[0] for line in (first, second)] == ["rnn", "gru"]
    (found,) = json.loads((tmp_path / "cells.json").read_text(encoding="utf-8"))["comparisons"]
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
    """A job's own trainings, whose runs are taken up again by the same command; the scores are those of their reports.

    Half of the text is so regular that any cell is far better than token frequencies.
    """
    (tmp_path / "x.txt").write_text("abcd efgh\n" * 1200, encoding="utf-8")
    (tmp_path / "more.yaml").write_text(
        "window: 16\nbatch_size: 8\nembedding_dim: 8\nlearning_rate: 0.03\n", encoding="utf-8"
    )
    words = ("--task", "adding", "char-lm", "--data", tmp_path / "x.txt", "--settings", tmp_path / "more.yaml")
    words += ("--cells", "rnn", "gru", "--units", 8, "--length", 4, "--sizes", 32, "--shares", 0.5)
    words += ("--budget", 4, "--runs", tmp_path / "runs", "--json")
    done = job("cells", *words)
    assert done.code == 0, done.err
    toy, own = json.loads(done.out)["comparisons"]
    assert (toy["task"], own["task"], own["score"], own["better"]) == ("adding", "char-lm", "nats", "lower")
    assert [each["cell"] for each in own["results"]] == ["rnn", "gru"]
    for each in own["results"]:
        report = json.loads((tmp_path / "runs" / f"{each['cell']}-50-0" / "report.json").read_text(encoding="utf-8"))
        assert each["score"] == report["scores"]["nats"] and each["epochs"] == len(report["history"]["loss"])
        assert each["score"] < report["without_context"]["token frequencies"]["nats"]
        assert report["options"]["window"] == 16 and report["options"]["units"] == 8
        assert each["parameters"] == {"rnn": 1, "gru": 3}[each["cell"]] * (16 * 8 + 8) + 14 * 8 + 9 * 14
    again = job("cells", *words)
    assert again.err.count("nothing to resume") == 2
    assert json.loads(again.out)["comparisons"][1]["results"] == own["results"]
    (tmp_path / "more.yaml").write_text("units: 16\n", encoding="utf-8")
    refused = job("cells", *words)
    assert refused.code == 2 and "more.yaml: units is the same for all cells or set here" in refused.error


def test_a_run_that_ends_is_told(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that diverges has no score; Ctrl-C ends the comparison as it ends any job."""
    (tmp_path / "x.txt").write_text("abcd efgh\n" * 40, encoding="utf-8")
    words = ("--task", "char-lm", "--data", tmp_path / "x.txt", "--cells", "rnn_relu", "--shares", 1)

    def end(error: type[BaseException]) -> None:
        def main(*_: object) -> None:
            raise error("the loss was nan")

        monkeypatch.setattr("mmtoolkit.pipelines.cells.call", main)

    end(FloatingPointError)
    done = job("cells", *words, "--json")
    assert done.code == 0 and "rnn_relu: the loss was nan" in done.err
    (found,) = json.loads(done.out)["comparisons"]
    assert found["results"][0]["score"] is None
    assert found["recommendations"] == ["with 100 % of the training split every training diverged"]
    end(KeyboardInterrupt)
    assert job("cells", *words).code == 130
