"""The names that data sets give to the columns of tables and the fields of objects, and lists in one cell."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from mmtoolkit.errors import close_names

# Each field's names, the preferred first. Case, spaces, hyphens and underscores do not count: `imageId` is `image_id`.
NAMES = {
    "image": (
        *("image", "file_name", "image_name", "image_file", "image_filename", "image_path", "file_path", "path"),
        *("file", "img", "img_name", "img_path", "picture", "photo", "image_id", "img_id"),
    ),
    "caption": (
        *("captions", "caption", "text", "texts", "comment", "sentence", "sentences", "description"),
        *("caption_text", "caption_str"),
    ),
    "question": ("question", "question_text", "question_str"),
    "answer": ("answers", "answer", "direct_answers", "multiple_choice_answer"),
    "split": ("split", "set_name", "data_split"),
    "id": ("id", "question_id", "qid"),
}
CLOSING = {"[": "]", "(": ")", "{": "}"}
BEGINNING = re.compile(r"[\[({]\s*['\"{]")  # of a list of quoted texts
QUOTED = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*,?""", re.DOTALL)
NO_ANSWERS = ("answertype", "answerable", "answerconfidence", "answerid")  # much like `answer`, but not it


def folded(name: str) -> str:
    """Returns a name without its case, spaces, hyphens and underscores.

    Example:
        >>> folded("Image Name"), folded("imageId")
        ('imagename', 'imageid')
    """
    return re.sub(r"[\s_-]", "", name).lower()


def spelling(names: Collection[str], field: str) -> str | None:
    """Returns the name of a field of `NAMES` among those of a header or an object; `None` if it is not there.

    Example:
        >>> spelling(["file_name", "Text"], "caption")
        'Text'
    """
    return _spelling(tuple(names), field)


@lru_cache(maxsize=1024)
def _spelling(names: tuple[str, ...], field: str) -> str | None:
    given = {folded(name): name for name in reversed(names)}
    known = NAMES.get(field, (field,))
    return next((name if name in names else given[folded(name)] for name in known if folded(name) in given), None)


def misspelt(field: str, names: Collection[str]) -> list[str]:
    """Returns the names of a header or an object that may be a misspelt field, the closest first."""
    known = {folded(name) for each in NAMES.values() for name in each} | set(NO_ANSWERS)
    return close_names(field, [name for name in names if folded(name) not in known])


def listed(text: str) -> list[Any] | None:
    """Parses a text that is a list as JSON, Python or NumPy writes it; returns `None` for any other text.

    Example:
        >>> listed('["red", "dark red"]'), listed("['a dog' 'a pup']"), listed("[CLS] a dog")
        (['red', 'dark red'], ['a dog', 'a pup'], None)

    Raises:
        ValueError: It is a list, but empty, or of texts that are not quoted as they should be.
    """
    text = text.strip()
    quoted = BEGINNING.match(text)
    if not (quoted or text.startswith("[")):
        return None
    inner = f"[{text[1:-1]}]" if text[-1] == CLOSING[text[0]] else text
    for parse in (json.loads, quoted_items, ast.literal_eval):
        try:
            value = parse(inner)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        if isinstance(value, list) and value:
            return value
    inside = text[1:-1]
    unquoted = text[-1] == "]" and not set(inside) & set("[]") and ("," in inside or not inside.strip())
    if text[0] == "[" and (quoted or unquoted):
        raise ValueError(text)
    return None


def quoted_items(text: str) -> list[str]:
    """Parses quoted texts in brackets, with commas between them or, as NumPy writes them, without.

    Raises:
        ValueError: There is anything else in the brackets.
    """
    place, texts = 1, []
    while match := QUOTED.match(text, place):
        texts.append(str(ast.literal_eval(match[1].replace("\n", "\\n"))))
        place = match.end()
    if text[place:].strip() != "]":
        raise ValueError(text)
    return texts
