"""Reads exclusion lists: rows and pictures to leave out of a data set, as `doctor` or a quarantine writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmtoolkit.errors import InputError
from mmtoolkit.files import read_whole
from mmtoolkit.readers.faults import Fault, OnFault
from mmtoolkit.readers.rows import RowT, nfc
from mmtoolkit.readers.tables import MOST_BYTES

ANYWHERE = frozenset((os.sep, ".", ".."))  # parts of a path before which its folders are unknown


class Excluded(Fault):
    """A row that an exclusion list leaves out."""


class Exclusions(NamedTuple):
    """The rows and pictures of an exclusion list.

    Args:
        rows: The places of rows without their folders, each with the full places that the list names.
        images: Likewise, pictures all of whose rows are left out.
        faults: Collects what was left out.
    """

    rows: dict[str, list[str]]
    images: dict[str, list[str]]
    faults: list[Fault]

    def kept(self, rows: Iterable[RowT], find: Callable[[str], Path | None]) -> Iterator[RowT]:
        """Yields the rows of one file that are not on the list; `find` returns the path of a picture by its name."""
        if not (self.rows or self.images):
            yield from rows
            return
        for row in rows:
            if self.has_row(row.source) or self.has_picture(row.image, find(row.image)):
                self.faults.append(Excluded(row.source, "left out as --exclude asks.", row.image))
            else:
                yield row

    def filtering(self, on_fault: OnFault) -> OnFault:
        """Wraps `on_fault` so that faults of listed rows and pictures are only recorded."""

        def on_other_fault(fault: Fault) -> None:
            if self.has_row(fault.source) or self.has_picture(fault.image, Path(fault.image)):
                self.faults.append(Excluded(fault.source, fault.reason, fault.image))
            else:
                on_fault(fault)

        return on_other_fault if self.rows or self.images else on_fault

    def has_row(self, source: str) -> bool:
        """Checks whether the list names this row."""
        return any(same_place(source, place) for place in self.rows.get(base(source), ()))

    def has_picture(self, image: str, path: Path | None) -> bool:
        """Checks whether the list names this picture, by its name in the row or by a path with folders."""
        name, location = nfc(image), nfc(str(path or image))
        return name in self.images.get(base(name), ()) or any(
            same_place(location, place) for place in self.images.get(base(location), ()) if base(place) != place
        )


def read_exclusions(path: str | os.PathLike[str] | None, faults: list[Fault]) -> Exclusions:
    """Reads an exclusion list in JSON Lines, as a quarantine writes it; empty without a path.

    A line with a `source` leaves out that row; one without, the picture `image` with all its rows. `faults` collects
    what will be left out.
    """
    exclusions = Exclusions({}, {}, faults)
    for source, image in entries(Path(path)) if path is not None else ():
        known, place = (exclusions.rows, source) if source else (exclusions.images, nfc(image))
        known.setdefault(base(place), []).append(place)
    return exclusions


def entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the place and the picture of each line; one of them may be empty."""
    try:
        lines = read_whole(path, most=MOST_BYTES).decode().split("\n")  # a text may hold other ends of lines
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--exclude expects a list in JSON Lines. Received: {path}, which cannot be read.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            entry = parse_object(line)
            source, image = (entry.get(name, "") for name in ("source", "image"))
            if not (isinstance(source, str) and isinstance(image, str) and (source or image)):
                raise InputError(
                    f"{path}:{number}: expected an object with 'source' (FILE:LINE) or 'image'. Received: {line:.60}. "
                    "Correct the line."
                )
            yield source, image


def parse_object(line: str) -> dict[str, Any]:
    """Parses a line as a JSON object; returns an empty one if it is none."""
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def base(place: str) -> str:
    """Returns a place without its folders."""
    return place.replace("\\", "/").rpartition("/")[2]


def same_place(one: str, other: str) -> bool:
    """Checks whether two places, given relative to different folders, can be the same.

    Example:
        >>> same_place("data/train/q.json:3", "train/q.json:3"), same_place("train/q.json:3", "test/q.json:3")
        (True, False)
    """
    pairs = zip(reversed(Path(one).parts), reversed(Path(other).parts), strict=False)
    return all(a == b for a, b in pairs if not ANYWHERE & {a, b})
