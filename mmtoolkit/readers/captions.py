"""Pictures with captions: the Flickr8k folder as published, its Kaggle form, and one's own CSV or JSON Lines."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_rows import Row, checked, parse
from mmtoolkit.readers.images import (
    PICTURE_FOLDERS,
    check_exists,
    files_in,
    picture_finder,
    pictures_beside,
)
from mmtoolkit.readers.splits import split_name
from mmtoolkit.readers.tables import at, near, numbered_lines
from mmtoolkit.records import CaptionRecord

SPLIT_LISTS = {
    "Flickr_8k.trainImages.txt": "train",
    "Flickr_8k.devImages.txt": "valid",
    "Flickr_8k.testImages.txt": "test",
}


class Listed(NamedTuple):
    """The place of a picture in the official lists."""

    split: str
    path: Path
    line: int


def read_captions(path: str | os.PathLike[str], *, splits: Iterable[str] | None = None) -> list[CaptionRecord]:
    """Reads a captioned data set: one record for each picture, in the order of the captions file.

    Understood are a Flickr8k folder (`Flickr8k.token.txt`, with its split lists where there are any), the Kaggle form
    (`captions.txt`), and CSV or JSON Lines with `image,caption[,split][,id]`: the file, or the folder that holds it.
    Pictures are looked for beside the captions file, then in `images/` and the folders of Flickr8k.

    Example:
        >>> record = read_captions("my_photos")[0]  # doctest: +SKIP
        >>> record.image_id, record.captions, record.split  # doctest: +SKIP
        ('1.jpg', ('a dog', 'a pup'), 'train')

    Args:
        path: A folder or a captions file. With official lists beside it, pictures in no list are left out.
        splits: The splits to keep, such as `("valid",)`; all by default. The pictures of others need not exist.

    Raises:
        InputError: The first thing that is wrong with the data, with its file and line.
    """
    wanted = None if splits is None else wanted_splits(splits)
    source = captions_file(Path(path))
    rows = checked(parse(source), source)
    listed = read_split_lists(source.parent) if source.suffix.lower() == ".txt" else {}
    if listed:
        rows = in_lists(rows, listed, source)
    return records_from(rows, source, wanted)


def wanted_splits(splits: Iterable[str]) -> set[str]:
    """The named splits under the project's names."""
    names = {split_name(name) for name in ([splits] if isinstance(splits, str) else splits)}
    if not names:
        raise InputError("expected at least one split to keep. Received: none. Name train, valid or test.")
    return names


def captions_file(path: Path) -> Path:
    """The captions file that a path names or that a folder holds."""
    check_exists(path)
    if not path.is_dir():
        if path.suffix.lower() not in (".csv", ".jsonl", ".txt"):
            raise InputError(f"expected a captions file in .csv, .jsonl or .txt. Received: {path}. Name another.")
        return path
    names = sorted(name for name in files_in(str(path)) if not name.startswith("."))
    for choices in (
        [name for name in names if name == "Flickr8k.token.txt"],
        [name for name in names if name.endswith(".token.txt")],
        [name for name in names if name in ("captions.csv", "captions.jsonl", "captions.txt")],
        [name for name in names if name.endswith((".csv", ".jsonl"))],
    ):
        if len(choices) > 1:
            raise InputError(f"expected one captions file in {path}. Received: {', '.join(choices)}. Name the one.")
        if choices:
            return path / choices[0]
    raise no_captions_file(path)


def no_captions_file(folder: Path) -> InputError:
    """What to say of a folder without captions, with or without pictures."""
    pictures = pictures_beside(folder)
    received = f"{len(pictures)} picture(s) without captions" if pictures else "no captions file"
    advice = "Write captions.csv with the columns image,caption." if pictures else "Name another folder or file."
    expected = "expected Flickr8k.token.txt, captions.txt, captions.csv, captions.jsonl or a single .csv or .jsonl"
    return InputError(f"{folder}: {expected}. Received: {received}. {advice}")


def read_split_lists(folder: Path) -> dict[str, Listed]:
    """The pictures of the official split lists that a folder holds."""
    listed: dict[str, Listed] = {}
    for file_name, name in SPLIT_LISTS.items():
        path = folder / file_name
        for line, text in numbered_lines(path) if path.is_file() else ():
            image = composed(text.strip())
            first = listed.setdefault(image, Listed(name, path, line))
            if first.split != name:
                message = f"expected each picture in one split. Received: {image!r}, also in {first.path.name}. "
                raise at(path, line, message + "Delete it from one list.")
    return listed


def in_lists(rows: Iterable[Row], listed: dict[str, Listed], path: Path) -> Iterator[Row]:
    """The rows of listed pictures, each with its list's split."""
    captioned = set()
    for row in rows:
        image = composed(row.image)
        if image in listed:
            captioned.add(image)
            yield row._replace(split=listed[image].split)
    lacking = [image for image in listed if image not in captioned]
    if lacking:
        message = f"expected captions of {lacking[0]!r} in {path.name}. Received: none"
        count = f"; {len(lacking)} listed pictures have none" if len(lacking) > 1 else ""
        place = listed[lacking[0]]
        raise at(place.path, place.line, f"{message}{count}. Add captions or delete the name from the list.")


def records_from(rows: Iterable[Row], path: Path, wanted: set[str] | None) -> list[CaptionRecord]:
    """One record for each picture of the wanted splits, from the rows of all."""
    find = picture_finder(path.parent)
    pictures: dict[Path | str, list[Row]] = {}
    for row in rows:  # by place, so that 1.jpg and ./1.jpg are one picture
        pictures.setdefault(find(row.image) or composed(row.image), []).append(row)
    if not pictures:
        raise InputError(f"{path}: expected at least one caption. Received: none. Add captions or name another file.")
    for group in pictures.values():
        check_one_split(group, path)
    if wanted is not None:
        check_has_splits(wanted, {group[0].split for group in pictures.values()}, path)
        pictures = {place: group for place, group in pictures.items() if group[0].split in wanted}
    check_none_missing([group[0] for place, group in pictures.items() if isinstance(place, str)], path)
    return [
        CaptionRecord(Path(place), composed(group[0].image), tuple(row.caption for row in group), group[0].split)
        for place, group in pictures.items()
    ]


def check_one_split(group: list[Row], path: Path) -> None:
    """Raises where the rows of one picture name different splits."""
    first = group[0]
    for row in group:
        if row.split != first.split:
            message = f"expected {row.image!r} in one split. Received: {row.split or 'none'} here and "
            raise at(path, row.line, f"{message}{first.split or 'none'} on line {first.line}. Correct one.")


def check_has_splits(wanted: set[str], present: set[str | None], path: Path) -> None:
    """Raises where the data lacks a wanted split."""
    names = sorted(name for name in present if name)
    lacking = sorted(wanted.difference(names))
    if lacking:
        received = f"a data set with {', '.join(names)}" if names else "a data set without splits"
        raise InputError(f"{path}: expected the split {lacking[0]}. Received: {received}. Ask for another or for all.")


def check_none_missing(missing: list[Row], path: Path) -> None:
    """Raises where pictures were not found: names the first, counts all."""
    if not missing:
        return
    image = missing[0].image
    places = ", ".join(f"{name}/" for name in PICTURE_FOLDERS)
    received = f"no such file; {len(missing)} pictures are missing in all" if len(missing) > 1 else "no such file"
    message = f"expected the picture {image!r} beside the captions file or in {places}. Received: {received}."
    guess = near(os.path.basename(image), pictures_beside(path.parent))
    raise at(path, missing[0].line, f"{message}{guess} Add it or correct the name.")


def composed(name: str) -> str:
    """The name in Unicode's composed form, in which names are compared."""
    return unicodedata.normalize("NFC", name)
