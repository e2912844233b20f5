"""The page of a report: what it says, and that it is one file that says nothing wrong about odd texts."""

from __future__ import annotations

import base64
import doctest
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmtoolkit.reports import Look, curves, examples, report_html, report_page

PLAIN = Image.new("RGB", (32, 32), (200, 30, 30))
DOG = {"image_id": "1.jpg", "caption": "a <dog> runs", "references": ["개 & cat", "x"]}
TWO = {"image_id": "a", "question_id": "7", "question": "how many?", "answer": "3", "probability": 0.25}
TWO["references"] = ["2"]
REPORT: dict[str, Any] = {
    "scores": {"BLEU-1": 60.0, "BLEU-4": 20.0, "CIDEr": 0.5},
    "intervals": {"BLEU-4": (18.5, 21.5)},
    "baselines": {"captions of other pictures": {"BLEU-1": 30.0, "BLEU-4": 3.0, "CIDEr": 0.1}},
    "images": 1234,
    "split": "valid",
    "unique_captions": 81.5,
    "unlike": {"share": 2.5, "threshold": 1.2},
    "groups": {
        "right": {"share": 75.0, "examples": [DOG]},
        "unrelated": {"share": 25.0, "examples": []},
    },
    "group_marks": {"right": 1.25},
    "history": {"loss": [3.0, 1.0, 2.0], "val_BLEU-4": [1.0, 20.0, 5.0], "val_seconds": [9.0, 9.0, 9.0]},
    "options": {"seed": 7},
}


def text_of(shown: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<(style|script|svg)\b.*?</\1>|<[^>]*>", " ", shown, flags=re.DOTALL))


def test_it_says_what_the_report_says() -> None:
    text = text_of(report_page(REPORT, "dev", looks={}))
    assert "BLEU-4 20.00 (18.50–21.50) on 1,234 pictures of the valid split" in text
    assert "right: 75.0 %, CIDEr from 1.25" in text and "unrelated: 25.0 %" in text
    assert "a &lt;dog&gt; runs" in text and "people: 개 &amp; cat · x" in text
    assert "2.5 % of the pictures are unlike those of the training" in text
    assert "different captions, of 100 81.5" in text
    assert "loss 3 → 2, best 1 after epoch 2 of 3" in text and "val_seconds" not in text
    assert "options seed 7" in text and "Before and after" not in text and "Kinds of questions" not in text


def test_a_word_has_its_map() -> None:
    """A byte a region: the strongest is 255, others in proportion."""
    grid = np.array([[0.5, 0.25], [0.25, 0.0]], np.float32)
    look = Look(PLAIN, ["a", "<dog>", "runs"], [grid, grid / 3, np.full((2, 2), 0.25, np.float32)])
    shown = report_page(REPORT, "dev", looks={"1.jpg": look})
    maps = [list(base64.b64decode(found)) for found in re.findall(r'data-map="([^"]+)"', shown)]
    assert maps == [[255, 128, 128, 0], [255, 128, 128, 0], [128, 128, 128, 128]]  # even attention: half of the scale
    assert shown.count("data:image/jpeg;base64,") == 1 and ">&lt;dog&gt;</button>" in shown


def test_it_is_one_file() -> None:
    shown = report_page(REPORT, "<b>", looks={"1.jpg": Look(PLAIN, [], [])})
    assert not re.findall(r'(?:src|href)="(?!data:)', shown) and "http" not in shown
    assert "<title>&lt;b&gt;</title>" in shown and "data-map=" not in shown.partition("<script>")[0]


def test_a_fine_tuning_shows_before_after_and_each_stage() -> None:
    tuned = REPORT | {
        "before": {"scores": {"BLEU-1": 10.0, "BLEU-4": 2.0, "CIDEr": 0.05}, "intervals": {}},
        "kept": {when: {"scores": {"BLEU-4": score}} for when, score in (("before", 30.0), ("after", 29.0))},
        "new": {"words": ["cyan", "kite"]},
        "best": "decoder",
        "history": {"decoder": {"loss": [2.0]}, "encoder": {"loss": [1.0]}},
    }
    text = text_of(report_page(tuned, "mine", looks={}))
    assert "BLEU-4 2.00 20.00 (18.50–21.50)" in text and "BLEU-4 on the old data 30.00 29.00" in text
    assert "new words: cyan, kite" in text and "Best state: decoder." in text
    assert "decoder loss 2 → 2" in text and "encoder loss 1 → 1" in text


def test_answers_have_kinds_confusions_and_calibration() -> None:
    report = {
        "scores": {"accuracy": 50.0},
        "gains": {"question only": {"scores": {"accuracy": 12.25}}},
        "questions": 8,
        "images": 4,
        "question_types": {"how many": {"questions": 5, "accuracy": 40.0}},
        "answer_types": {"number": {"questions": 5, "accuracy": 40.0}},
        "confused": [{"right": "2", "given": "3", "questions": 4}],
        "calibration": {"error": 7.5, "bins": [{"answers": 8, "confidence": 57.5, "accuracy": 50.0}]},
        "groups": {"wrong": {"share": 50.0, "examples": [TWO]}},
    }
    grid = np.eye(2, dtype=np.float32)
    shown = report_page(report, "vqa", looks={"7": Look(PLAIN, ["look 1", "3"], [grid, grid])})
    text = text_of(shown)
    assert "accuracy 50.00 on 8 questions about 4 pictures" in text and "12.2 points above question only" in text
    assert "how many 5 40.0" in text and "2 3 4" in text and "58 % 50 % 8" in text and "7.5 points apart" in text
    assert "how many? look 1 3 25 % people: 2" in text and shown.count("data-map=") == 2


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [0.0, 5.0, 3.0]])
def test_curves_stay_in_their_frame(values: list[float]) -> None:
    found = curves.places(values)
    assert all(0 <= x <= curves.WIDTH and 0 <= y <= curves.HEIGHT for x, y in found)
    assert min(found, key=lambda place: place[1]) == found[values.index(max(values))]


@pytest.mark.parametrize("module", [curves, examples, report_html])
def test_examples_in_docstrings(module: Any) -> None:
    assert not doctest.testmod(module).failed
