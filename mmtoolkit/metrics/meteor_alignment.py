"""Aligns a hypothesis with a reference as METEOR 1.5 does: a beam search over their matches."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from mmtoolkit.metrics.meteor_matches import EXACT, Match

BEAM = 40
GAP = -1

Key = tuple[int, int, int]  # minus the matched words, chunks, distance: the least is best
Chosen = tuple["Chosen", Match] | None  # the matches of a path, the last one outermost


class Path(NamedTuple):
    """An alignment of the reference's words up to the current one."""

    key: Key
    used: int  # the hypothesis' words that are matched, as bits
    resume: int  # the first word of the reference after the last match
    end: int  # the first word of the hypothesis after the last match; `GAP` after a word without match
    chosen: Chosen


class Alignment(NamedTuple):
    """The matches that were chosen, in the order of the reference, and the chunks that they make."""

    matches: list[Match]
    chunks: int


def align(matches: Sequence[Sequence[Match]], length: int) -> Alignment:
    """Chooses matches without overlap: most words matched, then fewest chunks, then the shortest distance.

    Example:
        >>> same = [[Match(0, 0, 1, 0, 1), Match(0, 0, 1, 1, 1)], [Match(0, 1, 1, 0, 1), Match(0, 1, 1, 1, 1)]]
        >>> [(match.start, match.other) for match in align(same, 2).matches]  # of "a a" and "a a"
        [(0, 0), (1, 1)]

    Args:
        matches: The matches that start at each word of the reference.
        length: The words of the hypothesis.

    Source: the class Aligner of METEOR 1.5. Equal paths keep the order in which they are found, and the distance of
        a path includes that of the matches tried before its own, as there.
    """
    alone = lone_matches(matches, length)
    paths = [Path((0, 0, 0), 0, 0, GAP, None)]
    for place, found in enumerate(matches):
        paths = advance(paths, place, found, alone.get(place))
    best = min(map(close, paths), key=attrgetter("key"))
    chosen, rest = [], best.chosen
    while rest is not None:
        rest, match = rest
        chosen.append(match)
    return Alignment(chosen[::-1], best.key[1])


def close(path: Path) -> Path:
    """Ends the last chunk of a path."""
    words, chunks, distance = path.key
    return path._replace(key=(words, chunks + (path.end != GAP), distance), end=GAP)


def lone_matches(matches: Sequence[Sequence[Match]], length: int) -> dict[int, Match]:
    """Returns the matches, by their start, whose words no other match has: every path takes them."""
    covered, other_covered = [0] * len(matches), [0] * length
    for found in matches:
        for match in found:
            for place in range(match.start, match.start + match.length):
                covered[place] += 1
            for place in range(match.other, match.other + match.other_length):
                other_covered[place] += 1
    return {
        place: match
        for place, found in enumerate(matches)
        for match in found
        if set(covered[place : place + match.length]) == {1}
        and set(other_covered[match.other : match.other + match.other_length]) == {1}
    }


def advance(paths: Sequence[Path], place: int, found: Sequence[Match], alone: Match | None) -> list[Path]:
    """Extends the paths over one word of the reference, and returns the best of them, the best first."""
    grown: list[tuple[Key, int, Path, Match | None]] = []  # the number keeps the order of equal keys
    bits = [words_of(match) for match in found]
    for path in paths:
        words, chunks, distance = path.key
        if place < path.resume:  # within a match
            grown.append((path.key, len(grown), path, None))
        elif alone is not None:
            distance += abs(alone.start - alone.other)
            grown.append(((words - weight(alone), chunks + breaks(path, alone), distance), len(grown), path, alone))
        else:
            for match, its in zip(found, bits, strict=True):
                if not path.used & its:
                    key = words - weight(match), chunks + breaks(path, match), distance
                    grown.append((key, len(grown), path, match))
                    distance += abs(match.start - match.other)
            key = words, chunks + (path.end != GAP), distance
            grown.append((key, len(grown), path._replace(end=GAP), None))
    grown.sort(key=itemgetter(0, 1))
    return [
        path._replace(key=key) if match is None else extend(path, match, key) for key, _, path, match in grown[:BEAM]
    ]


def extend(path: Path, match: Match, key: Key) -> Path:
    """Adds a match to a path."""
    used, resume, end = path.used | words_of(match), match.start + match.length, match.other + match.other_length
    return Path(key, used, resume, end, (path.chosen, match))


def words_of(match: Match) -> int:
    """Returns the words of the hypothesis in a match, as bits."""
    return ((1 << match.other_length) - 1) << match.other


def breaks(path: Path, match: Match) -> bool:
    """Checks whether a match ends the chunk of a path and begins another."""
    return path.end not in (GAP, match.other)


def weight(match: Match) -> int:
    """Counts the words of a match on both sides, half of them, rounded down, where they are not equal.

    Example:
        >>> weight(Match(0, 3, 1, 5, 1)), weight(Match(1, 3, 1, 5, 1)), weight(Match(3, 3, 2, 5, 3))
        (2, 0, 2)
    """
    if match.stage == EXACT:
        return match.length + match.other_length
    return match.length // 2 + match.other_length // 2  # METEOR 1.5 adds these weights to integers
