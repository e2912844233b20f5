"""Files of word vectors, against gensim's own reader and writer, and damaged in every way."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import re
import shlex
import stat
import subprocess
import sys
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec

from mmtoolkit.errors import InputError
from mmtoolkit.text import load_vectors, neighbours, save_vectors, vector_files

WORDS = ["a", "dog", "개", "naïve", "t-shirt", "🙂", "dog's", "ab\u00a0c"]
MATRIX = np.random.default_rng(0).normal(size=(len(WORDS), 7)).astype(np.float32)
ENCODED, NUMBERS = [word.encode() for word in WORDS], [tuple(row) for row in MATRIX]


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


def written(word: bytes, row: Any, kind: str) -> bytes:
    """A vector as gensim writes it."""
    text = " ".join(map(str, row)).encode() + b"\n"
    return word + b" " + (text if kind == "text" else np.array(row, np.float32).tobytes())


GOOD = "2 3\ndog 1 2 3\ncat 4 5 6\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.replace("5", "five"), ":3: expected a word and 3 numbers .* Received: 'cat 4 five 6', 3 after the word"),
        (GOOD.replace(" 5", ""), ":3: expected a word and 3 numbers .* Received: 'cat 4 6', 2 after"),
        (GOOD.replace("5", "5 5"), ":3: expected a word and 3 numbers .* 4 after"),
        (GOOD.replace(" 4", "  4"), ":3: expected a word and 3 numbers with single spaces"),
        (GOOD.replace("5 6", "5 six"), ":3: expected a word and 3 numbers"),
        (GOOD.replace("dog 1", "dog one"), ":2: expected a word and 3 numbers .* Received: 'dog one 2 3'"),
        (GOOD.replace("2 3\n", "3 3\n", 1), ": expected 3 vectors, as the first line says. Received: 2; copy"),
        (GOOD.replace("2 3\n", "1 3\n", 1), ": expected 1 vectors, as the first line says. Received: 2; copy"),
        (GOOD.removeprefix("2 3\n") + "cow 7 8\n", ":3: expected a word and 3 numbers .* Received: 'cow 7 8'"),
        ("the 23135851162\nof 13151942776\n", ":1: expected the number of words and the width .* 'the 23135851162'"),
        ("2 3\ndog 1 2 inf\ncat nan 2 3\n", ": .* Received: none; 2 vectors are left out: 2 with a number that"),
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
        (gzip.compress(binary())[:-9], ": expected a whole gzip file. Received: Compressed file ended"),
        (gzip.compress(binary())[:60] + b"x" * 300, ": expected a whole gzip file"),
    ],
)
def test_damaged_binary_is_named_with_its_vector(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "v")) + message):
        load_vectors(tmp_path / "v")


@pytest.mark.parametrize("kind", ["text", "binary"])
@pytest.mark.parametrize(
    ("spoilt", "reason"),
    [
        ({b"dog": b"d\xffg"}, "1 vector is left out: 1 whose word is not UTF-8 (PLACE)"),
        ({b"dog": b"a"}, "1 vector is left out: 1 whose word was there before (PLACE)"),
        ({b"dog": b" "}, "1 vector is left out: 1 whose word is empty or has a blank in it (PLACE)"),
        ({b"dog": b""}, "1 vector is left out: 1 whose word is empty or has a blank in it (PLACE)"),
        ({NUMBERS[1]: [np.nan] * 7}, "1 vector is left out: 1 with a number that is not finite (PLACE)"),
        ({NUMBERS[1]: [0, 0, 0, np.inf, 0, 0, 0]}, "1 vector is left out: 1 with a number that is not finite (PLACE)"),
    ],
    ids=["not UTF-8", "twice", "blank", "empty", "not a number", "infinite"],
)
def test_what_cannot_be_used_is_left_out_with_a_warning(
    tmp_path: Path, kind: str, spoilt: dict[Any, Any], reason: str
) -> None:
    """As gensim's `unicode_errors="ignore"` and first of two words; the numbers of the others are theirs."""
    rows = [(spoilt.get(word, word), spoilt.get(row, row)) for word, row in zip(ENCODED, NUMBERS, strict=True)]
    (tmp_path / "v").write_bytes(b"8 7\n" + b"".join(written(word, row, kind) for word, row in rows))
    said: list[str] = []
    again = load_vectors(tmp_path / "v", warn=said.append)
    assert again.index_to_key == [word for word in WORDS if word != "dog"]
    np.testing.assert_array_equal(again.vectors, np.delete(MATRIX, 1, axis=0))
    place = f"{tmp_path / 'v'}:3" if kind == "text" else f"{tmp_path / 'v'}: vector 2"
    assert said == [f"{tmp_path / 'v'}: {reason.replace('PLACE', place)}"]
    with pytest.warns(UserWarning, match="1 vector is left out"):
        load_vectors(tmp_path / "v")


def test_faults_are_counted_by_kind(tmp_path: Path) -> None:
    """The last is GloVe's: a word with blanks in it, before its numbers."""
    lines = ["6 2", "a 1 2", "a 3 4", "b nan 4", "a 5 6", "c 7 8", "at name@domain.com 9 1"]
    (tmp_path / "v").write_text("\n".join(lines) + "\n")
    said: list[str] = []
    assert load_vectors(tmp_path / "v", warn=said.append).index_to_key == ["a", "c"]
    reasons = [
        f"2 whose word was there before ({tmp_path / 'v'}:3)",
        f"1 with a number that is not finite ({tmp_path / 'v'}:4)",
        f"1 whose word is empty or has a blank in it ({tmp_path / 'v'}:7)",
    ]
    assert said == [f"{tmp_path / 'v'}: 4 vectors are left out: {', '.join(reasons)}"]


@pytest.mark.parametrize("word", [f"a{chr(code)}b" for code in range(32) if chr(code) != "\n"] + ["\x7f", "\x85"])
@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_words_may_have_control_characters(tmp_path: Path, word: str, name: str) -> None:
    """Crawled words have; gensim reads them too."""
    made = KeyedVectors(4)
    made.add_vectors([word, "dog"], MATRIX[:2, :4])
    save_vectors(made, tmp_path / name)
    again = load_vectors(tmp_path / name)
    assert again.index_to_key == [word, "dog"]
    np.testing.assert_array_equal(again.vectors, MATRIX[:2, :4])


@pytest.mark.parametrize("dim", [2, 3, 4, 300])
@pytest.mark.parametrize("word", [b"\xff\xfe\x00\x01", "강아지".encode(), b"1999", b"."])
def test_the_numbers_tell_text_from_binary(tmp_path: Path, dim: int, word: bytes) -> None:
    """Whatever the words are, and however short the numbers."""
    rows = np.random.default_rng(dim).integers(0, 2, (3, dim)).astype(np.float32)
    for name in ("text", "binary"):
        parts = [written(each, tuple(row), name) for each, row in zip((word, b"b", b"c"), rows, strict=True)]
        (tmp_path / name).write_bytes(f"3 {dim}\n".encode() + b"".join(parts))
        again = load_vectors(tmp_path / name, warn=lambda line: None)
        np.testing.assert_array_equal(again[["b", "c"]], rows[1:])


def test_decomposed_words_are_loaded_and_saved_composed(tmp_path: Path) -> None:
    """Hangul and accents of macOS are; of two spellings of one word the first counts."""
    lines = ["4 2", f"{decomposed('강아지')} 1 2", f"{decomposed('café')} 3 4", "강아지 5 6", "dog 7 8"]
    (tmp_path / "v.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    said: list[str] = []
    loaded = load_vectors(tmp_path / "v.txt", warn=said.append)
    assert loaded.index_to_key == ["강아지", "café", "dog"] and "1 whose word was there before" in said[0]
    np.testing.assert_array_equal(loaded["강아지"], [1, 2])
    made = KeyedVectors(2)
    made.add_vectors([decomposed("빨간")], np.ones((1, 2), np.float32))
    save_vectors(made, tmp_path / "w.txt")
    assert (tmp_path / "w.txt").read_text(encoding="utf-8") == "1 2\n빨간 1.0 1.0\n"


def decomposed(word: str) -> str:
    return unicodedata.normalize("NFD", word)


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz"])
@pytest.mark.parametrize("first", [", ", "\ufeff, ", "1999 ", ". . . "])
def test_glove_has_no_first_line_of_counts(tmp_path: Path, name: str, first: str) -> None:
    """A word that is a number is not one of its numbers, and one with blanks is left out."""
    lines = [f"{first}0.5 -1e-3 2", "개 4 5 6", "the 7 8 9"]
    content = ("\n".join(lines) + "\n").encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    said: list[str] = []
    again = load_vectors(tmp_path / name, warn=said.append)
    assert again.index_to_key[-2:] == ["개", "the"] and len(again) == (2 if said else 3)
    assert [": 1 vector is left out:" in line for line in said] == ([True] if first.startswith(". ") else [])
    if not said:
        assert again.index_to_key[0] == first.strip(" \ufeff")
        np.testing.assert_array_equal(again.vectors[0], np.array([0.5, -1e-3, 2], np.float32))
    np.testing.assert_array_equal(again.vectors[-2:], [[4, 5, 6], [7, 8, 9]])


@pytest.mark.parametrize("name", ["v.txt", "v.bin", "v.bin.gz"])
def test_a_limit_takes_the_first_vectors(tmp_path: Path, name: str) -> None:
    """As gensim's `limit`; what comes behind is not even looked at."""
    save_vectors(vectors(), tmp_path / name)
    for limit in (1, 3, 8, 9):
        again = load_vectors(tmp_path / name, limit=limit)
        assert again.index_to_key == WORDS[:limit]
        np.testing.assert_array_equal(again.vectors, MATRIX[:limit])
    (tmp_path / "cut").write_bytes(binary()[:-1])
    assert len(load_vectors(tmp_path / "cut", limit=7)) == 7
    with pytest.raises(InputError, match="limit expects 1 or more vectors. Received: 0"):
        load_vectors(tmp_path / name, limit=0)


@pytest.mark.parametrize(
    ("word", "vector", "message"),
    [
        (" ", [1, 2], "Received: ' ', whose word is empty or has a blank in it"),
        ("", [1, 2], "Received: '', whose word is empty"),
        ("new york", [1, 2], "Received: 'new york', whose word is empty or has a blank"),
        ("a\nb", [1, 2], "whose word is empty or has a blank"),
        ("\udc80", [1, 2], "whose word is not UTF-8"),
        ("cafe\u0301", [1, 2], "whose word was there before"),
        ("b", [1, np.nan], "Received: 'b', with a number that is not finite"),
        ("b", [1, 1e39], "Received: 'b', with a number that is not finite"),
    ],
)
@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_what_could_not_be_loaded_again_is_not_saved(
    tmp_path: Path, word: str, vector: list[float], message: str, name: str
) -> None:
    made = KeyedVectors(2, dtype=np.float64)
    made.add_vectors(["café", word, "dog"], np.array([[1, 2], vector, [3, 4]]))
    with pytest.raises(
        InputError, match=f"expected words and vectors that can be loaded again. .*{re.escape(message)}"
    ):
        save_vectors(made, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_no_vectors_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected word vectors of 1 to 100,000 numbers to save. Received: 0 of 3"):
        save_vectors(KeyedVectors(3), tmp_path / "v.txt")


@pytest.mark.parametrize("kind", ["vectors", "model"])
def test_gensims_pickle_is_named_with_the_line_that_converts_it(tmp_path: Path, kind: str) -> None:
    """The line is run as it stands."""
    path = tmp_path / "my vectors.kv"
    model = Word2Vec([["a", "dog", "runs"]], vector_size=3, min_count=1, epochs=1)
    (model.wv if kind == "vectors" else model).save(str(path))
    with pytest.raises(
        InputError, match="Received: gensim's own pickle; if you trust it, convert it: python "
    ) as caught:
        load_vectors(path)
    line = str(caught.value).partition("convert it: ")[2].replace("python", shlex.quote(sys.executable), 1)
    subprocess.run(line, shell=True, check=True)
    again = load_vectors(tmp_path / "my vectors-words.bin")
    assert again.index_to_key == model.wv.index_to_key
    np.testing.assert_array_equal(again.vectors, model.wv.vectors)


def test_files_of_other_programs_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cc.ko.300.bin"
    path.write_bytes((793712314).to_bytes(4, "little") + bytes(60))  # fastText's magic number
    with pytest.raises(InputError, match="Received: fastText's own model; take the .vec file .*cc.ko.300-words.bin"):
        load_vectors(path)
    with zipfile.ZipFile(tmp_path / "glove.6B.zip", "w") as archive:
        archive.writestr("glove.txt", "the 1 2")
    with pytest.raises(InputError, match="glove.6B.zip: .* Received: a zip archive; unpack it first."):
        load_vectors(tmp_path / "glove.6B.zip")
    for packer, what in ((bz2, "a bzip2 file"), (lzma, "an xz file")):
        path.write_bytes(packer.compress(GOOD.encode()))
        with pytest.raises(InputError, match=f"Received: {what}; unpack it first."):
            load_vectors(path)


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_loading_takes_little_more_than_the_table(tmp_path: Path, name: str) -> None:
    """The table is 12 MB; its 10,000 words are counted too, and what gensim makes for neighbours."""
    made = KeyedVectors(300)
    table = np.random.default_rng(0).normal(size=(10_000, 300)).astype(np.float32)
    made.add_vectors([f"w{number}" for number in range(len(table))], table)
    save_vectors(made, tmp_path / name)
    load_vectors(tmp_path / name, limit=1)  # what is made once
    tracemalloc.start()
    try:
        loaded = load_vectors(tmp_path / name)
        neighbours(loaded, "w7")
        assert tracemalloc.get_traced_memory()[1] < 1.3 * table.nbytes
    finally:
        tracemalloc.stop()


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


def test_a_gzip_file_that_holds_far_more_than_vectors_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.vec.gz"
    rows = b"".join(b"w%d" % number + b" 0" * 300 + b"\n" for number in range(10_000))
    path.write_bytes(gzip.compress(b"10000 300\n" + rows))
    assert len(rows) > 50 * path.stat().st_size
    assert len(load_vectors(path)) == 10_000  # a small file may hold what it wants
    monkeypatch.setattr(vector_files, "UNPACKED", 2_000_000)
    with pytest.raises(InputError, match=r"0\.0 MB that hold over [2-9] MB; if you trust the file, unpack it first"):
        load_vectors(path)
    (tmp_path / "bomb.vec").write_bytes(b"10000 300\n" + rows)
    assert len(load_vectors(tmp_path / "bomb.vec")) == 10_000


@pytest.mark.parametrize(("name", "most"), [("MOST_VECTORS", 2), ("MOST_BYTES", 24)])
def test_a_table_larger_than_any_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    path = tmp_path / "a.vec"
    path.write_bytes(b"dog 1 2 3\ncat 1 2 3\ncow 1 2 3\npig 1 2 3\n")
    monkeypatch.setattr(vector_files, "CHECKED", 3)
    assert len(load_vectors(path)) == 4
    monkeypatch.setattr(vector_files, name, most)
    with pytest.raises(InputError, match=r"Received: 3 vectors of 3 numbers \(0\.0 GB\) or more; save only the most"):
        load_vectors(path)
    assert load_vectors(path, limit=2).index_to_key == ["dog", "cat"]


@pytest.mark.parametrize("content", [b"1 3\ndog 1 2 3" + b" " * 20_000, b"1 3\n" + b"dog" * 10_000 + b" 1 2 3"])
def test_a_line_without_an_end_is_not_read_to_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.vec"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{path}:2: expected a word and 3 numbers .*a line of 10,096 bytes or more"):
        load_vectors(path)


def test_blank_lines_without_an_end_are_not_read_to_it(tmp_path: Path) -> None:
    """Gzipped, 300 MB of them take a third of a megabyte, and no vector comes by which their size would be checked."""
    path = tmp_path / "a.vec"
    path.write_bytes(b"2 3\ndog 1 2 3\n" + b"\n" * 1001)
    with pytest.raises(InputError, match=rf"{path}:1003: expected a word .*Received: .*blank"):
        load_vectors(path)
    path.write_bytes(b"2 3\ndog 1 2 3\n" + b"\n" * 1000 + b"cat 4 5 6\n")
    assert load_vectors(path).index_to_key == ["dog", "cat"]


def test_a_word_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"2 3\ndog " + np.full(3, 0.1, "<f4").tobytes() + b"\xff" * 50_000)
    with pytest.raises(InputError, match=r"vector 2: expected a word\. Received: .*10,000 bytes without a space"):
        load_vectors(path)


def test_too_little_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.vec"
    path.write_bytes(b"1 3\ndog 1 2 3\n")

    def fail(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(vector_files, "examined", fail)
    with pytest.raises(InputError, match="expected a table that fits into the memory"):
        load_vectors(path)
