"""From a raw folder of photos to a trained preset: minutes of each stage, the wait for input, and peak memory.

    python benchmarks/end_to_end.py --data flickr8k --encoder-weights imagenet --out runs/whole [--json FILE]
    python benchmarks/end_to_end.py --data flickr8k --encoder-weights imagenet --out runs/grow --grow 500 --epochs 1

Runs `mmtoolkit caption` with its default options and an empty cache, and watches it from outside. With --grow it does
so for so many photos of the data set, twice and four times as many, which shows how time and memory grow. The wait for
input is that of `input_cost.py`, on the features that the run left.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps, loads
from pathlib import Path
from typing import Any

from input_cost import measure

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.errors import InputError

# What the command says when a stage has ended; the next one begins there.
STAGES = {
    "reading the data": re.compile("features "),
    "VGG19 features": re.compile("vocabulary: "),
    "word2vec": re.compile("Epoch 1/"),
    "training": re.compile("on the valid split:"),
}
BAR = re.compile(r"\x1b\[1m *(\d+)/(\d+)")  # of Keras; once it is full, the epoch's captions are written and scored
SCORED = re.compile("Epoch |on the valid split:")


def main(
    *,
    data: Path,
    out: Path,
    encoder_weights: str = "imagenet",
    epochs: int | None = None,
    grow: int | None = None,
    json: Path | None = None,
) -> None:
    """Times the whole command.

    Args:
        data: A captioning data set.
        out: An empty folder for runs and caches.
        encoder_weights: As `caption` takes them.
        epochs: In place of the default.
        grow: Number of photos to begin with; they are doubled twice.
        json: Where the figures are written.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError(f"--out expects a new or empty folder. Received: {out}; name another.")
    out.mkdir(parents=True, exist_ok=True)
    sizes = [grow, 2 * grow, 4 * grow] if grow else [None]
    figures = []
    for photos in sizes:
        name = f"{photos or 'all'}-photos"
        folder = part_of(data, photos, out / name) if photos else data
        figures.append({"photos": photos, **watched(folder, out / name, encoder_weights, epochs)})
        with in_cache(out / name / "cache"):
            figures[-1]["wait_share"] = measure(folder, encoder_weights, steps=20)["wait_share"]
        print(in_lines(figures[-1]), flush=True)
        shutil.rmtree(out / name / "cache")
    if grow:
        small, large = figures[0], figures[-1]
        extension = {key: large[key] / max(small[key], 1) for key in ("seconds", "peak_mib")}
        print(f"four times the photos: {extension['seconds']:.2f} x the time, {extension['peak_mib']:.2f} x the memory")
    if json:
        json.write_text(dumps({"scores": figures, "versions": mm.versions()}, indent=1) + "\n", encoding="utf-8")


@contextmanager
def in_cache(folder: Path) -> Iterator[None]:
    """Makes a folder the cache of this process."""
    before = dict(os.environ)
    os.environ["MMTOOLKIT_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def part_of(data: Path, photos: int, folder: Path) -> Path:
    """A data set of so many photos, four fifths of them for training."""
    splits = mm.split(mm.read_captions(data))
    train = splits.train[: photos - photos // 5]
    if len(train) + len(splits.valid) < photos:
        raise InputError(f"--grow needs four times as many photos. Received: {data} with too few; start with fewer.")
    folder.mkdir()
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption", "split"])
        for part, records in (("train", train), ("valid", splits.valid[: photos // 5])):
            writer.writerows(
                (record.image.absolute(), caption, part) for record in records for caption in record.captions
            )
    return folder


def watched(data: Path, folder: Path, weights: str, epochs: int | None) -> dict[str, Any]:
    """Runs the command with a cache of its own; seconds of each stage, the wait, memory and scores."""
    command = [sys.executable, "-m", "mmtoolkit.pipelines", "caption", "--data", str(data)]
    command += ["--encoder-weights", weights]
    command += ["--out", str(folder / "run"), *(["--epochs", str(epochs)] if epochs else [])]
    started, ends, peak = time.perf_counter(), {}, Peak()
    scoring, full = 0.0, None
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "MMTOOLKIT_CACHE": str(folder / "cache")},
    ) as process:
        threading.Thread(target=peak.watch, args=(process,), daemon=True).start()
        for line in lines_of(process):
            now = time.perf_counter() - started
            ends |= {stage: now for stage, said in STAGES.items() if stage not in ends and said.match(line)}
            if (bar := BAR.match(line)) and bar[1] == bar[2]:
                full = full or now
            elif full and SCORED.match(line):
                scoring, full = scoring + now - full, None
            if line.startswith("error"):
                tell(line)
    if process.returncode:
        raise InputError(f"{' '.join(command)} failed with {process.returncode}; run it by itself to see why.")
    seconds = time.perf_counter() - started
    starts = [0.0, *ends.values()]
    stages = {stage: end - begun for (stage, end), begun in zip(ends.items(), starts, strict=False)}
    stages = {**stages, "training": stages["training"] - scoring, "scoring": scoring + seconds - starts[-1]}
    report = loads((folder / "run" / "report.json").read_text(encoding="utf-8"))
    memory = {"peak_mib": peak.own, "mapped_mib": peak.mapped}
    return {"seconds": seconds, "stages": stages, **memory, "scores": report["scores"]}


def lines_of(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """What the command says on stderr, as it comes; a progress bar's updates are lines too."""
    waiting = b""
    while piece := process.stderr.read1():
        *whole, waiting = re.split(rb"[\r\n]", waiting + piece)
        yield from (line.decode(errors="replace") for line in whole)


class Peak:
    """The largest memory of a process, in MiB: its own, and the files mapped beside it."""

    own = mapped = 0.0

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Looks four times a second, until the process ends."""
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            sizes = {name: int(kib) / 1024 for name, kib in re.findall(r"^(Rss\w+):\s+(\d+) kB", status, re.M)}
            self.own = max(self.own, sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0))
            self.mapped = max(self.mapped, sizes.get("RssFile", 0))
            time.sleep(0.25)


def in_lines(figures: dict[str, Any]) -> str:
    """The figures of one run, for people."""
    lines = [f"{figures['photos'] or 'all'} photos: {figures['seconds'] / 60:.1f} min"]
    lines += [f"  {stage:24} {seconds / 60:5.1f} min" for stage, seconds in figures["stages"].items()]
    lines.append(f"  waiting for input {100 * figures['wait_share']:.1f} % of a training step")
    lines.append(f"  peak memory {figures['peak_mib']:.0f} MiB, and {figures['mapped_mib']:.0f} MiB of mapped files")
    lines.append(f"  BLEU-4 {figures['scores']['BLEU-4']:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
