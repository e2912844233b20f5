"""Finds pictures: in the paths that a person names, and by the names in a captions file."""

from __future__ import annotations

import functools
import os
import re
import stat
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.image_files import PICTURE_SUFFIXES
from mmtoolkit.readers.faults import Fault, OnFault

PICTURE_FOLDERS = ("images", "Images", "Flicker8k_Dataset", "Flickr8k_Dataset")  # the official name has the misprint
TABLE_FOLDERS = (  # with those of VizWiz, CLEVR, TextVQA, DAQUAR, VQA-RAD and SLAKE
    *PICTURE_FOLDERS,
    *(
        form.format(split)
        for form in ("{}", "images/{}", "Images/{}", "{}_images")
        for split in ("train", "val", "test")
    ),
    *("Flickr8k_Dataset/Flicker8k_Dataset", "nyu_depth_images", "VQA_RAD Image Folder", "imgs"),
)
COCO_NUMBER = re.compile(r"(?:.*_)?(\d{12})")  # COCO_val2014_000000000042


TEXT_SUFFIXES = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".md",
    ".html",
    ".xml",
    ".yaml",
    ".yml",
)  # none expects a picture


def find_images(paths: Iterable[str | os.PathLike[str]], *, warn: Callable[[str], Any] = warnings.warn) -> list[Path]:
    """Finds pictures: returns the named files in order, each folder replaced by the pictures in and below it.

    Example:
        >>> [str(path) for path in find_images(["a.jpg", "my_photos"])][:2]
        ['a.jpg', 'my_photos/images/000001.png']

    Args:
        paths: Files, taken whatever their names, and folders, searched for the endings in `PICTURE_SUFFIXES`.
        warn: Called with a sentence if a folder holds files with other endings, which are passed over; texts are not
            counted.

    Raises:
        InputError: A path does not exist, or a folder holds no picture.
    """
    images: list[Path] = []
    for path in map(Path, paths):
        check_exists(path)
        pictures, others = pictures_below(path) if path.is_dir() else ([path], Counter())
        if others:
            endings = ", ".join(f"{ending or 'no ending'} {count}" for ending, count in others.most_common())
            warn(f"in {path} {others.total()} files are passed over, as their endings are of no picture: {endings}")
        if not pictures:
            endings = " ".join(PICTURE_SUFFIXES)
            raise InputError(f"expected pictures ({endings}). Received: {path}, a folder without any. Name another.")
        images += pictures
    if not images:
        raise InputError("expected at least one picture. Received: no path. Name a picture or a folder of pictures.")
    return images


def check_exists(path: Path) -> None:
    """Checks that a path exists; the error suggests similar names beside it."""
    if path.exists():
        return
    siblings = os.listdir(path.parent) if path.parent.is_dir() else []
    raise InputError(f"expected an existing file or folder. Received: {path}.{did_you_mean(path.name, siblings)}")


def pictures_below(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Finds the pictures in a folder and its subfolders; hidden names are left out.

    Returns:
        Their paths, sorted, and the number of files with each other ending, lower-cased, that is not of a text.
    """

    def raise_error(error: OSError) -> None:
        raise error  # os.walk skips an unreadable folder silently otherwise

    pictures: list[Path] = []
    others: Counter[str] = Counter()
    for place, folders, names in os.walk(folder, onerror=raise_error):
        folders[:] = [name for name in folders if not name.startswith(".")]
        named = [Path(place, name) for name in names if is_picture(name)]
        pictures += (usual := [path for path in named if not is_pipe(path)])
        rest = (Path(name).suffix.lower() for name in names if not is_picture(name) and not name.startswith("."))
        others.update(ending for ending in rest if ending not in TEXT_SUFFIXES)
        others.update(["a pipe or a device"] * (len(named) - len(usual)))
    return sorted(pictures), others


def is_pipe(path: Path) -> bool:
    """Checks whether a path is a pipe, a device or a socket, whose reader may wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except OSError:  # a broken link is a picture that cannot be read
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_picture(name: str) -> bool:
    """Checks whether a file name has a picture's ending; macOS's `._NAME.jpg` files are not pictures."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")


def pictures_beside(folder: Path, folders: Sequence[str] = PICTURE_FOLDERS) -> list[str]:
    """Returns the sorted names of the pictures in a folder and its picture folders, not below them."""
    names = {name for place in picture_places(folder, folders) for name in files_in(place) if is_picture(name)}
    return sorted(names)


def picture_finder(folder: Path, folders: Sequence[str] = PICTURE_FOLDERS) -> Callable[[str], Path | None]:
    """Returns a function from a picture's name to its path: beside the captions file, in `images/` and the like.

    Each folder is listed once; the folder above is tried last. A name is tried as written, then in the forms of
    `spellings`; without an ending it is that of the one picture of this name, or of this number.

    Args:
        folder: The folder of the captions file.
        folders: The folders in it that may hold the pictures.
    """
    names_in = functools.cache(files_in)
    stems_in = functools.cache(lambda directory: by_stem(names_in(directory)))
    places = [*picture_places(folder, folders), *picture_places(folder / os.pardir, folders)]

    @functools.cache
    def find(name: str) -> Path | None:
        for directory, base in candidates(places, name):
            if base in names_in(directory):
                return Path(directory, base)
        for directory, base in candidates(places, name) if not is_picture(name) else ():
            if len(matches := stems_in(directory).get(base, [])) == 1:
                return Path(directory, matches[0])
        return None

    return find


def candidates(places: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    """Yields the folders where a picture may be, each with its name there."""
    forms = spellings(name)
    return (os.path.split(os.path.normpath(os.path.join(place, form))) for place in places for form in forms)


def spellings(name: str) -> list[str]:
    """Returns the forms in which a picture's name may be on disk, as written first.

    Unicode's composed and decomposed forms: macOS and some archives store Hangul decomposed where the captions file
    has it composed. With slashes for the backslashes of Windows. Of a full path, e.g. on another machine, its ends.

    Example:
        >>> spellings("C:\\\\photos\\\\1.jpg")
        ['C:\\\\photos\\\\1.jpg', 'C:/photos/1.jpg', 'photos/1.jpg', '1.jpg']
    """
    slashed = name.replace("\\", "/")
    first, *parts = slashed.split("/")
    ends = ["/".join(parts[start:]) for start in range(len(parts))] if re.fullmatch("|[A-Za-z]:", first) else []
    forms = [name, slashed, *ends]
    return list(
        dict.fromkeys([*forms, *(unicodedata.normalize(form, each) for each in forms for form in ("NFC", "NFD"))])
    )


def by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    """Groups pictures by their names without endings, and those of COCO by their numbers.

    Example:
        >>> sorted(by_stem(["COCO_val2014_000000000042.jpg"]).items())
        [('42', ['COCO_val2014_000000000042.jpg']), ('COCO_val2014_000000000042', ['COCO_val2014_000000000042.jpg'])]
    """
    groups: dict[str, list[str]] = {}
    for name in filter(is_picture, names):
        stem = os.path.splitext(name)[0]
        number = COCO_NUMBER.fullmatch(stem)
        for key in {stem, str(int(number[1]))} if number else {stem}:
            groups.setdefault(key, []).append(name)
    return groups


def check_missing(missing: Sequence[tuple[str, str]], folder: Path, folders: Sequence[str], on_fault: OnFault) -> None:
    """Reports pictures that were not found, each with the place that names it; the first fault has the count of all."""
    there = [name for name in folders if (folder / name).is_dir()] or folders[:1]
    places = ", ".join(f"{name}/" for name in there)
    for number, (source, image) in enumerate(missing):
        count = guess = ""
        if number == 0:
            count = f"; {len(missing)} pictures are missing in all" if len(missing) > 1 else ""
            guess = did_you_mean(os.path.basename(image), pictures_beside(folder, folders))
        expected = f"expected the picture {image!r} beside the file that names it or in {places}. "
        message = f"{expected}Received: no such file{count}.{guess} Add it or correct the name."
        on_fault(Fault(source, message, image, "missing", whole=True))


def picture_places(folder: Path, folders: Sequence[str]) -> list[str]:
    """Returns the folders that may hold the pictures of a captions file in `folder`."""
    return [str(folder), *(str(folder / name) for name in folders)]


def files_in(folder: str) -> frozenset[str]:
    """Returns the names of the files in a folder; empty if there is no such folder."""
    try:
        with os.scandir(folder or ".") as entries:
            return frozenset(entry.name for entry in entries if holds(entry.is_file))
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero byte in the name
        return frozenset()


def holds(check: Callable[[], bool]) -> bool:
    """Returns the result of a check of a file; `False` for a link that leads back to itself."""
    try:
        return check()
    except OSError:
        return False
