"""The development server under load: 2,000 requests from 16 clients, one in twenty of them no good.

    python benchmarks/load.py --images scenes/images [--json FILE]

Every good answer is compared with the caption that the preset writes in this process, every bad one with the status
that TensorFlow Serving would give; the server's memory is read warm, before and after.
"""

from __future__ import annotations

import base64
import json as json_format
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from serving import memory, server_of

import mmtoolkit as mm
from mmtoolkit.cli.command import run
from mmtoolkit.startup import start_tensorflow

CLIENTS, BAD = 16, 20  # one request in so many is bad
LEAK = 0.1  # of the memory when warm, that it may grow


def main(
    *,
    images: Path,
    preset: str = "shapes_demo",
    encoder_weights: str | None = None,
    requests: int = 2000,
    json: Path | None = None,
) -> int:
    """Sends good and bad requests to the development server and counts what came back right.

    Args:
        images: Folder of pictures.
        preset: A captioner.
        encoder_weights: As for export.
        requests: How many.
        json: Where the figures are written.
    """
    start_tensorflow()
    from mmtoolkit.serving.export import export

    model = mm.load(preset, encoder_weights=encoder_weights)
    paths = mm.find_images([images])[:50]
    expected = model.generate(paths)
    with tempfile.TemporaryDirectory() as folder:
        export(mm.task_of(model), model, Path(folder) / "captions")
        with server_of(Path(folder)) as (process, address):
            asking = Asking(f"{address}/v1/models/captions:predict", paths, expected)
            asking.all(range(requests // 4))  # until it is warm
            warm, asking.right, asking.wrong = memory(process), Counter(), []
            begun = time.perf_counter()
            asking.all(range(requests))
            seconds, after = time.perf_counter() - begun, memory(process)
    figures = {
        "requests": requests,
        "seconds": seconds,
        "right": dict(asking.right),
        "wrong": len(asking.wrong),
        "warm_megabytes": warm,
        "megabytes_after": after,
        "p50_ms": float(np.percentile(asking.times, 50)),
        "p99_ms": float(np.percentile(asking.times, 99)),
    }
    print(
        f"{requests} requests, {CLIENTS} clients: {seconds:.0f} s, p50 {figures['p50_ms']:.0f} ms, "
        f"p99 {figures['p99_ms']:.0f} ms; wrong: {len(asking.wrong)}"
    )
    print(f"right: {', '.join(f'{name} {count}' for name, count in sorted(asking.right.items()))}")
    print(f"memory: {warm:.0f} MB warm, {after:.0f} MB after ({100 * (after / warm - 1):+.1f} %)")
    for wrong in asking.wrong[:5]:
        print(f"wrong: {wrong}")
    leaks = after > (1 + LEAK) * warm
    if leaks:
        print(f"wrong: memory grew by more than {100 * LEAK:.0f} %")
    if json:
        json.write_text(json_format.dumps({"scores": figures}, indent=1) + "\n")
    return 1 if asking.wrong or leaks else 0


class Asking:
    """Good and bad requests to one model, and what came of them.

    Args:
        url: Of `:predict`.
        paths: The pictures.
        expected: Their captions.
    """

    def __init__(self, url: str, paths: Sequence[Path], expected: Sequence[str]) -> None:
        self.url, self.expected = url, expected
        self.data = [path.read_bytes() for path in paths]
        self.right, self.wrong, self.times = Counter[str](), list[str](), list[float]()
        kinds = (self.bad_json, self.bad_base64, self.cut_off, self.no_signature, self.too_large, self.slow)
        self.bad: Sequence[Callable[[int], bool]] = kinds

    def all(self, numbers: Sequence[int]) -> None:
        """Sends them all."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(self.one, numbers))

    def one(self, number: int) -> None:
        """Sends one, and notes whether the answer was right."""
        kind = self.bad[number // BAD % len(self.bad)] if number % BAD == 0 else self.good
        try:
            answered = kind(number)
        except Exception as error:  # whatever it is, it is no right answer
            self.wrong.append(f"{kind.__name__}: {error!r:.200}")
            return
        if answered:
            self.right[kind.__name__] += 1
        else:
            self.wrong.append(kind.__name__)

    def post(self, body: bytes) -> tuple[int, Any]:
        """The status and JSON of an answer."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, body), timeout=120) as answer:
                return answer.status, json_format.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json_format.loads(error.read())

    def row(self, data: bytes, **more: str) -> tuple[int, Any]:
        """The answer for one picture."""
        instances = [{"b64": base64.b64encode(data).decode()}]
        return self.post(json_format.dumps({"instances": instances, **more}).encode())

    def good(self, number: int) -> bool:
        place, begun = number % len(self.data), time.perf_counter()
        status, found = self.row(self.data[place])
        self.times.append(1000 * (time.perf_counter() - begun))
        return status == 200 and found["predictions"][0]["caption"] == self.expected[place]

    def bad_json(self, number: int) -> bool:
        status, found = self.post(b'{"instances": [')
        return status == 400 and "JSON Parse error" in found["error"]

    def bad_base64(self, number: int) -> bool:
        status, found = self.post(b'{"instances": [{"b64": "***"}]}')
        return status == 400 and "base64" in found["error"]

    def cut_off(self, number: int) -> bool:
        data = self.data[number % len(self.data)]
        status, found = self.row(data[: len(data) // 3])
        return status == 200 and found["predictions"][0]["status"] == "unreadable"

    def no_signature(self, number: int) -> bool:
        status, found = self.row(b"", signature_name="none")
        return status == 400 and "not found in signature def" in found["error"]

    def line(self) -> socket.socket:
        """A connection to the server."""
        place = urlsplit(self.url)
        return socket.create_connection((place.hostname, place.port), timeout=120)

    def too_large(self, number: int) -> bool:
        with self.line() as line:
            line.sendall(b"POST /v1/models/captions:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
            refused = line.recv(100).startswith(b"HTTP/1.1 413 ")
            with suppress(OSError):  # it does not want them
                for _ in range(100):
                    line.sendall(bytes(10**6))
            return refused

    def slow(self, number: int) -> bool:
        body = json_format.dumps({"instances": [{"b64": base64.b64encode(self.data[0]).decode()}]}).encode()
        with self.line() as line:
            head = f"POST /v1/models/captions:predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode())
            for start in range(0, len(body), 1 + len(body) // 10):
                line.sendall(body[start : start + 1 + len(body) // 10])
                time.sleep(0.1)
            return line.recv(100).startswith(b"HTTP/1.1 200 ")


if __name__ == "__main__":
    run(main)
