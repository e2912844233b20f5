"""`mmtoolkit gradients`: its table, its picture, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmtoolkit as mm

Job = Callable[..., Any]


@pytest.fixture
def language_model(tmp_path: Path) -> Path:
    model = mm.LanguageModel(mm.TextCodec.fit(["roses are red."], level="raw", lower=False), units=6, embedding_dim=4)
    model.build(model.input_shapes())
    model.save_preset(tmp_path / "preset")
    (tmp_path / "text.txt").write_text("roses are red.\n" * 2000, encoding="utf-8")
    return tmp_path


def test_cells_are_compared_in_a_table_and_a_picture(job: Job, tmp_path: Path) -> None:
    words = ("--cells", "rnn_sigmoid", "lstm", "--length", 30, "--units", 8)
    done = job("gradients", *words, "--clip", 1, "--out", tmp_path / "curves.png")
    assert done.code == 0, done.err
    first, *rows = [line.split("\t") for line in done.out.split("\n\n")[0].splitlines()]
    assert first == ["steps back", "1", "10", "25", "29"] and [row[0] for row in rows] == ["rnn_sigmoid", "lstm"]
    found = json.loads(job("gradients", *words, "--json").out)["norms"]
    assert f"{found['lstm'][-11]:.1e}" == rows[1][2] and found["rnn_sigmoid"][0] < 1e-12
    with Image.open(tmp_path / "curves.png") as picture:
        assert min(picture.size) > 400
    again = job("gradients", *words, "--out", tmp_path / "curves.png")
    assert again.code == 2 and "is there already; add --overwrite" in again.error


def test_a_language_model_is_examined_on_its_text(job: Job, language_model: Path) -> None:
    words = ("--preset", language_model / "preset", "--data", language_model / "text.txt")
    done = job("gradients", *words, "--length", 12, "--json")
    assert done.code == 0, done.err
    ((name, curve),) = json.loads(done.out)["norms"].items()
    assert name == str(language_model / "preset") and len(curve) == 12 and curve[-1] == 1.0
    done = job("gradients", *words, "--length", 500)
    assert done.code == 2 and "--length 500 expects passages of so many tokens" in done.error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "shapes_demo"), "--preset is examined on --data. Received: one of them alone"),
        (("--preset", "a", "--data", "b", "--clip", 1), "--windows and --clip are for new cells"),
        (("--cells", "ltsm"), "ltsm"),
    ],
)
def test_options_that_do_not_fit_are_said(job: Job, words: tuple[Any, ...], said: str) -> None:
    done = job("gradients", *words)
    assert done.code == 2 and said in done.err


def test_a_preset_of_another_task_is_refused(job: Job, language_model: Path) -> None:
    done = job("gradients", "--preset", "shapes_demo", "--data", language_model / "text.txt")
    assert done.code == 2 and "expects a language model. Received: shapes_demo, of captioning" in done.error
