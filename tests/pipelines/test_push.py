"""`mmtoolkit push`: what it prints and what it refuses; the hub itself is in tests/test_hub.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmtoolkit as mm

Job = Callable[..., Any]


def test_the_card_can_be_seen_before(job: Job) -> None:
    done = job("push", "shapes_vqa", "hf://ann/shapes", "--dry-run")
    assert done.code == 0 and done.out.startswith("---\nlibrary_name: mmtoolkit\n")
    assert "pipeline_tag: visual-question-answering" in done.out and "| accuracy | 99.91 |" in done.out


def test_it_uploads_and_prints_the_address(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = list[tuple[Any, ...]]()

    def upload(folder: Path, address: str, *, private: bool) -> str:
        pushed.append((json.loads((folder / "card.json").read_text())["licence"], address, private))
        assert "mm.load" in (folder / "README.md").read_text()
        return "https://huggingface.co/ann/shapes"

    monkeypatch.setattr("mmtoolkit.model_cards.upload", upload)
    done = job("push", "shapes_demo", "hf://ann/shapes", "--private", "--licence", "cc0-1.0")
    assert (done.code, done.out) == (0, "https://huggingface.co/ann/shapes\n")
    assert pushed == [("cc0-1.0", "hf://ann/shapes", True)]


@pytest.mark.parametrize(
    ("words", "message"),
    [(("nothing", "hf://a/b"), "Received: 'nothing'"), (("shapes_demo", "ann/shapes"), "Expected hf://user/name")],
)
def test_wrong_words_are_told(job: Job, words: Any, message: str) -> None:
    done = job("push", *words)
    assert done.code == 2 and message in done.error


def test_a_training_leaves_its_scores_in_the_card(trained: Any) -> None:
    card = json.loads((trained.preset / "card.json").read_text())
    report = json.loads((trained.out / "report.json").read_text())
    assert card["valid_scores"] == report["scores"] and card["valid_intervals"] == report["intervals"]
    assert mm.load(trained.preset).card["valid_intervals"] == report["intervals"]
