"""The gradients that are summed after a loop, and the compiled comparison: as the plain form has them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmtoolkit.layers import AttentionDecoder, BahdanauAttention, LSTMCell, Memory, SequenceEncoder
from mmtoolkit.layers import attention as attention_module
from mmtoolkit.layers.deferred import DIRECT, Deferred, DeferredAttention, Direct
from mmtoolkit.layers.scores import CompiledScores, additive_scores
from mmtoolkit.layers.unroll import states_before, unroll

BATCH, TIME, REGIONS, FEATURES, VOCABULARY = 3, 3, 7, 8, 20
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(BATCH, REGIONS, FEATURES)).astype("float32")
MASK = np.arange(REGIONS)[None] < np.array([7, 5, 6])[:, None]
TOKENS = RANDOM.integers(0, VOCABULARY, (BATCH, TIME)).astype("int32")
WEIGHTS = RANDOM.normal(size=(BATCH, TIME, VOCABULARY)).astype("float32")

FORMS: dict[str, dict[str, Any]] = {
    "default": {},
    "gru": {"cell": "gru"},
    "vanilla": {"cell": "vanilla"},
    "two layers": {"layers": 2},
    "two layers, gru": {"layers": 2, "cell": "gru", "gated_context": "none"},
    "paper": {"word_in_query": False, "mean_input": False, "gated_context": "scalar"},
    "two layers, vanilla": {"layers": 2, "cell": "vanilla"},
    "gru of lectures": {"cell": "gru_lecture"},
    "depth-gated": {"layers": 3, "cell": "depth_gated"},
    "tied": {"tie_output": True},
    "three layers": {"layers": 3},
    "mean": {"attention": "mean"},
    "no attention": {"attention": "none", "layers": 2},
}


@pytest.fixture(autouse=True)
def worth_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small as they are, the decoders of these tests run the form that large ones do."""
    monkeypatch.setattr(attention_module, "WORTH_COMPILING", 0)


def make(dtype: str = "float32", **form: Any) -> AttentionDecoder:
    keras.utils.set_random_seed(0)
    decoder = AttentionDecoder(
        VOCABULARY, units=12, embedding_dim=6, attention_units=9, dropout=0.0, dtype=dtype, **form
    )
    decoder.build((None, None), (None, REGIONS, FEATURES))
    return decoder


def gradients(decoder: AttentionDecoder, *, training: bool, time: int | None = None, compiled: bool = False) -> Any:
    """Logits, and the gradients of all weights and of the values, of a sum weighted at random."""
    weights = [weight.value for weight in decoder.trainable_weights]
    batch = BATCH if compiled else None
    signature = [
        tf.TensorSpec((batch, time), tf.int32),
        tf.TensorSpec((batch, REGIONS, FEATURES), tf.float32),
    ]

    @tf.function(input_signature=signature, autograph=False, jit_compile=compiled)
    def run(tokens: Any, values: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            logits, attention_weights = decoder(tokens, decoder.prepare(values, MASK), training=training)
            loss = tf.reduce_sum(logits * WEIGHTS)
            loss += 0.0 if attention_weights is None else tf.reduce_sum(attention_weights**2)
        return logits, [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, [*weights, values])]

    logits, found = run(TOKENS, VALUES)
    return logits.numpy(), [gradient.numpy() for gradient in found]


WAYS: dict[str, dict[str, Any]] = {"looped": {}, "written out": {"time": TIME}}
COMPILED = {
    "compiled": {"time": TIME, "compiled": True},
    "looped and compiled": {"compiled": True},
}


@pytest.mark.parametrize("form", FORMS)
def test_training_has_the_gradients_of_the_plain_form(form: str) -> None:
    """Written out and looped; compiled by XLA for the first form and the deepest one."""
    decoder = make(**FORMS[form])
    plain_logits, plain = gradients(decoder, training=False)
    for name, way in (WAYS | (COMPILED if form in ("default", "three layers") else {})).items():
        logits, found = gradients(decoder, training=True, **way)
        np.testing.assert_allclose(logits, plain_logits, atol=1e-5, err_msg=name)
        for one, other in zip(found, plain, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max(), rtol=1e-4, err_msg=name)


def test_a_gradient_is_what_a_small_change_does() -> None:
    """Against finite differences, which know neither form."""
    decoder = make()
    _, found = gradients(decoder, training=True)
    names = [weight.path for weight in decoder.trainable_weights]
    for name in ("recurrent_kernel", "context_to_gates/kernel", "query/kernel", "keys/kernel", "attention/v"):
        place = next(i for i, path in enumerate(names) if path.endswith(name))
        weight, step = decoder.trainable_weights[place], 1e-2
        start = np.array(weight)
        index = np.unravel_index(np.abs(found[place]).argmax(), start.shape)
        sums = []
        for sign in (1, -1):
            moved = start.copy()
            moved[index] += sign * step
            weight.assign(moved)
            logits, attention_weights = decoder(TOKENS, decoder.prepare(VALUES, MASK))
            sums.append(float(tf.reduce_sum(logits * WEIGHTS) + tf.reduce_sum(attention_weights**2)))
        weight.assign(start)
        assert (sums[0] - sums[1]) / (2 * step) == pytest.approx(found[place][index], rel=0.02), name


def test_half_precision_has_the_gradients_of_full_precision_but_for_its_rounding() -> None:
    full, half = (gradients(make(dtype), training=True)[1] for dtype in ("float32", "mixed_bfloat16"))
    for one, other in zip(half, full, strict=True):
        assert np.linalg.norm(one - other) < 0.05 * np.linalg.norm(other) + 1e-3


def attention_of(keys: np.ndarray, v: np.ndarray) -> tuple[BahdanauAttention, Memory]:
    """An attention with that `v`, and a memory with those keys."""
    attention = BahdanauAttention(len(v))
    attention.build((None, 3), (None, None, 2))
    attention.v.assign(v)
    return attention, Memory(tf.constant(keys), tf.zeros((*keys.shape[:2], 2)))


@pytest.mark.parametrize(("size", "shift"), [(0.0, 0.0), (1.0, 0.0), (30.0, 0.0), (300.0, 0.0), (1.0, 40.0)])
def test_scores_are_those_of_tanh_also_where_it_is_saturated(size: float, shift: float) -> None:
    query = tf.constant((size * RANDOM.normal(size=(2, 6)) + shift).astype("float32"))
    keys, v = (RANDOM.normal(size=(2, 4, 6)) - shift).astype("float32"), RANDOM.normal(size=6).astype("float32")
    engine = DeferredAttention([], *attention_of(keys, v))
    found = []
    for way in (lambda q: engine.scores(q, tf.zeros((2, 4 + 6 + 6))), lambda q: additive_scores(q, keys, v)):
        with tf.GradientTape() as tape:
            tape.watch(query)
            scores = way(query)
        found += [scores, tape.gradient(scores, query)]
    np.testing.assert_allclose(found[0], found[2], atol=5e-5)
    np.testing.assert_allclose(found[1], found[3], atol=5e-4 if shift else 5e-5)


def test_hypotheses_are_compared_with_the_keys_of_their_picture() -> None:
    query, keys = RANDOM.normal(size=(2 * 3, 6)).astype("float32"), RANDOM.normal(size=(2, 4, 6)).astype("float32")
    v = RANDOM.normal(size=6).astype("float32")
    expected = np.tanh(query.reshape(2, 3, 1, 6) + keys[:, None]) @ v
    np.testing.assert_allclose(CompiledScores(tf.constant(keys))(tf.constant(query), v), expected, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_only_training_is_compiled(training: bool) -> None:
    """What is served must not be: the server has no XLA for the CPU."""
    decoder = make()
    function = tf.function(lambda tokens: decoder(tokens, decoder.prepare(VALUES), training=training)[0])
    graph = function.get_concrete_function(tf.TensorSpec((BATCH, None), tf.int32)).graph.as_graph_def()
    assert any("_XlaMustCompile" in part.attr for part in graph.library.function) == training


def test_changed_kernels_are_multiplied_by_their_own_layers() -> None:
    decoder = make()
    memory = decoder.prepare(VALUES)
    plain, _ = decoder(TOKENS, memory)
    assert decoder.attention.can_fuse(memory)
    for layer in (decoder.context_to_gates, decoder.attention.query_projection):
        layer.quantize("int8")
    assert not decoder.attention.can_fuse(memory)
    np.testing.assert_allclose(decoder(TOKENS, memory)[0], plain, atol=0.03 * np.abs(plain).max())
    for training in (False, True):  # LoRA starts as nothing
        decoder = make()
        decoder.context_to_gates.enable_lora(2)
        np.testing.assert_allclose(decoder(TOKENS, memory, training=training)[0], plain, atol=1e-5)


def test_a_loop_that_was_not_finished_has_no_gradients() -> None:
    engine, projections = Deferred([tf.zeros((3, 6))]), tf.zeros((5, 2, 6))
    with tf.GradientTape() as tape:
        tape.watch(projections)
        inputs = engine.step_inputs(projections)
    with pytest.raises(ValueError, match="finish"):
        tape.gradient(inputs, projections)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_searches_compare_as_an_export_does(dtype: str) -> None:
    """In half precision too: what is written must not depend on where."""
    query, keys, v = (tf.cast(RANDOM.normal(size=size), dtype) for size in ((6, 8), (2, 4, 8), (8,)))
    np.testing.assert_allclose(CompiledScores(keys)(query, v), additive_scores(query, keys, v), atol=2e-6)


def test_small_comparisons_and_none_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_module, "WORTH_COMPILING", REGIONS * 9)
    decoder = make()
    assert decoder.fused(decoder.prepare(VALUES)).compare
    assert not decoder.fused(decoder.prepare(VALUES[:, 1:])).compare
    plain = make(attention="mean")
    assert not plain.fused(plain.prepare(VALUES)).compare


ENCODERS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "both ways": {"bidirectional": True, "layers": 2},
    "gru": {"cell": "gru", "bidirectional": True},
    "vanilla": {"cell": "vanilla", "bidirectional": True, "layers": 3},
    "gru of lectures": {"cell": "gru_lecture"},
    "depth-gated": {"cell": "depth_gated", "bidirectional": True, "layers": 2},
}


@pytest.mark.parametrize("time", [None, TIME], ids=["looped", "written out"])
@pytest.mark.parametrize("form", ENCODERS.values(), ids=ENCODERS)
def test_an_encoder_has_the_gradients_of_the_plain_form(form: dict[str, Any], time: int | None) -> None:
    encoder = SequenceEncoder(6, **form)
    vectors, mask = RANDOM.normal(size=(BATCH, TIME, 4)).astype("float32"), np.arange(TIME) < np.array([[3], [2], [1]])
    encoder(vectors)
    for weight in encoder.weights:
        weight.assign(0.5 * RANDOM.normal(size=weight.shape))
    signature = [tf.TensorSpec((BATCH, time, 4), tf.float32), tf.TensorSpec((BATCH, time), tf.bool)]

    def found(*, training: bool) -> Any:
        @tf.function(input_signature=signature)
        def run(vectors: Any, mask: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(vectors)
                outputs, last = encoder(vectors, mask, training=training)
                loss = tf.reduce_sum(outputs**3) + tf.reduce_sum(last)
            return outputs, last, *tape.gradient(loss, [vectors, *(weight.value for weight in encoder.weights)])

        return run(vectors, mask)

    for ours, plain in zip(found(training=True), found(training=False), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-5 * np.abs(plain).max(), rtol=1e-4)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_example_of_the_class(reverse: bool) -> None:
    """The gradient of the recurrent kernel is that of the plain loop, in both directions."""
    cell, projections = LSTMCell(4), tf.constant(RANDOM.normal(size=(TIME, BATCH, 16)).astype("float32"))
    cell.build()
    start = (tf.zeros((BATCH, 4)),) * 2

    def gradient(engine: Direct) -> Any:
        with tf.GradientTape() as tape:
            inputs = engine.step_inputs(projections)
            states, last = unroll(lambda s, x: engine.cell(cell, x, s), start, inputs, reverse=reverse)
            engine.finish([states_before(states[0], start[0], reverse=reverse)])
            loss = tf.reduce_sum(states[0] ** 2) + tf.reduce_sum(last[1])
        return tape.gradient(loss, cell.recurrent_kernel.value)

    np.testing.assert_allclose(gradient(Deferred([cell.recurrent_kernel])), gradient(DIRECT), rtol=1e-4, atol=1e-6)
