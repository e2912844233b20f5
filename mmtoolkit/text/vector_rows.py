"""Reads the rows of a file of word vectors: word2vec's text and binary formats, and GloVe's text without a header."""

from __future__ import annotations

import gzip
import io
import itertools
import re
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmtoolkit.errors import InputError

Content = gzip.GzipFile | io.BufferedReader

GZIP, BYTE_ORDER_MARK = b"\x1f\x8b", b"\xef\xbb\xbf"
WIDEST = 100_000  # numbers of a vector: more is a damaged first line
MOST_BLANK = 1000  # lines without a word in a file
NUMBER, WORD = 32, 10_000  # bytes at most: of a number as text, and of a word
LONGEST = NUMBER * WIDEST  # bytes of a first line
NUMERIC = frozenset(b"0123456789.+-eE \t\r\nnaifNAIF")  # bytes of numbers as text, also of nan and inf
CONVERT = """python -c "import sys; from {module} import {load}; v = {load}{of}(sys.argv[1]); \
getattr(v, 'wv', v).save_word2vec_format(sys.argv[2], binary=True)" {path} {target}"""
PICKLE = {"module": "gensim.utils", "load": "SaveLoad", "of": ".load"}
FASTTEXT = {"module": "gensim.models.fasttext", "load": "load_facebook_vectors", "of": ""}
FOREIGN: dict[bytes, tuple[str, dict[str, str]]] = {  # how files of other programs begin
    b"\x80": ("gensim's own pickle; if you trust it, convert it", PICKLE),
    b"\xba\x16\x4f\x2f": ("fastText's own model; take the .vec file published with it, or convert it", FASTTEXT),
    b"PK\x03\x04": ("a zip archive; unpack it first", {}),
    b"BZh": ("a bzip2 file; unpack it first", {}),
    b"\xfd7zXZ": ("an xz file; unpack it first", {}),
}


class Row(NamedTuple):
    """One vector of a file, with its place for messages."""

    place: str
    word: bytes
    vector: np.ndarray


def open_file(path: Path) -> Content:
    """Opens a file, decompressed if it is gzipped."""
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if compressed else path.open("rb")


def read_header(file: Content, path: Path) -> tuple[int | None, int]:
    """Reads the number of vectors, which GloVe's files do not say, and their width; what is left are the vectors.

    Raises:
        InputError: The file begins in another way.
    """
    refuse_foreign(file.peek(8), path)
    if file.peek(3).startswith(BYTE_ORDER_MARK):
        file.read(len(BYTE_ORDER_MARK))
    begin = file.tell()
    first = file.readline(LONGEST)
    match = re.fullmatch(rb"\s*(\d{1,12})\s(\d{1,6})\s*", first)
    count, dim = map(int, match.groups()) if match else (None, numbers_at_the_end(first))
    if count == 0 or not 0 < dim <= WIDEST or (count is None and dim == 1):
        received = first[:200].decode("utf-8", "backslashreplace").strip()[:60]
        expected = "expected the number of words and the width of a vector, as word2vec files begin ('5000 300')"
        advice = "or a word and its numbers, as GloVe's do"
        raise InputError(f"{path}:1: {expected}, {advice}. Received: {received!r}; save the vectors in one of the two.")
    if count is None:
        file.seek(begin)
    return count, dim


def refuse_foreign(start: bytes, path: Path) -> None:
    """Refuses a file of another program, with the line that converts it.

    Raises:
        InputError: It is one.
    """
    for magic, (what, words) in FOREIGN.items():
        if start.startswith(magic):
            target = shlex.quote(str(path.with_name(f"{path.stem}-words.bin")))
            line = f": {CONVERT.format(**words, path=shlex.quote(str(path)), target=target)}" if words else "."
            raise InputError(f"{path}: expected vectors in word2vec's or GloVe's form. Received: {what}{line}")


def numbers_at_the_end(line: bytes) -> int:
    """Counts the numbers at the end of a line, which begins with a word."""
    fields = line.split()[1:]
    return sum(1 for _ in itertools.takewhile(is_number, reversed(fields)))


def is_number(field: bytes) -> bool:
    """Checks whether a field is a number."""
    try:
        float(field)
    except ValueError:
        return False
    return True


def rows_of(file: Content, path: Path, count: int | None, dim: int) -> Iterator[Row]:
    """Yields the vectors after the header; the bytes of the first one's numbers decide whether they are text."""
    _, _, numbers = file.peek(4 * dim).lstrip(b"\r\n").partition(b" ")
    sample = numbers[: 4 * dim]  # at most all numbers of a binary vector, and two bytes or more of each as text
    if count is None or 2 * sum(byte in NUMERIC for byte in sample) >= len(sample):
        return text_rows(file, path, dim, first=1 if count is None else 2)
    return binary_rows(file, path, dim)


def text_rows(file: Content, path: Path, dim: int, *, first: int) -> Iterator[Row]:
    """Yields the vectors of a text file: on each line a word and its numbers."""
    longest, blank = WORD + NUMBER * dim, 0
    for number, line in enumerate(iter(partial(file.readline, longest), b""), start=first):
        if len(line) == longest:
            raise wrong_line(f"{path}:{number}", line, dim, f"a line of {longest:,} bytes or more")
        if not line.strip():
            if (blank := blank + 1) > MOST_BLANK:
                received = f"over {MOST_BLANK:,} blank lines"
                raise InputError(
                    f"{path}:{number}: expected a word and its numbers. Received: {received}; delete them."
                )
            continue
        fields = line.rstrip().split(b" ")
        word, numbers = fields[:-dim], fields[-dim:]
        try:
            vector = np.array(numbers, np.float32)
        except ValueError:
            vector = np.empty(0, np.float32)
        if len(vector) != dim or not is_word(word):
            raise wrong_line(f"{path}:{number}", line, dim, f"{len(fields) - 1} after the word")
        yield Row(f"{path}:{number}", b" ".join(word), vector)


def is_word(parts: list[bytes]) -> bool:
    """Checks whether fields make up a word: one, blanks alone, or such as GloVe's "at name@domain.com"; no numbers."""
    if len(parts) < 2:
        return len(parts) == 1
    return not any(parts) or (all(parts) and not any(map(is_number, parts[1:])))


def wrong_line(place: str, line: bytes, dim: int, found: str) -> InputError:
    """Returns the error for a line that is not a word and its numbers."""
    received = (line if len(line) < WORD else line[:WORD] + line[-WORD:]).decode("utf-8", "backslashreplace").rstrip()
    received = received if len(received) <= 60 else f"{received[:30]} … {received[-29:]}"
    expected = f"expected a word and {dim} numbers with single spaces between"
    return InputError(f"{place}: {expected}. Received: {received!r}, {found}.")


def binary_rows(file: Content, path: Path, dim: int) -> Iterator[Row]:
    """Yields the vectors of a binary file: each a word, a space and the bytes of its numbers."""
    for number in itertools.count(1):
        word = read_word(file, f"{path}: vector {number}")
        if word is None:
            return
        numbers = file.read(4 * dim)
        if len(numbers) < 4 * dim:
            expected = f"expected {4 * dim} bytes of numbers. Received: {len(numbers)}; copy the file again"
            raise InputError(f"{path}: vector {number}: {expected}.")
        yield Row(f"{path}: vector {number}", word, np.frombuffer(numbers, "<f4"))


def read_word(file: Content, place: str) -> bytes | None:
    """Reads up to the next space, without the line end of the vector before; `None` at the end of the file.

    Raises:
        InputError: There is none for long.
    """
    word = b""
    while not word.endswith(b" ") and (ahead := file.peek(1)):
        word += file.read(ahead.find(b" ") + 1 or len(ahead))
        if len(word) > WORD:
            raise InputError(f"{place}: expected a word. Received: {word[:30]!r} …, {WORD:,} bytes without a space.")
    found = word.removesuffix(b" ").lstrip(b"\n")
    if not found and word and file.peek(1)[:1] == b" ":  # the word is a blank itself
        return file.read(1)
    return found if found or word.endswith(b" ") else None
