"""`mmtoolkit caption`: what a run leaves behind, that it repeats, and what it says of bad input."""

from __future__ import annotations

import csv
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.vision.setup import choose_encoder

ROOT = Path(__file__).resolve().parents[2]
WATCHED = ("logs", "samples")
FEW = ("--epochs", 1, "--batch-size", 32)  # three steps
SCORES = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]

Job = Callable[..., Any]


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The table beside the report of a run."""
    with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_table(folder: Path, rows: list[tuple[str, ...]], *, pictures: int = 0, encoding: str = "utf-8") -> Path:
    """A data set by hand: `captions.csv` and plain pictures `0.png`, `1.png`, …"""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "captions.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows(rows)
    for number in range(pictures):
        Image.new("RGB", (32, 32), (20 * number % 256, 0, 0)).save(folder / f"{number}.png")
    return folder


def test_a_stopped_training_is_not_taken_for_a_finished_one(job: Job, scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "last.h5").write_bytes(b"")
    done = job("caption", "--data", scenes, "--out", tmp_path / "run")
    assert done.code == 2 and "holds a training that was stopped; add --resume" in done.error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seed", -1), "--seed expects a whole number from 0 to 4,294,967,295. Received: -1."),
        (("--seed", 2**32), "Received: 4294967296."),
        (("--length-penalty", "nan"), "expected a number. Received: 'nan'."),
        (("--learning-rate", "inf"), "expected a number. Received: 'inf'."),
    ],
)
def test_numbers_that_are_none_are_refused(
    job: Job, scenes: Path, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *words)
    assert done.code == 2 and said in done.error
    assert not (tmp_path / "run").exists()


def test_pictures_that_leave_a_split_empty_are_blamed(
    job: Job, scenes: Path, small_options: tuple[object, ...], tmp_path: Path
) -> None:
    rows = [("image", "caption", "split"), *((f"{n}.png", f"a thing {n}", "train") for n in range(3))]
    data = write_table(tmp_path / "data", [*rows, ("3.png", "a thing 3", "valid")], pictures=4)
    (data / "3.png").write_bytes(b"no picture")
    done = job("caption", "--data", data, "--out", tmp_path / "run", *small_options, "--on-error", "skip")
    assert done.code == 2 and "without one of them but for 1 pictures that cannot be read." in done.error


# --- what a run leaves behind ---


def test_a_run_holds_a_preset_a_report_and_its_options(trained: Any) -> None:
    left = ["config.yaml", "logs", "preset", "report.csv", "report.html", "report.json", "samples"]
    assert sorted(path.name for path in trained.out.iterdir()) == left
    preset = {path.relative_to(trained.preset).as_posix() for path in trained.preset.rglob("*") if path.is_file()}
    codec = {"codecs/words/codec.json", "codecs/words/vocabulary.txt"}
    assert preset == {"config.json", "model.weights.h5", "card.json", "seen_pictures.h5"} | codec


def test_the_report_begins_with_scores_and_compares_them(trained: Any) -> None:
    report = report_of(trained.out)
    assert list(report)[:3] == ["scores", "intervals", "baselines"]
    assert list(report["intervals"]) == SCORES and report["signature"].startswith("BLEU:coco|")
    assert list(report["scores"]) == SCORES
    assert report["split"] == "valid" and report["images"] == 4 == len(rows_of(trained.out))
    assert report["versions"]["keras"] and report["options"]["seed"] == 3


def test_the_scores_are_percentages_of_the_captions_that_the_preset_writes(trained: Any) -> None:
    """Computed again from the preset by hand, and from the shuffled captions for the baseline."""
    records = mm.read_captions(trained.data, splits=("valid",))
    captioner = mm.Captioner.from_preset(trained.preset)
    written = captioner.generate([record.image for record in records])
    references = {record.image_id: list(record.captions) for record in records}
    report = report_of(trained.out)
    assert report["scores"] == mm.score_captions(dict(zip(references, written, strict=True)), references)
    assert [row["output"] for row in rows_of(trained.out)] == written
    ring = random.Random(3).sample(range(len(written)), len(written))
    after = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
    shuffled = [written[after[n]] for n in range(len(written))]
    assert report["baselines"]["captions of other pictures"] == mm.score_captions(
        dict(zip(references, shuffled, strict=True)), references
    )
    assert report["scores"]["ROUGE-L"] > 1  # a fraction would be below 1


def test_the_test_split_is_scored_as_evaluate_scores_it(trained: Any, job: Job) -> None:
    report = report_of(trained.out)
    again = json.loads(
        job("evaluate", "--preset", trained.preset, "--data", trained.data, "--split", "test", "--json").out
    )
    assert report["test_scores"] == again["scores"] != report["scores"]
    assert report["test_intervals"] == again["intervals"]


def test_stdout_holds_the_scores_and_nothing_else(trained: Any) -> None:
    scores = report_of(trained.out)["scores"]
    assert trained.done.out == "".join(
        f"{name}\t{score:.3f}\n" if name == "CIDEr" else f"{name}\t{score:.2f}\n" for name, score in scores.items()
    )
    assert "word2vec: 38 of 38 words" in trained.done.err and "loss" in trained.done.err


def test_each_epoch_leaves_samples_and_curves(trained: Any) -> None:
    """Four epochs of four steps; each with its own line on stderr, below the bar and above the next epoch's."""
    names = [f"epoch-0{epoch}" for epoch in range(1, 5)]
    samples = trained.out / "samples"
    assert sorted(path.name for path in samples.iterdir()) == [
        f"{name}.{kind}" for name in names for kind in ("png", "txt")
    ]
    text = (samples / "epoch-04.txt").read_text(encoding="utf-8")
    for record in mm.read_captions(trained.data, splits=("valid",)):  # all four of them
        assert f"{record.image_id}\n  caption:   " in text and f"  reference: {record.captions[0]}\n" in text
    told = [line for line in trained.done.err.splitlines() if line.startswith("epoch ")]
    assert [line.partition(":")[0] for line in told] == [f"epoch {epoch}" for epoch in range(1, 5)]
    (events,) = (trained.out / "logs").iterdir()
    written = events.read_bytes()
    for name in (b"train/loss", b"train/learning_rate", b"train/gradient_norm", b"valid/BLEU-4", b"valid/CIDEr"):
        assert written.count(name) == 4  # four steps an epoch: one point
    assert all(picture.read_bytes() in written for picture in samples.glob("*.png"))


@pytest.mark.usefixtures("eager")
def test_a_lost_training_ends_with_a_sentence_and_no_preset(
    job: Job, scenes: Path, small_options: tuple[object, ...], tmp_path: Path
) -> None:
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *small_options, *FEW, "--learning-rate", "1e30")
    assert (done.code, done.out) == (1, "")
    assert "not finite" in done.error or "the loss was nan" in done.error
    assert "--learning-rate" in done.error and "there is no preset yet" in done.error
    assert not (tmp_path / "run" / "preset").exists() and not (tmp_path / "run" / "report.json").exists()


def test_the_card_says_where_the_preset_comes_from(trained: Any) -> None:
    card = mm.Captioner.from_preset(trained.preset).card
    assert card["data"] == str(trained.data) and card["seed"] == 3 and card["command"] == "mmtoolkit caption"
    assert card["valid_scores"] == report_of(trained.out)["scores"]


@pytest.mark.usefixtures("eager")
def test_its_own_config_repeats_a_run_and_overwrite_replaces_one(
    job: Job, scenes: Path, small_options: tuple[object, ...], tmp_path: Path
) -> None:
    """Same options, same seed: the same scores and the same captions; an older run in the folder goes."""
    new = tmp_path / "run"
    ran = job("caption", "--data", scenes, "--out", new, "--seed", 3, *small_options, *FEW)
    assert ran.code == 0, ran.err
    options = yaml.safe_load((new / "config.yaml").read_text(encoding="utf-8"))
    assert options["units"] == 16 and options["encoder"] == "small" and "overwrite" not in options
    old = tmp_path / "again"
    (old / "preset" / "codecs" / "old").mkdir(parents=True)
    (old / "samples").mkdir()
    for name in ("report.json", "samples/epoch-99.png", "samples/mine.png"):
        (old / name).write_text("older")
    (old / "notes.txt").write_text("by hand")
    done = job("caption", "--config", new / "config.yaml", "--out", old, "--overwrite")
    assert done.code == 0, done.err
    assert done.out == ran.out
    first, second = report_of(new), report_of(old)
    assert second["scores"] == first["scores"] and rows_of(old) == rows_of(new)
    assert second["history"]["loss"] == pytest.approx(first["history"]["loss"], rel=1e-4)
    assert second["options"] == first["options"] | {"out": str(old)}
    assert not (old / "preset" / "codecs" / "old").exists()
    assert not (old / "samples" / "epoch-99.png").exists() and (old / "samples" / "mine.png").exists()
    assert (old / "notes.txt").read_text() == "by hand"


@pytest.mark.usefixtures("eager")
def test_vgg19_regions_go_the_whole_way(job: Job, small_options: tuple[object, ...], tmp_path: Path) -> None:
    """Files, regions in a store, training, and `predict` and `evaluate` from the preset alone."""
    data = write_table(
        tmp_path / "data",
        [("image", "caption", "split"), *((f"{n}.png", "a red square", ("train", "valid")[n // 2]) for n in range(3))],
        pictures=3,
    )
    store = tmp_path / "store"
    words = (*small_options, "--attention", "bahdanau", "--encoder", "vgg19", "--epochs", 1)
    weights = ("--encoder-weights", "random", "--precision", "float32", "--features", store)
    done = job("caption", "--data", data, "--out", tmp_path / "run", *words, *weights)
    assert done.code == 0, done.err
    assert len(list(store.rglob("*.npy"))) == 1
    preset = tmp_path / "run" / "preset"
    card = json.loads((preset / "card.json").read_text())
    assert (card["encoder_sha256"], card["precision"]) == ("random", "float32")
    written = job("predict", data / "2.png", "--preset", preset)
    assert written.code == 0, written.err
    (row,) = rows_of(tmp_path / "run")
    assert written.out == f"{data / '2.png'}\t{row['output']}\n"
    scored = job("evaluate", "--data", data, "--preset", preset, "--split", "valid", "--features", store, "--json")
    assert json.loads(scored.out)["scores"] == report_of(tmp_path / "run")["scores"]


@pytest.mark.parametrize(
    "form",
    [
        ("--attention", "mean", "--cell", "vanilla"),
        ("--attention", "none", "--layers", 2, "--cell", "gru", "--tie-output"),
        ("--attention", "bahdanau", "--layers", 2, "--cell", "lstm"),
        ("--attention", "hard"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("eager")
def test_every_form_of_the_model_goes_the_whole_way(
    job: Job, small_options: tuple[object, ...], scenes: Path, tmp_path: Path, form: tuple[object, ...]
) -> None:
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *small_options, *form, *FEW, "--batch-size", 96)
    assert done.code == 0, done.err
    picture, looks = next((scenes / "images").iterdir()), tmp_path / "looks"
    drawn = job("predict", picture, "--preset", tmp_path / "run" / "preset", "--attention", looks)
    if not {"bahdanau", "hard"} & set(form):
        assert drawn.code == 1 and "a model without attention" in drawn.error
        assert len(drawn.out.splitlines()) == 1  # the caption comes all the same
    else:
        assert drawn.code == 0 and len(list(looks.iterdir())) == 1


@pytest.mark.usefixtures("eager")
def test_word_vectors_come_from_a_file_and_stay(
    job: Job, small_options: tuple[object, ...], scenes: Path, tmp_path: Path
) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("2 3\nred 1 2 3\nblue -1 0.5 2\n")
    words = ("--embeddings", vectors, "--freeze-embeddings", *FEW, "--batch-size", 96)
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *small_options, *words)
    assert done.code == 0 and "2 of " in done.err, done.err
    captioner = mm.Captioner.from_preset(tmp_path / "run" / "preset")
    table, tokens = np.asarray(captioner.decoder.embedding.table), captioner.codec.vocabulary.tokens
    np.testing.assert_allclose(table[[tokens.index("red"), tokens.index("blue")]], [[1, 2, 3], [-1, 0.5, 2]])
    again = job("caption", "--data", scenes, "--out", tmp_path / "run", *small_options, *words, "--resume")
    assert again.code == 0 and "nothing to resume" in again.err, again.err
    misspelt = job("caption", "--data", scenes, "--out", tmp_path / "other", "--embeddings", "skipgram")
    assert misspelt.code == 2 and "Did you mean 'skip-gram'?" in misspelt.error


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("--encoder", "vgg19", "--layer", "fc2"), ("--attention bahdanau;", "add --attention mean or none")),
        (("--encoder", "vgg19", "--layer", "fc2", "--attention", "hard"), ("--layer fc2", "--attention hard;")),
        (("--attention", "hard", "--reward", "cider"), ("--reward cider is for captions", "leave one of them out")),
    ],
    ids=str,
)
def test_attention_that_does_not_fit_is_refused(
    job: Job, scenes: Path, tmp_path: Path, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *words)
    assert done.code == 2 and all(part in " ".join(done.error.split()) for part in parts), done.error


@pytest.mark.usefixtures("eager")
def test_bad_rows_and_pictures_go_to_quarantine(
    job: Job, scenes: Path, small_options: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run learns from the rest, says what is left out, and writes it down in place of an older run's file.

    What it wrote down another run leaves out from the start, and goes on with wherever the list is, if it is the same.
    """
    data = shutil.copytree(scenes, tmp_path / "data")
    corrupt = data / "images" / "000017.png"
    corrupt.write_bytes(corrupt.read_bytes()[:90])
    with (data / "captions.csv").open("a", encoding="utf-8") as file:
        file.write("images/000003.png,,train\nimages/000017.png,a second row,train\n")
    rows = (data / "captions.csv").read_text(encoding="utf-8").splitlines()
    of_corrupt = next(number for number, row in enumerate(rows, start=1) if "000017.png" in row)
    out = tmp_path / "run"
    out.mkdir()
    (out / "quarantine.jsonl").write_text("of an older run")
    words = (*small_options, *FEW, "--overwrite", "--on-error", "quarantine")
    done = job("caption", "--data", data, "--out", out, *words)
    assert done.code == 0, done.err
    assert "warning: 2 rows or pictures are left out:" in done.err and str(out / "quarantine.jsonl") in done.err
    written = [json.loads(line) for line in (out / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row.get("source"), row["image"]) for row in written] == [
        (f"{data}/captions.csv:{len(rows) - 1}", "images/000003.png"),
        (None, str(corrupt)),  # all its rows
    ]
    assert f"{data}/captions.csv:{of_corrupt}: expected a picture that can be read" in done.err
    assert written[1]["reason"].startswith(f"{data}/captions.csv:{of_corrupt}: ")
    assert report_of(out)["left_out"] == 2 and report_of(out)["options"]["on_error"] == "quarantine"

    listed, moved, emptied = out / "quarantine.jsonl", tmp_path / "moved.jsonl", tmp_path / "emptied.jsonl"
    words = ("caption", "--data", data, "--out", tmp_path / "other", *small_options)
    words = (*words, *FEW, "--checkpoint-every", 2, "--exclude")
    save = mm.Checkpoints.save

    def save_and_stop(checkpoints: mm.Checkpoints) -> None:
        save(checkpoints)
        raise KeyboardInterrupt

    with monkeypatch.context() as stopping:
        stopping.setattr(mm.Checkpoints, "save", save_and_stop)
        assert job(*words, listed).code == 130
    shutil.copy(listed, moved)
    emptied.write_text(listed.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    shutil.copy(data / "images" / "000016.png", corrupt)  # it can be read now: only the list says what is left out
    refused = job(*words, emptied, "--resume")
    assert refused.code == 2 and "train_sha256" in refused.error, refused.err
    done = job(*words, moved, "--resume")
    assert done.code == 0, done.err
    left_out = 1 + sum("000017.png" in row for row in rows)  # each row of the picture counts
    assert left_out > 2 and report_of(tmp_path / "other")["left_out"] == left_out


# --- a folder that is taken ---


def test_a_folder_that_holds_something_is_refused(job: Job, trained: Any, small_options: tuple[object, ...]) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.out.rglob("*")}
    done = job("caption", "--data", trained.data, "--out", trained.out, *small_options)
    assert (done.code, done.out) == (2, "")
    assert "--overwrite" in done.error and str(trained.out) in done.error
    assert {path: path.stat().st_mtime_ns for path in trained.out.rglob("*")} == before


def test_a_file_in_the_place_of_the_folder_is_refused(job: Job, scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", "--overwrite")
    assert done.code == 2 and "a file" in done.error
    assert (tmp_path / "run").read_text() == "mine"


def test_overwrite_keeps_the_old_run_where_the_new_one_cannot_begin(job: Job, trained: Any, tmp_path: Path) -> None:
    kept = shutil.copytree(trained.out, tmp_path / "run")
    done = job("caption", "--data", tmp_path / "misspelt", "--out", kept, "--overwrite")
    assert done.code == 2 and "misspelt" in done.error
    assert mm.Captioner.from_preset(kept / "preset").card == mm.Captioner.from_preset(trained.preset).card
    assert report_of(kept) == report_of(trained.out)


# --- bad input: an exit code and one sentence ---


def refused(job: Job, data: Path, tmp_path: Path, *words: object) -> str:
    """The sentence with which a training on `data` ends before it begins; no run is left behind."""
    done = job("caption", "--data", data, "--out", tmp_path / "run", "--encoder", "small", *words)
    assert (done.code, done.out) == (2, "")
    assert not (tmp_path / "run").exists()
    return done.error


def test_a_folder_without_pictures_or_captions(job: Job, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused(job, tmp_path / "empty", tmp_path)


def test_captions_whose_pictures_are_missing(job: Job, tmp_path: Path) -> None:
    data = write_table(tmp_path / "data", [("image", "caption"), ("0.png", "a dog"), ("gone.png", "a cat")], pictures=1)
    error = refused(job, data, tmp_path)
    assert "captions.csv:3:" in error and "gone.png" in error


def test_one_corrupt_picture_is_named(job: Job, scenes: Path, tmp_path: Path) -> None:
    data = shutil.copytree(scenes, tmp_path / "data")
    corrupt = data / "images" / "000017.png"
    corrupt.write_bytes(corrupt.read_bytes()[:90])
    error = refused(job, data, tmp_path)
    assert str(corrupt) in error and "1 that cannot" in error
    assert "000016.png" not in error


def test_skipping_does_not_train_where_every_picture_to_choose_by_is_bad(job: Job, tmp_path: Path) -> None:
    rows = [("image", "caption", "split"), ("0.png", "a dog", "train"), ("1.png", "a cat", "valid")]
    data = write_table(tmp_path / "data", rows, pictures=2)
    (data / "1.png").write_bytes(b"no picture")
    assert "needs a train and a valid split" in refused(job, data, tmp_path, "--on-error", "skip")


def test_a_table_without_the_column(job: Job, tmp_path: Path) -> None:
    data = write_table(tmp_path / "data", [("image", "captoin"), ("0.png", "a dog")], pictures=1)
    error = refused(job, data, tmp_path)
    assert "captions.csv:1: expected a column 'caption'" in error
    assert "captoin" in error


def test_captions_in_latin_1(job: Job, tmp_path: Path) -> None:
    rows = [("image", "caption"), ("0.png", "a dog"), ("1.png", "ein Hund in der Nähe")]
    error = refused(job, write_table(tmp_path / "data", rows, pictures=2, encoding="latin-1"), tmp_path)
    assert "captions.csv:3:" in error and "UTF-8" in error


def test_splits_without_one_to_learn_from(job: Job, tmp_path: Path) -> None:
    rows = [("image", "caption", "split"), ("0.png", "a dog", "valid"), ("1.png", "a cat", "test")]
    assert "needs a train" in refused(job, write_table(tmp_path / "data", rows, pictures=2), tmp_path)


def test_weights_that_the_encoder_would_not_read(job: Job, scenes: Path, tmp_path: Path) -> None:
    assert "--encoder-weights" in refused(job, scenes, tmp_path, "--encoder-weights", "random")


def test_weights_that_are_not_there(job: Job, scenes: Path, tmp_path: Path) -> None:
    error = refused(job, scenes, tmp_path, "--encoder", "vgg19", "--encoder-weights", tmp_path / "none.h5")
    assert "none.h5" in error


@pytest.mark.parametrize("words", [["--epoch-count", "3"], ["--epochs", "many"], ["--cell", "lstn"], ["extra.jpg"]])
def test_options_that_the_job_does_not_have(job: Job, scenes: Path, tmp_path: Path, words: list[str]) -> None:
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *words)
    assert (done.code, done.out) == (2, "")
    assert words[0] in done.err or words[1] in done.err
    assert "Traceback" not in done.err and not (tmp_path / "run").exists()


def test_a_config_with_an_option_that_no_job_reads(job: Job, trained: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text((trained.out / "config.yaml").read_text() + "unitz: 3\n")
    done = job("caption", "--config", config, "--out", tmp_path / "run")
    assert done.code == 2 and "'unitz'" in done.error and "units" in done.error


def test_a_full_disk_during_extraction(job: Job, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The features do not fit: the file is named, what was begun is taken away, and no run begins."""

    class Regions:
        def call(self, images: Any) -> Any:
            import tensorflow as tf

            return tf.zeros((tf.shape(images)[0], 196, 512), tf.float16)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "features.npy")

    monkeypatch.setattr("mmtoolkit.vision.sources.load_extractor", lambda key: Regions())
    monkeypatch.setattr("mmtoolkit.files.os.fsync", full)
    words = ("--encoder", "vgg19", "--encoder-weights", "random", "--features", tmp_path / "store")
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *words)
    assert (done.code, done.out) == (1, "")
    assert done.error.startswith("No space left on device: ")
    assert not (tmp_path / "run").exists()
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


# --- choices that `auto` makes ---


@pytest.mark.parametrize(
    ("encoder", "weights", "side", "chosen"),
    [
        ("auto", None, 127, "small"),
        ("auto", None, 128, "vgg19"),
        ("auto", "imagenet", 64, "vgg19"),
        ("small", None, 500, "small"),
        ("vgg19", None, 64, "vgg19"),
    ],
)
def test_small_pictures_go_to_the_small_network(
    encoder: str, weights: str | None, side: int, chosen: str, tmp_path: Path
) -> None:
    Image.new("RGB", (side, side)).save(tmp_path / "a.png")
    assert choose_encoder(encoder, weights, [tmp_path / "a.png"]) == chosen


# --- Ctrl-C, and the job as a script ---


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_written(
    scenes: Path, small_options: tuple[object, ...], tmp_path: Path, own_cache: Path
) -> None:
    """The signal comes in the midst of training; what stays is whole, and one line says so."""
    out = tmp_path / "run"
    words = ["--data", scenes, "--out", out, *small_options, "--epochs", 10_000, "--patience", 10_000]
    command = [sys.executable, "-m", "mmtoolkit.pipelines", "caption", *map(str, words)]
    with (tmp_path / "stderr").open("w") as log:
        heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs would not
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=os.environ, text=True, preexec_fn=heeds
        )
        try:
            deadline = time.monotonic() + 240
            while not (out / "preset").is_dir() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            printed, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    told = (tmp_path / "stderr").read_text()
    assert process.returncode == 130, told
    assert printed == "" and "Traceback" not in told
    assert told.splitlines()[-1] == "error: interrupted"
    assert ("--resume goes on from the last checkpoint" in told) == (out / "checkpoints" / "last.h5").is_file()
    assert {"config.yaml", "preset"} <= {path.name for path in out.iterdir()} <= {"config.yaml", "preset", *WATCHED}
    assert not list(out.rglob("*.part"))
    captioner = mm.Captioner.from_preset(out / "preset")
    assert isinstance(captioner.generate([scenes / "images" / "000001.png"])[0], str)
    assert all(np.isfinite(weight).all() for weight in captioner.get_weights())


def test_rare_words_are_counted(
    job: Job, scenes: Path, tmp_path: Path, small_options: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = [record for record in mm.read_captions(scenes) if record.split == "train"]
    counts = Counter(word for record in train for caption in record.captions for word in caption.split())
    rare = sum(count < 20 for count in counts.values())
    assert 0 < rare < len(counts)

    def stop(*arguments: Any, **options: Any) -> None:
        raise mm.InputError("enough")

    monkeypatch.setattr("mmtoolkit.models.start_at_weights", stop)
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", *small_options, "--min-count", 20)
    assert done.error == "enough"
    expected = f"vocabulary: {len(counts) - rare} words; rarer than --min-count 20 and left out: {rare}\n"
    assert expected in done.err


def test_the_script_is_the_same_job() -> None:
    """`python pipelines/caption.py` has the options of `mmtoolkit caption`."""
    script = [sys.executable, str(ROOT / "pipelines" / "caption.py"), "--help"]
    named = [sys.executable, "-m", "mmtoolkit.pipelines", "caption", "--help"]
    environment = os.environ | {"COLUMNS": "100"}
    first, second = (
        subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment) for words in (script, named)
    )
    assert (first.returncode, second.returncode) == (0, 0)
    summary = "Trains a captioner on pictures with captions"
    assert first.stdout.partition(summary)[1:] == second.stdout.partition(summary)[1:]
    assert "--learning-rate" in first.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--epochs", 0),
        ("--batch-size", 0),
        ("--units", 0),
        ("--embedding-dim", -1),
        ("--beam", 0),
        ("--max-length", 1),
        ("--dropout", 1.5),
        ("--averaging", 2),
        ("--label-smoothing", -0.1),
        ("--learning-rate", 0),
    ],
)
def test_a_number_out_of_its_range_is_refused_first(job: Job, tmp_path: Path, option: str, value: float) -> None:
    """The data is not looked at: the folder does not even exist."""
    error = refused(job, tmp_path / "no_such_data", tmp_path, f"{option}={value}")
    assert error.startswith(f"{option} expects") and f"Received: {value}" in error
