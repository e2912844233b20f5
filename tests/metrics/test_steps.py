"""Tokenising takes time in proportion to the text, whatever its script."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest
from backtracking import Search, TooManySteps

from mmtoolkit.metrics import ptb_tokenize, tokenizer

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


def test_an_ambiguous_pattern_is_found_out() -> None:
    with pytest.raises(TooManySteps):
        Search(re.compile(r"(?:a|aa)+!"), limit=1e5).findall("a" * 40)


def test_a_long_word_without_spaces_is_one_word() -> None:
    word = "สวัสดีชาวโลก" * 500
    assert ptb_tokenize(word) == [word]
