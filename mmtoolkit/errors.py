"""The one error of the public boundary."""

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
