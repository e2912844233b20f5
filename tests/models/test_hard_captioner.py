"""A captioner with hard attention: the gradient of its locations against all of them enumerated, and what it learns."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.cases import forced_auto_jit
from keras import ops
from stopping import StopAfter, Stopped

import mmtoolkit as mm
from mmtoolkit.layers import attention as attention_module
from mmtoolkit.layers.attention import EXPECTED, NUMBERS, HardAttention
from mmtoolkit.layers.deferred import Direct
from mmtoolkit.models.captioner import log_likelihood
from mmtoolkit.presets import seal
from mmtoolkit.tasks.self_critical import SelfCritical
from mmtoolkit.text import END, START
from mmtoolkit.training.checkpoints import Checkpoints, variables

CODEC = mm.TextCodec.fit(["a b c"])
REGIONS, FEATURES = 3, 4
VALUES = np.random.default_rng(1).normal(size=(1, REGIONS, FEATURES)).astype("float32")
A, B, C = 4, 5, 6
TOKENS, TARGETS = np.array([[START, A]], "int32"), np.array([[A, END]], "int32")  # two steps


def make(seed: int = 0, **options: Any) -> mm.Captioner:
    """Its weights are large, so that the locations matter and their distribution is far from even."""
    small = {"units": 5, "attention_units": 4, "embedding_dim": 3, "dropout": 0.0, "attention_penalty": 0.0}
    model = mm.Captioner(CODEC, attention="hard", **{**small, **options})
    model.build({"regions": (None, REGIONS, FEATURES), "tokens": (None, None)})
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.9, weight.shape))
    return model


class Given(Direct):
    """Attends to the regions of a list, one at each step, and keeps the probabilities of all."""

    def __init__(self, regions: tuple[int, ...]) -> None:
        self.regions, self.probabilities = regions, list[Any]()

    def attention(self, attention: Any, query: Any, memory: Any, shift: Any, slot: Any) -> tuple[Any, Any]:
        compared = tf.tanh((attention.query_projection(query) + shift)[:, None] + memory.keys)
        probabilities = tf.nn.softmax(tf.reduce_sum(compared * attention.v, axis=-1))  # equations 4 and 5
        region = self.regions[len(self.probabilities)]
        self.probabilities.append(probabilities[0])
        return memory.values[:, region], probabilities


def sentence(model: mm.Captioner, regions: tuple[int, ...]) -> tuple[Any, Any, list[Any]]:
    """Log-probabilities of the sentence given the regions and of the regions, and all probabilities, step by step."""
    decoder, engine = model.decoder, Given(regions)
    memory = decoder.prepare(VALUES)
    state, words, places = decoder.initial_state(memory), 0.0, 0.0
    for time, region in enumerate(regions):
        word = decoder.embedding(TOKENS[:, time])
        state, (context, _) = decoder.recurrence(decoder.project(word, memory), state, memory, engine)
        logs = tf.nn.log_softmax(decoder.logits(word, state[0], context))
        words += logs[0, TARGETS[0, time]]
        places += tf.math.log(engine.probabilities[time][region])
    return words, places, engine.probabilities


def draws_for(regions: tuple[int, ...], probabilities: list[Any]) -> np.ndarray:
    """Numbers in the middle of what draws these regions."""
    ends = [np.cumsum(np.asarray(row, "float64")) for row in probabilities]
    middles = [
        end[region] - np.asarray(row)[region] / 2 for end, row, region in zip(ends, probabilities, regions, strict=True)
    ]
    return np.array([[int(NUMBERS * middle) for middle in middles]], "int32")


def of_training(model: mm.Captioner, draws: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The gradients of a training step's whole loss, per token as the data set weighs them."""
    monkeypatch.setattr(model.decoder.attention, "draw", lambda tokens: tf.constant(draws))
    with tf.GradientTape() as tape:
        logits = model({"regions": VALUES, "tokens": TOKENS}, training=True)
        loss = mm.token_loss(0.0)(TARGETS, logits, np.full((1, 2), 0.5, "float32")) + sum(model.losses)
    return of_weights(tape, loss, model)


def of_weights(tape: Any, loss: Any, model: mm.Captioner) -> list[np.ndarray]:
    weights = [weight.value for weight in model.trainable_weights]
    found = tape.gradient(loss, weights, unconnected_gradients="zero")
    return [tf.convert_to_tensor(gradient).numpy() for gradient in found]


@pytest.mark.parametrize("baseline", [0.0, -7.0])
def test_the_mean_gradient_is_that_of_the_expectation(baseline: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all nine sequences of two locations; whatever the baseline, which is a constant."""
    monkeypatch.setattr(attention_module, "ENTROPY", 0.0)
    model, every = make(), list(itertools.product(range(REGIONS), repeat=2))
    with tf.GradientTape() as tape:
        rows = [sentence(model, regions) for regions in every]
        loss = -sum(tf.exp(places) * words for words, places, _ in rows) / 2  # two tokens
    expected = of_weights(tape, loss, model)
    shares = [float(tf.exp(places)) for _, places, _ in rows]
    assert sum(shares) == pytest.approx(1.0) and max(shares) < 0.8
    mean = [np.zeros_like(each) for each in expected]
    for regions, share, (_, _, probabilities) in zip(every, shares, rows, strict=True):
        model.decoder.attention.baseline.assign(baseline)
        found = of_training(model, draws_for(regions, probabilities), monkeypatch)
        mean = [total + share * gradient for total, gradient in zip(mean, found, strict=True)]
    for weight, one, other in zip(model.trainable_weights, mean, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5 * np.abs(other).max() + 2e-6, err_msg=weight.path)
        assert np.abs(other).max() > 1e-5, weight.path


def test_the_reward_is_the_log_probability_of_the_caption() -> None:
    """Of words and END, of which the longest captions of a batch have none among the tokens read."""
    tokens = np.array([[START, A, B], [START, C, END], [START, END, 0]], "int32")
    targets = ([A, B, END], [C, END], [END])
    logits = np.random.default_rng(0).normal(size=(3, 3, len(CODEC.vocabulary))).astype("float32")
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    expected = [
        sum(np.log(probabilities[row, i, t]) for i, t in enumerate(wanted)) for row, wanted in enumerate(targets)
    ]
    real = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0]], "float32")
    np.testing.assert_allclose(log_likelihood(tokens, logits, real), expected, rtol=1e-5)


def test_the_expectation_is_soft_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the gradients of all weights, as Bahdanau attention with the same weights has them."""
    monkeypatch.setattr(attention_module, "ENTROPY", 0.0)
    hard = make()
    soft = mm.Captioner.from_config({**hard.get_config(), "attention": "bahdanau"})
    soft.build({"regions": (None, REGIONS, FEATURES), "tokens": (None, None)})
    for ours, theirs in zip(hard.trainable_weights, soft.trainable_weights, strict=True):
        theirs.assign(ours)
    found = of_training(hard, np.full((1, 2), EXPECTED, "int32"), monkeypatch)
    with tf.GradientTape() as tape:
        loss = mm.token_loss(0.0)(TARGETS, soft({"regions": VALUES, "tokens": TOKENS}), np.full((1, 2), 0.5, "float32"))
    for one, other in zip(found, of_weights(tape, loss, soft), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# --- training ---


def from_tokens(self: HardAttention, tokens: Any) -> Any:
    """Numbers that depend on nothing but the tokens, so that every way to train draws the same ones."""
    places = ops.cumsum(ops.ones_like(tokens), axis=1)
    numbers = (ops.cast(tokens, "int32") * 7919 + places * 104_729 + tokens[:, 1:2] * 1_299_709) % NUMBERS
    return ops.where(tokens[:, 1:2] == C, EXPECTED, numbers)


FORMS: dict[str, dict[str, Any]] = {"lstm": {}, "two layers, gru": {"layers": 2, "cell": "gru"}}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_train_has_the_same_gradients(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eagerly and without deferring, looped and written out, with XLA and without; the penalty is on."""
    monkeypatch.setattr(HardAttention, "draw", from_tokens)
    tokens = np.array([[START, A, B, C], [START, C, END, 0], [START, B, END, 0]], "int32")
    regions = np.random.default_rng(2).normal(size=(3, REGIONS, FEATURES)).astype("float32")
    model = make(attention_penalty=1.0, **FORMS[form])

    def run(tokens: Any, regions: Any) -> Any:
        model.decoder.attention.baseline.assign(-4.0)
        with tf.GradientTape() as tape:
            logits = model({"regions": regions, "tokens": tokens}, training=True)
            loss = mm.token_loss(0.0)(tokens, logits) + sum(model.losses)
        weights = [weight.value for weight in model.trainable_weights]
        return [loss, *map(tf.convert_to_tensor, tape.gradient(loss, weights))]

    with monkeypatch.context() as plain:
        plain.setattr("mmtoolkit.layers.decoder_training.can_defer", lambda: False)
        expected = run(tf.constant(tokens), tf.constant(regions))
    for time, compiled in itertools.product((4, None), (False, True) if form == "lstm" else (False,)):
        specs = [tf.TensorSpec((None, time), tf.int32), tf.TensorSpec((None, REGIONS, FEATURES), tf.float32)]
        found = tf.function(run, input_signature=specs, autograph=False, jit_compile=compiled)(tokens, regions)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max() + 1e-7)


KINDS, PLACES = 6, 4
KIND_CODEC = mm.TextCodec.fit(["a b c d e f"])
READS = {"regions": (None, PLACES, KINDS + 1), "tokens": (None, None)}


def marked(count: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Pictures of four regions of any of six kinds; the word is the kind of the one that is marked."""
    random, rows = np.random.default_rng(seed), np.arange(count)
    kinds, place = random.integers(0, KINDS, (count, PLACES)), random.integers(0, PLACES, count)
    regions = np.eye(KINDS + 1, dtype="float32")[kinds]
    regions[rows, place, KINDS] = 1.0
    tokens = np.stack([np.full(count, START), A + kinds[rows, place]], axis=1).astype("int32")
    return {"regions": regions, "tokens": tokens}, place


def always(self: HardAttention, tokens: Any) -> Any:
    return keras.random.randint(ops.shape(tokens), 0, NUMBERS, seed=self.seed_generator)


def learner() -> mm.Captioner:
    """Made as in a new process."""
    keras.utils.set_random_seed(1)
    small = {"units": 16, "attention_units": 16, "embedding_dim": 8, "dropout": 0.0}
    small |= {"mean_input": False, "normalise_memory": False}  # the mean of all regions says little
    model = mm.Captioner(
        KIND_CODEC, attention="hard", attention_penalty=0.0, max_length=3, decoding=mm.Greedy(), **small
    )
    model.build(READS)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=5.0), loss=mm.token_loss(0.0))
    return model


def batches(steps: int) -> tf.data.Dataset:
    """Of 64 pictures each."""
    inputs, _ = marked(64 * steps, 0)
    targets = np.stack([inputs["tokens"][:, 1], np.full(64 * steps, END)], axis=1)
    rows = (inputs, targets, np.full(targets.shape, 1 / 128, "float32"))
    return tf.data.Dataset.from_tensor_slices(rows).batch(64, drop_remainder=True)


@pytest.mark.parametrize(
    ("draws", "compiled"),
    [(None, False), (None, True), (always, False)],
    ids=["as in the paper", "compiled by XLA", "by the reward alone"],
)
def test_it_learns_which_region_decides_the_word(
    draws: Callable[..., Any] | None, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chance is a sixth for words and a quarter for places. Where all is drawn, only the reward moves the attention."""
    if draws:
        monkeypatch.setattr(HardAttention, "draw", draws)
    if compiled:
        forced_auto_jit(monkeypatch)
    model = learner()
    model.fit(batches(150), verbose=0, shuffle=False)
    inputs, place = marked(300, 1)
    ids, _ = model.searched({"regions": inputs["regions"]})
    assert (ids[:, 0, 0] == inputs["tokens"][:, 1]).mean() > 0.97
    _, weights = model.teacher_forced(inputs)
    assert (np.asarray(weights)[:, 0].argmax(axis=-1) == place).mean() > 0.97


# --- what is kept ---


class Unvalidated(keras.callbacks.Callback):
    """Has no score."""

    def progress(self) -> dict[str, Any]:
        return {}

    def go_on(self, progress: dict[str, Any]) -> None:
        pass


def test_a_stopped_training_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """Its draws and its baseline go on where they were."""
    ends = []
    for name, stops in (("whole", ()), ("stopped", (4, 5))):
        for steps in (*stops, 0):
            model, stop = learner(), [StopAfter(steps)] if steps else []
            checkpoints = Checkpoints(tmp_path / name, steps=6, settings={}, validation=Unvalidated(), every=2)
            with pytest.raises(Stopped) if steps else contextlib.nullcontext():
                checkpoints.fit(model, lambda at: batches(6).skip(at.step), epochs=2, callbacks=stop)
        ends.append([np.array(variable) for variable in variables(model)])
        assert float(model.decoder.attention.baseline) < 0
        assert np.asarray(model.decoder.attention.seed_generator.state)[1] > 0
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_preset_has_it_all(tmp_path: Path) -> None:
    model = make()
    model.decoder.attention.baseline.assign(-3.5)
    for float16 in (False, True):
        model.save_preset(tmp_path / str(float16), float16=float16)
        again = mm.Captioner.from_preset(tmp_path / str(float16))
        assert type(again.decoder.attention) is HardAttention and again.has_attention
        assert float(again.decoder.attention.baseline) == -3.5
        logits, weights = again.teacher_forced({"regions": VALUES, "tokens": TOKENS})
        expected, expected_weights = model.teacher_forced({"regions": VALUES, "tokens": TOKENS})
        np.testing.assert_allclose(logits, expected, atol=1e-2 if float16 else 0)
        np.testing.assert_allclose(weights, expected_weights, atol=1e-2 if float16 else 0)
    config = tmp_path / "False" / "config.json"
    written = json.loads(config.read_text())
    assert written["model"]["attention"] == "hard"
    config.write_text(json.dumps({**written, "model": {**written["model"], "attention": "harder"}}))
    seal(tmp_path / "False")
    with pytest.raises(mm.InputError, match="expected one of bahdanau, hard, mean, none for 'attention'"):
        mm.Captioner.from_preset(tmp_path / "False")


def test_presets_of_soft_attention_have_no_baseline() -> None:
    soft = mm.Captioner.from_config({**make().get_config(), "attention": "bahdanau"})
    soft.build({"regions": (None, REGIONS, FEATURES), "tokens": (None, None)})
    assert not [weight.path for weight in soft.weights if "baseline" in weight.path]


@pytest.mark.slow
def test_the_served_graph_attends_as_the_preset(make_captioner: Any, tmp_path: Path) -> None:
    """It is verified as the server runs it, in all signatures."""
    model = make_captioner(mm.TextCodec.fit(["a red circle above it"]), attention="hard", max_length=5)
    random = np.random.default_rng(0)
    for weight in model.decoder.trainable_weights:
        weight.assign(random.normal(0, 0.7, weight.shape))
    _, verdict = mm.export(mm.task_of(model), model, tmp_path / "served")
    assert not verdict.problems


# --- what does not fit ---


def test_captions_are_not_rewarded_with_it(tmp_path: Path) -> None:
    records = [mm.CaptionRecord(tmp_path / "0.png", "0", ("a b c",))]
    order = {"batch_size": 1, "seed": 0, "epoch": 0, "step": 0}
    with pytest.raises(mm.InputError, match=r"Received: one with attention='hard'.*'bahdanau'\.$"):
        SelfCritical(records, reward="bleu").dataset(make(), records, None, **order)


def test_a_question_answerer_has_no_such_option() -> None:
    answers = mm.TextCodec.fit(["red"], level="whole")
    with pytest.raises(TypeError, match="unexpected keyword argument 'attention'"):
        mm.VisualQA(CODEC, answers, attention="hard")
