"""Writes files and folders so that they are complete or absent."""

from __future__ import annotations

import csv
import errno
import glob
import hashlib
import io
import json
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

STALE = 3600  # seconds: by then a file that is being written has its name


def write_atomically(target: Path, save: Callable[[BinaryIO], Any]) -> None:
    """Calls `save` on a temporary file beside the target, then renames it; a failure leaves nothing behind.

    An existing file keeps its mode and, where that is permitted, its owner and group.

    Example:
        >>> write_atomically(Path("words.txt"), lambda file: file.write(b"a dog"))

    Raises:
        OSError: E.g. the disk is full; it names the target.
    """
    partial = unfinished(target)
    try:
        with partial.open("x+b") as file:
            keep_owner(target, partial)
            save(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except OSError as error:
        error.filename = str(target)
        raise
    finally:
        with suppress(OSError):  # it is renamed, or its folder cannot be written
            partial.unlink()


def keep_owner(old: Path, new: Path) -> None:
    """Gives a new file the mode of an old one, and its owner and group as far as this process may."""
    try:
        status = old.stat()
    except OSError:
        return
    if sys.platform != "win32":
        for owner, group in ((-1, status.st_gid), (status.st_uid, -1)):
            with suppress(OSError):
                os.chown(new, owner, group)
    new.chmod(status.st_mode & 0o777)


def unfinished(target: Path) -> Path:
    """Returns a name beside a file, of this call alone, for what is written before it gets the file's name."""
    return target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")


def sweep(folder: Path, name: str = "*", *, idle: float = STALE) -> None:
    """Deletes the `unfinished` files that killed processes left in a folder.

    Args:
        folder: The folder.
        name: The name, a glob pattern, of the file that they were to become.
        idle: Seconds since the last write to such a file; 0 is for the holder of the lock, beside whom nobody writes.
    """
    for partial in folder.glob(f".{name}.[0-9]*.part*"):
        with suppress(FileNotFoundError):  # its writer has just finished
            if time.time() - partial.stat().st_mtime >= idle:
                partial.unlink()


def read_whole(path: Path, *, most: int) -> bytes:
    """Reads a file that is needed as a whole, if it has no more than `most` bytes.

    Raises:
        OSError: It cannot be read, is no file, or is larger; `errno` is `EFBIG` then.
    """
    check_regular(path)
    with path.open("rb") as file:
        data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)
        data += file.read(most + 1 - len(data)) if data else b""  # the size of a device is 0
    if len(data) > most:
        raise OSError(errno.EFBIG, f"larger than {most // 10**6} MB", str(path))
    return data


def check_regular(path: Path) -> None:
    """Checks, before a file is opened, that it is one: opening a pipe may wait for ever, and some devices never end.

    What is named in `/dev` is meant, such as `/dev/stdin` or the pipe of a shell's `<(…)`.

    Raises:
        OSError: It is a folder, a pipe, a socket or a device, or a link to one.
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not (stat.S_ISREG(mode) or path.is_relative_to("/dev")):
        raise OSError(errno.EINVAL, "it is no file but a pipe, a socket or a device", str(path))


def append_whole(target: Path, content: bytes) -> None:
    """Appends bytes to a file in one go: all of them, or on a full disk none.

    Raises:
        OSError: E.g. the disk is full; it names the target.
    """
    with target.open("ab", buffering=0) as file:
        start = file.tell()
        try:
            if file.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            file.truncate(start)
            error.filename = str(target)
            raise


@contextmanager
def write_folder_atomically(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yields a new folder, renamed to `target` on success and deleted on failure.

    Args:
        target: The folder.
        replace: Whether it replaces a folder that has files; otherwise that must be absent or empty.
    """
    fresh = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.new")
    old = target.with_name(f".{target.name}.old")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if replace and target.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(target, old)
        elif target.exists():
            target.rmdir()  # Windows cannot replace a folder
        os.replace(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if replace:
            settle(target)


def settle(folder: Path, *, idle: float = STALE) -> None:
    """Restores the old folder after a replacement that was killed, and deletes the leftovers.

    Args:
        folder: The folder that was to be replaced.
        idle: Seconds since something was added to a new one, as of `sweep`.
    """
    old = folder.with_name(f".{folder.name}.old")
    if old.exists() and not folder.exists():  # killed between the two moves
        os.replace(old, folder)
    shutil.rmtree(old, ignore_errors=True)
    for fresh in folder.parent.glob(f".{glob.escape(folder.name)}.*.new"):
        if time.time() - fresh.stat().st_mtime >= idle:
            shutil.rmtree(fresh, ignore_errors=True)


BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # by which Excel knows UTF-8


def csv_bytes(rows: Iterable[Sequence[object]], *, delimiter: str = ",") -> bytes:
    """Encodes rows as CSV in UTF-8, with a byte order mark only where Excel needs it: if a letter is not ASCII.

    Example:
        >>> csv_bytes([("image", "caption"), ("1.jpg", "a dog")])
        b'image,caption\\n1.jpg,a dog\\n'
    """
    content = "".join(csv_line(row, delimiter) for row in rows).encode()
    return content if content.isascii() else BYTE_ORDER_MARK + content


def csv_line(row: Sequence[object], delimiter: str) -> str:
    """Formats a row of CSV; a field with a carriage return is quoted, for readers would end the row at it."""
    line = io.StringIO(newline="")
    csv.writer(line, delimiter=delimiter, lineterminator="\r\n").writerow(row)  # what ends a line is what is quoted
    return line.getvalue().removesuffix("\r\n") + "\n"


def write_json(path: Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Writes indented JSON; a name that is not Unicode becomes the \\udc80 that JSON reads back as the same name."""
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, lambda file: file.write(text.encode("utf-8", "backslashreplace")))


MOST_TEXT, DEEPEST = 2**23, 50  # bytes of an untrusted text file, and levels of its JSON


def read_short_text(path: Path) -> str:
    """Reads an untrusted text file in UTF-8, of no more than 8 MB.

    Raises:
        OSError: It cannot be read, or is larger.
        ValueError: It is not in UTF-8.
    """
    return read_whole(path, most=MOST_TEXT).decode("utf-8")


def parse_json(text: str) -> Any:
    """Parses JSON that is not nested deeper than what is of use, so that whatever reads it next can follow.

    Example:
        >>> parse_json('{"level": "word"}')
        {'level': 'word'}

    Raises:
        ValueError: It is no JSON, or nested too deeply.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [content]
    for _ in range(DEEPEST):
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        if not inner:
            return content
        level = [each for values in inner for each in values]
    raise ValueError(f"it is nested more than {DEEPEST} deep")


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Computes the digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
