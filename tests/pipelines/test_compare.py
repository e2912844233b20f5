"""`mmtoolkit compare`: two runs side by side, from their folders or their reports."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from once import Once

Job = Callable[..., Any]


@pytest.fixture(scope="module")
def narrow(job: Job, trained: Any, once: Once) -> Path:
    """The validation captions of the small captioner, found without a search."""
    words = ("--preset", trained.preset, "--data", trained.data, "--split", "valid", "--beam", 1)

    def score(folder: Path) -> None:
        assert job("evaluate", *words, "--out", folder / "narrow.json").code == 0

    return once("narrow", score).folder / "narrow.json"


def test_a_run_and_a_report_are_compared(job: Job, trained: Any, narrow: Path, tmp_path: Path) -> None:
    page = tmp_path / "new" / "c.html"
    done = job("compare", trained.out, narrow, "--out", page)
    assert done.code == 0, done.err
    run, report = (json.loads(file.read_text(encoding="utf-8")) for file in (trained.out / "report.json", narrow))
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0][:2] == ["A", "B"] and lines[1][:3] == [
        "BLEU-1",
        f"{run['scores']['BLEU-1']:.2f}",
        f"{report['scores']['BLEU-1']:.2f}",
    ]
    assert "4 records" in done.err and "differs: decoding width: none and 1" not in done.err
    assert "decoding width: 2 and 1" in done.err
    moved = json.loads(job("compare", trained.out, narrow, "--json").out)
    assert moved["better"] or moved["worse"]
    for name in ("better", "worse"):
        assert (f"{name} in B: {', '.join(moved[name])}\n" in done.err) == bool(moved[name])
    told = page.read_text(encoding="utf-8")
    assert "What changed" in told and "data:image/jpeg" not in told


def test_the_page_shows_the_pictures_of_the_data(job: Job, trained: Any, narrow: Path, tmp_path: Path) -> None:
    page = tmp_path / "c.html"
    assert job("compare", trained.out, narrow, "--data", trained.data, "--out", page).code == 0
    told = page.read_text(encoding="utf-8")
    assert told.count("data:image/jpeg;base64,") == told.count("<li data-group=") == 4  # of the validation split
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "captions.csv").write_text("image,caption\nx.jpg,a dog\n")
    again = job("compare", trained.out, narrow, "--data", tmp_path / "other", "--out", tmp_path / "d.html")
    assert again.code == 2 and not (tmp_path / "d.html").exists()


def test_json_has_the_scores_first(job: Job, trained: Any) -> None:
    found = json.loads(job("compare", trained.out, trained.out, "--json").out)
    assert next(iter(found)) == "scores"
    assert found["scores"]["CIDEr"]["difference"] == 0 and found["scores"]["CIDEr"]["beyond_noise"] is False


def test_what_cannot_be_compared_is_said(job: Job, trained: Any, answerer: Any, narrow: Path, tmp_path: Path) -> None:
    assert "two that have none in common" in job("compare", trained.out, answerer.out).error
    missing = job("compare", trained.out, tmp_path)
    assert missing.code == 2 and "where no report can be read" in missing.error
    alone = tmp_path / "alone.json"
    alone.write_bytes(narrow.read_bytes())
    assert f"{alone.with_suffix('.csv')}, which cannot be read; evaluate again" in job("compare", alone, narrow).error
    (tmp_path / "alone.csv").write_bytes(narrow.with_suffix(".csv").read_bytes())
    alone.write_text("{}")
    assert "which has none; evaluate again" in job("compare", alone, narrow).error
    kept = tmp_path / "kept.html"
    kept.write_text("mine")
    assert "is there already" in job("compare", narrow, narrow, "--out", kept).error and kept.read_text() == "mine"


def test_the_language_of_a_page_can_be_fixed(job: Job, trained: Any, narrow: Path, tmp_path: Path) -> None:
    """English captions, and pages whose own words are Korean."""
    korean, today = ("--language", "ko"), f"{datetime.date.today()}"
    page = tmp_path / "compared.html"
    assert job("compare", trained.out, narrow, "--out", page, *korean).code == 0
    assert '<html lang="ko">' in page.read_text(encoding="utf-8")
    words = ("--preset", trained.preset, "--data", trained.data, "--split", "valid", *korean)
    assert job("evaluate", *words, "--out", tmp_path / "report.json").code == 0
    shown = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<html lang="ko">' in shown and "맞음" in shown
    assert job("doctor", "--data", trained.data, "--out", tmp_path / "health.html", *korean).code == 0
    shown = (tmp_path / "health.html").read_text(encoding="utf-8")
    assert '<html lang="ko">' in shown and f"· {today}</h1>" in shown
