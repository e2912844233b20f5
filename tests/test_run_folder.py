"""The folder of a run: a finished run stays whole until another one that replaces it is, wherever that is stopped."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmtoolkit.errors import InputError
from mmtoolkit.locks import BusyError
from mmtoolkit.run_folder import begin, check_free, claimed, lasting

OPTIONS = {"seed": 0, "on_error": "fail"}
OTHERS = {"notes.txt": "by hand", "samples/mine.png": "mine", "logs/mine.txt": "mine"}  # what is not of the run


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run_files(name: str, seed: int) -> dict[str, str]:
    """The files of a finished run; some have the same name in all, some in none."""
    return {
        "config.yaml": yaml.safe_dump(OPTIONS | {"seed": seed}, sort_keys=False),
        "preset/config.json": name,
        f"preset/codecs/{name}/words.txt": name,
        f"logs/events.{name}": name,
        f"samples/epoch-0{1 + seed}.txt": name,
        "samples/epoch-09.png": name,
        f"stage-{1 + seed}/samples/epoch-01.txt": name,
        "report.csv": name,
        "report.html": name,
        "report.json": json.dumps({"scores": {"BLEU-4": seed}}),
    }


OLD, FRESH = run_files("old", 0) | {"quarantine.jsonl": "old"}, run_files("fresh", 1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A finished run among other files."""
    write(tmp_path / "run", OLD | OTHERS)
    return tmp_path / "run"


def claim(out: Path, *, resume: bool = False, overwrite: bool = False, seed: int = 1, told: Any = None) -> Any:
    tell = (lambda line: None) if told is None else told.append
    options = OPTIONS | {"seed": seed}
    return claimed(out, options, resume=resume, overwrite=overwrite, companions=("blind",), tell=tell)


def start(place: Path, *, seed: int = 1, keep: bool = False) -> None:
    begin(place, OPTIONS | {"seed": seed}, [], keep=keep, companions=("blind",), tell=print)


def test_a_finished_run_stays_until_the_new_one_is_finished(out: Path) -> None:
    told = list[str]()
    with claim(out, overwrite=True, told=told) as place:
        assert place == out / ".new" and str(place) in told[0]
        start(place)
        write(place, FRESH | {"checkpoints/last.h5": "", "blind/preset/config.json": "", "stage-0/config.json": ""})
        (out / ".lock").unlink()
        assert tree(out).items() >= (OLD | OTHERS).items()
        assert {name for name in tree(out) if not name.startswith(".new/")} == {*OLD, *OTHERS}
    assert tree(out) == FRESH | OTHERS
    assert not any(name.startswith(".") for name in os.listdir(out))


@pytest.mark.parametrize(
    "end",
    [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device"), FloatingPointError(), MemoryError()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_ends_the_new_run_leaves_the_old_one(out: Path, end: BaseException) -> None:
    """Before there is anything of it, and when it can be resumed."""
    with pytest.raises(type(end)), claim(out, overwrite=True) as place:
        start(place)
        raise end
    assert tree(out) == OLD | OTHERS
    with pytest.raises(type(end)), claim(out, overwrite=True) as place:
        start(place)
        write(place, {"checkpoints/last.h5": "weights", "checkpoints/.last.h5.7.part": "wei", ".preset.7.new/x": ""})
        raise end
    kept = {f".new/{name}": text for name, text in {"checkpoints/last.h5": "weights"}.items()}
    assert tree(out).items() >= (OLD | OTHERS | kept).items()
    with pytest.raises(InputError, match="holds a training that was stopped; add --resume"), claim(out):
        pass
    with claim(out, resume=True) as place:
        assert place == out / ".new"
        start(place, keep=True)
        assert not list(place.rglob("*.part")) and not list(place.glob(".preset.*"))
        assert (place / "checkpoints" / "last.h5").read_text() == "weights"
        write(place, FRESH)
        shutil.rmtree(place / "checkpoints")
    assert tree(out) == FRESH | OTHERS


class Killed(BaseException):
    """What stands for `kill -9`: nothing is put right after it."""


def counted(monkeypatch: pytest.MonkeyPatch, left: float) -> list[str]:
    """From here on each change of the disk is listed, and none is made after so many."""
    made = list[str]()

    def wrapped(name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*args: Any, **options: Any) -> Any:
            if len(made) >= left:
                raise Killed
            made.append(name)
            return change(*args, **options)

        return changed

    for owner, name in ((os, "replace"), (os, "unlink"), (os, "rmdir"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, wrapped(name, getattr(owner, name)))
    return made


def test_a_swap_that_is_killed_is_finished_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before each change of the disk in turn, and once more while it is put right."""

    def swap(out: Path, left: float) -> list[str]:
        write(out, OLD | OTHERS)
        with monkeypatch.context() as patched, claim(out, overwrite=True) as place:
            start(place)
            write(place, FRESH | {"checkpoints/last.h5": "", "stage-1/preset/config.json": ""})
            made = counted(patched, left)
        return made

    whole = swap(tmp_path / "whole", float("inf"))
    assert tree(tmp_path / "whole") == FRESH | OTHERS
    assert whole.count("replace") > 10 and len(whole) > 20
    for left in range(len(whole)):
        out = tmp_path / str(left)
        with pytest.raises(Killed):
            swap(out, left)
        assert (out / "report.json").read_text() in (OLD["report.json"], FRESH["report.json"])
        with monkeypatch.context() as patched, contextlib.suppress(Killed):
            counted(patched, (len(whole) - left) // 2)
            with claim(out, resume=True):
                pass
        with claim(out, resume=True) as place:
            assert place is None
        assert tree(out) == FRESH | OTHERS, left
        assert not any(name.startswith(".") for name in os.listdir(out)), left


def test_the_second_run_in_a_folder_is_told_who_has_it(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "a"
    with claim(out):
        with (
            pytest.raises(
                BusyError, match=rf"Expected .*runs/a to be free. Received: process {os.getpid()} on .* trains"
            ),
            claim(out, overwrite=True),
        ):
            pass
        assert out.is_dir()
    assert not out.exists()  # nothing was written


def test_a_finished_run_is_not_a_stopped_one(out: Path) -> None:
    """Although a stage of an older version's fine-tuning left its checkpoint; it goes when it is seen."""
    write(out, {"stage-1/checkpoints/last.h5": "", "stage-0/config.json": "", "stage-1/preset/config.json": ""})
    with pytest.raises(InputError, match="expects a new or empty folder"):
        check_free(out, overwrite=False)
    with claim(out, resume=True, seed=0) as place:
        assert place is None
    assert tree(out) == OLD | OTHERS


def test_a_run_that_knew_no_reward_was_trained_without_one(out: Path) -> None:
    """A run of an older version has no such options; asking for one now is asking for another run."""
    off = {"reward": "none", "reward_epochs": 1, "reward_rate": 1e-4, "rerank": "none"}
    with claimed(out, OPTIONS | off, resume=True, overwrite=False, tell=lambda line: None) as place:
        assert place is None
    for name, value in (("reward", "cider"), ("rerank", "bleu")):
        with (
            pytest.raises(InputError, match=f"a finished run of other options: {name} none, now {value}"),
            claimed(out, OPTIONS | off | {name: value}, resume=True, overwrite=False, tell=lambda line: None),
        ):
            pass
    (out / "config.yaml").write_text(yaml.safe_dump(OPTIONS | off | {"reward": "bleu"}), encoding="utf-8")
    with (
        pytest.raises(InputError, match="a finished run of other options: reward bleu, now none"),
        claimed(out, OPTIONS | off, resume=True, overwrite=False, tell=lambda line: None),
    ):
        pass
    assert lasting(OPTIONS | off) == lasting(OPTIONS)  # so that a checkpoint of before is resumed
    assert lasting(OPTIONS | off | {"reward": "mix"})["reward_epochs"] == 1
