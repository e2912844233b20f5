"""Loads and saves word vectors in word2vec's text and binary formats, which gensim and many others read."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import itertools
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

Content = gzip.GzipFile | io.BufferedReader

GZIP = b"\x1f\x8b"
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
WIDEST = 100_000  # numbers of a vector: more is a damaged first line


class Row(NamedTuple):
    """One vector of a file, with its place for error messages."""

    place: str
    word: bytes
    vector: np.ndarray


def load_vectors(path: str | os.PathLike[str]) -> KeyedVectors:
    """Loads word vectors in word2vec's text or binary format, gzipped or not; the content decides which it is.

    Example:
        >>> vectors = load_vectors("vectors.bin")  # doctest: +SKIP
        >>> vectors["dog"].shape  # doctest: +SKIP
        (300,)

    Args:
        path: A file that begins with the line `WORDS DIM`, as `save_vectors`, gensim and word2vec itself write it.

    Raises:
        InputError: The file is missing or damaged; the message has the place.
    """
    from gensim.models import KeyedVectors

    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "which does not exist"
        raise InputError(f"expected a file of word vectors. Received: {path}, {what}; name another.")
    places: dict[str, str] = {}
    values = bytearray()
    try:
        with open_file(path) as file:
            count, dim = read_header(file, path)
            for row in (text_rows if is_text(file) else binary_rows)(file, path, dim):
                places[check_word(row, places)] = row.place
                values += row.vector.tobytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: expected a whole gzip file. Received: {error}; copy it again.") from error
    if len(places) != count:
        problem = f"expected {count} vectors, as the first line says. Received: {len(places)}"
        raise InputError(f"{path}: {problem}; copy the file again.")
    vectors = KeyedVectors(dim)
    vectors.add_vectors(list(places), np.frombuffer(values, np.float32).reshape(-1, dim))
    return vectors


def save_vectors(vectors: KeyedVectors, path: str | os.PathLike[str]) -> None:
    """Saves word vectors in word2vec's format, whole or not at all: binary if the name ends in `.bin`, else text.

    A further `.gz` compresses the file.

    Example:
        >>> save_vectors(train_vectors(sentences, dim=100), "vectors.bin.gz")  # doctest: +SKIP
    """
    path = Path(path)
    binary = path.name.removesuffix(".gz").endswith(".bin")

    def save(file: BinaryIO) -> None:
        packed = (
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix == ".gz" else contextlib.nullcontext(file)
        )
        with packed as target:
            target.write(f"{len(vectors)} {vectors.vector_size}\n".encode())
            for word, vector in zip(vectors.index_to_key, vectors.vectors, strict=True):
                numbers = vector.astype("<f4").tobytes() if binary else " ".join(map(str, vector)).encode() + b"\n"
                target.write(word.encode() + b" " + numbers)

    write_atomically(path, save)


def open_file(path: Path) -> Content:
    """Opens a file, decompressed if it is gzipped."""
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if compressed else path.open("rb")


def read_header(file: Content, path: Path) -> tuple[int, int]:
    """Reads the number of vectors and their width from the first line."""
    first = file.readline(100)
    match = re.fullmatch(rb"\s*(\d{1,12}) (\d{1,6})\s*", first)
    count, dim = map(int, match.groups()) if match else (0, 0)
    if not (count and 0 < dim <= WIDEST):
        received = first.decode("utf-8", "backslashreplace").strip()[:60]
        expected = "expected the number of words and the width of a vector, as word2vec files begin ('5000 300')"
        raise InputError(f"{path}:1: {expected}. Received: {received!r}; save the vectors in word2vec's form.")
    return count, dim


def is_text(file: Content) -> bool:
    """Checks whether the vectors are in text format: UTF-8 without control characters."""
    sample = file.peek(4096)
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return CONTROL.search(text) is None


def text_rows(file: Content, path: Path, dim: int) -> Iterator[Row]:
    """Yields the vectors of a text file: on each line a word and its numbers."""
    for number, line in enumerate(file, start=2):
        if not line.strip():
            continue
        word, *numbers = line.rstrip().split(b" ")
        try:
            vector = np.array(numbers, np.float32)
        except ValueError:
            vector = np.empty(0, np.float32)
        if len(vector) != dim:
            received = line.decode("utf-8", "backslashreplace").rstrip()
            received = received if len(received) <= 60 else f"{received[:30]} … {received[-29:]}"
            expected = f"expected a word and {dim} numbers with single spaces between"
            raise InputError(f"{path}:{number}: {expected}. Received: {received!r}, {len(numbers)} after the word.")
        yield Row(f"{path}:{number}", word, vector)


def binary_rows(file: Content, path: Path, dim: int) -> Iterator[Row]:
    """Yields the vectors of a binary file: each a word, a space and the bytes of its numbers."""
    for number in itertools.count(1):
        word = read_word(file)
        if not word:
            return
        numbers = file.read(4 * dim)
        if len(numbers) < 4 * dim:
            expected = f"expected {4 * dim} bytes of numbers. Received: {len(numbers)}; copy the file again"
            raise InputError(f"{path}: vector {number}: {expected}.")
        yield Row(f"{path}: vector {number}", word, np.frombuffer(numbers, "<f4"))


def read_word(file: Content) -> bytes:
    """Reads up to the next space, without the line end of the vector before; nothing at the end of the file."""
    word = bytearray()
    while (letter := file.read(1)) not in (b" ", b""):
        word += letter
    return bytes(word).lstrip(b"\n")


def check_word(row: Row, places: dict[str, str]) -> str:
    """Checks the word and the numbers of a vector, and returns the word."""
    try:
        word = row.word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{row.place}: expected a word in UTF-8. Received: {row.word[:40]!r}.") from error
    if word in places:
        raise InputError(f"{row.place}: expected every word once. Received: {word!r}, also at {places[word]}.")
    if not np.isfinite(row.vector).all():
        raise InputError(f"{row.place}: expected finite numbers. Received: some of {word!r} that are not.")
    return word
