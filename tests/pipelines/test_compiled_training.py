"""The training jobs where Keras compiles by itself, as it does where there is a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from conformance.cases import forced_auto_jit

SMALL = ("--units", 8, "--attention-units", 8, "--embedding-dim", 8)
ONCE = ("--epochs", 1, "--batch-size", 64)  # one or two shapes of batches


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


def test_caption_and_finetune(job: Callable[..., Any], scenes: Path, tmp_path: Path, compiled: list[bool]) -> None:
    preset = tmp_path / "run" / "preset"
    done = job("caption", "--data", scenes, "--out", preset.parent, "--encoder", "small", *SMALL, *ONCE)
    assert done.code == 0, done.err
    done = job("finetune", "--preset", preset, "--data", scenes, "--out", tmp_path / "fine", *ONCE)
    assert done.code == 0, done.err
    assert len(compiled) == 3 and all(compiled)  # fine-tuning has two stages
    for run in (preset.parent, tmp_path / "fine"):
        assert "BLEU-4" in json.loads((run / "report.json").read_text(encoding="utf-8"))["scores"]


def test_vqa(job: Callable[..., Any], scenes: Path, tmp_path: Path, compiled: list[bool]) -> None:
    done = job("vqa", "--data", scenes, "--out", tmp_path / "run", *SMALL, *ONCE)
    assert done.code == 0, done.err
    assert len(compiled) == 2 and all(compiled)  # the model, and its twin that reads questions only
