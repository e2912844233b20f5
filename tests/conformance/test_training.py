"""Every model of the table, trained from its real data set: as Python, and compiled by XLA as Keras does with a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from conformance.cases import ANSWERERS, CAPTIONERS, Case, forced_auto_jit

import mmtoolkit as mm
from mmtoolkit.data import datasets
from mmtoolkit.models import Captioner

EPOCHS = 3
CAPTIONS = [
    mm.CaptionRecord(Path("0.png"), "0", ("a b c", "e d")),
    mm.CaptionRecord(Path("1.png"), "1", ("c a d", "a")),
]
ASKED = [
    mm.QuestionRecord(Path("0.png"), "0", "a b", ("red", "blue"), "q0"),
    mm.QuestionRecord(Path("0.png"), "0", "e", ("blue",), "q1"),
    mm.QuestionRecord(Path("1.png"), "1", "c", ("a dog",), "q2"),
    mm.QuestionRecord(Path("1.png"), "1", "d", ("red",), "q3"),
]
WRITTEN = [
    mm.QuestionRecord(record.image, record.image_id, record.question, (answer,), record.question_id)
    for record, answer in zip(ASKED, ("a", "b c", "d e a", "e"), strict=True)
]


class Made:
    """A source of made regions or pictures: `1.png` is the second of them."""

    def __init__(self, inputs: dict[str, np.ndarray]) -> None:
        (self.input_name,) = inputs.keys() & {"regions", "images"}
        self.values = inputs[self.input_name]
        self.shape, self.dtype = self.values.shape[1:], self.values.dtype

    def read(self, images: Sequence[Path]) -> np.ndarray:
        return self.values[[int(image.stem) for image in images]]


def dataset(case: Case, model: Any, **options: Any) -> Any:
    """Two batches of two an epoch, whose lengths differ and are known only when they come."""
    source = Made(case.inputs) if case.inputs.keys() & {"regions", "images"} else None
    given = {"features": source, "batch_size": 2, "seed": 1, **options}
    if isinstance(model, Captioner):
        return mm.caption_dataset(CAPTIONS, model.codec, **given)
    records = ASKED if model.head == "classify" else WRITTEN
    return mm.question_dataset(records, model.codec, model.answers_codec, **given)


def trained(
    case: Case, optimizer: keras.optimizers.Optimizer, *, run_eagerly: bool = False, **options: Any
) -> list[float]:
    """The losses of the epochs, and the norm of each weight after them."""
    model = case.fresh()
    loss = mm.token_loss() if isinstance(model, Captioner) else model.answer_loss(0.1)
    model.compile(optimizer, loss=loss, run_eagerly=run_eagerly)
    fitted = model.fit(dataset(case, model, **options), epochs=EPOCHS, shuffle=False, verbose=0)
    optimizer.finalize_variable_values(model.trainable_variables)  # the averages, if there are any
    return [*fitted.history["loss"], *(float(np.linalg.norm(weight)) for weight in model.get_weights())]


def compare(case: Case, optimizer: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Trains it step by step, of which nothing is traced, and compiled, in steps of four words."""
    plain = trained(case, optimizer(), run_eagerly=True, **options)
    forced_auto_jit(monkeypatch)
    monkeypatch.setattr(datasets, "TIME_STEP", 4)
    np.testing.assert_allclose(trained(case, optimizer(), **options), plain, rtol=1e-3)
    assert plain[EPOCHS - 1] < plain[0]


@pytest.mark.parametrize("case", [*CAPTIONERS, *ANSWERERS], ids=lambda case: case.name)
def test_compiled_by_xla_a_training_has_the_same_losses(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(case, lambda: keras.optimizers.SGD(0.1, global_clipnorm=1.0), monkeypatch)


def test_batches_of_any_length_with_the_optimizer_of_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clipping, averages and all, each batch compiled in its own shape, of a model with an encoder and a decoder."""
    case = next(case for case in ANSWERERS if case.name == "answers: written, questions only")
    lengths = {batch[0]["question"].shape[1] for batch in dataset(case, case.make(), few_shapes=False)}
    assert len(lengths) > 1
    recipe = partial(mm.adam, 0.01, steps=2 * EPOCHS, clip=0.1, averaging=0.5)
    compare(case, recipe, monkeypatch, few_shapes=False)
