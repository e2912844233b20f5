"""No group is in two splits, whatever the data names and however it is ordered."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers.splits import Splits, split, split_name
from mmtoolkit.records import CaptionRecord


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """Several records share one picture, as in visual question answering."""

    question: str
    picture: str
    split: str | None = None


def captions(count: int, *, name: str | None = None, start: int = 0) -> list[CaptionRecord]:
    return [CaptionRecord(Path(f"{i}.jpg"), f"{i}.jpg", ("a dog",), name) for i in range(start, start + count)]


def ids(part: list[CaptionRecord]) -> set[str]:
    return {record.image_id for record in part}


@pytest.mark.parametrize(
    ("groups", "sizes"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (10, (8, 1, 1)), (100, (80, 10, 10)), (17, (13, 2, 2))]
)
def test_without_splits_the_cut_is_80_10_10(groups, sizes):
    parts = split(captions(groups))
    assert tuple(map(len, parts)) == sizes
    assert {record.split for record in parts.train} == {"train"}
    assert {record.split for record in parts.valid} == {"valid"}
    assert {record.split for record in parts.test} == {"test"}
    assert sorted(ids(parts.train) | ids(parts.valid) | ids(parts.test)) == sorted(ids(captions(groups)))


def test_the_cut_depends_on_the_seed_and_not_on_the_order():
    records = captions(50)
    shuffled = random.Random(5).sample(records, len(records))
    first, second = split(records, seed=3), split(shuffled, seed=3)
    assert [ids(part) for part in first] == [ids(part) for part in second]
    assert split(records, seed=3) == first
    assert ids(split(records, seed=4).valid) != ids(first.valid)
    assert [r.image_id for r in second.train] == [r.image_id for r in shuffled if r.image_id in ids(second.train)]


def test_the_records_given_stay_as_they_were():
    records = captions(5)
    split(records)
    assert [record.split for record in records] == [None] * 5


def test_groups_stay_together_for_any_dataclass():
    questions = [Question(f"what is {i}?", picture=f"{i % 20}.png") for i in range(200)]
    parts = split(questions, by="picture", seed=1)
    pictures = [{question.picture for question in part} for part in parts]
    assert [len(group) for group in pictures] == [16, 2, 2]
    assert sum(map(len, pictures)) == len(set.union(*pictures)) == 20
    assert sum(map(len, parts)) == 200


def test_given_splits_are_kept():
    records = captions(4, name="train") + captions(2, name="dev", start=4) + captions(1, name="test", start=6)
    parts = split(records, seed=9)
    assert isinstance(parts, Splits)
    assert [sorted(ids(part)) for part in parts] == [
        ["0.jpg", "1.jpg", "2.jpg", "3.jpg"],
        ["4.jpg", "5.jpg"],
        ["6.jpg"],
    ]
    assert parts.train == records[:4]
    assert [record.split for record in parts.valid] == ["valid", "valid"]


@pytest.mark.parametrize(("train", "valid"), [(2, 1), (9, 1), (30, 3)])
def test_a_missing_valid_is_cut_from_train_only(train, valid):
    records = captions(train, name="train") + captions(5, name="test", start=train)
    parts = split(records)
    assert tuple(map(len, parts)) == (train - valid, valid, 5)
    assert ids(parts.test) == {f"{i}.jpg" for i in range(train, train + 5)}
    assert {record.split for record in parts.valid} == {"valid"}


def test_a_test_set_alone_stays_whole():
    assert tuple(map(len, split(captions(4, name="test")))) == (0, 0, 4)


@pytest.mark.parametrize(
    ("records", "by", "words"),
    [
        ([], "image_id", "expected records to split. Received: none."),
        (captions(2), "image_id", "at least 3 pictures .* Received: 2"),
        (captions(1, name="train"), "image_id", "at least 2 pictures in train"),
        (captions(5), "imageid", r"Received: 'imageid'\. Did you mean 'image_id'"),
        (captions(3, name="train") + captions(2, start=3), "image_id", "Received: 3 with and 2 without"),
        (captions(3, name="train") + captions(1, name="test"), "image_id", "'0.jpg' in train and in test"),
        (captions(3, name="tran"), "image_id", r"Received: 'tran'\. Did you mean 'train'"),
    ],
)
def test_what_cannot_be_split_is_said(records, by, words):
    with pytest.raises(InputError, match=words):
        split(records, by=by)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("train", "train"),
        ("val", "valid"),
        ("dev", "valid"),
        (" Validation", "valid"),
        ("valid", "valid"),
        ("TEST", "test"),
    ],
)
def test_split_names(given, known):
    assert split_name(given) == known
