"""The decoder's step, against the equations of Show, Attend and Tell in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy_cells import advance, sigmoid

from mmtoolkit.errors import InputError
from mmtoolkit.layers import AttentionDecoder

SIZE, UNITS, EMBEDDING, REGIONS, FEATURES = 9, 4, 6, 5, 3
RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(2, REGIONS, FEATURES)).astype("float32")
MASK = np.array([[True, True, False, True, False], [True, False, True, True, True]])
TOKENS = np.array([4, 7])


def make(**options: Any) -> AttentionDecoder:
    given = {"units": UNITS, "embedding_dim": EMBEDDING, "attention_units": 7, "dropout": 0.0, **options}
    decoder = AttentionDecoder(SIZE, **given)
    decoder(np.ones((2, 1), "int32"), decoder.prepare(VALUES))
    for weight in decoder.weights:
        weight.assign(0.5 * RANDOM.normal(size=weight.shape))
    return decoder


def dense(layer: Any, x: np.ndarray) -> np.ndarray:
    kernel, *bias = (np.asarray(weight, "float64") for weight in layer.weights)
    return x @ kernel + (bias[0] if bias else 0.0)


def seen(decoder: AttentionDecoder) -> np.ndarray:
    """The regions as the decoder sees them: each with mean 0 and spread 1, unless that is switched off."""
    if not decoder.normalise_memory:
        return VALUES
    return (VALUES - VALUES.mean(axis=-1, keepdims=True)) / np.sqrt(VALUES.var(axis=-1, keepdims=True) + 1e-5)


def attention_weights(decoder: AttentionDecoder, hidden: np.ndarray, word: np.ndarray, row: int) -> np.ndarray:
    """Equations 4 to 6 and 13: the weighted mean of the regions that exist, scaled by beta of section 4.2.1.

    The word, where it has a part in the query, is added to it in the space of the comparison.
    """
    values = seen(decoder)[row]
    if decoder.attention_name == "mean":
        return values[MASK[row]].mean(axis=0)
    keys = dense(decoder.attention.key_projection, values)
    query = dense(decoder.attention.query_projection, hidden)
    if decoder.word_in_query and decoder.layers == 1:  # the lowest of several has read it
        query = query + dense(decoder.words_to_query, word)
    scores = np.tanh(query + keys) @ np.asarray(decoder.attention.v)
    weights = np.where(MASK[row], np.exp(scores), 0.0)
    context = values[weights.argmax()] if decoder.attention_name == "hard" else weights @ values / weights.sum()
    return sigmoid(dense(decoder.gate, hidden)) * context if decoder.gate else context


def by_hand(decoder: AttentionDecoder, state: list[np.ndarray], row: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """One picture, one step: logits and the new state."""
    word = np.asarray(decoder.embedding.table, "float64")[TOKENS[row]]
    size = decoder.cell.states
    inputs, parts = dense(decoder.words_to_gates, word), [state[i : i + size] for i in range(0, len(state), size)]
    *above, own, lower = [*parts, []] if decoder.layers == 1 else parts  # from the top down
    if decoder.attention and decoder.mean_input:
        inputs = inputs + dense(decoder.mean_to_gates, seen(decoder)[row][MASK[row]].mean(axis=0))
    query = state[0]
    if decoder.layers > 1:  # Anderson et al., section 3.2: the lowest cell reads the word and the top output
        lower = advance(decoder.lower, inputs + dense(decoder.state_to_lower, query), lower)
        query = lower[0]
        inputs = dense(decoder.lower_to_gates, query)
    if decoder.attention_name != "none":
        context = attention_weights(decoder, query, word, row)
        inputs = inputs + dense(decoder.context_to_gates, context)
    new = advance(decoder.cell, inputs, own, lower) + lower
    for cell, to_gates, before in zip(decoder.upper, decoder.upper_to_gates, above[::-1], strict=True):
        new = advance(cell, dense(to_gates, new[0]), before, new) + new
    output = new[0]
    if decoder.deep_output:  # equation 7
        output = word + dense(decoder.state_to_output, new[0])
        if decoder.attention_name != "none":
            output = output + dense(decoder.context_to_output, context)
    if decoder.output_layer:
        return dense(decoder.output_layer, output), new
    return np.asarray(decoder.embedding.table) @ output + np.asarray(decoder.output_bias), new


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"normalise_memory": False},
        {"word_in_query": False},
        {"mean_input": False},
        {"word_in_query": False, "mean_input": False, "gated_context": "scalar"},  # as the paper has it
        {"gated_context": "none"},
        {"deep_output": False},
        {"gated_context": "none", "deep_output": False},
        {"tie_output": True},
        {"attention": "hard"},
        {"attention": "hard", "layers": 2, "cell": "gru"},
        {"cell": "gru"},
        {"cell": "gru", "gated_context": "none", "tie_output": True},
        {"cell": "vanilla"},
        {"cell": "vanilla", "attention": "mean", "deep_output": False},
        {"cell": "lstm", "attention": "none"},
        {"layers": 2},
        {"layers": 2, "cell": "gru", "gated_context": "scalar"},
        {"layers": 2, "attention": "mean"},
        {"layers": 2, "cell": "vanilla", "attention": "none", "deep_output": False},
        {"layers": 3},
        {"layers": 4, "cell": "gru", "attention": "mean"},
        {"layers": 3, "cell": "depth_gated"},
        {"layers": 2, "cell": "peephole"},
        {"cell": "gru_lecture"},
        {"cell": "jordan"},
    ],
    ids=str,
)
def test_a_step_equals_the_paper(options: dict[str, Any]) -> None:
    decoder = make(**options)
    state = [RANDOM.normal(size=(2, UNITS)).astype("float32") for _ in range(decoder.cell.states * decoder.layers)]
    logits, after = decoder.step(TOKENS, tuple(state), decoder.prepare(VALUES, MASK))
    for row in range(2):
        expected_logits, expected_state = by_hand(decoder, [part[row] for part in state], row)
        np.testing.assert_allclose(logits[row], expected_logits, atol=1e-5)
        for part, expected in zip(after, expected_state, strict=True):
            np.testing.assert_allclose(part[row], expected, atol=1e-5)


def test_a_gate_is_as_wide_as_what_it_scales() -> None:
    widths = {form: make(gated_context=form).gate for form in ("features", "scalar", "none")}
    assert widths["features"].kernel.shape == (UNITS, FEATURES) and widths["scalar"].kernel.shape == (UNITS, 1)
    assert widths["none"] is None


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_first_state_comes_from_the_mean_of_the_regions_that_exist(cell: str) -> None:
    decoder = make(cell=cell)
    state = decoder.initial_state(decoder.prepare(VALUES, MASK))
    assert len(state) == decoder.cell.states
    for part, layer in zip(state, decoder.initial, strict=True):
        for row in range(2):
            mean = seen(decoder)[row, MASK[row]].mean(axis=0)
            np.testing.assert_allclose(part[row], np.tanh(dense(layer, mean)), atol=1e-5)


def test_a_condition_takes_the_place_of_the_mean() -> None:
    decoder, other = make(), RANDOM.normal(size=(2, FEATURES)).astype("float32")
    memory = decoder.prepare(VALUES)
    for part, layer in zip(decoder.initial_state(memory, other), decoder.initial, strict=True):
        np.testing.assert_allclose(part, np.tanh(dense(layer, other)), atol=1e-5)
    tokens = np.array([[4, 5], [6, 7]])
    conditioned, plain = decoder(tokens, memory, other)[0], decoder(tokens, memory)[0]
    first = decoder.step(tokens[:, 0], decoder.initial_state(memory, other), memory)[0]
    np.testing.assert_allclose(conditioned[:, 0], first, atol=1e-5)
    assert np.abs(conditioned - plain).max() > 1e-3


def test_a_condition_may_have_a_width_of_its_own() -> None:
    decoder = AttentionDecoder(SIZE, units=UNITS, embedding_dim=EMBEDDING)
    memory, question = decoder.prepare(VALUES), RANDOM.normal(size=(2, 11)).astype("float32")
    decoder(np.ones((2, 2), "int32"), memory, question)
    assert [tuple(layer.kernel.shape) for layer in decoder.initial] == [(11, UNITS)] * 2


def test_word_vectors_given_are_the_first_weights() -> None:
    table = RANDOM.normal(size=(SIZE, EMBEDDING)).astype("float32")
    decoder = AttentionDecoder(SIZE, units=UNITS, embedding_dim=EMBEDDING, embeddings=table)
    decoder.build((None, None), (None, REGIONS, FEATURES))
    np.testing.assert_array_equal(decoder.embedding.table, table)
    assert "embeddings" not in decoder.get_config()


def test_preparing_first_or_building_first_makes_the_same_weights() -> None:
    prepared, built = make(), AttentionDecoder(SIZE, units=UNITS, embedding_dim=EMBEDDING, attention_units=7)
    built.build((None, None), (None, REGIONS, FEATURES))
    assert [tuple(w.shape) for w in prepared.weights] == [tuple(w.shape) for w in built.weights]


def test_a_tied_output_trains_the_word_vectors_through_both_ends() -> None:
    """A word that is only predicted, never read, gets a gradient too."""
    decoder = make(tie_output=True)
    with tf.GradientTape() as tape:
        logits, _ = decoder(np.array([[4, 5]]), decoder.prepare(VALUES[:1]))
        loss = tf.reduce_sum(logits[..., 8])
    gradient = tape.gradient(loss, decoder.embedding.table.value).numpy()
    assert np.abs(gradient[[4, 5, 8]]).min() > 0 and not gradient[[0, 1, 2, 3, 6, 7]].any()


def test_a_memory_without_the_mean_is_refused() -> None:
    decoder = make()
    bare = decoder.attention.prepare(VALUES)
    with pytest.raises(InputError, match="its own prepare"):
        decoder(TOKENS[:, None], bare)


def test_hard_attention_is_not_trained_without_what_it_draws_by() -> None:
    decoder = make(attention="hard")
    memory = decoder.prepare(VALUES)
    decoder(TOKENS[:, None], memory)
    with pytest.raises(InputError, match=r"Received: one without; pass memory\._replace"):
        decoder(TOKENS[:, None], memory, training=True)


def test_a_misspelt_cell_names_the_near_one() -> None:
    with pytest.raises(InputError, match="Received: 'grru'. Did you mean 'gru'"):
        AttentionDecoder(SIZE, cell="grru")


def test_a_tied_output_needs_the_deep_one() -> None:
    with pytest.raises(InputError, match="tie_output needs deep_output"):
        AttentionDecoder(SIZE, tie_output=True, deep_output=False)


def test_word_dropout_drops_words_whole_and_scales_the_others() -> None:
    """Each row is the logits of the word twice as long (a rate of one half) or of no word at all."""
    decoder = make(word_dropout=0.5)
    rows, table = 100, np.asarray(decoder.embedding.table)
    tokens = np.full((2 * rows, 1), TOKENS[0])
    memory = decoder.prepare(np.repeat(VALUES, rows, axis=0))
    found = np.asarray(decoder(tokens, memory, training=True)[0])[:, 0]
    alternatives = []
    for scale in (2.0, 0.0):
        decoder.embedding.table.assign(scale * table)
        alternatives.append(np.asarray(decoder(tokens, memory)[0])[:, 0])
    kept, dropped = (np.abs(found - other).max(axis=-1) < 1e-5 for other in alternatives)
    assert (kept ^ dropped).all()
    assert 70 < dropped.sum() < 130  # 100 expected, with a standard deviation of 7


def test_memory_dropout_drops_a_feature_from_all_regions_of_a_picture() -> None:
    decoder = make(memory_dropout=0.5, normalise_memory=False)
    values = np.ones((50, REGIONS, FEATURES), "float32")
    dropped = np.asarray(decoder.prepare(values, training=True).values)
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()
    assert 0.3 < (dropped[:, 0] == 0.0).mean() < 0.7
    np.testing.assert_array_equal(decoder.prepare(values).values, values)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "vanilla"])
def test_without_attention_the_picture_is_the_first_thing_read(cell: str, layers: int) -> None:
    """Show and Tell: x_-1 is the picture, from a state of zeros; after that the picture does not count."""
    decoder = make(cell=cell, layers=layers, attention="none")
    memory = decoder.prepare(VALUES, MASK)
    for row, mean in enumerate(values[mask].mean(axis=0) for values, mask in zip(seen(decoder), MASK, strict=True)):
        zeros = [np.zeros(UNITS)] * decoder.cell.states
        expected = advance(decoder.lower or decoder.cell, dense(decoder.condition_to_gates, mean), zeros)
        if layers > 1:
            expected = advance(decoder.cell, dense(decoder.lower_to_gates, expected[0]), zeros) + expected
        for upper, to_gates in zip(decoder.upper, decoder.upper_to_gates, strict=True):
            expected = advance(upper, dense(to_gates, expected[0]), zeros) + expected
        for part, wanted in zip(decoder.initial_state(memory), expected, strict=True):
            np.testing.assert_allclose(part[row], wanted, atol=1e-5)
    state, others = decoder.initial_state(memory), decoder.prepare(VALUES[::-1], MASK)
    np.testing.assert_array_equal(decoder.step(TOKENS, state, memory)[0], decoder.step(TOKENS, state, others)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 0}, "whole number from 1. Received: layers=0"),
        ({"layers": 1.5}, "whole number from 1. Received: layers=1.5"),
        ({"attention": "luong"}, "one of bahdanau, hard, mean, none. Received: 'luong'"),
        ({"gated_context": True}, "one of features, scalar, none. Received: True"),
    ],
)
def test_forms_that_there_are_none_of(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AttentionDecoder(SIZE, **options)


def test_frozen_word_vectors_are_no_trainable_weight() -> None:
    table = RANDOM.normal(size=(SIZE, EMBEDDING)).astype("float32")
    free, frozen = (
        AttentionDecoder(SIZE, units=UNITS, embedding_dim=EMBEDDING, embeddings=table, freeze_embeddings=freeze)
        for freeze in (False, True)
    )
    for decoder in (free, frozen):
        decoder(np.ones((2, 1), "int32"), decoder.prepare(VALUES))
    assert len(free.trainable_weights) == len(frozen.trainable_weights) + 1
    np.testing.assert_array_equal(frozen.embedding.table, table)


def language_model(condition: Any = None, **options: Any) -> AttentionDecoder:
    given = {"units": UNITS, "embedding_dim": EMBEDDING, "dropout": 0.0, "attention": "none", **options}
    decoder = AttentionDecoder(SIZE, **given)
    decoder(np.ones((2, 1), "int32"), None, condition)
    for weight in decoder.weights:
        weight.assign(0.5 * RANDOM.normal(size=weight.shape))
    return decoder


@pytest.mark.parametrize("layers", [1, 3])
def test_without_a_memory_it_is_a_language_model(layers: int) -> None:
    """From a state of zeros, each output depends on the words before it alone."""
    decoder, tokens = language_model(layers=layers), np.array([[4, 5, 6], [7, 5, 8]])
    logits, weights = decoder(tokens)
    assert weights is None and not decoder.condition_to_gates.weights
    for row in range(2):
        state = [np.zeros(UNITS)] * (decoder.cell.states * layers)
        for time in range(3):
            word = np.asarray(decoder.embedding.table, "float64")[tokens[row, time]]
            inputs, size = dense(decoder.words_to_gates, word), decoder.cell.states
            if layers == 1:
                state = advance(decoder.cell, inputs, state)
            else:
                upper, own, lower = (state[i : i + size] for i in range(0, len(state), size))
                lower = advance(decoder.lower, inputs + dense(decoder.state_to_lower, upper[0]), lower)
                own = advance(decoder.cell, dense(decoder.lower_to_gates, lower[0]), own)
                state = advance(decoder.upper[0], dense(decoder.upper_to_gates[0], own[0]), upper) + own + lower
            output = word + dense(decoder.state_to_output, state[0])
            np.testing.assert_allclose(logits[row, time], dense(decoder.output_layer, output), atol=1e-5)


def test_a_language_model_steps_from_a_number_of_rows() -> None:
    decoder, tokens = language_model(), np.array([[4, 5, 6], [7, 5, 8]])
    state, looped = decoder.initial_state(rows=2), []
    for time in range(3):
        logits, state = decoder.step(tokens[:, time], state)
        looped.append(logits)
    np.testing.assert_allclose(np.stack(looped, axis=1), decoder(tokens)[0], atol=1e-6)
    assert decoder.prepare(None) is None
    with pytest.raises(InputError, match="a memory, a condition or a number of rows. Received: none"):
        decoder.initial_state()


def test_a_condition_is_read_first_without_a_memory() -> None:
    condition = RANDOM.normal(size=(2, 7)).astype("float32")
    decoder = language_model(condition=condition)
    hidden, carry = decoder.initial_state(None, condition)
    expected = [
        advance(decoder.cell, dense(decoder.condition_to_gates, row), [np.zeros(UNITS)] * 2) for row in condition
    ]
    np.testing.assert_allclose(hidden, [row[0] for row in expected], atol=1e-5)
    np.testing.assert_allclose(carry, [row[1] for row in expected], atol=1e-5)
    tokens = np.array([[4], [5]])
    logits = decoder.step(tokens[:, 0], (hidden, carry))[0]
    np.testing.assert_allclose(decoder(tokens, None, condition)[0][:, 0], logits, atol=1e-6)


def test_an_attention_needs_a_memory() -> None:
    with pytest.raises(InputError, match="has attention='none'. Received: memory=None with attention='bahdanau'"):
        AttentionDecoder(SIZE).build((None, None))
    decoder = make()
    for call in (lambda: decoder.initial_state(rows=2), lambda: decoder(TOKENS[:, None])):
        with pytest.raises(InputError, match="Received: memory=None"):
            call()
