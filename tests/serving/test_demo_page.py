"""The page at the server's `/`, in a browser: questions, two pictures at once, and the other language."""

from __future__ import annotations

import base64
import io
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

import mmtoolkit as mm

SHADED = """() => {
  const canvas = document.getElementById("heat");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data.filter((value, i) => i % 4 === 3)];
}"""


@pytest.fixture
def page(chromium: Any, address: str) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, locale="en-US")
    page = context.new_page()
    errors = list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    assert errors == []
    context.close()


def test_a_question_is_answered_with_bars_and_where_the_model_looked(
    page: Any, answerer: mm.VisualQA, pictures: list[Path]
) -> None:
    question = "how many circles are there?"
    (expected,) = answerer.answer(pictures[:1], [question], n_best=5)
    page.locator("#model").select_option("answers")
    page.locator("#file").set_input_files(pictures[0])
    expect(page.locator("#status")).to_have_text("Type a question.")
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    expect(page.locator("#answers li")).to_have_count(5, timeout=60_000)
    texts, shares = (page.locator(f"#answers span:nth-of-type({place})").all_inner_texts() for place in (1, 2))
    assert texts == [answer.text for answer in expected]
    assert [float(share.removesuffix(" %")) for share in shares] == pytest.approx(
        [100 * answer.probability for answer in expected], abs=0.06
    )
    looks = page.locator("#words button")
    assert looks.all_inner_texts() == ["look 1", "look 2"]
    last = page.evaluate(SHADED)
    looks.nth(0).hover()
    assert len(set(last)) > 3 and page.evaluate(SHADED) != last
    page.locator("#language").click()
    expect(page.locator("#choose")).to_have_text("사진 고르기")


def test_an_answer_that_comes_late_is_not_shown_under_another_picture(
    page: Any, captioner: mm.Captioner, pictures: list[Path]
) -> None:
    held = list[Any]()

    def hold_first(route: Any) -> None:
        route.continue_() if held else held.append(route)

    page.route("**/captions:predict", hold_first)
    page.locator("#model").select_option("captions")
    with page.expect_request("**/captions:predict"):
        page.locator("#file").set_input_files(pictures[0])
    page.locator("#file").set_input_files(pictures[1])
    _, second = captioner.generate(pictures[:2])
    expect(page.locator("#hint")).to_be_visible(timeout=60_000)
    assert len(held) == 1 and base64.b64encode(pictures[0].read_bytes()).decode() in held[0].request.post_data
    with page.expect_response("**/captions:predict"):
        held[0].continue_()
    page.evaluate("async () => { for (let i = 0; i < 9; i++) await new Promise(requestAnimationFrame); }")
    assert "".join(page.locator("#words button").all_inner_texts()) == second.replace(" ", "")


def test_a_drawn_picture_is_captioned(page: Any, captioner: mm.Captioner, tmp_path: Path) -> None:
    page.locator("#model").select_option("captions")
    samples = page.locator("#samples img")
    sources = [samples.nth(number).get_attribute("src") for number in range(samples.count())]
    assert len(set(sources)) == 3
    data = base64.b64decode(sources[1].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).size == (160, 160)
    (tmp_path / "sample.png").write_bytes(data)
    (expected,) = captioner.generate([tmp_path / "sample.png"])
    samples.nth(1).click()
    expect(page.locator("#hint")).to_be_visible(timeout=60_000)
    assert "".join(page.locator("#words button").all_inner_texts()) == expected.replace(" ", "")


def test_the_programs_of_the_page_give_its_answers(
    page: Any, captioner: mm.Captioner, answerer: mm.VisualQA, pictures: list[Path], tmp_path: Path
) -> None:
    """Each is run as it is copied, also with a question that a shell would run."""
    shutil.copy(pictures[0], tmp_path / "photo.jpg")
    question = "how many 'circles' `id` $HOME are there?"
    (caption,), ((best, *_),) = captioner.generate(pictures[:1]), answerer.answer(pictures[:1], [question], n_best=5)
    for model, expected in (("captions", caption), ("answers", best.text)):
        page.locator("#model").select_option(model)
        if model == "answers":
            page.locator("#question").fill(question)
            page.locator("#question").press("Enter")
        for name, command in (("python", [sys.executable, "-c"]), ("curl", ["bash", "-c"])):
            if shutil.which(name) or name == "python":
                page.locator(f"[data-program={name}]").click()
                program = page.locator("#snippet").inner_text()
                done = subprocess.run([*command, program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
                assert expected in done.stdout and done.returncode == 0, done.stderr + done.stdout


def test_the_answer_is_larger_than_what_is_said_of_attention(page: Any, pictures: list[Path]) -> None:
    page.locator("#model").select_option("answers")
    page.locator("#question").fill("how many circles are there?")
    page.locator("#file").set_input_files(pictures[0])
    expect(page.locator("#answers li")).to_have_count(5, timeout=60_000)
    size = "each => parseFloat(getComputedStyle(each).fontSize)"
    answer, look = (page.locator(name).first.evaluate(size) for name in ("#answers li span", "#words button"))
    assert answer > 1.5 * look
