"""Opens untrusted HDF5 files: they read no other file, and declare no more than they can hold."""

from __future__ import annotations

import math
import mmap
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from mmtoolkit.errors import InputError, first_line

MOST_LAYERS = 64  # of a model: a file has an attribute that lists them, and groups and data sets of each
ENTRIES = 32  # groups and data sets of a layer
MOST_CHUNKS = 4000  # of all data sets: each takes longer to find than the one before
MIN_ALLOWED, MAX_COMPRESSION = 2**24, 32  # bytes that any file may declare, and for each that it has
SHUFFLE, DEFLATE = h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE


@contextmanager
def open_h5(path: Path, *, most: int, remedy: str, layers: int = MOST_LAYERS) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading, once all that it declares lies in it and is no larger than it may be.

    External storage, links other than hard ones and virtual data sets are refused: through them a file reads others.
    So are data sets that are not numbers. Any error of h5py while the file is open is raised as its damage.

    Example:
        >>> with h5py.File("seen.h5", "w") as file:
        ...     file["mean"] = [1.0, 2.0]
        >>> with open_h5(Path("seen.h5"), most=2**20, remedy="copy it again") as content:
        ...     content["mean"][()].tolist()
        [1.0, 2.0]

    Args:
        path: The file.
        most: Bytes that its data sets may take once they are read, all together.
        remedy: What to do where it cannot be used, for the error.
        layers: The most layers that its model may have.

    Raises:
        InputError: The file is damaged, reads others, or declares too much.
    """
    try:
        if not path.is_file():
            raise OSError("it is no regular file")
        check_heaps(path)
        with h5py.File(path, "r") as content:
            entries = [entry for _, entry in datasets(content, layers)]
            declared = sum(map(bytes_of, entries))
            allowed = min(most, MIN_ALLOWED + MAX_COMPRESSION * path.stat().st_size)
            if declared > allowed:
                raise ValueError(f"it declares {declared:,} bytes of numbers where {allowed:,} are the most")
            if sum(entry.id.get_num_chunks() for entry in entries if entry.chunks) > MOST_CHUNKS:
                raise ValueError(f"it has more than {MOST_CHUNKS:,} chunks")
            for entry in entries:
                check_chunks(entry)
            yield content
    except InputError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise InputError(f"{path} is damaged; {remedy} ({first_line(error)}).") from error


def datasets(content: h5py.Group, layers: int = MOST_LAYERS) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields all data sets below a group with their names; no link is followed that leaves the file or may loop."""
    waiting, seen = [content], 0
    while waiting:
        group = waiting.pop()
        check_attributes(group, layers)
        for name in group:
            seen += 1
            if seen > ENTRIES * layers:
                raise ValueError(f"it has more than {ENTRIES * layers:,} entries")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its entry {name} is a link")
            entry = group[name]
            if isinstance(entry, h5py.Group):
                waiting.append(entry)
            else:
                check_attributes(entry, layers)
                yield entry.name, entry


def check_heaps(path: Path) -> None:
    """Checks, before HDF5 opens a file, that the names in its groups are not compressed: they are unpacked unasked.

    Source: HDF5 file format specification, III.G, "Fractal Heap": signature, version, length of an id, and the length
        of the description of its filters.

    Raises:
        ValueError: They are, or it is empty.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(b"FRHP\0")
        while at >= 0:
            if content[at + 7 : at + 9] != b"\0\0":
                raise ValueError("its groups are compressed")
            at = content.find(b"FRHP\0", at + 1)


def check_attributes(entry: Any, most: int) -> None:
    """Checks that the attributes of a group or a data set are a few short values, without reading them.

    Raises:
        ValueError: One has many: of texts, each can be the same large one.
    """
    for name in entry.attrs:
        if math.prod(entry.attrs.get_id(name).shape) > most:
            raise ValueError(f"its attribute {name} has more than {most} values")


def bytes_of(entry: Any) -> int:
    """Returns the bytes that reading a data set takes, its largest chunk included."""
    if not isinstance(entry, h5py.Dataset) or entry.shape is None:
        raise ValueError(f"its entry {entry.name} is no array")
    if entry.external or entry.is_virtual:
        raise ValueError(f"its entry {entry.name} reads another file")
    if entry.dtype.kind not in "fiub" and entry.dtype.str != "|V2":  # as which Keras stores bfloat16
        raise ValueError(f"its entry {entry.name} is not of numbers")
    return max(math.prod(entry.shape), math.prod(entry.chunks or ())) * entry.dtype.itemsize


def check_chunks(entry: h5py.Dataset) -> None:
    """Checks that each chunk of a compressed data set is unpacked to no more than a chunk.

    HDF5 itself unpacks whatever comes, and doubles its memory until the end of it.

    Raises:
        ValueError: One is larger, or it is compressed in another way than by one gzip.
    """
    creation = entry.id.get_create_plist()
    filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    if filters not in ([], [DEFLATE], [SHUFFLE, DEFLATE]):
        raise ValueError(f"its entry {entry.name} is compressed in a way that is not read")
    size = math.prod(entry.chunks or ()) * entry.dtype.itemsize
    for number in range(entry.id.get_num_chunks() if filters else 0):
        mask, packed = entry.id.read_direct_chunk(entry.id.get_chunk_info(number).chunk_offset)
        if mask:
            raise ValueError(f"its entry {entry.name} has chunks that are not compressed")
        unpacking = zlib.decompressobj()
        if len(unpacking.decompress(packed, size + 1)) > size or unpacking.unconsumed_tail:
            raise ValueError(f"its entry {entry.name} is unpacked to more than it declares")
