"""Reads sentences to train word vectors: a captions data set, a text file, or a folder of text files."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_files import NAMES
from mmtoolkit.readers.captions import read_captions
from mmtoolkit.readers.data_files import data_files
from mmtoolkit.readers.images import check_exists
from mmtoolkit.readers.tables import numbered_lines
from mmtoolkit.records import texts

CAPTION_ENDINGS = (".csv", ".json", ".jsonl", ".token", ".token.txt")
CAPTION_LINE = re.compile(  # Kaggle's header; 1.jpg#0<TAB>a dog
    r"\s*\"?image\"?\s*[,;|\t]\s*\"?caption\"?\s*|[^\t]+#\d+\s*\t.*", re.IGNORECASE
)


def read_sentences(path: str | os.PathLike[str], *, exclude: str | os.PathLike[str] | None = None) -> list[str]:
    """Reads the sentences of a data set as written: training captions, or the lines of text files.

    A captions data set is a `.csv`, `.json`, `.jsonl` or `.token` file, a `.txt` file whose first line is of a
    captions file (`image,caption` or `1.jpg#0<TAB>a dog`), or a folder that holds any of the first, `captions.txt` or
    `….token.txt`. Any other file is UTF-8 text, a sentence a line; of any other folder the `.txt` files in and below
    it are. Where a data set has splits, the training split alone is read.

    Example:
        >>> read_sentences("my_photos")[0]
        'two blue triangles and a blue circle'

    Args:
        path: The data set, the file or the folder.
        exclude: A list of what to leave out of a captions data set, as `read_captions` takes it.

    Raises:
        InputError: There is no sentence, or `exclude` is given with text that is no captions data set; or the first
            fault of the data, with file and line.
    """
    path = Path(path)
    check_exists(path)
    if holds_captions(path):
        return training_captions(path, exclude)
    if exclude is not None:
        raise InputError(f"--exclude is for captions. Received: {path}, which is other text; leave the option out.")
    files = text_files(path) if path.is_dir() else [path]
    sentences = [line.strip() for file in files for _, line in numbered_lines(file)]
    if not sentences:
        expected = f"text in {', '.join(file.name for file in files[:3])}" if files else "captions or .txt files"
        raise InputError(f"{path}: expected {expected}. Received: none. Name another file or folder.")
    return sentences


def holds_captions(path: Path) -> bool:
    """Checks whether a file is, or a folder holds, a captions file."""
    if path.is_dir():
        names = [file.name.lower() for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
        here = any(name == "captions.txt" or name.endswith(CAPTION_ENDINGS) for name in names)
        return here or bool(data_files(path, NAMES, what="one captions file"))
    if path.suffix.lower() == ".txt":
        return CAPTION_LINE.fullmatch(next(numbered_lines(path), (0, ""))[1]) is not None
    return path.name.lower().endswith(CAPTION_ENDINGS)


def training_captions(path: Path, exclude: str | os.PathLike[str] | None) -> list[str]:
    """Returns the captions of the training split, or all if there are no splits."""
    records = read_captions(path, exclude=exclude)
    if any(record.split for record in records):
        records = [record for record in records if record.split == "train"]
    if not records:
        raise InputError(f"{path}: expected a training split. Received: only others. Name the split of some train.")
    return texts(records)


def text_files(folder: Path) -> list[Path]:
    """Returns the `.txt` files in and below a folder, sorted by path; hidden names are left out."""
    files = [file for file in folder.rglob("*") if file.suffix.lower() == ".txt" and file.is_file()]
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts))
