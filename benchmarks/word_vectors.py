"""What loading word vectors takes of memory and time: `mm.load_vectors`, beside gensim's own loader, in one run.

    python benchmarks/word_vectors.py [--words 200000] [--dim 300] [--json FILE]

A file of random vectors is written in word2vec's text and binary form. Each loader reads it in a process of its own;
memory is what the peak of that process grows by while it loads, in sizes of the table of numbers. Linux only.
"""

from __future__ import annotations

import multiprocessing
import re
import tempfile
import time
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np

import mmtoolkit as mm
from mmtoolkit.cli.command import run

LOADERS, FORMS = ("ours", "gensim"), ("text", "binary")


def main(*, words: int = 200_000, dim: int = 300, json: Path | None = None) -> None:
    """Measures both.

    Args:
        words: Vectors in the file.
        dim: Width of a vector.
        json: Where the figures go as JSON.
    """
    figures: dict[str, Any] = {"words": words, "dim": dim, "table_mib": 4 * words * dim / 2**20}
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            path = Path(folder, form)
            write(path, words, dim, binary=form == "binary")
            figures[form] = measured(path, binary=form == "binary") | {"file_mib": path.stat().st_size / 2**20}
            path.unlink()
            print(in_lines(form, figures[form]))
    if json:
        json.write_text(dumps(figures | {"versions": mm.versions()}, indent=1) + "\n", encoding="utf-8")


def in_lines(form: str, figures: dict[str, Any]) -> str:
    """The figures of one form, for people."""
    lines = [f"{form}, {name}: {figures[name]['tables']:.2f} tables, {figures[name]['s']:.1f} s" for name in LOADERS]
    ratios = f"{figures['memory_ratio']:.2f} times the memory and {figures['time_ratio']:.2f} times the time"
    return "\n".join([*lines, f"{form}: ours takes {ratios} of gensim's"])


def write(path: Path, words: int, dim: int, *, binary: bool) -> None:
    """Writes random vectors a thousand at a time, so that this process stays small."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(f"{words} {dim}\n".encode())
        for start in range(0, words, 1000):
            rows = rng.normal(size=(min(1000, words - start), dim)).astype(np.float32)
            for number, row in enumerate(rows, start):
                numbers = row.tobytes() if binary else b" ".join(b"%.5f" % each for each in row.tolist()) + b"\n"
                file.write(f"word{number} ".encode() + numbers)


def measured(path: Path, *, binary: bool) -> dict[str, Any]:
    """Memory in tables and seconds of each loader, and ours in those of gensim's."""
    found: dict[str, Any] = {}
    for name in LOADERS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found[name] = pool.apply(loading, (name, path, binary))
    ours, theirs = (found[name] for name in LOADERS)
    return found | {"memory_ratio": ours["tables"] / theirs["tables"], "time_ratio": ours["s"] / theirs["s"]}


def loading(name: str, path: Path, binary: bool) -> dict[str, float]:
    """What one loader takes, in this process."""
    from gensim.models import KeyedVectors

    from mmtoolkit.text import load_vectors

    before, started = memory("VmRSS"), time.perf_counter()
    vectors = load_vectors(path) if name == "ours" else KeyedVectors.load_word2vec_format(str(path), binary=binary)
    seconds = time.perf_counter() - started
    return {"tables": (memory("VmHWM") - before) / vectors.vectors.nbytes, "s": seconds}


def memory(kind: str) -> int:
    """The memory of this process in bytes, now or at most; `ru_maxrss` would begin at that of its parent."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kilobytes,) = re.findall(rf"{kind}:\s*(\d+) kB", status)
    return 1024 * int(kilobytes)


if __name__ == "__main__":
    run(main)
