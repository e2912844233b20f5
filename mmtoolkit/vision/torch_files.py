"""Reads tensors from the files that PyTorch wrote before its version 1.6, without PyTorch and without running code."""

from __future__ import annotations

import io
import math
import pickletools
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MOST_AXES, MOST_SHARED = 8, 4  # of a tensor; times that a number may be in one
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


def view(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> View:
    """Describes a tensor, in place of PyTorch's function of the same arguments.

    Raises:
        ValueError: The arguments are other than PyTorch writes.
    """
    if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > MOST_AXES:
        raise ValueError("a tensor of an unknown kind")
    numbers = (offset, *shape, *strides)
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError("a tensor of an impossible shape")
    return View(storage, offset, tuple(shape), tuple(strides))


def storage(pid: Any) -> Storage:
    """Describes a storage by what PyTorch identifies it with.

    Raises:
        ValueError: It is of a kind that is not known.
    """
    kind, name, key, _, size, part = pid
    known = kind == "storage" and type(name) is str and name in DTYPES and type(key) is str
    if not known or type(size) is not int or part is not None:
        raise ValueError("a storage of an unknown kind")
    return Storage(key, DTYPES[name], size)


KNOWN: dict[str, Any] = {
    "collections OrderedDict": dict,
    "torch._utils _rebuild_tensor_v2": view,
    **{f"torch {name}": name for name in DTYPES},
}


class Stack:
    """Builds one value of dictionaries, lists, tuples, numbers, texts and tensors' descriptions by a pickle's opcodes.

    Nothing is called by name but `view` and an empty `dict`, and keys are texts or numbers, which have hashes.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[Any, Any] = {}

    def above_mark(self) -> list[Any]:
        """Takes what is above the last mark."""
        at = self.marks.pop()
        items = self.values[at:]
        del self.values[at:]
        return items

    def set_items(self, items: list[Any]) -> None:
        """Puts keys and values, in turns, into the dictionary on top."""
        keys = items[::2]
        if type(self.values[-1]) is not dict or any(type(key) not in (str, int) for key in keys):
            raise ValueError("a dictionary of something else than names")
        self.values[-1].update(zip(keys, items[1::2], strict=True))

    def extend(self, items: list[Any]) -> None:
        """Appends to the list on top."""
        if type(self.values[-1]) is not list:
            raise ValueError("a list that is none")
        self.values[-1].extend(items)

    def call(self) -> Any:
        """Calls one of the two functions that tensors are made by."""
        arguments, function = self.values.pop(), self.values.pop()
        if function is view:
            return view(*arguments)
        if function is dict and arguments == ():
            return {}
        raise ValueError("a call of something else than tensors need")

    def take(self, name: str, value: Any) -> None:
        """Follows one opcode.

        Raises:
            ValueError: Tensors do not need it.
        """
        values = self.values
        match name:
            case "PROTO":
                pass
            case "LONG1" | "BININT" | "BININT1" | "BININT2" | "BINUNICODE":
                values.append(value)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                values.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                values.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "MARK":
                self.marks.append(len(values))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[value] = values[-1]
            case "BINGET" | "LONG_BINGET":
                values.append(self.memo[value])
            case "TUPLE":
                values.append(tuple(self.above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                values[-count:] = [tuple(values[-count:])]
            case "SETITEMS" | "SETITEM":
                self.set_items(self.above_mark() if name == "SETITEMS" else [values.pop(-2), values.pop()])
            case "APPENDS" | "APPEND":
                self.extend(self.above_mark() if name == "APPENDS" else [values.pop()])
            case "BUILD":
                values.pop()  # the version numbers of modules
            case "GLOBAL" if value in KNOWN:
                values.append(KNOWN[value])
            case "BINPERSID":
                values.append(storage(values.pop()))
            case "REDUCE":
                values.append(self.call())
            case _:
                raise ValueError(f"{value if name == 'GLOBAL' else name} is no part of a tensor")


def load(file: BinaryIO) -> Any:
    """Reads one pickle, without running it.

    Raises:
        ValueError: It has an opcode or a name that tensors do not need.
    """
    stack = Stack()
    for opcode, value, _ in pickletools.genops(file):
        if opcode.name == "STOP":
            return stack.values.pop()
        stack.take(opcode.name, value)
    raise ValueError("it ends too early")


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file of the older PyTorch form, by name and in order.

    Args:
        path: The file, e.g. `efficientnet-lite2-9656183e.pth`.

    Raises:
        ValueError: It is no such file, is damaged, or holds something else than tensors.
    """
    try:
        file = io.BytesIO(path.read_bytes())  # which never makes room for more than there is
        header = [load(file) for _ in range(3)]  # each reads its own part
        if header[:2] != [MAGIC, PROTOCOL] or header[2].get("little_endian") is not True:
            raise ValueError("it does not begin as PyTorch's older files do")
        entries = load(file)
        views = {name: entry for name, entry in entries.items() if isinstance(entry, View)}
        if len(views) < len(entries) or any(type(name) is not str for name in views):
            raise ValueError("it holds something else than tensors")
        described = {view.storage.key: view.storage for view in views.values()}
        if sum(math.prod(view.shape) for view in views.values()) > MOST_SHARED * sum(
            x.size for x in described.values()
        ):
            raise ValueError("its tensors are larger than their storages")
        storages = read_storages(file, load(file), described)
        return {name: tensor(storages[view.storage.key], view) for name, view in views.items()}
    except (EOFError, AttributeError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError("it is no file of tensors") from error


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
