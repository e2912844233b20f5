"""The clients, against servers that behave and servers that do not."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
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
from mmtoolkit.serving.client import GrpcClient, Prediction, RestClient
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

    def do_POST(self) -> None:
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


class Odd(BaseHTTPRequestHandler):
    """Says what `body` holds, with `status`, whatever it is asked."""

    status, body = 200, b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(Odd.status)
        self.send_header("Content-Length", str(len(Odd.body)))
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
            r"'score', 'status'\]\. Received: \['answers'\]",
        ),
        (400, b"[1]", r"answered 400: \[1\]"),
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
    client = RestClient("http://127.0.0.1:9/v1/models/m", retries=0, timeout=5)
    with pytest.raises(mm.InputError, match=r"cannot be reached \(.*refused.*\); is the server running\?"):
        client.ask([b""])
    with pytest.raises(mm.InputError, match=r"Expected a picture file\. Received: .*none\.jpg \(No such file"):
        client.ask([tmp_path / "none.jpg"])


def test_strings_of_an_answer_are_bytes() -> None:
    found = clients.from_json([["가", ""], ["b", "c"]])
    assert found.tolist() == [["가".encode(), b""], [b"b", b"c"]] and found.dtype == object
    np.testing.assert_array_equal(clients.from_json([1.5, 2]), [1.5, 2.0])
