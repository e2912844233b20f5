"""The pages of reports in a browser: no error, no request, readable on a phone, attention under finger and keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from once import Once

Job = Callable[..., Any]


@pytest.fixture(scope="module")
def pages(job: Job, trained: Any, answerer: Any, once: Once) -> dict[str, Path]:
    """Every kind of page that a job writes."""

    def write(folder: Path) -> None:
        folder.mkdir()
        job("doctor", "--data", trained.data, "--out", folder / "doctor.html")
        job("compare", trained.out, trained.out, "--out", folder / "compare.html")

    folder, _ = once("pages", write)
    found = {"captions": trained.out / "report.html", "answers": answerer.out / "report.html"}
    return found | {name: folder / f"{name}.html" for name in ("doctor", "compare")}


@pytest.fixture(params=[(390, 800), (1280, 900)], ids=["phone", "desk"])
def sheet(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty tab without a network, that notes errors and requests."""
    width, height = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, offline=True)
    tab = context.new_page()
    tab.noted = []
    tab.on("pageerror", lambda error: tab.noted.append(str(error)))
    tab.on("console", lambda told: tab.noted.append(told.text) if told.type in ("error", "warning") else None)
    tab.on("request", lambda asked: None if asked.url.startswith(("file:", "data:")) else tab.noted.append(asked.url))
    yield tab
    context.close()


@pytest.mark.parametrize("name", ["captions", "answers", "doctor", "compare"])
def test_a_page_opens_offline_and_fits(sheet: Any, pages: dict[str, Path], name: str) -> None:
    sheet.goto(pages[name].as_uri())
    assert sheet.noted == []
    assert sheet.locator("h1").is_visible() and sheet.locator("h2").first.is_visible()
    wide, seen = sheet.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen  # nothing sticks out to the side
    pictures = sheet.locator("img")
    for number in range(pictures.count()):
        box = pictures.nth(number).evaluate("i => [i.naturalWidth, i.getBoundingClientRect().width]")
        assert box[0] > 0 and 20 < box[1] <= seen
    assert pictures.count() > 0 or name in ("doctor", "compare")


PAINTED = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(value => value)"


@pytest.mark.parametrize("name", ["captions", "answers"])
def test_attention_appears_under_a_word(sheet: Any, pages: dict[str, Path], name: str) -> None:
    sheet.goto(pages[name].as_uri())
    item = sheet.locator(".looks > li").first
    canvas, words = item.locator("canvas"), item.locator("button")
    assert not canvas.evaluate(PAINTED)
    words.last.hover()
    assert canvas.evaluate(PAINTED) and words.last.get_attribute("aria-pressed") == "true"
    sheet.mouse.move(1, 1)
    assert not canvas.evaluate(PAINTED)
    words.first.focus()
    first = canvas.evaluate("c => c.toDataURL()")
    sheet.keyboard.press("Tab")
    assert canvas.evaluate(PAINTED) and words.nth(1).get_attribute("aria-pressed") == "true"
    assert canvas.evaluate("c => c.toDataURL()") != first  # another word, another place
    sheet.keyboard.press("Escape")
    assert not canvas.evaluate(PAINTED)


def test_the_brightest_place_is_where_the_map_is(sheet: Any, pages: dict[str, Path]) -> None:
    """The map is read from the page itself, and the drawn colours from the canvas."""
    sheet.goto(pages["captions"].as_uri())
    word = sheet.locator(".looks button").first
    map_of = "b => [...atob(b.dataset.map)].map(c => c.charCodeAt(0))"
    grid = word.evaluate(map_of)
    side = round(len(grid) ** 0.5)
    assert side * side == len(grid)
    word.focus()
    read = f"""c => {{const at = c.getContext('2d'), step = c.width / {side}, found = [];
        for (let row = 0; row < {side}; row++) for (let column = 0; column < {side}; column++)
            found.push([...at.getImageData((column + .5) * step, (row + .5) * step, 1, 1).data.slice(0, 3)]
                .reduce((a, b) => a + b));
        return found}}"""
    drawn = sheet.locator(".looks canvas").first.evaluate(read)
    assert drawn.index(max(drawn)) in [n for n, value in enumerate(grid) if value >= max(grid) - 8]
