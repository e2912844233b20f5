"""Fixtures every test may use."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
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


METEOR = {  # a few lines in the form of each file in METEOR's jar
    "function/english.words": "a\nthe\non\nof\n",
    "nonbreaking/english.prefixes": "# titles\n\nMr\nNo #NUMERIC_ONLY#\n",
    "synonym/english.exceptions": "mouse\nmice\n",
    "synonym/english.synsets": "man\n1 2\nguy\n2 3\nfellow\n3\ndog\n5\nhound\n5\nmouse\n7\nrodent\n7\n",
}
PARAPHRASES = [("on top of", "over"), ("over", "on top of"), ("two men", "a pair of men"), ("dog", "dog park")]


@pytest.fixture
def meteor_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a few lines of data in the place of METEOR's; neither it nor a part of it can be imported.

    Returns its folder.
    """
    package = tmp_path / "stand_in" / "pycocoevalcap"
    for part in ("", "meteor", "spice"):
        (package / part).mkdir(parents=True, exist_ok=True)
        (package / part / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    with zipfile.ZipFile(package / "meteor" / "meteor-1.5.jar", "w") as jar:
        for name, text in METEOR.items():
            jar.writestr(name, text)
    (package / "meteor" / "data").mkdir()
    with gzip.open(package / "meteor" / "data" / "paraphrase-en.gz", "wt", encoding="utf-8") as table:
        table.writelines(f"0.5\n{phrase}\n{paraphrase}\n" for phrase, paraphrase in PARAPHRASES)
    monkeypatch.syspath_prepend(str(package.parent))
    return package
