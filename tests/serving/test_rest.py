"""The JSON of the REST interface."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from mmtoolkit.serving.rest import Refused, error_body, from_base64, model_status, read_request, write_answer
from mmtoolkit.serving.savedmodel import ServedSignature, ServedTensor

PICTURES = ServedTensor("a:0", "string", (-1,))
ONE = ServedSignature({"image_bytes": PICTURES}, {})
TWO = ServedSignature({"image_bytes": PICTURES, "question": PICTURES}, {})
REGIONS = ServedSignature({"regions": ServedTensor("r:0", "float", (-1, 2, 3))}, {})
DRAWN = ServedSignature({"image_bytes": PICTURES, "seed": ServedTensor("s:0", "int32", (-1,))}, {})
SIGNATURES = {"serving_default": ONE, "asked": TWO, "from_regions": REGIONS, "drawn": DRAWN}
B64 = {"b64": "/9j/"}


def read(**content: Any) -> tuple[str, dict[str, Any], bool]:
    name, inputs, by_row = read_request(json.dumps(content).encode(), SIGNATURES)
    return name, {key: value.tolist() for key, value in inputs.items()}, by_row


def test_rows_and_columns_say_the_same() -> None:
    expected = {"image_bytes": [b"\xff\xd8\xff", b"text"]}
    assert read(instances=[B64, "text"]) == ("serving_default", expected, True)
    assert read(instances=[{"image_bytes": B64}, {"image_bytes": "text"}]) == ("serving_default", expected, True)
    assert read(inputs=[B64, "text"]) == ("serving_default", expected, False)
    assert read(inputs={"image_bytes": [B64, "text"]}) == ("serving_default", expected, False)
    asked = ("asked", {"image_bytes": [b"\xff\xd8\xff"], "question": ["몇 개?".encode()]}, True)
    assert read(signature_name="asked", instances=[{"image_bytes": B64, "question": "몇 개?"}]) == asked


def test_numbers_have_the_shape_of_the_signature() -> None:
    name, inputs, _ = read_request(
        json.dumps({"signature_name": "from_regions", "instances": [[[1, 2, 3], [4, 5, 6.5]]]}).encode(), SIGNATURES
    )
    assert name == "from_regions" and inputs["regions"].dtype == np.float32
    np.testing.assert_array_equal(inputs["regions"], [[[1, 2, 3], [4, 5, 6.5]]])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "JSON Parse error"),
        (b"[1]", "must be a JSON object. Received: list"),
        (b'{"instances": [], "inputs": []}', "either 'instances' (rows) or 'inputs' (columns)"),
        (b"{}", "either 'instances'"),
        (b"", "JSON Parse error"),
        (b'{"instances": [' + b"{}," * 300_000 + b"{}]}", "at most 300,000 lists and objects. Received: 300,003"),
        (
            b'{"signature_name": null, "instances": ["a"]}',
            "'signature_name' key must be a string value. Received: null",
        ),
        (b'{"signature_name": 0, "instances": ["a"]}', "'signature_name' key must be a string value. Received: 0"),
        (b'{"signature_name": [], "instances": ["a"]}', "'signature_name' key must be a string value. Received: []"),
        (b'{"signature_name": false, "instances": ["a"]}', "must be a string value. Received: false"),
        (b'{"signature_name": "\xff", "instances": ["a"]}', "not found in signature def"),
        ('{"instances": ["a"]}'.encode("utf-16"), "JSON Parse error"),
        ('{"instances": ["a"]}'.encode("utf-16-le"), "JSON Parse error"),
        ('{"instances": ["a"]}'.encode("utf-16-be"), "JSON Parse error"),
        ('{"instances": ["a"]}'.encode("utf-32"), "JSON Parse error"),
        (rb'{"instances": ["a\ud83d"]}', "half of a surrogate pair"),
        (rb'{"instances": ["a\uDE00"]}', "half of a surrogate pair"),
        (rb'{"instances": ["\ud83d\ud83d\ude00"]}', "half of a surrogate pair"),
        (rb'{"instances": ["\ud83d\\ude00"]}', "half of a surrogate pair"),
        (rb'{"instances": ["a"], "\udc80": 1}', "half of a surrogate pair"),
        (b'{"instances": [{"b64": "/9j/=="}]}', "Unable to base64 decode input image_bytes"),
        (
            b'{"signature_name": "asked", "instances": [{"image_bytes": "a", "question": "b", "id": 7}]}',
            "instance 0 to",
        ),
        (b'{"signature_name": "asked", "inputs": {"image_bytes": ["a"], "id": [7]}}', "Expected 'inputs' to have"),
        (b'{"signature_name": "beams", "instances": ["a"]}', 'Serving signature name: "beams" not found'),
        (b'{"instances": {}}', "'instances' must be a list of rows"),
        (b'{"instances": []}', "A request has 1 to 64 rows. Received: 0."),
        (b'{"inputs": {"image_bytes": []}}', "A request has 1 to 64 rows. Received: 0."),
        (b'{"inputs": "abc"}', "Input image_bytes expects a list with a value for each row. Received: str."),
        (b'{"inputs": {"image_bytes": {"b64": "/9j/"}}}', "expects a list with a value for each row. Received: dict."),
        (b'{"instances": [{"b64": "*"}]}', "Unable to base64 decode input image_bytes"),
        (b'{"instances": [7]}', 'expects strings or {"b64": '),
        (b'{"signature_name": "asked", "instances": [{"question": "a"}]}', "Expected instance 0 to have the inputs"),
        (b'{"signature_name": "asked", "inputs": {"image_bytes": ["a"], "question": ["a", "b"]}}', "as many rows"),
        (b'{"signature_name": "from_regions", "instances": [[[1, 2]]]}', "has the shape [-1, 2, 3]"),
        (b'{"signature_name": "from_regions", "instances": [["a"]]}', "expects numbers of the type float"),
        (b'{"signature_name": "from_regions", "instances": [["1"]]}', "of the type float: these are <U1"),
        (b'{"signature_name": "from_regions", "instances": [[null]]}', "of the type float: these are object"),
        (b'{"signature_name": "from_regions", "instances": [[true]]}', "of the type float: these are bool"),
        (
            b'{"signature_name": "from_regions", "instances": [[[1e39, 2, 3], [4, 5, 6]]]}',
            "of the type float: overflow",
        ),
        (b'{"signature_name": "drawn", "inputs": {"image_bytes": ["a"], "seed": [1.7]}}', "int32: these are float64"),
        (b'{"signature_name": "drawn", "inputs": {"image_bytes": ["a"], "seed": [2147483648]}}', "of the type int32:"),
        (b'{"instances": ' + b"[" * 100_000, "JSON Parse error"),
    ],
)
def test_what_is_no_request_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(Refused) as caught:
        read_request(content, SIGNATURES)
    assert caught.value.status == 400 and told in caught.value.message
    assert list(json.loads(error_body(caught.value.message))) == ["error"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"instances": ["a"]}\n{}\n', b"a"),
        (b'{"instances": ["a"]}\0', b"a"),
        (b'{"instances": ["a"]} \xff', b"a"),
        (rb'{"instances": ["a"]}"\ud83d"', b"a"),
        (b'\xef\xbb\xbf \r\n{"instances": ["a"]}', b"a"),
        (b'{"instances": ["a"], "instances": ["b"]}', b"a"),
        (b'{"signature_name": "", "instances": ["a"]}', b"a"),
        (b'{"instances": ["\xff\xed\xa0\x80"]}', b"\xff\xed\xa0\x80"),
        (rb'{"instances": ["\ud83d\ude00"]}', "😀".encode()),
        (rb'{"instances": ["\\ud83d"]}', rb"\ud83d"),
        (b'{"inputs": {"image_bytes": ["a"], "id": [7], "question": []}}', b"a"),
    ],
)
def test_what_tensorflow_serving_takes_is_taken(body: bytes, expected: bytes) -> None:
    _, inputs, _ = read_request(body, SIGNATURES)
    assert inputs["image_bytes"].tolist() == [expected]


@pytest.mark.parametrize("size", range(80))
def test_base64_may_have_line_ends_and_no_padding(size: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    letters = base64.b64encode(data).decode()
    bare = letters.rstrip("=")
    wrapped = base64.encodebytes(data).decode()
    windows = wrapped.replace("\n", "\r\n")
    spaced = "\t".join(letters) + " \v\f"
    for form in (letters, bare, wrapped, windows, spaced, bare + "." * (len(letters) - len(bare))):
        assert from_base64(form) == data
    for form in ("=" + letters, letters + "=", bare + "A" * (1 + -len(bare) % 4), letters + "*", letters + "\u00a0"):
        with pytest.raises(ValueError):
            from_base64(form)


def test_the_status_has_all_versions() -> None:
    states = json.loads(model_status([7, 2]))["model_version_status"]
    assert [(state["version"], state["state"]) for state in states] == [("7", "AVAILABLE"), ("2", "AVAILABLE")]


def test_answers_are_rows_or_columns() -> None:
    outputs = {"caption": np.array(["빨간 원".encode(), b"a"], object), "score": np.array([1.5, 2], np.float32)}
    rows = [{"caption": "빨간 원", "score": 1.5}, {"caption": "a", "score": 2.0}]
    assert json.loads(write_answer(outputs, by_row=True)) == {"predictions": rows}
    assert json.loads(write_answer(outputs, by_row=False)) == {
        "outputs": {"caption": ["빨간 원", "a"], "score": [1.5, 2.0]}
    }
    alone = {"thumb_bytes": np.array([b"\xff\xd8\xff"], object)}
    assert json.loads(write_answer(alone, by_row=True)) == {"predictions": [B64]}
    assert json.loads(write_answer(alone, by_row=False)) == {"outputs": [B64]}
