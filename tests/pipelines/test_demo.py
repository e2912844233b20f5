"""`mmtoolkit demo`: trains on drawn scenes in both languages and says where everything is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmtoolkit as mm

Job = Callable[..., Any]


@pytest.fixture
def models(request: pytest.FixtureRequest) -> None:
    """As `untrained` leaves them, or trained."""
    if request.param == "untrained":
        for name in ("untrained", "eager"):
            request.getfixturevalue(name)


@pytest.mark.parametrize("models", ["untrained", pytest.param("trained", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.usefixtures("models")
def test_the_demo_shows_captions_of_unseen_scenes_in_both_languages(job: Job, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = job("demo", "--out", out, "--scenes", 20, "--epochs", 1)
    assert done.code == 0, done.err
    assert done.err.count("training on") == 2
    for language, name in (("en", "English"), ("ko", "한국어")):
        assert f"{name}: 2 unseen scenes" in done.out
        folder = out / language
        for key, path in (("attention", "attention.png"), ("preset", "run/preset"), ("report", "report.html")):
            assert f"  {key}: {folder / path}\n" in done.out
            assert (folder / path).exists()
        records = mm.read_captions(folder / "scenes", splits=("test",))
        captions = mm.Captioner.from_preset(folder / "run" / "preset").generate([record.image for record in records])
        for record, caption in zip(records, captions, strict=True):
            shown = f"  {record.image_id}\n    reference: {record.captions[0]}\n    generated: {caption}\n"
            assert shown in done.out
        report = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
        assert f"{name}: {report['questions']} questions about 2 unseen scenes\n" in done.out
        assert f"  accuracy {report['scores']['accuracy']:.2f}\n    most frequent answer: " in done.out
        model = mm.VisualQA.from_preset(folder / "answers" / "preset")
        with (folder / "answers.csv").open(encoding="utf-8-sig", newline="") as file:
            first = next(csv.DictReader(file))
        assert model.answer([folder / "scenes" / first["group"]], [first["input"]])[0].text == first["output"]
        assert f"  {first['group']}  {first['input']}\n    reference: " in done.out
        assert f"\n    generated: {first['output']}\n" in done.out
        assert set(report["baselines"]) >= {"question only", "most frequent answer per question type"}
        (line,) = re.findall(rf"^{name}: a line that a language model has written\n  (.*)$", done.out, re.M)
        text = mm.load(folder / "text" / "preset").generate(decoding=mm.Sample(temperature=0.5, seed=0))
        assert line == (text.splitlines() + ["", ""])[1]
        written = (folder / "scenes.txt").read_text(encoding="utf-8").splitlines()
        assert written == [text for record in mm.read_captions(folder / "scenes") for text in record.captions]
    assert json.loads((out / "ko" / "report.json").read_text(encoding="utf-8"))["scores"]

    again = job("demo", "--out", out, "--scenes", 20, "--epochs", 1)
    assert (again.code, again.out) == (2, "") and "--overwrite" in again.error


def test_a_demo_that_is_stopped_leaves_the_one_before(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "demo"
    kept = {out / "en" / name: name for name in ("run/preset/config.json", "run/report.json", "report.html")}
    for path, text in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmtoolkit.pipelines.demo.train", stop)
    assert job("demo", "--out", out, "--scenes", 20, "--overwrite").code == 130
    assert {path: path.read_text() for path in kept} == kept
