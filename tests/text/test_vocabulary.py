"""The vocabulary: special ids, order, errors."""

from __future__ import annotations

import re

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.text import END, PAD, START, UNK, Vocabulary
from mmtoolkit.text.vocabulary import SPECIAL

SENTENCES = ["b a c", "b a", "b d é", "Z"]


def test_the_special_ids_are_the_first_four_and_distinct() -> None:
    words = Vocabulary.count(SENTENCES)
    assert (PAD, START, END, UNK) == (0, 1, 2, 3)
    assert [words.tokens[i] for i in (PAD, START, END, UNK)] == ["[PAD]", "[START]", "[END]", "[UNK]"]


def test_order_is_by_count_then_by_code_point() -> None:
    assert Vocabulary.count(SENTENCES).tokens[4:] == ("b", "a", "Z", "c", "d", "é")


def test_the_order_of_the_sentences_does_not_matter() -> None:
    assert Vocabulary.count(SENTENCES) == Vocabulary.count(SENTENCES[::-1])


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"min_count": 2}, ("b", "a")),
        ({"min_count": 3}, ("b",)),
        ({"max_size": 6}, ("b", "a")),
        ({"max_size": 4}, ()),
        ({"max_size": 2}, ()),
        ({"min_count": 3, "max_size": 100}, ("b",)),
    ],
)
def test_rare_tokens_are_left_out(options: dict[str, int], left: tuple[str, ...]) -> None:
    assert Vocabulary.count(SENTENCES, **options).tokens[4:] == left


def test_sentences_may_be_split_already() -> None:
    assert Vocabulary.count([["New York", "a"], ["a"]]).tokens[4:] == ("a", "New York")


def test_counts_make_the_same_vocabulary() -> None:
    counts = {"c": 1, "b": 3, "d": 1, "a": 2, "é": 1, "Z": 1}
    assert Vocabulary.from_counts(counts) == Vocabulary.count(SENTENCES)


def test_ids_and_tokens_are_each_other_s_inverse() -> None:
    words = Vocabulary.count(SENTENCES)
    assert words.ids(words.tokens) == list(range(len(words))) == list(range(10))
    assert [words.tokens[words.id_of[token]] for token in words.tokens] == list(words.tokens)


def test_unknown_tokens_become_unk() -> None:
    assert Vocabulary.count(["a dog", "a cat"]).ids(["a", "bird", "A"]) == [4, UNK, UNK]


def test_a_special_token_in_the_text_stays_one_of_the_first_four() -> None:
    words = Vocabulary.count(["[END] a [PAD]"])
    assert words.tokens == (*SPECIAL, "a")


def test_the_special_tokens_must_come_first() -> None:
    with pytest.raises(InputError, match=r"begins with .*Received: \('a', 'b'\)"):
        Vocabulary(("a", "b"))


def test_a_token_may_not_come_twice() -> None:
    with pytest.raises(InputError, match=re.escape("Received twice: ['[UNK]', 'a']")):
        Vocabulary((*SPECIAL, "a", "b", "a", "[UNK]"))
