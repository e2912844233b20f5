"""Resume: a training that is killed anywhere ends as one that never was, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.scenes import write_scenes
from mmtoolkit.tasks import captioning
from mmtoolkit.training.checkpoints import Checkpoints, Position, variables

SMALL = {"units": 4, "attention_units": 3, "embedding_dim": 3, "filters": (2, 2, 2, 2), "image_size": 32}
STEPS, EPOCHS = 4, 3


class Stopped(Exception):
    """What stands for the loss of power."""


class StopAfter(keras.callbacks.Callback):
    """Raises after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if not self.left:
            raise Stopped


class Run:
    """A training of a tiny captioner with dropout and averaged weights, begun anew as a new process would."""

    def __init__(self, folder: Path, *, every: int = 1, patience: int = 9, **settings: Any) -> None:
        records = []
        for number, caption in enumerate(["a b", "b a", "b", "a a b", "b b", "a", "a b a", "b a a"]):
            path = folder / f"{number}.png"
            Image.fromarray(np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)).save(path)
            records.append(mm.CaptionRecord(path, str(number), (caption,)))
        keras.utils.set_random_seed(0)
        codec = mm.TextCodec.fit(mm.texts(records))
        self.model = mm.Captioner(codec, encoder="small", max_length=3, word_dropout=0.2, **SMALL)
        self.model.build(self.model.input_shapes())
        self.model.compile(mm.adam(0.05, steps=STEPS * EPOCHS, averaging=0.6), loss=mm.token_loss())
        self.source = self.model.image_source()
        self.validation = mm.DecodedValidation(
            captioning, records, source=self.source, preset=folder / "preset", patience=patience
        )
        self.records = records
        settings = {"units": 4, "seed": 0} | settings
        path = folder / "checkpoints" / "last.h5"
        self.checkpoints = Checkpoints(path, steps=STEPS, settings=settings, validation=self.validation, every=every)

    def data(self, at: Position) -> Any:
        return mm.caption_dataset(
            self.records, self.model.codec, features=self.source, batch_size=2, epoch=at.epoch, step=at.step
        )

    def fit(self, stop_after: int = 0) -> dict[str, list[float]]:
        stop = [StopAfter(stop_after)] if stop_after else []
        return self.checkpoints.fit(self.model, self.data, epochs=EPOCHS, callbacks=[self.validation, *stop])

    def state(self) -> list[np.ndarray]:
        return [np.array(variable) for variable in variables(self.model)]


def assert_equal(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """The state and history of a training that nothing stops."""
    run = Run(tmp_path_factory.mktemp("whole"), every=0)
    history = run.fit()
    return run.state(), history


def without_times(history: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: values for name, values in history.items() if name.startswith("val_") and name != "val_seconds"}


@pytest.mark.parametrize(("every", "stops"), [(1, (1,)), (1, (3, 2, 4)), (3, (8,)), (3, (3, 5)), (0, (6,))], ids=str)
def test_a_stopped_training_ends_as_one_that_was_not(
    tmp_path: Path, whole: tuple[list[np.ndarray], dict[str, list[float]]], every: int, stops: tuple[int, ...]
) -> None:
    """Weights, optimizer, averages, dropout's random numbers and scores; other processes, other numbers before."""
    for steps in stops:
        run = Run(tmp_path, every=every)
        with pytest.raises(Stopped):
            run.fit(stop_after=steps)
    run = Run(tmp_path, every=every)
    history = run.fit()
    assert_equal(run.state(), whole[0])
    assert without_times(history) == without_times(whole[1])


def test_the_training_is_one_that_dropout_and_order_matter_to(whole: Any, tmp_path: Path) -> None:
    """Or equal ends would say nothing."""
    run = Run(tmp_path, every=0)
    for variable in run.model.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(variable + 1)
    run.fit()
    assert any((one != other).any() for one, other in zip(run.state(), whole[0], strict=True))


def test_patience_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path, patience=1)
    run.validation.monitor = "BLEU-4"
    run.validation.best, run.validation.best_epoch = 101.0, 0
    with pytest.raises(Stopped):
        run.fit(stop_after=3)
    again = Run(tmp_path, patience=1)
    assert len(again.fit()["val_BLEU-4"]) == 2  # nothing beats 101: the second epoch is the last
    assert (again.validation.best, again.validation.best_epoch) == (101.0, 0)
    ended = Run(tmp_path, patience=1)
    assert len(ended.fit()["val_BLEU-4"]) == 2  # it had stopped by itself: no epoch more
    assert int(ended.model.optimizer.iterations) == 2 * STEPS


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        Run(tmp_path).fit(stop_after=2)
    with pytest.raises(mm.InputError) as caught:
        Run(tmp_path, units=8, cell="gru").fit()
    assert "units 4, now 8" in str(caught.value) and "cell None, now 'gru'" in str(caught.value)
    assert "seed" not in str(caught.value) and str(tmp_path / "checkpoints" / "last.h5") in str(caught.value)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        Run(tmp_path).fit(stop_after=2)
    path = tmp_path / "checkpoints" / "last.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(mm.InputError, match=r"last\.h5 is damaged; delete it"):
        Run(tmp_path).fit()


# --- real kills of the real job ---

DYING = """
import os, signal, sys
from pathlib import Path
from mmtoolkit.training import checkpoints
from mmtoolkit.pipelines import caption
from mmtoolkit.pipelines.__main__ import start

where, count = sys.argv[1], int(sys.argv[2])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
seen = {"step": 0, "write": 0}
step, write, finish = checkpoints.Checkpoints.on_train_batch_end, checkpoints.Checkpoints.write, caption.finish
replace = os.replace

def dying_step(self, batch, logs=None):
    step(self, batch, logs)
    seen["step"] += 1
    if (where, seen["step"]) == ("step", count):
        kill()

def dying_write(self, file):
    write(self, file)
    seen["write"] += 1
    if (where, seen["write"]) == ("write", count):
        file.truncate(file.tell() // 2)
        file.flush()
        kill()

def dying_replace(source, target):
    if where == "preset" and Path(target).name == "preset":  # all of it is written, beside its place
        kill()
    replace(source, target)

def keeping(out, report, *others):
    (out / "kept.h5").write_bytes((out / "checkpoints" / "last.h5").read_bytes())
    finish(out, report, *others)

checkpoints.Checkpoints.on_train_batch_end, checkpoints.Checkpoints.write = dying_step, dying_write
caption.finish, os.replace = keeping, dying_replace
sys.exit(start("caption", sys.argv[3:]))
"""


def job(data: Path, out: Path, *words: object, where: str = "nowhere", count: int = 0) -> subprocess.CompletedProcess:
    options = "--encoder small --units 16 --attention-units 8 --embedding-dim 8 --min-count 1 --epochs 2 --batch-size 8"
    options += " --learning-rate 0.02 --max-length 12 --beam 2 --deterministic --checkpoint-every 2"
    command = [sys.executable, "-c", DYING, where, str(count), "--data", str(data), "--out", str(out)]
    return subprocess.run(
        [*command, *options.split(), *map(str, words)], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_killed_job_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Killed at two steps, inside the writing of a checkpoint and before a preset moves to its place."""
    data = write_scenes(tmp_path / "scenes", count=30, seed=0, language="en", size=32)
    whole = job(data, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    out = tmp_path / "killed"
    for where, count in (("step", 1), ("preset", 1), ("write", 2), ("step", 3)):
        assert job(data, out, "--resume", where=where, count=count).returncode == -9
        assert not (out / "report.json").exists()
    other = job(data, out, "--resume", "--seed", 1)
    assert other.returncode == 2 and "seed 0, now 1" in other.stderr and "Traceback" not in other.stderr
    done = job(data, out, "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stdout == whole.stdout
    with h5py.File(tmp_path / "whole" / "kept.h5") as one, h5py.File(out / "kept.h5") as two:
        assert list(one) == list(two)
        for name in one:
            np.testing.assert_array_equal(two[name][()], one[name][()])
    reports = [json.loads((folder / "report.json").read_text()) for folder in (tmp_path / "whole", out)]
    assert reports[0]["scores"] == reports[1]["scores"] and reports[0]["epoch"] == reports[1]["epoch"]
    assert without_times(reports[0]["history"]) == without_times(reports[1]["history"])
    assert not (out / "checkpoints").exists() and not list(out.glob(".*"))
    finished = job(data, out, "--resume")
    assert finished.returncode == 0 and "finished" in finished.stderr
    longer = job(data, out, "--resume", "--epochs", 3)
    assert longer.returncode == 2 and "a finished run of other options: epochs 2, now 3." in longer.stderr
