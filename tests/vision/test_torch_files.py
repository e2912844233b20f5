"""The reader of older PyTorch files, on files that a stand-in of PyTorch pickles."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mmtoolkit.vision.torch_files import DTYPES, MAGIC, read_tensors


class Tensor:
    """What the pickle of a tensor is made of."""

    def __init__(self, key: str, dtype: str, size: int, offset: int, shape: tuple[int, ...], strides: Any) -> None:
        self.storage, self.arguments = (key, dtype, size), (offset, shape, strides, False, OrderedDict())


class Storage:
    """A storage, which is pickled as its id."""

    def __init__(self, key: str, dtype: str, size: int) -> None:
        self.pid = ("storage", getattr(sys.modules["torch"], dtype), key, "cpu", size, None)


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the names in place that a pickle of PyTorch refers to."""
    package, inner = ModuleType("torch"), ModuleType("torch._utils")
    for name in (*DTYPES, "IntStorage"):
        kind = type(name, (), {"__module__": "torch"})
        setattr(package, name, kind)

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    vars(inner)["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)


class Writer(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Storage) else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            rebuild: Callable[..., Any] = sys.modules["torch._utils"]._rebuild_tensor_v2
            return rebuild, (Storage(*obj.storage), *obj.arguments)
        return NotImplemented


def write(path: Path, entries: Any, storages: dict[str, np.ndarray], *, sizes: dict[str, int] | None = None) -> Path:
    file = io.BytesIO()
    for part in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        pickle.dump(part, file, protocol=2)
    Writer(file, protocol=2).dump(entries)
    pickle.dump(list(storages), file, protocol=2)
    for key, numbers in storages.items():
        file.write(struct.pack("<q", (sizes or {}).get(key, len(numbers))) + numbers.tobytes())
    path.write_bytes(file.getvalue())
    return path


NUMBERS = np.arange(12, dtype="<f4")


def test_tensors_are_views_of_storages(tmp_path: Path) -> None:
    entries: Any = OrderedDict(
        b=Tensor("7", "FloatStorage", 12, 2, (2, 3), (5, 1)),
        a=Tensor("7", "FloatStorage", 12, 0, (3, 4), (1, 3)),  # transposed
        count=Tensor("9", "LongStorage", 1, 0, (), ()),
        half=Tensor("10", "HalfStorage", 2, 1, (1,), (1,)),
    )
    entries._metadata = {"": {"version": 1}}  # which PyTorch attaches
    storages = {"9": np.array([5], "<i8"), "10": np.array([0.5, 1.5], "<f2"), "7": NUMBERS}
    found = read_tensors(write(tmp_path / "w.pth", entries, storages))
    assert list(found) == ["b", "a", "count", "half"]
    np.testing.assert_array_equal(found["b"], [[2, 3, 4], [7, 8, 9]])
    np.testing.assert_array_equal(found["a"], NUMBERS.reshape(4, 3).T)
    assert found["count"] == 5 and found["half"] == [1.5] and found["half"].dtype == np.float16


class Command:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": Command()}, "exec is no part of a tensor"),
        ({"a": b"text"}, "no part of a tensor"),  # protocol 2 encodes bytes by a call
        ({"a": 1}, "something else than tensors"),
        ([1, 2], "no file of tensors"),
        ({"a": Tensor("7", "IntStorage", 12, 0, (12,), (1,))}, "IntStorage is no part"),
        ({"a": Tensor("7", "FloatStorage", 12, 0, (13,), (1,))}, "larger than its storage"),
        ({"a": Tensor("7", "FloatStorage", 12, 0, (10**12,), (0,))}, "larger than their storages"),
        ({"a": Tensor("7", "FloatStorage", 12, 0, (13,) * 9, (0,) * 9)}, "unknown kind"),
        ({f"{n}": Tensor("7", "FloatStorage", 12, 0, (12,), (1,)) for n in range(5)}, "larger than their storages"),
        ({5: Tensor("7", "FloatStorage", 12, 0, (12,), (1,))}, "something else than tensors"),
        ({("a",): Tensor("7", "FloatStorage", 12, 0, (12,), (1,))}, "something else than names"),
        ({"a": Tensor("7", "FloatStorage", 12, 0, (0,), (1,))}, "larger than its storage"),
        ({"a": Tensor("7", "FloatStorage", 12, 3, (2, 2), (-1, 1))}, "impossible shape"),
        ({"a": Tensor("7", "FloatStorage", 12, 0, (2, 2), (1,))}, "unknown kind"),
        ({"a": Tensor("7", "FloatStorage", 10**12, 0, (2,), (1,))}, "a storage has 12 numbers"),
        ({"a": Tensor("8", "FloatStorage", 12, 0, (2,), (1,))}, "no file of tensors"),
    ],
)
def test_what_is_no_tensor_is_refused(tmp_path: Path, entries: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tensors(write(tmp_path / "w.pth", entries, {"7": NUMBERS}))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "w.pth", {"a": Tensor("7", "FloatStorage", 12, 0, (12,), (1,))}, {"7": NUMBERS})
    data = whole.read_bytes()
    for length in range(0, len(data), 7):
        (tmp_path / "part.pth").write_bytes(data[:length])
        with pytest.raises(ValueError):
            read_tensors(tmp_path / "part.pth")
    entries = {"a": Tensor("7", "FloatStorage", 10**12, 0, (12,), (1,))}
    with pytest.raises(ValueError, match="ends too early"):  # without room for so many numbers being taken
        read_tensors(write(tmp_path / "w.pth", entries, {"7": NUMBERS}, sizes={"7": 10**12}))
    for other in (b"PK\x03\x04" + bytes(99), b"\x89HDF\r\n\x1a\n" + bytes(99)):
        (tmp_path / "other.pth").write_bytes(other)
        with pytest.raises(ValueError):
            read_tensors(tmp_path / "other.pth")


def pickled(path: Path, program: bytes) -> Path:
    """A file with a pickle by its opcodes in the place of the tensors."""
    file = io.BytesIO()
    for part in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        pickle.dump(part, file, protocol=2)
    path.write_bytes(file.getvalue() + b"\x80\x02" + program + b".")
    return path


DOUBLED = b")" + b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(40))  # a = (a, a), 40 times
NAMED = b"ctorch FloatStorage\n".replace(b" ", b"\n")
STORAGE = b"(X\x07\0\0\0storage" + NAMED + DOUBLED + b"X\x03\0\0\0cpuK\x0cNtQ"
FILLED = b"}(" + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(2000)) + b"u"


@pytest.mark.parametrize(
    "program",
    [
        b"}" + b")" + b"\x85" * 200_000 + b"Ns",  # nested tuples as a key
        DOUBLED + b")R",  # called
        b"ccollections\nOrderedDict\n" + FILLED + b"\x85R",  # copied
        STORAGE,
        b"(" * 200_000 + b"t" * 200_000,
        b")" + b"\x85" * 200_000,
        b"t",
        b"h\x05",
        b"R",
        b"X\xff\xff\xff\x7f",  # a text of 2 GB
    ],
    ids=lambda program: f"{len(program)} bytes",
)
def test_small_files_take_no_time_and_no_memory(tmp_path: Path, program: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            read_tensors(pickled(tmp_path / "bomb.pth", program))
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()
