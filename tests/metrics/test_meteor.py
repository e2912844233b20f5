"""METEOR: talking to Java and ending it, with a stand-in; its figures, where Java and the package are."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.metrics import start_meteor, totals

Children = list[subprocess.Popen[str]]


def is_gone(process: int) -> bool:
    """Whether a process has ended and left no zombie."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Children:
    """The processes that a test starts."""
    known: Children = []

    class Recorded(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *words, **options) -> None:
            super().__init__(*words, **options)
            known.append(self)

    monkeypatch.setattr("subprocess.Popen", Recorded)
    return known


def started(log: Path) -> list[str]:
    """The arguments of the one process that was started."""
    (line,) = log.read_text(encoding="utf-8").splitlines()
    return line.split()


def test_a_corpus_is_scored_from_its_sums(stand_in_meteor: Path) -> None:
    images = [("a dog runs", ["a dog", "the dog runs"]), ("two men", ["men sit"]), ("", ["a cat"])]
    with start_meteor() as meteor:
        rows = [meteor.statistics(said.split(), [other.split() for other in wanted]) for said, wanted in images]
        assert rows == [(2.0, 3.0), (1.0, 2.0), (0.0, 0.0)]
        assert meteor.scores(totals(rows)) == {"METEOR": pytest.approx(100 * 3 / 5)}
        assert meteor.scores(rows[0]) == {"METEOR": pytest.approx(100 * 2 / 3)}  # each answer to its own question


def test_words_that_would_break_the_protocol(stand_in_meteor: Path) -> None:
    with start_meteor() as meteor:
        for words in (["|||", "a"], ["\ud800", "a"], ["한국어", "a"], ["a" * 100_000, "a"]):
            right, said = meteor.statistics(words, [["a"]])
            assert (right, said) == (1.0, float(len(words) - words.count("|||")))


def test_the_jar_runs_with_the_settings_of_coco_caption(stand_in_meteor: Path) -> None:
    with start_meteor() as meteor:
        meteor.statistics(["a"], [["a"]])
    words = started(stand_in_meteor)
    assert words[-6:] == ["-", "-", "-stdio", "-l", "en", "-norm"]
    assert words[-8] == "-jar" and words[-7].endswith(str(Path("pycocoevalcap", "meteor", "meteor-1.5.jar")))


@pytest.mark.parametrize("ending", ["well", "an error", "at once"])
def test_java_ends_and_leaves_no_zombie(stand_in_meteor: Path, children: Children, ending: str) -> None:
    try:
        with start_meteor() as meteor:
            assert not is_gone(children[0].pid)
            if ending != "at once":
                meteor.statistics(["a"], [["a"]])
            if ending == "an error":
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        assert ending == "an error"
    assert is_gone(children[0].pid)
    assert meteor.questions.closed and meteor.answers.closed


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("dies", "Error: no memory"), ("dies later", "Exception: too much"), ("babbles", "Usage: java")],
)
def test_java_that_does_not_run_it(
    stand_in_meteor: Path, children: Children, monkeypatch: pytest.MonkeyPatch, behaviour: str, said: str
) -> None:
    monkeypatch.setenv("STAND_IN", behaviour)
    with pytest.raises(InputError, match=f"expects Java 8 or later.*Received: {said}; try"), start_meteor() as meteor:
        for _ in range(2):
            meteor.statistics(["a"], [["a"]])
    assert is_gone(children[0].pid)


@pytest.mark.parametrize("words", [1, 100_000])  # in the pipe's buffer, or past it
def test_java_that_has_ended_before_it_is_asked(
    stand_in_meteor: Path, children: Children, monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    """The question cannot be written: neither that nor closing the pipe hides what Java said."""
    monkeypatch.setenv("STAND_IN", "dies")
    with pytest.raises(InputError, match="Received: Error: no memory; try"), start_meteor() as meteor:
        children[0].wait()
        meteor.statistics(["a"] * words, [["a"]])
    assert meteor.questions.closed


def test_no_java(stand_in_meteor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"the command java\. Received: none.*install Java 8"), start_meteor():
        pass


def test_no_package(stand_in_meteor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install '\.\[metrics-java\]'"), start_meteor():
        pass
    assert not stand_in_meteor.exists()


def test_a_package_without_the_jar(stand_in_meteor: Path) -> None:
    (stand_in_meteor.parent / "pycocoevalcap" / "meteor" / "meteor-1.5.jar").unlink()
    with pytest.raises(InputError, match=r"none with meteor/meteor-1\.5\.jar"), start_meteor():
        pass


def test_nothing_of_the_package_is_imported(stand_in_meteor: Path) -> None:
    """Its SPICE downloads programs when it is imported; the stand-in's parts raise."""
    with start_meteor() as meteor:
        meteor.scores(meteor.statistics(["a"], [["a"]]))
    assert [name for name in sys.modules if name.startswith("pycocoevalcap")] == []


def test_the_reference_score(shared: Path) -> None:
    if importlib.util.find_spec("pycocoevalcap") is None or shutil.which("java") is None:
        pytest.skip("needs Java and the package pycocoevalcap (the extra metrics-java)")
    folder = shared / "data" / "coco_caption_eval"
    tokens = json.loads((folder / "fakecap_234_ptb_tokenized.json").read_text(encoding="utf-8"))
    expected = json.loads((folder / "fakecap_234_expected.json").read_text(encoding="utf-8"))["scores"]["METEOR"]
    with start_meteor() as meteor:
        rows = [
            meteor.statistics(only[0].split(), [other.split() for other in tokens["refs"][name]])
            for name, only in tokens["hyps"].items()
        ]
        assert meteor.scores(totals(rows)) == {"METEOR": pytest.approx(100 * expected, abs=1e-9)}
        assert meteor.statistics([], [["a", "dog"]])[0] == 0  # nothing said is no error
        assert meteor.scores(meteor.statistics(["강아지", "😀"], [["강아지", "😀"]])) == {"METEOR": 100.0}
