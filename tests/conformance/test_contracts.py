"""Every contract, run on every layer and every model of the table in `cases`."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance.cases import (
    ANSWERERS,
    BATCH,
    CAPTIONERS,
    CASES,
    COMPILED,
    DECODERS,
    LANGUAGE_MODELS,
    MASK,
    QUESTIONS,
    TIME,
    TOKENS,
    UNITS,
    VALUES,
    Case,
    floats,
)
from keras import ops

import mmtoolkit.layers
import mmtoolkit.models
from mmtoolkit.data.datasets import token_batch
from mmtoolkit.layers import BahdanauAttention, LSTMCell, Memory
from mmtoolkit.layers.attention import EXPECTED
from mmtoolkit.losses import token_loss
from mmtoolkit.models import Captioner

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_decoder = pytest.mark.parametrize("case", DECODERS, ids=lambda case: case.name)
every_captioner = pytest.mark.parametrize("case", CAPTIONERS, ids=lambda case: case.name)
every_answerer = pytest.mark.parametrize("case", ANSWERERS, ids=lambda case: case.name)
every_sequence = pytest.mark.parametrize("case", [*DECODERS, *LANGUAGE_MODELS, *CAPTIONERS], ids=lambda case: case.name)


def assert_same(ours: list[Any], theirs: list[Any], **tolerance: float) -> None:
    for one, other in zip(ours, theirs, strict=True):
        given = {"rtol": 1e-4, "atol": 1e-5, **tolerance}
        np.testing.assert_allclose(one, other, given["rtol"], given["atol"] * max(1.0, np.abs(other).max()))


def gradients(case: Case, layer: Any, inputs: dict[str, Any]) -> list[Any]:
    """Of the mean square of all outputs, with respect to every weight."""
    with tf.GradientTape() as tape:
        loss = sum(ops.mean(ops.square(ops.cast(output, "float32"))) for output in case.run(layer, inputs))
    return tape.gradient(loss, [weight.value for weight in layer.trainable_weights])


class Holder(keras.Model):
    """Saves the weights of any layer."""

    def __init__(self, part: keras.layers.Layer) -> None:
        super().__init__()
        self.part, self.built = part, True


EXEMPT = {
    "CarriedState": "holds no weights, but the state of a training (tests/models/test_language_model.py)",
    "CaptionerEnsemble": "holds captioners, and is never trained or saved (tests/models/test_ensemble.py)",
    "SearchGraph": "compiles a model's search; it has no weights and is never saved",
    "OwnAttention": "is a part of a decoder, in whose case it is (tests/models/test_own_layers.py)",
}


def packages_layers() -> Iterator[type]:
    """Every concrete Layer or Model class that `mmtoolkit.layers` and `mmtoolkit.models` define."""
    found = set()
    for package in (mmtoolkit.layers, mmtoolkit.models):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, type) and issubclass(value, keras.layers.Layer):
                    found.add(value)
    ours = {kind for kind in found if kind.__module__.startswith("mmtoolkit.")}
    for kind in ours:
        base = any(other is not kind and issubclass(other, kind) for other in ours)
        if not base or kind in (BahdanauAttention, LSTMCell, mmtoolkit.models.Captioner):  # each the base of another
            yield kind


def test_the_table_is_complete() -> None:
    assert {kind.__name__ for kind in packages_layers()} - set(EXEMPT) == {case.kind.__name__ for case in CASES}


@every
def test_the_case_is_of_its_kind(case: Case) -> None:
    assert type(case.make()) is case.kind


@every
def test_config_round_trip(case: Case) -> None:
    layer = case.ready()
    again = case.kind.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    case.run(again)
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
    again.set_weights(layer.get_weights())
    assert_same(case.run(again), case.run(layer), rtol=0, atol=0)


@every
def test_serialized_form_is_json(case: Case) -> None:
    layer = case.ready()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is case.kind
    assert json.dumps(keras.saving.serialize_keras_object(again)["config"]) == json.dumps(config["config"])


@every
def test_saved_weights_give_equal_outputs(case: Case, tmp_path: Path) -> None:
    layer, other = case.ready(), case.fresh(seed=4)
    if layer.weights:  # else any two are alike
        assert any(not np.allclose(a, b) for a, b in zip(case.run(layer), case.run(other), strict=True))
    Holder(layer).save_weights(tmp_path / "model.weights.h5")
    Holder(other).load_weights(tmp_path / "model.weights.h5")
    assert_same(case.run(other), case.run(layer), rtol=0, atol=0)


@every
def test_half_precision_is_close(case: Case) -> None:
    layer, half = case.ready(), case.ready(dtype="mixed_bfloat16")
    assert half.compute_dtype == "bfloat16" and all(w.dtype == "float32" for w in half.trainable_weights)
    outputs = [np.asarray(ops.cast(output, "float32")) for output in case.run(half)]
    expected = [np.asarray(output) for output in case.run(layer)]
    for ours, full in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(ours, full, atol=0.04 * max(1.0, np.abs(full).max()))
    assert any((ours != full).any() for ours, full in zip(outputs, expected, strict=True))


@every
def test_half_precision_has_gradients_in_float32(case: Case) -> None:
    layer, half = case.ready(), case.ready(dtype="mixed_bfloat16")
    found, expected = gradients(case, half, case.inputs), gradients(case, layer, case.inputs)
    assert all(gradient.dtype == tf.float32 for gradient in found)
    norm = np.sqrt(sum(np.square(g).sum() for g in map(np.asarray, expected)))
    difference = np.sqrt(sum(np.square(np.asarray(a) - b).sum() for a, b in zip(found, expected, strict=True)))
    if layer.weights:
        assert difference < 0.1 * norm


@pytest.mark.parametrize("case", COMPILED, ids=lambda case: case.name)
def test_compiled_by_xla_outputs_and_gradients_are_equal(case: Case) -> None:
    layer = case.ready()

    @tf.function(jit_compile=True)
    def compiled(inputs: dict[str, Any]) -> Any:
        return case.run(layer, inputs), gradients(case, layer, inputs)

    outputs, found = compiled(keras.tree.map_structure(tf.constant, case.inputs))
    expected = gradients(case, layer, case.inputs)
    assert_same(outputs, case.run(layer))
    assert_same(found, expected)
    assert all(np.abs(gradient).max() > 0 for gradient in expected)  # no weight is idle


@every_sequence
def test_padding_on_the_right_changes_no_logit_and_no_loss(case: Case) -> None:
    layer = case.ready()
    _, targets, weights = token_batch([np.array([1, 4, 5, 2]), np.array([1, 7, 2])])
    tokens = np.where(targets == 0, 0, TOKENS)
    wide = [np.pad(array, ((0, 0), (0, 4))) for array in (tokens, targets, weights)]
    logits = case.run(layer, {**case.inputs, "tokens": tokens})[0]
    padded = case.run(layer, {**case.inputs, "tokens": wide[0]})[0]
    assert_same([padded[:, :TIME]], [logits], atol=1e-6)
    losses = float(token_loss()(targets, logits, weights)), float(token_loss()(wide[1], padded, wide[2]))
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


@every_captioner
def test_padding_on_the_right_changes_no_penalty(case: Case) -> None:
    model, penalties = case.ready(), []
    for width in (0, 4):
        model({**case.inputs, "tokens": np.pad(TOKENS, ((0, 0), (0, width)))}, training=True)
        penalties.append(float(sum(model.losses)))
    assert penalties[1] == pytest.approx(penalties[0], rel=1e-5)
    assert (penalties[0] > 0) == (model.decoder.attention is not None)


def stepped(layer: Any, tokens: Any, memory: Memory) -> list[Any]:
    """What looping `step` gives: logits, and the alignments of the same cell."""
    state, logits, attention_weights = layer.initial_state(memory), [], []
    for time in range(tokens.shape[1]):
        step_logits, after = layer.step(tokens[:, time], state, memory)
        if layer.attention:  # the old state attends, or with two layers the new one of the lower
            query = after[-layer.cell.states] if layer.lower else state[0]
            shift = layer.words_to_query(layer.embedding(tokens[:, time])) if layer.words_to_query else None
            attention_weights.append(layer.attention(query, memory, shift)[1])
        logits.append(step_logits)
        state = after
    return [ops.stack(parts, axis=1) for parts in (logits, attention_weights) if parts]


@every_decoder
@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_looping_step_equals_call(case: Case, mask: np.ndarray | None) -> None:
    layer = case.ready()
    looped = Case(case.name, case.kind, case.make, {}, lambda *_: stepped(layer, TOKENS, layer.prepare(VALUES, mask)))
    called = Case(case.name, case.kind, case.make, {}, lambda *_: layer(TOKENS, layer.prepare(VALUES, mask)))
    assert_same(looped.run(layer), called.run(layer), atol=1e-6)
    assert_same(gradients(looped, layer, {}), gradients(called, layer, {}), atol=1e-6)


@pytest.mark.parametrize("case", [*DECODERS[::4], *LANGUAGE_MODELS, *CAPTIONERS], ids=lambda case: case.name)
def test_a_length_known_only_at_run_time_gives_the_same(case: Case) -> None:
    """Scanned, not unrolled: outputs and gradients; other forms of decoders are compared in layers/test_deferred."""
    layer = case.ready()
    signature = {
        name: tf.TensorSpec([None, None] if name == "tokens" else [None, *value.shape[1:]], value.dtype)
        for name, value in case.inputs.items()
    }
    graph = tf.function(
        lambda inputs: (case.run(layer, inputs), gradients(case, layer, inputs)), input_signature=[signature]
    )
    outputs, found = graph(keras.tree.map_structure(tf.constant, case.inputs))
    assert "while" in " ".join(op.type.lower() for op in graph.get_concrete_function().graph.get_operations())
    assert_same(outputs, case.run(layer))
    assert_same(found, gradients(case, layer, case.inputs))


@every_decoder
def test_hypotheses_share_the_memory_of_their_picture(case: Case) -> None:
    """Rows 0 to 2 belong to picture 0, rows 3 to 5 to picture 1; the memory keeps one row per picture."""
    layer, tokens = case.ready(), np.array([4, 5, 6, 7, 8, 4])
    state = tuple(floats(6, UNITS, seed=10 + i) for i in range(layer.cell.states * layer.layers))
    logits, after = layer.step(tokens, state, layer.prepare(VALUES, MASK))
    repeated = layer.prepare(np.repeat(VALUES, 3, axis=0), np.repeat(MASK, 3, axis=0))
    expected, expected_after = layer.step(tokens, state, repeated)
    assert_same([logits, *after], [expected, *expected_after], atol=1e-6)


@pytest.mark.parametrize("case", [c for c in DECODERS if c.make().attention], ids=lambda case: case.name)
def test_masked_regions_get_no_attention(case: Case) -> None:
    layer = case.ready()
    logits, attention_weights = layer(TOKENS, layer.prepare(VALUES, MASK))
    attention_weights = np.moveaxis(np.asarray(attention_weights), 1, 0)  # [time, batch, regions]
    assert (attention_weights[:, ~MASK] == 0.0).all() and (attention_weights[:, MASK] > 0.0).all()
    np.testing.assert_allclose(attention_weights.sum(axis=-1), 1.0, atol=1e-6)


@every_decoder
def test_what_masked_regions_hold_does_not_matter(case: Case) -> None:
    layer = case.ready()
    elsewhere = np.where(MASK[..., None], VALUES, 50.0).astype("float32")
    runs = [layer(TOKENS, layer.prepare(values, MASK))[0] for values in (VALUES, elsewhere)]
    assert_same([runs[1]], [runs[0]], atol=1e-5)
    assert np.abs(layer(TOKENS, layer.prepare(VALUES))[0] - runs[0]).max() > 1e-3


@every_captioner
def test_attention_over_a_picture_sums_to_one(case: Case) -> None:
    model = case.ready()
    logits, attention_weights = model.teacher_forced(case.inputs)
    if not model.decoder.attention:
        assert attention_weights is None
        return
    np.testing.assert_allclose(np.asarray(attention_weights).sum(axis=-1), 1.0, atol=1e-6)
    assert_same([logits], case.run(model), atol=1e-6)


@every_sequence
def test_dropout_works_only_in_training(case: Case) -> None:
    layer = case.ready(dropout=0.5, word_dropout=0.3, memory_dropout=0.3)
    plain = case.ready(dropout=0.0)
    assert_same(case.run(layer), case.run(plain), atol=0)

    def trained() -> Any:
        if isinstance(layer, Captioner):
            return layer({**case.inputs}, training=True)
        memory = layer.prepare(case.inputs.get("values"), training=True)
        return layer(TOKENS, memory and memory._replace(draws=np.full(TOKENS.shape, EXPECTED)), training=True)[0]

    training = [trained() for _ in range(2)]
    assert np.abs(training[0] - training[1]).max() > 1e-3


@every_answerer
def test_padding_a_question_changes_no_answer(case: Case) -> None:
    model = case.ready()
    wide = {**case.inputs, "question": np.pad(QUESTIONS, ((0, 0), (0, 3)))}
    assert_same(case.run(model, wide), case.run(model), atol=1e-6)


@every_answerer
def test_a_question_of_unknown_length_gives_the_same_answer(case: Case) -> None:
    model = case.ready()
    words = ("question", "tokens")
    signature = {
        name: tf.TensorSpec([None, None] if name in words else [None, *value.shape[1:]], value.dtype)
        for name, value in case.inputs.items()
    }
    graph = tf.function(lambda inputs: case.run(model, inputs), input_signature=[signature])
    assert_same(graph(keras.tree.map_structure(tf.constant, case.inputs)), case.run(model))


@every_answerer
def test_answers_are_searched_for_with_their_probabilities(case: Case) -> None:
    """One head chooses: a softmax over the answers. The other writes: what teacher forcing says of the words."""
    model = case.ready()
    given = {name: value for name, value in case.inputs.items() if name != "tokens"}
    ids, scores = (np.asarray(found) for found in model.search(given, model.best(2)))
    assert ids.shape[:2] == scores.shape == (BATCH, 2)
    if model.head == "classify":
        logits = case.run(model)[0]
        expected = np.sort(np.asarray(ops.log_softmax(logits)))[:, ::-1][:, :2]
        assert (ids[:, :, 0] >= 4).all()
    else:
        best = ids[:, 0]
        tokens = np.concatenate([np.full((BATCH, 1), 1), best], axis=1).astype("int32")
        told = np.asarray(ops.log_softmax(model({**given, "tokens": tokens[:, :-1]})))
        picked = np.take_along_axis(told, best[..., None], -1)[..., 0]
        before_end = np.cumsum(best == 2, axis=1) - (best == 2) == 0
        expected, scores = (picked * before_end).sum(axis=1), scores[:, 0]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
