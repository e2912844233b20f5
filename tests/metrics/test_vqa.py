"""The official VQA accuracy with its quirks, and exact match; every expected number is worked out by hand."""

from __future__ import annotations

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.metrics import answer_kind, is_match, most_frequent_answer, question_kind, score_answers, vqa_accuracy
from mmtoolkit.metrics.vqa import CONTRACTIONS, plain_answer


@pytest.mark.parametrize(("matches", "expected"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (9, 1.0)])
def test_each_annotator_is_left_out_in_turn(matches: int, expected: float) -> None:
    """Of m who agree each sees m - 1 others, each of 10 - m sees m: (m min(1, (m-1)/3) + (10-m) min(1, m/3)) / 10."""
    given = ["red"] * matches + [f"other {number}" for number in range(10 - matches)]
    assert vqa_accuracy("red", given) == pytest.approx(expected)


def test_where_all_agree_nothing_is_made_plain() -> None:
    assert vqa_accuracy("dog", ["The dog"] * 10) == 0.0
    assert vqa_accuracy("The dog", ["The dog"] * 10) == 1.0
    assert vqa_accuracy("dog", ["The dog"] * 9 + ["cat"]) == 1.0  # one who differs, and all are made plain


def test_line_ends_and_tabs_are_blanks_even_where_all_agree() -> None:
    assert vqa_accuracy("a\tdog\n", ["a dog"] * 10) == 1.0


def test_none_is_nought_and_numbers_are_figures() -> None:
    assert vqa_accuracy("0", ["none"] * 5 + ["zero"] * 4 + ["one"]) == 1.0
    assert [
        plain_answer(word)
        for word in ["none", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    ] == [*("0", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")]
    assert plain_answer("eleven") == "eleven"


def test_contractions_get_their_apostrophe_back() -> None:
    assert plain_answer("it isnt, he doesnt") == "it isn't he doesn't"
    assert plain_answer("couldn'tve") == plain_answer("couldnt've") == "couldn't've"
    assert plain_answer("its hell") == "its hell"  # real words are left alone
    assert plain_answer("somebody'd") == "somebodyd"  # the evaluator's own misprint
    assert CONTRACTIONS["yall'd've"] == CONTRACTIONS["y'alld've"] == CONTRACTIONS["y'all'dve"] == "y'all'd've"
    assert "couldntve" not in CONTRACTIONS  # both left out: not known


def test_articles_go_and_letters_become_small() -> None:
    assert plain_answer("A man on THE left of an Oak") == "man on left of oak"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes/no", "yes no"),  # no blank beside the mark: it becomes one
        ("yes / no", "yes no"),  # a blank beside it: it vanishes
        ("1,000", "1000"),  # a comma in a number makes every mark vanish
        ("1,000/day", "1000day"),
        ("red,blue", "red blue"),
        ("red, blue", "red blue"),
        ("red-blue, green-white", "red blue green white"),  # the comma has a blank beside it, the hyphens have none
        ("what?", "what"),
        ("it's", "it's"),  # an apostrophe is no mark
    ],
)
def test_marks_vanish_or_become_blanks(text: str, expected: str) -> None:
    assert plain_answer(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.5", "3.5"), ("3.", "3"), (".5", ".5"), ("st. john", "st john"), ("p.m.", "pm"), ("a.b", "ab")],
)
def test_a_period_stays_before_a_digit_only(text: str, expected: str) -> None:
    assert plain_answer(text) == expected


def test_no_more_than_32_periods_are_taken_out() -> None:
    assert plain_answer("x" + "." * 32) == "x"
    assert plain_answer("x" + "." * 40) == "x" + "." * 8


def test_a_single_annotator_leaves_nobody_to_agree_with() -> None:
    assert vqa_accuracy("red", ["red"]) == 0.0
    assert score_answers({1: "red"}, {1: ["red"]}) == {"accuracy": 100.0}  # so it is not reported then


def test_scores_are_means_over_the_questions() -> None:
    given = {1: ["red"] * 2 + ["blue"] * 8, 2: ["2"] * 10}
    assert score_answers({1: "red", 2: "two"}, given) == pytest.approx({"accuracy": 0.0, "vqa_accuracy": 30.0})
    assert score_answers({1: "blue", 2: "2"}, given) == pytest.approx({"accuracy": 100.0, "vqa_accuracy": 100.0})


def test_answers_with_commas_are_sets() -> None:
    assert is_match("lamp,  Book", "book,lamp") and is_match("빨간색", "빨간색")
    assert not is_match("lamp", "book, lamp") and not is_match("book lamp", "book, lamp")


def test_the_usual_answer_is_the_most_frequent_and_then_the_first() -> None:
    assert most_frequent_answer(["b", "a", "a"]) == "a"
    assert most_frequent_answer(["b", "a"]) == "b"


def test_kinds_of_questions_and_answers() -> None:
    assert question_kind("How many chairs?") == question_kind("how many lamps?") == "how many"
    assert question_kind("별은 어디에 있나요?") == "별은 어디에" and question_kind("?") == ""
    assert [answer_kind(answer) for answer in ("Yes", "아니요", "two", "12", "red")] == [
        *("yes/no", "yes/no", "number", "number", "other")
    ]


@pytest.mark.parametrize(
    ("answers", "given", "told"),
    [
        ({}, {}, "Received: nothing on one side only"),
        ({1: "red"}, {1: ["red"], 2: ["blue"]}, "Received: 2 on one side only"),
        ({1: "red", 3: "x"}, {1: ["red"]}, "Received: 3 on one side only"),
        ({1: "red"}, {1: []}, "Received: none for 1"),
    ],
)
def test_both_sides_must_have_the_same_questions(answers: dict, given: dict, told: str) -> None:
    with pytest.raises(InputError, match=told):
        score_answers(answers, given)
