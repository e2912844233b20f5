"""What the development server answers, with stand-ins for its models."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from waitress.server import BaseWSGIServer
from waitress.wasyncore import close_all

import mmtoolkit as mm
from mmtoolkit.serving.application import Application
from mmtoolkit.serving.loaded import ServedVersions
from mmtoolkit.serving.prometheus import LIMITS, RequestMetrics
from mmtoolkit.serving.rest import Refused
from mmtoolkit.serving.savedmodel import ServedSignature, ServedTensor
from mmtoolkit.serving.server import CONNECTIONS, allowed_hosts, make_server, origin_of

TEXT = ServedTensor("a:0", "string", (-1,))
ROW = b'{"instances": ["a"]}'
PREDICT = "/v1/models/m:predict"


class StandIn:
    """A version of the model `m` that says its number; it refuses the text `busy`."""

    name, card = "m", {"limits": "Says its number."}
    signatures = {"serving_default": ServedSignature({"text": TEXT}, {"caption": TEXT})}

    def __init__(self, version: int) -> None:
        self.version = version

    def predict(self, signature: str, inputs: dict[str, np.ndarray], *, seconds: float) -> dict[str, np.ndarray]:
        if b"busy" in inputs["text"]:
            raise Refused(503, "busy")
        return {"caption": np.array([f"version {self.version}".encode()] * len(inputs["text"]), object)}


@pytest.fixture
def application() -> Application:
    models: Any = {number: StandIn(number) for number in (12, 3)}
    return Application({"m": ServedVersions(models, {"stable": 3, "카나리아": 12})}, megabytes=1)


def ask(application: Application, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    """The status and the content of a reply; `headers` are those of WSGI."""
    statuses = list[str]()
    environment = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "wsgi.input": io.BytesIO(body),
    }
    content = b"".join(application({**environment, **headers}, lambda status, _: statuses.append(status)))
    return int(statuses[0][:3]), json.loads(content) if content.startswith(b"{") else content.decode()


@pytest.mark.parametrize(
    ("place", "version"),
    [
        ("/v1/models/m", 12),
        ("/v1/models/m/versions/3", 3),
        ("/v1/models/m/versions/0012", 12),
        ("/v1/models/m/labels/stable", 3),
        ("/v1/models/m/labels/카나리아", 12),
        ("/V1/Models/m/Labels/stable", 3),
    ],
)
def test_every_version_and_label_has_its_address(application: Application, place: str, version: int) -> None:
    assert ask(application, "POST", f"{place}:predict", ROW) == (200, {"predictions": [f"version {version}"]})
    status, found = ask(application, "GET", f"{place}/metadata")
    assert status == 200 and found["model_spec"] == {"name": "m", "signature_name": "", "version": str(version)}
    assert list(found["metadata"]["signature_def"]["signature_def"]) == ["serving_default"]
    status, found = ask(application, "GET", place)
    numbers = [each["version"] for each in found["model_version_status"]]
    assert (status, numbers) == (200, ["12", "3"] if place == "/v1/models/m" else [str(version)])


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/models/m/labels/old", 400, "Unrecognized servable version label: old"),
        ("/v1/models/other/labels/stable", 400, "Unrecognized servable version label: stable"),
        ("/v1/models/m/versions/4", 404, "Could not find version 4 of model m"),
        ("/v1/models/m/versions/stable", 400, "Malformed request: GET"),
        ("/v1/models/m/versions/3/labels/stable", 400, "Malformed request: GET"),
        ("/v1/models/m/labels/stable/metadata/x", 400, "Malformed request: GET"),
        ("/v1/models/other/metadata", 404, "Servable not found for request: Latest(other)"),
    ],
)
def test_what_is_not_loaded_is_said(application: Application, path: str, status: int, told: str) -> None:
    found, content = ask(application, "GET", path)
    assert found == status and told in content["error"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_body_may_be_packed(application: Application, encoding: str) -> None:
    packed = gzip.compress(ROW[:9]) + gzip.compress(ROW[9:])
    assert ask(application, "POST", PREDICT, packed, HTTP_CONTENT_ENCODING=encoding)[0] == 200
    for damaged in (ROW, packed[:-3], packed[:-9] + b"x" * 9, b"\x1f\x8b\x08" + bytes(30)):
        status, content = ask(application, "POST", PREDICT, damaged, HTTP_CONTENT_ENCODING=encoding)
        assert status == 400 and "Expected a body in gzip" in content["error"]
    assert ask(application, "POST", PREDICT, b"", HTTP_CONTENT_ENCODING=encoding)[0] == 400
    assert ask(application, "POST", PREDICT, packed, HTTP_CONTENT_ENCODING="identity")[0] == 400


def test_what_a_body_is_unpacked_to_is_bounded(application: Application) -> None:
    most = 10**6
    for size, expected in ((most - 1, 200), (most, 413), (60 * most, 413)):
        packed = gzip.compress(ROW + b" " * (size - len(ROW)), 1)
        tracemalloc.start()
        status, content = ask(application, "POST", PREDICT, packed, HTTP_CONTENT_ENCODING="gzip")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert status == expected and peak < 12 * most
    assert "A request has fewer than 1000000 bytes." in content["error"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8501", 200),
        ("https://127.0.0.1:8501", 200),  # a proxy ends TLS
        ("https://photos.example", 200),
        ("http://photos.example", 403),
        ("https://photos.example.evil", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_only_pages_of_this_server_and_named_origins_may_ask(origin: str, status: int) -> None:
    models: Any = {1: StandIn(1)}
    application = Application({"m": ServedVersions(models, {})}, origins={origin_of("https://Photos.example:443/")})
    found, content = ask(application, "POST", PREDICT, ROW, HTTP_ORIGIN=origin, HTTP_HOST="127.0.0.1:8501")
    assert found == status
    if status == 403:
        assert "pass on the header Host, or its address is named with --origin" in content["error"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8501", 200),
        ("localhost", 200),
        ("LocalHost:9000", 200),  # a tunnel has another port
        ("[::1]:8501", 200),
        ("photos.example", 200),
        ("evil.example:8501", 403),
        ("localhost.evil.example", 403),
        ("evil.example@localhost", 403),
        ("127.0.0.1:8501:1", 403),
        ("[localhost", 403),
        ("\x1b[2J", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("path", ["/", PREDICT, "/monitoring/prometheus/metrics"])
def test_a_server_of_this_machine_answers_to_its_own_names(
    application: Application, path: str, host: str, status: int
) -> None:
    """A page elsewhere that has its own name point here sends that name, and an Origin that fits it."""
    application.hosts = allowed_hosts("127.0.0.1", ["127.0.0.1", "::1"], ["https://photos.example"])
    method, body = ("POST", ROW) if path == PREDICT else ("GET", b"")
    found, content = ask(application, method, path, body, HTTP_HOST=host, HTTP_ORIGIN=f"http://{host}")
    assert found == status
    if status == 403:
        assert content["error"].startswith(
            f"Expected a request to 127.0.0.1, [::1], localhost, photos.example. Received: one to {host!r}; "
        )


def test_a_server_of_a_network_answers_to_any_name() -> None:
    assert allowed_hosts("0.0.0.0", ["0.0.0.0"], []) == allowed_hosts("here", ["127.0.0.1", "192.168.0.2"], []) == set()
    assert allowed_hosts("::1", ["::1"], ["http://a.example:8080"]) == {"127.0.0.1", "localhost", "[::1]", "a.example"}
    assert "this-pc" in allowed_hosts("This-PC", ["127.0.1.1"], [])
    known = {"127.0.0.1", "localhost", "[::1]", "0.0.0.0", "photos.example"}  # once a name is given, to no other
    assert allowed_hosts("0.0.0.0", ["0.0.0.0"], ["https://photos.example"]) == known


@pytest.fixture
def small_server(application: Application) -> Iterator[tuple[str, int]]:
    """The address of a server of the stand-in."""
    server = make_server(application.models, port=0, megabytes=1)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield "127.0.0.1", server.effective_port
    server.trigger.pull_trigger(lambda: close_all(server._map))
    thread.join(20)
    assert not thread.is_alive()


def test_unfinished_requests_keep_nobody_out(small_server: tuple[str, int]) -> None:
    """Half a body on each of 300 connections, then on 300 half a header; those of which least came make room."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(ROW)}\r\n\r\n".encode()
    for half in (head + ROW[:-1], head[:20]):
        lines = [socket.create_connection(small_server, timeout=20) for _ in range(3 * CONNECTIONS)]
        for line in lines:
            line.sendall(half)
        client = http.client.HTTPConnection(*small_server, timeout=20)
        for _ in range(2):  # the connection stays
            client.request("POST", PREDICT, ROW)
            assert json.loads(client.getresponse().read()) == {"predictions": ["version 12"]}
        client.close()
        for line in lines:
            line.close()


def test_an_origin_is_written_as_browsers_send_it() -> None:
    assert origin_of("http://localhost:80") == "http://localhost" and origin_of("https://a:80/") == "https://a:80"
    for wrong in ("photos.example", "https://a/b", "ftp://a", "https://", "*", "https://u@a"):
        with pytest.raises(mm.InputError, match="--origin expects the address of a page"):
            origin_of(wrong)


def test_every_address_of_a_host_refuses_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", lambda *_, **__: places)
        server = make_server({}, host="localhost", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    for place in server.effective_listen:
        with socket.create_connection(place, timeout=20) as line:
            line.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            head, _, body = b"".join(iter(lambda: line.recv(1000), b"")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ") and list(json.loads(body)) == ["error"]
    trigger = next(each.trigger for each in server.map.values() if isinstance(each, BaseWSGIServer))
    trigger.pull_trigger(server.close)  # in its own loop
    thread.join(20)
    assert not thread.is_alive()


def test_requests_are_counted_for_prometheus(application: Application) -> None:
    ask(application, "POST", PREDICT, ROW)
    ask(application, "POST", PREDICT, b'{"instances": ["busy"]}')
    ask(application, "POST", PREDICT, b"{")
    ask(application, "GET", "/v1/models/m")
    ask(application, "GET", "/v1/models/unknown")
    status, text = ask(application, "GET", "/monitoring/prometheus/metrics")
    count = ":tensorflow:serving:request_count"
    assert status == 200 and text.splitlines()[:4] == [
        f"# TYPE {count} counter",
        f'{count}{{model_name="m",status="INVALID_ARGUMENT"}} 1',
        f'{count}{{model_name="m",status="OK"}} 2',
        f'{count}{{model_name="m",status="UNAVAILABLE"}} 1',
    ]
    labels = 'model_name="m",API="Predict",entrypoint="REST"'
    assert text.endswith(f":tensorflow:serving:request_latency_count{{{labels}}} 1\n") and "unknown" not in text


def test_latencies_fall_into_the_buckets_of_tensorflow_serving() -> None:
    """Ten microseconds, and each further limit 1.8 times the one before."""
    metrics, latency = RequestMetrics(), ":tensorflow:serving:request_latency"
    for microseconds in (10, 11, 18, 40_000, 10**12):
        metrics.record('a"b\\', 200, seconds=microseconds / 1e6, predicted=True)
    lines = dict(line.rsplit(" ", 1) for line in metrics.text().splitlines() if line.startswith(latency))
    labels = r'model_name="a\"b\\",API="Predict",entrypoint="REST"'
    assert len(lines) == 33 + 1 + 2 == len(LIMITS) + 3
    for limit, expected in (("10", 1), ("18", 3), ("32.4", 3), ("37481.3", 3), ("67466.4", 4), ("+Inf", 5)):
        assert lines[f'{latency}_bucket{{{labels},le="{limit}"}}'] == str(expected)
    assert lines[f"{latency}_sum{{{labels}}}"] == str(10 + 11 + 18 + 40_000 + 10**12)
    assert lines[f"{latency}_count{{{labels}}}"] == "5"
