"""The one error of the public boundary, and what its sentences are made of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

MOST_SHOWN = 80  # characters of what was received


class InputError(ValueError):
    """An input cannot be used; the message names what was expected, what was received, and what to do.

    Commands print the message alone, without a traceback, and end with exit code 2.
    """


def first_line(error: Exception) -> str:
    """Returns the first line of an error of a library; its kind where it says nothing.

    Example:
        >>> first_line(ValueError("no such layer.\\nDid you mean"))
        'no such layer'
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].strip("'\" .:")


def shortened(value: object) -> str:
    """Formats an untrusted value for an error, in one line and cut where it is long.

    Example:
        >>> shortened("a" * 1000)[-5:]
        'aaaa…'
    """
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested too deeply; a whole number of more digits than Python prints
        text = type(value).__name__
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns a question that offers the names most like a misspelt one; empty if none is like it.

    Example:
        >>> did_you_mean("captoin", ["image", "caption"])
        " Did you mean 'caption'?"
    """
    matches = [repr(match) for match in close_names(name, names)]
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def close_names(name: str, names: Iterable[str]) -> list[str]:
    """Returns the names most like one, ignoring case, the closest first.

    Example:
        >>> close_names("caption", ["Image", "Captoin"])
        ['Captoin']
    """
    # Names that differ in their numbers only are others of a series, no misspelt ones.
    meant, series = name.lower(), re.sub(r"\d+", "0", name.lower())
    lowered = {each.lower(): each for each in names}
    lowered = {each: lowered[each] for each in lowered if each == meant or re.sub(r"\d+", "0", each) != series}
    return [lowered[match] for match in difflib.get_close_matches(meant, lowered)]
