"""Kills jobs at random moments with SIGKILL and looks for what is lost, half written, or left over for ever.

    python benchmarks/kill.py [--kills 100] [--jobs caption vqa finetune features export label predict] [--seed 0]

Each job runs once undisturbed, which says how long it takes and what it leaves; then again and again in a place where
something finished is, killed after a random part of that time. After each kill the finished thing must be whole (or the
new one in its place), and what can be seen of the new one too. After every few kills the job may end: it must leave
what the undisturbed one left and nothing besides. Linux only: a job is a fork of this process, in which TensorFlow is
loaded but has run nothing.
"""

from __future__ import annotations

import csv
import importlib
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from PIL import Image

from mmtoolkit.cli.command import run, tell
from mmtoolkit.machine import suited
from mmtoolkit.pipelines.__main__ import start
from mmtoolkit.scenes import write_scenes

Name = Literal["caption", "vqa", "finetune", "features", "export", "label", "predict"]
NAMES: tuple[Name, ...] = ("caption", "vqa", "finetune", "features", "export", "label", "predict")
PATIENCE = 4  # kills from one undisturbed end to the next
TINY = "--encoder small --units 16 --attention-units 8 --embedding-dim 8 --epochs 1 --batch-size 8 --checkpoint-every 2"
MOVING = (".new", ".done", ".moving", ".lock")  # of a run that replaces another


class Harm(Exception):
    """Something was lost, half written or left over."""


@dataclass
class Attack:
    """A job under attack.

    Args:
        words: Returns its words for a seed: of the finished thing 0, of the one that replaces it 1.
        check: Looks at its place after a kill; raises `Harm`.
        place: What it writes.
        before: Prepares the place.
        at_end: Looks at its place after an undisturbed end.
        person: What somebody does meanwhile, with the path of the job's output, in a thread of it.
    """

    name: Name
    place: Path
    words: Callable[[], list[str]]
    check: Callable[[], None]
    before: Callable[[], None]
    at_end: Callable[[], None]
    person: Callable[[Path], None] | None = None
    counts: dict[str, int] = field(default_factory=lambda: {"kills": 0, "ends": 0})


def main(*, kills: int = 100, jobs: tuple[Name, ...] = NAMES, seed: int = 0) -> int:
    """Kills jobs and prints a line NAME<TAB>KILLS<TAB>UNDISTURBED ENDS for each; exit code 1 where there was harm.

    Args:
        kills: How often each job is killed.
        jobs: Which jobs.
        seed: Of the moments.
    """
    load()
    harmed = 0
    with tempfile.TemporaryDirectory(prefix="kill-") as folder:
        os.environ["MMTOOLKIT_CACHE"] = str(Path(folder) / "cache")
        data = write_scenes(Path(folder) / "scenes", count=16, seed=0, language="en", size=32)
        for name in jobs:
            attack = ATTACKS[name](Path(folder) / name, data)
            try:
                assail(attack, kills, random.Random(f"{seed} {name}"))
            except Harm as harm:
                tell(f"{name}: {harm}")
                harmed += 1
            print(name, attack.counts["kills"], attack.counts["ends"], sep="\t", flush=True)
    return 1 if harmed else 0


def load() -> None:
    """Imports what the jobs need, so that a kill seldom falls into an import; nothing may run, or a fork would hang."""
    os.environ |= {**suited(os.environ), "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in ("serving.export", "training.job", "training.fine_tuning", "reports"):
        importlib.import_module(f"mmtoolkit.{name}")
    store = importlib.import_module("mmtoolkit.vision.feature_store")
    store.SHARD = 4  # type: ignore[attr-defined]  # a kill then falls between two shards, too


def assail(attack: Attack, kills: int, chance: random.Random) -> None:
    """Runs a job undisturbed, then kills it so many times."""
    attack.place.mkdir(parents=True)
    attack.before()
    began = time.monotonic()
    ended(attack, wait(fork(attack.words(), attack.person), None))
    lasts = time.monotonic() - began
    attack.before()
    while attack.counts["kills"] < kills:
        code = wait(fork(attack.words(), attack.person), chance.uniform(0, lasts))
        if code is None:
            attack.counts["kills"] += 1
            attack.check()
        if code is not None or attack.counts["kills"] % PATIENCE == 0:
            ended(attack, wait(fork(attack.words(), attack.person), None) if code is None else code)
            attack.before()


def ended(attack: Attack, code: int | None) -> None:
    """Looks at what an undisturbed end left."""
    if code != 0:
        raise Harm(f"exit code {code} after {attack.counts['kills']} kills: {(attack.place / '../log').read_text()}")
    attack.counts["ends"] += 1
    attack.at_end()


def fork(words: list[str], person: Callable[[Path], None] | None = None) -> int:
    """Starts a job in a process of its own; returns its number."""
    if process := os.fork():
        return process
    code = 70
    try:
        output = Path(os.environ["MMTOOLKIT_CACHE"]).parent / "log"
        log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if person:
            threading.Thread(target=person, args=(output,), daemon=True).start()
        try:
            code = start(words[0], words[1:])
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 70
        sys.stderr.flush()
    finally:
        os._exit(code)


def wait(process: int, seconds: float | None) -> int | None:
    """Waits for the end of a process, or kills it after so many seconds; returns its exit code, `None` if killed."""
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, 0 if until is None else os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if until is not None and time.monotonic() >= until:
            os.kill(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            code = os.waitstatus_to_exitcode(status)
            return None if code == -signal.SIGKILL else code
        time.sleep(0.001)


def leftovers(folder: Path) -> list[str]:
    """Lists the hidden files and the halves in a folder."""
    found = (path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith(".partial"))
    return sorted(str(path.relative_to(folder)) for path in found)


def names(folder: Path) -> set[str]:
    """Lists the files in a folder but those of TensorBoard, whose names have the time in them."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if not path.name.startswith("events.")}


def contents(folder: Path) -> dict[str, bytes]:
    """Reads the files in a folder but those of a run that is to replace the one there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if path.relative_to(folder).parts[0] not in MOVING
    }


def training(name: Name, options: str) -> Callable[[Path, Path], Attack]:
    """Makes the attack of a training: over a finished run of seed 0, one of seed 1 begins, is killed and resumed."""

    def attack(place: Path, data: Path) -> Attack:
        out, finished = place / "run", place / "finished"
        table = data / "questions.csv" if name == "vqa" else data

        def words(seed: int = 1) -> list[str]:
            begun = (out / ".new" / "config.yaml").is_file() or any((out / part).exists() for part in MOVING[1:3])
            flag = "--resume" if begun else "--overwrite"
            return [name, "--data", str(table), "--out", str(out), "--seed", str(seed), flag, *options.split()]

        def before() -> None:
            if not finished.exists():
                if wait(fork(words(seed=0)), None) != 0:
                    raise Harm((place / "../log").read_text())
                (out / "mine.txt").write_text("mine")
                out.rename(finished)
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(finished, out)

        def check() -> None:
            now, old = contents(out), contents(finished)
            begun = [part for part in (".done", ".moving") if (out / part).exists()]
            if now != old and not begun and b"seed: 1" not in now.get("config.yaml", b""):
                raise Harm(f"the finished run has changed: {set(now) ^ set(old)}")
            for path in out.rglob("last.h5"):
                with h5py.File(path) as content:
                    _ = content.attrs["crc32"]

        def at_end() -> None:
            if leftovers(out) or names(out) != names(finished):
                raise Harm(f"left over: {leftovers(out)}, or other files: {names(out) ^ names(finished)}")
            if "seed: 1" not in (out / "config.yaml").read_text():
                raise Harm("the new run did not take the old one's place")

        return Attack(name, place, words, check, before, at_end)

    return attack


def features(place: Path, data: Path) -> Attack:
    """The store: what it lists can be read, and is what an undisturbed run stores."""
    from mmtoolkit.vision import ExtractorKey, FeatureStore

    pictures, key = sorted((data / "images").iterdir())[:8], ExtractorKey("random", "float32")
    store, whole = place / "store", place / "whole"

    def words() -> list[str]:
        target = store if whole.exists() else whole
        options = ["--encoder-weights", "random", "--precision", "float32", "--batch-size", "2"]
        return ["features", *map(str, pictures), "--features", str(target), *options]

    def before() -> None:
        shutil.rmtree(store, ignore_errors=True)

    def check() -> None:
        found, expected = FeatureStore(store, key), FeatureStore(whole, key)
        stored = [picture for picture in pictures if picture in found]
        if stored and not np.allclose(found.read(stored), expected.read(stored), atol=1e-2):
            raise Harm("other features are stored")

    def at_end() -> None:
        check()
        if len(FeatureStore(store if store.exists() else whole, key)) != len(pictures):
            raise Harm("features are missing")

    return Attack("features", place, words, check, before, at_end)


def export(place: Path, data: Path) -> Attack:
    """The models: a version that can be seen is whole."""
    models = place / "models"

    def versions() -> list[Path]:
        return [path for path in models.iterdir() if path.name.isdecimal()] if models.exists() else []

    def check() -> None:
        for version in versions():
            if names(version) != names(models / "1"):
                raise Harm(f"version {version.name} lacks {names(version) ^ names(models / '1')}")

    def at_end() -> None:
        check()
        if not versions() or leftovers(models):
            raise Harm(f"left over: {leftovers(models)}")

    words = ["export", "--preset", "shapes_demo", "--out", str(models)]
    return Attack("export", place, lambda: words, check, lambda: None, at_end)


def label(place: Path, data: Path) -> Attack:
    """Of every picture the last label that was answered for is in the table, or the one after it."""
    photos, answered = place / "photos", place / "answered"
    names = [path.name for path in sorted((data / "images").iterdir())[:4]]

    def before() -> None:
        shutil.rmtree(photos, ignore_errors=True)
        photos.mkdir()
        for name in names:
            shutil.copy(data / "images" / name, photos)
        answered.write_text("")

    def person(output: Path) -> None:
        while not (page := re.search(r"(http://\S+/)(\?token=\S+)\n", output.read_text())):
            time.sleep(0.01)

        def ask(path: str, fields: dict[str, Any] | None = None) -> Any:
            body = None if fields is None else json.dumps(fields).encode()
            request = urllib.request.Request(page[1] + path + page[2], body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as reply:
                return json.load(reply)

        table = ask("start")["table"]
        with answered.open("a") as done:
            for number in range(100):
                labels = [[f"number {number}"], ["one more " * 50]]
                ask("save", {"table": table, "image": names[number % 4], "labels": labels})
                done.write(f"{number}\n")
                done.flush()
        ask("done", {"table": table})

    def check() -> None:
        sure: dict[str, int] = {}
        for number in map(int, answered.read_text().split()):
            sure[names[number % 4]] = number
        if not sure and not (photos / "captions.csv").exists():
            return
        with (photos / "captions.csv").open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
        if rows[0] != ["image", "caption"] or len(rows) % 2 == 0:
            raise Harm(f"the table has {len(rows)} rows, from {rows[0]} to {rows[-1]}")
        found = {name: int(text.removeprefix("number ")) for name, text in rows[1::2]}
        lost = [name for name, number in sure.items() if found.get(name) not in (number, number + 4)]
        if lost:
            raise Harm(f"lost: {lost}; {sure} were answered for, {found} are there")
        answered.write_text("")  # the next one begins anew

    def at_end() -> None:
        check()
        if left := leftovers(photos):
            raise Harm(f"left over: {left}")

    words = ["label", str(photos), "--port", "0", "--no-browser"]
    return Attack("label", place, lambda: words, check, before, at_end, person)


def predict(place: Path, data: Path) -> Attack:
    """The table before stays until the new one is whole, and that has whole rows as they come; so have drawings."""
    pictures = sorted((data / "images").iterdir())[:8]
    table, drawn, whole = place / "captions.csv", place / "drawn", place / "whole.csv"
    state = {"replaces": False}
    older, turn = "image,caption\nold.png,an older caption\n", itertools.cycle((True, False))

    def rows(path: Path) -> list[list[str]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))

    def words() -> list[str]:
        options = ["--preset", "shapes_demo", "--out", str(table), "--attention", str(drawn), "--overwrite"]
        return ["predict", *map(str, pictures), *options]

    def before() -> None:
        table.unlink(missing_ok=True)
        if replaces := next(turn):
            table.write_text(older)
        state["replaces"] = replaces

    def check() -> None:
        if state["replaces"] and table.read_text() not in (older, whole.read_text()):
            raise Harm("the table before is lost, and the new one is not whole")
        grown = table.with_name("captions.csv.partial") if state["replaces"] else table
        if grown.exists():
            found, path = rows(grown), grown
            if found != rows(whole)[: len(found)] or not path.read_bytes().endswith(b"\n"):
                raise Harm(f"{path.name} has other rows: {found[-1:]}")
        for path in drawn.glob("*.png"):
            with Image.open(path, formats=("PNG",)) as picture:
                picture.load()

    def at_end() -> None:
        if not whole.exists():
            shutil.copy(table, whole)
        if table.read_bytes() != whole.read_bytes() or len(rows(whole)) != 1 + len(pictures):
            raise Harm("the table lacks rows")
        if leftovers(drawn) or [name for name in leftovers(place) if "captions" in name]:
            raise Harm(f"left over: {leftovers(place)}")
        check()

    return Attack("predict", place, words, check, before, at_end)


ATTACKS: dict[Name, Callable[[Path, Path], Attack]] = {
    "caption": training("caption", TINY + " --min-count 1 --max-length 12 --beam 1 --attention none --cell vanilla"),
    "vqa": training("vqa", TINY.replace("--batch-size 8", "--batch-size 32")),
    "finetune": training("finetune", "--preset shapes_demo --epochs 1 --checkpoint-every 2 --stages decoder"),
    "features": features,
    "export": export,
    "label": label,
    "predict": predict,
}


if __name__ == "__main__":
    run(main)
