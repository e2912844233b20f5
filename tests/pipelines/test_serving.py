"""`mmtoolkit export`, `verify`, `serve` and `ask`: from the demo's preset to the same strings out of a server."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from once import Once
from playwright.sync_api import expect
from tiny_task import colours, new_model, write_colours

from mmtoolkit.pipelines.ask import show
from mmtoolkit.scenes import write_scenes
from mmtoolkit.serving.client import Prediction
from mmtoolkit.serving.export import export

Job = Callable[..., Any]


@pytest.fixture(scope="module")
def models(job: Job, once: Once) -> Path:
    """The directory of the demo's captioner, exported."""

    def export_it(folder: Path) -> None:
        done = job("export", "--preset", "shapes_demo", "--out", folder / "shapes", "--beam", 3)
        assert done.code == 0, done.err
        assert done.out.startswith(f"{folder / 'shapes' / '1'}") and "answers as the preset does" in done.out
        assert f"mmtoolkit serve --models {folder}" in done.err

    return once("exported-demo", export_it).folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    scenes = write_scenes(tmp_path_factory.mktemp("asked") / "scenes", count=10, seed=5, size=96)
    return sorted((scenes / "images").iterdir())[:5]


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`mmtoolkit serve` in a process of its own, and its address."""
    command = [sys.executable, "-m", "mmtoolkit.pipelines", "serve", "--models", str(models), "--port", "0"]
    quiet = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
    first = process.stderr.readline()  # type: ignore[union-attr]
    assert first.startswith("shapes, version 1: "), first
    yield process, first.partition(": ")[2].partition("/v1/")[0]
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_the_served_captions_are_those_of_predict(
    job: Job, models: Path, server: tuple[Any, str], pictures: list[Path]
) -> None:
    predicted = job("predict", *pictures, "--preset", "shapes_demo", "--beam", 3)
    url = f"{server[1]}/v1/models/shapes"
    asked = job("ask", url, *pictures)
    assert (asked.code, asked.out) == (0, predicted.out) and len(set(asked.out.splitlines())) == 5
    verified = job("verify", models / "shapes", "--url", url, "--json")
    report = json.loads(verified.out)
    assert verified.code == 0 and report["good"] and report["requests"] > 10


@pytest.mark.slow
def test_what_cannot_be_read_is_told_and_the_others_are_asked(
    job: Job, server: tuple[Any, str], pictures: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    done = job("ask", f"{server[1]}/v1/models/shapes", bad, pictures[0], "--json")
    results = json.loads(done.out)["results"]
    assert done.code == 1 and [each["status"] for each in results] == ["unreadable", "ok"]
    done = job("ask", f"{server[1]}/v1/models/shapes", bad, pictures[0])
    assert done.error == f"{bad}: unreadable" and len(done.out.splitlines()) == 1
    done = job("ask", f"{server[1]}/v1/models/other", pictures[0])
    assert done.code == 2 and "answered 404: Servable not found for request: Latest(other)" in done.error
    done = job("ask", f"{server[1]}/v1/models/shapes", pictures[0], "--question", "how many?")
    assert done.code == 2 and "Expected a model that gives ['answers', 'probabilities', 'status']" in done.error


def test_wrong_options_are_refused_before_any_work(job: Job, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words, told in (
        (("export", "--preset", "shapes_demo", "--out", tmp_path / "file"), "--out expects a directory"),
        (("export", "--preset", "shapes_demo", "--out", tmp_path / "x", "--version", 0), "--version expects"),
        (("export", "--preset", "shape_demo", "--out", tmp_path / "x"), "shapes_demo"),
        (("export", "--preset", "shapes_demo", "--out", tmp_path / "x", "--precision", "half"), "--precision is one"),
        (("verify", tmp_path / "x"), "Expected the directory of an exported version"),
        (("serve", "--models", tmp_path / "x"), "Expected a directory of models"),
        (("serve", "--models", tmp_path, "--megabytes", 0), "--megabytes expects a number above 0"),
        (("serve", "--models", tmp_path, "--versions", 0), "--versions expects 1 or more. Received: 0."),
        (("serve", "--models", tmp_path, "--labels", "stable"), "--labels expects LABEL=VERSION"),
        (("ask", "http://localhost:1/v1/models/m", tmp_path, "--batch-size", 0), "--batch-size expects 1 or more"),
        (("ask", "grpc://localhost", tmp_path), r"Expected grpc://HOST:PORT/NAME. Received: 'grpc://localhost'"),
    ):
        done = job(*words)
        assert (done.code, done.out) == (2, "") and told in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_model_that_writes_files_is_refused_in_one_line(job: Job, tmp_path: Path) -> None:
    import tensorflow as tf

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
        def served(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            tf.io.write_file(str(tmp_path / "written"), tf.io.read_file("/etc/hostname"))
            return {"caption": image_bytes}

    module = Evil()
    tf.saved_model.save(module, str(tmp_path / "evil" / "1"), signatures={"serving_default": module.served})
    for words in (("verify", tmp_path / "evil"), ("serve", "--models", tmp_path)):
        done = job(*words)
        assert (done.code, done.out) == (2, "") and "Received: ReadFile, WriteFile; nothing of it was run" in done.error
    assert [path.name for path in tmp_path.iterdir()] == ["evil"]


def test_texts_of_a_server_are_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    show("a.jpg", Prediction("\x1b[2J\nb.jpg\ta dog", -0.5, "ok"))
    show("a.jpg", Prediction("red", 0.5, "ok", (("\u202eder", 0.25),)))
    show("a.jpg", Prediction("", 0.0, "\x1b]0;title\x07"))
    told = capsys.readouterr()
    assert told.out == "a.jpg\t\\x1b[2J\\x0ab.jpg\\x09a dog\na.jpg\tred\t0.500\na.jpg\t\\u202eder\t0.250\n"
    assert told.err == "error: a.jpg: \\x1b]0;title\\x07\n"


def test_the_page_can_be_written_for_another_web_server(job: Job, once: Once, tmp_path: Path) -> None:
    """Of a table of colours, for what is written hangs on the names alone."""

    def table(folder: Path) -> None:
        records, _ = colours.load(write_colours(folder / "data"))
        export(colours, new_model(records), folder / "models" / "colours")

    page, models = tmp_path / "page.html", once("exported-colours", table).folder / "models"
    done = job("serve", "--models", models, "--page", page)
    assert (done.code, done.out) == (0, "") and f"page: {page}" in done.err
    assert 'const MODELS = {"colours": {"signatures": ["serving_default"]' in page.read_text(encoding="utf-8")


DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const moved = new DataTransfer();
  moved.items.add(new File([bytes], name, { type: "image/png" }));
  document.getElementById("drop").dispatchEvent(
    new DragEvent("drop", { dataTransfer: moved, bubbles: true, cancelable: true }));
}"""
SHADED = """() => {
  const canvas = document.getElementById("heat");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data.filter((value, i) => i % 4 === 3)];
}"""


@pytest.mark.parametrize(("width", "language"), [(390, "ko-KR"), (1280, "en-US")])
def test_a_dropped_picture_gets_its_caption_and_each_word_its_map(
    chromium: Any, server: tuple[Any, str], pictures: list[Path], job: Job, width: int, language: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844}, locale=language)
    page, errors, derangement = context.new_page(), list[str](), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((server[1], "blob:", "data:")) else derangement.append(request.url)
        ),
    )
    page.goto(server[1])
    expect(page.locator("#choose")).to_have_text("사진 고르기" if language == "ko-KR" else "Choose a picture")
    page.evaluate(DROP, ["scene.png", base64.b64encode(pictures[0].read_bytes()).decode()])
    expected = job("predict", pictures[0], "--preset", "shapes_demo", "--beam", 3).out.strip().partition("\t")[2]
    words = page.locator("#words button")
    expect(page.locator("#hint")).to_be_visible(timeout=60_000)
    assert words.all_text_contents() == expected.split()
    assert not any(page.evaluate(SHADED))
    words.nth(1).hover()
    first = page.evaluate(SHADED)
    assert len(set(first)) > 20  # darker where it looked less
    words.nth(1).focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == expected.split()[2]
    assert page.evaluate(SHADED) != first
    expect(page.locator("#others li").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(DROP, ["bad.png", base64.b64encode(b"no picture").decode()])
    expect(page.locator("#status")).to_have_class("bad")
    expect(page.locator("#words button")).to_have_count(0)
    assert (errors, derangement) == ([], [])
    context.close()


@pytest.mark.slow
def test_it_ends_when_it_is_told_to(server: tuple[subprocess.Popen[str], str], job: Job, pictures: list[Path]) -> None:
    """Last, for it ends the server of the tests before."""
    process, address = server
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in told
    done = job("ask", f"{address}/v1/models/shapes", pictures[0], "--retries", 0)
    assert done.code == 2 and "is the server running?" in done.error
