"""Two reports compared: scores of the records that both have, paired intervals, and what moved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.errors import InputError
from mmtoolkit.files import write_json
from mmtoolkit.metrics import AnswerMetric, Bootstrap, CaptionMetric, caption_statistics, corpus_scores, paired
from mmtoolkit.metrics.captions import STATISTICS
from mmtoolkit.records import CaptionRecord, fingerprint
from mmtoolkit.reports import Comparison, compare, comparison_page, read_report, read_table
from mmtoolkit.reports.comparison import change_rows
from mmtoolkit.reports.rows import write_rows

REFERENCES = {
    f"{n}.jpg": [f"a {colour} dog runs", f"one {colour} dog"] for n, colour in enumerate(["red", "blue", "tan"] * 8)
}


def rows(captions: dict[str, str]) -> list[dict[str, Any]]:
    """The table of a report on some captions."""
    table = caption_statistics(captions, {name: REFERENCES[name] for name in captions})
    return [
        {
            **{"id": name, "group": name, "input": "", "output": text},
            "references": fingerprint(REFERENCES[name]),
            "grade": "right" if row[-1] > 2 else "unrelated",
            **dict(zip(STATISTICS, row, strict=True)),
        }
        for (name, text), row in zip(captions.items(), table, strict=True)
    ]


def answers(right: list[int]) -> list[dict[str, Any]]:
    """Three questions a picture, so many of them right."""
    return [
        {
            **{"id": f"{n}-{q}", "group": str(n), "input": "what?", "output": str(q < count)},
            "references": "x",
            "grade": "right" if q < count else "wrong",
            "questions": 1.0,
            "accuracy": float(q < count),
        }
        for n, count in enumerate(right)
        for q in range(3)
    ]


def compared(first: Any, second: Any, rows: Any, others: Any, metric: Any = CaptionMetric()) -> Comparison:  # noqa: B008
    return compare(metric, (first, second), (rows, others))


POOR = dict.fromkeys(REFERENCES, "a red cat sits")
FAIR = {name: (texts[0] if n % 2 else POOR[name]) for n, (name, texts) in enumerate(REFERENCES.items())}


def test_scores_and_intervals_are_those_of_both() -> None:
    found = compared({}, {}, rows(POOR), rows(FAIR))
    first, second = mm.score_captions(POOR, REFERENCES), mm.score_captions(FAIR, REFERENCES)
    named = {change.name: change for change in found.changes}
    assert [name for name in named if "share" not in name] == list(first)
    for name in first:
        assert (named[name].first, named[name].second) == pytest.approx((first[name], second[name]))
    table = [(*b, *a) for a, b in zip(*(caption_statistics(said, REFERENCES) for said in (POOR, FAIR)), strict=True)]
    assert named["BLEU-2"].interval == pytest.approx(Bootstrap()(table, paired(corpus_scores))["BLEU-2"])
    assert named["BLEU-1"].beyond_noise and named["BLEU-1"].difference > 0
    share = named["right (share)"]
    assert (share.first, share.second) == (0.0, 50.0)
    assert (found.records, found.left_out) == (24, 0)


def test_a_run_does_not_differ_from_itself() -> None:
    found = compared({}, {}, rows(FAIR), rows(FAIR))
    assert all(change.interval == (0, 0) and not change.beyond_noise for change in found.changes)
    assert not found.better and not found.worse and not found.settings
    assert {row[-1] for row in change_rows(found)[1:]} == {"noise"}


def test_one_changed_caption_is_noise() -> None:
    name = next(iter(REFERENCES))
    found = compared({}, {}, rows(POOR), rows({**POOR, name: REFERENCES[name][0]}))
    assert not any(change.beyond_noise for change in found.changes)
    ((before, after),) = found.better
    assert (before["id"], after["output"]) == (name, REFERENCES[name][0]) and not found.worse


def test_only_records_of_both_are_compared() -> None:
    names = list(REFERENCES)
    found = compared(
        {}, {}, rows({name: POOR[name] for name in names[:12]}), rows({name: FAIR[name] for name in names[6:]})
    )
    assert (found.records, found.left_out) == (6, 18)
    (bleu,) = [change for change in found.changes if change.name == "BLEU-1"]
    both = {name: REFERENCES[name] for name in names[6:12]}
    assert bleu.first == pytest.approx(mm.score_captions({name: POOR[name] for name in both}, both)["BLEU-1"])


def test_other_records_make_another_cider_which_is_not_compared() -> None:
    """Its weights come from all references of a report: the same caption would seem to have become better or worse."""
    some = {name: FAIR[name] for name in list(REFERENCES)[:7]}
    whole, part = rows(FAIR), rows(some)
    assert any(a["CIDEr"] != b["CIDEr"] for a, b in zip(whole, part, strict=False))
    found = compared({}, {}, whole, part)
    assert "CIDEr" not in {change.name for change in found.changes} and not found.better and not found.worse
    assert "CIDEr with them" in comparison_page(found, ("a", "b"))


def test_questions_about_a_picture_are_drawn_together() -> None:
    """Of four pictures one has all three questions righter: many draws of four pictures miss it."""
    found = compared({}, {}, answers([0, 1, 2, 0]), answers([3, 1, 2, 0]), AnswerMetric())
    accuracy = found.changes[0]
    assert (accuracy.name, accuracy.first, accuracy.second) == ("accuracy", 25.0, 50.0)
    pictures = [((1 * 3, right), (3, wrong)) for right, wrong in ((3, 0), (1, 1), (2, 2), (0, 0))]
    table = [(*b, *a) for b, a in pictures]
    score = paired(lambda sums: {"accuracy": 100 * sums[1] / sums[0]})
    assert accuracy.interval == pytest.approx(Bootstrap()(table, score)["accuracy"])
    assert accuracy.interval[0] == 0 and not accuracy.beyond_noise


def test_different_settings_are_named() -> None:
    first = {"options": {"seed": 0, "units": 512}, "encoder_sha256": "ab", "data": "x"}
    second = {"options": {"seed": 0, "units": 256, "cell": "gru"}, "encoder_sha256": "ab", "data": "y"}
    found = compared(first, second, rows(POOR), rows(FAIR)).settings
    assert found == [["options units", "512", "256"], ["options cell", "", "gru"]]


def test_records_of_other_data_are_not_compared() -> None:
    """They have the same names, and other references."""
    other = [{**row, "references": "other"} for row in rows(FAIR)]
    with pytest.raises(InputError, match="two that have none in common"):
        compared({}, {}, rows(POOR), other)
    found = compared({}, {}, rows(POOR), [*rows(FAIR)[:5], *other[5:]])
    assert (found.records, found.left_out) == (5, 19)


@pytest.mark.parametrize("other", [[], answers([1])])
def test_nothing_in_common_is_said(other: list[dict[str, Any]]) -> None:
    with pytest.raises(InputError, match="two that have none in common; evaluate both presets on the same data"):
        compared({}, {}, rows(POOR), other)


def test_the_page_shows_scores_and_records() -> None:
    page = comparison_page(compared({}, {}, rows(POOR), rows({**FAIR, "0.jpg": "<b>"})), ("runs/a", "runs/<b>"))
    assert "runs/&lt;b&gt;" in page and "<b>" not in page
    assert page.count('data-group="B better"') == 12 and page.count('data-group="A better"') == 1
    assert "B is better" in page and "higher" in page and "B better 12" in page and "equal 11" in page


def test_a_table_of_another_report_is_refused(tmp_path: Path) -> None:
    """A kill between the two leaves the new table beside the old report."""
    row = {"id": "a.jpg", "group": "a.jpg", "input": "", "output": "a dog", "grade": "right", "references": "f00"}
    write_rows(tmp_path / "a.csv", [row | {"CIDEr": 0.5}])
    known = hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest()
    write_json(tmp_path / "a.json", {"scores": {"CIDEr": 0.5}, "table_sha256": known})
    assert read_table(tmp_path / "a.json", CaptionMetric())[0]["CIDEr"] == 0.5
    write_rows(tmp_path / "a.csv", [row | {"CIDEr": 0.75}])
    with pytest.raises(InputError, match=r"expected the table of \S+a\.json\. Received: \S+a\.csv, of another one"):
        read_table(tmp_path / "a.json", CaptionMetric())


def test_reports_of_older_versions_are_read(tmp_path: Path) -> None:
    """Before rows had one form: the columns were named after the task, which the report did not name."""
    answers = "question_id,image_id,question,answer,probability,group,references,questions,accuracy"
    for name, told, table in (
        ("captions", {"images": 1}, "image_id,caption,group,references,CIDEr\na.jpg,a dog,right,f00,0.5\n"),
        ("answers", {"questions": 1}, f"{answers}\n7,a.jpg,what?,a dog,0.9,right,f00,1.0,1.0\n"),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps({"scores": {"x": 1.0}, **told}))
        (tmp_path / f"{name}.csv").write_text(table, encoding="utf-8-sig")
    assert [read_report(tmp_path / f"{name}.json")["task"] for name in ("captions", "answers")] == [
        "captioning",
        "question answering",
    ]
    shared = {"group": "a.jpg", "output": "a dog", "grade": "right", "references": "f00"}
    (caption,) = read_table(tmp_path / "captions.json", CaptionMetric())
    (answer,) = read_table(tmp_path / "answers.json", AnswerMetric())
    assert caption == shared | {"id": "a.jpg", "input": "", "CIDEr": 0.5}
    assert answer == shared | {"id": "7", "input": "what?", "score": "0.9", "questions": 1.0, "accuracy": 1.0}


def test_the_page_shows_pictures_references_and_both_captions(tmp_path: Path) -> None:
    """A picture that the table names outside of the data is not put into the page."""
    found = compared({}, {}, rows(POOR), rows(FAIR))
    ids = [pair[0]["id"] for pair in found.better][:3]
    records = {name: CaptionRecord(tmp_path / name, name, tuple(REFERENCES[name])) for name in ids}
    for name in ids:
        Image.new("RGB", (40, 20), "red").save(tmp_path / name)
    outside = "/elsewhere/9.png"
    records[ids[2]] = CaptionRecord(Path(outside), outside, ("a",))
    page = comparison_page(found, ("a", "b"), records=records, date="2026-01-31")
    items = {name: next(each for each in page.split("<li ") if f"<code>{name}</code>" in each) for name in ids}
    assert [items[name].count("data:image/jpeg;base64,") for name in ids] == [1, 1, 0]
    assert all(text in items[ids[0]] for text in (POOR[ids[0]], FAIR[ids[0]], *REFERENCES[ids[0]]))
    assert "--data" not in page and "--data" in comparison_page(found, ("a", "b")) and "2026-01-31" in page


@pytest.mark.parametrize(
    ("first", "second", "verdict"), [(POOR, FAIR, "B"), (FAIR, POOR, "A"), (FAIR, FAIR, "")], ids=["B", "A", "noise"]
)
def test_the_verdict_is_that_of_the_score_that_decides(first: Any, second: Any, verdict: str) -> None:
    found = compared({}, {}, rows(first), rows(second))
    (bleu,) = [change for change in found.changes if change.name == "BLEU-4"]
    low, high = bleu.interval
    assert found.decisive == bleu and found.verdict == verdict == ("B" if low > 0 else "A" if high < 0 else "")
    assert sum(found.counts) == 24 and found.counts[2] == (24 if first is second else 12)


def test_the_comparison_of_korean_captions_is_korean() -> None:
    both = [{**row, "output": "빨간 개가 달린다"} for row in rows(FAIR)]
    page = comparison_page(compared({}, {}, both, both), ("a", "b"))
    assert '<html lang="ko">' in page and "오차 범위를 넘는 차이 없음" in page
