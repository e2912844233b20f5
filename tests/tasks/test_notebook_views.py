"""What a notebook and a prompt show of records, reports and presets."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.presets import read_preset
from mmtoolkit.task import Report

REPORT = {
    "scores": {"BLEU-4": 22.413, "CIDEr": 0.5491},
    "intervals": {"BLEU-4": [21.1, 23.6]},
    "baselines": {"of <others>": {"BLEU-4": 3.0}},
    "rows": [{"id": f"{n}.jpg", "input": "", "output": "a <dog>", "grade": "right"} for n in range(7)],
}


class Cells(HTMLParser):
    """The texts in the cells of tables, by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_a_report_prints_its_scores_and_shows_tables() -> None:
    report = Report(REPORT)
    assert repr(report) == "Report(BLEU-4 22.41 [21.1, 23.6], CIDEr 0.5491; 7 rows)"
    rows = Cells(report._repr_html_()).rows
    assert rows[:3] == [
        ["score", "value", "95 %", "of <others>"],
        ["BLEU-4", "22.41", "21.1, 23.6", "3"],
        ["CIDEr", "0.5491", "", ""],
    ]
    assert rows[4] == ["0.jpg", "", "a <dog>", "right"] and len(rows) == 3 + 1 + 5
    assert json.loads(json.dumps(report)) == REPORT


@pytest.mark.parametrize(
    "wrong", [{"scores": 3}, {"scores": {"a": "x"}, "intervals": [1]}, {"baselines": {"b": 1}}, {}]
)
def test_a_report_of_another_shape_prints_too(wrong: dict[str, object]) -> None:
    assert repr(Report(wrong)).startswith("Report(") and "<table>" in Report(wrong)._repr_html_()


def test_a_report_that_is_read_prints_and_has_todays_names(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({**REPORT, "vgg19_sha256": "ab"}), encoding="utf-8")
    report = mm.read_report(tmp_path / "report.json")
    assert type(report) is Report and report["encoder_sha256"] == "ab" and "vgg19_sha256" not in report


def test_a_record_shows_a_small_picture_and_its_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (300, 200), "red").save(path)
    caption = mm.CaptionRecord(path, "a<b>.png", ("a red wall", "red & <plain>"))
    html = caption._repr_html_()
    assert html.startswith('<figure><img src="data:image/jpeg;base64,') and "a&lt;b&gt;.png" in html
    assert "<li>a red wall</li><li>red &amp; &lt;plain&gt;</li>" in html
    question = mm.QuestionRecord(tmp_path / "gone.png", "gone.png", "what?", ("wall",), "7")
    assert "<img" not in question._repr_html_() and "<li>what?</li><li>wall</li>" in question._repr_html_()


def test_a_preset_prints_what_it_is() -> None:
    text = repr(read_preset("shapes_vqa"))
    assert (
        text.startswith("Preset('shapes_vqa', VisualQA, ")
        and " 52 answers, 39 words, card=[" in text
        and len(text) < 400
    )
