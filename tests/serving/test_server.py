"""The development server: TensorFlow Serving's answers, and no request that ends it."""

from __future__ import annotations

import base64
import json
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

import mmtoolkit as mm
from mmtoolkit.serving.application import Application
from mmtoolkit.serving.client import RestClient
from mmtoolkit.serving.loaded import load_models
from mmtoolkit.serving.rest import Refused
from mmtoolkit.serving.server import make_server
from mmtoolkit.serving.verify import replay


def fetch(address: str, content: Any = None) -> tuple[int, Any]:
    """The status and JSON that come for a GET, or for a POST of JSON (bytes as they are)."""
    data = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data), timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code, json.loads(body) if body.startswith(b"{") else body.decode()


def b64(path: Path) -> dict[str, str]:
    return {"b64": base64.b64encode(path.read_bytes()).decode()}


@pytest.fixture
def predict(address: str) -> str:
    return f"{address}/v1/models/captions:predict"


def test_rows_and_columns_get_the_captions_of_the_preset(
    captioner: mm.Captioner, predict: str, pictures: list[Path]
) -> None:
    expected = captioner.generate(pictures)
    status, found = fetch(predict, {"instances": [b64(path) for path in pictures]})
    assert status == 200 and [row["caption"] for row in found["predictions"]] == expected
    status, found = fetch(predict, {"inputs": {"image_bytes": [b64(path) for path in pictures]}})
    assert status == 200 and found["outputs"]["caption"] == expected


def test_the_golden_requests_of_both_models_are_answered(address: str, models: Path) -> None:
    for name in ("captions", "answers"):
        verdict = replay(models / name / "1", RestClient(f"{address}/v1/models/{name}").predict)
        assert verdict.problems == [] and verdict.requests > 5


def test_status_and_metadata_are_told(address: str) -> None:
    status, found = fetch(f"{address}/v1/models/captions")
    assert status == 200 and found["model_version_status"][0]["state"] == "AVAILABLE"
    status, found = fetch(f"{address}/v1/models/captions/versions/1/metadata")
    assert status == 200 and found["model_spec"] == {"name": "captions", "signature_name": "", "version": "1"}
    told = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert told["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    assert told["inputs"]["image_bytes"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    assert told["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("path", "content", "status", "told"),
    [
        ("/v1/models/captions:predict", b"{", 400, "JSON Parse error"),
        ("/v1/models/captions:predict", {"instances": [{"b64": "*"}]}, 400, "Unable to base64 decode"),
        ("/v1/models/captions:predict", {"signature_name": "x", "instances": ["a"]}, 400, 'name: "x" not found'),
        ("/v1/models/other:predict", {"instances": ["a"]}, 404, "Servable not found for request: Latest(other)"),
        ("/v1/models/captions/versions/7:predict", {"instances": ["a"]}, 404, "Specific(captions, 7)"),
        ("/v1/models/captions:predict", None, 400, "Malformed request: GET /v1/models/captions:predict"),
        ("/v1/models/captions:classify", {"examples": []}, 400, "Malformed request: POST"),
        ("/v1/models", None, 400, "Malformed request"),
        ("/v1/models/captions/versions/" + "9" * 5000, None, 400, "Malformed request"),
        ("/v1/models/other", None, 404, "Could not find any versions of model other"),
        ("/v1/models/captions/versions/7", None, 404, "Could not find version 7 of model captions"),
        ("/v1/models/%EC%BA%A1%EC%85%98/metadata", None, 404, "Servable not found for request: Latest(캡션)"),
        ("/v1/models/captions:predict", {"inputs": {"image_bytes": []}}, 400, "1 to 64 rows. Received: 0."),
        ("/v1/models/captions:predict", {"instances": [""] * 65}, 400, "1 to 64 rows. Received: 65."),
        ("/secret", None, 404, "Not found: /secret"),
    ],
)
def test_what_is_wrong_gets_the_status_that_the_server_would_give(
    address: str, path: str, content: Any, status: int, told: str
) -> None:
    found, answer = fetch(address + path, content)
    assert (found, list(answer)) == (status, ["error"]) and told in answer["error"]


def test_what_tensorflow_says_is_told(address: str, models: Path) -> None:
    """What the graph itself refuses, and that its time is up."""
    model = load_models(models / "captions")["captions"].newest
    with pytest.raises(Refused, match=r"^(?!Graph execution).*(?i:shape|dimension)") as refused:
        model.predict(
            "sample", {"image_bytes": np.array([b""] * 3, object), "seed": np.array([1, 2], np.int32)}, seconds=20
        )
    assert refused.value.status == 400
    with pytest.raises(Refused, match=r"^(?!Graph execution)\w") as refused:
        model.predict("serving_default", {"image_bytes": np.array([b""] * 64, object)}, seconds=0.001)
    assert refused.value.status == 504
    model.close()


def test_a_failure_of_the_server_is_told_as_json(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    application = Application({"a": object()})  # type: ignore[dict-item]
    environment = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v1/models/a"}
    (body,) = application(environment, lambda status, headers: told.append(status))
    assert told == ["500 Internal Server Error"] and list(json.loads(body)) == ["error"]
    assert "a request failed" in caplog.text


def test_a_head_has_no_body(address: str) -> None:
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        line.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        found = b"".join(iter(lambda: line.recv(10_000), b""))
    assert found.startswith(b"HTTP/1.1 200 ") and found.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("origin", "expected"), [("http://elsewhere.example", 403), (None, 200)])
def test_other_pages_of_the_browser_cannot_ask(address: str, origin: str | None, expected: int) -> None:
    request = urllib.request.Request(f"{address}/v1/models/captions", headers={"Origin": origin or address})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == expected
    except urllib.error.HTTPError as error:
        assert error.code == expected and "own page" in json.loads(error.read())["error"]


def test_a_bad_picture_is_told_in_its_row(predict: str, pictures: list[Path]) -> None:
    cut = base64.b64encode(pictures[0].read_bytes()[:100]).decode()
    status, found = fetch(predict, {"instances": [{"b64": cut}, b64(pictures[0]), {"b64": ""}]})
    assert status == 200 and [row["status"] for row in found["predictions"]] == ["unreadable", "ok", "empty"]
    assert found["predictions"][0]["caption"] == "" and found["predictions"][1]["caption"]


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(address: str) -> None:
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        line.sendall(b"POST /v1/models/captions:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        head, _, body = b"".join(iter(lambda: line.recv(1000), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and b"Content-Type: application/json" in head
    assert "A request has fewer than 1000000 bytes." in json.loads(body)["error"]


def test_a_request_that_is_no_http_is_refused_in_json(address: str) -> None:
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n")
        head, _, body = b"".join(iter(lambda: line.recv(1000), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 501 ") and json.loads(body)["error"].startswith("Not Implemented: ")


def test_a_slow_client_keeps_nobody_waiting(address: str, predict: str, pictures: list[Path]) -> None:
    place = urlsplit(address)
    lines = [socket.create_connection((place.hostname, place.port), timeout=20) for _ in range(8)]
    try:
        for line in lines:  # more of them than the server has threads
            line.sendall(b"POST /v1/models/captions:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{")
        assert fetch(predict, {"instances": [b64(pictures[0])]})[0] == 200
    finally:
        for line in lines:
            line.close()


def test_many_clients_get_their_own_answers(address: str, captioner: mm.Captioner, pictures: list[Path]) -> None:
    expected, client = captioner.generate(pictures), RestClient(f"{address}/v1/models/captions")

    def ask(number: int) -> bool:
        place = number % len(pictures)
        return client.ask([pictures[place]])[0].text == expected[place]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))


def test_a_question_and_its_picture_are_answered(address: str, answerer: mm.VisualQA, pictures: list[Path]) -> None:
    question = "how many circles are there?"
    (expected,) = answerer.answer(pictures[:1], [question], n_best=5)
    (found,) = RestClient(f"{address}/v1/models/answers").ask(pictures[:1], [question])
    assert found.text == expected[0].text and found.score == pytest.approx(expected[0].probability, abs=1e-5)
    assert [text for text, _ in found.others] == [answer.text for answer in expected[1:]]


def test_a_port_that_is_taken_is_said(address: str) -> None:
    with pytest.raises(mm.InputError, match=r"--port expects a free port\. Received: \d+ \("):
        make_server({}, port=urlsplit(address).port or 0)


def test_a_directory_without_models_is_said(tmp_path: Path, models: Path) -> None:
    with pytest.raises(mm.InputError, match="export a preset first"):
        load_models(tmp_path)
    (tmp_path / "bad" / "3").mkdir(parents=True)
    with pytest.raises(mm.InputError, match="Expected the directory of an exported version"):
        load_models(tmp_path)
    assert list(load_models(models / "captions")) == ["captions"]


def test_a_linked_model_has_the_name_of_its_link(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models"
    (folder / "third").mkdir(parents=True)
    for name in ("first", "second"):
        (folder / name).symlink_to(models / "captions")
    (folder / "third" / "4").symlink_to(models / "answers" / "1")
    found = load_models(folder)
    assert {name: (each.newest.name, each.newest.version) for name, each in found.items()} == {
        "first": ("first", 1),
        "second": ("second", 1),
        "third": ("third", 4),
    }
    monkeypatch.chdir(folder / "third")
    for path in (Path(), Path("../third"), folder / "third" / ".." / "third"):
        assert list(load_models(path)) == ["third"]


def test_as_many_versions_are_loaded_as_wanted(models: Path, tmp_path: Path) -> None:
    for version in ("2", "9", "10"):
        (tmp_path / "captions").mkdir(exist_ok=True)
        (tmp_path / "captions" / version).symlink_to(models / "captions" / "1")
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "9").symlink_to(models / "answers" / "1")
    found = load_models(tmp_path, versions=2, labels={"canary": 10, "old": 9})
    captions, answers = found["captions"], found["answers"]
    assert list(captions.models) == [10, 9] and captions.newest.version == 10
    assert captions.labels == {"stable": 10, "canary": 10, "old": 9}
    assert list(answers.models) == [9] and answers.labels == {"stable": 9, "old": 9}
    everything = load_models(tmp_path, versions=None, labels={"stable": 2})["captions"]
    assert list(everything.models) == [10, 9, 2] and everything.labels == {"stable": 2}
    with pytest.raises(mm.InputError, match=r"--labels expects versions that are loaded \(9, 10\)\. Received: x=2;"):
        load_models(tmp_path, labels={"x": 2})


def test_the_servers_arrays_are_those_of_the_session(address: str, pictures: list[Path]) -> None:
    found = RestClient(f"{address}/v1/models/captions").predict(
        "attention", {"image_bytes": np.array([pictures[0].read_bytes()], object)}
    )
    words = int((found["tokens"] != b"").sum())
    np.testing.assert_allclose(found["attention"][0].sum(axis=-1), [1.0] * words + [0.0] * (6 - words), atol=1e-4)
