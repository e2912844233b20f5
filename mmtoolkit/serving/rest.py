"""Converts between arrays and the JSON of TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mmtoolkit.serving.savedmodel import ServedSignature, ServedTensor

DEFAULT = "serving_default"
NUMBERS = {"float": np.float32, "int32": np.int32, "int64": np.int64}  # by their name in the metadata
MOST_ROWS = 64  # of a request: every row takes memory, one without a picture too
PARSER = json.JSONDecoder(object_pairs_hook=lambda pairs: dict(reversed(pairs)))  # the first of two equal names counts
MOST_NESTED = 300_000  # lists and objects of a request: some hundred rows of regions
ESCAPE = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\(u[dD][89a-fA-F])|\\.", re.DOTALL)  # a lone surrogate in [1]

Arrays = Mapping[str, np.ndarray]


class Refused(Exception):
    """Raised for a request that gets an error as reply.

    Args:
        status: HTTP status.
        message: The `error` of the reply.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def read_request(body: bytes, signatures: Mapping[str, ServedSignature]) -> tuple[str, dict[str, np.ndarray], bool]:
    """Reads the signature and the inputs of a request.

    Example:
        >>> image = ServedTensor("image_bytes:0", "string", (-1,))
        >>> signatures = {"serving_default": ServedSignature({"image_bytes": image}, {})}
        >>> name, inputs, are_rows = read_request(b'{"instances": [{"b64": "/9j/"}]}', signatures)
        >>> name, inputs["image_bytes"].tolist(), are_rows
        ('serving_default', [b'\\xff\\xd8\\xff'], True)

    Args:
        body: JSON with `instances` (rows) or `inputs` (columns), and optionally `signature_name`.
        signatures: Signatures of the model.

    Returns:
        The name of the signature, its inputs by name, and whether they are rows, as the reply is then, too.

    Raises:
        Refused: The request is not valid.
    """
    content = parse(body)
    if not isinstance(content, dict):
        raise Refused(400, f"Request body must be a JSON object. Received: {type(content).__name__}.")
    name = content.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise Refused(400, f"'signature_name' key must be a string value. Received: {json.dumps(name):.100}")
    name = name or DEFAULT
    if name not in signatures:
        raise Refused(400, f'Serving signature name: "{name}" not found in signature def')
    by_row = "instances" in content
    if by_row == ("inputs" in content):
        raise Refused(400, "Request must have either 'instances' (rows) or 'inputs' (columns).")
    wanted = signatures[name].inputs
    columns = columns_of_rows(content["instances"], wanted) if by_row else columns_of_inputs(content["inputs"], wanted)
    arrays = {key: array(key, columns[key], wanted[key]) for key in wanted}
    lengths = {key: len(value) for key, value in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise Refused(400, f"Inputs must have as many rows as each other. Received: {lengths}.")
    if not 1 <= max(lengths.values()) <= MOST_ROWS:
        raise Refused(400, f"A request has 1 to {MOST_ROWS} rows. Received: {max(lengths.values())}.")
    return name, arrays, by_row


def parse(body: bytes) -> Any:
    """Parses the JSON value at the start of a body as the server does: in UTF-8; what follows it is not read.

    Raises:
        Refused: There is none, it has more lists and objects than any request, or half of a surrogate pair is in it.
    """
    if (nested := body.count(b"{") + body.count(b"[")) > MOST_NESTED:  # each takes a hundred times its bytes
        raise Refused(400, f"A request has at most {MOST_NESTED:,} lists and objects. Received: {nested:,}.")
    text = body.decode("utf-8-sig", "surrogateescape").lstrip(" \t\r\n")
    try:
        content, end = PARSER.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"JSON Parse error: {error}") from error
    if any(escape[1] for escape in ESCAPE.finditer(text, 0, end)):
        raise Refused(400, "JSON Parse error: a string has half of a surrogate pair.")
    return content


def columns_of_rows(rows: Any, wanted: Mapping[str, ServedTensor]) -> dict[str, list[Any]]:
    """Converts `instances` to columns: values, or objects with a value for each input."""
    if not isinstance(rows, list):
        raise Refused(400, "'instances' must be a list of rows.")
    only = next(iter(wanted)) if len(wanted) == 1 else None
    if only and not all(isinstance(row, dict) and set(row) == {only} for row in rows):
        return {only: rows}
    for number, row in enumerate(rows):
        check_names(row, wanted, f"instance {number}", exact=True)
    return {key: [row[key] for row in rows] for key in wanted}


def columns_of_inputs(columns: Any, wanted: Mapping[str, ServedTensor]) -> dict[str, Any]:
    """Converts `inputs` to columns: an object with a list for each input (others are ignored), or the only list."""
    if len(wanted) == 1 and (not isinstance(columns, dict) or set(columns) == {"b64"}):
        return {next(iter(wanted)): columns}
    check_names(columns, wanted, "'inputs'", exact=False)
    return dict(columns)


def check_names(given: Any, wanted: Mapping[str, ServedTensor], what: str, *, exact: bool) -> None:
    """Checks that an object has the inputs of the signature, and no others if they must be exact."""
    if not isinstance(given, dict) or not set(wanted) <= set(given) or (exact and len(given) > len(wanted)):
        names = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise Refused(400, f"Expected {what} to have the inputs {sorted(wanted)}. Received: {names}.")


def array(name: str, value: Any, wanted: ServedTensor) -> np.ndarray:
    """Converts a column to an array of the signature's type and shape."""
    if not isinstance(value, list):
        raise Refused(400, f"Input {name} expects a list with a value for each row. Received: {type(value).__name__}.")
    if wanted.dtype == "string":
        texts = np.empty(len(value), object)
        texts[:] = [text(name, row) for row in value]
        return texts
    kind = NUMBERS[wanted.dtype]
    try:
        given = np.array(value)
        if value and (given.dtype.kind == "b" or not np.can_cast(given.dtype, kind, "same_kind")):
            raise TypeError(f"these are {given.dtype}")
        with np.errstate(over="raise"):
            numbers = np.array(value, kind)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Refused(400, f"Input {name} expects numbers of the type {wanted.dtype}: {error}.") from error
    sides = [-1, *wanted.shape[1:]]
    if numbers.ndim != len(sides) or any(
        side not in (-1, have) for side, have in zip(sides, numbers.shape, strict=True)
    ):
        raise Refused(400, f"Input {name} has the shape {sides}. Received: {list(numbers.shape)}.")
    return numbers


def text(name: str, value: Any) -> bytes:
    """Converts a string, or `{"b64": …}`, to bytes."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")  # bytes that are no UTF-8 reach the graph as they came
    if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
        raise Refused(400, f'Input {name} expects strings or {{"b64": …}}. Received: {type(value).__name__}.')
    try:
        return from_base64(value["b64"])
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"Unable to base64 decode input {name}: {error}.") from error


def from_base64(letters: str) -> bytes:
    """Decodes base64 as absl's Base64Unescape does: white space is skipped, padding (= or .) is there or not.

    Example:
        >>> from_base64("/9j/\\r\\n4A")
        b'\\xff\\xd8\\xff\\xe0'
    """
    data = b"".join(letters.encode("ascii").split())
    digits = data.rstrip(b"=.")
    padding = -len(digits) % 4
    if len(data) - len(digits) not in (0, padding):
        raise ValueError("Incorrect padding")
    return base64.b64decode(digits + b"=" * padding, validate=True)


def write_answer(outputs: Arrays, *, by_row: bool) -> bytes:
    """Writes the body of a reply: `predictions` in rows, or `outputs` in columns; a lone output has no name."""
    columns = {name: column(name, value) for name, value in outputs.items()}
    if not by_row:
        return dump({"outputs": next(iter(columns.values())) if len(columns) == 1 else columns})
    if len(columns) == 1:
        return dump({"predictions": next(iter(columns.values()))})
    return dump({"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]})


def column(name: str, value: np.ndarray) -> Any:
    """Converts an array to JSON; strings become text, or base64 if the name ends in `_bytes`."""
    if value.dtype != object:
        return value.tolist()
    as_bytes = name.endswith("_bytes")

    def to_json(part: Any) -> Any:
        if isinstance(part, list):
            return [to_json(each) for each in part]
        return {"b64": base64.b64encode(part).decode()} if as_bytes else part.decode(errors="replace")

    return to_json(value.tolist())


def error_body(message: str) -> bytes:
    """Writes the body of an error."""
    return dump({"error": message})


def dump(content: Any) -> bytes:
    """Writes JSON in UTF-8."""
    return json.dumps(content, ensure_ascii=False).encode(errors="replace")


def metadata(name: str, version: int, signatures: Mapping[str, ServedSignature]) -> bytes:
    """Writes the reply to `/metadata`."""

    def side(tensors: Mapping[str, ServedTensor]) -> dict[str, Any]:
        return {key: info(tensor) for key, tensor in tensors.items()}

    def info(tensor: ServedTensor) -> dict[str, Any]:
        sides = [{"size": str(size), "name": ""} for size in tensor.shape]
        shape = {"dim": sides, "unknown_rank": False}
        return {"dtype": f"DT_{tensor.dtype.upper()}", "tensor_shape": shape, "name": tensor.tensor}

    definitions = {
        key: {
            "inputs": side(signature.inputs),
            "outputs": side(signature.outputs),
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
        for key, signature in signatures.items()
    }
    return dump(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {
                "signature_def": {
                    "@type": "type.googleapis.com/tensorflow.serving.SignatureDefMap",
                    "signature_def": definitions,
                }
            },
        }
    )


def model_status(versions: Iterable[int]) -> bytes:
    """Writes the reply to `/v1/models/NAME`."""
    good = {"error_code": "OK", "error_message": ""}
    states = [{"version": str(version), "state": "AVAILABLE", "status": good} for version in versions]
    return dump({"model_version_status": states})
