"""One small trained run that the tests of the jobs share, and a way to call a job as the command line does."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from once import Once

import mmtoolkit as mm
from mmtoolkit.pipelines.__main__ import start
from mmtoolkit.scenes import write_scenes
from mmtoolkit.training import Recipe
from mmtoolkit.training.fitting import Trained

TINY = ("--encoder", "small", "--units", 16, "--attention-units", 8, "--embedding-dim", 8, "--min-count", 1)
QUICK = ("--epochs", 4, "--batch-size", 8, "--learning-rate", 0.02, "--averaging", 0.5, "--max-length", 12, "--beam", 2)
QUICK += ("--no-repeat-ngram", 0)
PLAIN = tuple(word for name in ("dropout", "word-dropout", "memory-dropout") for word in (f"--{name}", 0))
PLAIN += ("--label-smoothing", 0, "--attention-penalty", 0)


class Done(NamedTuple):
    """What a job left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line of stderr that tells what was wrong; a traceback or a second such line fails."""
        assert "Traceback" not in self.err, self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("error: ")]
        return line.removeprefix("error: ")


class Run(NamedTuple):
    """A finished training run and the data that it saw."""

    data: Path
    out: Path
    done: Done

    @property
    def preset(self) -> Path:
        return self.out / "preset"


@lru_cache(maxsize=6)
def loaded(load: Callable[..., Any], preset: str, files: Any, weights: Any, cache: str, warn: Any) -> Any:
    """A model with the graphs of its searches, loaded once as long as the files of its preset stay as they are."""
    return load(preset, **({"encoder_weights": weights, "warn": warn.tell} if warn else {}))


class Warner(NamedTuple):
    """Compares as equal whoever is warned: nobody is the second time, as nothing is loaded."""

    tell: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Warner)

    def __hash__(self) -> int:
        return 0


def load_once(load: Callable[..., Any]) -> Callable[..., Any]:
    """`mm.load` for jobs that change no model."""

    def load_known(preset: Any, *, encoder_weights: Any = None, warn: Any = None) -> Any:
        files = [(path, path.stat()) for path in sorted(Path(preset).rglob("*")) if path.is_file()]
        state = tuple((str(path), found.st_size, found.st_mtime_ns, found.st_ino) for path, found in files)
        return loaded(load, str(preset), state, encoder_weights, os.environ["MMTOOLKIT_CACHE"], warn and Warner(warn))

    return load_known


def call(name: str, *words: object) -> Done:
    """Calls `mmtoolkit NAME WORDS…` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        if name != "finetune":  # which trains what it has loaded
            patch.setattr(mm, "load", load_once(mm.load))
        try:
            code = start(name, [str(word) for word in words])
        except SystemExit as stopped:  # wrong usage
            code = stopped.code  # type: ignore[assignment]
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def job() -> Callable[..., Done]:
    """`job("predict", "a.png", "--preset", "p")`: the exit code, stdout and stderr of a job."""
    return call


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache that no other run has put weights or features into."""
    folder, before = tmp_path_factory.mktemp("cache"), os.environ.get("MMTOOLKIT_CACHE")
    os.environ["MMTOOLKIT_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["MMTOOLKIT_CACHE"]
    else:
        os.environ["MMTOOLKIT_CACHE"] = before


@pytest.fixture(scope="session")
def scenes(once: Once) -> Path:
    """Forty small scenes with captions, split."""
    return once("scenes", partial(write_scenes, count=40, seed=0, size=32)).folder


def finished(once: Once, name: str, job: str, data: Path, *words: object) -> Run:
    """The run that a job leaves, trained once for all workers."""

    def train(out: Path) -> Done:
        done = call(job, "--data", data, "--out", out, *words)
        assert done.code == 0, done.err
        return done

    out, done = once(name, train)
    return Run(data, out, Done(*done))


@pytest.fixture(scope="session")
def trained(once: Once, scenes: Path) -> Run:
    """A captioner trained for a few epochs by `mmtoolkit caption`."""
    return finished(once, "trained", "caption", scenes, "--seed", 3, *TINY, *QUICK, *PLAIN)


@pytest.fixture(scope="session")
def answerer(once: Once, scenes: Path) -> Run:
    """A question-answerer trained for a few epochs by `mmtoolkit vqa`, with its twin."""
    small = ("--units", 32, "--attention-units", 16, "--embedding-dim", 8, "--dropout", 0, "--hops", 2)
    quick = ("--epochs", 3, "--batch-size", 32, "--learning-rate", 0.01, "--averaging", 0.5)
    return finished(once, "answerer", "vqa", scenes, *small, *quick)


@pytest.fixture
def small_options() -> tuple[object, ...]:
    """Options of `caption` that train for seconds: no attention, which takes the longest to trace."""
    return (*TINY, *QUICK, *PLAIN, "--attention", "none", "--cell", "vanilla")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """The jobs keep their models as they were made, for tests of what is around a training; the recipes asked for."""
    recipes = list[Recipe]()

    def keep(
        task: Any, model: Any, splits: Any, *, source: Any, out: Path, recipe: Recipe, card: Any, **rest: Any
    ) -> Trained:
        recipes.append(recipe)
        model.save_preset(out / "preset", card=card)
        return Trained(model, {"loss": [1.0]}, 1, (0.0,), source)

    monkeypatch.setattr("mmtoolkit.training.job.fit", keep)
    return recipes
