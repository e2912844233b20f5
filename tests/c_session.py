"""Runs a SavedModel from strings to strings through TensorFlow's C API, as a server does: no Python of TensorFlow.

Not a test: `python c_session.py MODEL INPUT OUTPUT FILE…` feeds the files' bytes to the tensor INPUT (`name:index`) and
prints the strings of OUTPUT as a JSON list.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

STRING, STRING_SIZE = 7, 24  # TF_STRING; sizeof(TF_TString)


class Output(ctypes.Structure):
    """TF_Output: one output of one operation."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


def load_library() -> ctypes.CDLL:
    """TensorFlow's C API, with the types of the functions used here."""
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), ctypes.RTLD_GLOBAL)
    pointer, outputs, tensors = c_void_p, POINTER(Output), POINTER(c_void_p)
    types: dict[str, tuple[Any, list[Any]]] = {
        "TF_NewStatus": (pointer, []),
        "TF_NewGraph": (pointer, []),
        "TF_NewSessionOptions": (pointer, []),
        "TF_GetCode": (c_int, [pointer]),
        "TF_Message": (c_char_p, [pointer]),
        "TF_LoadSessionFromSavedModel": (
            pointer,
            [pointer, pointer, c_char_p, POINTER(c_char_p), c_int, pointer, pointer, pointer],
        ),
        "TF_GraphOperationByName": (pointer, [pointer, c_char_p]),
        "TF_AllocateTensor": (pointer, [c_int, POINTER(c_int64), c_int, c_size_t]),
        "TF_TensorData": (pointer, [pointer]),
        "TF_TensorElementCount": (c_int64, [pointer]),
        "TF_StringInit": (None, [pointer]),
        "TF_StringCopy": (None, [pointer, c_char_p, c_size_t]),
        "TF_StringGetDataPointer": (pointer, [pointer]),
        "TF_StringGetSize": (c_size_t, [pointer]),
        "TF_SessionRun": (
            None,
            [pointer, pointer, outputs, tensors, c_int, outputs, tensors, c_int, pointer, c_int, pointer, pointer],
        ),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def check(library: ctypes.CDLL, status: int) -> None:
    """Raises what the C API reports."""
    if library.TF_GetCode(status):
        raise RuntimeError(library.TF_Message(status).decode())


def string_tensor(library: ctypes.CDLL, values: list[bytes]) -> int:
    """A TF_Tensor `<string>[values]`."""
    tensor = library.TF_AllocateTensor(STRING, (c_int64 * 1)(len(values)), 1, STRING_SIZE * len(values))
    start = library.TF_TensorData(tensor)
    for number, value in enumerate(values):
        library.TF_StringInit(start + STRING_SIZE * number)
        library.TF_StringCopy(start + STRING_SIZE * number, value, len(value))
    return tensor


def strings_of(library: ctypes.CDLL, tensor: int) -> list[str]:
    """The strings of a TF_Tensor."""
    start, count = library.TF_TensorData(tensor), library.TF_TensorElementCount(tensor)
    places = [start + STRING_SIZE * number for number in range(count)]
    return [
        ctypes.string_at(library.TF_StringGetDataPointer(place), library.TF_StringGetSize(place)).decode()
        for place in places
    ]


def run(model: str, feed: str, fetch: str, values: list[bytes]) -> list[str]:
    """Loads the model's `serve` graph into a session and runs it once."""
    library = load_library()
    status, graph = library.TF_NewStatus(), library.TF_NewGraph()
    options, tags = library.TF_NewSessionOptions(), (c_char_p * 1)(b"serve")
    session = library.TF_LoadSessionFromSavedModel(options, None, model.encode(), tags, 1, graph, None, status)
    check(library, status)

    def output(name: str) -> Output:
        operation, _, index = name.partition(":")
        return Output(library.TF_GraphOperationByName(graph, operation.encode()), int(index))

    inputs, results = (c_void_p * 1)(string_tensor(library, values)), (c_void_p * 1)()
    asked = byref(output(feed)), inputs, 1, byref(output(fetch)), results, 1
    library.TF_SessionRun(session, None, *asked, None, 0, None, status)
    check(library, status)
    return strings_of(library, results[0])


if __name__ == "__main__":
    found = run(*sys.argv[1:4], values=[Path(name).read_bytes() for name in sys.argv[4:]])
    assert "tensorflow" not in sys.modules
    print(json.dumps(found))
