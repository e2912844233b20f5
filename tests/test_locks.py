"""The lock between processes: one holds it, the others are told who, and no dead one keeps it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.locks import BusyError, locked, open_itself

HOLD = """
import sys
from pathlib import Path
from mmtoolkit.locks import locked
with locked(Path(sys.argv[1]), "trains"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(target: Path) -> subprocess.Popen[str]:
    """Starts another process that holds the lock until its input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with holding(target) as other:
        expected = rf"Expected .*run to be free\. Received: process {other.pid} on \S+, which trains since 20"
        with pytest.raises(BusyError, match=expected), locked(target, "trains"):
            pass
    with locked(target, "trains"):
        assert (tmp_path / ".run.lock").is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_keeps_nothing(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with holding(target) as other:
        other.kill()
        other.wait()
    assert (tmp_path / ".run.lock").is_file()
    with locked(target, "trains"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path, *, there: bool) -> None:
    """It would be emptied, or made, by whoever locks."""
    theirs = tmp_path / "theirs.txt"
    if there:
        theirs.write_text("mine")
    (tmp_path / ".run.lock").symlink_to(theirs)
    with (
        pytest.raises(InputError, match=r"\.run\.lock, a lock, to be a plain file"),
        locked(tmp_path / "run", "trains"),
    ):
        pass
    with pytest.raises(OSError, match="symbolic links"):  # as the check is too early for one that is made after it
        open_itself(str(tmp_path / ".run.lock"), os.O_RDWR | os.O_CREAT)
    assert theirs.read_text() == "mine" if there else not theirs.exists()


def test_a_second_name_of_another_file_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "theirs.txt").write_text("mine")
    os.link(tmp_path / "theirs.txt", tmp_path / ".run.lock")
    with pytest.raises(InputError, match="a hard link; delete it"), locked(tmp_path / "run", "trains"):
        pass
    assert (tmp_path / "theirs.txt").read_text() == "mine"


def test_a_drive_without_locks_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("mmtoolkit.locks.lock", refuse)
    with pytest.warns(UserWarning, match=r"has no locks \(No locks available\)"), locked(tmp_path / "run", "trains"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_lets_go_of_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "run", "trains"):
        _ = 1 // 0
    assert list(tmp_path.iterdir()) == []


def test_of_many_threads_one_at_a_time_holds_it(tmp_path: Path) -> None:
    """Each takes the lock fifty times while others delete and make its file; two within would be seen."""
    inside, most, taken = 0, 0, 0

    def work() -> None:
        nonlocal inside, most, taken
        done = 0
        while done < 50:
            try:
                with locked(tmp_path / "table.csv", "writes"):
                    inside += 1
                    most = max(most, inside)
                    taken += 1
                    inside -= 1
                    done += 1
            except BusyError:
                continue

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, taken) == (1, 200)
