"""The four groups of examples: the marks between them are derived by hand from CIDEr."""

from __future__ import annotations

import random
import statistics

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.evaluation.report import by_grade
from mmtoolkit.metrics.cider import cider_by_image
from mmtoolkit.tasks.captioning import caption_grades
from mmtoolkit.tasks.question_answering import answer_grade

SUBJECTS = ["a red dog", "two old men", "the small girl", "a brown horse", "some tall birds", "one yellow boat"]
DEEDS = ["runs on the grass", "sits near a lake", "jumps over the wall", "waits for a bus"]


def corpus(seed: int, pictures: int) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Captions that take their two halves from one of the references, or one from another picture, or neither."""
    chance = random.Random(seed)
    scenes = [(chance.choice(SUBJECTS), chance.choice(DEEDS)) for _ in range(pictures)]
    references = {str(n): [f"{who} {does}", f"{who} there {does} now"] for n, (who, does) in enumerate(scenes)}
    captions = {}
    for n, (who, does) in enumerate(scenes):
        others = scenes[chance.randrange(pictures)]
        captions[str(n)] = [f"{who} {does}", f"{who} {others[1]}", " ".join(others)][n % 3]
    return captions, references


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_marks_and_groups_by_hand(seed: int) -> None:
    captions, references = corpus(seed, 60)
    said, wanted = (
        [text.split() for text in captions.values()],
        [[text.split() for text in texts] for texts in references.values()],
    )
    found, marks = caption_grades(captions, references, seed=seed)
    right, minor, related = marks["right"], marks["minor errors"], marks["related"]
    people = cider_by_image([first for first, _ in wanted], [[second] for _, second in wanted])
    ring = random.Random(seed).sample(range(60), 60)  # each gets the caption of the next one
    after = {ring[n]: ring[(n + 1) % 60] for n in range(60)}
    assert all(n != other for n, other in after.items())
    derangement = cider_by_image([said[after[n]] for n in range(60)], wanted)
    assert related == pytest.approx(np.quantile(derangement, 0.75))
    assert right == pytest.approx(max(statistics.median(people), related)) and minor == (right + related) / 2
    for (name, group), words, others, score in zip(
        found.items(), said, wanted, cider_by_image(said, wanted), strict=True
    ):
        if words in others:
            assert group == "right", name
        elif score <= related:  # function words by hand: of these sentences only "a", "on", "the", "some", "one", "for"
            told, used = (
                {*text} - {"a", "on", "the", "some", "one", "for", "there"} for text in (words, sum(others, []))
            )
            assert group == ("related" if 3 * len(told & used) >= 2 * len(told) else "unrelated"), name
        else:
            assert group == ("related" if score < minor else "minor errors" if score < right else "right"), name
    assert {found[str(n)] for n in range(0, 60, 3)} == {"right"}
    assert len(set(found.values())) >= 3


def test_with_one_reference_each_only_its_repetition_is_right() -> None:
    captions = {"a": "a dog runs fast", "b": "a cat sits there", "c": "two men walk home"}
    found, marks = caption_grades(captions, {"a": ["A dog runs fast."], "b": ["a cat sits down"], "c": ["a boat"]})
    assert found["a"] == "right" and found["b"] != "right" and found["c"] == "unrelated"
    assert marks["right"] == 10.0


REDDISH = "a red circle is above a blue square"


@pytest.mark.parametrize(
    ("caption", "group"),
    [
        ("square blue circle red", "related"),  # all that is said is there; no pair of words is
        ("red circles", "related"),
        ("circle star red", "related"),  # two of three
        ("circle star green red", "unrelated"),  # two of four
        ("this picture shows it", "unrelated"),  # nothing is said
        ("this picture shows two circles and squares", "related"),  # two of three
        ("green star", "unrelated"),
    ],
)
def test_what_people_named_is_never_unrelated(caption: str, group: str) -> None:
    """CIDEr alone would call each of them unrelated: the other captions are all as good as people's."""
    others = {str(n): f"{colour} {kind}" for n, (colour, kind) in enumerate([("tan", "dog"), ("grey", "cat")] * 4)}
    captions = {"it": caption, **others}
    references = {"it": [REDDISH], **{name: [REDDISH] for name in others}}
    found = caption_grades(captions, references).of
    assert found["it"] == group
    assert {found[name] for name in others} == {"unrelated"}


def test_korean_words_are_told_from_those_of_every_sentence() -> None:
    captions = {"a": "원 빨간 있다", "b": "별 초록 그림에 있다"}
    found = caption_grades(captions, {name: ["그림에 빨간 원 하나가 있다"] for name in captions}).of
    assert found == {"a": "related", "b": "unrelated"}


def test_one_picture_alone_has_groups() -> None:
    assert caption_grades({"a": "a dog"}, {"a": ["a dog"]}).of == {"a": "right"}
    assert caption_grades({"a": "a dog"}, {"a": ["a cat"]}).of == {"a": "unrelated"}


@pytest.mark.parametrize(
    ("answers", "given", "group"),
    [
        (["red"], ["Red"], "right"),
        (["2", "3"], ["3", "3", "2"], "partly right"),  # somebody said so
        (["lamp, book"], ["book, chair"], "partly right"),  # a part of it
        (["a", "b", "c", "d", "e"], ["e"], "right among the first five"),
        (["a", "b", "c", "d", "e", "f"], ["f"], "wrong"),
        (["a"], ["b"], "wrong"),
    ],
)
def test_groups_of_answers(answers: list[str], given: list[str], group: str) -> None:
    assert answer_grade([mm.Answer(text, 0.5) for text in answers], given) == group


def test_examples_are_spread_and_shares_are_of_all() -> None:
    rows = [{"id": n, "grade": "even" if n % 2 == 0 else "odd"} for n in range(20)]
    found = by_grade(rows, ["even", "odd", "none"])
    assert {grade: (each["share"], [row["id"] for row in each["examples"]]) for grade, each in found.items()} == {
        "even": (50.0, [0, 4, 10, 14]),
        "odd": (50.0, [1, 5, 11, 15]),
        "none": (0.0, []),
    }
