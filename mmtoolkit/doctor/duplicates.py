"""Finds duplicate pictures: the same bytes, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmtoolkit.doctor.findings import OTHER_TEXTS, Finding
from mmtoolkit.doctor.pictures import PictureInfo, Progress

ALIKE = 0.93  # least correlation of the parts of near duplicates, if they have detail
SAME = 12.0  # grey values of 255 by which any part of near duplicates may differ, if they have none
DETAIL = 3.0  # grey values by which a part with detail varies; half of a photo's parts do, fewer of a drawing's
PARTS = 8  # on each side of a picture
BLOCK = 1024  # pictures whose floats are there at once
ROWS = 256  # pictures that are compared with all others at once


class Owner(NamedTuple):
    """What the data set says of a picture.

    Args:
        name: Its name there.
        split: Its split, if it has one.
        texts: Its captions, or questions with their answers.
    """

    name: str
    split: str | None
    texts: frozenset[str]


def duplicates(
    pictures: Mapping[Path, PictureInfo], owners: Mapping[Path, Owner], progress: Progress | None = None
) -> list[Finding]:
    """Returns a finding for each duplicate picture, with the name of the first of its kind.

    A near duplicate whose texts differ from those of the first is a kind of its own: frames of one camera and forms
    with another stamp are no waste.
    """
    same = [(pair, "is the same file as", "duplicate", "across splits") for pair in same_bytes(pictures)]
    near = []
    for pair in nearly_same(pictures, progress):
        is_same = owners[pair[1]].texts <= owners[pair[0]].texts  # then none is lost
        kinds = ("near duplicate", "near duplicate across splits") if is_same else (OTHER_TEXTS, OTHER_TEXTS)
        near.append((pair, "looks nearly like", *kinds))
    findings = []
    for (first, second), relation, within, across in (*same, *near):
        owner, other = owners[second], owners[first]
        where = ""
        if owner.split != other.split:
            where = f"; it is in {owner.split or 'no split'}, the other in {other.split or 'none'}"
        advice = "keep both if the pictures differ" if within == OTHER_TEXTS else "keep one"
        kind = across if where else within
        message = f"{relation} {other.name}{where}; {advice}"
        findings.append(Finding(kind, message, owner.name, path=second, other=first))
    return findings


def same_bytes(pictures: Mapping[Path, PictureInfo]) -> Iterator[tuple[Path, Path]]:
    """Yields the first picture with each content and, with it, each further one."""
    first: dict[bytes, Path] = {}
    for path, info in pictures.items():
        if info.digest and first.setdefault(info.digest, path) != path:
            yield first[info.digest], path


def nearly_same(pictures: Mapping[Path, PictureInfo], progress: Progress | None = None) -> Iterator[tuple[Path, Path]]:
    """Yields the first picture of each group of near duplicates and, with it, each other one of the group."""
    distinct: dict[bytes, tuple[Path, np.ndarray]] = {}
    for path, info in pictures.items():
        if info.small is not None:
            distinct.setdefault(info.digest, (path, info.small))
    paths = [path for path, _ in distinct.values()]
    if paths:
        for first, other in near_pairs(np.stack([small for _, small in distinct.values()]), progress):
            yield paths[first], paths[other]


def near_pairs(small: np.ndarray, progress: Progress | None = None) -> Iterator[tuple[int, int]]:
    """Yields the index of the first picture of each group, and of each later picture that nearly equals it.

    A picture that is in a group begins none. Candidates are the neighbours in a k-d tree of the colours of the parts,
    which part drawings well, and those whose parts correlate: of these no tree prunes any, so products of matrices
    find them, a second for about 10,000 photos.

    Args:
        small: `<uint8>[pictures, side, side, 3]`, the pictures, squashed.
        progress: Called with (done, total).
    """
    from scipy.spatial import cKDTree

    means = np.concatenate([part_means(block) for block in blocks(small)])
    detailed = np.flatnonzero(np.concatenate([has_detail(block) for block in blocks(small)]))
    photos, correlating = set(detailed.tolist()), correlated(unit_vectors(means[detailed]))
    colours, free = cKDTree(means), np.ones(len(small), bool)
    for first in range(len(small)):
        if progress and first and first % 100 == 0:
            progress(first, len(small))
        rows = next(correlating) if first in photos else np.empty(0, int)
        if not free[first]:
            continue
        near = colours.query_ball_point(means[first], SAME + 0.01, p=np.inf)
        others = np.unique(np.concatenate([np.array(near, int), detailed[rows]]))
        others = others[(others > first) & free[others]]
        for block in blocks(others):
            same = block[alike(small[block], small[first])]
            free[same] = False
            yield from ((first, other) for other in same.tolist())
    if progress:
        progress(len(small), len(small))


def correlated(units: np.ndarray) -> Iterator[np.ndarray]:
    """Yields for each row of unit vectors those from it on that may correlate as near duplicates do."""
    for start in range(0, len(units), ROWS):
        products = units[start : start + ROWS] @ units[start:].T
        yield from (start + np.flatnonzero(row >= ALIKE - 0.001) for row in products)


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Cuts an array into parts whose floats fit into little memory."""
    for start in range(0, len(array), BLOCK):
        yield array[start : start + BLOCK]


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
        correlation = unit_vectors(part_means(some)) @ unit_vectors(part_means(ones))[0]
        same |= has_detail(some) & (correlation >= ALIKE)
    return same


def has_detail(pictures: np.ndarray) -> np.ndarray:
    """Checks whether most parts of each picture vary, as in photos."""
    varied = parts(pictures.astype(np.float32)).std(axis=(2, 4)).mean(axis=3) > DETAIL
    return varied.mean(axis=(1, 2)) > 0.5


def part_means(pictures: np.ndarray) -> np.ndarray:
    """Computes the mean colours of pictures' parts, `<float32>[pictures, PARTS * PARTS * 3]`."""
    return parts(pictures.astype(np.float32)).mean(axis=(2, 4)).reshape(len(pictures), -1)


def unit_vectors(means: np.ndarray) -> np.ndarray:
    """Centres each row and brings it to length 1, so that the product of two rows is their correlation."""
    centred = means - means.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def parts(pictures: np.ndarray) -> np.ndarray:
    """Cuts pictures into squares: `[pictures, PARTS, side, PARTS, side, channels]`."""
    count, side, _, channels = pictures.shape
    return pictures.reshape(count, PARTS, side // PARTS, PARTS, side // PARTS, channels)
