"""Pictures that are there more than once, to the byte or nearly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmtoolkit.doctor.findings import Finding
from mmtoolkit.doctor.pictures import Look

NEAR = 14  # bits of 64 in which the hashes of near duplicates differ at most
ALIKE = 0.93  # correlation of the parts of near duplicates at least, where they are full of detail
SAME = 12.0  # grey values of 255 by which near duplicates differ at most in any part, where they are not
DETAIL = 3.0  # grey values by which a part with something in it varies; half of a photo's parts do, of a drawing's less
PARTS = 8  # on each side of a picture
BLOCK = 64  # pictures that are compared with all others at once

Owners = Mapping[Path, tuple[str, str | None]]  # of each picture: its name in the data set, and its split


def duplicates(looks: Mapping[Path, Look], owners: Owners) -> list[Finding]:
    """A finding for each picture that is another one's double, named with the first of them."""
    same = [(pair, "is the same file as", "duplicate", "across splits") for pair in same_bytes(looks)]
    near = [
        (pair, "looks nearly like", "near duplicate", "near duplicate across splits") for pair in nearly_same(looks)
    ]
    found = []
    for (first, second), told, within, across in (*same, *near):
        (image, split), (other, other_split) = owners[second], owners[first]
        where = (
            f"; it is in {split or 'no split'}, the other in {other_split or 'none'}" if split != other_split else ""
        )
        kind = across if where else within
        found.append(Finding(kind, f"{told} {other}{where}; keep one", image, path=second, other=first))
    return found


def same_bytes(looks: Mapping[Path, Look]) -> Iterator[tuple[Path, Path]]:
    """The first picture with each content, and each further one."""
    first: dict[bytes, Path] = {}
    for path, look in looks.items():
        if look.digest and first.setdefault(look.digest, path) != path:
            yield first[look.digest], path


def nearly_same(looks: Mapping[Path, Look]) -> Iterator[tuple[Path, Path]]:
    """Each picture that is nearly like an earlier one, with the first such.

    Hashes find pairs to look at, which are many where pictures are simple; the squashed pictures decide.
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
    for second, first in near_pairs(bits, small):
        yield paths[first], paths[second]


def near_pairs(bits: np.ndarray, small: np.ndarray) -> Iterator[tuple[int, int]]:
    """The number of each picture that is nearly like an earlier one, and of the first such.

    Args:
        bits: `<uint64>[pictures]`, their hashes.
        small: `<uint8>[pictures, side, side, 3]`, what they look like.
    """
    for start in range(0, len(bits), BLOCK):
        block = bits[start : start + BLOCK]
        near = np.bitwise_count(block[:, None] ^ bits[None, : start + len(block)]) <= NEAR
        for place, row in enumerate(near, start=start):
            others = np.flatnonzero(row[:place])
            if len(others):
                found = alike(small[others], small[place])
                if found.any():
                    yield place, int(others[np.argmax(found)])


def alike(some: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Which of some pictures are nearly like one, `<bool>[some]`.

    Photos are when they correlate, whatever their brightness and even if cropped a little. Drawings mostly do, for they
    are empty in the same places, and must not differ anywhere, in brightness or in colour.
    """
    ones = one[None]
    apart = some.astype(np.float32) - ones
    lightness = parts(np.abs(apart.mean(axis=3, keepdims=True))).mean(axis=(2, 4))
    colour = np.abs(parts(apart).mean(axis=(2, 4)))
    same = np.maximum(lightness, colour).max(axis=(1, 2, 3)) <= SAME
    if has_detail(ones)[0]:
        same |= has_detail(some) & (correlation(some, ones) >= ALIKE)
    return same


def has_detail(pictures: np.ndarray) -> np.ndarray:
    """Whether there is something to see in most parts of each picture, as in photos."""
    varied = parts(pictures.astype(np.float32)).std(axis=(2, 4)).mean(axis=3) > DETAIL
    return varied.mean(axis=(1, 2)) > 0.5


def correlation(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much the colours of the parts of pictures go together, from -1 to 1."""
    means = [parts(each.astype(np.float32)).mean(axis=(2, 4)).reshape(len(each), -1) for each in (some, others)]
    first, second = (each - each.mean(axis=1, keepdims=True) for each in means)
    length = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / np.maximum(length, 1e-6)


def parts(pictures: np.ndarray) -> np.ndarray:
    """Pictures cut into squares: `[pictures, PARTS, side, PARTS, side, channels]`."""
    count, side, _, channels = pictures.shape
    return pictures.reshape(count, PARTS, side // PARTS, PARTS, side // PARTS, channels)
