"""The JSON of TensorFlow Serving's REST interface: requests to arrays, arrays to answers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmtoolkit.serving.savedmodel import ServedSignature, ServedTensor

DEFAULT = "serving_default"
NUMBERS = {"float": np.float32, "int32": np.int32, "int64": np.int64}  # by the name that the metadata has
MOST_ROWS = 64  # of a request: every row takes memory, one without a picture too

Arrays = Mapping[str, np.ndarray]


class Refused(Exception):
    """A request that gets an error for an answer.

    Args:
        status: Of HTTP.
        message: What the answer's `error` says.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def read_request(body: bytes, signatures: Mapping[str, ServedSignature]) -> tuple[str, dict[str, np.ndarray], bool]:
    """What a body asks for.

    Example:
        >>> read_request(b'{"instances": [{"b64": "/9j/"}]}', signatures)
        ('serving_default', {'image_bytes': array([b'\\xff\\xd8\\xff'])}, True)

    Args:
        body: JSON with `instances` (rows) or `inputs` (columns), and maybe `signature_name`.
        signatures: Of the model.

    Returns:
        The signature, its inputs by name, and whether they came, and the answer is wanted, in rows.

    Raises:
        Refused: It is something else.
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
    columns = of_rows(content["instances"], wanted) if by_row else of_columns(content["inputs"], wanted)
    arrays = {key: array(key, columns[key], wanted[key]) for key in wanted}
    lengths = {key: len(value) for key, value in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise Refused(400, f"Inputs must have as many rows as each other. Received: {lengths}.")
    if not 1 <= max(lengths.values()) <= MOST_ROWS:
        raise Refused(400, f"A request has 1 to {MOST_ROWS} rows. Received: {max(lengths.values())}.")
    return name, arrays, by_row


def of_rows(rows: Any, wanted: Mapping[str, ServedTensor]) -> dict[str, list[Any]]:
    """The columns of `instances`: values, or objects with a value for each input."""
    if not isinstance(rows, list):
        raise Refused(400, "'instances' must be a list of rows.")
    alone = next(iter(wanted)) if len(wanted) == 1 else None
    if alone and not all(isinstance(row, dict) and set(row) == {alone} for row in rows):
        return {alone: rows}
    for number, row in enumerate(rows):
        check_names(row, wanted, f"instance {number}")
    return {key: [row[key] for row in rows] for key in wanted}


def of_columns(columns: Any, wanted: Mapping[str, ServedTensor]) -> dict[str, Any]:
    """The columns of `inputs`: an object with a list for each input, or the list of the only one."""
    if len(wanted) == 1 and (not isinstance(columns, dict) or set(columns) == {"b64"}):
        return {next(iter(wanted)): columns}
    check_names(columns, wanted, "'inputs'")
    return dict(columns)


def check_names(given: Any, wanted: Mapping[str, ServedTensor], what: str) -> None:
    """Refuses what does not have the inputs of the signature."""
    if not isinstance(given, dict) or set(given) != set(wanted):
        names = sorted(given) if isinstance(given, dict) else type(given).__name__
        raise Refused(400, f"Expected {what} to have the inputs {sorted(wanted)}. Received: {names}.")


def array(name: str, value: Any, wanted: ServedTensor) -> np.ndarray:
    """A column as an array of the type and shape that the signature has."""
    if not isinstance(value, list):
        raise Refused(400, f"Input {name} expects a list with a value for each row. Received: {type(value).__name__}.")
    if wanted.dtype == "string":
        found = np.empty(len(value), object)
        found[:] = [text(name, row) for row in value]
        return found
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
    """A string, or the bytes of `{"b64": …}`."""
    if isinstance(value, str):
        return value.encode(errors="replace")
    if not isinstance(value, dict) or set(value) != {"b64"} or not isinstance(value["b64"], str):
        raise Refused(400, f'Input {name} expects strings or {{"b64": …}}. Received: {type(value).__name__}.')
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"Unable to base64 decode input {name}: {error}.") from error


def write_answer(outputs: Arrays, *, by_row: bool) -> bytes:
    """The answer's body: `predictions`, a row each, or `outputs`, a column each; a lone output has no name."""
    columns = {name: column(name, value) for name, value in outputs.items()}
    if not by_row:
        return dump({"outputs": next(iter(columns.values())) if len(columns) == 1 else columns})
    if len(columns) == 1:
        return dump({"predictions": next(iter(columns.values()))})
    return dump({"predictions": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]})


def column(name: str, value: np.ndarray) -> Any:
    """An array as JSON; strings are text, or base64 where the name ends in `_bytes`."""
    if value.dtype != object:
        return value.tolist()
    as_bytes = name.endswith("_bytes")

    def told(part: Any) -> Any:
        if isinstance(part, list):
            return [told(each) for each in part]
        return {"b64": base64.b64encode(part).decode()} if as_bytes else part.decode(errors="replace")

    return told(value.tolist())


def error_body(message: str) -> bytes:
    """The body of an error."""
    return dump({"error": message})


def dump(content: Any) -> bytes:
    """JSON, in UTF-8."""
    return json.dumps(content, ensure_ascii=False).encode()


def metadata(name: str, version: int, signatures: Mapping[str, ServedSignature]) -> bytes:
    """What `/metadata` answers."""

    def side(tensors: Mapping[str, ServedTensor]) -> dict[str, Any]:
        return {key: info(tensor) for key, tensor in tensors.items()}

    def info(tensor: ServedTensor) -> dict[str, Any]:
        sides = [{"size": str(size), "name": ""} for size in tensor.shape]
        shape = {"dim": sides, "unknown_rank": False}
        return {"dtype": f"DT_{tensor.dtype.upper()}", "tensor_shape": shape, "name": tensor.tensor}

    told = {
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
                    "signature_def": told,
                }
            },
        }
    )


def model_status(version: int) -> bytes:
    """What `/v1/models/NAME` answers."""
    good = {"error_code": "OK", "error_message": ""}
    return dump({"model_version_status": [{"version": str(version), "state": "AVAILABLE", "status": good}]})
