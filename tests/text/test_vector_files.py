"""Files of word vectors, against gensim's own reader and writer, and damaged in every way."""

from __future__ import annotations

import gzip
import logging
import re
import stat
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from mmtoolkit.errors import InputError
from mmtoolkit.text import load_vectors, save_vectors

WORDS = ["a", "dog", "개", "naïve", "t-shirt", "🙂", "dog's", "ab\u00a0c"]
MATRIX = np.random.default_rng(0).normal(size=(len(WORDS), 7)).astype(np.float32)


def vectors() -> KeyedVectors:
    made = KeyedVectors(7)
    made.add_vectors(WORDS, MATRIX)
    return made


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.vec", "v.txt.gz", "v.bin.gz"])
def test_a_file_brings_back_the_same_words_and_numbers(tmp_path: Path, name: str) -> None:
    save_vectors(vectors(), tmp_path / name)
    again = load_vectors(str(tmp_path / name))
    assert again.index_to_key == WORDS
    np.testing.assert_array_equal(again.vectors, MATRIX)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_what_is_written_and_writes_what_is_read(tmp_path: Path, binary: bool) -> None:
    ours, theirs = tmp_path / ("ours.bin" if binary else "ours.txt"), tmp_path / "theirs"
    save_vectors(vectors(), ours)
    vectors().save_word2vec_format(str(theirs), binary=binary)
    assert ours.read_bytes() == theirs.read_bytes()
    np.testing.assert_array_equal(load_vectors(theirs).vectors, MATRIX)
    again = KeyedVectors.load_word2vec_format(str(ours), binary=binary)
    assert again.index_to_key == WORDS
    np.testing.assert_array_equal(again.vectors, MATRIX)


def test_the_c_programs_line_ends_and_spaces_are_read(tmp_path: Path) -> None:
    """word2vec itself ends a vector with a line feed in binary, and with a space before it in text."""
    rows = [word.encode() + b" " + vector.tobytes() for word, vector in zip(WORDS, MATRIX, strict=True)]
    (tmp_path / "c.bin").write_bytes(b"8 7\n" + b"\n".join(rows) + b"\n")
    lines = [f"{word} {' '.join(map(str, vector))} \r\n" for word, vector in zip(WORDS, MATRIX, strict=True)]
    (tmp_path / "c.txt").write_bytes("".join(["8 7\r\n", *lines, "\n"]).encode())
    for name in ("c.bin", "c.txt"):
        again = load_vectors(tmp_path / name)
        assert again.index_to_key == WORDS
        np.testing.assert_array_equal(again.vectors, MATRIX)


def test_loaded_vectors_are_gensims_in_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_vectors(vectors(), tmp_path / "v.bin")
    again = load_vectors(tmp_path / "v.bin")
    assert again.most_similar("dog") == vectors().most_similar("dog")
    again.vectors[0] = 0.0  # may be changed
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_failed_write_leaves_the_file_before(tmp_path: Path) -> None:
    save_vectors(vectors(), tmp_path / "v.txt")
    before = (tmp_path / "v.txt").read_bytes()
    broken = vectors()
    broken.vectors = broken.vectors[:5]
    with pytest.raises(ValueError, match="zip"):
        save_vectors(broken, tmp_path / "v.txt")
    assert (tmp_path / "v.txt").read_bytes() == before
    assert stat.S_ISREG((tmp_path / "v.txt").stat().st_mode) and len(list(tmp_path.iterdir())) == 1


GOOD = "2 3\ndog 1 2 3\ncat 4 5 6\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("5", "five"), ":3: expected a word and 3 numbers .* Received: 'cat 4 five 6', 3 after the word"),
        (GOOD.replace(" 5", ""), ":3: expected a word and 3 numbers .* Received: 'cat 4 6', 2 after"),
        (GOOD.replace("5", "5 5"), ":3: expected a word and 3 numbers .* 4 after"),
        (GOOD.replace(" 4", "  4"), ":3: expected a word and 3 numbers with single spaces"),
        (GOOD.replace("cat", "dog"), ":3: expected every word once. Received: 'dog', also at .*v:2"),
        (GOOD.replace("5", "nan"), ":3: expected finite numbers. Received: some of 'cat'"),
        (GOOD.replace("2 3\n", "3 3\n", 1), ": expected 3 vectors, as the first line says. Received: 2; copy"),
        (GOOD.replace("2 3\n", "1 3\n", 1), ": expected 1 vectors, as the first line says. Received: 2; copy"),
        (GOOD.removeprefix("2 3\n"), ":1: expected the number of words and the width .* Received: 'dog 1 2 3'"),
        (GOOD.replace("2 3\n", "2 0\n", 1), ":1: expected the number of words and the width"),
        (GOOD.replace("2 3\n", "2 999999\n", 1), ":1: expected the number of words and the width"),
        (GOOD.replace("2 3\n", "999999999999 3\n", 1), ": expected 999999999999 vectors"),
        ("", ":1: expected the number of words and the width .* Received: ''"),
        ("2 3\n", ": expected 2 vectors, as the first line says. Received: 0"),
        ("\x80\x04pickle", ":1: expected the number of words"),
    ],
)
def test_damaged_text_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "v").write_bytes(content.encode())
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "v")) + message):
        load_vectors(tmp_path / "v")


def binary() -> bytes:
    rows = [word.encode() + b" " + vector.tobytes() for word, vector in zip(WORDS, MATRIX, strict=True)]
    return b"8 7\n" + b"".join(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (binary()[:-1], ": vector 8: expected 28 bytes of numbers. Received: 27; copy the file again"),
        (binary() + b"x 123", ": vector 9: expected 28 bytes of numbers. Received: 3"),
        (binary()[: -28 - len(WORDS[-1].encode()) - 1], ": expected 8 vectors, .* Received: 7"),
        (binary().replace(b"dog ", b"d\xffg "), ": vector 2: expected a word in UTF-8. Received: b'd.xffg'"),
        (binary().replace(b"dog ", b"a "), ": vector 2: expected every word once. Received: 'a', also at .*: vector 1"),
        (
            binary().replace(MATRIX[2].tobytes(), np.full(7, np.inf, np.float32).tobytes()),
            ": vector 3: expected finite numbers. Received: some of '개'",
        ),
        (gzip.compress(binary())[:-9], ": expected a whole gzip file. Received: Compressed file ended"),
        (gzip.compress(binary())[:60] + b"x" * 300, ": expected a whole gzip file"),
    ],
)
def test_damaged_binary_is_named_with_its_vector(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "v")) + message):
        load_vectors(tmp_path / "v")


def test_a_long_line_is_shortened(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("1 300\ndog " + "0.125 " * 299 + "last\n")
    with pytest.raises(InputError, match=r"'dog 0.125 .{1,40} … .{1,40}last', 300 after") as caught:
        load_vectors(tmp_path / "v")
    assert len(str(caught.value)) < 300


def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="which does not exist; name another"):
        load_vectors(tmp_path / "none")
    with pytest.raises(InputError, match="a folder; name another"):
        load_vectors(tmp_path)
