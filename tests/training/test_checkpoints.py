"""Resume: a training that is killed anywhere ends as one that never was, to the bit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from stopping import StopAfter, Stopped
from tiny_task import SIDE, ColourTable, colours, write_colours

import mmtoolkit as mm
from mmtoolkit.cli.options import resolved
from mmtoolkit.monitoring import Curves, Events, StopAtNaN
from mmtoolkit.pipelines import caption
from mmtoolkit.pipelines.__main__ import start
from mmtoolkit.run_folder import checkpoint_in, claimed
from mmtoolkit.scenes import write_scenes
from mmtoolkit.training import job as training_job
from mmtoolkit.training.checkpoints import Checkpoints, Position, variables

STEPS, EPOCHS = 4, 3


@keras.saving.register_keras_serializable("mmtoolkit")
class NoisyTable(ColourTable):
    """A table of colours with a layer above it, both behind dropout: four weights, and two states of random numbers."""

    def __init__(self, codec: mm.TextCodec, **options: Any) -> None:
        super().__init__(codec, **options)
        self.mixing, self.below, self.above = None, keras.layers.Dropout(0.3), keras.layers.Dropout(0.2)

    def build(self, input_shape: Any = None) -> None:
        super().build()
        width = self.table.shape[1]
        self.mixing = keras.layers.Dense(width)
        self.mixing.build((None, width))
        self.scale = self.add_weight(shape=(width,), initializer="ones", name="scale")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        mixed = self.mixing(self.below(super().call(inputs), training=training))
        return self.scale * self.above(mixed, training=training)


def new_model(records: Any, *_: Any) -> NoisyTable:
    """A table that knows nothing yet, made as in a new process."""
    keras.utils.set_random_seed(0)
    model = NoisyTable(mm.TextCodec.fit([record.colour for record in records], level="whole"))
    model.build()
    return model


class Run:
    """A training with dropout and averaged weights, begun anew as a new process would."""

    def __init__(self, folder: Path, *, every: int = 1, patience: int = 9, order: int = 0, **settings: Any) -> None:
        if not (folder / "data").exists():
            write_colours(folder / "data")
        self.splits = mm.split(colours.load(folder / "data")[0])
        self.model, self.order = new_model(self.splits.train), order
        optimizer = mm.adam(0.05, steps=STEPS * EPOCHS, averaging=0.6)
        self.model.compile(optimizer, loss=colours.loss(self.model, 0.1), run_eagerly=True)  # jobs below: in graphs
        self.source = self.model.image_source()
        self.validation = mm.DecodedValidation(
            colours, self.splits.valid, source=self.source, preset=folder / "preset", patience=patience
        )
        settings = {"units": 4, "seed": 0} | settings
        path = folder / "checkpoints" / "last.h5"
        self.checkpoints = Checkpoints(path, steps=STEPS, settings=settings, validation=self.validation, every=every)

    def data(self, at: Position) -> Any:
        order = {"batch_size": 4, "seed": self.order, "epoch": at.epoch, "step": at.step}
        return colours.dataset(self.model, self.splits.train, self.source, **order)

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


@pytest.mark.parametrize(("every", "stops"), [(1, (1,)), (1, (3, 2, 4)), (3, (11,)), (3, (3, 5)), (0, (6,))], ids=str)
def test_a_stopped_training_ends_as_one_that_was_not(
    tmp_path: Path, whole: tuple[list[np.ndarray], dict[str, list[float]]], every: int, stops: tuple[int, ...]
) -> None:
    """Weights, optimizer, averages, dropout's random numbers and scores; other processes, other numbers before.

    The third is stopped in its last epoch, after which the averages are the weights.
    """
    for steps in stops:
        run = Run(tmp_path, every=every)
        with pytest.raises(Stopped):
            run.fit(stop_after=steps)
    run = Run(tmp_path, every=every)
    history = run.fit()
    assert_equal(run.state(), whole[0])
    assert without_times(history) == without_times(whole[1])


def test_the_training_is_one_that_dropout_averages_and_order_matter_to(whole: Any, tmp_path: Path) -> None:
    """Or equal ends would say nothing."""
    names = [variable.path for variable in variables(Run(tmp_path).model)]
    assert sum(name.endswith("seed_generator_state") for name in names) == 2
    assert sum("average" in name for name in names) == sum("momentum" in name for name in names) == 4
    other = Run(tmp_path / "other", every=0)
    for variable in other.model.variables:
        if variable.path.endswith("seed_generator_state"):
            variable.assign(variable + 1)
    for run in (other, Run(tmp_path / "ordered", every=0, order=1)):
        run.fit()
        assert any((one != other).any() for one, other in zip(run.state(), whole[0], strict=True))


def test_callbacks_may_be_given_in_any_order(tmp_path: Path) -> None:
    """The curves have the scores although they come first, and weights that are not finite are not saved."""
    run, lines = Run(tmp_path, every=0), list[str]()
    events = Events(tmp_path / "logs")
    callbacks = [Curves(events, tell=lines.append), run.validation, StopAtNaN(tmp_path / "preset")]
    run.checkpoints.fit(run.model, run.data, epochs=1, callbacks=callbacks)
    (written,) = (tmp_path / "logs").iterdir()
    assert b"valid/error rate" in written.read_bytes()
    lost = Run(tmp_path / "lost", every=0)
    lost.model.scale.assign(np.full(lost.model.scale.shape, np.nan))
    with pytest.raises(FloatingPointError):
        lost.checkpoints.fit(lost.model, lost.data, epochs=1, callbacks=[lost.validation, StopAtNaN(tmp_path / "x")])
    assert not (tmp_path / "lost" / "preset").exists()


def test_patience_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path, patience=1)
    run.validation.best, run.validation.best_epoch = (1.0,), 0
    with pytest.raises(Stopped):
        run.fit(stop_after=3)
    again = Run(tmp_path, patience=1)
    assert len(again.fit()["val_error rate"]) == 2  # no loss is below -1: the second epoch is the last
    assert (again.validation.best, again.validation.best_epoch) == ((1.0,), 0)
    ended = Run(tmp_path, patience=1)
    assert len(ended.fit()["val_error rate"]) == 2  # it had stopped by itself: no epoch more
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


def test_flipped_bits_are_refused_or_harmless(tmp_path: Path) -> None:
    """Two bits anywhere in the file: what is restored is what was written, or nothing is."""
    with pytest.raises(Stopped):
        Run(tmp_path).fit(stop_after=2)
    path, run, random = tmp_path / "checkpoints" / "last.h5", Run(tmp_path), np.random.default_rng(0)
    run.checkpoints.restore(run.model)
    whole, state = path.read_bytes(), run.state()
    with h5py.File(path) as content:
        weights = [content[name].id.get_offset() for name in content if content[name].size > 3]
    refused = 0
    for number in range(120):
        damaged = bytearray(whole)
        places = random.integers(len(whole), size=2) if number >= len(weights) else [weights[number]] * 2
        for place, bit in zip(places, random.permutation(8)[:2], strict=True):
            damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        for variable in variables(run.model):
            variable.assign(variable * 0)
        try:
            run.checkpoints.restore(run.model)
        except mm.InputError as error:
            assert "is damaged; delete it" in str(error) or "another version of mmtoolkit" in str(error)
            assert not any(value.any() for value in run.state())
            refused += 1
        else:
            assert number >= len(weights)
            assert_equal(run.state(), state)
    assert refused > len(weights) > 3


# --- the whole job: the folder as a kill at any moment leaves it ---


class Blank:
    """A source of black images."""

    input_name, shape, dtype = "images", (SIDE, SIDE, 3), np.uint8

    def read(self, images: Sequence[Path]) -> np.ndarray:
        return np.zeros((len(images), *self.shape), self.dtype)


class ColoursWithBaseline(type(colours)):
    """Colours beside a model that sees none, trained as a baseline."""

    companions = ("blind",)

    def inputs(self, model: Any, examples: Any, source: Any) -> dict[str, Any]:
        return super().inputs(model, examples, source or Blank())

    def dataset(self, model: Any, records: Any, source: Any, **order: Any) -> Any:
        return super().dataset(model, records, source or Blank(), **order)


def train(
    data: Path, out: Path, *, task: Any = colours, epochs: int = 2, seed: int = 0, overwrite: bool = False
) -> dict[str, Any]:
    """A training job of the table, with `--resume` or `--overwrite`; nothing where the run there is finished."""
    options = caption.Options(
        data=data,
        out=out,
        resume=not overwrite,
        overwrite=overwrite,
        encoder="small",
        epochs=epochs,
        batch_size=4,
        learning_rate=0.05,
        averaging=0.5,
        checkpoint_every=2,
        seed=seed,
    )
    settings = resolved(options)
    screen = training_job.Screen(lambda line: None, lambda label: lambda done, count: None, contextlib.nullcontext)
    blueprint = training_job.Blueprint(new_model, companions=dict.fromkeys(task.companions, new_model))
    run = {"resume": options.resume, "overwrite": overwrite, "companions": task.companions}
    with claimed(out, settings, **run, tell=screen.tell) as place:
        if place is None:
            training_job.check_finished(task, options)
            return {}
        same = {"options": options, "settings": settings, "out": place}
        return training_job.train(task, blueprint, **same, command="train", screen=screen)


KILLS = ("step 1", "step 3", "write 2", "preset")


def copies_at(out: Path, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the folder is copied at each of `KILLS`: two steps, a half-done write, a preset not yet moved."""
    step, write, replace = Checkpoints.on_train_batch_end, Checkpoints.write, os.replace
    counts = {"step": 0, "write": 0, "preset": 0}

    def copy(kind: str) -> Path | None:
        counts[kind] += 1
        name = kind if kind == "preset" else f"{kind} {counts[kind]}"
        if name not in KILLS or (copies / name).exists():
            return None
        copied = shutil.copytree(out, copies / name)
        for path in list(copied.rglob(f"*.{os.getpid()}.*")):  # as another process would have named it
            path.rename(path.with_name(path.name.replace(str(os.getpid()), "7")))
        return copied

    def copying_step(self: Checkpoints, batch: int, logs: Any = None) -> None:
        step(self, batch, logs)
        copy("step")

    def copying_write(self: Checkpoints, file: Any) -> None:
        write(self, file)
        file.flush()
        if copied := copy("write"):
            (part,) = copied.rglob("*.part")
            os.truncate(part, part.stat().st_size // 2)

    def copying_replace(source: Any, target: Any) -> None:
        if Path(target) == out / "preset":  # all of it is written, beside its place
            copy("preset")
        replace(source, target)

    monkeypatch.setattr(Checkpoints, "on_train_batch_end", copying_step)
    monkeypatch.setattr(Checkpoints, "write", copying_write)
    monkeypatch.setattr(os, "replace", copying_replace)


def ended(out: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The last checkpoint of a run, which `kept` left there, and its report without times and places."""
    with h5py.File(checkpoint_in(out)) as content:
        state = {name: values[()] for name, values in content.items()}
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return state, {name: report[name] for name in ("scores", "test_scores", "epoch")} | without_times(report["history"])


def test_a_job_goes_on_from_whatever_a_kill_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first checkpoint, between two, in the midst of writing one, and before a preset moves to its place."""
    data, copies = write_colours(tmp_path / "data"), tmp_path / "copies"
    tidy = training_job.tidy
    monkeypatch.setattr(training_job, "tidy", lambda out, companions: None)
    with monkeypatch.context() as watched:
        copies_at(tmp_path / "whole", copies, watched)
        train(data, tmp_path / "whole")
    state, report = ended(tmp_path / "whole")
    assert sorted(path.name for path in copies.iterdir()) == sorted(KILLS)
    found = {kill: sorted(path.name for path in (copies / kill).rglob("*") if path.is_file()) for kill in KILLS}
    assert "last.h5" not in found["step 1"] and "last.h5" in found["step 3"]
    assert sum(name.endswith(".part") for name in found["write 2"]) == 1 and "last.h5" in found["write 2"]
    assert not (copies / "preset" / "preset").exists() and list((copies / "preset").glob(".preset.*"))
    for kill in KILLS:
        assert not (copies / kill / "report.json").exists()
        if "last.h5" in found[kill]:
            with pytest.raises(mm.InputError, match="seed 0, now 1"):
                train(data, shutil.copytree(copies / kill, tmp_path / f"{kill} of another seed"), seed=1)
        train(data, copies / kill)
        again, told = ended(copies / kill)
        assert told == report and list(again) == list(state)
        for name, values in state.items():
            np.testing.assert_array_equal(again[name], values, err_msg=name)
        assert not list((copies / kill).rglob(".*"))
    tidy(copies / "preset")
    assert not (copies / "preset" / "checkpoints").exists()
    assert train(data, copies / "preset") == {}
    with pytest.raises(mm.InputError, match="a finished run of other options: epochs 2, now 3"):
        train(data, copies / "preset", epochs=3)


@pytest.mark.usefixtures("eager")
def test_changed_data_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures and validation texts, of a stopped run and of a finished one; with the old ones it goes on."""
    data, out = write_colours(tmp_path / "data"), tmp_path / "run"
    table, red, blue = (data / name for name in ("colours.csv", "images/red-3.png", "images/blue-3.png"))
    rows, pictures = table.read_text(), (red.read_bytes(), blue.read_bytes())

    def stop(checkpoints: Checkpoints, save: Any = Checkpoints.save) -> None:
        save(checkpoints)
        raise KeyboardInterrupt

    def changed(found: str) -> None:
        red.write_bytes(pictures[1])
        blue.write_bytes(pictures[0])
        with pytest.raises(mm.InputError, match=found + ".*pictures_sha256"):
            train(data, out)
        red.write_bytes(pictures[0])
        blue.write_bytes(pictures[1])
        table.write_text(rows.replace("images/red-0.png,red,valid", "images/red-0.png,blue,valid"))
        with pytest.raises(mm.InputError, match=found + ".*valid_sha256"):
            train(data, out)
        table.write_text(rows)

    with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
        stopping.setattr(Checkpoints, "save", stop)
        train(data, out)
    changed("Received others")
    train(data, out)
    changed("a finished run of other data")
    assert train(data, out) == {}


@pytest.mark.usefixtures("eager")
def test_a_baseline_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in the second epoch of the model, then in that of its baseline; a new run takes nothing over from it."""
    data, task, out, stopped = write_colours(tmp_path / "data"), ColoursWithBaseline(), tmp_path / "run", list[Path]()
    train(data, tmp_path / "whole", task=task)
    save = Checkpoints.save

    def save_and_stop(checkpoints: Checkpoints) -> None:
        save(checkpoints)
        if checkpoints.position == (1, 2) and checkpoints.path not in stopped:
            stopped.append(checkpoints.path)
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoints, "save", save_and_stop)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(data, out, task=task)
    assert [path.relative_to(out).parts[0] for path in stopped] == ["checkpoints", "blind"]
    other = shutil.copytree(out, tmp_path / "other")
    train(data, out, task=task)
    presets = [mm.Model.from_preset(folder / "preset") for folder in (tmp_path / "whole", out)]
    blind = [preset.companions.model("blind", type(preset)) for preset in presets]
    assert any(
        (one != other).any() for one, other in zip(presets[0].get_weights(), blind[0].get_weights(), strict=True)
    )
    for first, second in (presets, blind):
        assert_equal(second.get_weights(), first.get_weights())
    assert not (out / "blind").exists() and train(data, out, task=task) == {}
    assert (other / "blind" / "checkpoints").is_dir()
    train(data, other, task=task, epochs=1, overwrite=True)
    assert not (other / "blind").exists() and len(stopped) == 2


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "end", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=lambda end: type(end).__name__
)
def test_a_finished_run_outlives_the_one_that_was_to_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    """A full disk or Ctrl-C at the second checkpoint; resumed, it takes the place of the first."""
    data, out = write_colours(tmp_path / "data"), tmp_path / "run"
    train(data, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    write, writes = Checkpoints.write, 0

    def failing_write(checkpoints: Checkpoints, file: Any) -> None:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise end
        write(checkpoints, file)

    with monkeypatch.context() as patched, pytest.raises(type(end)):
        patched.setattr(Checkpoints, "write", failing_write)
        train(data, out, seed=1, overwrite=True)
    assert {path: path.read_bytes() for path in before} == before
    assert checkpoint_in(out / ".new").is_file() and not list(out.rglob("*.part"))
    train(data, out, seed=1)
    train(data, tmp_path / "other", seed=1)
    assert not (out / ".new").exists()
    card, other = (json.loads((run / "preset" / "card.json").read_text()) for run in (out, tmp_path / "other"))
    assert card["seed"] == 1 and card["valid_scores"] == other["valid_scores"]
    presets = [mm.Model.from_preset(run / "preset") for run in (out, tmp_path / "other")]
    assert_equal(*(preset.get_weights() for preset in presets))


def test_the_random_numbers_of_every_layer_are_in_it() -> None:
    """Found by walking the objects, not Keras' list of variables."""
    codec, small = mm.TextCodec.fit(["a b"]), {"units": 4, "attention_units": 4, "embedding_dim": 4, "dropout": 0.5}
    small |= {"encoder": "small", "image_size": 32}
    answers = mm.TextCodec.fit(["a", "b"], level="whole")
    captioner = mm.Captioner(codec, word_dropout=0.5, memory_dropout=0.5, **small)
    for model, least in ((captioner, 3), (mm.VisualQA(codec, answers, crop=0.5, **small), 2)):
        model.build(model.input_shapes())
        model.compile("adam")
        layers = [model, *model._flatten_layers(include_self=False)]
        values = [value for layer in layers for value in vars(layer).values()]
        states = {id(value.state): value.state for value in values if isinstance(value, keras.random.SeedGenerator)}
        assert len(states) >= least
        assert set(states) <= set(map(id, variables(model)))


# --- one real kill of the real job ---

DYING = """
import os, signal, sys
from mmtoolkit.pipelines.__main__ import start
from mmtoolkit.training import checkpoints, job

out, writes = sys.argv[1], int(sys.argv[2])
write = checkpoints.Checkpoints.write

def dying_write(self, file):
    global writes
    write(self, file)
    writes -= 1
    if not writes:
        file.truncate(file.tell() // 2)
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

checkpoints.Checkpoints.write, job.tidy = dying_write, lambda out, companions: None
sys.exit(start("caption", ["--out", out, *sys.argv[3:]]))
"""


@pytest.mark.slow
def test_a_killed_job_ends_as_one_that_was_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A captioner, with all its dropouts; killed in the midst of writing the second checkpoint of an epoch."""
    data = write_scenes(tmp_path / "scenes", count=30, seed=0, language="en", size=32)
    options = "--encoder small --units 16 --attention-units 8 --embedding-dim 8 --min-count 1 --epochs 2 --batch-size 8"
    options += " --learning-rate 0.02 --max-length 12 --beam 2 --deterministic --checkpoint-every 2"
    words = ["--data", str(data), *options.split(), "--resume"]

    def job(out: Path, writes: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", DYING, str(out), str(writes), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    whole, out = tmp_path / "whole", tmp_path / "killed"
    assert job(out, writes=2).returncode == -9
    assert checkpoint_in(out).is_file() and list(out.rglob("*.part")) and not (out / "report.json").exists()
    first, done = job(whole), job(out)
    assert first.returncode == done.returncode == 0, first.stderr + done.stderr
    assert done.stdout == first.stdout
    (state, report), (again, told) = ended(whole), ended(out)
    assert told == report and list(again) == list(state)
    for name, values in state.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
    (one, other) = ((folder / "preset" / "seen_pictures.h5").read_bytes() for folder in (whole, out))
    assert one == other and not list(out.glob(".*"))
    assert start("caption", ["--out", str(out), *words]) == 0
    assert "finished" in capsys.readouterr().err
    assert start("caption", ["--out", str(out), *words, "--epochs", "3"]) == 2
    assert "a finished run of other options: epochs 2, now 3." in capsys.readouterr().err
