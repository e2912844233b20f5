"""`mmtoolkit evaluate`: scores of the captions that `generate` writes, of one split or of all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmtoolkit as mm

Job = Callable[..., Any]


def scored_by_hand(preset: Path, data: Path, split: str | None, **search: Any) -> dict[str, float]:
    """The metrics of what `generate` writes."""
    records = [record for record in mm.read_captions(data) if split in (None, "all", record.split)]
    captioner = mm.Captioner.from_preset(preset)
    decoding = mm.BeamSearch(**search) if search else None
    captions = captioner.generate([record.image for record in records], decoding=decoding)
    names = [record.image_id for record in records]
    return mm.score_captions(dict(zip(names, captions, strict=True)), {r.image_id: r.captions for r in records})


@pytest.mark.parametrize(("split", "images"), [("test", 4), (None, 40), ("all", 40)])
def test_the_scores_are_those_of_the_captions(
    job: Job, trained: Any, tmp_path: Path, split: str | None, images: int
) -> None:
    """In a folder that is made for the report, whose first key is `scores`."""
    out = tmp_path / "new" / "report.json"
    words = () if split is None else ("--split", split)
    done = job("evaluate", "--preset", trained.preset, "--data", trained.data, *words, "--out", out)
    assert done.code == 0, done.err
    report = json.loads(out.read_text(encoding="utf-8"))
    assert next(iter(report)) == "scores"
    assert report["scores"] == scored_by_hand(trained.preset, trained.data, split)
    assert list(report)[1] == "intervals" and f"|images:{images}|" in report["signature"]
    assert all(low <= report["scores"][name] <= high for name, (low, high) in report["intervals"].items())
    assert (report["images"], report["split"]) == (images, split or "all")
    assert done.out == "".join(
        f"{name}\t{score:.3f}\n" if name == "CIDEr" else f"{name}\t{score:.2f}\n"
        for name, score in report["scores"].items()
    )
    assert sorted(path.name for path in out.parent.iterdir()) == ["report.csv", "report.html", "report.json"]


@pytest.mark.usefixtures("eager")
def test_a_search_can_be_named(job: Job, trained: Any) -> None:
    words = ("--preset", trained.preset, "--data", trained.data, "--split", "test", "--json")
    done = job("evaluate", *words, "--beam", 1, "--length-penalty", 0)
    report = json.loads(done.out)
    search = {"width": 1, "length_penalty": 0.0}
    assert report["scores"] == scored_by_hand(trained.preset, trained.data, "test", **search)
    assert {key: report["decoding"][key] for key in search} == search


@pytest.mark.usefixtures("eager")
def test_draws_and_groups_are_reported(job: Job, trained: Any) -> None:
    words = ("--preset", trained.preset, "--data", trained.data, "--split", "valid", "--json")
    drawn = json.loads(job("evaluate", *words, "--temperature", 0.8, "--seed", 3).out)
    assert drawn["decoding"]["name"] == "Sample"
    assert (drawn["decoding"]["temperature"], drawn["decoding"]["seed"]) == (0.8, 3)
    grouped = json.loads(job("evaluate", *words, "--groups", 2, "--diversity", 1.5).out)
    assert (grouped["decoding"]["groups"], grouped["decoding"]["diversity"]) == (2, 1.5)


def test_data_without_the_split(job: Job, trained: Any, scenes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(scenes, tmp_path / "data")
    table = (data / "captions.csv").read_text(encoding="utf-8")
    (data / "captions.csv").write_text(table.replace(",test", ",train"), encoding="utf-8")
    done = job("evaluate", "--preset", trained.preset, "--data", data, "--split", "test")
    assert (done.code, done.out) == (2, "") and "test" in done.error


@pytest.mark.usefixtures("eager")
def test_the_part_that_training_cut_can_be_scored_again(
    job: Job, scenes: Path, tmp_path: Path, small_options: tuple[object, ...]
) -> None:
    """While the data is as it was: of other data the cut is another, and what was learnt from would be scored."""
    data = shutil.copytree(scenes, tmp_path / "data")
    rows = (data / "captions.csv").read_text(encoding="utf-8").splitlines()
    without = [row.rpartition(",")[0] for row in rows]
    (data / "captions.csv").write_text("\n".join(without) + "\n", encoding="utf-8")
    out = tmp_path / "run"
    done = job("caption", "--data", data, "--out", out, "--seed", 3, *small_options, "--epochs", 1, "--batch-size", 32)
    assert done.code == 0, done.err
    words = ("--preset", out / "preset", "--data", data, "--split", "test", "--json")
    report = json.loads(job("evaluate", *words).out)
    trained = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert (report["scores"], report["images"]) == (trained["test_scores"], 4)
    assert (report["encoder_sha256"], report["precision"]) == (None, "float32")
    held_out = json.loads(job("evaluate", *words[:-2], "valid", "--json").out)
    assert held_out["learnt_captions"] == trained["learnt_captions"]
    (data / "captions.csv").write_text("\n".join(without[:-1]) + "\n", encoding="utf-8")
    changed = job("evaluate", *words)
    assert changed.code == 2 and "expected the split test. Received: a data set without splits." in changed.error
    assert "not as the training found it" in changed.error


@pytest.mark.usefixtures("eager")
def test_pictures_that_training_held_out_of_train_are_not_scored_as_train(
    job: Job, scenes: Path, tmp_path: Path, small_options: tuple[object, ...], untrained: Any
) -> None:
    """Of data that names train and test alone, training cut a tenth off for validation."""
    data = shutil.copytree(scenes, tmp_path / "data")
    table = (data / "captions.csv").read_text(encoding="utf-8")
    (data / "captions.csv").write_text(table.replace(",valid", ",train"), encoding="utf-8")
    out = tmp_path / "run"
    done = job("caption", "--data", data, "--out", out, "--seed", 3, *small_options)
    assert done.code == 0, done.err
    words = ("--preset", out / "preset", "--data", data, "--json", "--split")
    images = {split: json.loads(job("evaluate", *words, split).out)["images"] for split in ("train", "dev", "test")}
    assert images == {"train": 32, "dev": 4, "test": 4}
    (data / "images" / "000039.png").unlink()
    mine = [row.split(",")[0] for row in table.splitlines() if row.endswith(",test")]
    assert job("evaluate", *words, "test").code == (2 if "images/000039.png" in mine else 0)


def test_one_corrupt_picture_is_named(job: Job, trained: Any, scenes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(scenes, tmp_path / "data")
    corrupt = data / "images" / "000021.png"
    corrupt.write_bytes(b"no picture")
    done = job("evaluate", "--preset", trained.preset, "--data", data, "--out", tmp_path / "report.json")
    assert (done.code, done.out) == (2, "") and str(corrupt) in done.error
    assert not (tmp_path / "report.json").exists()


@pytest.fixture
def damaged(scenes: Path, tmp_path: Path) -> Path:
    """The scenes with one picture of the test split that is none and one empty caption of another."""
    data = shutil.copytree(scenes, tmp_path / "data")
    rows = (data / "captions.csv").read_text(encoding="utf-8").splitlines()
    of_test = [number for number, row in enumerate(rows) if row.endswith(",test")]
    (data / rows[of_test[0]].split(",")[0]).write_bytes(b"no picture")
    rows[of_test[-1]] = rows[of_test[-1]].split(",")[0] + ",,test"
    (data / "captions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return data


@pytest.mark.parametrize("on_error", ["skip", "quarantine"])
@pytest.mark.usefixtures("eager")
def test_bad_rows_and_pictures_are_left_out(
    job: Job, trained: Any, damaged: Path, tmp_path: Path, on_error: str
) -> None:
    """Scored is what is left; stderr names both faults once, and the quarantine file holds them."""
    out = tmp_path / "reports" / "test.json"
    words = ("--preset", trained.preset, "--data", damaged, "--split", "test", "--on-error", on_error)
    done = job("evaluate", *words, "--out", out)
    assert done.code == 0, done.err
    rows = (damaged / "captions.csv").read_text(encoding="utf-8").splitlines()
    empty = next(number for number, row in enumerate(rows, start=1) if ",," in row)
    broken = next(number for number, row in enumerate(rows, start=1) if row.endswith(",test"))
    picture = damaged / rows[broken - 1].split(",")[0]
    assert done.err.count("left out:") == (1 if on_error == "skip" else 2)
    assert "warning: 2 rows or pictures are left out:" in done.err
    assert f"captions.csv:{empty}: expected a caption" in done.err and f"captions.csv:{broken}: expected" in done.err
    report = json.loads(out.read_text(encoding="utf-8"))
    assert (report["images"], report["left_out"]) == (3, 2)
    quarantine = out.with_name("test.quarantine.jsonl")
    assert quarantine.exists() == (on_error == "quarantine")
    if on_error == "quarantine":
        written = [json.loads(line) for line in quarantine.read_text(encoding="utf-8").splitlines()]
        assert [(row.get("source"), row["image"]) for row in written] == [
            (f"{damaged}/captions.csv:{empty}", rows[empty - 1].split(",")[0]),
            (None, str(picture)),
        ]
        assert "(no known picture format)" in written[1]["reason"]
        done = job("evaluate", *words[:6], "--exclude", quarantine, "--json")
        assert done.code == 0 and json.loads(done.out)["scores"] == report["scores"]
        assert json.loads(done.out)["left_out"] == 1 + sum(
            row.startswith(rows[broken - 1].split(",")[0]) for row in rows
        )
        done = job("evaluate", *words[:6])
        assert done.code == 2 and "Received: an empty one" in done.error


def test_quarantine_needs_a_report_beside_which_to_write(job: Job, trained: Any) -> None:
    done = job("evaluate", "--preset", trained.preset, "--data", trained.data, "--on-error", "quarantine")
    assert (done.code, done.out) == (2, "") and "--out" in done.error


def test_nothing_to_score_is_an_error_even_when_skipping(job: Job, trained: Any, scenes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(scenes, tmp_path / "data")
    for picture in (data / "images").iterdir():
        picture.write_bytes(b"no picture")
    done = job("evaluate", "--preset", trained.preset, "--data", data, "--on-error", "skip")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"{data}: expected at least one caption. Received: none that can be used")


def test_a_report_that_is_there_is_kept(job: Job, trained: Any, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("mine")
    words = ("--preset", trained.preset, "--data", trained.data, "--split", "test", "--out", tmp_path / "report.json")
    done = job("evaluate", *words)
    assert done.code == 2 and done.error.startswith(f"{tmp_path / 'report.json'} is there already; add --overwrite")
    assert (tmp_path / "report.json").read_text() == "mine"
    assert job("evaluate", *words, "--overwrite").code == 0
    assert "scores" in json.loads((tmp_path / "report.json").read_text())


def test_a_folder_cannot_hold_the_report(job: Job, trained: Any, tmp_path: Path) -> None:
    done = job("evaluate", "--preset", trained.preset, "--data", trained.data, "--out", tmp_path)
    assert (done.code, done.out) == (2, "") and str(tmp_path) in done.error


def test_a_misspelt_split(job: Job, trained: Any) -> None:
    done = job("evaluate", "--preset", trained.preset, "--data", trained.data, "--split", "tset")
    assert (done.code, done.out) == (2, "") and "tset" in done.err
