"""The ranges of options, as annotations, and the checks of numbers and of text."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_type_hints

from mmtoolkit.errors import InputError
from mmtoolkit.readers.rows import LONE_SURROGATE


@dataclass(frozen=True)
class Range:
    """The numbers that an option takes."""

    expected: str  # in words, for errors
    holds: Callable[[float], bool]


def at_least(least: int) -> Range:
    """Returns the range of the numbers from `least` up."""
    return Range(f"{least} or more", lambda number: number >= least)


Count = Annotated[int, at_least(1)]
Whole = Annotated[int, at_least(0)]
NotNegative = Annotated[float, at_least(0)]
Share = Annotated[float, Range("a share from 0 to below 1", lambda number: 0 <= number < 1)]
Positive = Annotated[float, Range("more than 0", lambda number: number > 0)]
Probability = Annotated[float, Range("more than 0 and at most 1", lambda number: 0 < number <= 1)]
Seed = Annotated[int, Range("a whole number from 0 to 4,294,967,295", lambda number: 0 <= number < 2**32)]
Side = Annotated[int, Range("32 to 1,024 pixels", lambda number: 32 <= number <= 1024)]
Port = Annotated[int, Range("a number from 0 to 65535", lambda number: 0 <= number < 2**16)]


def check_ranges(options: Any) -> None:
    """Checks that the numbers in a dataclass are in the ranges that its annotations name."""
    hints = get_type_hints(type(options), include_extras=True)
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        for bounds in ranges_in(hints[field.name]):
            if isinstance(value, int | float) and not bounds.holds(value):
                raise InputError(f"{spelt(field.name)} expects {bounds.expected}. Received: {value}.")


def check_texts(options: Any) -> None:
    """Refuses text that is not UTF-8, whose bytes Python keeps as half characters; a file that is there may have it.

    Args:
        options: A dataclass.

    Raises:
        InputError: A text is not UTF-8.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        for text in value if isinstance(value, tuple | list) else (value,):
            if isinstance(text, str) and LONE_SURROGATE.search(text) and not os.path.exists(text):
                raise InputError(
                    f"{spelt(field.name)} expects text in UTF-8. Received: {text!r}; set the terminal to UTF-8."
                )


def ranges_in(hint: Any) -> Iterator[Range]:
    """Yields the ranges that a type names, also within `… | None`."""
    yield from (mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Range))
    for part in get_args(hint):
        yield from ranges_in(part)


def spelt(name: str) -> str:
    """Spells an option as a person types it.

    Example:
        >>> spelt("batch_size")
        '--batch-size'
    """
    return f"--{name.replace('_', '-')}"
