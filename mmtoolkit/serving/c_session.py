"""Runs a SavedModel through TensorFlow's C API, as a server does: a script for a process without TensorFlow's Python.

    python c_session.py MODEL < requests.json > replies.json

Operations that only a Python process can run are missing here, so a graph with them fails as in a server.
Requests are JSON objects, one a line: `{"feeds": {TENSOR: VALUE}, "fetches": [TENSOR, …], "times": 1}`, where a value
is `{"dtype": …, "shape": …, "data": …}` with its bytes in base64, of each string apart. The first line of the replies
has the seconds that loading took, the others the values, or the error, and the seconds of each run.
"""

from __future__ import annotations

import base64
import ctypes
import importlib.util
import json
import sys
import time
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from math import prod
from pathlib import Path
from typing import Any

STRING, STRING_SIZE = 7, 24  # TF_STRING; sizeof(TF_TString)
NUMBERS = {"float32": (1, 4), "int32": (3, 4), "int64": (9, 8)}  # by name: TF_DataType, and bytes of an element
NAMES = {code: name for name, (code, _) in NUMBERS.items()}


class Output(ctypes.Structure):
    """TF_Output: one output of one operation."""

    _fields_ = [("operation", c_void_p), ("index", c_int)]


def package_folder(name: str) -> Path | None:
    """Finds the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def load_library() -> ctypes.CDLL:
    """Loads TensorFlow's C API, with the types of the functions used here.

    Of tensorflow-text it loads only `TEXT_OPS` of operations.py: a graph that needs more must not load.
    """
    folder = package_folder("tensorflow")
    if folder is None:
        raise RuntimeError("tensorflow is not installed")
    ending = "2.dylib" if sys.platform == "darwin" else "so.2"
    ctypes.CDLL(str(folder / f"libtensorflow_framework.{ending}"), ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(folder / f"libtensorflow_cc.{ending}"), ctypes.RTLD_GLOBAL)
    pointer, outputs, tensors = c_void_p, POINTER(Output), POINTER(c_void_p)
    types: dict[str, tuple[Any, list[Any]]] = {
        "TF_NewStatus": (pointer, []),
        "TF_NewGraph": (pointer, []),
        "TF_NewSessionOptions": (pointer, []),
        "TF_LoadLibrary": (pointer, [c_char_p, pointer]),
        "TF_GetCode": (c_int, [pointer]),
        "TF_Message": (c_char_p, [pointer]),
        "TF_LoadSessionFromSavedModel": (
            pointer,
            [pointer, pointer, c_char_p, POINTER(c_char_p), c_int, pointer, pointer, pointer],
        ),
        "TF_GraphOperationByName": (pointer, [pointer, c_char_p]),
        "TF_AllocateTensor": (pointer, [c_int, POINTER(c_int64), c_int, c_size_t]),
        "TF_DeleteTensor": (None, [pointer]),
        "TF_TensorData": (pointer, [pointer]),
        "TF_TensorType": (c_int, [pointer]),
        "TF_NumDims": (c_int, [pointer]),
        "TF_Dim": (c_int64, [pointer, c_int]),
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
    if text := package_folder("tensorflow_text"):  # without it, a graph that needs it does not load
        library.TF_LoadLibrary(str(text / "python" / "ops" / "_normalize_ops.so").encode(), library.TF_NewStatus())
    return library


class Session:
    """A SavedModel, loaded from its directory."""

    def __init__(self, model: str) -> None:
        self.library = library = load_library()
        self.status, self.graph = library.TF_NewStatus(), library.TF_NewGraph()
        options, tags = library.TF_NewSessionOptions(), (c_char_p * 1)(b"serve")
        arguments = (options, None, model.encode(), tags, 1, self.graph, None, self.status)
        self.session = library.TF_LoadSessionFromSavedModel(*arguments)
        self.check()

    def check(self) -> None:
        """Raises the error that the C API reports, if any."""
        if self.library.TF_GetCode(self.status):
            raise RuntimeError(self.library.TF_Message(self.status).decode(errors="replace"))

    def output(self, name: str) -> Output:
        """Finds the output with a tensor's name, `operation:index`."""
        operation, _, index = name.partition(":")
        node = self.library.TF_GraphOperationByName(self.graph, operation.encode())
        if not node:
            raise RuntimeError(f"there is no operation {operation}")
        return Output(node, int(index))

    def run(self, feeds: dict[str, Any], fetches: list[str]) -> list[dict[str, Any]]:
        """Computes the fetched tensors from the fed ones."""
        library, count = self.library, len(fetches)
        fed = (Output * len(feeds))(*map(self.output, feeds))
        inputs = (c_void_p * len(feeds))(*(self.tensor(value) for value in feeds.values()))
        fetched, results = (Output * count)(*map(self.output, fetches)), (c_void_p * count)()
        arguments = (fed, inputs, len(feeds), fetched, results, count)
        library.TF_SessionRun(self.session, None, *arguments, None, 0, None, self.status)
        try:
            self.check()
            return [self.value(result or 0) for result in results]
        finally:
            for tensor in (*inputs, *results):
                if tensor:
                    library.TF_DeleteTensor(tensor)

    def tensor(self, value: dict[str, Any]) -> int:
        """Creates a TF_Tensor of a value."""
        library, shape, data = self.library, value["shape"], value["data"]
        sides = (c_int64 * len(shape))(*shape)
        if value["dtype"] == "string":
            tensor = library.TF_AllocateTensor(STRING, sides, len(shape), STRING_SIZE * len(data))
            start = library.TF_TensorData(tensor)
            for number, text in enumerate(map(base64.b64decode, data)):
                library.TF_StringInit(start + STRING_SIZE * number)
                library.TF_StringCopy(start + STRING_SIZE * number, text, len(text))
            return tensor
        code, _ = NUMBERS[value["dtype"]]
        content = base64.b64decode(data)
        tensor = library.TF_AllocateTensor(code, sides, len(shape), len(content))
        ctypes.memmove(library.TF_TensorData(tensor), content, len(content))
        return tensor

    def value(self, tensor: int) -> dict[str, Any]:
        """Reads the value of a TF_Tensor."""
        library = self.library
        shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
        start, count, code = library.TF_TensorData(tensor), prod(shape), library.TF_TensorType(tensor)
        if code == STRING:
            places = [start + STRING_SIZE * number for number in range(count)]
            texts = [
                ctypes.string_at(library.TF_StringGetDataPointer(place), library.TF_StringGetSize(place))
                for place in places
            ]
            return {"dtype": "string", "shape": shape, "data": [base64.b64encode(text).decode() for text in texts]}
        name = NAMES[code]
        content = ctypes.string_at(start, count * NUMBERS[name][1])
        return {"dtype": name, "shape": shape, "data": base64.b64encode(content).decode()}


def answer(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """Answers one request."""
    seconds = []
    try:
        for _ in range(request.get("times", 1)):
            begun = time.perf_counter()
            values = session.run(request["feeds"], request["fetches"])
            seconds.append(time.perf_counter() - begun)
    except RuntimeError as error:
        return {"error": str(error)}
    return {"values": values, "seconds": seconds}


def write_reply(reply: dict[str, Any]) -> None:
    """Writes a reply as one line of stdout."""
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()


def main(model: str) -> None:
    """Answers the requests of stdin."""
    begun = time.perf_counter()
    try:
        session = Session(model)
    except (RuntimeError, OSError) as error:
        write_reply({"error": str(error)})
        return
    write_reply({"seconds": time.perf_counter() - begun})
    for line in sys.stdin:
        write_reply(answer(session, json.loads(line)))


if __name__ == "__main__":
    main(sys.argv[1])
