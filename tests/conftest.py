"""Fixtures every test may use."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from once import Once

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # two thirds of the time to compile

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks as slow what needs a browser or the wheel; killed processes and whole trainings are marked by hand."""
    for item in items:
        if {"chromium", "wheel"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and weights; tests that need it are skipped elsewhere."""
    folder = Path(os.environ.get("MMTOOLKIT_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the real data in {folder} (set MMTOOLKIT_SHARED)")
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """`once("scenes", build).folder`: a folder that is built once a run, for all workers of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    return Once((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "built")


@pytest.fixture
def eager() -> Iterator[None]:
    """Runs what TensorFlow would trace as plain Python: for a training of up to about ten steps that takes less."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ALONE = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run")  # the browser asks for nothing by itself
ALONE += ("disable-background-networking", "disable-component-update", "disable-sync")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless browser of Playwright; tests that look at pages are skipped where there is none.

    It is the Chromium at MMTOOLKIT_CHROMIUM, or the one that is installed.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    path = os.environ.get("MMTOOLKIT_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs Chromium (install it, or set MMTOOLKIT_CHROMIUM)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=[f"--{word}" for word in ALONE])
        yield browser
        browser.close()


STAND_IN = """#!{python}
import os, sys
open({log!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
behaviour = os.environ.get("STAND_IN", "")
if behaviour == "dies":
    sys.exit("Error: no memory")
for number, line in enumerate(sys.stdin, 1):
    if behaviour == "dies later" and number > 1:
        sys.exit("Exception: too much")
    if behaviour == "babbles":
        print("Usage: java", flush=True)
        continue
    kind, *sentences = line.rstrip("\\n").split(" ||| ")
    if kind == "SCORE":
        *references, words = (sentence.split() for sentence in sentences)
        right = max(len(set(words) & set(reference)) for reference in references)
        print(float(right), float(len(words)), flush=True)
    else:
        entries = [[float(number) for number in entry.split()] for entry in sentences]
        for right, said in [*entries, [sum(column) for column in zip(*entries)]]:
            print(right / max(1, said), flush=True)
"""


@pytest.fixture
def stand_in_meteor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `java` and a package that stand in for METEOR: its score is the share of words that a reference has.

    The package cannot be imported, nor can any part of it. Returns the file where each start leaves its
    arguments, a line.
    """
    folder = tmp_path / "stand_in"
    package, log, java = folder / "pycocoevalcap", folder / "starts.txt", folder / "bin" / "java"
    for part in ("meteor", "spice"):
        (package / part).mkdir(parents=True)
        (package / part / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    (package / "meteor" / "meteor-1.5.jar").touch()
    java.parent.mkdir()
    java.write_text(STAND_IN.format(python=sys.executable, log=str(log)), encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PATH", str(java.parent), prepend=os.pathsep)
    return log
