"""`mmtoolkit finetune`: new kinds of pictures, new words, and what is kept of the old."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from once import Once

import mmtoolkit as mm
from mmtoolkit.scenes import NEW_COLOURS, NEW_KINDS, write_scenes

QUICK = ("--epochs", 2, "--learning-rate", 0.01, "--batch-size", 16, "--averaging", 0.5)  # three steps an epoch
Job = Callable[..., Any]


@pytest.fixture(scope="module")
def strange(once: Once) -> Path:
    """Twenty scenes with shapes and colours that no preset has seen."""
    draw = partial(write_scenes, count=20, seed=8, size=32, kinds=NEW_KINDS, colours=NEW_COLOURS)
    return once("strange", draw).folder


@pytest.mark.usefixtures("eager")
def test_a_captioner_learns_new_words_and_keeps_the_old_ids(
    job: Job, trained: Any, strange: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = job("finetune", "--preset", trained.preset, "--data", strange, "--out", out, "--keep", trained.data, *QUICK)
    assert done.code == 0, done.err
    assert "fine-tuning wants" not in done.err and "on the valid split:" in done.err
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert next(iter(report)) == "scores" and done.out.startswith("BLEU-1\t")
    assert {"hexagon", "diamond", "cyan", "brown", "black"} <= set(report["new"]["words"])
    records = mm.read_captions(strange, splits=("valid",))
    for preset, found in ((trained.preset, report["before"]), (out / "preset", report)):
        written = mm.Captioner.from_preset(preset).generate([record.image for record in records])
        named = {record.image_id: text for record, text in zip(records, written, strict=True)}
        assert found["scores"] == mm.score_captions(named, {record.image_id: record.captions for record in records})
    assert set(report["kept"]) >= {"before", "after"} and list(report["history"]) == ["decoder", "encoder"]
    old, new = (mm.Captioner.from_preset(place) for place in (trained.preset, out / "preset"))
    count = len(old.codec.vocabulary)
    if report["best"] == "before":
        assert new.codec.vocabulary.tokens == old.codec.vocabulary.tokens
    else:
        assert new.codec.vocabulary.tokens[:count] == old.codec.vocabulary.tokens
        assert set(new.codec.vocabulary.tokens[count:]) == set(report["new"]["words"])
    if report["best"] != "before":  # the new pictures are what it knows now
        images = [record.image for record in mm.read_captions(strange, splits=("train",))]
        np.testing.assert_allclose(new.image_distribution.mean, new.vectors(images).mean(axis=0), rtol=1e-3, atol=1e-5)
    assert (out / "stage-2" / "samples" / "epoch-01.txt").is_file() and not (out / "stage-2" / "preset").exists()
    assert {path.name for path in out.iterdir()} == {
        "stage-1",
        "stage-2",
        "preset",
        "report.json",
        "report.html",
        "report.csv",
        "config.yaml",
    }
    again = job("finetune", "--preset", trained.preset, "--data", strange, "--out", out, "--resume", *QUICK)
    assert (again.code, again.out) == (0, "") and "finished" in again.err


def test_a_question_answerer_learns_new_answers(job: Job, answerer: Any, strange: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    questions = strange / "questions.csv"
    words = ("--preset", answerer.preset, "--data", questions, "--out", out, "--stages", "decoder")
    done = job("finetune", *words, *QUICK, "--batch-size", 8, "--epochs", 6)
    assert done.code == 0, done.err
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert set(report["new"]["answers"]) >= {"hexagon", "cyan"}
    assert report["best"] == "decoder" and report["scores"]["accuracy"] > report["before"]["scores"]["accuracy"]
    assert set(report["test"]) == {"before", "after"}
    if report["best"] != "before":
        model = mm.VisualQA.from_preset(out / "preset")
        assert model.output_layer.units == len(model.answers_codec.vocabulary) - 4
        assert model.card["command"] == "mmtoolkit finetune" and model.baselines["most_frequent_answers"][""]


@pytest.fixture
def simple(job: Job, scenes: Path, small_options: tuple[object, ...], once: Once) -> Path:
    """A preset that trains faster than that of `trained`."""

    def train(out: Path) -> None:
        assert job("caption", "--data", scenes, "--out", out, *small_options, "--epochs", 1).code == 0

    return once("simple", train).folder / "preset"


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_stopped_fine_tuning_goes_on_to_the_same_weights(
    job: Job, simple: Path, strange: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped once in each stage; a new run over a stopped one goes on with nothing of it."""
    from mmtoolkit.training import Checkpoints

    simple = shutil.copytree(simple, tmp_path / "simple")
    words = ("finetune", "--preset", simple, "--data", strange, "--checkpoint-every", 2, *QUICK)
    assert job(*words, "--out", tmp_path / "whole").code == 0
    save, stopped, begun = Checkpoints.save, list[Path](), list[tuple[int, int]]()
    out, again = tmp_path / "stopped", tmp_path / "again"

    def save_and_stop(checkpoints: Checkpoints) -> None:
        save(checkpoints)
        if again in checkpoints.path.parents:
            begun.append(checkpoints.position)
            raise KeyboardInterrupt
        if checkpoints.position == (1, 2) and checkpoints.path not in stopped:
            stopped.append(checkpoints.path)
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", save_and_stop)
    for _ in range(2):
        done = job(*words, "--out", out, "--resume")
        assert done.code == 130 and "--resume goes on" in done.err
        if not again.exists():
            shutil.copytree(out, again)
    assert [path.relative_to(out).parts[0] for path in stopped] == ["stage-1", "stage-2"]
    refused = job(*words, "--out", out)
    assert refused.code == 2 and "add --resume to go on with it" in refused.error
    card = (simple / "card.json").read_bytes()
    (simple / "card.json").write_bytes(card + b" ")
    refused = job(*words, "--out", out, "--resume")
    assert refused.code == 2 and "Received others: preset_sha256" in refused.error
    (simple / "card.json").write_bytes(card)
    assert job(*words, "--out", out, "--resume").code == 0
    weights(tmp_path / "whole", out)
    assert job(*words, "--out", again, "--overwrite").code == 130
    assert begun == [(0, 2)]  # from the start, not from the checkpoint


def weights(one: Path, other: Path) -> None:
    """Two runs kept the same weights."""
    first, second = (mm.Captioner.from_preset(out / "preset") for out in (one, other))
    for a, b in zip(first.weights, second.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=a.path)


def test_what_cannot_be_fine_tuned_is_refused(job: Job, trained: Any, scenes: Path, tmp_path: Path) -> None:
    words = ("--preset", trained.preset, "--data", scenes, "--out", tmp_path / "run")
    for more, told in (
        (("--epochs", 0), "--epochs expects 1 or more. Received: 0"),
        (("--valid-share", 1), "--valid-share expects a share from 0 to below 1"),
        (("--stages", "cells"), "stages"),
    ):
        done = job("finetune", *words, *more)
        assert (done.code, done.out) == (2, "") and told in done.error and not (tmp_path / "run").exists()


def named_right(preset: str | Path, unseen: Path) -> float:
    """The share of captions that have the new words of what is drawn, and no other new word."""
    captioner, records = mm.Captioner.from_preset(preset), mm.read_captions(unseen)
    new = {*NEW_KINDS, *(f"{kind}s" for kind in NEW_KINDS), *NEW_COLOURS}
    written = captioner.generate([record.image for record in records], decoding=mm.BeamSearch(width=3))
    pairs = [
        (set(text.split()) & new, set(record.captions[0].split()) & new)
        for text, record in zip(written, records, strict=True)
    ]
    return sum(said == drawn for said, drawn in pairs) / len(pairs)


@pytest.mark.slow
def test_the_shipped_preset_learns_a_new_kind_from_forty_pictures(job: Job, tmp_path: Path) -> None:
    """Like the example of the README, with one shape: what is in pictures that neither training saw.

    The stage `decoder` leaves the encoder as it was.
    """
    kinds: dict[str, Any] = {"size": 64, "kinds": NEW_KINDS[:1], "colours": NEW_COLOURS[:2]}
    data = write_scenes(tmp_path / "new", count=40, seed=1, **kinds)
    unseen = write_scenes(tmp_path / "unseen", count=60, seed=2, **kinds)
    out = tmp_path / "run"
    words = ("--preset", "shapes_demo", "--data", data, "--out", out, "--stages", "decoder")
    done = job("finetune", *words, "--epochs", 14, "--learning-rate", 0.004)
    assert done.code == 0, done.err
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["best"] == "decoder" and set(report["new"]["words"]) == {"hexagon", "hexagons", *NEW_COLOURS[:2]}
    assert list(report["history"]) == ["decoder"]
    old, new = (mm.Captioner.from_preset(place) for place in ("shapes_demo", out / "preset"))
    for before, after in zip(old.encoder.weights, new.encoder.weights, strict=True):
        np.testing.assert_array_equal(before, after)
    assert not np.array_equal(old.decoder.cell.recurrent_kernel, new.decoder.cell.recurrent_kernel)
    assert set(report["neighbours"]["hexagon"]) <= {"circle", "square", "triangle", "star"}
    assert named_right("shapes_demo", unseen) == 0.0
    found = named_right(out / "preset", unseen)
    assert found > 0.3, found
