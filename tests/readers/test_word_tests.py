"""Files of analogies and word pairs: what they hold is found from their content."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import read_word_test
from mmtoolkit.records import Analogy, WordPair


def test_analogies_stand_in_sections(tmp_path: Path) -> None:
    (tmp_path / "q").write_text("# note\n: family\nboy girl king queen\n\n:plural s\n a  b\tc d \n", encoding="utf-8")
    assert read_word_test(tmp_path / "q") == [
        Analogy("family", ("boy", "girl", "king", "queen")),
        Analogy("plural s", ("a", "b", "c", "d")),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "love\tsex\t6.77\ntiger\tcat\t7.35\n",
        "love,sex,6.77\r\ntiger, cat ,7.35",
        "\ufeffword 1,word 2,score\nlove,sex,6.77\ntiger,cat,7.35\n",
        "Word1\tWord2\tSimilarity\n# note\n\nlove\tsex\t6.77\ntiger\tcat\t7.350\n",
    ],
)
def test_word_pairs_stand_a_line_each(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.csv").write_bytes(content.encode())
    assert read_word_test(tmp_path / "p.csv") == [WordPair("love", "sex", 6.77), WordPair("tiger", "cat", 7.35)]


def test_words_are_composed(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("\u1109\u1165\u110b\u116e\u11af\t서울\t10\n", encoding="utf-8")
    assert read_word_test(tmp_path / "p") == [WordPair("서울", "서울", 10.0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": expected ': section'"),
        (": family\n", ": expected ': section' .* Received: a section without words"),
        ("word1\tword2\tscore\n", ": expected ': section' .* Received: a file without word pairs"),
        ("a b c d\n", ":1: expected ': section' .*or 'word<TAB>word<TAB>score' .* Received: 'a b c d'"),
        (": x\na b c\n", ":2: expected four words. Received: 'a b c'"),
        (": x\na b c d e\n", ":2: expected four words"),
        ("a\tb\t1\nc\td\n", ":2: expected 'word<TAB>word<TAB>score'. Received: 'c.td'"),
        ("a\tb\t1\nc\td\thigh\n", ":2: expected 'word<TAB>word<TAB>score'"),
        ("a\tb\t1\nc\td\tnan\n", ":2: expected 'word<TAB>word<TAB>score'"),
        ("a\tb\t1\n\td\t3\n", ":2: expected 'word<TAB>word<TAB>score'"),
    ],
)
def test_a_line_that_is_neither_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "t")) + message):
        read_word_test(tmp_path / "t")


def test_a_folder_or_a_missing_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a\tb\t1\n")
    with pytest.raises(InputError, match="a folder; name a file in it"):
        read_word_test(tmp_path)
    with pytest.raises(InputError, match="Did you mean 'words.txt'"):
        read_word_test(tmp_path / "word.txt")


def test_every_published_file_is_read(shared: Path) -> None:
    folder = shared / "data" / "word_eval"
    counts = {path.name: len(read_word_test(path)) for path in folder.rglob("*.*")}
    assert counts["questions-words.txt"] == 19544 and counts["word_analogy_korean.txt"] == 10000
    assert counts["EN-WS-353-ALL.txt"] == 353 and counts["EN-SIMLEX-999.txt"] == 999 and len(counts) == 17
