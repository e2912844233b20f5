"""Counts the steps of a backtracking search for a regular expression, as Python's own engine takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any


class TooManySteps(Exception):
    """The search took more steps than it may."""


class Search:
    """Finds matches by trying each alternative in order and counts each try.

    It knows what the project's expressions are made of; another construct raises `NotImplementedError`.

    Args:
        pattern: A compiled expression.
        limit: Steps of one search, after which `TooManySteps` is raised.
    """

    def __init__(self, pattern: re.Pattern[str], *, limit: float) -> None:
        self.tree = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
        self.flags, self.limit, self.steps = self.tree.state.flags | pattern.flags, limit, 0
        self.known: dict[tuple[int, str, int], bool] = {}  # of an entry of the tree, a character and the flags

    def findall(self, text: str) -> list[str]:
        """Returns the text of every match, the first to be found at each place."""
        found, start, self.steps = [], 0, 0
        while start <= len(text):
            end = self.match(text, start)
            if end is None:
                start += 1
            else:
                found.append(text[start:end])
                start = max(end, start + 1)
        return found

    def fullmatch(self, text: str) -> bool:
        """Returns whether the whole text matches."""
        self.steps = 0
        return any(end == len(text) for end in self.ends(self.tree.data, 0, text, 0, self.flags, {}))

    def match(self, text: str, start: int = 0) -> int | None:
        """Returns where the first match at a place ends."""
        return next(self.ends(self.tree.data, 0, text, start, self.flags, {}), None)

    def ends(
        self, items: list[Any], at: int, text: str, place: int, flags: int, groups: dict[int, str]
    ) -> Iterator[int]:
        """Yields the ends of all matches of the items from number `at` on, in the order in which they are tried."""
        self.steps += 1
        if self.steps > self.limit:
            raise TooManySteps(f"{self.steps} steps for {len(text)} characters")
        if at == len(items):
            yield place
            return
        kind, value = items[at]

        def rest(end: int) -> Iterator[int]:
            return self.ends(items, at + 1, text, end, flags, groups)

        if kind in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            if place < len(text):
                key = (id(items[at]), text[place], flags)
                if key not in self.known:
                    self.known[key] = holds(kind, value, text[place], flags)
                if self.known[key]:
                    yield from rest(place + 1)
        elif kind is op.BRANCH:
            for branch in value[1]:
                for end in self.ends(branch.data, 0, text, place, flags, groups):
                    yield from rest(end)
        elif kind is op.SUBPATTERN:
            number, added, removed, inner = value
            for end in self.ends(inner.data, 0, text, place, (flags | added) & ~removed, groups):
                if number is not None:
                    groups[number] = text[place:end]
                yield from rest(end)
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            yield from self.repeated(value, kind is op.MAX_REPEAT, text, place, flags, groups, rest)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            direction, inner = value
            width = inner.getwidth()[1] if direction < 0 else 0
            there = place >= width and any(
                direction > 0 or end == place for end in self.ends(inner.data, 0, text, place - width, flags, groups)
            )
            if there is (kind is op.ASSERT):
                yield from rest(place)
        elif kind is op.AT:
            if stands(value, text, place, flags):
                yield from rest(place)
        else:
            raise NotImplementedError(str(kind))

    def repeated(
        self,
        value: Any,
        greedy: bool,
        text: str,
        place: int,
        flags: int,
        groups: dict[int, str],
        rest: Callable[[int], Iterator[int]],
    ) -> Iterator[int]:
        """Yields the ends of a repeat and what follows, with an own stack: words may be longer than Python's."""
        least, most, inner = value
        items = inner.data
        stack = [(place, 0, self.ends(items, 0, text, place, flags, groups))]
        if not greedy and least == 0:
            yield from rest(place)
        while stack:
            here, count, tries = stack[-1]
            end = next(tries, None) if count < most else None
            if end is None or end == here:
                stack.pop()
                if greedy and count >= least:
                    yield from rest(here)
                continue
            stack.append((end, count + 1, self.ends(items, 0, text, end, flags, groups)))
            if not greedy and count + 1 >= least:
                yield from rest(end)


def holds(kind: Any, value: Any, character: str, flags: int) -> bool:
    """Returns whether one character is what a literal, a set or a dot asks for."""
    if kind is op.ANY:
        return character != "\n" or bool(flags & re.DOTALL)
    cases = {character, character.lower(), character.upper()} if flags & re.IGNORECASE else {character}
    if kind in (op.LITERAL, op.NOT_LITERAL):
        return (chr(value) in cases) is (kind is op.LITERAL)
    negated = value[0][0] is op.NEGATE
    return any(any(member(*each, one) for each in value[negated:]) for one in cases) is not negated


CATEGORIES = {
    op.CATEGORY_DIGIT: str.isdecimal,
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_WORD: lambda one: one.isalnum() or one == "_",
}
OPPOSITES = {
    op.CATEGORY_NOT_DIGIT: op.CATEGORY_DIGIT,
    op.CATEGORY_NOT_SPACE: op.CATEGORY_SPACE,
    op.CATEGORY_NOT_WORD: op.CATEGORY_WORD,
}


def member(kind: Any, value: Any, character: str) -> bool:
    """Returns whether a character is in one entry of a set."""
    if kind is op.LITERAL:
        return ord(character) == value
    if kind is op.RANGE:
        return value[0] <= ord(character) <= value[1]
    if value in OPPOSITES:
        return not CATEGORIES[OPPOSITES[value]](character)
    return CATEGORIES[value](character)


def stands(value: Any, text: str, place: int, flags: int) -> bool:
    """Returns whether a place is the beginning, the end or a word's edge."""
    if value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
        return place == 0 or (bool(flags & re.MULTILINE) and text[place - 1] == "\n")
    if value in (op.AT_END, op.AT_END_STRING):
        return place == len(text) or (value is op.AT_END and text[place:] == "\n")
    word = CATEGORIES[op.CATEGORY_WORD]
    before, after = (place > 0 and word(text[place - 1])), (place < len(text) and word(text[place]))
    return (before != after) is (value is op.AT_BOUNDARY)
