"""Reads the lists of Flickr8k and Flickr30k that name the pictures of each split."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.rows import Row, nfc
from mmtoolkit.readers.tables import numbered_lines

FLICKR8K_LISTS = {
    "Flickr_8k.trainImages.txt": "train",
    "Flickr_8k.devImages.txt": "valid",
    "Flickr_8k.testImages.txt": "test",
}
FLICKR30K_LISTS = {"train.txt": "train", "val.txt": "valid", "test.txt": "test"}


class Listed(NamedTuple):
    """The split of a picture, and the line of the list that names it."""

    split: str
    path: Path
    line: int


def read_split_lists(folder: Path, files: Mapping[str, str], on_fault: OnFault) -> dict[str, Listed]:
    """Reads the split lists of a folder; returns each picture's entry by its name."""
    listed: dict[str, Listed] = {}
    for file_name, name in files.items():
        path = folder / file_name
        for line, text in numbered_lines(path, on_fault) if path.is_file() else ():
            image = nfc(text.strip())
            first = listed.setdefault(image, Listed(name, path, line))
            if first.split != name:
                message = f"expected each picture in one split. Received: {image!r}, also in {first.path.name}. "
                on_fault(Fault(f"{path}:{line}", message + "Delete it from one list.", image))
    return listed


def in_lists(rows: Iterable[Row], listed: Mapping[str, Listed], path: Path, on_fault: OnFault) -> Iterator[Row]:
    """Yields the rows of listed pictures with their list's split; a list may omit the ending `.jpg`."""
    captioned = set()
    for row in rows:
        name = nfc(row.image)
        image = name if name in listed else os.path.splitext(name)[0]
        if image in listed:
            captioned.add(image)
            yield row._replace(split=listed[image].split)
    lacking = [image for image in listed if image not in captioned]
    for image in lacking:
        count = f"; {len(lacking)} listed pictures have none" if image == lacking[0] and len(lacking) > 1 else ""
        message = f"expected captions of {image!r} in {path.name}. Received: none{count}. "
        place = f"{listed[image].path}:{listed[image].line}"
        on_fault(Fault(place, message + "Add captions or delete the name from the list.", image))
