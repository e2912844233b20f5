"""The words of a caption, against what Stanford's tokenizer gives for it in coco-caption."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmtoolkit.metrics import ptb_tokenize

# Every right-hand side is what Stanford CoreNLP 3.4.1 printed for the left one, less the punctuation.
CASES = {
    "contractions": {
        "I don't think it's theirs.": "i do n't think it 's theirs",
        "We'll see; they've gone, he'd say you're I'm": "we 'll see they 've gone he 'd say you 're i 'm",
        "CAN'T WON'T shouldn't've": "ca n't wo n't should n't 've",
        "he cannot, I'm gonna wanna gotta lemme gimme": "he can not i 'm gon na wan na got ta lem me gim me",
        "Cannot CANNOT gonna. cannots": "can not can not gon na cannots",
        "It’s the dog’s, don’t": "it 's the dog 's do n't",
        "dogs' boys' James' boss's": "dogs boys james boss 's",
        "'tis 'Twas 'em 'til rock 'n' roll": "'t is 't was 'em 'til rock 'n' roll",
        "o'clock O'Neil's d'Artagnan ma'am y'all": "o'clock o'neil 's d'artagnan ma'am y' all",
        "the '90s, 80's and 1980's, '14": "the '90s 80 's and 1980 's '14",
        "dont youre cann": "dont youre cann",
    },
    "abbreviations": {
        "Mr. Smith, Mrs. Dr. St. and Jr.": "mr. smith mrs. dr. st. and jr.",
        "I live in the U.S.": "i live in the u.s.",
        "the U.S. Army at 5 a.m. or 7:30 p.m.": "the u.s. army at 5 a.m. or 7:30 p.m.",
        "a U.S.-made car": "a u.s.-made car",
        "balls, bats etc.": "balls bats etc.",
        "cats vs. dogs": "cats vs. dogs",
        "a dog sat. It ran.": "a dog sat it ran",
        "John F. Kennedy": "john f. kennedy",
        "he and I. We go": "he and i we go",
        "No. 5 but no. on a shirt": "no. 5 but no on a shirt",
        "an ill. man, Peoria Ill. and Miss. but a miss. is": "an ill man peoria ill. and miss. but a miss is",
        "tv, T.V. and t.v. on": "tv t.v. and t.v. on",
    },
    "numbers": {
        "1,000 people, 3.5 feet, 1/2 cup .5 -5": "1,000 people 3.5 feet 1/2 cup .5 -5",
        "at 5:55 on 12/25/2014": "at 5:55 on 12/25/2014",
        "a 3.5-inch 10,000-foot 2-year-old 1990s-style": "a 3.5-inch 10,000-foot 2-year-old 1990s-style",
        "$5.00 5% US$5 #7 €5 £5 5¢": "$ 5.00 5 % us$ 5 # 7 $ 5 # 5 5 cents",
        "5'10\" tall": "5 10 tall",
        "½ a cake, 3½": "1/2 a cake 3 1/2",
        "a,5 and v1.2 12:30pm 1+1": "a ,5 and v1 .2 12:30 pm 1 +1",
        "1st 2nd 7ft 1x2": "1st 2nd 7ft 1x2",
    },
    "joined words": {
        "A well-lit, black-and white t-shirt": "a well-lit black-and white t-shirt",
        "a dog - a cat -- a bird—open": "a dog a cat a bird open",
        "refrigerator/freezer and/or n/a w/ it": "refrigerator/freezer and/or n/a w / it",
        "toothpaste,toothbrush red,blue-green": "toothpaste toothbrush red,blue-green",
        "end.Next what?no": "end.next what?no",
        "a_b x=y x*y x+y": "a_b x = y x * y x + y",
        "AT&T and R&B, black&white &amp; b&w": "at&t and r&b black & white & b & w",
        "www.x.com/ab/c, http://x.com/a?b=c.": "www.x.com/ab/c http://x.com/a?b=c",
        "me@x.com @home #tag": "me@x.com @home #tag",
    },
    "punctuation": {
        "\"hello\" 'hello' “hello” ‘hello’ ``hello'' «x»": "hello hello hello hello hello x",
        "wait... wait… wait. . . wait.. wait....": "wait wait wait wait wait",
        "Is it? No! ok; so: yes, no.": "is it no ok so yes no",
        "Is it?! what?? no!!!": "is it ?! what ?? no !!!",
        "(a) [b] {c}": "-lrb- a -rrb- -lsb- b -rsb- -lcb- c -rcb-",
        "a hat(red)and": "a hat -lrb- red -rrb- and",
        "a & b 5° * ~ % / ^": "a & b 5 ° * ~ % / ^",
        "nice :) :-( ;) :D": "nice :-rrb- :--lrb- ;-rrb- :d",
        "<b>text</b> < 3": "<b> text </b> < 3",
    },
    "unicode": {
        "한국어 문장입니다. 고양이가, 앉아 있다!": "한국어 문장입니다 고양이가 앉아 있다",
        "가나's 1개 3.5점 가-나": "가나 's 1개 3.5 점 가-나",
        "A CAFÉ, naïve Ångström ÉCOLE": "a café naïve ångström école",
        "РУССКИЙ 日本語 हिन्दी": "русский 日本語 हिन्दी",
        "a dog😀 and a♥ cat": "a dog and a ♥ cat",
        "two\u00a0dogs\u200b run soft\u00adly": "two dogs run softly",
    },
    "blanks": {"": "", " \t\n ": "", " a  dog\truns\n": "a dog runs", "...": "", ". , ' -": ""},
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(text, words, id=f"{group}: {text}")
        for group, cases in CASES.items()
        for text, words in cases.items()
    ],
)
def test_words_are_the_reference_s(text: str, words: str) -> None:
    assert ptb_tokenize(text) == words.split()


def test_a_letter_ends_the_caption_as_before_the_next_sentence() -> None:
    """Alone, the reference keeps the point of "B."; in a file of captions, where "A …" follows, it does not."""
    assert ptb_tokenize("a sign with the letter B.") == ["a", "sign", "with", "the", "letter", "b"]


def test_real_captions_give_the_reference_tokens(shared: Path) -> None:
    folder = shared / "data" / "coco_caption_eval"
    tokens = json.loads((folder / "fakecap_234_ptb_tokenized.json").read_text(encoding="utf-8"))
    captions = json.loads((folder / "fakecap_234_with_refs.json").read_text(encoding="utf-8"))
    assert len(captions) == 234
    for name, image in captions.items():
        assert [" ".join(ptb_tokenize(image["hyp"]))] == tokens["hyps"][name]
        assert [" ".join(ptb_tokenize(caption)) for caption in image["refs"]] == tokens["refs"][name]


def test_debug_captions_give_the_reference_tokens_without_punctuation(shared: Path) -> None:
    folder = shared / "data" / "coco_caption_eval"
    tokens = json.loads((folder / "debug.tokenized_ref.json").read_text(encoding="utf-8"))
    captions = json.loads((folder / "debug.ref.json").read_text(encoding="utf-8"))
    assert captions.keys() == tokens.keys()
    for name, texts in captions.items():
        expected = [[word for word in caption.split() if word not in {".", ","}] for caption in tokens[name]]
        assert [ptb_tokenize(text) for text in texts] == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="aB.,'-:;()/&$#@<>5 n\u2019\u0301가", max_size=30))
def test_any_text_gives_lower_case_words_without_blanks(text: str) -> None:
    words = ptb_tokenize(text)
    assert all(word and not any(letter.isspace() for letter in word) for word in words)
    assert [word.lower() for word in words] == words
    assert not set(words) & {".", ",", "?", "!", ";", ":", "-", "'", "`", '"'}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["a", "dog", "two", "red", "runs", "of"]), max_size=12))
def test_simple_words_stay_as_they_are(words: list[str]) -> None:
    assert ptb_tokenize(" ".join(words)) == words
    assert ptb_tokenize(", ".join(words)) == words


@pytest.mark.parametrize(
    "piece", ["a.", "a-", "-", "'", "<a", "a,", "1,", "a.1", "A&", "a@", "n'", " ", "?", "a/", "e'e"]
)
def test_long_odd_text_loses_no_letter(piece: str) -> None:
    """And does not hang, as a pattern that backtracks would."""
    text = piece * (4000 // len(piece))
    kept = "".join(ptb_tokenize(text))
    assert [kept.count(letter) for letter in "ae1n"] == [text.lower().count(letter) for letter in "ae1n"]
