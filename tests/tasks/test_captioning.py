"""Captions for a whole data set, their scores, and the report."""

from __future__ import annotations

import importlib.metadata
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.evaluation import evaluate, predict, versions
from mmtoolkit.metrics.cider import cider_by_image
from mmtoolkit.tasks import captioning

WRITTEN = ["a red circle", "a blue square is here", "a red circle", "a star", "two green circles are here"]
RECORDS = [
    mm.CaptionRecord(Path(f"{number}.png"), f"id-{number}", references)
    for number, references in enumerate(
        [
            ("a red circle", "one red circle"),
            ("a blue square", "the blue square is here"),
            ("a green circle",),
            ("a star", "one yellow star"),
            ("two green circles are here",),
        ]
    )
]


class Numbers:
    """A source whose picture is its file's number."""

    input_name, shape, dtype = "numbers", (1,), np.int32

    def read(self, images: Sequence[Path]) -> np.ndarray:
        return np.array([[int(image.stem)] for image in images])


class Reciter:
    """Writes the caption of the number it sees, and a worse one after it."""

    decoding = mm.BeamSearch(width=4)

    def __init__(self) -> None:
        self.asked: list[tuple[int, Any]] = []

    def decode(self, inputs: dict[str, np.ndarray], decoding: Any = None) -> list[list[mm.Caption]]:
        (numbers,) = inputs.values()
        self.asked.append((len(numbers), decoding))
        return [[mm.Caption(WRITTEN[n], -0.5), mm.Caption("worse", -1.0)] for n in numbers[:, 0]]


@pytest.fixture
def reciter() -> Any:
    return Reciter()


def test_every_record_gets_its_best_caption_in_batches(reciter: Any) -> None:
    told: list[tuple[int, int]] = []
    search = mm.Greedy()
    found = predict(
        captioning,
        reciter,
        RECORDS,
        source=Numbers(),
        search=search,
        batch_size=2,
        progress=lambda *at: told.append(at),
    )
    captions = {key: best[0].text for key, best in found.items()}
    assert captions == {f"id-{number}": text for number, text in enumerate(WRITTEN)}
    assert reciter.asked == [(2, search), (2, search), (1, search)]
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_the_report_holds_scores_baseline_and_examples(reciter: Any) -> None:
    report = evaluate(captioning, reciter, RECORDS, source=Numbers(), seed=4)
    names = [record.image_id for record in RECORDS]
    references = {record.image_id: record.captions for record in RECORDS}
    ring = random.Random(4).sample(range(5), 5)
    after = {ring[n]: ring[(n + 1) % 5] for n in range(5)}
    shuffled = [WRITTEN[after[n]] for n in range(5)]
    assert all(n != other for n, other in after.items())
    assert list(report)[:3] == ["scores", "intervals", "baselines"]
    assert report["scores"] == mm.score_captions(dict(zip(names, WRITTEN, strict=True)), references)
    baseline = mm.score_captions(dict(zip(names, shuffled, strict=True)), references)
    assert report["baselines"] == {"captions of other pictures": baseline}
    assert baseline["CIDEr"] < report["scores"]["CIDEr"]
    assert (report["images"], report["unique_captions"]) == (5, 80.0)  # four different captions of five
    assert report["decoding"]["name"] == "BeamSearch" and report["decoding"]["width"] == 4
    row = report["rows"][1]
    assert (row["id"], row["group"], row["input"], row["output"]) == ("id-1", "id-1", "", WRITTEN[1])
    assert (row["score"], row["words"], row["right 1-grams"]) == (-0.5, 5, 5)
    assert [row["CIDEr"] for row in report["rows"]] == cider_by_image(
        [text.split() for text in WRITTEN], [[text.split() for text in record.captions] for record in RECORDS]
    )


def test_the_report_says_how_the_captions_are_written(reciter: Any) -> None:
    """By hand: 18 words in five captions, 29 in the eight references; two captions were learnt by heart."""
    report = evaluate(captioning, reciter, RECORDS, source=Numbers(), train_records=RECORDS[:1] + RECORDS[3:4])
    people = [text for record in RECORDS for text in record.captions]
    assert (report["mean_words"], report["repeated_captions"]) == (18 / 5, 0)
    assert report["reference_words"] == sum(len(text.split()) for text in people) / 8
    assert report["learnt_captions"] == 60  # "a red circle" twice, "a star"
    assert "learnt_captions" not in evaluate(captioning, reciter, RECORDS, source=Numbers())


def test_the_report_says_how_sure_and_how_its_scores_are(reciter: Any) -> None:
    report = evaluate(captioning, reciter, RECORDS, source=Numbers())
    references = {record.image_id: record.captions for record in RECORDS}
    assert report["intervals"] == mm.confidence_intervals(dict(zip(references, WRITTEN, strict=True)), references)
    assert list(report["intervals"]) == list(report["scores"])
    assert "|images:5|references:1-2|bootstrap:1000|level:95|seed:0|" in report["signature"]


def test_scores_are_percentages(reciter: Any) -> None:
    """BLEU-1 by hand: of all 18 words only the third caption's `red` is in none of its references."""
    report = evaluate(captioning, reciter, RECORDS, source=Numbers())
    words = sum(len(text.split()) for text in WRITTEN)
    assert words == 18
    assert report["scores"]["BLEU-1"] == pytest.approx(100 * 17 / 18)


def test_a_named_search_is_used_and_reported(reciter: Any) -> None:
    report = evaluate(captioning, reciter, RECORDS, source=Numbers(), search=mm.Greedy())
    assert report["decoding"] == {"name": "Greedy"}
    assert reciter.asked == [(5, mm.Greedy())]


def test_every_group_of_a_long_data_set_shows_some_examples(reciter: Any) -> None:
    """Every fifth picture is one circle, of which alone the caption is right."""
    others = ["a dog runs", "a green field of corn", "the old man waits", "six tall trees near houses"]
    records = [
        mm.CaptionRecord(Path(f"{n % 5 and 1}.png"), str(n), ("a red circle" if n % 5 == 0 else others[n % 5 - 1],))
        for n in range(60)
    ]
    report = evaluate(captioning, reciter, records, source=Numbers())
    assert {name: group["share"] for name, group in report["groups"].items()} == {
        "right": 20.0,
        "minor errors": 0.0,
        "related": 0.0,
        "unrelated": 80.0,
    }
    assert [example["id"] for example in report["groups"]["right"]["examples"]] == ["0", "15", "30", "45"]
    assert report["images"] == 60 and [rows for rows, _ in reciter.asked] == [50, 10]


def test_nothing_to_evaluate_is_said(reciter: Any) -> None:
    with pytest.raises(mm.InputError, match="at least one"):
        evaluate(captioning, reciter, [], source=Numbers())


def test_versions_are_those_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions()
    assert found["keras"] == importlib.metadata.version("keras") and found["mmtoolkit"] == mm.__version__
    assert {"python", "machine", "tensorflow", "numpy", "gensim", "backend"} <= set(found)

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert versions()["tensorflow-text"] == "not installed"
