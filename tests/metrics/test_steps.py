"""Tokenising takes time in proportion to the text, whatever its script."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest
from backtracking import Search, TooManySteps

from mmtoolkit.metrics import ptb_tokenize, tokenizer
from mmtoolkit.readers import columns, question_files, rows, sentences

SEARCH = Search(tokenizer.TOKEN, limit=1_000_000)  # of a text of at most some hundred characters


def scripts() -> dict[str, str]:
    """Returns a few letters, marks and digits of each script, by the first word of their names."""
    found: dict[str, list[str]] = {}
    for code in range(0x21, 0x10000):
        sign = chr(code)
        if unicodedata.category(sign)[0] in "LMN":
            found.setdefault(unicodedata.name(sign, "?").split()[0], []).append(sign)
    rng = random.Random(0)
    return {name: "".join(rng.choices(signs, k=8)) for name, signs in found.items()}


SCRIPTS = scripts()
JOINTS = ("", ".", "-", "'", "_", "/", "&", ",", "!", "e'e", "n'", "@", "www.", "<a", "#", ":", "1", "-1")


def test_all_scripts_take_steps_in_proportion_to_the_text() -> None:
    assert {"THAI", "LAO", "MALAYALAM", "DEVANAGARI", "HANGUL", "CJK", "ARABIC"} <= set(SCRIPTS)
    for name, letters in SCRIPTS.items():
        text = letters * 3 + "\u203f"  # a connector, after which no word may end
        try:
            SEARCH.findall(text)
        except TooManySteps as error:
            pytest.fail(f"{name}: {error}")
        assert SEARCH.steps < 600 * len(text), name


@pytest.mark.parametrize("joint", JOINTS)
def test_twice_the_text_takes_about_twice_the_steps(joint: str) -> None:
    for letters in ("a", "กั", "1"):
        counts = []
        for size in (12, 24):
            SEARCH.findall(joint.join([letters] * size) + "_")
            counts.append(SEARCH.steps)
        assert counts[1] < 3 * counts[0], (letters, joint, counts)


def test_the_counted_search_finds_what_the_engine_finds() -> None:
    rng = random.Random(1)
    signs = "aeBt'`,.-_/!:@#$& <>019" + SCRIPTS["THAI"] + SCRIPTS["DEVANAGARI"] + "é한"
    for _ in range(300):
        text = "".join(rng.choices(signs, k=rng.randint(1, 12)))
        assert SEARCH.findall(text) == [match.group() for match in tokenizer.TOKEN.finditer(text)]


PATTERNS = {  # each with the way in which it is applied
    "words": (re.compile(r"[^\W_]+(?:['’-][^\W_]+)*"), Search.findall),  # of doctor.texts and metrics.vqa
    "end of DAQUAR": (question_files.DAQUAR_END, Search.findall),
    "caption line": (sentences.CAPTION_LINE, Search.fullmatch),
    "mark at the start": (rows.MARK_AT_START, Search.match),
    "marking words": (rows.MARKING_WORDS, Search.match),
    "quoted": (columns.QUOTED, Search.match),
    "beginning": (columns.BEGINNING, Search.match),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_other_patterns_that_meet_texts_of_people_are_linear(name: str) -> None:
    """In texts of one piece over and over, the end of which fits nothing."""
    pattern, apply = PATTERNS[name]
    search = Search(pattern, limit=1e6)
    for piece in ("a", " ", "'", "a'", "a-", "#1", "\t", "image1 ", " in the", "<s>", "bos ", "'a',", "\\'", "[", "x#"):
        counts = []
        for size in (60, 120):
            search.steps = 0
            apply(search, piece * size + "\x00")
            counts.append(search.steps)
        assert counts[1] < 2.6 * counts[0] + 50, (piece, counts)


def test_an_ambiguous_pattern_is_found_out() -> None:
    with pytest.raises(TooManySteps):
        Search(re.compile(r"(?:a|aa)+!"), limit=1e5).findall("a" * 40)


def test_a_long_word_without_spaces_is_one_word() -> None:
    word = "สวัสดีชาวโลก" * 500
    assert ptb_tokenize(word) == [word]
