"""The frame of every page: its language, its style sheet, and fixed words in both languages."""

from __future__ import annotations

import re
import string

import pytest

from mmtoolkit.html import Words, bars, contents, page, sections, shares
from mmtoolkit.html.fixed_words import KOREAN
from mmtoolkit.html.page import STYLE
from mmtoolkit.scripts import is_korean


def fields(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)


@pytest.mark.parametrize("text", KOREAN)
def test_a_translation_has_the_fields_of_its_text_and_is_korean(text: str) -> None:
    assert fields(text) == fields(KOREAN[text])
    assert re.search("[가-힣]", KOREAN[text])


def test_what_is_not_translated_stays_and_values_are_not_read_as_templates() -> None:
    assert Words("ko")("ROUGE-L") == "ROUGE-L" and Words("en")("Scores") == "Scores"
    assert Words("ko")("people: {texts}", texts="{0} {x}") == "사람: {0} {x}"


@pytest.mark.parametrize(
    ("texts", "korean"),
    [
        (["빨간 원이 있다"], True),
        (["\u1112\u1161\u11ab\u1100\u1173\u11af"], True),  # letters apart
        (["YOLO로 찾은 강아지 두 마리와 고양이"], True),
        (["a red circle", "원"], False),
        (["赤い丸"], False),
        (["123 !"], False),
        ([], False),
    ],
)
def test_korean_is_told_by_its_letters(texts: list[str], korean: bool) -> None:
    assert is_korean(texts) is korean


def test_a_page_has_its_language_and_asks_for_nothing() -> None:
    shown = page("<제목>", "", language="ko")
    assert shown.startswith('<!doctype html><html lang="ko">') and "<h1>&lt;제목&gt;</h1>" in shown
    style = STYLE.read_text(encoding="utf-8")
    assert style in shown and not re.search(r"url\(|@import|https?:|</", style)
    assert "prefers-color-scheme:dark" in style


def luminance(colour: str) -> float:
    """Of WCAG 2.1."""
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_can_be_read(scheme: int) -> None:
    """WCAG 2.1, level AA: a contrast of 4.5 of every colour of letters on both grounds."""
    found = re.findall(r":root\{(.*?)\}", STYLE.read_text(encoding="utf-8"), flags=re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+):#(\w+)", found))
    pairs = [
        (ink, ground) for ink in ("ink", "soft", "bad", "odd", "good", "main", "other") for ground in ("paper", "card")
    ]
    for ink, ground in [*pairs, ("main-ink", "main")]:
        one, two = sorted((luminance(colours[ink]), luminance(colours[ground])))
        assert (two + 0.05) / (one + 0.05) >= 4.5, (ink, ground)


def test_contents_name_the_parts_that_there_are() -> None:
    parts = [("<A>", "<p>a"), ("B", ""), ("C", "c")]
    assert contents(parts, "all").count("<a ") == 2 and sections(parts).count("<section") == 2
    assert "<a href=#part2>C</a>" in contents(parts, "all") and "<section id=part2><h2>C</h2>c" in sections(parts)
    assert "&lt;A&gt;" in sections(parts)


def test_bars_are_as_long_as_their_values() -> None:
    drawn = bars([("<a>", 5.0, "5", ""), ("b", 20.0, "20", "n = 2"), ("c", 99.0, "99", "")], 20, own=1)
    assert re.findall(r'<rect( class=own)? width="([^"]+)"', drawn) == [
        ("", "25.0"),
        (" class=own", "100.0"),
        ("", "100.0"),
    ]
    assert "&lt;a&gt;" in drawn and "<a>" not in drawn


def test_shares_fill_the_whole_in_their_order() -> None:
    drawn = re.findall(r'x="([^"]+)" width="([^"]+)"', shares({"right": 62.5, "none": 0.0, "wrong": 37.5}))
    assert [tuple(map(float, each)) for each in drawn] == [(0, 62.5), (62.5, 0), (62.5, 37.5)]
