"""Curves against numbers worked out in NumPy, warnings in real fits, and a stop that keeps the last good weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.monitoring import AfterBar, Budget, Curves, Events, StopAtNaN
from mmtoolkit.monitoring.callbacks import once_each
from mmtoolkit.tasks import captioning


def test_each_kind_is_told_once() -> None:
    lines: list[str] = []
    warn = once_each(lines.append)
    for kind, message in [("a", None), ("a", "one"), ("b", "two"), ("a", "three"), ("b", None)]:
        warn(kind, message)
    assert lines == ["warning: one", "warning: two"]


class Steps(keras.callbacks.Callback):
    """The weights before each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[np.ndarray] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.weights.append(np.array(self.model.trainable_weights[0]))


def linear(optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """`w · x` with the mean of it as its loss: the gradient of `w` is the mean `x` of a batch, whatever `w` is."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, loss=lambda _, output: keras.ops.mean(output))
    return model


def fitted(
    optimizer: keras.optimizers.Optimizer, inputs: np.ndarray, folder: Path, *, every: int = 3, epochs: int = 2
) -> tuple[Steps, list[str]]:
    """Fits on batches of four in order; the weights before each step and what was told."""
    steps, lines, events = Steps(), list[str](), Events(folder)
    linear(optimizer).fit(
        inputs,
        np.zeros((len(inputs), 1)),
        batch_size=4,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[steps, Curves(events, tell=lines.append, every=every)],
    )
    return steps, lines


INPUTS = np.random.default_rng(0).normal(size=(32, 3)).astype(np.float32)  # eight batches
BATCHES = INPUTS.reshape(8, 4, 3).mean(axis=1)


def test_the_curves_are_those_of_the_steps(curve: Callable, tmp_path: Path) -> None:
    """Points at steps 3, 6 and 8 of each epoch, each over the steps since the last."""
    rate = keras.optimizers.schedules.PolynomialDecay(0.1, 16, 0.0)
    steps, lines = fitted(keras.optimizers.Adam(rate), INPUTS, tmp_path)
    losses = [float(x @ w[:, 0]) for x, w in zip([*BATCHES, *BATCHES], steps.weights, strict=True)]
    ends = [3, 6, 8, 11, 14, 16]
    spans = list(zip([0, *ends[:-1]], ends, strict=True))

    written = curve(tmp_path, "train/loss")
    assert list(written) == ends
    np.testing.assert_allclose(list(written.values()), [np.mean(losses[a:b]) for a, b in spans], atol=1e-5)

    squares = (np.concatenate([BATCHES, BATCHES]) ** 2).sum(axis=1)
    norms = [np.sqrt(np.average(squares[a:b], weights=0.999 ** np.arange(b - a)[::-1])) for a, b in spans]
    np.testing.assert_allclose(list(curve(tmp_path, "train/gradient_norm").values()), norms, rtol=1e-3)

    rates = curve(tmp_path, "train/learning_rate")
    np.testing.assert_allclose([rates[end] for end in ends], [0.1 * (1 - end / 16) for end in ends], atol=1e-7)
    assert lines == []


def test_a_second_fit_goes_on_from_the_moments_of_the_first(curve: Callable, tmp_path: Path) -> None:
    """As after a restart: the first point does not take the old moments for new gradients."""
    model = linear(keras.optimizers.Adam(0.1))
    labels = np.zeros((8, 1))
    model.fit(np.full((8, 3), 100.0), labels, batch_size=4, epochs=5, verbose=0)
    curves = Curves(Events(tmp_path), tell=print, every=1)
    model.fit(np.ones((8, 3)), labels, batch_size=4, verbose=0, callbacks=[curves])
    np.testing.assert_allclose(list(curve(tmp_path, "train/gradient_norm").values()), [3**0.5] * 2, rtol=0.01)
    assert list(curve(tmp_path, "train/loss")) == [11, 12]


def test_the_scores_of_validation_are_written_by_epoch(curve: Callable, tmp_path: Path) -> None:
    curves = Curves(Events(tmp_path), tell=print)
    curves.set_model(linear(keras.optimizers.SGD()))
    for epoch, score in enumerate([0.5, 0.75]):
        curves.on_epoch_begin(epoch)
        curves.on_epoch_end(epoch, {"loss": 1.0, "val_CIDEr": score})
    assert curve(tmp_path, "valid/CIDEr") == {1: 0.5, 2: 0.75}


def test_an_optimizer_without_second_moments_has_the_other_curves(curve: Callable, tmp_path: Path) -> None:
    _, lines = fitted(keras.optimizers.SGD(0.1), INPUTS, tmp_path)
    assert len(curve(tmp_path, "train/loss")) == 6 and lines == []
    assert curve(tmp_path, "train/gradient_norm") == {}


def test_gradients_over_the_clip_are_told_once(curve: Callable, tmp_path: Path) -> None:
    _, lines = fitted(keras.optimizers.Adam(0.01, global_clipnorm=2.0), INPUTS + 9, tmp_path, epochs=3)
    (line,) = lines
    assert line.startswith("warning: nearly all gradients are cut to the clip (a norm of 2 of at most 2)")
    np.testing.assert_allclose(list(curve(tmp_path, "train/gradient_norm").values()), 2.0, rtol=1e-3)


def test_gradients_that_vanish_are_told_once_with_the_name_of_the_weight(tmp_path: Path) -> None:
    _, lines = fitted(keras.optimizers.Adam(0.01), INPUTS * 1e-9, tmp_path, epochs=3)
    (line,) = lines
    assert line.startswith("warning: the gradients of ") and "/kernel vanish" in line


def test_lines_wait_for_the_end_of_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """Each told line stands alone, between the bars of two epochs or behind the last."""
    notes = AfterBar(print)
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: notes.add(f"note {epoch}"))
    model = linear(keras.optimizers.SGD())
    model.fit(INPUTS, np.zeros((32, 1)), epochs=2, verbose=1, callbacks=[note, notes])
    lines = capsys.readouterr().out.split("\n")
    places = [lines.index(line) for line in ("Epoch 1/2", "note 0", "Epoch 2/2", "note 1")]
    assert places == sorted(places) and "loss" in lines[places[1] - 1] and "loss" in lines[places[3] - 1]


# --- a loss that is no number ---

SMALL = {"units": 3, "attention_units": 2, "embedding_dim": 2, "filters": (2, 2, 2, 2), "image_size": 32}


class RaiseRate(keras.callbacks.Callback):
    """Makes the learning rate infinite when an epoch begins."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            self.model.optimizer.learning_rate = float("inf")


def trained_to_the_end(folder: Path, *, infinite_from: int, batch_size: int) -> tuple[Path, str]:
    """A real fit whose learning rate becomes infinite; where its preset would be, and the error."""
    records = []
    for number, caption in enumerate(["a b", "b a", "b", "a a b"]):
        Image.effect_noise((32, 32), 50 + number).convert("RGB").save(folder / f"{number}.png")
        records.append(mm.CaptionRecord(folder / f"{number}.png", str(number), (caption,)))
    keras.utils.set_random_seed(0)
    captioner = mm.Captioner(mm.TextCodec.fit(mm.texts(records)), encoder="small", max_length=3, **SMALL)
    captioner.build(captioner.input_shapes())
    optimizer = keras.optimizers.Adam(0.01, global_clipnorm=5.0, use_ema=True, ema_momentum=0.5)
    captioner.compile(optimizer, loss=mm.token_loss(), run_eagerly=True)
    source, preset = captioner.image_source(), folder / "preset"
    dataset = mm.caption_dataset(records, captioner.codec, features=source, batch_size=batch_size)
    callbacks = [
        RaiseRate(infinite_from),
        StopAtNaN(preset),
        mm.DecodedValidation(captioning, records, source=source, preset=preset),
    ]
    with pytest.raises(FloatingPointError) as caught:
        captioner.fit(dataset, epochs=4, callbacks=callbacks, verbose=0, shuffle=False)
    return preset, str(caught.value)


def test_a_loss_of_nan_stops_before_anything_is_saved(tmp_path: Path) -> None:
    preset, message = trained_to_the_end(tmp_path, infinite_from=0, batch_size=2)
    assert message.startswith("the loss was nan at step 2 of epoch 1, training stopped and there is no preset yet; try")
    assert "--learning-rate" in message
    assert not preset.exists()


def test_weights_that_the_last_step_of_an_epoch_spoilt_are_not_saved(tmp_path: Path) -> None:
    """One step an epoch: its loss is fine, for it was taken before the step."""
    preset, message = trained_to_the_end(tmp_path, infinite_from=0, batch_size=4)
    assert message.startswith("weights were not finite at step 1 of epoch 1, ")
    assert not preset.exists()


@pytest.mark.parametrize("batch_size", [2, 4])
def test_the_last_good_weights_are_kept(tmp_path: Path, batch_size: int) -> None:
    preset, message = trained_to_the_end(tmp_path, infinite_from=2, batch_size=batch_size)
    assert "of epoch 3" in message and f"the best weights are kept in {preset};" in message
    kept = mm.Captioner.from_preset(preset)
    assert all(np.isfinite(weight).all() for weight in kept.get_weights())
    assert kept.card["epoch"] in (1, 2)


@pytest.mark.parametrize(
    ("seconds", "steps", "done"), [(2.5, None, 4), (6.5, None, 8), (None, 3, 3), (2.5, 2, 2), (None, None, 10)]
)
def test_a_training_stops_after_seconds_or_steps(
    seconds: float | None, steps: int | None, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a second for each step, of which the first does not count, nor what is between two epochs."""
    clock = iter(np.arange(100.0))
    monkeypatch.setattr("mmtoolkit.monitoring.callbacks.time.perf_counter", lambda: next(clock))
    model, limit, ended = linear(keras.optimizers.SGD()), Budget(seconds, steps=steps), list[int]()
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ended.append(epoch))
    model.fit(np.zeros((5, 3)), np.zeros((5, 1)), batch_size=1, epochs=2, verbose=0, callbacks=[limit, after])
    assert limit.done == done and ended == list(range(1 + (done > 5)))
