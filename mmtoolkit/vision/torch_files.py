"""Reads tensors from the files that PyTorch wrote before its version 1.6, without PyTorch and without running code."""

from __future__ import annotations

import io
import math
import pickletools
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


def storage(pid: Any) -> Storage:
    """Describes a storage by what PyTorch identifies it with.

    Raises:
        ValueError: It is of a kind that is not known.
    """
    kind, name, key, _, size, part = pid
    if kind != "storage" or name not in DTYPES or type(size) is not int or part is not None:
        raise ValueError("a storage of an unknown kind")
    return Storage(str(key), DTYPES[name], size)


KNOWN: dict[str, Any] = {
    "collections OrderedDict": dict,
    "torch._utils _rebuild_tensor_v2": view,
    **{f"torch {name}": name for name in DTYPES},
}
CALLED = (dict, view)


def load(file: BinaryIO) -> Any:
    """Reads one pickle of dictionaries, lists, tuples, numbers, texts and tensors' descriptions, by its opcodes.

    Raises:
        ValueError: It has an opcode or a name that none of these needs.
    """
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    value: Any
    for opcode, value, _ in pickletools.genops(file):
        match opcode.name:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "LONG1" | "BININT" | "BININT1" | "BININT2" | "BINUNICODE":
                stack.append(value)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[opcode.name]())
            case "MARK":
                stack.append(MARK)
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case "TUPLE" | "SETITEMS" | "APPENDS":
                collect(stack, opcode.name)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(opcode.name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                stack[-2].append(stack.pop())
            case "SETITEM":
                key, entry = stack[-2:]
                del stack[-2:]
                stack[-1][key] = entry
            case "BUILD":
                stack.pop()  # the version numbers of modules
            case "GLOBAL":
                stack.append(KNOWN[value] if value in KNOWN else unknown(value))
            case "BINPERSID":
                stack.append(storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(call(stack.pop(), arguments))
            case _:
                unknown(opcode.name)
    raise ValueError("it ends too early")


MARK = object()


def collect(stack: list[Any], name: str) -> None:
    """Puts what is above the last mark into a tuple, or into the dictionary or list below the mark."""
    at = len(stack) - 1 - stack[::-1].index(MARK)
    items = stack[at + 1 :]
    del stack[at:]
    if name == "TUPLE":
        stack.append(tuple(items))
    elif name == "APPENDS":
        stack[-1].extend(items)
    else:
        stack[-1].update(zip(items[::2], items[1::2], strict=True))


def call(function: Any, arguments: Any) -> Any:
    """Calls one of the two functions that tensors are made by."""
    return function(*arguments) if any(function is known for known in CALLED) else unknown(f"{function}")


def unknown(name: str) -> Any:
    """Raises ValueError for what is no part of a tensor."""
    raise ValueError(f"{name} is no part of a tensor")


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
        if len(views) < len(entries):
            raise ValueError("it holds something else than tensors")
        described = {view.storage.key: view.storage for view in views.values()}
        storages = read_storages(file, load(file), described)
        return {name: tensor(storages[view.storage.key], view) for name, view in views.items()}
    except (EOFError, AttributeError, TypeError, KeyError, IndexError, OverflowError) as error:
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
