"""The clients, against servers that behave and servers that do not."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

import mmtoolkit as mm
from mmtoolkit.serving import client as clients
from mmtoolkit.serving.client import Client, GrpcClient, Prediction, RestClient
from mmtoolkit.serving.loaded import ServedModel
from mmtoolkit.serving.verify import replay


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The model behind gRPC, as TensorFlow Serving has it; the first `failures` requests find it busy."""

    def __init__(self, model: ServedModel, failures: int) -> None:
        self.model, self.failures = model, failures

    def Predict(self, request: Any, context: Any) -> Any:
        if request.model_spec.name != self.model.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {request.model_spec.name}")
        if self.failures:
            self.failures -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "busy")
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        outputs = self.model.predict(request.model_spec.signature_name, inputs, seconds=60)
        reply = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            reply.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return reply


@pytest.fixture(scope="module")
def target(models: Path) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = Servicer(ServedModel(models / "captions" / "1"), failures=2)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_grpc_says_what_rest_says_and_tries_again(
    target: str, address: str, models: Path, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    client = GrpcClient(target, "captions")  # busy at first
    over_rest = RestClient(f"{address}/v1/models/captions").ask(pictures)
    over_grpc = client.ask(pictures)
    for one, other in zip(over_grpc, over_rest, strict=True):
        assert (one.text, one.status, one.others) == (other.text, "ok", ())
        assert one.score == pytest.approx(other.score, abs=1e-5)
    assert replay(models / "captions" / "1", client.predict).problems == []
    with pytest.raises(mm.InputError, match="answered NOT_FOUND: Servable not found: other"):
        GrpcClient(target, "other", retries=0).ask(pictures[:1])


class Moody(BaseHTTPRequestHandler):
    """Busy at the first two requests, then says what it got."""

    seen: list[dict[str, Any]] = []
    path = ""

    def do_POST(self) -> None:
        Moody.path = self.path
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Moody.seen.append(body)
        busy = len(Moody.seen) <= 2
        outputs = {"caption": ["a dog", ""], "score": [-0.5, 0.0], "status": ["ok", "unreadable"]}
        content = json.dumps({"error": "busy"} if busy else {"outputs": outputs}).encode()
        self.send_response(503 if busy else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def moody() -> Iterator[str]:
    Moody.seen = []
    server = HTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/models/m"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_busy_server_is_asked_again(moody: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"\xff\xd8\xff")
    found = RestClient(moody).ask([path, b"junk"])
    assert found == [Prediction("a dog", -0.5, "ok"), Prediction("", 0.0, "unreadable")]
    assert len(Moody.seen) == 3
    pictures = [{"b64": "/9j/"}, {"b64": "anVuaw=="}]
    assert Moody.seen[-1] == {"signature_name": "serving_default", "inputs": {"image_bytes": pictures}}


def test_its_words_come_when_it_stays_busy(moody: str) -> None:
    with pytest.raises(mm.InputError, match="answered 503: busy"):
        RestClient(moody, retries=0).ask([b""])


@pytest.mark.parametrize("place", ["tf", "seldon/ns/name", "v1/models/x"])
def test_a_path_before_the_models_is_kept(moody: str, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PAUSE", 0.01)
    for end in ("", "/", "/versions/3", "/labels/stable"):
        RestClient(moody.replace("/v1/", f"/{place}/v1/") + end).ask([b"", b""])
        assert Moody.path == f"/{place}/v1/models/m{end.rstrip('/')}:predict"


class Narrow(Client):
    """A server that takes `most` rows; it repeats the pictures, or answers the questions with themselves."""

    def __init__(self, most: int) -> None:
        self.most, self.sent = most, list[list[bytes]]()

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        (rows,) = {len(column) for column in inputs.values()}
        if rows > self.most:
            raise mm.InputError(f"Task size {rows} is larger than maximum input batch size {self.most}")
        self.sent.append(inputs.get("image_bytes", inputs.get("question")).tolist())  # type: ignore[union-attr]
        status = np.array([b"ok"] * rows, object)
        if "question" not in inputs:
            return {"caption": inputs["image_bytes"], "score": np.zeros(rows), "status": status}
        answers = inputs["question"][:, None]
        return {"answers": answers, "probabilities": np.ones((rows, 1)), "status": status}


def test_more_pictures_than_the_server_takes_are_asked_in_several_requests(tmp_path: Path) -> None:
    pictures: list[Any] = [f"{number}".encode() for number in range(70)]
    pictures[3] = tmp_path / "3"
    pictures[3].write_bytes(b"3")
    names, questions = [str(number) for number in range(70)], [f"what is {number}?" for number in range(70)]
    narrow = Narrow(16)
    assert [each.text for each in narrow.ask(pictures)] == names
    assert [len(batch) for batch in narrow.sent] == [16, 16, 16, 16, 6]
    assert [each.text for each in Narrow(16).ask(pictures, questions)] == questions
    assert [each.text for each in Narrow(16).ask([], questions)] == questions
    narrow = Narrow(7)
    assert [each.text for each in narrow.ask(pictures[:14], batch_size=7)] == names[:14]
    assert [len(batch) for batch in narrow.sent] == [7, 7]
    assert Narrow(7).ask([]) == []
    with pytest.raises(mm.InputError, match="Task size 16 is larger than maximum input batch size 7"):
        Narrow(7).ask(pictures)


def test_a_request_has_ten_megabytes_of_pictures_at_most() -> None:
    pictures = [bytes(size) for size in (4_000_000, 6_000_000, 1, 12_000_000, 5_000_000, 5_000_001)]
    narrow = Narrow(16)
    narrow.ask(pictures)
    assert [list(map(len, batch)) for batch in narrow.sent] == [
        [4_000_000, 6_000_000],
        [1],
        [12_000_000],
        [5_000_000],
        [5_000_001],
    ]


def test_an_answer_comes_before_the_next_request_is_sent() -> None:
    narrow = Narrow(16)
    stream = narrow.stream([b"a", b"b", b"c"], batch_size=1)
    assert next(stream).text == "a" and narrow.sent == [[b"a"]]


def test_pictures_without_their_questions_are_not_sent() -> None:
    narrow = Narrow(16)
    with pytest.raises(mm.InputError, match=r"a question for each picture\. Received: 2 pictures and 1 questions"):
        narrow.ask([b"a", b"b"], ["what?"])
    with pytest.raises(mm.InputError, match=r"batch_size expects 1 or more\. Received: 0"):
        narrow.ask([b"a"], batch_size=0)
    assert narrow.sent == []


OUTPUTS = b'{"outputs": {"caption": [%s], "score": [%s], "status": [%s]}}'


class Odd(BaseHTTPRequestHandler):
    """Says what `body` holds, with `status`, whatever it is asked; `packed` by gzip."""

    status, body, packed = 200, b"", False

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(Odd.status)
        self.send_header("Content-Length", str(len(Odd.body)))
        if Odd.packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(Odd.body)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>hello</html>", r"answered 200: <html>hello</html>"),
        (200, b'{"x": 1}', "has no named outputs; ask a model that mmtoolkit export wrote"),
        (
            200,
            b'{"outputs": {"answers": [["a"]]}}',
            r"^Expected a model that gives .*'score', 'status'\]\. Received: \['answers'\]",
        ),
        (400, b"[1]", r"answered 400: \[1\]"),
        (200, b"[" * 100_000, r"answered 200: \[\["),
        (200, b'{"outputs": {"caption": [["a"], "b"]}}', "with other than arrays of numbers or texts"),
        (200, b'{"outputs": {"caption": [null]}}', "with other than arrays of numbers or texts"),
        (200, b'{"outputs": {"caption": ["\\ud800"]}}', "with other than arrays of numbers or texts"),
        (200, OUTPUTS % (b'"a", "b"', b"0, 0", b'"ok", "ok"'), r"Expected 1 rows, .*Received: 2\."),
        (200, OUTPUTS % (b'"a"', b"0, 0", b'"ok"'), "Expected texts with their scores and status"),
        (200, OUTPUTS % (b'"a"', b"0", b"1"), "Expected texts with their scores and status"),
        (200, OUTPUTS % (b'"a"', b'"x"', b'"ok"'), "Expected texts with their scores and status"),
    ],
)
def test_what_is_no_server_of_models_is_said(status: int, body: bytes, told: str) -> None:
    Odd.status, Odd.body = status, body
    server = HTTPServer(("127.0.0.1", 0), Odd)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    with pytest.raises(mm.InputError, match=told):
        RestClient(f"http://127.0.0.1:{server.server_port}/v1/models/m").ask([b""])
    thread.join()
    server.server_close()


def test_a_reply_is_unpacked_to_a_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_REPLY", 10**6)
    monkeypatch.setattr(Odd, "packed", True)
    for size, told in ((10**6 - 10, "answered 200:  "), (60 * 10**6, "answered with more than 1 MB")):
        packed = gzip.compress(b" " * size)
        tracemalloc.start()
        test_what_is_no_server_of_models_is_said(200, packed, told)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 12 * 10**6


def test_a_slow_server_is_not_given_the_same_work_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes requests and never answers
        client = RestClient(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/models/m", timeout=0.2, retries=3)
        with pytest.raises(mm.InputError, match="timed out"):
            client.ask([b""])
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # nobody else came
            silent.accept()


def test_what_cannot_be_asked_is_said(tmp_path: Path) -> None:
    with pytest.raises(mm.InputError, match=r"Expected a model's URL, .*Received: 'http://localhost:8501'"):
        RestClient("http://localhost:8501")
    for end in ("v1/models/m?key=1", "v1/models/m#x", "v1/models", "v1/models/m/labels/", "av1/models/m"):
        with pytest.raises(mm.InputError, match="Expected a model's URL"):
            RestClient(f"http://localhost:8501/{end}")
    client = RestClient("http://127.0.0.1:9/v1/models/m", retries=0, timeout=5)
    with pytest.raises(mm.InputError, match=r"cannot be reached \(.*refused.*\); is the server running\?"):
        client.ask([b""])
    with pytest.raises(mm.InputError, match=r"Expected a picture file\. Received: .*none\.jpg \(No such file"):
        client.ask([tmp_path / "none.jpg"])


def test_strings_of_an_answer_are_bytes() -> None:
    found = clients.from_json([["가", ""], ["b", "c"]])
    assert found.tolist() == [["가".encode(), b""], [b"b", b"c"]] and found.dtype == object
    np.testing.assert_array_equal(clients.from_json([1.5, 2]), [1.5, 2.0])
