"""`mmtoolkit char-lm`, and `predict`, `evaluate`, `compare`, `export` and `verify` on what it trained."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.records import digest
from mmtoolkit.training import fitting

Job = Callable[..., Any]
TINY = ("--units", 24, "--embedding-dim", 8, "--batch-size", 4, "--window", 16, "--learning-rate", 0.02)
TINY += ("--dropout", 0, "--averaging", 0.5, "--precision", "float32")


class Run(NamedTuple):
    """A finished training, and what it printed."""

    data: Path
    out: Path
    done: Any


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences of a small grammar: what follows is often sure."""
    draw = random.Random(0)
    path = tmp_path_factory.mktemp("text") / "verses.txt"
    words = ["roses", "violets", "tulips"], ["red", "blue"]
    lines = [f"{draw.choice(words[0])} are {draw.choice(words[1])}.\n" for _ in range(300)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(job: Job, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "lm"
    return Run(text, out, job("char-lm", "--data", text, *TINY, "--epochs", 6, "--out", out))


def test_a_share_of_the_training_split_is_its_start(job: Job, text: Path, tmp_path: Path, untrained: Any) -> None:
    """As a reader cuts it; the vocabulary is that of the share, and what is validated on stays."""
    (tmp_path / "long.txt").write_text("z" + text.read_text(encoding="utf-8") * 4 + "ä" * 4000, encoding="utf-8")
    done = job("char-lm", "--data", tmp_path / "long.txt", *TINY, "--train-share", 0.25, "--out", tmp_path / "quarter")
    assert done.code == 0, done.err
    report, whole = report_of(tmp_path / "quarter"), mm.load_texts(tmp_path / "long.txt")[0]
    train = [record for record in whole if record.split == "train"]
    model = mm.load(tmp_path / "quarter" / "preset")
    assert len(train) > 5 and "z" in model.codec.vocabulary.id_of and "ä" not in model.codec.vocabulary.id_of
    assert report["train_sha256"] == digest(train[: round(len(train) / 4)])
    assert report["passages"] == len(whole) - len(train)
    resumed = job("char-lm", "--data", tmp_path / "long.txt", *TINY, "--out", tmp_path / "quarter", "--resume")
    assert resumed.code == 2 and "train_share" in resumed.error


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_it_learns_the_grammar_and_reports_it(trained: Run) -> None:
    """A line has log 6 nats of choice, over about 17 characters."""
    assert trained.done.code == 0, trained.done.err
    report, text = report_of(trained.out), trained.data.read_text(encoding="utf-8")
    assert sorted(map(int, report["samples"])) == list(range(1, 7)) and "generated: " in report["samples"]["6"]
    assert "after epoch 6" in (trained.out / "report.html").read_text(encoding="utf-8")
    least = math.log(6) * text.count("\n") / len(text)
    assert least * 0.95 < report["scores"]["nats"] < 2.5 * least
    assert report["scores"]["bits"] == pytest.approx(report["scores"]["nats"] / math.log(2))
    assert report["scores"]["perplexity"] == pytest.approx(math.exp(report["scores"]["nats"]))
    assert trained.done.out.splitlines()[0] == f"nats\t{report['scores']['nats']:.3f}"
    train, valid = text[: int(len(text) * 0.9)], text[int(len(text) * 0.9) :]
    kept = mm.load(trained.out / "preset").codec.vocabulary
    counts = {token: train.count(token) + 1 for token in kept.tokens[4:]}
    total = sum(counts.values()) + 4  # each special token counts once too
    expected = -sum(math.log(counts[letter] / total) for letter in valid) / len(valid)
    assert report["without_context"]["token frequencies"]["nats"] == pytest.approx(expected, rel=1e-4)
    assert report["without_context"]["all tokens alike"]["nats"] == pytest.approx(math.log(len(kept)))
    page = (trained.out / "report.html").read_text(encoding="utf-8")
    assert "What the context is worth" in page and "token frequencies" in page
    sample = (trained.out / "samples" / "epoch-06.txt").read_text(encoding="utf-8")
    assert "after:" in sample and "generated:" in sample


def test_a_stopped_training_ends_with_the_same_weights(
    job: Job, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, with the state that is carried from window to window."""
    whole, out = tmp_path / "whole", tmp_path / "run"
    words = ("--data", trained.data, *TINY, "--dropout", 0.2, "--epochs", 2, "--checkpoint-every", 7)
    assert job("char-lm", *words, "--out", whole).code == 0

    class Stopped(fitting.StopAtNaN):  # type: ignore[name-defined,misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if self.model.optimizer.iterations == 30:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "StopAtNaN", Stopped)
        stopped = job("char-lm", *words, "--out", out)
    assert stopped.code == 130 and "--resume goes on from the last checkpoint" in stopped.err
    assert job("char-lm", *words, "--out", out, "--resume").code == 0
    files = [folder / "preset" / "model.weights.h5" for folder in (whole, out)]
    values: list[list[np.ndarray]] = [[], []]
    for file, found in zip(files, values, strict=True):
        with h5py.File(file) as content:
            content.visititems(lambda _, each, found=found: found.append(each[()]) if hasattr(each, "dtype") else None)
    assert len(values[0]) == len(values[1]) > 5
    for one, other in zip(*values, strict=True):
        np.testing.assert_array_equal(one, other)
    assert report_of(whole)["scores"] == report_of(out)["scores"]


def test_predict_writes_on_from_prompts(job: Job, trained: Run) -> None:
    preset = trained.out / "preset"
    done = job("predict", "--preset", preset, "--prompt", "roses ar", "", "--length", 12, "--temperature", 0.1)
    assert done.code == 0, done.err
    assert done.out.startswith("roses are ") and 8 + 12 + 1 <= len(done.out) <= 8 + 12 + 12 + 2
    words = ("--prompt", "tulips", "--n-best", 2, "--seed", 3, "--json", "--length", 5)
    found = json.loads(job("predict", "--preset", preset, *words).out)
    assert found["failed"] == [] and found["results"][0]["prompt"] == "tulips"
    first, second = found["results"][0]["continuations"]
    assert first["score"] >= second["score"] and len(first["text"]) <= 5
    assert json.loads(job("predict", "--preset", preset, *words).out) == found
    for given, said in (
        (("--preset", preset, trained.data), "writes on from texts. Received: pictures; add --prompt"),
        (("--preset", "shapes_demo", "--prompt", "a"), "--prompt is for presets that write on. Received: shapes_demo"),
        (("--prompt", "a"), "--prompt needs a preset of char-lm. Received: none"),
        (("--preset", preset, "--prompt", "a", "--question", "b"), "Received: question too; leave one out"),
        (("--preset", preset), "expected pictures, folders of them, or --prompt with a text"),
    ):
        done = job("predict", *given)
        assert done.code == 2 and said in done.error, done.err


def test_evaluate_and_compare_agree_with_the_training(job: Job, trained: Run, tmp_path: Path) -> None:
    done = job(
        "evaluate", "--preset", trained.out / "preset", "--data", trained.data, "--split", "valid", "--json",
        "--out", tmp_path / "again.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    again, report = json.loads(done.out), report_of(trained.out)
    for name, score in report["scores"].items():
        assert again["scores"][name] == pytest.approx(score, rel=1e-4)
    assert again["data_sha256"] and "without_context" in again
    done = job("compare", trained.out / "report.json", tmp_path / "again.json")
    assert done.code == 0 and "nats" in done.out, done.err
    shares = re.findall(r"\(share\)\s+([\d.]+)", done.out)
    assert sum(map(float, shares)) == pytest.approx(100.0, abs=0.1)


def test_jobs_for_pictures_say_so(job: Job, trained: Run, tmp_path: Path) -> None:
    preset, model = trained.out / "preset", mm.load(trained.out / "preset")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    done = job("label", tmp_path, "--preset", preset)
    assert done.code == 2 and "label is for pictures. Received: " in done.error
    with pytest.raises(mm.InputError, match="length is the number of tokens, 1 or more. Received: 0"):
        model.generate("a", length=0)
    records = mm.load_texts(trained.data, splits=["valid"])[0][:2]
    several = mm.predict(mm.language_modelling, model, records, search=mm.Sample(n_best=3))
    one = mm.predict(mm.language_modelling, model, records)
    assert [len(found) for found in several.values()] == [3, 3]
    assert {each.score for found in several.values() for each in found} == {found[0].score for found in one.values()}
    assert job("char-lm", "--data", trained.data, "--layers", 9, "--out", tmp_path / "run").code == 2


def test_an_export_answers_as_the_preset_does(job: Job, trained: Run, tmp_path: Path) -> None:
    done = job("export", "--preset", trained.out / "preset", "--out", tmp_path / "served")
    assert done.code == 0 and "answers as the preset does" in done.out, done.err + done.out
    for words in (("--beam", 5), ("--temperature", 2.0), ("--n-best", 4)):
        refused = job("export", "--preset", trained.out / "preset", "--out", tmp_path / "more", *words)
        assert refused.code == 2 and f"{words[0]} is for presets that caption. Received: " in refused.error
    done = job("verify", tmp_path / "served" / "1")
    assert done.code == 0 and "answers as the preset does" in done.out, done.err + done.out


def test_words_have_vectors_and_one_table(job: Job, trained: Run, tmp_path: Path) -> None:
    out = tmp_path / "words"
    words = ("--level", "word", "--tie-output", "--embeddings", "cbow", "--epochs", 15)
    done = job("char-lm", "--data", trained.data, *TINY, *words, "--out", out)
    assert done.code == 0, done.err
    report, model = report_of(out), mm.load(out / "preset")
    assert model.tie_output and model.codec.level == "prose" and "violets" in model.codec.vocabulary.id_of
    assert report["scores"]["perplexity"] < 2.5  # 6 choices for every 5 tokens: 6 ** (1 / 5) = 1.43
    assert report["scores"]["bits"] < report["scores"]["nats"] / math.log(2)  # of characters there are more
    done = job("predict", "--preset", out / "preset", "--prompt", "violets are", "zebras are", "--length", 1)
    assert done.out.startswith("violets are ") and "\nzebras are" in done.out
    assert "does not know: ['zebras']" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--embeddings", "cbow"), "--embeddings cbow is for --level word. Received: --level char"),
        (("--exclude", "list.jsonl"), "--exclude is for rows and pictures"),
        (("--window", 0), "--window expects 1 or more. Received: 0."),
    ],
)
def test_options_that_do_not_fit_are_said(
    job: Job, text: Path, tmp_path: Path, words: tuple[Any, ...], said: str
) -> None:
    done = job("char-lm", "--data", text, "--out", tmp_path / "run", *words)
    assert done.code == 2 and said in done.error and not (tmp_path / "run").exists()
