"""Folders that a test run builds once: one builder, whatever becomes of it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from once import Once

KILLED = """
import os, signal, sys
from pathlib import Path
from once import Once

def build(folder):
    folder.mkdir()
    (folder / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)

Once(Path(sys.argv[1]))("a", build)
"""


def together(count: int, root: Path, build: Any) -> list[Any]:
    """What so many get who ask at the same moment: a result or an error."""
    ready = threading.Barrier(count)

    def ask(_: int) -> Any:
        ready.wait(10)
        try:
            return Once(root)("a", build)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def test_one_builds_and_all_get_it(tmp_path: Path) -> None:
    built = []

    def build(folder: Path) -> dict[str, int]:
        folder.mkdir()
        (folder / "file").write_text("it")
        built.append(folder)
        return {"files": 1}

    found = together(4, tmp_path / "new", build)
    assert built == [tmp_path / "new" / "a"] and found == [(built[0], {"files": 1})] * 4
    assert (built[0] / "file").read_text() == "it"
    assert Once(tmp_path / "new")("b", lambda folder: folder.name) == (tmp_path / "new" / "b", "b")


def test_where_one_fails_the_others_fail_with_its_reason(tmp_path: Path) -> None:
    asked = []

    def build(folder: Path) -> None:
        asked.append(folder)
        assert not asked, "no room left"

    found = together(3, tmp_path, build)
    assert len(asked) == 1 and sorted(type(error).__name__ for error in found) == ["AssertionError"] + 2 * [
        "RuntimeError"
    ]
    assert all("no room left" in str(error) for error in found)
    with pytest.raises(RuntimeError, match="a could not be built:\n(.|\n)*no room left"):
        Once(tmp_path)("a", build)


def test_a_builder_that_was_killed_is_followed_by_another(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=Path(__file__).parent, timeout=60)
    assert killed.returncode == -9 and (tmp_path / "a" / "half").exists()
    folder, _ = Once(tmp_path, patience=1)("a", lambda folder: folder.mkdir())
    assert list(folder.iterdir()) == []


def test_a_skip_is_no_outcome(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception):
        Once(tmp_path)("a", lambda folder: pytest.skip("no such package"))
    assert Once(tmp_path)("a", lambda folder: 3).result == 3


def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    with (tmp_path / "a.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match=r"a was not built by another process in 0\.1 s"):
            Once(tmp_path, patience=0.1)("a", lambda folder: None)
