"""Loads and saves word vectors in word2vec's text and binary formats, which gensim and many others read."""

from __future__ import annotations

import array
import contextlib
import gzip
import os
import warnings
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.text.vector_rows import WIDEST, Content, Row, open_file, read_header, rows_of
from mmtoolkit.text.word2vec import nfc

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

MOST_BYTES, MOST_VECTORS = 2**34, 2 * 10**7  # of a table: the largest published ones have a quarter of that
UNPACKED, RATIO = 2**26, 50  # bytes that any gzip file may hold, and how much larger than itself: numbers pack to half
CHECKED = 10**6  # numbers between two checks of the size
LeftOut = dict[str, tuple[int, str]]  # by the reason: how many vectors, and the place of the first


def load_vectors(
    path: str | os.PathLike[str], *, limit: int | None = None, warn: Callable[[str], Any] = warnings.warn
) -> KeyedVectors:
    """Loads word vectors in word2vec's text or binary format or GloVe's, gzipped or not; the content decides which.

    Words are in Unicode NFC, as those of a codec. A vector that cannot be used (its word is not UTF-8, was there before
    or has a blank in it, a number is not finite) is left out.

    Example:
        >>> load_vectors("vectors.txt")["dogs"].tolist()
        [0.0, 1.0, 1.0]

    Args:
        path: A file as `save_vectors`, gensim, word2vec, fastText (.vec) and GloVe write it.
        limit: The most vectors that are loaded, the first ones; all by default.
        warn: Called with one sentence that counts the vectors left out.

    Raises:
        InputError: The file is missing, damaged or without a vector that can be used; the message has the place.
    """
    from gensim.models import KeyedVectors

    path = Path(path)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "which does not exist"
        raise InputError(f"expected a file of word vectors. Received: {path}, {what}; name another.")
    if limit is not None and limit < 1:
        raise InputError(f"limit expects 1 or more vectors. Received: {limit}.")
    words: dict[str, int] = {}
    values = array.array("f")  # grows in place: a list of arrays, or a copy, would double the memory
    left_out: LeftOut = {}
    try:
        with open_file(path) as file, np.errstate(over="ignore"):  # too large for float32: not finite
            count, dim = read_header(file, path)
            for number, row in enumerate(rows_of(file, path, count, dim)):
                if not number % (CHECKED // dim):
                    check_size(path, len(words), dim)
                    check_packed(file, path)
                word, reason = examined(row, words)
                if reason:
                    unusable, first = left_out.get(reason, (0, row.place))
                    left_out[reason] = unusable + 1, first
                    continue
                words[word] = len(words)
                values.frombytes(row.vector.astype(np.float32, copy=False).tobytes())
                if len(words) == limit:
                    break
            else:
                check_count(count, len(words) + sum(number for number, _ in left_out.values()), path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: expected a whole gzip file. Received: {error}; copy it again.") from error
    except MemoryError as error:
        raise too_many(path, len(words), dim) from error
    if not words:
        raise InputError(f"{path}: expected vectors that can be used. Received: none; {summary(left_out)}.")
    if left_out:
        warn(f"{path}: {summary(left_out)}")
    vectors = KeyedVectors(dim)
    vectors.key_to_index, vectors.index_to_key, vectors.next_index = words, list(words), len(words)
    vectors.vectors = np.frombuffer(values, np.float32).reshape(-1, dim)
    return vectors


def save_vectors(vectors: KeyedVectors, path: str | os.PathLike[str]) -> None:
    """Saves word vectors in word2vec's format, whole or not at all: binary if the name ends in `.bin`, else text.

    A further `.gz` compresses the file. Words are written in Unicode NFC.

    Example:
        >>> save_vectors(load_vectors("vectors.txt"), "vectors.bin.gz")
        >>> load_vectors("vectors.bin.gz")["dogs"].tolist()
        [0.0, 1.0, 1.0]

    Raises:
        InputError: There is a vector that `load_vectors` would leave out, or none.
    """
    path = Path(path)
    words = savable_words(vectors)
    binary = path.name.removesuffix(".gz").endswith(".bin")

    def save(file: BinaryIO) -> None:
        packed = (
            gzip.GzipFile("", "wb", fileobj=file, mtime=0) if path.suffix == ".gz" else contextlib.nullcontext(file)
        )
        with packed as target:
            target.write(f"{len(words)} {vectors.vector_size}\n".encode())
            for word, vector in zip(words, vectors.vectors, strict=True):
                numbers = vector.astype("<f4").tobytes() if binary else " ".join(map(str, vector)).encode() + b"\n"
                target.write(word.encode() + b" " + numbers)

    write_atomically(path, save)


def savable_words(vectors: KeyedVectors) -> list[str]:
    """Returns the words in Unicode NFC.

    Raises:
        InputError: There is a vector that `load_vectors` would leave out, or none.
    """
    if not len(vectors) or not 0 < vectors.vector_size <= WIDEST:
        received = f"{len(vectors)} of {vectors.vector_size} numbers"
        raise InputError(f"expected word vectors of 1 to {WIDEST:,} numbers to save. Received: {received}.")
    words: dict[str, None] = {}
    for key, vector in zip(vectors.index_to_key, vectors.vectors, strict=True):
        with np.errstate(over="ignore"):
            row = Row("", str(key).encode("utf-8", "surrogatepass"), vector.astype(np.float32))
        word, reason = examined(row, words)
        if reason:
            raise InputError(
                f"expected words and vectors that can be loaded again. Received: {key!r}, {reason}; leave it out."
            )
        words[word] = None
    return list(words)


def summary(left_out: LeftOut) -> str:
    """Formats how many vectors are left out for which reasons.

    Example:
        >>> summary({"whose word is not UTF-8": (2, "cc.ko.300.vec:152")})
        '2 vectors are left out: 2 whose word is not UTF-8 (cc.ko.300.vec:152)'
    """
    total = sum(count for count, _ in left_out.values())
    parts = (f"{count} {reason} ({place})" for reason, (count, place) in left_out.items())
    return f"{total} {'vector is' if total == 1 else 'vectors are'} left out: {', '.join(parts)}"


def examined(row: Row, words: Collection[str]) -> tuple[str, str]:
    """Returns the word of a row in Unicode NFC, and why it cannot be used, which is empty where it can."""
    try:
        word = nfc(row.word.decode("utf-8"))
    except UnicodeDecodeError:
        return "", "whose word is not UTF-8"
    if not word or " " in word or "\n" in word:
        return word, "whose word is empty or has a blank in it"
    if word in words:
        return word, "whose word was there before"
    if not np.isfinite(row.vector).all():
        return word, "with a number that is not finite"
    return word, ""


def check_size(path: Path, count: int, dim: int) -> None:
    """Checks that a table is not larger than any that is in use.

    Raises:
        InputError: It is.
    """
    if count > MOST_VECTORS or 4 * count * dim > MOST_BYTES:
        raise too_many(path, count, dim)


def too_many(path: Path, count: int, dim: int) -> InputError:
    """Returns the error for a table that is too large."""
    size = f"{count:,} vectors of {dim:,} numbers ({4 * count * dim / 1e9:,.1f} GB)"
    return InputError(
        f"{path}: expected a table that fits into the memory, of at most {MOST_VECTORS:,} vectors and "
        f"{MOST_BYTES / 1e9:,.0f} GB. Received: {size} or more; save only the most frequent words."
    )


def check_packed(file: Content, path: Path) -> None:
    """Checks that a gzip file has not given far more yet than word vectors can be packed to.

    Raises:
        InputError: It has.
    """
    packed, unpacked = path.stat().st_size, file.tell()
    if isinstance(file, gzip.GzipFile) and unpacked > max(UNPACKED, RATIO * packed):
        raise InputError(
            f"{path}: expected word vectors, of which gzip saves a half. Received: {packed / 1e6:,.1f} MB that hold "
            f"over {unpacked / 1e6:,.0f} MB; if you trust the file, unpack it first."
        )


def check_count(count: int | None, found: int, path: Path) -> None:
    """Checks that a file has as many vectors as its first line says.

    Raises:
        InputError: It has not.
    """
    if found != (found if count is None else count):
        problem = f"expected {count} vectors, as the first line says. Received: {found}"
        raise InputError(f"{path}: {problem}; copy the file again.")
