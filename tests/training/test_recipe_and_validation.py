"""The optimizer's recipe by its formula, and validation that keeps the best model and stops in time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import CaptionMetric
from mmtoolkit.tasks import Captioning, captioning
from mmtoolkit.training.validation import mean_loss

# --- the optimizer ---


@pytest.mark.parametrize(
    ("steps", "given", "warmup"), [(1000, 300, 100), (1000, 50, 50), (5000, 300, 300), (9, 300, 0), (40, 0, 0)]
)
def test_the_rate_rises_linearly_and_falls_by_half_a_cosine(steps: int, given: int, warmup: int) -> None:
    """At most a tenth of the steps to the highest rate, then down to 2 % of it."""
    rate = mm.adam(0.5, steps=steps, warmup=given)._learning_rate

    def by_hand(step: int) -> float:
        if step < warmup:
            return 0.5 * step / warmup
        share = min(1.0, (step - warmup) / (steps - warmup))
        return 0.5 * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)

    for step in {0, warmup // 2, warmup, (warmup + steps) // 2, steps - 1, steps, 2 * steps}:
        assert float(rate(step)) == pytest.approx(by_hand(step), rel=1e-4, abs=1e-6), step
    assert float(rate(warmup)) == pytest.approx(0.5) and float(rate(steps)) == pytest.approx(0.01)


@pytest.mark.parametrize(("steps", "averaging", "share"), [(10_000, 0.999, 0.999), (60, 0.999, 0.95), (2, 0.9, 0.0)])
def test_a_short_training_is_averaged_over_its_last_third(steps: int, averaging: float, share: float) -> None:
    optimizer = mm.adam(1e-3, steps=steps, averaging=averaging)
    assert optimizer.use_ema and optimizer.ema_momentum == pytest.approx(share)


def test_averaging_and_clipping_can_be_set() -> None:
    optimizer = mm.adam(1e-3, steps=10, averaging=0, clip=0.25)
    assert not optimizer.use_ema and optimizer.global_clipnorm == 0.25


def test_looking_ahead_goes_back_to_the_averages() -> None:
    """Beside the same steps taken by hand, whose weights are put back after every third step."""
    gradients = np.random.default_rng(4).normal(size=(9, 5)).astype(np.float32)
    optimizer = mm.adam(0.1, steps=100, averaging=0.8, lookahead=3)
    plain = mm.adam(0.1, steps=100, averaging=0)
    weight, by_hand = (keras.Variable(np.zeros(5, np.float32)) for _ in range(2))
    optimizer.build([weight])
    plain.build([by_hand])
    average = np.zeros(5)
    for step, gradient in enumerate(gradients, start=1):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        plain.apply([keras.ops.convert_to_tensor(gradient)])
        momentum = 0.0 if step == 1 else 0.8  # an average begins with the first weights
        average = momentum * average + (1 - momentum) * np.asarray(by_hand)
        if step % 3 == 0:
            by_hand.assign(average)
        np.testing.assert_allclose(weight, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"lookahead": -1}, {"lookahead": 3, "averaging": 0}])
def test_looking_ahead_needs_steps_and_averages(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"Received: lookahead={wrong['lookahead']}"):
        mm.adam(1e-3, steps=10, **wrong)


# --- validation by decoded captions: when it saves and when it stops ---


class Model:
    """Remembers which epochs were saved."""

    trainable_variables, decoding = (), mm.Greedy()
    optimizer = keras.optimizers.SGD()

    def __init__(self) -> None:
        self.stop_training = False
        self.saved: list[tuple[Path, dict[str, Any]]] = []

    def save_preset(self, folder: Path, *, card: dict[str, Any]) -> None:
        self.saved.append((folder, card))


RECORDS = [mm.CaptionRecord(Path("1.png"), "1", ("a dog", "the dog"))]


class Metric(CaptionMetric):
    """Gives the scores of one epoch after the other."""

    def __init__(self, scores: list[dict[str, float]]) -> None:
        self.epochs = iter(scores)

    def statistics(self, outputs: Any, references: Any) -> dict[str, tuple[float, ...]]:
        assert (outputs, references) == ({"1": "a cat"}, {"1": ("a dog", "the dog")})
        return {"1": (1.0,)}

    def scores(self, sums: Any) -> dict[str, float]:
        return next(self.epochs)


def validated(scores: list[dict[str, float]], monkeypatch: pytest.MonkeyPatch, **options: Any) -> tuple[Any, Any, list]:
    """Runs one epoch for each of the scores, until told to stop; the logs of each epoch come back."""
    task, given = Captioning(), set(options)
    monkeypatch.setattr(task, "metric", options.pop("metric", Metric)(scores), raising=False)
    monkeypatch.setattr(
        "mmtoolkit.training.validation.predict", lambda *given, **more: {"1": [mm.Caption("a cat", 0.0)]}
    )
    losses = iter(options.pop("losses", ()))
    monkeypatch.setattr("mmtoolkit.training.validation.FEW", 2 if "losses" in given else 1)
    monkeypatch.setattr("mmtoolkit.training.validation.mean_loss", lambda *arguments: next(losses))
    callback = mm.DecodedValidation(task, RECORDS, source=None, preset=Path("run/preset"), **options)
    model, logs = Model(), []
    callback.set_model(model)
    for epoch in range(len(scores)):
        logs.append({"loss": 1.0})
        callback.on_epoch_end(epoch, logs[-1])
        if model.stop_training:
            break
    return callback, model, logs


def test_the_best_epoch_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [{"BLEU-4": value, "CIDEr": 9 - value} for value in (2.0, 5.0, 4.0, 5.0, 6.0, 1.0)]
    callback, model, logs = validated(values, monkeypatch, patience=3, card={"seed": 1})
    assert model.saved == [
        (Path("run/preset"), {"seed": 1, "valid_scores": values[at], "epoch": at + 1}) for at in (0, 1, 4)
    ]
    assert (callback.best, callback.best_epoch) == ((6.0, 3.0), 4)
    assert not model.stop_training
    for log, value in zip(logs, values, strict=True):
        assert (log["loss"], log["val_BLEU-4"], log["val_CIDEr"]) == (1.0, value["BLEU-4"], value["CIDEr"])
        assert log["val_seconds"] >= 0


@pytest.mark.parametrize(("patience", "epochs"), [(1, 3), (2, 4), (3, 8), (9, 8)])
def test_training_stops_when_patience_ends(patience: int, epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best epochs are the second and, for those who waited, the fifth; three more bring nothing."""
    values = [{"BLEU-4": value} for value in (1.0, 3.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0)]
    _, model, logs = validated(values, monkeypatch, patience=patience)
    assert len(logs) == epochs
    assert model.stop_training == (patience < 9)


def test_whoever_watches_gets_the_captions_of_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one, after which training stops, included; none of them is decoded again."""
    seen: list[tuple[Any, ...]] = []
    values = [{"BLEU-4": 2.0}, {"BLEU-4": 1.0}]
    _, model, _ = validated(values, monkeypatch, patience=1, watch=lambda *arguments: seen.append(arguments))
    assert seen == [(model, 1, {"1": "a cat"}), (model, 2, {"1": "a cat"})] and model.stop_training


def test_another_score_may_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [{"BLEU-4": 2.0, "CIDEr": 0.1}, {"BLEU-4": 1.0, "CIDEr": 0.3}]
    callback, model, _ = validated(values, monkeypatch, monitor="CIDEr")
    assert (callback.best_epoch, len(model.saved)) == (1, 2)


def test_where_the_score_is_the_same_the_next_one_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run of four words is right in short captions, but CIDEr grows."""
    values = [{"BLEU-4": 0.0, "CIDEr": value} for value in (0.1, 0.4, 0.2)]
    callback, model, _ = validated(values, monkeypatch)
    assert (callback.best, callback.best_epoch, len(model.saved)) == ((0.0, 0.4), 1, 2)


def test_on_few_pictures_the_loss_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [{"BLEU-4": value} for value in (1.0, 0.0, 0.0, 0.0)]
    callback, model, logs = validated(values, monkeypatch, losses=[3.0, 2.0, 2.5, 2.4], patience=2)
    assert (callback.best, callback.best_epoch, len(model.saved)) == ((-2.0,), 1, 2) and model.stop_training
    assert [log["val_loss"] for log in logs] == [3.0, 2.0, 2.5, 2.4]


class Lower(Metric):
    """The same scores, of which the lowest is the best."""

    def better(self, name: str) -> Any:
        return "lower"


def test_a_lower_score_may_be_the_better_one(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [{"BLEU-4": value} for value in (3.0, 5.0, 2.0, 2.5)]
    callback, model, _ = validated(values, monkeypatch, metric=Lower)
    assert (callback.best, callback.best_epoch, len(model.saved)) == ((-2.0,), 2, 2)


def test_a_model_without_a_right_word_is_kept_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a run always leaves a preset."""
    _, model, _ = validated([{"BLEU-4": 0.0}], monkeypatch)
    assert len(model.saved) == 1


def test_an_unknown_score_is_refused_before_training() -> None:
    assert set(mm.score_captions({1: "a"}, {1: ["a"]})) == set(captioning.metric.names)
    assert captioning.metric.names[0] == "BLEU-4"
    with pytest.raises(mm.InputError, match=r"BLEU-4.*Received: 'BLEU4'"):
        mm.DecodedValidation(captioning, RECORDS, source=None, preset=Path("preset"), monitor="BLEU4")


# --- the averaged weights are the ones that are validated and saved ---


class Steps(keras.callbacks.Callback):
    """The weights after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[list[np.ndarray]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.weights.append([np.array(weight) for weight in self.model.trainable_weights])


def by_hand(captioner: mm.Captioner, records: list[mm.CaptionRecord]) -> float:
    """The mean over words, each end among them, of minus the logarithm of their probability; three words at most."""
    logs = []
    for record in records:
        ids = captioner.codec.encode(record.captions[0])
        ids = [*ids[:-1][:3], ids[-1]]  # START, two words at most, END
        pixels = captioner.image_source().read([record.image])
        logits = np.asarray(captioner({"images": pixels, "tokens": np.array([ids[:-1]])}))[0]
        logs += (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[np.arange(len(ids) - 1), ids[1:]].tolist()
    return -float(np.mean(logs))


def test_the_averaged_weights_are_saved(tmp_path: Path) -> None:
    records = []
    for number, caption in enumerate(["a b", "b a", "b", "a a b"]):
        Image.effect_noise((32, 32), 50 + number).convert("RGB").save(tmp_path / f"{number}.png")
        records.append(mm.CaptionRecord(tmp_path / f"{number}.png", str(number), (caption,)))
    keras.utils.set_random_seed(0)
    small = {"units": 3, "attention_units": 2, "embedding_dim": 2, "filters": (2, 2, 2, 2), "image_size": 32}
    captioner = mm.Captioner(mm.TextCodec.fit(mm.texts(records)), encoder="small", max_length=3, **small)
    captioner.build(captioner.input_shapes())
    captioner.compile(mm.adam(0.05, steps=8, averaging=0.6), loss=mm.token_loss(), run_eagerly=True)
    dataset = mm.caption_dataset(records, captioner.codec, features=captioner.image_source(), batch_size=2)
    assert mean_loss(captioning, captioner, records, captioner.image_source()) == pytest.approx(
        by_hand(captioner, records)
    )
    steps = Steps()
    validation = mm.DecodedValidation(captioning, records, source=captioner.image_source(), preset=tmp_path / "preset")
    captioner.fit(dataset, epochs=2, callbacks=[steps, validation], verbose=0, shuffle=False)

    averages = [weights := steps.weights[0]]
    for new in steps.weights[1:]:
        averages.append(weights := [0.6 * old + 0.4 * fresh for old, fresh in zip(weights, new, strict=True)])
    expected = averages[2 * validation.best_epoch + 1]
    saved = mm.Captioner.from_preset(tmp_path / "preset").trainable_weights
    for mine, theirs in zip(saved, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    last = steps.weights[2 * validation.best_epoch + 1]
    assert max(np.abs(a - b).max() for a, b in zip(last, expected, strict=True)) > 1e-3
