"""What the exported graph costs beyond VGG19, what the development server adds, and what the usual way costs.

    python benchmarks/serving.py --images flickr8k/images [--encoder-weights FILE] [--json FILE]

JPEG bytes in, the caption of a beam of 3 out. All runs in one process but the server, which has its own. The usual way
is float32 `keras.applications` and a Python loop that calls `model.predict` for every word, greedily.
"""

from __future__ import annotations

import io
import json as json_format
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.serving.client import RestClient, strings
from mmtoolkit.startup import start_tensorflow

CLIENTS = (1, 8, 32)
REPEATS = 5  # of each measurement in the graph; the fastest counts
LARGE = (4000, 3000)  # pixels: twelve million


def main(
    *,
    images: Path,
    preset: str = "flickr8k_lstm",
    encoder_weights: str | None = None,
    pictures: int = 16,
    requests: int = 64,
    precisions: tuple[str, ...] = ("float32", "bfloat16"),
    json: Path | None = None,
) -> int:
    """Measures the exported graph, the development server and the usual way in one run.

    Args:
        images: Folder of photos.
        preset: A captioner.
        encoder_weights: As for export.
        pictures: How many are captioned one by one; the median counts.
        requests: To the server for each number of clients.
        precisions: Of the exports.
        json: Where the figures are written.
    """
    start_tensorflow()
    from mmtoolkit.serving.export import Fixed, export
    from mmtoolkit.serving.loaded import ServedModel

    model = mm.load(preset, encoder_weights=encoder_weights)
    paths = mm.find_images([images])[:pictures]
    data = [path.read_bytes() for path in paths]
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in precisions:
            out = Path(folder) / precision / "captions"
            place, verdict = export(mm.task_of(model), model, out, fixed=Fixed(precision, mm.BeamSearch(width=3)))
            figures[precision] = found = in_graph(ServedModel(place), model, precision, data, verdict)
            found |= served(out.parent, data, requests)
            show(precision, found)
    usual = usual_way(model, paths)
    ours = figures[precisions[0]]["total_ms"]
    figures["usual"] = {"ms": usual, "times_slower": {name: usual / figures[name]["total_ms"] for name in precisions}}
    print(f"usual way, greedy: {usual:.0f} ms a picture, {usual / ours:.1f} x {precisions[0]}", end="")
    print("".join(f", {usual / figures[name]['total_ms']:.1f} x {name}" for name in precisions[1:]))
    if json:
        json.write_text(json_format.dumps({"scores": figures, "versions": mm.versions()}, indent=1) + "\n")
    return 0


def in_graph(served: Any, model: Any, precision: str, data: Sequence[bytes], verdict: Any) -> dict[str, float]:
    """The exported graph against the forward pass of VGG19 alone, one picture at a time and in a batch."""
    from mmtoolkit.serving.export import Fixed, at_precision, served_extractor
    from mmtoolkit.vision import read_image
    from mmtoolkit.vision.extractor import extractor_graph

    def ask(batch: Sequence[bytes]) -> dict[str, np.ndarray]:
        return served.predict("serving_default", {"image_bytes": strings(batch)}, seconds=600)

    extractor = served_extractor(at_precision(model, Fixed(precision)))
    forward = extractor_graph(extractor)
    with tempfile.NamedTemporaryFile() as file:
        squares = []
        for each in data:
            Path(file.name).write_bytes(each)
            squares.append(read_image(Path(file.name), size=224)[None])
    words = [int((ask([each])["tokens"] != b"").sum()) + 1 for each in data]
    total, alone, decoding = [], [], []
    for each, square in zip(data, squares, strict=True):  # in turns, so that all see the same machine
        seen = {"regions": forward(square).numpy().astype(np.float32).reshape(1, 196, 512)}
        total.append(min(timed(lambda each=each: ask([each])) for _ in range(REPEATS)))
        alone.append(min(timed(lambda square=square: forward(square).numpy()) for _ in range(REPEATS)))
        decoding.append(
            min(timed(lambda seen=seen: served.predict("from_regions", seen, seconds=600)) for _ in range(REPEATS))
        )
    batch = [data[number % len(data)] for number in range(16)]
    ask(batch)
    large = large_photo(data[0])
    ask([large])
    return {
        "total_ms": statistics.median(total),
        "vgg19_ms": statistics.median(alone),
        "ratio": statistics.median(one / other for one, other in zip(total, alone, strict=True)),
        "ms_a_word": statistics.median((one - other) / n for one, other, n in zip(total, alone, words, strict=True)),
        "decoding_ms_a_word": statistics.median(one / n for one, n in zip(decoding, words, strict=True)),
        "words": statistics.mean(words),
        "batch_16_pictures_a_second": 16_000 / min(timed(lambda: ask(batch)) for _ in range(REPEATS)),
        "twelve_megapixels_ms": min(timed(lambda: ask([large])) for _ in range(REPEATS)),
        "load_seconds": verdict.load_seconds,
        "megabytes": verdict.megabytes,
    }


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds that it takes."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def large_photo(data: bytes) -> bytes:
    """A photo enlarged to twelve megapixels, as JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").resize(LARGE).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@contextmanager
def server_of(models: Path) -> Iterator[tuple[int, str]]:
    """The development server in a process of its own: its number and address."""
    command = [sys.executable, "-m", "mmtoolkit.pipelines", "serve", "--models", str(models), "--port", "0"]
    process = subprocess.Popen([*command, "--seconds", "600"], stderr=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stderr.readline, "")  # type: ignore[union-attr]
        address = next(match[0] for line in lines if (match := re.search(r"http://[\d.:]+(?=/v1)", line)))
        yield process.pid, address
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def memory(process: int) -> float:
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def served(models: Path, data: Sequence[bytes], requests: int) -> dict[str, Any]:
    """Latencies through the development server, and its memory."""
    with server_of(models) as (process, address):
        client = RestClient(f"{address}/v1/models/captions", timeout=600)
        client.ask(data[:1])
        found: dict[str, Any] = {}
        for clients in CLIENTS:
            with ThreadPoolExecutor(clients) as pool:
                times = list(pool.map(lambda n: timed(lambda: client.ask([data[n % len(data)]])), range(requests)))
            found[f"clients_{clients}"] = dict(
                zip(("p50", "p95", "p99"), np.percentile(times, (50, 95, 99)), strict=True)
            )
        return {**found, "server_megabytes": memory(process)}


def usual_way(model: Any, paths: Sequence[Path]) -> float:
    """Milliseconds a picture of `keras.applications` and a call of `predict` for every word."""
    from dataclasses import replace

    from mmtoolkit.text import END, START
    from mmtoolkit.vision import load_extractor, read_image

    plain = model.bare(dtype="float32")
    network = load_extractor(replace(model.extractor, precision="float32")).network

    def caption(path: Path) -> list[int]:
        from keras.applications.vgg19 import preprocess_input

        pixels = preprocess_input(read_image(path, size=224)[None].astype(np.float32))
        regions = network.predict(pixels, verbose=0).reshape(1, 196, 512)
        ids = [START]
        while ids[-1] != END and len(ids) <= plain.max_length:
            tokens = np.zeros((1, plain.max_length), np.int32)
            tokens[0, : len(ids)] = ids
            logits = plain.predict({"regions": regions, "tokens": tokens}, verbose=0)
            ids.append(int(logits[0, len(ids) - 1].argmax()))
        return ids

    caption(paths[0])
    return statistics.median(timed(lambda path=path: caption(path)) for path in paths)


def show(precision: str, found: dict[str, Any]) -> None:
    """Prints the figures of one precision."""
    print(
        f"{precision}: {found['total_ms']:.0f} ms a picture, VGG19 alone {found['vgg19_ms']:.0f} ms: "
        f"{found['ratio']:.2f} x, {found['ms_a_word']:.1f} ms a word of {found['words']:.1f} beyond it, "
        f"{found['decoding_ms_a_word']:.1f} of them the decoder's; batch of 16 "
        f"{found['batch_16_pictures_a_second']:.1f} pictures/s; 12 megapixels {found['twelve_megapixels_ms']:.0f} ms; "
        f"{found['megabytes']:.0f} MB, loads in {found['load_seconds']:.1f} s"
    )
    for clients in CLIENTS:
        each = found[f"clients_{clients}"]
        print(f"  {clients} clients: p50 {each['p50']:.0f}, p95 {each['p95']:.0f}, p99 {each['p99']:.0f} ms")
    print(f"  server: {found['server_megabytes']:.0f} MB", flush=True)
    tell("")


if __name__ == "__main__":
    run(main)
