"""A captioner that has learnt eight drawings by heart, and one that has learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from once import Once

import mmtoolkit as mm
from mmtoolkit.scenes import write_scenes

SIDE = 32


class Learnt(NamedTuple):
    """A captioner, the records that it has learnt by heart, their pixels, and the losses on the way."""

    captioner: mm.Captioner
    records: list[mm.CaptionRecord]
    images: np.ndarray
    losses: list[float]

    @property
    def captions(self) -> list[str]:
        return [record.captions[0] for record in self.records]


def make(codec: mm.TextCodec, *, seed: int = 0, **options: Any) -> mm.Captioner:
    """A small captioner that sees pixels, its weights drawn from the seed."""
    keras.utils.set_random_seed(seed)
    small = {"units": 48, "attention_units": 16, "embedding_dim": 24, "filters": (8, 16, 24, 32), "dropout": 0.0}
    settings = {"encoder": "small", "image_size": SIDE, "attention_penalty": 0.0, "max_length": 20, **small, **options}
    captioner = mm.Captioner(codec, **settings)
    captioner.build(captioner.input_shapes())
    return captioner


@pytest.fixture(scope="session")
def make_captioner() -> Callable[..., mm.Captioner]:
    """`make_captioner(codec, seed=0, **options)`."""
    return make


@pytest.fixture(scope="session")
def drawings(once: Once) -> list[mm.CaptionRecord]:
    """Eight drawings, each with one caption of its own."""
    folder, _ = once("drawings", partial(write_scenes, count=10, seed=5, size=SIDE))
    return [
        mm.CaptionRecord(record.image, record.image_id, record.captions[:1]) for record in mm.read_captions(folder)[:8]
    ]


@pytest.fixture(scope="session")
def learnt(drawings: list[mm.CaptionRecord], once: Once) -> Learnt:
    """Trained on one batch until it is known by heart."""
    captioner = make(mm.TextCodec.fit(mm.texts(drawings)))
    source = captioner.image_source()
    captioner.compile(keras.optimizers.Adam(5e-3, global_clipnorm=5.0), loss=mm.token_loss(0.0))

    def train(folder: Path) -> list[float]:
        folder.mkdir()
        batch = mm.caption_dataset(drawings, captioner.codec, features=source, batch_size=8).cache()
        history = captioner.fit(batch.repeat(20), epochs=4, verbose=0, shuffle=False)
        captioner.save_weights(folder / "learnt.weights.h5")
        return history.history["loss"]

    folder, losses = once("learnt-captions", train)
    captioner.optimizer.build(captioner.trainable_variables)
    captioner.load_weights(folder / "learnt.weights.h5")
    images = source.read([record.image for record in drawings])
    return Learnt(captioner, drawings, images, losses)
