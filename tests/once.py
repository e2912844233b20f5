"""Folders that one process of a test run builds for all of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Built(NamedTuple):
    """A folder, and what its builder returned besides."""

    folder: Path
    result: Any


class Once:
    """Builds each folder once for all processes that share a root; the others wait, and fail where it failed.

    Example:
        >>> folder, count = Once(tmp_path)("scenes", lambda folder: len(write_scenes(folder, count=40)))

    Args:
        root: Where the folders are, beside what tells how their building ended.
        patience: Seconds to wait for another process.
    """

    def __init__(self, root: Path, *, patience: float = 600.0) -> None:
        self.root, self.patience = root, patience

    def __call__(self, name: str, build: Callable[[Path], Any]) -> Built:
        """Returns the folder of a name.

        Args:
            name: Of the folder.
            build: Makes the folder at the path that it is given; JSON holds what it returns.

        Raises:
            RuntimeError: It could not be built by another process, whose traceback is in the message.
            TimeoutError: Another process builds for longer than `patience`.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        folder, outcome = self.root / name, self.root / f"{name}.json"
        with locked(self.root / f"{name}.lock", self.patience):
            if not outcome.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
                try:
                    write(outcome, result=build(folder))
                except (Exception, pytest.fail.Exception):  # neither a skip nor Ctrl-C: those are no outcome
                    write(outcome, error=traceback.format_exc())
                    raise
        found = json.loads(outcome.read_text(encoding="utf-8"))
        if "error" in found:
            raise RuntimeError(f"{name} could not be built:\n{found['error']}")
        return Built(folder, found["result"])


def write(outcome: Path, **content: Any) -> None:
    """Writes how the building ended, all of it or nothing."""
    part = outcome.with_suffix(".part")
    part.write_text(json.dumps(content, default=str), encoding="utf-8")
    part.replace(outcome)


@contextlib.contextmanager
def locked(path: Path, patience: float) -> Iterator[None]:
    """Holds a lock that the system takes back from a process that dies."""
    deadline = time.monotonic() + patience
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{path.stem} was not built by another process in {patience:g} s") from None
                time.sleep(0.05)
        yield
