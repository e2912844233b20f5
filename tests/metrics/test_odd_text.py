"""Text as people and scrapers leave it: a number, whatever it holds."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmtoolkit.metrics import confidence_intervals, ptb_tokenize, score_captions, signature, unique_share

ODD = {
    "tabs": "a\tdog\t\truns",
    "no-break spaces": "a\u00a0dog\u202fruns",
    "zero width": "a\u200b dog\u200d\ufeff runs\u2060",
    "curly quotes": "\u201ca dog\u2019s ball\u201d \u2018runs\u2019",
    "emoji": "a dog 🐕 runs 👨‍👩‍👧 🇰🇷 ❤️",
    "hangul": "강아지가 달린다",
    "decomposed hangul": "\u1100\u1161\u11bc\u110b\u1161\u110c\u1175",
    "nothing": "",
    "blanks": " \t \u3000 ",
    "punctuation": ".,;:!? -- ... \"\" '' `` — …",
    "brackets": "([{<>}])",
    "windows lines": "a dog\r\nruns\r",
    "other line ends": "a\u2028dog\u0085runs\x0b\x0c",
    "control signs": "a\x00dog\x1b[31m\x7f",
    "lone surrogates": "a \ud800 dog \udfff",
    "right to left": "\u202eكلب يجري\u202c",
    "combining": "a\u0301\u0301\u0301 d\u0323og",
    "markup": "<b>a dog</b> &amp; &lt;i&nbsp;&#39;",
    "protocol": "SCORE ||| a ||| b",
}
LONG = {
    "words": "a dog runs " * 20_000,
    "one word": "a" * 200_000,
    "hangul": "가" * 100_000,
    "marks": "!" * 100_000,
    "hyphens": "_-" * 50_000,
    "dots": "a.b" * 30_000,
    "addresses": "a+b." * 25_000,
    "tags": "<a " * 30_000,
}


def is_number(score: float) -> bool:
    return isinstance(score, float) and math.isfinite(score) and 0 <= score <= 100.000001


@pytest.mark.parametrize("tokenize", ["ptb", "none"])
@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_text_gives_numbers(text: str, tokenize: str) -> None:
    for said, wanted in [(text, "a dog runs"), ("a dog runs", text), (text, text)]:
        hypotheses, references = {1: said, 2: "a cat sits"}, {1: [wanted, "dogs run"], 2: ["the cat sits down"]}
        scores = score_captions(hypotheses, references, tokenize=tokenize)
        assert all(map(is_number, scores.values())), scores
        for low, high in confidence_intervals(hypotheses, references, tokenize=tokenize, resamples=20).values():
            assert is_number(low) and is_number(high) and low <= high
        assert unique_share(hypotheses.values()) in (50, 100)
        assert "images:2" in signature(references.values(), tokenize=tokenize)


def test_spacing_does_not_count() -> None:
    """Tabs, no-break spaces, zero-width signs, line ends and curly quotes change no word of a caption."""
    plain = {1: "a dog's ball runs", 2: "a cat sits"}
    odd = {1: "\ufeffa\tdog\u2019s\u00a0 ball\u200b runs\r\n", 2: "  a cat\u3000sits "}
    references = {1: ["the dog's ball", "a ball runs"], 2: ["a cat sits down"]}
    assert score_captions(odd, references) == score_captions(plain, references)


def test_korean_words_are_scored_like_any_others() -> None:
    """강아지가 is right, 뛴다 is wrong: half of the words, as dog runs against dog sits."""
    korean = score_captions({1: "강아지가 뛴다.", 2: "고양이"}, {1: ["강아지가 달린다"], 2: ["새"]})
    english = score_captions({1: "dog runs.", 2: "cat"}, {1: ["dog sits"], 2: ["bird"]})
    assert korean == english
    assert korean["BLEU-1"] == pytest.approx(100 / 3)


@pytest.mark.parametrize("nothing", ["", "   ", "...", "😀", "\u200b"])
def test_nothing_said_scores_0(nothing: str) -> None:
    references = {name: ["a dog runs", "the dog"] for name in range(5)}
    assert set(score_captions(dict.fromkeys(range(5), nothing), references).values()) == {0.0}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_very_long_lines_end(text: str) -> None:
    started = time.process_time()
    scores = score_captions({1: text, 2: "a cat"}, {1: [text], 2: ["the cat"]})
    assert all(map(is_number, scores.values()))
    assert time.process_time() - started < 20


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.text(), st.lists(st.text(), min_size=1, max_size=3)), min_size=1, max_size=4))
@example([("\ud800", ["\udfff"])])
def test_any_text_gives_numbers(images: list[tuple[str, list[str]]]) -> None:
    hypotheses = {number: said for number, (said, _) in enumerate(images)}
    references = {number: wanted for number, (_, wanted) in enumerate(images)}
    assert all(map(is_number, score_captions(hypotheses, references).values()))
    assert not any(set(word) & set(" \t\r\n") for said in hypotheses.values() for word in ptb_tokenize(said))
