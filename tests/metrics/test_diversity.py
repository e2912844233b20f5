"""How varied captions are and how long, counted by hand."""

from __future__ import annotations

import pytest

import mmtoolkit
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import broken_share, known_share, mean_words, repeated_share, unique_share


@pytest.mark.parametrize(
    ("captions", "share"),
    [
        (["a", "b", "a", "c", "a"], 60),  # a, b, c of five
        (["a dog", "a dog."], 100),  # letter for letter
        (["a"] * 8, 12.5),
        (["", ""], 50),
        (["한", "\u1112\u1161\u11ab"], 100),  # composed and decomposed
    ],
)
def test_by_hand(captions: list[str], share: float) -> None:
    assert unique_share(captions) == share
    assert unique_share(dict(enumerate(captions)).values()) == share


def test_nothing_has_no_share() -> None:
    with pytest.raises(InputError, match="at least one caption"):
        unique_share([])


@pytest.mark.parametrize(
    ("captions", "share"),
    [
        (["a dog on a dog", "a dog and a cat"], 50),  # "a dog" twice; no pair twice
        (["dog dog dog"], 100),  # "dog dog" twice
        (["dog dog"], 0),
        (["A dog, a dog."], 100),  # without punctuation and letter case
        (["a", "", "a b", "b a b a"], 25),
    ],
)
def test_captions_that_repeat_themselves(captions: list[str], share: float) -> None:
    assert repeated_share(captions) == share


def test_captions_learnt_by_heart() -> None:
    known = ["A man rides a horse.", "두 사람이 걷는다"]
    said = ["a man rides a horse", "a man rides", "두 사람이 걷는다 .", "a horse rides a man"]
    assert known_share(said, known) == 50
    assert known_share(said, []) == 0


def test_the_mean_length_counts_words_only() -> None:
    assert mean_words(["A dog runs, fast.", "a dog", ""]) == 2


def test_captions_that_break_off() -> None:
    captions = ["a man in a", "A man in a hat.", "a dog jumps over .", "two boys are", "a dog jumps up", ""]
    assert broken_share(captions) == 50.0


@pytest.mark.parametrize(
    "measure", [broken_share, repeated_share, mean_words, lambda captions: known_share(captions, ["a"])]
)
def test_nothing_has_no_measure(measure: object) -> None:
    with pytest.raises(InputError, match="at least one caption. Received: none"):
        measure([])  # type: ignore[operator]


def test_the_public_name_is_this_function() -> None:
    assert mmtoolkit.unique_share is unique_share
