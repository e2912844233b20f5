"""`question_dataset`: what the two heads are taught, and an order that is data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.data import batch_plan, question_dataset
from mmtoolkit.errors import InputError
from mmtoolkit.text import PAD

RECORDS = [
    mm.QuestionRecord(Path("0.jpg"), "0", "what is it", ("dog", "dog", "puppy", "zebra"), "q0"),
    mm.QuestionRecord(Path("1.jpg"), "1", "is it a red car now", ("yes",), "q1"),
    mm.QuestionRecord(Path("2.jpg"), "2", "what", ("zebra",), "q2"),
    mm.QuestionRecord(Path("0.jpg"), "0", "what colour is it", ("red, blue",), "q3"),
]
CODEC = mm.TextCodec.fit([record.question for record in RECORDS])
WHOLE = mm.TextCodec.fit(["dog", "puppy", "yes", "red, blue"], level="whole")
WORDS = mm.TextCodec.fit(["dog puppy yes red blue"])


class Numbers:
    """A source whose picture is its file's number."""

    input_name, shape, dtype = "regions", (1, 1), np.dtype("float16")

    def read(self, images: list[Path]) -> np.ndarray:
        return np.array([[[int(image.stem)]] for image in images], "float16")


def batches(answers: mm.TextCodec, **options: Any) -> list[Any]:
    given = {"features": Numbers(), "batch_size": 4, "seed": 0, **options}
    return list(question_dataset(RECORDS, CODEC, answers, **given).as_numpy_iterator())


def test_targets_are_the_shares_of_the_known_answers() -> None:
    """zebra is no known answer: q0 keeps two thirds dog and one third puppy, q2 counts for nothing."""
    ((inputs, targets, weights),) = batches(WHOLE)
    order = [tuple(row[row != PAD]) for row in inputs["question"]]
    at = [order.index(tuple(CODEC.encode(record.question))) for record in RECORDS]
    place = {answer: WHOLE.vocabulary.ids([answer])[0] - 4 for answer in ("dog", "puppy", "yes", "red, blue")}
    expected = np.zeros((4, 4), np.float32)
    expected[at[0], place["dog"]], expected[at[0], place["puppy"]] = 2 / 3, 1 / 3
    expected[at[1], place["yes"]] = expected[at[3], place["red, blue"]] = 1
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    np.testing.assert_allclose(weights[at], [1 / 3, 1 / 3, 0, 1 / 3], atol=1e-6)
    assert inputs["regions"][inputs["image_index"][at], 0, 0].tolist() == [0, 1, 2, 0]


def test_a_written_answer_is_what_most_annotators_gave() -> None:
    ((inputs, targets, weights),) = batches(WORDS)
    order = [tuple(row[row != PAD]) for row in inputs["question"]]
    at = order.index(tuple(CODEC.encode("what is it")))
    assert WORDS.decode(targets[at]) == "dog" and WORDS.decode(inputs["tokens"][at]) == "dog"
    assert WORDS.decode(targets[order.index(tuple(CODEC.encode("what colour is it")))]) == "red blue"
    assert weights.sum() == pytest.approx(1.0)
    known = np.delete(np.arange(4), order.index(tuple(CODEC.encode("what"))))  # zebra is no known word
    assert ((weights[known] > 0) == (targets[known] != PAD)).all()


def test_answers_with_unknown_words_are_not_taught() -> None:
    """`zebra` has no word: q2 counts for nothing, as does an answer without any."""
    ((inputs, targets, weights),) = batches(WORDS)
    order = [tuple(row[row != PAD]) for row in inputs["question"]]
    at = [order.index(tuple(CODEC.encode(record.question))) for record in RECORDS]
    assert (weights[at].sum(axis=1) > 0).tolist() == [True, True, False, True]
    with pytest.raises(InputError, match="known answer"):
        question_dataset(RECORDS, CODEC, mm.TextCodec.fit(["cat"]), features=None)


def test_the_order_is_that_of_the_plan_and_epochs_differ() -> None:
    questions = CODEC.encode_all([record.question for record in RECORDS])
    dataset = question_dataset(RECORDS, CODEC, WHOLE, features=None, batch_size=2, seed=3, epoch=1)
    orders = []
    for epoch in (1, 2):
        owners = [record.image for record in RECORDS]
        plan = batch_plan([0] * 4, owners=owners, batch_size=2, per_group=4, seed=3, epoch=epoch)
        found = [[list(row[row != PAD]) for row in batch[0]["question"]] for batch in dataset.as_numpy_iterator()]
        assert found == [[list(questions[index]) for index in chosen] for chosen in plan]
        orders.append(found)
    assert orders[0] != orders[1]
    assert set(next(iter(dataset))[0]) == {"question"}


def test_questions_about_one_picture_share_it() -> None:
    ((inputs, _, _),) = batches(WHOLE, features=Numbers())
    assert sorted(inputs["regions"].ravel()) == [0, 1, 2]  # each was read once
    owners = {tuple(CODEC.encode(record.question)): float(record.image.stem) for record in RECORDS}
    for question, picture in zip(inputs["question"], inputs["image_index"], strict=True):
        assert inputs["regions"][picture] == owners[tuple(question[question != PAD])]


def test_a_started_epoch_goes_on_where_it_stopped() -> None:
    whole, rest = batches(WHOLE, batch_size=1), batches(WHOLE, batch_size=1, step=3)
    assert len(rest) == 1
    np.testing.assert_array_equal(whole[3][0]["question"], rest[0][0]["question"])
    np.testing.assert_array_equal(whole[3][1], rest[0][1])


def test_long_questions_are_cut() -> None:
    ((inputs, _, _),) = batches(WHOLE, max_question=2)
    assert inputs["question"].shape == (4, 4)  # START, two words, END
    assert (inputs["question"] == 2).sum() == 4


def test_answers_must_be_known() -> None:
    with pytest.raises(InputError, match="at least one question with a known answer. Received: 4 records"):
        question_dataset(RECORDS, CODEC, mm.TextCodec.fit(["cat"], level="whole"), features=None)


@pytest.mark.parametrize("answers", [WHOLE, WORDS], ids=["whole", "written"])
def test_few_shapes_hold_the_same_questions_with_padding(answers: mm.TextCodec) -> None:
    for (inputs, targets, weights), (filled, *others) in zip(
        batches(answers, batch_size=2), batches(answers, batch_size=2, few_shapes=True), strict=True
    ):
        assert filled["question"].shape == (2, 8)
        np.testing.assert_array_equal(filled["regions"], inputs["regions"])
        pairs = [(filled["question"], inputs["question"]), *zip(others, (targets, weights), strict=True)]
        if "tokens" in inputs:
            assert filled["tokens"].shape == others[0].shape == others[1].shape == (2, 8)
            pairs.append((filled["tokens"], inputs["tokens"]))
        for one, other in pairs:
            np.testing.assert_array_equal(one[:, : other.shape[1]] if one.ndim > 1 else one, other)
