"""The report on answers: scores, baselines and kinds, from a model whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.evaluation import evaluate, predict
from mmtoolkit.models.companions import Companions
from mmtoolkit.tasks import question_answering
from mmtoolkit.tasks.question_answering import deranged_images, most_frequent_answers

ASKED = ["how many dogs?", "how many cats?", "what is it?", "is it red?"]
GIVEN = [("2", "2", "3"), ("3", "3", "3"), ("dog", "dog", "cat"), ("yes", "no", "yes")]
SAID = ["2", "2", "dog", "no"]  # right, wrong, right, wrong
RECORDS = [
    mm.QuestionRecord(Path(f"{number // 2}.jpg"), str(number // 2), question, answers, f"q{number}")
    for number, (question, answers) in enumerate(zip(ASKED, GIVEN, strict=True))
]


class Numbers:
    """A source whose picture is its file's number."""

    input_name, shape, dtype = "numbers", (1,), np.int32

    def read(self, images: Sequence[Path]) -> np.ndarray:
        return np.array([[int(image.stem)] for image in images])


class Reciter:
    """Gives its answer to a question about the right picture, and "what?" to one about another."""

    card: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    companions = Companions()
    decoder = None
    answers_codec = mm.TextCodec.fit(["2", "3", "dog"], level="whole")

    def __init__(self, *, question_only: bool = False) -> None:
        self.question_only, self.batches = question_only, list[int]()
        self.uses_images = not question_only

    def best(self, top: int) -> Any:
        return top

    def inputs_for(self, images: Sequence[Path], questions: Sequence[str], source: Any) -> dict[str, Any]:
        assert self.question_only == (source is None)
        pictures = (
            [question // 2 for question in map(ASKED.index, questions)] if source is None else source.read(images)[:, 0]
        )
        return {"pictures": pictures, "questions": [ASKED.index(question) for question in questions]}

    def decode(self, inputs: dict[str, Any], top: int) -> list[list[mm.Answer]]:
        self.batches.append(len(inputs["questions"]))
        said = "yes" if self.question_only else None
        return [
            [mm.Answer(said or (SAID[q] if p == q // 2 else "what?"), 0.5), mm.Answer("worse", 0.1)][:top]
            for p, q in zip(inputs["pictures"], inputs["questions"], strict=True)
        ]


def test_every_question_is_answered_in_batches() -> None:
    told: list[tuple[int, int]] = []
    model: Any = Reciter()
    found = predict(
        question_answering,
        model,
        RECORDS,
        source=Numbers(),
        search=model.best(2),
        batch_size=3,
        progress=lambda *at: told.append(at),
    )
    assert {key: best[0].text for key, best in found.items()} == {
        f"q{number}": text for number, text in enumerate(SAID)
    }
    assert model.batches == [3, 1] and told == [(3, 4), (4, 4)] and len(found["q0"]) == 2


def test_usual_answers_of_each_kind() -> None:
    """Of what most annotators said: 2, 3, dog, yes; letter case, blanks and the order of sets apart."""
    assert most_frequent_answers(RECORDS) == {"": "2", "how many": "2", "what is": "dog", "is it": "yes"}
    spelt = ["b, a", "dog", "A,b"]
    records = [mm.QuestionRecord(Path("0.jpg"), "0", "what?", (text,), text) for text in spelt]
    assert most_frequent_answers(records) == {"": "b, a", "what": "b, a"}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    model: Any = Reciter()
    baseline: Any = Reciter(question_only=True)
    model.companions = Companions({"question_only": baseline})
    model.baselines = question_answering.fit_baselines(RECORDS)
    return evaluate(question_answering, model, RECORDS, source=Numbers())


def test_scores_by_hand(report: dict[str, Any]) -> None:
    """Three annotators. q0 says 2: two of them see one other, one sees two: (1/3 + 1/3 + 2/3) / 3 = 4/9; q2 the same;
    q1 is unanimous and wrong; q3 says no: who said so sees nobody, the two others see one: (0 + 1/3 + 1/3) / 3.
    """
    assert list(report)[0] == "scores"
    assert report["scores"] == pytest.approx({"accuracy": 50.0, "vqa_accuracy": 100 * (4 / 9 + 4 / 9 + 2 / 9) / 4})
    low, high = report["intervals"]["accuracy"]
    assert low == high == 50.0  # each of the two pictures has one right and one wrong


def test_baselines_by_hand(report: dict[str, Any]) -> None:
    baselines = {name: scores["accuracy"] for name, scores in report["baselines"].items()}
    assert baselines == {
        "most frequent answer": 25.0,  # 2: q0 alone
        "most frequent answer per question type": 75.0,  # 2, 2, dog, yes
        "question only": 25.0,  # yes: q3 alone
        "pictures of other questions": 0.0,
    }
    gains = {name: points["scores"]["accuracy"] for name, points in report["gains"].items()}
    assert gains == {"question only": 25.0, "pictures of other questions": 50.0}
    assert report["gains"]["question only"]["intervals"]["accuracy"] == (0.0, 50.0)  # pictures: +50 points, and 0


def test_kinds_and_coverage(report: dict[str, Any]) -> None:
    types = {name: (kind["questions"], kind["accuracy"]) for name, kind in report["question_types"].items()}
    assert types == {"how many": (2, 50.0), "what is": (1, 100.0), "is it": (1, 0.0)}
    kinds = {name: (kind["questions"], kind["accuracy"]) for name, kind in report["answer_types"].items()}
    assert kinds == {"number": (2, 50.0), "other": (1, 100.0), "yes/no": (1, 0.0)}
    assert report["coverage"] == 75.0  # yes is no known answer
    assert (report["questions"], report["images"]) == (4, 2)
    assert report["rows"][0]["output"] == "2" and report["rows"][0]["accuracy"] == 1.0


def test_wrong_answers_are_counted_in_pairs_and_by_probability(report: dict[str, Any]) -> None:
    """q1 and q3 are wrong; all answers have probability 0.5, and half of them are right."""
    wrong = [(RECORDS[n].answers[0], SAID[n]) for n in (1, 3)]
    assert [(each["right"], each["given"], each["questions"]) for each in report["confused"]] == [
        (*pair, 1) for pair in wrong
    ]
    assert report["calibration"] == {"error": 0.0, "bins": [{"answers": 4, "confidence": 50.0, "accuracy": 50.0}]}


def test_no_picture_stays_in_its_place() -> None:
    records = [mm.QuestionRecord(Path(f"{n}.jpg"), str(n), "what?", ("x",), str(n)) for n in range(50)]
    for seed in range(5):
        mixed = deranged_images(records, seed)
        assert all(a.image != b.image for a, b in zip(records, mixed, strict=True))
        assert sorted(record.image for record in mixed) == sorted(record.image for record in records)
        assert [record.question_id for record in mixed] == [record.question_id for record in records]


def test_presets_of_version_0_1_have_their_answers_in_the_card() -> None:
    model: Any = Reciter()
    model.card = {"usual_answers": most_frequent_answers(RECORDS)}
    baselines = evaluate(question_answering, model, RECORDS, source=Numbers())["baselines"]
    assert baselines["most frequent answer"]["accuracy"] == 25.0 and "question only" not in baselines


def test_an_id_is_a_number_only_where_it_is_the_same_as_one() -> None:
    """VQA's are; of GQA's 01827492 and 1827492 neither may become the other."""
    ids = ["7", "07", "0", "00", "-3", "262148000", "01827492", "1827492", "a7", "7.0", "٧", " 7", "9" * 5000, "-0"]
    rows = mm.question_answering.results({key: [mm.Answer("red", 0.9)] for key in ids})
    numbers = [row["question_id"] for row in rows]
    assert [number for number in numbers if isinstance(number, int)] == [7, 0, -3, 262148000, 1827492]
    assert [str(number) for number in numbers] == ids


@pytest.mark.parametrize("kept", ["yes", [1], 5, {"": 5}, {"how many": "2"}, {"": "yes", "how many": ["2"]}])
def test_what_stands_for_the_most_frequent_answers_of_a_preset_is_checked(kept: Any) -> None:
    from types import SimpleNamespace

    from mmtoolkit.tasks.question_answering import most_frequent_kept

    with pytest.raises(mm.InputError, match="in the baselines.json of the preset"):
        most_frequent_kept(SimpleNamespace(baselines={"most_frequent_answers": kept}, card={}))  # type: ignore[arg-type]


def test_a_preset_without_the_most_frequent_answers_has_none() -> None:
    from types import SimpleNamespace

    from mmtoolkit.tasks.question_answering import most_frequent_kept

    assert most_frequent_kept(SimpleNamespace(baselines={"other": 1}, card={})) is None  # type: ignore[arg-type]
    old = SimpleNamespace(baselines={}, card={"usual_answers": {"": "yes"}})
    assert most_frequent_kept(old) == {"": "yes"}  # type: ignore[arg-type]
