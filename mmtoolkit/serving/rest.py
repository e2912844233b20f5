"""Converts between arrays and the JSON of TensorFlow Serving's REST interface."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmtoolkit.serving.client import strings
from mmtoolkit.serving.savedmodel import ServedSignature, ServedTensor

DEFAULT = "serving_default"
NUMBERS = {"float": np.float32, "int32": np.int32, "int64": np.int64}  # by their name in the metadata
MOST_ROWS = 64  # of a request: every row takes memory, one without a picture too


class Refused(Exception):
    """Raised for a request that gets an error as reply, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def read_request(body: bytes, signatures: Mapping[str, ServedSignature]) -> tuple[str, dict[str, np.ndarray], bool]:
    """Reads the signature and the inputs of a request.

    Example:
        >>> read_request(b'{"instances": [{"b64": "/9j/"}]}', signatures)
        ('serving_default', {'image_bytes': array([b'\\xff\\xd8\\xff'])}, True)

    Args:
        body: JSON with `instances` (rows) or `inputs` (columns), and optionally `signature_name`.
        signatures: Signatures of the model.

    Returns:
        The name of the signature, its inputs by name, and whether the request, and so the reply, is in rows.

    Raises:
        Refused: The request is not valid.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"JSON Parse error: {error}") from error
    if not isinstance(content, dict):
        raise Refused(400, f"Request body must be a JSON object. Received: {type(content).__name__}.")
    name = content.get("signature_name") or DEFAULT
    if not isinstance(name, str) or name not in signatures:
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


def columns_of_rows(rows: Any, wanted: Mapping[str, ServedTensor]) -> dict[str, list[Any]]:
    """Converts `instances` to columns: values, or objects with a value for each input."""
    if not isinstance(rows, list):
        raise Refused(400, "'instances' must be a list of rows.")
    only = next(iter(wanted)) if len(wanted) == 1 else None
    if only and not all(isinstance(row, dict) and set(row) == {only} for row in rows):
        return {only: rows}
    for number, row in enumerate(rows):
        check_names(row, wanted, f"instance {number}")
    return {key: [row[key] for row in rows] for key in wanted}


def columns_of_inputs(columns: Any, wanted: Mapping[str, ServedTensor]) -> dict[str, Any]:
    """Converts `inputs` to columns: an object with a list for each input, or the list of the only one."""
    if len(wanted) == 1 and (not isinstance(columns, dict) or set(columns) == {"b64"}):
        return {next(iter(wanted)): columns}
    check_names(columns, wanted, "'inputs'")
    return dict(columns)


def check_names(given: Any, wanted: Mapping[str, ServedTensor], what: str) -> None:
    """Checks that an object has exactly the inputs of the signature."""
    if not isinstance(given, dict) or set(given) != set(wanted):
        names = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise Refused(400, f"Expected {what} to have the inputs {sorted(wanted)}. Received: {names}.")


def array(name: str, value: Any, wanted: ServedTensor) -> np.ndarray:
    """Converts a column to an array of the signature's type and shape."""
    if not isinstance(value, list):
        raise Refused(400, f"Input {name} expects a list with a value for each row. Received: {type(value).__name__}.")
    if wanted.dtype == "string":
        return strings([text(name, row) for row in value])
    kind = NUMBERS[wanted.dtype]
    try:
        given = np.array(value)
        if value and (given.dtype.kind == "b" or not np.can_cast(given.dtype, kind, "same_kind")):
            raise TypeError(f"these are {given.dtype}")
        numbers = np.array(value, kind)
    except (ValueError, TypeError, OverflowError) as error:
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
        return value.encode(errors="replace")
    if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
        raise Refused(400, f'Input {name} expects strings or {{"b64": …}}. Received: {type(value).__name__}.')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"Unable to base64 decode input {name}: {error}.") from error


def write_answer(outputs: Mapping[str, np.ndarray], *, by_row: bool) -> bytes:
    """Writes the body of a reply: `predictions` in rows, or `outputs` in columns; a lone output has no name."""
    content: Any = {name: column(name, value) for name, value in outputs.items()}
    if len(content) == 1:
        (content,) = content.values()
    elif by_row:
        content = [dict(zip(content, row, strict=True)) for row in zip(*content.values(), strict=True)]
    return dump({"predictions" if by_row else "outputs": content})


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


def dump(content: Any) -> bytes:
    """Writes JSON in UTF-8."""
    return json.dumps(content, ensure_ascii=False).encode()


def metadata(name: str, version: int, signatures: Mapping[str, ServedSignature]) -> bytes:
    """Writes the reply to `/metadata`."""

    def info(tensor: ServedTensor) -> dict[str, Any]:
        sides = [{"size": str(size), "name": ""} for size in tensor.shape]
        shape = {"dim": sides, "unknown_rank": False}
        return {"dtype": f"DT_{tensor.dtype.upper()}", "tensor_shape": shape, "name": tensor.tensor}

    definitions = {
        key: {
            "inputs": {key: info(tensor) for key, tensor in signature.inputs.items()},
            "outputs": {key: info(tensor) for key, tensor in signature.outputs.items()},
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


def model_status(version: int) -> bytes:
    """Writes the reply to `/v1/models/NAME`."""
    good = {"error_code": "OK", "error_message": ""}
    return dump({"model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": good}]})
