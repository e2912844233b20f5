"""Reads tests of word vectors: analogies, and word pairs with human scores."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.readers.images import check_exists
from mmtoolkit.readers.tables import fault_at, numbered_lines
from mmtoolkit.records import Analogy, WordPair

FORMS = "': section' (a file of analogies) or 'word<TAB>word<TAB>score' (a file of word pairs)"


def read_word_test(path: str | os.PathLike[str]) -> list[Analogy] | list[WordPair]:
    """Reads a file of analogies or of word pairs; its first line distinguishes them.

    Analogies have four words a line, in sections that begin with `: name`. Word pairs have a line each, with tabs or
    commas between the two words and the score, perhaps under a header. Lines that begin with `#` are left out.

    Example:
        >>> size = Path("pairs.txt").write_text("love\\tsex\\t6.77\\n")
        >>> read_word_test("pairs.txt")[0]
        WordPair(first='love', second='sex', score=6.77)

    Raises:
        InputError: There is no such file, or a line is neither; it is named.
    """
    path = Path(path)
    check_exists(path)
    if path.is_dir():
        raise InputError(f"expected a file of analogies or word pairs. Received: {path}, a folder; name a file in it.")
    lines = [(number, unicodedata.normalize("NFC", line)) for number, line in numbered_lines(path) if line[0] != "#"]
    sections = bool(lines) and lines[0][1].startswith(":")
    tests = list(analogies(path, lines)) if sections else list(word_pairs(path, lines))
    if not tests:
        received = "a section without words" if sections else "a file without word pairs"
        raise InputError(f"{path}: expected {FORMS}. Received: {received}.")
    return tests


def analogies(path: Path, lines: list[tuple[int, str]]) -> Iterator[Analogy]:
    """Yields the analogies of a file."""
    section = ""
    for number, line in lines:
        if line.startswith(":"):
            section = line[1:].strip()
            continue
        words = line.split()
        if len(words) != 4:
            raise fault_at(path, number, f"expected four words. Received: {line[:60]!r}. Correct the line.")
        yield Analogy(section, (words[0], words[1], words[2], words[3]))


def word_pairs(path: Path, lines: list[tuple[int, str]]) -> Iterator[WordPair]:
    """Yields the word pairs of a file."""
    for place, (number, line) in enumerate(lines):
        fields = [field.strip() for field in line.split("\t" if "\t" in line else ",")]
        score = finite(fields[-1])
        if len(fields) == 3 and score is None and place == 0:
            continue  # the header
        if len(fields) != 3 or score is None or not all(fields):
            expected = FORMS if place == 0 else "'word<TAB>word<TAB>score'"
            raise fault_at(path, number, f"expected {expected}. Received: {line[:60]!r}. Correct the line.")
        yield WordPair(fields[0], fields[1], score)


def finite(text: str) -> float | None:
    """Returns the finite number that a text is, or `None`."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
