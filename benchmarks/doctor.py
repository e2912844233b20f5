"""How long the pictures of a data set take to examine: `mmtoolkit.doctor`, beside a plain loop, in one run.

    python benchmarks/doctor.py --data DATA [--pictures 1000] [--json FILE]

The loop does what a script of an afternoon does for each picture: SHA-256 of the file, `verify`, decode it whole, and
imagehash's perceptual hash; then it compares all pairs of hashes with NumPy. It says nothing of splits, of what is odd
in a picture, nor whether a pair with like hashes looks alike. Both read from the page cache.
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
from mmtoolkit.doctor.duplicates import duplicates
from mmtoolkit.doctor.pictures import inspect_pictures

WITHIN = 14  # bits of 64


def main(*, data: Path, pictures: int = 1000, json: Path | None = None) -> None:
    """Times both.

    Args:
        data: A captioning data set.
        pictures: How many of its pictures.
        json: Where the figures go as JSON.
    """
    figures = measure([record.image for record in mm.read_captions(data)][:pictures])
    ours, plain = (f"{figures[name]:.1f} s" for name in ("ours_s", "plain_s"))
    print(f"{figures['pictures']} pictures: ours {ours}, a plain loop {plain}: {figures['ratio']:.2f} times as long")
    print(f"pairs: ours {figures['ours_pairs']}, hashes within {WITHIN} bits {figures['plain_pairs']}")
    if json:
        json.write_text(dumps(figures, indent=1) + "\n", encoding="utf-8")


def measure(paths: Sequence[Path]) -> dict[str, Any]:
    """Seconds of both, and the pairs that they name."""
    for path in paths:
        path.read_bytes()  # warms the page cache
    started = time.perf_counter()
    ours = len(duplicates(inspect_pictures(paths), {path: (path.name, None) for path in paths}))
    between = time.perf_counter()
    plain = plain_loop(paths)
    ended = time.perf_counter()
    seconds = {"ours_s": between - started, "plain_s": ended - between}
    ratio = seconds["plain_s"] / seconds["ours_s"]
    counts = {"pictures": len(paths), "ours_pairs": ours, "plain_pairs": plain}
    return seconds | {"ratio": ratio} | counts | {"versions": mm.versions()}


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
