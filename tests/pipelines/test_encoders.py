"""Another network than VGG19 by its name: trained, saved, predicted with, evaluated, exported, verified and served."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmtoolkit as mm
from mmtoolkit.serving.loaded import load_models
from mmtoolkit.serving.server import make_server

Job = Callable[..., Any]
WORDS = ("--units", 16, "--attention-units", 8, "--embedding-dim", 8, "--min-count", 1, "--epochs", 1)
WORDS += ("--max-length", 12, "--beam", 2, "--no-repeat-ngram", 0)
BLOCK = "expanded_conv_7_add"  # after which the last block of MobileNetV3Small starts
WORDS += ("--encoder-weights", "random", "--precision", "float32", "--image-size", 64)


@pytest.mark.slow
def test_from_photos_to_a_served_model(job: Job, scenes: Path, tmp_path: Path) -> None:
    run, served = tmp_path / "run", tmp_path / "served"
    done = job("caption", "--data", scenes, "--out", run, "--encoder", "ResNet50", *WORDS)
    assert done.code == 0, done.err
    config = json.loads((run / "preset" / "config.json").read_text())["model"]
    assert config["encoder"] == "resnet50"
    assert config["extractor"] == {"weights": "random", "precision": "float32", "network": "resnet50@64"}
    model = mm.load(run / "preset")
    assert model.grid == (2, 2) and model.image_distribution is not None  # the network's map of 64 pixels
    pictures = sorted((scenes / "images").iterdir())[:3]
    expected = model.generate(pictures)

    done = job("predict", *pictures, "--preset", run / "preset", "--attention", tmp_path / "attention")
    assert done.code == 0, done.err
    assert [line.split("\t")[1] for line in done.out.splitlines()] == expected
    assert len(list((tmp_path / "attention").glob("*.png"))) == 3
    done = job(
        "evaluate", "--preset", run / "preset", "--data", scenes, "--split", "valid", "--out", tmp_path / "r.json"
    )
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["encoder_sha256"] == "random" and "BLEU-4" in report["scores"]

    done = job("export", "--preset", run / "preset", "--out", served)
    assert done.code == 0 and "answers as the preset does" in done.out, done.err
    assert job("verify", served).code == 0
    server = make_server(load_models(served), port=0)
    threading.Thread(target=server.run, daemon=True).start()
    try:
        client = mm.RestClient(f"http://127.0.0.1:{server.effective_port}/v1/models/served")
        assert [answer.text for answer in client.ask(pictures)] == expected
    finally:
        server.close()


@pytest.mark.slow
def test_the_last_block_is_trained_after_the_decoder(job: Job, scenes: Path, tmp_path: Path) -> None:
    words = ("--data", scenes, *WORDS, "--encoder-epochs", 1)
    done = job("caption", *words, "--encoder", "mobilenetv3small", "--reward", "cider", "--out", tmp_path / "run")
    assert done.code == 0 and "stage 1: encoder" in done.err and "stage 2: reward" in done.err, done.err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert list(report["history"]) == ["cross-entropy", "encoder", "reward"]
    kept = mm.load(tmp_path / "run" / "preset")
    assert kept.encoder_name == "mobilenetv3small" + ("" if report["best"] == "cross-entropy" else "-block")
    records = [record for record in mm.read_captions(scenes) if record.split == "valid"]
    found = mm.evaluate(mm.captioning, kept, records, source=kept.image_source())
    assert found["scores"]["BLEU-4"] == pytest.approx(report["scores"]["BLEU-4"], abs=0.1)
    done = job("caption", *words, "--encoder", "mobilenetv3small-block", "--out", tmp_path / "b")
    assert done.code == 2 and "--encoder-epochs is for an encoder whose features are stored" in done.error


def test_the_last_block_of_another_network_is_trained(job: Job, scenes: Path, tmp_path: Path) -> None:
    """By fine-tuning a preset on stored regions, which becomes one on the regions before the block."""
    done = job("caption", "--data", scenes, "--out", tmp_path / "stored", *WORDS, "--encoder", "mobilenetv3small")
    assert done.code == 0, done.err
    words = ("--stages", "encoder", "--epochs", 1, "--out", tmp_path / "tuned")
    done = job("finetune", "--preset", tmp_path / "stored" / "preset", "--data", scenes, *words)
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "tuned" / "report.json").read_text())
    assert list(report["history"]) == ["encoder"] and report["best"] in ("before", "encoder")
    kept = mm.load(tmp_path / "tuned" / "preset")  # whichever was better
    networks = {"mobilenetv3small": "mobilenetv3small@64", "mobilenetv3small-block": f"mobilenetv3small-{BLOCK}@64"}
    assert kept.extractor.network == networks[kept.encoder_name]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--encoder", "resnet50v"), "Did you mean 'resnet50v2'"),
        (("--encoder", "resnet50", "--layer", "conv4"), "Expected a layer of resnet50. Received: 'conv4'"),
        (("--encoder", "resnet50", "--image-size", 8), "32 to 1,024 pixels. Received: 8"),
    ],
)
def test_wrong_encoders_are_told(job: Job, scenes: Path, tmp_path: Path, words: Any, message: str) -> None:
    done = job("caption", "--data", scenes, "--out", tmp_path / "run", "--encoder-weights", "random", *words)
    assert done.code == 2 and message in done.error
    assert not (tmp_path / "run" / "preset").exists()
