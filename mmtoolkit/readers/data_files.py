"""Finds the files of one data set in a folder: one file, or one for each split."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.readers.images import files_in, holds
from mmtoolkit.readers.splits import SPLIT_NAMES

IN_NAMES = {  # splits in the names of files and folders
    **SPLIT_NAMES,
    **{"training": "train", "testing": "test", "test-dev": "test", "testdev": "test"},
    **{"eval": "valid", "evaluation": "valid", "trainset": "train", "validset": "valid", "testset": "test"},
}
SPLIT = re.compile(rf"(?<![a-z])(?i:{'|'.join(sorted(IN_NAMES, key=len, reverse=True))})(?![a-z])")
ARCHIVES = ("annotations", "Annotations", "questions", "flickr30k_images")  # folders that archives put text in
TABLES = (  # of any name: what Hugging Face's imagefolder has, then single tables
    r"(?:[^/]*/)?metadata\.(?:csv|jsonl)",
    r"[^/]*\.(?:csv|jsonl)",
    r"(?:[^/]*/)?[^/]*\.json",
)


def data_files(folder: Path, forms: Sequence[str], *, what: str) -> list[Path]:
    """Returns the files of the data set in a folder, or one folder below; none if there are none.

    Args:
        folder: The folder.
        forms: Expressions for names of files, e.g. `annotations/a.json`; the first that fits decides. `TABLES` follow.
        what: What the folder should hold one of, for the error.

    Raises:
        InputError: There is more than one data set.
    """
    names = names_in(folder, [name for name in subfolders(folder) if name in ARCHIVES or name.lower() in SPLIT_NAMES])
    names += [name for name in files_in(str(folder)) if not name.startswith(".")]
    for form in (*forms, *TABLES):
        if found := [name for name in names if re.fullmatch(form, name, re.IGNORECASE)]:
            return [folder / name for name in one_set(folder, sorted(found), what)]
    below = names_in(folder, subfolders(folder))
    for form in forms:
        if found := [name for name in below if re.fullmatch(form, name.partition("/")[2], re.IGNORECASE)]:
            return [folder / name for name in one_set(folder, sorted(found), what)]
    return []


def tables_below(folder: Path) -> list[str]:
    """Returns the tables one folder below, which may be data of another kind."""
    return sorted(name for name in names_in(folder, subfolders(folder)) if name.endswith((".csv", ".jsonl", ".json")))


def one_set(folder: Path, names: Sequence[str], what: str) -> list[str]:
    """Returns the files of one data set, without that of test-dev beside that of test, whose questions it repeats."""
    dev = [name for name in names if "_test-dev" in name]
    kept = [name for name in names if name not in dev or len(dev) == len(names)]
    if len({without_split(name) for name in kept}) > 1 or len({split_in(name) for name in kept}) < len(kept):
        raise InputError(f"expected {what} in {folder}. Received: {', '.join(names)}. Name one.")
    return kept


def without_split(name: str) -> str:
    """Returns a file's name without its split: the same for all files of one data set.

    Example:
        >>> without_split("train/questions.json"), without_split("qa_test.txt"), without_split("text/a.csv")
        ('questions.json', 'qa_.txt', 'text/a.csv')
    """
    place, _, base = name.rpartition("/")
    plain = SPLIT.sub("", base)
    return f"{place}/{plain}" if place and place not in ARCHIVES and place.lower() not in SPLIT_NAMES else plain


def split_in(name: str) -> str | None:
    """Returns the split in the name of a file, or of its folder.

    Example:
        >>> split_in("data_eval.csv"), split_in("train/metadata.csv"), split_in("latest.csv")
        ('valid', 'train', None)
    """
    place, _, base = name.rpartition("/")
    found = SPLIT.search(base) or SPLIT.fullmatch(place.rpartition("/")[2])
    return IN_NAMES[found[0].lower()] if found else None


def splits_of(files: Sequence[Path]) -> list[str | None]:
    """Returns the split that each of several files is named for; a file alone may hold all of them."""
    return [split_in(file.as_posix()) if len(files) > 1 else None for file in files]


def names_in(folder: Path, below: Iterable[str]) -> list[str]:
    """Returns the names of the files in some subfolders, each with its subfolder."""
    return [f"{place}/{name}" for place in below for name in files_in(str(folder / place)) if not name.startswith(".")]


def subfolders(folder: Path) -> list[str]:
    """Returns the names of the folders in a folder; hidden ones are left out."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if holds(entry.is_dir) and not entry.name.startswith("."))
