"""`mmtoolkit caption --reward`: both stages, what is kept of them, and a stop in the second."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.tasks import objectives
from mmtoolkit.training import fitting
from mmtoolkit.vision import MirroredHalf

Job = Callable[..., Any]
REWARD = ("--reward", "mix", "--reward-epochs", 2, "--reward-rate", 0.003, "--checkpoint-every", 1)


class Stopped(keras.callbacks.Callback):
    """Presses Ctrl-C after the first step of the second epoch with a reward."""

    def __init__(self, preset: Path) -> None:
        super().__init__()
        self.rewarded, self.epoch = preset.parent.name == "stage-1", 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.rewarded and self.epoch == 1 and batch == 1:
            raise KeyboardInterrupt


def weights_of(out: Path) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in mm.load(out / "preset").weights]


@pytest.mark.slow
def test_rewards_go_the_whole_way_and_on_after_a_stop(
    job: Job, scenes: Path, small_options: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--data", scenes, *small_options, *REWARD, "--beam", 4, "--rerank", "cider")
    whole, out = tmp_path / "whole", tmp_path / "out"
    done = job("caption", *words, "--out", whole)
    assert done.code == 0 and "stage 1: reward" in done.err, done.err
    report = json.loads((whole / "report.json").read_text(encoding="utf-8"))
    first, second = report["history"].values()
    assert list(report["history"]) == ["cross-entropy", "reward"] and len(second["val_BLEU-4"]) == 2
    losses = [*first["val_loss"], *second["val_loss"]]  # four pictures are too few to choose by scores
    scores = [*first["val_CIDEr"], *second["val_CIDEr"]]
    assert report["scores"]["CIDEr"] == pytest.approx(scores[int(np.argmin(np.round(losses, 4)))])
    assert (report["broken_captions"], report["decoding"]["rerank"]) == (0.0, "cider")
    assert report["best"] == ["cross-entropy", "reward"][int(np.argmin(np.round(losses, 4)) >= len(first["val_loss"]))]
    assert mm.load(whole / "preset").decoding == mm.BeamSearch(width=4, rerank="cider")
    page = (whole / "report.html").read_text(encoding="utf-8")
    assert "<h3>cross-entropy</h3>" in page and "<h3>reward</h3>" in page
    assert not (whole / "stage-1" / "preset").exists() and not list(whole.rglob("last.h5"))

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "StopAtNaN", Stopped)
        stopped = job("caption", *words, "--out", out)
    assert stopped.code == 130 and "--resume goes on from the last checkpoint" in stopped.err
    assert job("caption", *words, "--out", out, "--resume").code == 0
    for one, other in zip(weights_of(whole), weights_of(out), strict=True):
        np.testing.assert_array_equal(one, other)
    again = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert again["scores"] == report["scores"]
    for name, history in report["history"].items():
        assert again["history"][name]["val_CIDEr"] == history["val_CIDEr"]


def test_a_reward_that_does_not_fit_is_refused(job: Job, scenes: Path, tmp_path: Path) -> None:
    for words, said in (
        (("--tie-output",), "--reward bleu sharpens the output layer. Received: --tie-output"),
        (("--attention", "hard"), "hard attention has a reward of its own"),
        (("--reward-epochs", 0), "--reward-epochs expects 1 or more. Received: 0."),
    ):
        done = job("caption", "--data", scenes, "--out", tmp_path / "run", "--reward", "bleu", *words)
        assert done.code == 2 and said in done.error and not (tmp_path / "run").exists()


def test_a_preset_is_trained_by_rewards(job: Job, trained: Any, answerer: Any, tmp_path: Path) -> None:
    """Words that it does not know stay unknown: no caption of people is learnt from, which would teach them."""
    out, data = tmp_path / "run", tmp_path / "data"
    shutil.copytree(trained.data, data)
    table = data / "captions.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("circle", "hexagon"), encoding="utf-8")
    words = ("--reward", "cider", "--reward-epochs", 2, "--overwrite", "--out", out)
    done = job("finetune", "--preset", trained.preset, "--data", data, *words)
    assert done.code == 0 and "stage 1: reward" in done.err, done.err
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert list(report["history"]) == ["reward"] and len(report["history"]["reward"]["loss"]) == 2
    assert report["best"] in ("before", "reward") and report["new"] == {"words": []}
    done = job("finetune", "--preset", answerer.preset, "--data", answerer.data, "--reward", "bleu", "--out", out / "b")
    assert done.code == 2 and "--reward is for a captioner. Received: " in done.error


def test_a_student_learns_from_teachers(
    job: Job,
    trained: Any,
    small_options: tuple[object, ...],
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With all that works against learning by heart, each of which gets what its option says."""
    seen: dict[str, float] = {}

    def spy(owner: Any, key: str, value: str) -> None:
        made = owner.__init__

        def noted(self: Any, *given: Any, **options: Any) -> None:
            seen[key] = options[value]
            made(self, *given, **options)

        monkeypatch.setattr(owner, "__init__", noted)

    spy(MirroredHalf, "mirrored", "seed")
    spy(objectives.ConsistencyLoss, "weight", "weight")
    spy(objectives.ScheduledSampling, "share", "share")
    same = ("--data", scenes, *small_options, "--epochs", 1)
    whole = ("--mirror", "--crop", 0.2, "--consistency", 1, "--scheduled-sampling", 0.2, "--texts", scenes)
    done = job("caption", *same, *whole, "--teachers", trained.preset, trained.preset, "--out", tmp_path / "a")
    assert done.code == 0 and "captions of the teachers" in done.err, done.err
    assert mm.load(tmp_path / "a" / "preset").get_config()["crop"] == 0.2
    report = json.loads((tmp_path / "a" / "report.json").read_text(encoding="utf-8"))
    assert list(report["history"]) == ["texts", "cross-entropy"] and len(report["history"]["texts"]["loss"]) == 2
    assert seen == {"mirrored": 0, "weight": 1, "share": 0.2}
    done = job("caption", *same, "--image-size", 64, "--teachers", trained.preset, "--out", tmp_path / "b")
    assert done.code == 2 and "--teachers expects captioners that read what this training does" in done.error
    done = job("caption", *same, "--texts", tmp_path / "none.txt", "--out", tmp_path / "b")
    assert done.code == 2 and "none.txt" in done.error and not (tmp_path / "b").exists()
