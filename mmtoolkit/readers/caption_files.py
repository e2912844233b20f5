"""Finds the captions files that a path names and opens each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_lines import is_flickr30k_table, line_captions
from mmtoolkit.readers.data_files import data_files, tables_below
from mmtoolkit.readers.faults import OnFault
from mmtoolkit.readers.images import (
    PICTURE_FOLDERS,
    TABLE_FOLDERS,
    check_exists,
    picture_finder,
    pictures_beside,
)
from mmtoolkit.readers.objects import caption_rows, objects_in
from mmtoolkit.readers.published import COCO_NAME, is_published, json_captions
from mmtoolkit.readers.rows import Row, checked, rows_of
from mmtoolkit.readers.split_lists import FLICKR8K_LISTS, FLICKR30K_LISTS, in_lists, read_split_lists
from mmtoolkit.readers.tables import read_json

SUFFIXES = (".csv", ".json", ".jsonl", ".token", ".txt")
FLICKR30K_FOLDERS = ("flickr30k-images", "flickr30k_images", "flickr30k_images/flickr30k_images")
COCO_FOLDERS = ("train2014", "val2014", "train2017", "val2017")
NAMES = (  # the first that fits a file of a folder decides
    r"Flickr8k\.token\.txt",
    r"[^/]*\.token\.txt",
    r"[^/]*\.token",
    r"captions\.(csv|jsonl|txt)",
    r"dataset_(flickr8k|flickr30k|coco)\.json",
    rf"(annotations/)?{COCO_NAME.pattern}",
    r"flickr30k_images/results\.csv",
)


class CaptionsFile(NamedTuple):
    """A captions file: its rows, still to be read, and the folders of its pictures."""

    path: Path
    rows: Iterator[Row]
    find: Callable[[str], Path | None]
    folder: Path
    folders: tuple[str, ...]


def captions_files(path: Path) -> list[Path]:
    """Returns the captions file that a path names, or those that a folder holds, one for each split."""
    check_exists(path)
    if not path.is_dir():
        if path.suffix.lower() not in SUFFIXES:
            endings = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            raise InputError(f"expected a captions file in {endings}. Received: {path}. Name another.")
        return [path]
    files = data_files(path, NAMES, what="one captions file")
    if not files:
        raise no_captions_file(path)
    return files


def no_captions_file(folder: Path) -> InputError:
    """Returns the error for a folder without captions, with or without pictures."""
    pictures, tables = pictures_beside(folder), tables_below(folder)
    received = f"{len(pictures)} picture(s) without captions" if pictures else "no captions file"
    advice = "Write captions.csv with the columns image,caption" if pictures else "Name another folder or file"
    advice += f", or name one of {', '.join(tables[:3])}" if tables else ""
    expected = (
        "expected Flickr8k.token.txt, captions.txt, captions.csv, captions.jsonl, a single .csv or .jsonl, "
        "or the files of Flickr30k, COCO captions or Karpathy's splits"
    )
    return InputError(f"{folder}: {expected}. Received: {received}. {advice}.")


def open_captions(path: Path, on_fault: OnFault, split: str | None = None) -> CaptionsFile:
    """Opens a captions file; `on_fault` gets each fault in its rows, and `split` is that of rows that name none."""
    if path.suffix.lower() == ".json":
        return open_json(path, on_fault, split)
    lists: dict[str, str] = {}
    folders: tuple[str, ...] = TABLE_FOLDERS
    if path.suffix.lower() == ".txt":
        lists = FLICKR8K_LISTS
    elif path.suffix.lower() == ".token" or is_flickr30k_table(path):
        lists, folders = FLICKR30K_LISTS, (*FLICKR30K_FOLDERS, *PICTURE_FOLDERS)
    rows = checked(line_captions(path, on_fault), on_fault, split=split)
    if listed := read_split_lists(path.parent, lists, on_fault):
        rows = in_lists(rows, listed, path, on_fault)
    return CaptionsFile(path, rows, picture_finder(path.parent, folders), path.parent, folders)


def open_json(path: Path, on_fault: OnFault, split: str | None) -> CaptionsFile:
    """Opens a JSON file: COCO's or Karpathy's, whose pictures may be in another folder than it names, or objects."""
    content = read_json(path)
    objects = None if is_published(content) else objects_in(path, content, ("image", "caption"))
    rows = rows_of(objects, caption_rows, on_fault) if objects else json_captions(path, content, on_fault)
    in_annotations = path.absolute().parent.name == "annotations"
    folder = Path(os.path.normpath(path.parent / os.pardir)) if in_annotations else path.parent
    folders = published_folders(path.name)
    find = picture_finder(folder, folders)
    usable = checked(rows, on_fault, split=split)
    return CaptionsFile(path, usable, lambda name: find(name) or find(os.path.basename(name)), folder, folders)


def published_folders(name: str) -> tuple[str, ...]:
    """Returns the picture folders of a published JSON file: those of the split in its name, or all known ones.

    Example:
        >>> published_folders("captions_val2014.json")
        ('val2014', 'images/val2014', 'images')
    """
    if match := COCO_NAME.fullmatch(name):
        own = match[1] + match[2]
        return own, f"images/{own}", "images"
    return (*COCO_FOLDERS, *(f"images/{each}" for each in COCO_FOLDERS), *FLICKR30K_FOLDERS, *TABLE_FOLDERS)
