"""`mmtoolkit vqa`, and `predict` and `evaluate` on what it trained."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.vision import block_weights

REPORTS = {"report.json", "report.html", "report.csv"}
TINY = ("--units", 32, "--attention-units", 16, "--embedding-dim", 8, "--batch-size", 32, "--dropout", 0)
TINY += ("--learning-rate", 0.01, "--averaging", 0.5)
Job = Callable[..., Any]


def test_a_run_leaves_a_preset_a_report_and_a_config(answerer: Any) -> None:
    assert {path.name for path in answerer.out.iterdir()} == {"preset", "config.yaml", "samples", "logs", *REPORTS}
    report = json.loads((answerer.out / "report.json").read_text(encoding="utf-8"))
    assert next(iter(report)) == "scores" and set(report["scores"]) == {"accuracy"}
    assert answerer.done.out == f"accuracy\t{report['scores']['accuracy']:.2f}\n"
    assert set(report["baselines"]) == {
        *("most frequent answer", "most frequent answer per question type", "question only"),
        "pictures of other questions",
    }
    low, high = report["gains"]["question only"]["intervals"]["accuracy"]
    points = report["gains"]["question only"]["scores"]["accuracy"]
    where = f"{abs(points):.1f} points {'below' if points < 0 else 'above'}"
    told = f"the model is {where} (difference {low:+.1f} to {high:+.1f})"
    assert (
        f"question only: accuracy {report['baselines']['question only']['accuracy']:.2f}; {told}" in answerer.done.err
    )
    assert report["history"]["loss"][-1] < report["history"]["loss"][0]
    config = yaml.safe_load((answerer.out / "config.yaml").read_text(encoding="utf-8"))
    assert (config["encoder"], config["hops"], config["valid_share"]) == ("small", 2, 0.2)
    assert (answerer.out / "samples" / "epoch-01.png").is_file()
    lines = (answerer.out / "samples" / "epoch-03.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12 and all("(reference: " in line for line in lines)


def test_the_most_frequent_answers_are_those_of_the_training_split(answerer: Any) -> None:
    kept = json.loads((answerer.preset / "baselines.json").read_text(encoding="utf-8"))
    usual = kept["most_frequent_answers"]
    rows = list(csv.DictReader((answerer.data / "questions.csv").open(encoding="utf-8")))
    train = [row["answer"] for row in rows if row["split"] == "train"]
    assert train.count(usual[""]) == max(map(train.count, train))
    many = [row["answer"] for row in rows if row["split"] == "train" and row["question"].startswith("how many")]
    assert many.count(usual["how many"]) == max(map(many.count, many))
    report = json.loads((answerer.out / "report.json").read_text(encoding="utf-8"))
    valid = [row["answer"] for row in rows if row["split"] == "valid"]
    expected = 100 * valid.count(usual[""]) / len(valid)
    assert report["baselines"]["most frequent answer"]["accuracy"] == pytest.approx(expected)


def test_evaluate_gives_the_scores_of_the_run(job: Job, answerer: Any, tmp_path: Path) -> None:
    """On the same split the same report, the twin in the preset included."""
    out = tmp_path / "report.json"
    done = job("evaluate", "--preset", answerer.preset, "--data", answerer.data, "--split", "dev", "--out", out)
    assert done.code == 0, done.err
    ours, theirs = (json.loads(path.read_text(encoding="utf-8")) for path in (out, answerer.out / "report.json"))
    for part in ("scores", "intervals", "baselines", "gains", "question_types", "answer_types"):
        assert ours[part] == theirs[part]
    test = job("evaluate", "--preset", answerer.preset, "--data", answerer.data, "--split", "test", "--json")
    assert json.loads(test.out)["scores"] == theirs["test_scores"]


def test_results_are_in_the_form_of_the_evaluation_server(job: Job, answerer: Any, tmp_path: Path) -> None:
    """Also of a test split whose answers are secret; then there is nothing to score."""
    asked = [{"image_id": n, "question": "how many shapes are there?", "question_id": 10 * n} for n in (1, 2)]
    name = "v2_OpenEnded_mscoco_test2015_questions.json"
    (tmp_path / name).write_text(json.dumps({"data_subtype": "test2015", "questions": asked}))
    for number in (1, 2):
        picture = tmp_path / "test2015" / f"COCO_test2015_{number:012d}.jpg"
        picture.parent.mkdir(exist_ok=True)
        Image.open(answerer.data / "images" / f"{number:06d}.png").save(picture)
    words = ("--preset", answerer.preset, "--data", tmp_path)
    done = job("evaluate", *words, "--results", tmp_path / "out" / "results.json")
    assert (done.code, done.out) == (0, ""), done.err
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    images = [tmp_path / "test2015" / f"COCO_test2015_{number:012d}.jpg" for number in (1, 2)]
    said = mm.VisualQA.from_preset(answerer.preset).answer(images, ["how many shapes are there?"] * 2)
    expected = [{"question_id": 10 * n, "answer": best.text} for n, best in zip((1, 2), said, strict=True)]
    assert rows == expected
    assert "add --results" in job("evaluate", *words).error
    done = job("evaluate", *words, "--results", tmp_path / "again.json", "--json")
    assert json.loads(done.out)["results"] == str(tmp_path / "again.json") and json.loads(done.out)["scores"] == {}


def test_results_have_an_answer_to_every_question(job: Job, answerer: Any, tmp_path: Path) -> None:
    """The evaluation server refuses a file without one; to a picture that is broken or absent, the kind's usual one."""
    texts = {10: "how many shapes are there?", 20: "what color is it?", 21: "zzz?", 30: "how many?", 40: ""}
    asked = [{"image_id": key // 10, "question": text, "question_id": key} for key, text in texts.items()]
    name = "v2_OpenEnded_mscoco_test2015_questions.json"
    (tmp_path / name).write_text(json.dumps({"data_subtype": "test2015", "questions": asked}))
    (tmp_path / "test2015").mkdir()
    first, second = (tmp_path / "test2015" / f"COCO_test2015_{number:012d}.jpg" for number in (1, 2))
    Image.open(answerer.data / "images" / "000001.png").save(first)
    second.write_bytes(b"no picture")
    out = tmp_path / "results.json"
    words = ("--preset", answerer.preset, "--data", tmp_path, "--on-error", "skip", "--results", out)
    done = job("evaluate", *words)
    assert done.code == 0, done.err
    (said,) = mm.VisualQA.from_preset(answerer.preset).answer([first], [texts[10]])
    usual = json.loads((answerer.preset / "baselines.json").read_text(encoding="utf-8"))["most_frequent_answers"]
    expected = {10: said.text, 20: usual.get("what color", usual[""]), 21: usual[""], 30: usual["how many"]}
    assert {row["question_id"]: row["answer"] for row in json.loads(out.read_text())} == expected
    left_out = f"3 of 4 questions are left out here; {out} has the most frequent answer to each: a server wants all"
    assert f"warning: {left_out}\n" in done.err
    assert f"warning: {out} has no answer for rows that cannot be read (1): a server takes it only with all" in done.err
    assert f"answers to 4 questions: {out}" in done.err


def test_predict_prints_answers_with_probabilities(job: Job, answerer: Any, tmp_path: Path) -> None:
    image, question = answerer.data / "images" / "000001.png", "how many shapes are there?"
    words = (image, "--preset", answerer.preset, "--question", question)
    done = job("predict", *words, "--attention", tmp_path / "looks", "--out", tmp_path / "answers.csv")
    assert done.code == 0, done.err
    lines = [line.split("\t") for line in done.out.splitlines()]
    ((*best,),) = mm.VisualQA.from_preset(answerer.preset).answer([image], [question], n_best=5)
    assert lines == [[str(image), answer.text, f"{answer.probability:.3f}"] for answer in best]
    with Image.open(tmp_path / "looks" / "000001.png") as sheet:
        assert sheet.width > 2 * 224  # the picture, and a look for each hop
    (record,) = mm.read_questions(tmp_path / "answers.csv")
    assert (record.question, record.answers) == (question, (best[0].text,))
    told = json.loads(job("predict", *words, "--n-best", 2, "--json").out)["results"]
    assert [told[0][name] for name in ("image", "question")] == [str(image), question] and len(told) == 1
    assert told[0]["answers"] == [pytest.approx(each._asdict(), abs=1e-5) for each in best[:2]]
    assert told[0]["unlike"] is False and told[0]["distance"] > 0


def test_unknown_words_are_told(job: Job, answerer: Any) -> None:
    image = answerer.data / "images" / "000001.png"
    done = job("predict", image, "--preset", answerer.preset, "--question", "무슨 색 zebra?")
    assert done.code == 0 and "does not know: 무슨, 색, zebra" in done.err and len(done.out.splitlines()) == 5


def test_a_question_in_another_encoding_is_refused(job: Job, answerer: Any) -> None:
    """As a terminal in CP949 types it."""
    question = "강아지?".encode("cp949").decode("utf-8", "surrogateescape")
    image = answerer.data / "images" / "000001.png"
    done = job("predict", image, "--preset", answerer.preset, "--question", question)
    assert (done.code, done.out) == (2, "") and done.error.startswith("--question expects text in UTF-8. Received: ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "answers questions. Received: none; add --question"),
        (("--question", " "), "answers questions. Received: none; add --question"),
        (("--question", "what?", "--beam", 3), "--beam is for presets that write captions"),
        (
            ("--question", "what?", "--temperature", 0.5, "--seed", 1),
            "--temperature with --seed is for presets that write captions",
        ),
        (("--question", "what?", "--n-best", 0), "--n-best expects 1 or more. Received: 0"),
    ],
)
def test_predict_refuses_what_does_not_fit(job: Job, answerer: Any, words: tuple[object, ...], told: str) -> None:
    done = job("predict", answerer.data / "images" / "000001.png", "--preset", answerer.preset, *words)
    assert (done.code, done.out) == (2, "") and told in done.error


def test_a_captioner_takes_no_question_and_no_results(job: Job, trained: Any, tmp_path: Path) -> None:
    image = trained.data / "images" / "000001.png"
    done = job("predict", image, "--preset", trained.preset, "--question", "what?")
    assert done.code == 2 and "--question is for presets that answer questions" in done.error
    done = job("evaluate", "--preset", trained.preset, "--data", trained.data, "--results", tmp_path / "r.json")
    assert done.code == 2 and "--results is for presets that answer questions" in done.error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--layer", "fc2"), "add --fusion product or concat"),
        (
            ("--layer", "fc2", "--fusion", "concat", "--encoder", "vgg19-block5"),
            "--layer fc2 is for an encoder like",
        ),
        (("--encoder", "small", "--encoder-weights", "random"), "leave one of them out"),
        (("--fusion", "concat", "--hops", 2), "--hops is for --fusion attention"),
        (("--head", "generate", "--answers", 9), "--answers is for --head classify. Received: --answers 9"),
        (("--head", "generate", "--embeddings", "one-hot"), "--embeddings one-hot is for --head classify"),
        (("--lookahead", "--averaging", 0), "--lookahead goes back to averages. Received: --averaging 0"),
        (("--question-only", "--pool", 2), "--crop and --pool are for pictures. Received: --question-only"),
        (("--layer", "fc2", "--fusion", "concat", "--crop", 0.5), "--crop is for regions. Received: --layer fc2"),
        (("--pool", 3), "--pool expects a number that divides the 4 x 4 regions of a picture. Received: 3"),
        (("--answers", 0), "--answers expects 1 or more. Received: 0"),
        (("--valid-share", 1), "--valid-share expects a share from 0 to below 1. Received: 1"),
        (("--embeddings", "cbwo"), "Did you mean 'cbow'"),
    ],
)
def test_options_that_make_no_sense(
    job: Job, scenes: Path, tmp_path: Path, words: tuple[object, ...], told: str
) -> None:
    done = job("vqa", "--data", scenes, "--out", tmp_path / "run", *words)
    assert (done.code, done.out) == (2, "") and told in done.error and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--question-only",), {"question_only": True}),
        (
            ("--head", "generate", "--cell", "gru", "--no-twin"),
            {"head": "generate", "cell": "gru", "bidirectional": True, "fusion": "attention"},
        ),
        (
            ("--fusion", "product", "--forwards-only", "--layers", 2, "--answers", 5, "--no-twin")
            + ("--embeddings", "one-hot"),
            {"fusion": "product", "bidirectional": False, "layers": 2},
        ),
        (("--crop", 0.5, "--pool", 2, "--lookahead", "--hops", 2), {"crop": 0.5, "pool": 2, "hops": 2}),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
@pytest.mark.usefixtures("eager")
def test_every_form_of_the_model_answers(
    job: Job, scenes: Path, tmp_path: Path, untrained: list[mm.Recipe], words: tuple[object, ...], expected: dict
) -> None:
    """No twin of a twin, nor pictures for it; what trains each form is tried with the models."""
    out = tmp_path / "run"
    done = job("vqa", "--data", scenes, "--out", out, *TINY, *words)
    assert done.code == 0, done.err
    model = mm.VisualQA.from_preset(out / "preset")
    assert model.get_config().items() >= expected.items()
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert ("pictures of other questions" in report["baselines"]) == (words != ("--question-only",))
    has_twin = "--crop" in words
    assert ("question only" in report["baselines"]) == has_twin == (len(untrained) == 2)
    assert {recipe.lookahead for recipe in untrained} == {"--lookahead" in words}
    if has_twin:
        twin = mm.VisualQA.from_preset(out / "preset" / "question_only").get_config()
        assert (twin["crop"], twin["pool"]) == (0.0, 1)
    if "--answers" in words:
        assert len(model.answers_codec.vocabulary) == 4 + 5 and report["coverage"] < 100
        assert np.asarray(model.embedding.table).shape == (len(model.codec.vocabulary),) * 2  # one-hot
    image = scenes / "images" / "000001.png"
    done = job("predict", image, "--preset", out / "preset", "--question", "is there a star?", "--n-best", 1)
    assert done.code == 0 and len(done.out.splitlines()) == 1, done.err


@pytest.mark.usefixtures("eager")
def test_vgg19_and_its_last_block(job: Job, scenes: Path, tmp_path: Path) -> None:
    """Stored regions with random weights; the last block moves away from where it started."""
    few = (*TINY, "--epochs", 1, "--no-twin", "--encoder-weights", "random", "--precision", "float32")
    data = tmp_path / "few"
    shutil.copytree(scenes, data)
    rows = (data / "questions.csv").read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows[1:] if row.split(",")[0] <= "images/000004.png"]
    splits = ["train", "train", "valid", "test"]
    lines = [row.rpartition(",")[0] + "," + splits[int(row[7:13]) - 1] for row in kept]
    (data / "questions.csv").write_text("\n".join([rows[0], *lines]) + "\n", encoding="utf-8")
    for encoder in ("vgg19", "vgg19-block5"):
        done = job("vqa", "--data", data, "--out", tmp_path / encoder, *few, "--encoder", encoder)
        assert done.code == 0, done.err
        model = mm.VisualQA.from_preset(tmp_path / encoder / "preset")
        if encoder == "vgg19-block5":
            start = [weight for weight in block_weights(model.extractor) if weight.ndim > 1]
            kernels = [np.asarray(weight) for weight in model.encoder.scaled if len(weight.shape) > 1]
            moved = [np.abs(0.05 * ours - old) for ours, old in zip(kernels, start, strict=True)]
            assert all(0 < step.mean() < 0.2 * np.abs(old).mean() for step, old in zip(moved, start, strict=True))
        assert model.extractor.network == {"vgg19": "vgg19-block5_conv4"}.get(encoder, "vgg19-block4_pool")
        assert (model.encoder is None) == (encoder == "vgg19")
    done = job("evaluate", "--preset", tmp_path / "vgg19-block5" / "preset", "--data", data, "--split", "test")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("eager")
def test_bad_rows_are_left_out_and_written_down(job: Job, scenes: Path, tmp_path: Path, untrained: Any) -> None:
    data = shutil.copytree(scenes, tmp_path / "data")
    with (data / "questions.csv").open("a", encoding="utf-8") as table:
        table.write("images/999999.png,what is it?,a dog,train\nimages/000001.png,,red,train\n")
    (data / "images" / "000002.png").write_bytes(b"no picture")
    words = ("vqa", "--data", data, "--out", tmp_path / "run", *TINY, "--no-twin")
    done = job(*words)
    assert done.code == 2 and "expected a question about 'images/000001.png'. Received: an empty one" in done.error
    done = job(*words, "--on-error", "quarantine")
    assert done.code == 0, done.err
    rows = [
        json.loads(line) for line in (tmp_path / "run" / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert sum("no known picture format" in row["reason"] for row in rows) == 1  # once, not for each of its questions
    assert len(rows) == 3
    listed = tmp_path / "listed.jsonl"
    assert job("doctor", "--data", data / "questions.csv", "--quarantine", listed).code == 2
    done = job(*words, "--overwrite", "--exclude", listed)
    assert done.code == 0 and "left out as --exclude asks" in done.err, done.err
    asked = (data / "questions.csv").read_text(encoding="utf-8").count("images/000002.png")
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert asked > 1 and report["left_out"] == asked + 2


@pytest.mark.usefixtures("eager")
def test_a_folder_of_one_split(job: Job, scenes: Path, tmp_path: Path) -> None:
    """easy-VQA with train only: a fifth of its pictures is held out, and evaluate finds them again."""
    rows = list(csv.DictReader((scenes / "questions.csv").open(encoding="utf-8")))[:60]
    for name in ("train", "test"):
        (tmp_path / name / "images").mkdir(parents=True)
        numbers = {row["image"]: number for number, row in enumerate({row["image"]: row for row in rows}.values())}
        for image, number in numbers.items():
            shutil.copy(scenes / image, tmp_path / name / "images" / f"{number}.png")
        asked = [[row["question"], row["answer"], numbers[row["image"]]] for row in rows]
        (tmp_path / name / "questions.json").write_text(json.dumps(asked))
    (test := tmp_path / "only" / "test").parent.mkdir()
    shutil.move(tmp_path / "test", test)
    done = job("vqa", "--data", tmp_path / "train", "--out", tmp_path / "run", *TINY, "--epochs", 1, "--no-twin")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["images"] == max(1, round(len(numbers) / 5))
    words = ("evaluate", "--preset", tmp_path / "run" / "preset", "--json", "--data")
    again = json.loads(job(*words, tmp_path / "train", "--split", "valid").out)
    assert again["scores"] == report["scores"]
    assert json.loads(job(*words, tmp_path / "only").out)["questions"] == 60
