"""Reads text files as passages, for language models; a file is never in memory as a whole."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.files import BYTE_ORDER_MARK
from mmtoolkit.readers.faults import Fault, OnError, policy
from mmtoolkit.readers.images import check_exists
from mmtoolkit.readers.sentences import text_files
from mmtoolkit.readers.splits import split_name
from mmtoolkit.records import TextRecord
from mmtoolkit.scripts import is_korean

BLOCK, PASSAGE = 4000, 1000  # bytes of a record to train on, and to validate on
HELD_OUT = 0.1  # share at the end of a text that is validated on, where no file is named for it
LONGEST_WORD, SPACE = 256, re.compile(rb"[ \t]|\r?\n")
LEAST = 100  # characters of all text, white space not counted
FEW = 25  # passages that a validation split is cut into where it is short
NAMED = re.compile(
    r"(?:.*\.)?(train|training|valid|validation|val|dev|test)", re.IGNORECASE
)  # a stem, or its last part


def load_texts(
    path: str | os.PathLike[str], *, splits: Iterable[str] | None = None, on_error: OnError = "fail"
) -> tuple[list[TextRecord], list[Fault]]:
    """Loads the passages of a UTF-8 text file, or of the `.txt` files in and below a folder.

    Of several files those named `valid.txt` and `test.txt` (or `….dev.txt` and so on) are these splits. Of the others
    the last tenth is the validation split, from the character at 90 % on; of `train.txt` only without a `valid.txt`.

    Example:
        >>> records, faults = load_texts("verses.txt")
        >>> records[0].split, records[-1].split, records[-1].text
        ('train', 'valid', 'blue.\\n')

    Args:
        path: The file or the folder.
        splits: Names of the splits to load, all by default.
        on_error: What a file that is not UTF-8 does: `fail` raises, the others leave it out.

    Raises:
        InputError: There is no file, or less than 100 characters of text; or the first fault, with path and line.
    """
    path, wanted = Path(path), None if splits is None else {split_name(name) for name in splits}
    check_exists(path)
    files = text_files(path) if path.is_dir() else [path]
    on_fault, faults = policy(on_error)
    matches = {file: NAMED.fullmatch(file.stem) for file in files} if len(files) > 1 else {}
    named = {file: split_name(match[1]) for file, match in matches.items() if match}
    if "valid" not in named.values():  # the end of each text to train on is, as where no file names its split
        named = {file: name for file, name in named.items() if name != "train"}
    records, size = list[TextRecord](), 0
    for file in files:
        try:
            size += check_text(file)
        except Fault as fault:
            on_fault(fault)
            continue
        document = file.relative_to(path).as_posix() if path.is_dir() else file.name
        records += passages(file, document, named.get(file))
    if size < LEAST:
        received = f"{size}, besides white space" if files else "no .txt file"
        raise InputError(f"{path}: expected a text of {LEAST} characters or more. Received: {received}; name another.")
    return [record for record in records if wanted is None or record.split in wanted], faults


def check_text(path: Path) -> int:
    """Checks, block by block, that a file is UTF-8 text; returns the number of its characters but for white space.

    Raises:
        Fault: A byte is not; the message names its line and, where that is it, the encoding.
    """
    decoder, line, count = codecs.getincrementaldecoder("utf-8")(), 1, 0
    with path.open("rb") as file:
        while True:
            block = file.read(2**16)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                at = line + block[: error.start].count(b"\n")
                raise Fault(f"{path}:{at}", not_utf8(block, error)) from error
            if "\0" in text:
                at = line + text[: text.index("\0")].count("\n")
                raise Fault(f"{path}:{at}", "expected text. Received: a zero byte; name a file of text.")
            if not block:
                return count
            line += text.count("\n")
            count += sum(map(len, text.split()))


def not_utf8(block: bytes, error: UnicodeDecodeError) -> str:
    """Describes a byte that is not UTF-8; of Korean text, as older programs save it, names the encoding."""
    with contextlib.suppress(UnicodeDecodeError):
        if is_korean([codecs.getincrementaldecoder("cp949")().decode(block)]):
            return "expected UTF-8 text. Received: CP949. Convert it: iconv -f CP949 -t UTF-8 OLD.txt > NEW.txt"
    return (
        f"expected UTF-8 text. Received: the byte 0x{error.object[error.start]:02x}. "
        "Save the file as UTF-8 and try again."
    )


def passages(path: Path, document: str, split: str | None) -> Iterator[TextRecord]:
    """Cuts a file into records: long ones to train on, short ones to validate on."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        begin = len(BYTE_ORDER_MARK) if at(file, 0, 3) == BYTE_ORDER_MARK else 0
        cut = {"train": size, None: boundary(file, max(begin, int(size * (1 - HELD_OUT))))}.get(split, begin)
        line = 1
        for start, stop, name in ((begin, cut, "train"), (cut, size, "valid" if split is None else split)):
            step = BLOCK if name == "train" else min(PASSAGE, max(1, (stop - start) // FEW))
            while start < stop:
                end = word_end(file, boundary(file, min(stop, start + step)), stop)
                data = at(file, start, end - start)
                place = f"{path}:{line}"
                yield TextRecord(path, document, start, end, zlib.crc32(data), name, source=place)
                line += data.count(b"\n")
                start = end


def word_end(file: object, start: int, stop: int) -> int:
    """Returns the byte behind the white space that ends the word at a byte; the byte itself within a very long word."""
    found = SPACE.search(at(file, start, min(LONGEST_WORD, stop - start)))
    return start + found.end() if found and start < stop else start


def at(file: object, start: int, count: int) -> bytes:
    """Reads some bytes of an open file."""
    file.seek(start)  # type: ignore[attr-defined]
    return bytes(file.read(count))  # type: ignore[attr-defined]


def boundary(file: object, start: int) -> int:
    """Returns the first byte from `start` on that begins a character and is no line feed after a carriage return."""
    if start == 0:
        return 0
    before, *rest = at(file, start - 1, 5)
    for number, byte in enumerate(rest):
        if byte & 0xC0 != 0x80 and not (byte == 0x0A and before == 0x0D):
            return start + number
        before = byte
    return start + len(rest)
