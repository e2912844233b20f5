"""The share of unique captions, counted by hand."""

from __future__ import annotations

import doctest

import pytest

import mmtoolkit
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import diversity, unique_share


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


def test_the_public_name_is_this_function() -> None:
    assert mmtoolkit.unique_share is unique_share


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(diversity)
    assert result.attempted and not result.failed
