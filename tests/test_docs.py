"""The promises of docs/security.md name tests that exist, in both languages the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("security.md", "security.ko.md")


def promises(page: str) -> list[tuple[str, ...]]:
    """The tests of each promise, as `file.py::test`; one without a file is of the file named last."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    kept, file = [], ""
    for item in re.findall(r"^- .*(?:\n  .*)*", "".join(text.split("\n## ")[1:3]), re.M):
        tests = []
        for named, test in re.findall(r"`([\w/]*(?:\.py)?)::(\w+)`", item):
            file = named or file
            tests.append(f"{file}::{test}")
        kept.append(tuple(tests))
    return kept


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_has_tests_that_exist(page: str) -> None:
    kept = promises(page)
    assert len(kept) > 25 and all(kept)
    for file, test in (name.split("::") for tests in kept for name in tests):
        source = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(", source, re.M), f"{file}::{test}"


def test_both_languages_promise_the_same() -> None:
    assert promises(PAGES[0]) == promises(PAGES[1])


@pytest.mark.parametrize("page", [*(f"docs/{page}" for page in (*PAGES, "licences.md")), "README.md", "README.ko.md"])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))
    assert links and [link for link in links if not (path.parent / link).exists()] == []
