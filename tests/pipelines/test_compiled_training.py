"""The training jobs where Keras compiles by itself, as it does where there is a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pytest
from conformance.cases import forced_auto_jit
from once import Once

from mmtoolkit.scenes import write_scenes

SMALL = ("--units", 8, "--attention-units", 8, "--embedding-dim", 8)
PLAIN = ("--attention", "none", "--cell", "vanilla")  # every form is compiled in the conformance tests
ONCE = ("--epochs", 1, "--batch-size", 64)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each training from here on was compiled."""
    forced_auto_jit(monkeypatch)
    found, fit = list[bool](), keras.Model.fit

    def watched(model: Any, *arguments: Any, **options: Any) -> Any:
        found.append(model.jit_compile)
        return fit(model, *arguments, **options)

    monkeypatch.setattr(keras.Model, "fit", watched)
    return found


@pytest.fixture
def few(once: Once) -> Path:
    """Twenty small scenes: batches of one or two shapes."""
    return once("few", partial(write_scenes, count=20, seed=0, size=32)).folder


def test_caption_and_finetune(job: Callable[..., Any], few: Path, tmp_path: Path, compiled: list[bool]) -> None:
    """The stage that is left out trains what the first training trained."""
    preset, words = tmp_path / "run" / "preset", ("--data", few, *ONCE)
    done = job("caption", "--out", preset.parent, "--encoder", "small", *words, *SMALL, *PLAIN)
    assert done.code == 0, done.err
    done = job("finetune", "--preset", preset, "--out", tmp_path / "fine", "--stages", "decoder", *words)
    assert done.code == 0, done.err
    assert compiled == [True, True]
    for run in (preset.parent, tmp_path / "fine"):
        assert "BLEU-4" in json.loads((run / "report.json").read_text(encoding="utf-8"))["scores"]


def test_vqa(job: Callable[..., Any], few: Path, tmp_path: Path, compiled: list[bool]) -> None:
    """Without its twin, which reads questions only: that form of the model is compiled in the conformance tests."""
    done = job("vqa", "--data", few, "--out", tmp_path / "run", *SMALL, *ONCE, "--no-twin", "--fusion", "product")
    assert done.code == 0, done.err
    assert compiled == [True]
