"""Fixtures every test may use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and weights; tests that need it are skipped elsewhere."""
    folder = Path(os.environ.get("MMTOOLKIT_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the real data in {folder} (set MMTOOLKIT_SHARED)")
    return folder


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
