"""Writes files and folders so that they are complete or absent."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


def write_atomically(target: Path, save: Callable[[BinaryIO], Any]) -> None:
    """Calls `save` on a temporary file beside the target, then renames it; a failure leaves nothing behind.

    Example:
        >>> write_atomically(Path("words.txt"), lambda file: file.write(b"a dog"))

    Raises:
        OSError: E.g. the disk is full; it names the target.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with partial.open("w+b") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        error.filename = str(target)
        raise
    finally:
        partial.unlink(missing_ok=True)


def append_whole(target: Path, content: bytes) -> None:
    """Appends bytes to a file in one go: all of them, or on a full disk none.

    Raises:
        OSError: E.g. the disk is full; it names the target.
    """
    with target.open("ab", buffering=0) as file:
        start = file.tell()
        if file.write(content) < len(content):
            file.truncate(start)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))


def sweep(folder: Path, pattern: str) -> None:
    """Removes what killed processes left of files in a folder; who calls it holds a lock of theirs."""
    for partial in folder.glob(f".{pattern}.*.part"):
        partial.unlink(missing_ok=True)


@contextmanager
def write_folder_atomically(target: Path) -> Iterator[Path]:
    """Yields a new folder, renamed to `target` on success and deleted on failure; `target` must be absent or empty."""
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if target.exists():
            target.rmdir()  # Windows cannot replace a folder
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # by which Excel knows UTF-8


def csv_bytes(rows: Iterable[Sequence[object]], *, delimiter: str = ",") -> bytes:
    """Encodes rows as CSV in UTF-8, with a byte order mark only where Excel needs it: if a letter is not ASCII.

    Example:
        >>> csv_bytes([("image", "caption"), ("1.jpg", "a dog")])
        b'image,caption\\n1.jpg,a dog\\n'
    """
    table = io.StringIO(newline="")
    csv.writer(table, delimiter=delimiter, lineterminator="\n").writerows(rows)
    content = table.getvalue().encode()
    return content if content.isascii() else BYTE_ORDER_MARK + content


def write_json(path: Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Writes indented JSON; a name that is not Unicode becomes the \\udc80 that JSON reads back as the same name."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


def settle(folder: Path) -> None:
    """Restores the old folder after a replacement that was killed, and deletes the leftovers."""
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # killed between the two moves
        os.replace(old, folder)
    for leftover in (old, *folder.parent.glob(f".{folder.name}.*.new")):
        shutil.rmtree(leftover, ignore_errors=True)
