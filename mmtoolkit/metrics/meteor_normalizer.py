"""Splits text into words as METEOR 1.5 does with its option `-norm` for English."""

from __future__ import annotations

import re
from collections.abc import Mapping

LATIN, CYRILLIC = (
    "A-Za-z\u0160\u017d\u0161\u017e\u0178\xc0-\xd6\xd8-\xf6\xf8-\u017e",
    "\u0400-\u0527\ua640-\ua66e\ua67e-\ua697",
)
LETTERS = f"{LATIN}{CYRILLIC}\u1d00-\u1d7f"
DOT = "\ufdd0"  # a dot of an ellipsis, until the words are split: a character that no text has
STEPS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (rf"([^0-9{LETTERS} \t\n\x0b\f\r.'`,\-\u2018\u2019])", r" \1 "),
        (r"\.\.+", lambda dots: f" {DOT * len(dots.group())} "),
        (r"([^0-9]),([^0-9])", r"\1 , \2"),
        (r"([0-9]),([^0-9])", r"\1 , \2"),
        (r"([^0-9]),([0-9])", r"\1 , \2"),
        (r"[`\u2018\u2019]", "'"),
        (r"[\u201c\u201d]|''", ' " '),
        (r"\u2013", "-"),
        (r"--", "-"),
        (rf"([0-9{LETTERS}.])-([0-9{LETTERS}])", r"\1 \2"),
        (rf"([^{LETTERS}])'([^{LETTERS}])", r"\1 ' \2"),
        (rf"([^{LETTERS}0-9])'([{LETTERS}])", r"\1 ' \2"),
        (rf"([{LETTERS}])'([^{LETTERS}])", r"\1 ' \2"),
        (rf"([{LETTERS}])'([{LETTERS}])", r"\1 '\2"),
        (r"([0-9])'(s)", r"\1 '\2"),
    )
]
LETTER = re.compile(f"[{LETTERS}]")
BLANKS = re.compile("[ \t\n\r\f]+")
WIDE_BLANKS = re.compile("[\u2000-\u200a\u202f\u205f\u3000\xa0]")
TRIMMED = "".join(map(chr, range(33)))  # from both ends, as Java trims


def normalize(text: str, prefixes: Mapping[str, bool]) -> list[str]:
    """Splits a sentence into lower-cased words, punctuation apart and hyphens removed.

    Example:
        >>> normalize("Mr. Lee's well-lit room.", {"Mr": False})
        ['mr.', 'lee', "'s", 'well', 'lit', 'room', '.']

    Args:
        text: The sentence.
        prefixes: The abbreviations that keep their full stop: `True` for those that keep it before a number only.

    Source: the class Normalizer of METEOR 1.5, whose results these are, for English with punctuation.
    """
    text = f" {text.strip(TRIMMED)} "
    for pattern, replacement in STEPS:
        text = pattern.sub(replacement, text)
    tokens = [token for token in BLANKS.split(text) if token]
    ended = (end_token(token, after, prefixes) for token, after in zip(tokens, [*tokens, ""][1:], strict=True))
    text = WIDE_BLANKS.sub(" ", " ".join(ended).replace(DOT, "."))
    return [word for word in BLANKS.split(text.strip(TRIMMED).lower()) if word]


def end_token(token: str, after: str, prefixes: Mapping[str, bool]) -> str:
    """Parts the full stop from the end of a token, unless it is an abbreviation's; removes those of acronyms.

    Example:
        >>> end_token("room.", "", {}), end_token("U.S.", "", {}), end_token("p.", "two", {})
        ('room .', 'US', 'p.')
    """
    start = token[:-1]
    if not start or not token.endswith("."):
        return token
    if "." in start and LETTER.search(start):
        return token.replace(".", "")
    only_numbers = prefixes.get(start)
    if only_numbers is False or "a" <= after[:1] <= "z" or (only_numbers and "0" <= after[:1] <= "9"):
        return token
    return f"{start} ."
