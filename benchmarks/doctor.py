"""How long the pictures of a data set take to examine: `mmtoolkit.doctor`, beside a plain loop, in one run.

    pip install imagehash; python benchmarks/doctor.py --data DATA [--pictures 1000] [--forms 20000] [--json FILE]

The loop does what a script of an afternoon does for each picture: SHA-256 of the file, `verify`, decode it whole, and
imagehash's perceptual hash; then it compares all pairs of hashes with NumPy. It says nothing of splits, of what is odd
in a picture, nor whether a pair with like hashes looks alike. Both read from the page cache. With `--forms` it also
times the search for near duplicates among that many forms that differ in a stamp, and among as many photos.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.cli.command import run
from mmtoolkit.doctor.duplicates import Owner, duplicates, near_pairs
from mmtoolkit.doctor.pictures import inspect_pictures

WITHIN = 14  # bits of 64


def main(*, data: Path, pictures: int = 1000, forms: int = 0, json: Path | None = None) -> None:
    """Times both.

    Args:
        data: A captioning data set.
        pictures: How many of its pictures.
        forms: How many forms and photos the search is timed on besides.
        json: Where the figures go as JSON.
    """
    figures = measure([record.image for record in mm.read_captions(data)][:pictures])
    ours, plain = (f"{figures[name]:.1f} s" for name in ("ours_s", "plain_s"))
    print(f"{figures['pictures']} pictures: ours {ours}, a plain loop {plain}: {figures['ratio']:.2f} times as long")
    print(f"pairs: ours {figures['ours_pairs']}, hashes within {WITHIN} bits {figures['plain_pairs']}")
    if forms:
        figures |= search_times(forms)
        reading = figures["reading_s"] / figures["pictures"] * forms
        print(
            f"search among {forms} forms {figures['forms_s']:.1f} s, among photos {figures['photos_s']:.1f} s; "
            f"to read as many of these pictures takes {reading:.1f} s"
        )
    if json:
        json.write_text(dumps(figures, indent=1) + "\n", encoding="utf-8")


def measure(paths: Sequence[Path]) -> dict[str, Any]:
    """Seconds of both, and the pairs that they name."""
    for path in paths:
        path.read_bytes()  # warms the page cache
    started = time.perf_counter()
    inspected = inspect_pictures(paths)
    read = time.perf_counter()
    ours = len(duplicates(inspected, {path: Owner(path.name, None, frozenset()) for path in paths}))
    between = time.perf_counter()
    plain = plain_loop(paths)
    ended = time.perf_counter()
    seconds = {"ours_s": between - started, "reading_s": read - started, "plain_s": ended - between}
    ratio = seconds["plain_s"] / seconds["ours_s"]
    counts = {"pictures": len(paths), "ours_pairs": ours, "plain_pairs": plain}
    return seconds | {"ratio": ratio} | counts | {"versions": mm.versions()}


def search_times(count: int) -> dict[str, float]:
    """Seconds of the search among forms with a small stamp each, and among blurred noise, which no other is like."""
    rng = np.random.default_rng(0)
    forms = np.full((count, 32, 32, 3), 255, np.uint8)
    forms[:, 4:28:4, 4:28] = 40
    for form, (row, column) in zip(forms, rng.integers(2, 28, (count, 2)), strict=True):
        form[row : row + 2, column : column + 3] = (200, 30, 30)
    photos = rng.integers(0, 256, (count, 8, 8, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    photos += rng.integers(0, 20, photos.shape, np.uint8)
    seconds = {}
    for name, small in (("forms_s", forms), ("photos_s", photos)):
        started = time.perf_counter()
        sum(1 for _ in near_pairs(small))
        seconds[name] = time.perf_counter() - started
    return seconds


def plain_loop(paths: Sequence[Path]) -> int:
    """The number of pairs with like hashes, one picture after the other."""
    import imagehash

    hashes, digests = [], set[bytes]()
    for path in paths:
        digests.add(hashlib.sha256(path.read_bytes()).digest())
        with Image.open(path) as picture:
            picture.verify()
        with Image.open(path) as picture:
            hashes.append(imagehash.phash(picture).hash.ravel())
    bits = np.packbits(np.stack(hashes), axis=1).view(np.uint64).ravel()
    return sum(int((np.bitwise_count(bits[:n] ^ bits[n]) <= WITHIN).sum()) for n in range(1, len(bits)))


if __name__ == "__main__":
    run(main)
