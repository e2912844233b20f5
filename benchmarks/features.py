"""Pictures a second from JPEG files to a written feature store, beside float32 `keras.applications` on the same files.

    python benchmarks/features.py --images 512 --data photos/ --encoder-weights imagenet
    python benchmarks/features.py --encoder efficientnet-lite2 --beside vgg19 --data photos/ --encoder-weights random

Both networks run in this process in turns, on one part of the files after the other, after a batch each to warm up.
With `--beside` another encoder of ours takes its turns too.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from json import dumps
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from PIL import Image

from mmtoolkit.backbones import Backbone
from mmtoolkit.cli.command import run
from mmtoolkit.errors import InputError
from mmtoolkit.vision import ExtractorKey, FeatureStore, RegionExtractor, find_weights
from mmtoolkit.vision.extractor import load_weights
from mmtoolkit.vision.weights import choose_precision

FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
KERAS_BATCH = 32  # predict's own default


def main(
    *,
    images: int = 512,
    data: Path | None = None,
    encoder: str = "vgg19",
    encoder_weights: str = "random",
    beside: str | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    batch_size: int = 16,
    rounds: int = 2,
    json: Path | None = None,
) -> None:
    """Measures the extraction of features against plain Keras.

    Args:
        images: How many pictures.
        data: Folder with JPEG files; random ones of 500 x 375 pixels are made without it.
        encoder: Name of the network.
        encoder_weights: imagenet, random or the path of a weights file.
        beside: Name of another network, with random weights, that mmtoolkit extracts the same features with.
        precision: Of mmtoolkit's extractor; Keras' is float32.
        batch_size: Of mmtoolkit's extractor; Keras' is the default of `predict`.
        rounds: Into how many parts the files are cut.
        json: Where the figures are written.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = find_jpegs(data, images) if data else make_jpegs(Path(folder, "jpegs"), images)
        chosen = choose_precision(precision)
        networks = [Backbone.named(name) for name in (encoder, beside) if name]
        sizes = {"batch_size": batch_size, "rounds": rounds}
        report = compare(files, Path(folder, "store"), networks, encoder_weights, chosen, **sizes)
    report |= {"machine": machine(), "versions": {name: version(name) for name in ("tensorflow", "keras", "numpy")}}
    for name, value in report["scores"].items():
        print(f"{name:32} {value:9.2f}")
    print(f"{report['pictures']} pictures, {chosen}, {report['machine']['cores']} cores, {report['machine']['flags']}")
    if json:
        json.write_text(dumps(report, indent=1) + "\n", encoding="utf-8")


def compare(
    files: Sequence[Path],
    folder: Path,
    networks: Sequence[Backbone],
    source: str,
    precision: str,
    *,
    batch_size: int,
    rounds: int,
) -> dict[str, Any]:
    """Runs all in turns and returns the figures."""
    backbone, *others = networks
    weights = find_weights(source, network=backbone.network)
    extractor = RegionExtractor.from_weights(weights, precision=precision, network=backbone.network)
    store = FeatureStore(folder, ExtractorKey(source, precision, backbone.network))
    warm = FeatureStore(folder, ExtractorKey("warm-up", precision, backbone.network))
    warm.add(files[:batch_size], extractor, batch_size=batch_size)
    parts = [files[start::rounds] for start in range(rounds)]
    ours = [seconds(partial(store.add, parts[0], extractor, batch_size=batch_size))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before Keras' network takes memory too
    whole, peer = backbone.build()
    if weights:
        load_weights(whole, weights)
    side = backbone.image_size
    peer.predict(np.zeros((KERAS_BATCH, side, side, 3), np.float32), verbose=0)
    extractors = [RegionExtractor.from_weights(None, precision=precision, network=each.network) for each in others]
    stores = [FeatureStore(folder, ExtractorKey("random", precision, each.network)) for each in others]
    for each, of in zip(others, extractors, strict=True):
        FeatureStore(folder, ExtractorKey("warm-up", precision, each.network)).add(files[:batch_size], of)
    loading, predicting, theirs = [], [], []
    for number, part in enumerate(parts):
        if number:
            ours.append(seconds(partial(store.add, part, extractor, batch_size=batch_size)))
        load_seconds, predict_seconds = keras_seconds(backbone, peer, part)
        loading.append(load_seconds)
        predicting.append(predict_seconds)
        for other, of in zip(stores, extractors, strict=True):
            theirs.append(seconds(partial(other.add, part, of, batch_size=batch_size)))
    if len(store) != len({store.digest(path) for path in files}):
        raise InputError(f"Expected pictures that can all be read. Received: {len(files) - len(store)} that cannot.")
    rate, predict_rate = len(files) / sum(ours), len(files) / sum(predicting)
    file_rate = len(files) / (sum(loading) + sum(predicting))
    scores = {
        "images/s, files to store": rate,
        "images/s, keras predict alone": predict_rate,
        "images/s, keras from files": file_rate,
        "ratio to predict alone": rate / predict_rate,
        "ratio to keras from files": rate / file_rate,
        "peak memory, MiB": peak,
    }
    if others:
        scores |= {f"images/s, {others[0].name}": len(files) / sum(theirs), "ratio to it": sum(theirs) / sum(ours)}
    names = {"network": backbone.network, "precision": precision}
    return {"scores": scores, "pictures": len(files), **names, "batch_size": batch_size}


def seconds(job: Callable[[], object]) -> float:
    """How long a job takes."""
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def keras_seconds(backbone: Backbone, network: keras.Model, files: Sequence[Path]) -> tuple[float, float]:
    """What a user of Keras would write: load a few hundred pictures, prepare them, predict; (loading, predicting)."""
    loading = predicting = 0.0
    size = (backbone.image_size, backbone.image_size)
    for start in range(0, len(files), 256):
        before = time.perf_counter()
        pictures = [keras.utils.load_img(path, target_size=size) for path in files[start : start + 256]]
        pixels = np.asarray(backbone.preprocess(np.stack([np.asarray(picture, np.float32) for picture in pictures])))
        loading += time.perf_counter() - before
        predicting += seconds(partial(network.predict, pixels, batch_size=KERAS_BATCH, verbose=0))
    return loading, predicting


def find_jpegs(folder: Path, count: int) -> list[Path]:
    """The first JPEG files of a folder, by name."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    if not found:
        raise InputError(f"--data expects a folder with JPEG files. Received: {folder}, which has none.")
    return found[:count]


def make_jpegs(folder: Path, count: int) -> list[Path]:
    """Soft random pictures, as large as photographs on the web, each different."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    paths = [folder / f"{number:06}.jpg" for number in range(count)]
    for path in paths:
        coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), np.uint8))
        coarse.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def machine() -> dict[str, Any]:
    """The processor, and which of its instructions matter here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    words = {name.strip(): value for name, _, value in (line.partition(":") for line in lines)}
    flags = [flag for flag in FLAGS if flag in words.get("flags", "").split()]
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    return {"processor": words.get("model name", platform.processor()).strip(), "cores": cores, "flags": flags}


if __name__ == "__main__":
    run(main)
