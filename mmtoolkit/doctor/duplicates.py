"""Pictures that are there more than once, to the byte or nearly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmtoolkit.doctor.findings import Finding
from mmtoolkit.doctor.pictures import Look

ALIKE = 6  # bits of 64 in which the hashes of near duplicates differ at most
SAME = 24.0  # grey values of 255 by which near duplicates differ at most in any of the 8 x 8 parts of the picture
PARTS = 8
BLOCK = 512  # pictures that are compared with all others at once

Owners = Mapping[Path, tuple[str, str | None]]  # of each picture: its name in the data set, and its split


def duplicates(looks: Mapping[Path, Look], owners: Owners) -> list[Finding]:
    """A finding for each picture that is another one's double, named with the first of them."""
    found: list[Finding] = []
    for kind, pairs in (("duplicate", same_bytes(looks)), ("near duplicate", nearly_same(looks))):
        for first, second in pairs:
            (image, split), (other, other_split) = owners[second], owners[first]
            told = f"is the same file as {other}" if kind == "duplicate" else f"looks nearly like {other}"
            if split != other_split:
                advice = f"; it is in {split or 'no split'}, the other in {other_split or 'none'}: keep one"
                found.append(Finding("across splits", told + advice, image, path=second))
            else:
                found.append(Finding(kind, f"{told}; keep one", image, path=second))
    return found


def same_bytes(looks: Mapping[Path, Look]) -> Iterator[tuple[Path, Path]]:
    """The first picture with each content, and each further one."""
    first: dict[bytes, Path] = {}
    for path, look in looks.items():
        if look.digest and first.setdefault(look.digest, path) != path:
            yield first[look.digest], path


def nearly_same(looks: Mapping[Path, Look]) -> Iterator[tuple[Path, Path]]:
    """Each picture that is nearly like an earlier one, with the first such.

    Hashes find the pairs, which are many where pictures are simple; the squashed pictures decide.
    """
    shown: dict[bytes, tuple[Path, Look]] = {}
    for path, look in looks.items():
        if look.hash is not None:
            shown.setdefault(look.digest, (path, look))
    paths = [path for path, _ in shown.values()]
    if not paths:
        return
    bits = np.packbits(np.stack([look.hash for _, look in shown.values()]), axis=1).view(np.uint64).ravel()  # type: ignore[misc]
    small = np.stack([look.small for _, look in shown.values()])  # type: ignore[misc]
    for second, first in pairs(bits, small):
        yield paths[first], paths[second]


def pairs(bits: np.ndarray, small: np.ndarray) -> Iterator[tuple[int, int]]:
    """The number of each picture that is nearly like an earlier one, and of the first such.

    Args:
        bits: `<uint64>[pictures]`, their hashes.
        small: `<uint8>[pictures, side, side, 3]`, what they look like.
    """
    for start in range(0, len(bits), BLOCK):
        block = bits[start : start + BLOCK]
        near = np.bitwise_count(block[:, None] ^ bits[None, : start + len(block)]) <= ALIKE
        for place, row in enumerate(near, start=start):
            others = np.flatnonzero(row[:place])
            if len(others):
                alike = farthest(small[others], small[place]) <= SAME
                if alike.any():
                    yield place, int(others[np.argmax(alike)])


def farthest(some: np.ndarray, one: np.ndarray) -> np.ndarray:
    """How far each of some pictures is from one where it is farthest: simple pictures are alike in most places."""
    count, side = len(some), some.shape[1] // PARTS
    apart = np.abs(some.astype(np.int16) - one)
    return apart.reshape(count, PARTS, side, PARTS, side, -1).mean(axis=(2, 4, 5)).reshape(count, -1).max(axis=1)
