"""Reads tensors from the files that PyTorch wrote before its version 1.6, without PyTorch and without running code."""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
DTYPES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8"}


class Storage(NamedTuple):
    """Numbers that tensors are views of, which follow the names in the file.

    Args:
        key: Its name.
        dtype: NumPy's name of the type.
        size: How many there are.
    """

    key: str
    dtype: str
    size: int


class View(NamedTuple):
    """A tensor: a part of a storage.

    Args:
        storage: What it is a view of.
        offset: Its first number.
        shape: Its shape.
        strides: Numbers between neighbours along each axis.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Entries(dict[str, Any]):
    """Tensors by name; what else PyTorch attaches to them is left out."""

    def __setstate__(self, state: Any) -> None:
        """Ignores the version numbers of modules."""


def view(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> View:
    """Describes a tensor, in place of PyTorch's function of the same arguments.

    Raises:
        ValueError: The arguments are other than PyTorch writes.
    """
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides):
        raise ValueError("a tensor of an unknown kind")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a tensor of an impossible shape")
    return View(storage, offset, tuple(shape), tuple(strides))


KNOWN = {
    ("collections", "OrderedDict"): Entries,
    ("torch._utils", "_rebuild_tensor_v2"): view,
    **{("torch", name): name for name in DTYPES},
}


class Names(pickle.Unpickler):
    """Unpickles dictionaries, numbers, texts and tensors' descriptions; anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands for a name of PyTorch."""
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")
        return KNOWN[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        """Returns the description of a storage."""
        kind, name, key, _, size, part = pid
        if kind != "storage" or name not in DTYPES or type(size) is not int or part is not None:
            raise pickle.UnpicklingError("a storage of an unknown kind")
        return Storage(str(key), DTYPES[name], size)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file of the older PyTorch form, by name and in order.

    Args:
        path: The file, e.g. `efficientnet-lite2-9656183e.pth`.

    Raises:
        ValueError: It is no such file, is damaged, or holds something else than tensors.
    """
    try:
        file = io.BytesIO(path.read_bytes())  # which never makes room for more than there is
        header = [Names(file).load() for _ in range(3)]  # each reads its own part
        if header[:2] != [MAGIC, PROTOCOL] or header[2].get("little_endian") is not True:
            raise ValueError("it does not begin as PyTorch's older files do")
        entries = Names(file).load()
        views = {name: entry for name, entry in entries.items() if isinstance(entry, View)}
        if len(views) < len(entries):
            raise ValueError("it holds something else than tensors")
        described = {view.storage.key: view.storage for view in views.values()}
        storages = read_storages(file, Names(file).load(), described)
        return {name: tensor(storages[view.storage.key], view) for name, view in views.items()}
    except (pickle.UnpicklingError, EOFError, AttributeError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"it is no file of tensors ({error})") from error


def read_storages(file: BinaryIO, keys: list[str], storages: dict[str, Storage]) -> dict[str, np.ndarray]:
    """Reads the numbers of the storages, each behind its size, in the order of their names in the file."""
    found = {}
    for key in keys:
        size, storage = int.from_bytes(file.read(8), "little"), storages[key]
        if size != storage.size:
            raise ValueError(f"a storage has {size} numbers, not {storage.size}")
        data = file.read(size * np.dtype(storage.dtype).itemsize)
        found[key] = np.frombuffer(data, storage.dtype)
        if len(found[key]) != size:
            raise ValueError("it ends too early")
    return found


def tensor(numbers: np.ndarray, view: View) -> np.ndarray:
    """Copies a tensor out of its storage."""
    last = view.offset + sum((side - 1) * stride for side, stride in zip(view.shape, view.strides, strict=True))
    if 0 in view.shape or last >= len(numbers) or math.prod(view.shape) > len(numbers):
        raise ValueError("a tensor is larger than its storage")
    strides = [stride * numbers.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides, writeable=False).copy()
