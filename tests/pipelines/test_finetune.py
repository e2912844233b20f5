"""`mmtoolkit finetune`: new kinds of pictures, new words, and what is kept of the old."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.scenes import NEW_COLOURS, NEW_KINDS, write_scenes

QUICK = ("--epochs", 4, "--learning-rate", 0.01, "--batch-size", 8, "--averaging", 0.5)
Job = Callable[..., Any]


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty scenes with shapes and colours that no preset has seen."""
    folder = tmp_path_factory.mktemp("new") / "scenes"
    return write_scenes(folder, count=20, seed=8, size=32, kinds=NEW_KINDS, colours=NEW_COLOURS)


def test_a_captioner_learns_new_words_and_keeps_the_old_ids(
    job: Job, trained: Any, strange: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = job("finetune", "--preset", trained.preset, "--data", strange, "--out", out, "--keep", trained.data, *QUICK)
    assert done.code == 0, done.err
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert next(iter(report)) == "scores" and done.out.startswith("BLEU-1\t")
    assert {"hexagon", "diamond", "cyan", "brown", "black"} <= set(report["new"]["words"])
    assert report["scores"]["BLEU-4"] >= report["before"]["scores"]["BLEU-4"]
    assert set(report["kept"]) >= {"before", "after"} and list(report["history"]) == ["decoder", "encoder"]
    old, new = (mm.Captioner.from_preset(place) for place in (trained.preset, out / "preset"))
    count = len(old.codec.vocabulary)
    if report["best"] == "before":
        assert new.codec.vocabulary.tokens == old.codec.vocabulary.tokens
    else:
        assert new.codec.vocabulary.tokens[:count] == old.codec.vocabulary.tokens
        assert set(new.codec.vocabulary.tokens[count:]) == set(report["new"]["words"])
    assert {path.name for path in out.iterdir()} == {"preset", "report.json", "config.yaml"}
    again = job("finetune", "--preset", trained.preset, "--data", strange, "--out", out, "--resume", *QUICK)
    assert (again.code, again.out) == (0, "") and "finished" in again.err


def test_the_stage_decoder_leaves_the_encoder_as_it_was(job: Job, trained: Any, strange: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("--preset", trained.preset, "--data", strange, "--out", out, "--stages", "decoder", *QUICK)
    assert job("finetune", *words).code == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["best"] == "decoder" and list(report["history"]) == ["decoder"]
    old, new = (mm.Captioner.from_preset(place) for place in (trained.preset, out / "preset"))
    for before, after in zip(old.encoder.weights, new.encoder.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not np.array_equal(old.decoder.cell.recurrent_kernel, new.decoder.cell.recurrent_kernel)


def test_a_question_answerer_learns_new_answers(job: Job, answerer: Any, strange: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    questions = strange / "questions.csv"
    done = job(
        "finetune", "--preset", answerer.preset, "--data", questions, "--out", out, "--stages", "decoder", *QUICK
    )
    assert done.code == 0, done.err
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(report["new"]["answers"]) >= {"hexagon", "cyan"}
    assert report["scores"]["accuracy"] >= report["before"]["scores"]["accuracy"]
    if report["best"] != "before":
        model = mm.VisualQA.from_preset(out / "preset")
        assert model.output_layer.units == len(model.answers_codec.vocabulary) - 4
        assert model.card["command"] == "mmtoolkit finetune" and model.card["usual_answers"][""]


def test_what_cannot_be_fine_tuned_is_refused(job: Job, trained: Any, scenes: Path, tmp_path: Path) -> None:
    words = ("--preset", trained.preset, "--data", scenes, "--out", tmp_path / "run")
    for more, told in (
        (("--epochs", 0), "--epochs expects 1 or more. Received: 0"),
        (("--valid-share", 1), "--valid-share expects a share from 0 to below 1"),
        (("--stages", "cells"), "stages"),
    ):
        done = job("finetune", *words, *more)
        assert (done.code, done.out) == (2, "") and told in done.error and not (tmp_path / "run").exists()
