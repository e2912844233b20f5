"""Finds duplicate pictures: the same bytes, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from mmtoolkit.doctor.findings import Finding
from mmtoolkit.doctor.pictures import PictureInfo

NEAR = 14  # bits of 64 in which the hashes of near duplicates may differ
ALIKE = 0.93  # least correlation of the parts of near duplicates, if they have detail
SAME = 12.0  # grey values of 255 by which any part of near duplicates may differ, if they have none
DETAIL = 3.0  # grey values by which a part with detail varies; half of a photo's parts do, fewer of a drawing's
PARTS = 8  # on each side of a picture
BLOCK = 64  # pictures compared with all others at once

Owners = Mapping[Path, tuple[str, str | None]]  # of each picture: its name in the data set, and its split


def duplicates(pictures: Mapping[Path, PictureInfo], owners: Owners) -> list[Finding]:
    """Returns a finding for each duplicate picture, with the name of the first of its kind."""
    same = [(pair, "is the same file as", "duplicate", "across splits") for pair in same_bytes(pictures)]
    kinds = "near duplicate", "near duplicate across splits"
    near = [(pair, "looks nearly like", *kinds) for pair in nearly_same(pictures)]
    findings = []
    for (first, second), relation, kind, across in (*same, *near):
        (image, split), (other, other_split) = owners[second], owners[first]
        where = ""
        if split != other_split:
            kind, where = across, f"; it is in {split or 'no split'}, the other in {other_split or 'none'}"
        findings.append(Finding(kind, f"{relation} {other}{where}; keep one", image, path=second, other=first))
    return findings


def same_bytes(pictures: Mapping[Path, PictureInfo]) -> Iterator[tuple[Path, Path]]:
    """Yields the first picture with each content and, with it, each further one."""
    first: dict[bytes, Path] = {}
    for path, info in pictures.items():
        if info.digest and first.setdefault(info.digest, path) != path:
            yield first[info.digest], path


def nearly_same(pictures: Mapping[Path, PictureInfo]) -> Iterator[tuple[Path, Path]]:
    """Yields the first picture that each later one nearly equals, and the later one.

    Hashes find candidate pairs, which are many if pictures are simple; the small pictures decide.
    """
    distinct: dict[bytes, tuple[Path, PictureInfo]] = {}
    for path, info in pictures.items():
        if info.hash is not None:
            distinct.setdefault(info.digest, (path, info))
    paths = [path for path, _ in distinct.values()]
    if not paths:
        return
    bits = np.packbits(np.stack([info.hash for _, info in distinct.values()]), axis=1).view(np.uint64).ravel()  # type: ignore[misc]
    small = np.stack([info.small for _, info in distinct.values()])  # type: ignore[misc]
    for second, first in near_pairs(bits, small):
        yield paths[first], paths[second]


def near_pairs(bits: np.ndarray, small: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields the index of each picture that nearly equals an earlier one, and that of the first such one.

    Args:
        bits: `<uint64>[pictures]`, their hashes.
        small: `<uint8>[pictures, side, side, 3]`, the pictures, squashed.
    """
    for start in range(0, len(bits), BLOCK):
        block = bits[start : start + BLOCK]
        near = np.bitwise_count(block[:, None] ^ bits[None, : start + len(block)]) <= NEAR
        for place, row in enumerate(near, start=start):
            others = np.flatnonzero(row[:place])
            if len(others):
                same = alike(small[others], small[place])
                if same.any():
                    yield place, int(others[np.argmax(same)])


def alike(some: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Checks which of some pictures nearly equal one; returns `<bool>[some]`.

    Photos do if they correlate, whatever their brightness and even if cropped a little. Drawings mostly correlate, as
    they are empty in the same places, so they must not differ anywhere, in brightness or in colour.
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
    """Checks whether most parts of each picture vary, as in photos."""
    varied = parts(pictures.astype(np.float32)).std(axis=(2, 4)).mean(axis=3) > DETAIL
    return varied.mean(axis=(1, 2)) > 0.5


def correlation(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Computes the correlation, -1 to 1, of the colours of pictures' parts."""
    means = [parts(each.astype(np.float32)).mean(axis=(2, 4)).reshape(len(each), -1) for each in (some, others)]
    first, second = (each - each.mean(axis=1, keepdims=True) for each in means)
    length = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / np.maximum(length, 1e-6)


def parts(pictures: np.ndarray) -> np.ndarray:
    """Cuts pictures into squares: `[pictures, PARTS, side, PARTS, side, channels]`."""
    count, side, _, channels = pictures.shape
    return pictures.reshape(count, PARTS, side // PARTS, PARTS, side // PARTS, channels)
