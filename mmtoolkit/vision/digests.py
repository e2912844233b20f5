"""Remembers digests of files of the cache as long as the files stay as they are."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from mmtoolkit.files import file_digest, write_atomically

SHA256 = re.compile("[0-9a-f]{64}")


def remembered_digest(path: Path, algorithm: str = "sha256") -> str:
    """Computes the digest of a file in the cache once, and again when the file has changed.

    It is kept in `.NAME.ALGORITHM` beside the file, with what tells whether that has changed: size, time and inode.

    Example:
        >>> size = Path("weights.h5").write_bytes(b"")
        >>> remembered_digest(Path("weights.h5"))[:8]
        'e3b0c442'
    """
    note, state = path.with_name(f".{path.name}.{algorithm}"), state_of(path)
    with contextlib.suppress(OSError, ValueError):
        found, _, seen = note.read_text(encoding="ascii").partition(" ")
        if seen == state:
            return found
    digest = file_digest(path, algorithm)
    if state_of(path) == state:
        with contextlib.suppress(OSError):  # a cache that cannot be written: it is computed again the next time
            write_atomically(note, lambda file: file.write(f"{digest} {state}".encode()))
    return digest


def state_of(path: Path) -> str:
    """Returns what tells whether a file has changed."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
