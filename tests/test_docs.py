"""The pages: links and commands that exist, both languages the same, promises with their tests."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("security.md", "security.ko.md")
OPTIONS = json.loads((ROOT / "tests" / "cli" / "options.json").read_text(encoding="utf-8"))
GUIDES = sorted(path.relative_to(ROOT) for found in ("*.md", "course/*.md") for path in (ROOT / "docs").glob(found))
FIRST = [Path("README.md"), Path("README.ko.md")]
OTHERS = [Path(name) for name in ("CONTRIBUTING.md", "CHANGELOG.md", "pretrained/README.md", "benchmarks/README.md")]
WRITTEN = [*FIRST, *GUIDES, *OTHERS]
TRANSLATED = [
    page for page in (*FIRST, *GUIDES) if not page.name.endswith(".ko.md") and page != Path("docs/licences.md")
]


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


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """The language and the code of each block, without comments."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [(language, re.sub(r"[ \t]+#[ \t].*$", "", code, flags=re.M)) for language, code in found]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def links(page: Path) -> list[Path]:
    """The files to which the relative links of a page lead."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(text_of(page)))
    return [
        (page.parent / target.partition("#")[0]).resolve() for target in targets if not re.match(r"#|[a-z]+:", target)
    ]


def commands(text: str) -> list[list[str]]:
    """The words after `mmtoolkit` of each command in the shell blocks, also of those in a container."""
    found = []
    for language, code in blocks(text):
        for line in code.replace("\\\n", " ").splitlines() if language == "sh" else ():
            if line.startswith("mmtoolkit "):
                found.append(shlex.split(line)[1:])
            elif line.startswith("docker run "):
                found.append(shlex.split(line.rpartition(" mmtoolkit ")[2]))
    return found


def wrong_in(words: list[str]) -> list[str]:
    """What of a command is no job, no option of it, or no choice of an option."""
    if not re.fullmatch("[a-z0-9]+", words[0]):
        return []  # mmtoolkit NAME --help
    if words[0] not in OPTIONS:
        return [f"no job {words[0]}"]
    options, wrong = OPTIONS[words[0]], []
    for place, word in enumerate(words):
        name, _, given = word[2:].partition("=")
        if not word.startswith("--") or name in ("help", "config"):
            continue
        option = options.get(name.replace("-", "_"))
        if option is None:
            wrong.append(f"{words[0]} has no {word}")
        elif option["kind"].startswith("{") and option["words"] == 1:
            value = given or "".join(words[place + 1 : place + 2])
            wrong += [f"{word} {value}"] if value not in option["kind"].strip("{}").split(",") else []
    return wrong


def missing_in(words: list[str]) -> list[str]:
    """The required options that a command lacks."""
    options = OPTIONS[words[0]].items()
    required = [name for name, option in options if option.get("required") and "place" not in option]
    return [name for name in required if f"--{name.replace('_', '-')}" not in words]


@pytest.mark.parametrize("page", WRITTEN, ids=str)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    assert [str(link) for link in links(ROOT / page) if not link.exists()] == []


@pytest.mark.parametrize("page", GUIDES, ids=str)
def test_a_page_leads_to_pages_of_its_site_and_language(page: Path) -> None:
    other = ROOT / (str(page).replace(".ko.md", ".md") if page.name.endswith(".ko.md") else page.with_suffix(".ko.md"))
    for link in links(ROOT / page):
        assert link.is_relative_to(ROOT / "docs"), "a link out of docs/ leads nowhere on the site"
        translated = page.name.endswith(".ko.md") and link.suffix == ".md" and link.with_suffix(".ko.md").exists()
        assert link == other or not translated, f"{link.name} is there in Korean"


@pytest.mark.parametrize("page", TRANSLATED, ids=str)
def test_both_languages_have_the_same_headings_and_code(page: Path) -> None:
    english, korean = text_of(ROOT / page), text_of(ROOT / page.with_suffix(".ko.md"))
    levels = [re.findall(r"^#+(?= )", prose(text), re.M) for text in (english, korean)]
    rows = [len(re.findall(r"^\|", prose(text), re.M)) for text in (english, korean)]
    assert levels[0] == levels[1] and rows[0] == rows[1]
    assert blocks(english) == blocks(korean)


@pytest.mark.parametrize("page", WRITTEN, ids=str)
def test_commands_exist_with_their_options(page: Path) -> None:
    text = text_of(ROOT / page)
    inline = re.findall(r"`mmtoolkit\s+([a-z0-9]+(?:\s[^`]*)?)`", prose(text))
    named = [words.replace("|", " ").split() for words in inline]
    assert [fault for words in [*commands(text), *named] for fault in wrong_in(words)] == []
    assert [(words[0], name) for words in commands(text) for name in missing_in(words)] == []


@pytest.mark.parametrize("page", [*FIRST, *GUIDES], ids=str)
def test_options_named_by_themselves_are_some_job_s(page: Path) -> None:
    known = {name.replace("_", "-") for options in OPTIONS.values() for name in options} | {"config", "help"}
    named = " ".join(re.findall(r"`(--[a-z][^`_]*)`", prose(text_of(ROOT / page))))
    assert sorted(set(re.findall(r"--([a-z][a-z0-9-]*)", named)) - known) == []


def test_a_wrong_command_is_found() -> None:
    assert wrong_in(["caption", "--data", "x", "--beams", "3"]) == ["caption has no --beams"]
    assert wrong_in(["caption", "--cell", "ltsm"]) == ["--cell ltsm"] and wrong_in(["captions"]) == ["no job captions"]
    assert missing_in(["caption", "--data", "x"]) == ["out"]
    assert commands('```sh\nmmtoolkit ask URL \\\n    --question "a b"  # c\n```\n') == [
        ["ask", "URL", "--question", "a b"]
    ]


def test_the_table_of_jobs_has_every_job_with_its_options() -> None:
    for page in ("README.md", "README.ko.md"):
        rows = re.findall(r"^\| `([a-z0-9-]+) ?([^`]*)`", text_of(ROOT / "docs" / page), re.M)
        jobs = {job: options for job, options in rows if job in OPTIONS}
        assert set(jobs) == set(OPTIONS)
        assert [
            fault for job, options in jobs.items() for fault in wrong_in([job, *re.findall(r"--[\w-]+", options)])
        ] == []


@pytest.mark.parametrize("page", ["README.md", "README.ko.md"])
def test_the_first_page_is_short(page: str) -> None:
    lines = text_of(ROOT / page).splitlines()
    assert len(lines) < 160 and max(map(len, lines)) <= 150
    assert "\nmake test " in text_of(ROOT / page)


def test_the_site_has_every_page_and_every_public_name() -> None:
    nav = yaml.safe_load(text_of(ROOT / "docs" / "mkdocs" / "mkdocs.yml"))["nav"]
    listed = re.findall(r"[\w/-]+\.md", str(nav))
    files = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(file for file in files if not file.endswith(".ko.md"))
    documented = "".join(text_of(path) for path in (ROOT / "docs" / "api").glob("*.md"))
    names = re.findall(r"import \w+ as (\w+)", text_of(ROOT / "mmtoolkit" / "__init__.pyi"))
    assert [name for name in names if not re.search(rf"\.{name}$", documented, re.M)] == []
