"""`mmtoolkit label`: what a preset proposes, what is printed at the end, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import mmtoolkit as mm
from mmtoolkit.locks import locked

Job = Callable[..., Any]


@pytest.fixture
def photos(scenes: Path, tmp_path: Path) -> Path:
    """Five scenes and a file that is no picture."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    for path in sorted((scenes / "images").iterdir())[:5]:
        shutil.copy(path, folder)
    (folder / "zero.jpg").write_bytes(b"no picture")
    return folder


class Person:
    """Somebody who is given the page's address and does something there; then ends it, or fails the test."""

    def __init__(self, act: Callable[[Person], None]) -> None:
        self.act, self.page, self.failed = act, "", None

    def open(self, page: str) -> None:
        """Stands in for the browser."""
        self.page = page
        threading.Thread(target=self.go).start()

    def go(self) -> None:
        try:
            self.act(self)
        except BaseException as error:
            self.failed = error
        finally:
            self.post("done")

    def address(self, path: str, **fields: str) -> str:
        """The address of a request, with the page's token."""
        server, _, token = self.page.partition("?token=")
        return f"{server}{path}?{urlencode(fields | {'token': token})}"

    def get(self, path: str, **fields: str) -> Any:
        with urllib.request.urlopen(self.address(path, **fields), timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, **fields: Any) -> Any:
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address(path), json.dumps(fields).encode(), kind)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def proposal(self, name: str, question: str = "") -> Any:
        while not (made := self.get("proposal", image=name, question=question))["ready"]:
            pass
        return made

    def save(self, name: str, *labels: list[str]) -> None:
        self.post("save", table=self.get("start")["table"], image=name, labels=labels)


@pytest.fixture
def labelled(job: Job, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`labelled(act, photos, …)`: runs the job while a person acts."""

    def run(act: Callable[[Person], None], *words: object) -> Any:
        person = Person(act)
        monkeypatch.setattr("webbrowser.open", person.open)
        done = job("label", *words, "--port", 0)
        if person.failed:
            raise person.failed
        return done

    return run


def tabbed(line: str) -> list[str]:
    return line.split("\t")


def test_a_captioner_proposes_what_predict_says(job: Job, labelled: Any, trained: Any, photos: Path) -> None:
    pictures = sorted(photos.glob("*.png"))
    lines = job("predict", *pictures, "--preset", trained.preset, "--n-best", 3).out.splitlines()
    best = {path: [text for name, text, *_ in map(tabbed, lines) if name == str(path)] for path in pictures}
    texts = [found[0] for found in best.values()]

    def act(person: Person) -> None:
        for path, text in zip(pictures, texts, strict=True):
            three = [[each, None] for each in best[path] if each]
            assert len(best[path]) == 3 and person.proposal(path.name) == {"ready": True, "texts": three, "note": ""}
            person.save(path.name, [text])
        assert person.get("item", image="zero.jpg")["fault"].startswith("zero.jpg: cannot be read")
        assert "zero.jpg" in person.proposal("zero.jpg")["note"]

    done = labelled(act, photos, "--preset", trained.preset)
    out = f"mmtoolkit finetune --preset {trained.preset} --data '{photos}' --out 'runs/my photos'\n"
    assert (done.code, done.out) == (0, out)
    assert f"labelled: 5 of 6 pictures, in {photos / 'captions.csv'}\n" in done.err
    assert "fine-tuning wants 20 labelled pictures or more" in done.err
    assert [record.captions for record in mm.read_captions(photos)] == [(text,) for text in texts]


def test_a_question_answerer_answers_what_is_typed(labelled: Any, answerer: Any, photos: Path) -> None:
    picture = min(photos.glob("*.png"))
    question = "how many red shapes are there, my friend?"
    model = mm.VisualQA.from_preset(answerer.preset)
    source = model.image_source()
    inputs = model.inputs_for([picture], [question], source)
    (expected,) = model.decode(inputs, model.best(5))

    def act(person: Person) -> None:
        assert person.get("start")["fields"] == ["question", "answer"]
        made = person.proposal(picture.name, question)
        assert [text for text, _ in made["texts"]] == [answer.text for answer in expected if answer.text]
        assert made["texts"][0][1] == pytest.approx(expected[0].probability, rel=1e-4)
        assert made["note"].startswith("words that it does not know: ") and "friend" in made["note"]
        person.save(picture.name, [question, "two, or so"])

    done = labelled(act, photos, "--preset", answerer.preset)
    assert done.code == 0 and done.out.startswith("mmtoolkit finetune --preset ")
    (record,) = mm.read_questions(photos)
    assert (record.question, record.answers) == (question, ("two, or so",))


def test_what_is_there_is_gone_on_with(labelled: Any, photos: Path) -> None:
    first, second, *_ = sorted(path.name for path in photos.glob("*.png"))
    (photos / "captions.csv").write_text(f"image,caption\n{first},by hand\n{second},\n")

    def act(person: Person) -> None:
        assert person.get("start")["labelled"] == [first]
        assert person.get("item", image=first)["labels"] == [["by hand"]]

    done = labelled(act, photos)
    assert done.out == f"mmtoolkit caption --data '{photos}' --out 'runs/my photos' --on-error skip\n"
    assert "labelled: 1 of 6" in done.err  # a row without text is none, and one that training leaves out
    assert (photos / "captions.csv").read_text() == f"image,caption\n{first},by hand\n{second},\n"


def test_the_command_names_the_table_where_the_folder_has_others(labelled: Any, photos: Path, tmp_path: Path) -> None:
    name = min(path.name for path in photos.glob("*.png"))
    (photos / "captions.txt").write_text("image,caption\n")
    done = labelled(lambda person: person.save(name, ["red"]), photos)
    assert done.out == f"mmtoolkit caption --data '{photos / 'captions.csv'}' --out 'runs/my photos'\n"
    target = tmp_path / "new" / "asked.csv"
    named = f"../my photos/{name}"
    done = labelled(lambda person: person.save(named, ["what?", "red"]), photos, "--questions", "--out", target)
    assert done.out == f"mmtoolkit vqa --data {target} --out 'runs/my photos'\n"
    (record,) = mm.read_questions(target)
    assert record.answers == ("red",) and record.image.samefile(photos / name)


def test_twenty_are_enough_and_none_is_too_little(labelled: Any, scenes: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(scenes / "images", tmp_path / "scenes")
    nothing = labelled(lambda person: None, folder)
    assert (nothing.code, nothing.out) == (0, "")
    assert "labelled: 0 of 40 pictures" in nothing.err and "nothing to learn from yet" in nothing.err
    assert not (folder / "captions.csv").exists()

    def act(person: Person) -> None:
        for name in person.get("start")["names"][:20]:
            person.save(name, ["a shape"])

    enough = labelled(act, folder)
    assert enough.out.startswith("mmtoolkit caption --data ") and "fine-tuning wants" not in enough.err


@pytest.mark.slow
def test_control_c_is_how_one_ends_it(photos: Path) -> None:
    name = min(path.name for path in photos.glob("*.png"))
    command = [sys.executable, "-m", "mmtoolkit.pipelines", "label", str(photos), "--port", "0", "--no-browser"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests in the background have it ignored
    )
    try:
        line = process.stderr.readline()  # type: ignore[union-attr]
        assert line.startswith("label 6 pictures at http://127.0.0.1:")
        person = Person(lambda person: None)
        person.page = line.split()[-1]
        person.save(name, ["red"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, f"mmtoolkit caption --data '{photos}' --out 'runs/my photos'\n")
    assert "labelled: 1 of 6" in err and "Traceback" not in err


def test_a_captioner_answers_no_questions(job: Job, trained: Any, photos: Path) -> None:
    done = job("label", photos, "--preset", trained.preset, "--questions", "--no-browser")
    assert done.code == 2
    assert done.error == (
        f"--questions is for presets that answer them. Received: {trained.preset}, of captioning; leave one out."
    )


def test_a_port_in_use(job: Job, photos: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = job("label", photos, "--port", port, "--no-browser")
    assert done.code == 2
    assert done.error == (
        f"--port expects a free port. Received: {port}, one that another program uses; name another, or 0 for any free "
        "one."
    )


def test_a_table_that_another_process_labels(job: Job, photos: Path) -> None:
    with locked(photos / "captions.csv", "labels"):
        done = job("label", photos, "--no-browser")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(f"Expected {photos / 'captions.csv'} to be free. Received: process {os.getpid()} on ")


def test_wrong_usage_is_one_sentence(job: Job, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    wrong = {
        (photos / "zero.jpg",): f"label expects a folder of pictures. Received: {photos / 'zero.jpg'}, a file; ",
        (tmp_path / "emtpy",): f"expected an existing file or folder. Received: {tmp_path / 'emtpy'}. Did you mean",
        (tmp_path / "empty",): "expected pictures (",
        (photos, "--port", 70000): "--port expects a number from 0 to 65535. Received: 70000.",
        (photos, "--encoder-weights", "w.h5"): "--encoder-weights is for --preset. Received: w.h5 alone; leave it out.",
        (photos, "--out", tmp_path / "a.txt"): "--out expects a file whose name ends in .csv.",
        (photos, "--preset", "photographs"): "Expected the path of a preset directory or the name",
    }
    for words, message in wrong.items():
        done = job("label", *words, "--no-browser")
        assert (done.code, done.out) == (2, "") and done.error.startswith(message), done.err
    (photos / "captions.csv").write_text("image;capton\n")
    assert "expected a column 'caption'" in job("label", photos, "--no-browser").error
