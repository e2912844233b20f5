"""Finds the captions files that a path names and opens each."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_lines import is_flickr30k_table, line_captions
from mmtoolkit.readers.faults import OnFault
from mmtoolkit.readers.images import PICTURE_FOLDERS, check_exists, files_in, picture_finder, pictures_beside
from mmtoolkit.readers.published import COCO_NAME, json_captions
from mmtoolkit.readers.rows import Row, RowFile, checked
from mmtoolkit.readers.split_lists import FLICKR8K_LISTS, FLICKR30K_LISTS, in_lists, read_split_lists

SUFFIXES = (".csv", ".json", ".jsonl", ".token", ".txt")
FLICKR30K_FOLDERS = ("flickr30k-images", "flickr30k_images", "flickr30k_images/flickr30k_images")
COCO_FOLDERS = ("train2014", "val2014", "train2017", "val2017")
BELOW = ("annotations", "flickr30k_images")  # where the archives of COCO and Flickr30k put captions
NAMES = (  # the first that fits a file of a folder decides
    r"Flickr8k\.token\.txt",
    r"[^/]*\.token\.txt",
    r"[^/]*\.token",
    r"captions\.(csv|jsonl|txt)",
    r"dataset_(flickr8k|flickr30k|coco)\.json",
    rf"(annotations/)?{COCO_NAME.pattern}",
    r"flickr30k_images/results\.csv",
    r"[^/]*\.(csv|jsonl)",
)


def captions_files(path: Path) -> list[Path]:
    """Returns the captions file that a path names or a folder holds; of COCO, those of one year."""
    check_exists(path)
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            endings = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            raise InputError(f"expected a captions file in {endings}. Received: {path}. Name another.")
        return [path]
    names = [name for name in files_in(str(path)) if not name.startswith(".")]
    names += [f"{folder}/{name}" for folder in BELOW for name in files_in(str(path / folder))]
    for form in NAMES:
        matches = sorted(match[0] for name in names if (match := re.fullmatch(form, name)))
        if len({COCO_NAME.sub(r"\2", name) for name in matches}) > 1:
            raise InputError(f"expected one captions file in {path}. Received: {', '.join(matches)}. Name the one.")
        if matches:
            return [path / name for name in matches]
    raise no_captions_file(path)


def no_captions_file(folder: Path) -> InputError:
    """Returns the error for a folder without captions, with or without pictures."""
    pictures = pictures_beside(folder)
    received = f"{len(pictures)} picture(s) without captions" if pictures else "no captions file"
    advice = "Write captions.csv with the columns image,caption." if pictures else "Name another folder or file."
    expected = (
        "expected Flickr8k.token.txt, captions.txt, captions.csv, captions.jsonl, a single .csv or .jsonl, "
        "or the files of Flickr30k, COCO captions or Karpathy's splits"
    )
    return InputError(f"{folder}: {expected}. Received: {received}. {advice}")


def open_captions(path: Path, on_fault: OnFault) -> RowFile[Row]:
    """Opens a captions file; `on_fault` gets each fault in its rows."""
    if path.suffix.lower() == ".json":
        return open_published(path, on_fault)
    lists: dict[str, str] = {}
    folders: tuple[str, ...] = PICTURE_FOLDERS
    if path.suffix.lower() == ".txt":
        lists = FLICKR8K_LISTS
    elif path.suffix.lower() == ".token" or is_flickr30k_table(path):
        lists, folders = FLICKR30K_LISTS, (*FLICKR30K_FOLDERS, *PICTURE_FOLDERS)
    rows = checked(line_captions(path, on_fault), on_fault)
    if listed := read_split_lists(path.parent, lists, on_fault):
        rows = in_lists(rows, listed, path, on_fault)
    return RowFile(path, rows, picture_finder(path.parent, folders), path.parent, folders)


def open_published(path: Path, on_fault: OnFault) -> RowFile[Row]:
    """Opens a published JSON file; a picture that is not in the folder it names is searched for by its base name."""
    in_annotations = path.absolute().parent.name == "annotations"
    folder = Path(os.path.normpath(path.parent / os.pardir)) if in_annotations else path.parent
    folders = published_folders(path.name)
    find = picture_finder(folder, folders)
    rows = checked(json_captions(path, on_fault), on_fault)
    return RowFile(path, rows, lambda name: find(name) or find(os.path.basename(name)), folder, folders)


def published_folders(name: str) -> tuple[str, ...]:
    """Returns the picture folders of a published JSON file: those of the split in its name, or all known ones.

    Example:
        >>> published_folders("captions_val2014.json")
        ('val2014', 'images/val2014', 'images')
    """
    if match := COCO_NAME.fullmatch(name):
        own = match[1] + match[2]
        return own, f"images/{own}", "images"
    return (*COCO_FOLDERS, *(f"images/{each}" for each in COCO_FOLDERS), *FLICKR30K_FOLDERS, *PICTURE_FOLDERS)
