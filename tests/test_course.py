"""The pages of the course: one form, code that prints what the page shows, tests that exist, pictures that are made."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "docs" / "course"
PAGES = sorted(path for path in COURSE.glob("*.md") if not path.name.endswith(".ko.md") and path.name != "README.md")
PICTURES = sorted((COURSE / "pictures").glob("*.py"))
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
LONGEST, SENTENCES = 14, 7  # lines of a block of Python; sentences of the idea

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def ordered() -> list[str]:
    """The pages in the order of the course."""
    return re.findall(r"^\| \d+ \|.*\]\(([\w-]+)\.md\)", text_of(COURSE / "README.md"), re.M)


def examples(text: str) -> list[tuple[str, str | None]]:
    """The Python of a page, each block with the text that stands below it."""
    found = re.findall(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", text, re.M | re.S)
    return [(code, shown or None) for code, shown in found]


def assert_same(printed: str, shown: str) -> None:
    """Checks that two texts are the same but for the last digits of their numbers."""
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", shown).split(), f"\n{printed}\n{shown}"
    numbers = [[float(value) for value in NUMBER.findall(text)] for text in (printed, shown)]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=0.03, atol=0.011, err_msg=f"\n{printed}\n{shown}")


@each_page
def test_a_page_has_the_form_of_all(page: Path) -> None:
    text = text_of(page)
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings[:2] == ["The idea", "The equation"] and headings[-1] == "Exercise" and "Try it" in headings
    idea = text.split("## The idea\n")[1].split("\n##")[0]
    assert len(re.findall(r"[.:?](?:\s|$)", idea)) <= SENTENCES
    assert text.count("<details>") == text.count("</details>") >= 1
    pictures = re.findall(r"!\[[^\]]+\]\(([\w-]+\.png)\)", text)
    assert pictures and all((COURSE / name).is_file() for name in pictures)
    assert all(len(code.splitlines()) <= LONGEST for code, _ in examples(text))
    assert examples(text) or re.search(r"^mmtoolkit ", text, re.M)


@each_page
def test_the_tests_that_prove_a_page_exist(page: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text_of(page))
    assert named
    for file, test in named:
        assert not test or re.search(rf"^def {test}\(", text_of(ROOT / file), re.M), f"{file}::{test}"


@each_page
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:mmtoolkit|pipelines|docs|notebooks)/[\w/.-]+)`", text_of(page))
    assert [name for name in named if not (ROOT / name).exists()] == []


@each_page
def test_the_python_of_a_page_prints_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "course"}
    for code, shown in examples(text_of(page)):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, page.name, "exec"), names)
        assert_same(printed.getvalue(), shown or "")
    keras.config.set_dtype_policy("float32")
    assert os.listdir(tmp_path) == [], "a page leaves files behind"


def script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_made_by_its_script(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install '.[plots]'")
    target = tmp_path / "made.png"
    script(path).draw(target)
    with Image.open(target) as made, Image.open(COURSE / f"{path.stem}.png") as kept:
        assert made.size == kept.size
        pixels = [np.asarray(picture.convert("L"), float) for picture in (made, kept)]
    assert np.abs(pixels[0] - pixels[1]).mean() < 8, "the picture shows something else"


def test_the_index_has_every_page() -> None:
    assert sorted(ordered()) == sorted(page.stem for page in PAGES)


def test_two_outputs_that_differ_are_found() -> None:
    assert_same("loss 0.500\n", "loss 0.504")
    for other in ("loss 0.6", "cost 0.500", "loss 0.5 0.5"):
        with pytest.raises(AssertionError):
            assert_same("loss 0.500", other)
