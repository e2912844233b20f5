"""Writes files so that they are complete or absent."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
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
