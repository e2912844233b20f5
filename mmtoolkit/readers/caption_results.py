"""Reads files of generated captions and of their references: by line, by image id, or by the file name of the image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from json import JSONDecodeError, dumps, loads
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.readers.caption_lines import line_captions
from mmtoolkit.readers.faults import fault_at, raise_fault
from mmtoolkit.readers.rows import checked, nfc
from mmtoolkit.readers.sentences import holds_captions
from mmtoolkit.readers.tables import read_text

FORMS = (
    'a list of {"image_id": …, "caption": …}, such a list under "annotations", '
    "a mapping from image ids to captions, or a list of captions"
)

PROBABILITY = re.compile(r"[01]\.\d{3}")  # as predict prints it behind an answer


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """What a file says about each image.

    Args:
        path: The file.
        captions: The captions by image id; in text files and plain lists the ids are the positions from 1.
        numbered: Whether the ids are positions.
        whole_set: Whether it is the annotation file or the table of a data set, which may know more images than were
            captioned.
        names: The file names of the images by id, where the file has them.
    """

    path: Path
    captions: dict[str, list[str]]
    numbered: bool = False
    whole_set: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, names: Mapping[str, str]) -> CaptionFile:
        """Returns the captions by other names of the images; a blank line has none."""
        captions: dict[str, list[str]] = {}
        for image, said in self.captions.items():
            if image in names or not self.numbered:
                captions.setdefault(names.get(image, image), []).extend(said)
        return replace(self, captions=captions, numbered=False, names={})


def named_alike(said: CaptionFile, files: Sequence[CaptionFile]) -> tuple[CaptionFile, list[CaptionFile]]:
    """Names the images of all files by their file names, where the hypotheses have these and the references go by name.

    Where the paths are others, as seen from another folder, the last part of each decides.
    """
    by_name = bool(said.names) and not all(file.numbered and not file.names for file in files)
    named = [each.renamed(each.names) if each.names and by_name else each for each in (said, *files)]
    if not named[0].numbered:
        named = [each.renamed(each.names) if each.names and each.numbered else each for each in named]
    if by_name and not all(named[0].captions.keys() & file.captions.keys() for file in named[1:]):
        named = [each if each.numbered else each.renamed(last_parts(each.captions)) for each in named]
    return named[0], named[1:]


def last_parts(paths: Iterable[str]) -> dict[str, str]:
    """Returns the last part of each path; the paths themselves where two are alike in it.

    Example:
        >>> last_parts(["photos/1.jpg", "photos/2.jpg"]), last_parts(["a/1.jpg", "b/1.jpg"])
        ({'photos/1.jpg': '1.jpg', 'photos/2.jpg': '2.jpg'}, {})
    """
    names = {path: path.rpartition("/")[2] for path in paths}
    return names if len(set(names.values())) == len(names) else {}


def read_caption_file(path: Path) -> CaptionFile:
    """Reads the captions of a file.

    Raises:
        InputError: The file is missing, is not UTF-8, is not JSON of a known form, or holds no caption.
    """
    if not path.is_file():
        what = "a folder" if path.is_dir() else "which does not exist"
        raise InputError(f"Expected a file of captions. Received: {path}, {what}; name another.")
    if path.suffix.lower() == ".json":
        file = read_json(path, read_text(path))
    else:
        file = read_table(path) if holds_captions(path) else read_lines(path, read_text(path))
    if not file.captions:
        raise InputError(f"{path}: expected at least one caption. Received: an empty file.")
    return file


def read_table(path: Path) -> CaptionFile:
    """Reads a table of captions, as `predict --out` writes it and training takes it."""
    captions: dict[str, list[str]] = {}
    for row in checked(line_captions(path, raise_fault), raise_fault):
        captions.setdefault(nfc(row.image), []).append(row.caption)
    return CaptionFile(path, captions, whole_set=True, names={name: name for name in captions})


def read_lines(path: Path, text: str) -> CaptionFile:
    """Reads a caption per line, perhaps behind the name of its picture and a tab; the last newline starts no line.

    Raises:
        InputError: The lines are answers to questions.
    """
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
    numbered = {str(number): line for number, line in enumerate(lines, 1)}
    columns = {number: line.split("\t") for number, line in numbered.items() if line.strip()}
    if not columns or any(len(fields) < 2 for fields in columns.values()):
        return CaptionFile(path, {number: [line] for number, line in numbered.items()}, numbered=True)
    if all(len(fields) == 3 and PROBABILITY.fullmatch(fields[2]) for fields in columns.values()):
        raise InputError(f"{path}: expected captions. Received: answers, lines of NAME<TAB>ANSWER<TAB>PROBABILITY.")
    captions = {number: [" ".join(columns.get(number, [])[1:])] for number in numbered}
    names = {number: nfc(fields[0].strip()) for number, fields in columns.items()}
    return CaptionFile(path, captions, numbered=True, names=names)


def read_json(path: Path, text: str) -> CaptionFile:
    """Captions in any of the JSON forms."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise InputError(f"{path}: expected every name once. Received: {max(names, key=names.count)!r} twice.")
        return dict(pairs)

    try:
        data = loads(text, object_pairs_hook=once)
    except JSONDecodeError as error:
        raise fault_at(path, error.lineno, f"expected JSON. Received: {error.msg} (column {error.colno}).") from error
    except InputError:
        raise
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of thousands of digits
        raise InputError(f"{path}: expected captions as JSON. Received: {shorten(str(error))}.") from error
    match data:
        case {"annotations": list(items)}:
            return CaptionFile(path, by_image(path, items), whole_set=True, names=file_names(data.get("images")))
        case {"results": [{"image": str(), "captions": list()}, *_] as items, "failed": list()}:  # predict --json
            said = {nfc(item["image"]): [output["text"] for output in item["captions"]] for item in items}
            return CaptionFile(path, said, names={name: name for name in said})
        case dict():
            return CaptionFile(path, {name: spoken(path, repr(name), value) for name, value in data.items()})
        case [dict(), *_]:
            return CaptionFile(path, by_image(path, data))
        case list():
            numbered = {str(number): spoken(path, f"item {number}", value) for number, value in enumerate(data, 1)}
            return CaptionFile(path, numbered, numbered=True)
    raise InputError(f"{path}: expected {FORMS}. Received: {shorten(data)}.")


def by_image(path: Path, items: list[Any]) -> dict[str, list[str]]:
    """Gathers the captions of each image; 7 and "7" are one id."""
    gathered: dict[str, list[str]] = {}
    for number, item in enumerate(items, 1):
        match item:
            case {"image_id": int() | str() as name, "caption": str(caption)}:
                gathered.setdefault(str(name), []).append(caption)
            case _:
                raise InputError(
                    f"{path}: item {number}: expected an image_id and a caption. Received: {shorten(item)}."
                )
    return gathered


def file_names(images: Any) -> dict[str, str]:
    """Returns the file names of a COCO annotation file by the ids of their images."""
    named = (image for image in images if isinstance(image, dict)) if isinstance(images, list) else ()
    return {str(image["id"]): image["file_name"] for image in named if isinstance(image.get("file_name"), str)}


def spoken(path: Path, place: str, value: Any) -> list[str]:
    """Checks that a value is one caption, or a list of one or more, and returns the list."""
    captions = [value] if isinstance(value, str) else value
    if not isinstance(captions, list) or not captions or not all(isinstance(caption, str) for caption in captions):
        raise InputError(f"{path}: {place}: expected {FORMS}. Received: {shorten(value)}.")
    return captions


def shorten(value: Any) -> str:
    """Formats a value as JSON, cut after 60 characters."""
    written = dumps(value, ensure_ascii=False)
    return written if len(written) <= 60 else written[:59] + "…"
