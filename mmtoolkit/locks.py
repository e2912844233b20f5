"""Locks between processes: one of them writes a folder or a table, the others learn which."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mmtoolkit.errors import InputError
from mmtoolkit.files import read_whole

LOCK = ".lock"  # in the folder that is locked
LOCK_OFFSET = 1 << 30  # Windows locks bytes, which others cannot read then: one that lies behind what is written


class BusyError(InputError):
    """Another process holds the lock; the message names it."""


@contextlib.contextmanager
def locked(target: Path, doing: str) -> Iterator[None]:
    """Holds the lock of a file, `.NAME.lock` beside it, or of a folder, `.lock` in it.

    The operating system keeps the lock (`flock`, on Windows `msvcrt.locking`) and releases it when the process dies. On
    a network drive it holds for the processes of one machine at least; a drive without locks is warned of.

    Example:
        >>> with locked(Path("my_photos"), "labels"):
        ...     pass

    Args:
        target: What is written; a folder, or the one of a file, must exist.
        doing: What this process does, for the message to others: `"trains"`.

    Raises:
        BusyError: Another process, or another thread of this one, holds it.
        InputError: There is a link or something else that is no file in its place.
        OSError: The lock file cannot be written.
    """
    path = target / LOCK if target.is_dir() else target.with_name(f".{target.name}{LOCK}")
    file = opened(path)
    if file is None:
        raise BusyError(f"Expected {target} to be free. Received: {holder(path)}; wait for its end, or stop it.")
    try:
        who = f"process {os.getpid()} on {socket.gethostname()}, which {doing} since {time.strftime('%Y-%m-%d %H:%M')}"
        file.truncate(0)
        file.write(who.encode())
        file.flush()
        yield
    finally:
        if sys.platform == "win32":  # an open file cannot be deleted there
            release(file)
            with contextlib.suppress(OSError):  # another has taken it meanwhile
                path.unlink()
        else:
            path.unlink(missing_ok=True)
            release(file)


def opened(path: Path) -> BinaryIO | None:
    """Opens and locks a lock file; returns `None` if another holds it."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):  # what a link leads to would be written
            raise InputError(f"Expected {path}, a lock, to be a plain file. Received: a link or no file; delete it.")
    while True:
        file = open(path, "a+b", opener=open_itself)  # noqa: SIM115 -- it is closed when the lock is released
        if os.fstat(file.fileno()).st_nlink > 1:  # another name of somebody's file
            file.close()
            raise InputError(f"Expected {path}, a lock, to have this one name. Received: a hard link; delete it.")
        try:
            lock(file)
            if os.path.samestat(os.fstat(file.fileno()), os.lstat(path)):
                return file
        except FileNotFoundError:
            pass  # its holder deleted it between the two: once more
        except (BlockingIOError, PermissionError):  # how Unix and Windows say that another holds it
            file.close()
            return None
        except OSError as error:
            warnings.warn(f"{path.parent} has no locks ({error.strerror}): let one process write there", stacklevel=4)
            return file
        file.close()


def open_itself(path: str, flags: int) -> int:
    """Opens a file that is not a link, for which the check before may have come too early."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def lock(file: BinaryIO) -> None:
    """Locks an open file.

    Raises:
        OSError: Another holds it.
    """
    if sys.platform == "win32":
        import msvcrt

        file.seek(LOCK_OFFSET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def release(file: BinaryIO) -> None:
    """Releases the lock and closes the file."""
    if sys.platform == "win32":
        import msvcrt

        file.seek(LOCK_OFFSET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    file.close()


def holder(path: Path) -> str:
    """Returns who holds a lock, as its file says; it may not have said so yet."""
    try:
        return read_whole(path, most=1000).decode("utf-8", "replace") or "another process"
    except OSError:
        return "another process"
