"""The page of a report: what it says, and that it is one file that says nothing wrong about odd texts."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.html import Words
from mmtoolkit.records import CaptionRecord, is_inside
from mmtoolkit.reports import charts, curves, files, report_page, views
from mmtoolkit.task import Diagonal, MatrixView, PictureView, SeriesView, WordsView
from mmtoolkit.tasks import captioning, question_answering

PLAIN = np.full((32, 32, 3), (200, 30, 30), np.uint8)
DOG = {"id": "1.jpg", "group": "1.jpg", "input": "", "output": "a <dog> runs", "score": -1.5}
DOG["references"] = ["개 & cat", "x"]
TWO = {"id": "7", "group": "a", "input": "how many?", "output": "3", "score": 0.25, "references": ["2"]}
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
    text = text_of(report_page(captioning, REPORT, "dev", views_of={}))
    assert "BLEU-4 20.00 (18.50–21.50) on 1,234 images of the valid split" in text
    assert "right: 75.0 %, CIDEr from 1.25" in text and "unrelated: 25.0 %" in text
    assert "a &lt;dog&gt; runs" in text and "people: 개 &amp; cat · x" in text
    assert "2.5 % of the pictures are unlike those of the training" in text
    assert "different captions, of 100 81.5" in text
    assert "loss training: 3 → 2, best 1 after epoch 2 of 3" in text and "val_seconds" not in text
    assert "BLEU-4 validation: 1 → 5, best 20 after epoch 2 of 3" in text
    assert "options seed 7" in text and "Before and after" not in text and "Kinds of questions" not in text


def test_samples_of_the_training_are_folded_by_epoch() -> None:
    shown = report_page(captioning, {**REPORT, "samples": {"1": "a <a>", "12": "a dog\nruns"}}, "dev", views_of={})
    folded = re.findall(r"<details><summary>([^<]*)</summary><pre>(.*?)</pre></details>", shown, re.S)
    assert folded == [("after epoch 1", "a &lt;a&gt;"), ("after epoch 12", "a dog\nruns")]
    staged = {"texts": {"1": "a"}, "cross-entropy": {"2": "b"}}
    shown = report_page(captioning, {**REPORT, "samples": staged}, "dev", views_of={})
    assert [shown.index(f"<h3>{stage}</h3>") for stage in staged] == sorted(map(shown.index, ("<h3>te", "<h3>cr")))
    assert "Samples of the training" not in report_page(captioning, REPORT, "dev", views_of={})


def test_a_word_has_its_map() -> None:
    """A byte a region: the strongest is 255, others in proportion."""
    grid = np.array([[0.5, 0.25], [0.25, 0.0]], np.float32)
    maps = np.stack([grid, grid / 3, np.full((2, 2), 0.25, np.float32)])
    view = PictureView(PLAIN, ["a", "<dog>", "runs"], maps)
    shown = report_page(captioning, REPORT, "dev", views_of={"1.jpg": view})
    maps = [list(base64.b64decode(found)) for found in re.findall(r'data-map="([^"]+)"', shown)]
    assert maps == [[255, 128, 128, 0], [255, 128, 128, 0], [128, 128, 128, 128]]  # even attention: half of the scale
    assert shown.count("data:image/jpeg;base64,") == 1 and ">&lt;dog&gt;</button>" in shown


def test_it_is_one_file() -> None:
    shown = report_page(captioning, REPORT, "<b>", views_of={"1.jpg": PictureView(PLAIN, [], None)})
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
    text = text_of(report_page(captioning, tuned, "mine", views_of={}))
    assert "BLEU-4 2.00 20.00 (18.50–21.50)" in text and "BLEU-4 on the old data 30.00 29.00" in text
    assert "new words: cyan, kite" in text and "Best state: decoder." in text
    assert "decoder loss training: 2 → 2" in text and "encoder loss training: 1 → 1" in text


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
    shown = report_page(
        question_answering, report, "vqa", views_of={"7": PictureView(PLAIN, ["hop 1", "3"], np.stack([grid, grid]))}
    )
    text = text_of(shown)
    assert "accuracy 50.00 on 8 questions about 4 images" in text and "12.2 points above question only" in text
    assert "how many 40 % n = 5" in text and "2 → 3 4" in text and "7.5 points apart" in text
    assert re.search(r"how many</span><svg.*?<rect class=own width=\"40.0\"", shown)
    assert "probability it gave 58 %, right (%) 50, n = 8" in shown
    assert "how many? hop 1 3 25 % people: 2" in text and shown.count("data-map=") == 2


def test_every_kind_of_view_is_shown() -> None:
    """A map that is not square, a matrix, words with weights and lines, each with its texts escaped."""
    wide = PictureView(PLAIN, ["<b>"], np.arange(6, dtype=np.float32).reshape(1, 2, 3))
    matrix = MatrixView(["<나>"], ["<I>", "go"], np.array([[0.25, 0.75]]))
    words = WordsView(["<so>", "good"], np.array([0.1, 0.9]))
    series = SeriesView({"<observed>": [1.0, 2.0], "forecast": [3.0]})
    shown = {name: views.item(DOG, view, percent=False) for name, view in
             {"wide": wide, "matrix": matrix, "words": words, "series": series}.items()}  # fmt: skip
    assert not any("<b>" in text or "<나>" in text or "<so>" in text or "<observed>" in text for text in shown.values())
    packed = re.findall(r'data-map="([^"]+)" data-columns=3', shown["wide"])
    assert [list(base64.b64decode(each)) for each in packed] == [[0, 51, 102, 153, 204, 255]]
    assert "<td style=--w:0.250></td><td style=--w:0.750></td>" in shown["matrix"]
    assert "<span style=--w:0.100>&lt;so&gt;</span>" in shown["words"]
    assert "data:image/jpeg;base64," in shown["series"]


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [0.0, 5.0, 3.0], [1e-16, 3e-15], [0.0, 0.0], [1e9, 1e9 + 1]])
def test_curves_stay_in_their_frame(values: list[float]) -> None:
    low, high, ticks = curves.scale(values)
    assert low <= min(values) and high >= max(values) and 2 <= len(ticks) <= 6
    assert np.diff(ticks) == pytest.approx(np.full(len(ticks) - 1, ticks[1] - ticks[0]))  # even, from end to end
    found = curves.places(values, low, high, len(values))
    assert all(0 <= x <= curves.WIDTH and 0 <= y <= curves.HEIGHT for x, y in found)
    assert min(found, key=lambda place: place[1]) == found[values.index(max(values))]


def test_training_and_validation_share_a_chart() -> None:
    """Three quantities, two of them with both lines; each chart has numbers on both axes."""
    history = {"loss": [4.0, 2.0, 1.5], "val_loss": [4.5, 3.0, 3.5], "val_CIDEr": [0.1, 0.3, 0.2], "accuracy": [0.5]}
    drawn = re.findall(r"<li>.*?</li>", curves.curves(history, lower={"loss", "val_loss"}))
    assert [re.findall(r"<strong>(.*?)</strong>", each) for each in drawn] == [["loss"], ["CIDEr"], ["accuracy"]]
    assert [each.count("<polyline") for each in drawn] == [2, 1, 1]
    assert re.findall(r"text-anchor=(?:end|middle)>([^<]+)<", drawn[0]) == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "1",
        "2",
        "3",
        "epoch",
    ]
    assert "best 1.5 after epoch 3 of 3" in drawn[0] and "best 3 after epoch 2 of 3" in drawn[0]


def test_points_lie_where_their_values_are() -> None:
    """A point at (75, 25) is three quarters to the right and one quarter up; four times the cases, twice the radius."""
    part = Diagonal("sure?", "p", "right", [(75.0, 25.0, 1), (100.0, 100.0, 4)], "even")
    found = re.findall(r'<circle cx="([^"]+)" cy="([^"]+)" r="([^"]+)"', charts.diagonal(part, Words()))
    (x, y, small), (right, top, large) = (tuple(map(float, each)) for each in found)
    assert right - x == pytest.approx(charts.SIDE / 4, abs=0.1) and y - top == pytest.approx(
        3 * charts.SIDE / 4, abs=0.1
    )
    assert large == pytest.approx(2 * small)


def test_the_fixed_words_follow_the_texts() -> None:
    korean = DOG | {"output": "빨간 <개>가 달린다", "references": ["개 한 마리가 있다"]}
    report = REPORT | {"groups": {"right": {"share": 100.0, "examples": [korean]}}}
    shown = report_page(captioning, report, "dev", views_of={}, date="2026-01-31")
    text = text_of(shown)
    assert '<html lang="ko">' in shown and "맞음: 100.0 %" in text and "사람: 개 한 마리가 있다" in text
    assert "valid 분할의 사진 1,234장에서 BLEU-4 20.00 (18.50–21.50)" in text and "dev · 2026-01-31" in text
    assert "BLEU-4 20.00 (18.50–21.50) on" in text_of(
        report_page(captioning, report, "dev", views_of={}, language="en")
    )


def test_the_contents_lead_to_every_section() -> None:
    shown = report_page(captioning, REPORT, "dev", views_of={})
    links, parts = (re.findall(found, shown) for found in (r"<a href=#(\w+)>([^<]+)", r"<section id=(\w+)><h2>([^<]+)"))
    assert links == parts and len(links) == 5


def test_a_picture_keeps_its_sides() -> None:
    """One of 64 by 32 pixels is twice as wide as high, and so is what is laid over it."""
    shown = views.figure(PictureView(PLAIN[:16], [], None), "wide")
    assert '<canvas width="224" height="112">' in shown and "--sides:2.0000" in shown
    data = re.findall(r"base64,([^\"]+)", shown)[0]
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (224, 112)


@pytest.mark.parametrize(("embed_outside", "viewed"), [(False, ["1.jpg"]), (True, ["1.jpg", "/photos/scan.png"])])
def test_a_picture_outside_of_the_data_is_named_and_not_embedded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embed_outside: bool, viewed: list[str]
) -> None:
    names = ["1.jpg", "/photos/scan.png"]
    records = [CaptionRecord(Path("/data", name), name, ("a dog",)) for name in names]
    shown = [DOG | {"id": name, "group": name} for name in names]
    report = REPORT | {"groups": {"right": {"share": 100.0, "examples": shown}}, "rows": []}
    asked: list[list[str]] = []

    def views_of(model: Any, examples: list[Any], outputs: list[str], source: Any) -> list[PictureView]:
        asked.append([example.id for example in examples])
        return [PictureView(PLAIN, [], None) for _ in examples]

    monkeypatch.setattr(captioning, "views", views_of)
    written: list[dict[str, Any]] = []
    monkeypatch.setattr(files, "write_report", lambda *args, views, language: written.append(views) or [])
    model = SimpleNamespace(provenance={})
    data = None if embed_outside else Path("/data")
    files.save_report(tmp_path, captioning, report, model=model, records=records, source=None, data=data)
    assert asked == [viewed] and list(written[0]) == viewed
    page = report_page(captioning, report, "dev", views_of=written[0])
    assert page.count("data:image/jpeg;base64,") == len(viewed) and "/photos/scan.png" in text_of(page)


def test_pictures_inside_of_the_data(tmp_path: Path) -> None:
    """However a table writes a name: what counts is where the picture was found."""
    data = tmp_path / "data.v1"  # no ending
    data.mkdir()
    (data / "captions.csv").touch()
    for image in ("1.png", "images/1.png", "a/../1.png", "..hidden/1.png"):
        assert is_inside(data / image, data) and is_inside(data / image, data / "captions.csv")
    for image in ("../1.png", "images/../../1.png", "../data.v1-2/1.png", f"{tmp_path}/1.png", "/1.png"):
        assert not is_inside(data / image, data) and not is_inside(data / image, data / "captions.csv")


@pytest.mark.parametrize(
    "name", ["..\\private.png", "images\\..\\..\\private.png", "{root}/private", "private.png", "private"]
)
def test_a_picture_beside_the_data_is_outside_however_it_is_named(tmp_path: Path, name: str) -> None:
    """Readers look above the folder of a table, too, and for other spellings of a name."""
    data = tmp_path / "data"
    for folder in (tmp_path, data):
        folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "private.png")
    (data / "captions.csv").write_text(f"image,caption\n{name.format(root=tmp_path)},a dog\n")
    (record,) = mm.read_captions(data)
    assert record.image.samefile(tmp_path / "private.png") and not is_inside(record.image, data)
