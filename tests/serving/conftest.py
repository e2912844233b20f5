"""Two exported models with random weights, a captioner and a question-answerer, and a server of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from once import Once

import mmtoolkit as mm
from mmtoolkit.scenes import write_scenes
from mmtoolkit.serving.export import Fixed, export
from mmtoolkit.tasks import task_of

SIDE = 32
WORDS = ("a red circle is above two blue squares", "빨간 원이 파란 네모 위에 있다")


def randomised(model: Any, seed: int) -> Any:
    """A built model with weights large enough that every picture gets another answer."""
    model.build(model.input_shapes())
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if layer.name != "visual_encoder":
            layer.set_weights([random.normal(0, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="session")
def captioner() -> mm.Captioner:
    """It writes in two scripts."""
    keras.utils.set_random_seed(0)
    small = {"units": 12, "attention_units": 6, "embedding_dim": 8, "filters": (4, 4, 8, 8), "image_size": SIDE}
    codec = mm.TextCodec.fit(WORDS)
    captioner = mm.Captioner(codec, encoder="small", max_length=6, decoding=mm.BeamSearch(width=3), **small)
    return randomised(captioner, 2)


@pytest.fixture(scope="session")
def answerer() -> mm.VisualQA:
    """It chooses among nine answers, two looks at the picture."""
    keras.utils.set_random_seed(1)
    small = {"units": 8, "attention_units": 6, "embedding_dim": 8, "filters": (4, 4, 8, 8), "image_size": SIDE}
    answers = mm.TextCodec.fit(["yes", "no", "red", "파랑", "two", "1", "3", "a lamp", "left"], level="whole")
    codec = mm.TextCodec.fit(["how many circles are there?", "is there a red square?", "원이 몇 개 있나요?"])
    return randomised(mm.VisualQA(codec, answers, encoder="small", hops=2, **small), 3)


@pytest.fixture(scope="session")
def models(captioner: mm.Captioner, answerer: mm.VisualQA, once: Once) -> Path:
    """The directory of both, `captions/1` and `answers/1`."""

    def export_both(folder: Path) -> None:
        for name, model in (("captions", captioner), ("answers", answerer)):
            _, verdict = export(task_of(model), model, folder / name, fixed=Fixed(n_best=2))
            assert not verdict.problems

    return once("exported", export_both).folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six drawn pictures, larger than the model's."""
    scenes = write_scenes(tmp_path_factory.mktemp("pictures") / "scenes", count=10, seed=2, size=48)
    return sorted((scenes / "images").iterdir())[:6]


@pytest.fixture(scope="session")
def address(models: Path) -> Iterator[str]:
    """Of a server of both models: `http://127.0.0.1:PORT`."""
    from mmtoolkit.serving.loaded import load_models
    from mmtoolkit.serving.server import make_server

    loaded = load_models(models)
    server = make_server(loaded, port=0, megabytes=1, seconds=20)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.trigger.pull_trigger(server.close)  # in its own loop, which ends when nothing is open
    thread.join(20)
    assert not thread.is_alive()
