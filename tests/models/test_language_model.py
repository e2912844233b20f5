"""The language model: teacher forcing against steps, likelihoods, the carried state, presets, and "hello"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from numpy_cells import advance

import mmtoolkit as mm
from mmtoolkit.decoding import Greedy, Sample, draw
from mmtoolkit.layers.carried_state import CarriedState
from mmtoolkit.layers.cells import CELLS
from mmtoolkit.training.checkpoints import variables

CODEC = mm.TextCodec.fit(["the cat sat on the mat.\n"], level="raw", lower=False)
SIZE, ROWS, TIME = len(CODEC.vocabulary), 3, 6
RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(4, SIZE, (ROWS, TIME)).astype("int32")
MASK = np.arange(TIME) < np.array([[6], [2], [4]])


def ready(**options: Any) -> mm.LanguageModel:
    model = mm.LanguageModel(CODEC, **{"units": 5, "embedding_dim": 4, "dropout": 0.0, **options})
    model.build(model.input_shapes())
    for number, weight in enumerate(model.weights):
        weight.assign(0.7 * np.random.default_rng(number).normal(size=weight.shape))
    return model


def by_hand(model: mm.LanguageModel, tokens: np.ndarray) -> np.ndarray:
    """Logits of one text in float64, `[time, vocabulary]`, from the equations."""
    table, cells = np.asarray(model.embedding.table, "float64"), model.stack.cells
    states: list[list[np.ndarray]] = [[np.zeros(model.stack.units)] * cell.states for cell in cells]
    found = []
    for token in tokens:
        vector, below = table[token], None
        for number, (projection, cell) in enumerate(zip(model.stack.projections, cells, strict=True)):
            states[number] = advance(cell, vector @ np.asarray(projection.kernel), states[number], below)
            below, vector = states[number], states[number][0]
        if model.tie_output:
            kernel, bias = (np.asarray(weight) for weight in model.state_to_vector.weights)
            found.append((vector @ kernel + bias) @ table.T + np.asarray(model.output_bias))
        else:
            found.append(vector @ np.asarray(model.output_layer.kernel) + np.asarray(model.output_layer.bias))
    return np.stack(found)


FORMS = [{"cell": cell, "layers": 2} for cell in CELLS] + [{"tie_output": True}, {"layers": 3}]


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_logits_are_the_equations_and_a_loop_of_steps(form: dict[str, Any]) -> None:
    model = ready(**form)
    logits = np.asarray(model({"tokens": TOKENS}))
    state = model.stack.initial_state(ROWS)
    for time in range(TIME):
        stepped, state = model.step(TOKENS[:, time], state)
        np.testing.assert_allclose(stepped, logits[:, time], atol=1e-5)
    for row in range(ROWS):
        np.testing.assert_allclose(logits[row], by_hand(model, TOKENS[row]), atol=1e-4)


def test_the_state_after_a_padded_text_is_that_after_its_last_token() -> None:
    model = ready(layers=2)
    padded = np.where(MASK, TOKENS, 0)
    state, last = model.read(padded)
    for row, length in enumerate(MASK.sum(axis=1)):
        expected = model.stack.initial_state(1)
        for token in TOKENS[row, : length - 1]:
            _, expected = model.step(np.array([token]), expected)
        assert int(last[row]) == TOKENS[row, length - 1]
        for part, wanted in zip(state, expected, strict=True):
            np.testing.assert_allclose(part[row], wanted[0], atol=1e-5)


def test_a_passage_is_scored_by_the_probabilities_of_its_tokens() -> None:
    """After a context, however both are padded; the same as the text as a whole."""
    model = ready()
    context, passage = np.where(MASK, TOKENS, 0), np.where(MASK[::-1], TOKENS[::-1], 0)
    found = model.decode({"tokens": context, "passage": passage})
    for row in range(ROWS):
        before, after = context[row][context[row] > 0], passage[row][passage[row] > 0]
        logits = by_hand(model, np.concatenate([before, after]))[len(before) - 1 : -1]
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = sum(logs[number, token] for number, token in enumerate(after))
        assert found[row][0].score == pytest.approx(expected, abs=1e-4) and found[row][0].tokens == len(after)


def test_greedy_text_is_what_steps_would_choose() -> None:
    model = ready()
    ids = [*CODEC.encode("the c")[:-1]]
    written: list[int] = []
    for _ in range(8):
        logits = by_hand(model, np.array([*ids, *written]))[-1]
        logits[[0, 1, 3]] = -np.inf  # PAD, START and UNK are never written
        written.append(int(logits.argmax()))
        if written[-1] == 2:
            break
    assert model.generate("the c", length=8, decoding=Greedy()) == CODEC.decode(written)
    assert model.max_length == 200


def text_of(rows: np.ndarray, reset: list[bool]) -> tuple[Any, Any, Any]:
    """A batch of windows with their next tokens, weighted alike."""
    targets = np.roll(rows, -1, axis=1)
    return {"tokens": rows, "reset": np.array(reset)}, targets, np.full(rows.shape, 1 / rows.size, "float32")


def test_the_state_is_carried_under_fit() -> None:
    """The loss of each window is that of the text read as a whole, but for the row that begins anew."""
    model = ready()
    model.carry(ROWS)
    model.compile(keras.optimizers.SGD(0.0), loss=mm.token_loss(0.0))
    halves = [TOKENS[:, :3], TOKENS[:, 3:]]
    resets = [[True, True, True], [False, True, False]]
    losses = [
        model.fit(tf.data.Dataset.from_tensors(text_of(half, reset)), shuffle=False, verbose=0).history["loss"][0]
        for half, reset in zip(halves, resets, strict=True)
    ]
    for half, loss, reset in zip(range(2), losses, resets, strict=True):
        costs = []
        for row in range(ROWS):
            start = 3 * half if reset[row] else 0
            logits = by_hand(model, TOKENS[row, start : 3 * (half + 1)])[-3:]
            logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            wanted = np.roll(halves[half][row], -1)
            costs += [-logs[number, token] for number, token in enumerate(wanted)]
        assert loss == pytest.approx(np.mean(costs), rel=1e-4)


def test_no_gradient_reaches_the_window_before() -> None:
    """Truncated: the gradient of the second window is that from a constant state."""
    model = ready()
    model.carry(ROWS)
    model({"tokens": TOKENS[:, :3], "reset": np.array([True] * ROWS)}, training=True)
    kept = [np.asarray(part) for part in model.carried.parts]
    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        logits = model({"tokens": TOKENS[:, 3:], "reset": np.array([False] * ROWS)}, training=True)
        loss = tf.reduce_sum(logits**2)
    found = tape.gradient(loss, weights)
    with tf.GradientTape() as tape:
        logits, _ = model.teacher_forced(TOKENS[:, 3:], tuple(map(tf.constant, kept)))
        loss = tf.reduce_sum(logits**2)
    for ours, expected in zip(found, tape.gradient(loss, weights), strict=True):
        ours, expected = (tf.convert_to_tensor(each) for each in (ours, expected))
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_has_the_carried_state_and_a_model_has_not(tmp_path: Path) -> None:
    model = ready()
    model.carry(ROWS)
    model({"tokens": TOKENS, "reset": np.array([True] * ROWS)}, training=True)
    assert np.abs(np.asarray(model.carried.parts[0])).max() > 0
    model.compile("adam", loss=mm.token_loss())
    assert {id(part) for part in model.carried.parts} <= {id(each) for each in variables(model)}
    assert not {id(part) for part in model.carried.parts} & {id(each) for each in model.weights}
    model.save_preset(tmp_path / "preset")
    again = mm.load(tmp_path / "preset")
    np.testing.assert_allclose(again({"tokens": TOKENS}), model({"tokens": TOKENS}), atol=1e-6)
    ours, theirs = ({**each.get_config(), "codec": None} for each in (model, again))
    assert ours == theirs and not again.carried.built
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded({"tokens": TOKENS}), model({"tokens": TOKENS}), atol=1e-6)


def test_a_training_says_what_it_needs() -> None:
    model, given = ready(), {"tokens": TOKENS, "reset": np.array([True] * ROWS)}
    with pytest.raises(mm.InputError, match=r"call model.carry\(batch_size\) first"):
        model(given, training=True)
    model.carry(ROWS + 1)
    with pytest.raises(mm.InputError, match=f"carried for {ROWS + 1} rows. Received: a batch of {ROWS}"):
        model(given, training=True)


def test_a_row_that_begins_anew_starts_at_zeros() -> None:
    carried = CarriedState([2, 2])
    carried.build((2,))
    carried.keep((np.ones((2, 2)), 2 * np.ones((2, 2))))
    first, second = (np.asarray(part) for part in carried(np.array([True, False])))
    np.testing.assert_array_equal(first, [[0, 0], [1, 1]])
    np.testing.assert_array_equal(second, [[0, 0], [2, 2]])


def test_hello_over_four_letters() -> None:
    """The lecture's model: one-hot letters, a plain recurrent network; h, e, l, l are followed by e, l, l, o."""
    keras.utils.set_random_seed(0)
    codec = mm.TextCodec.fit(["hello"], level="raw", lower=False)
    size = len(codec.vocabulary)
    assert set(codec.vocabulary.tokens[4:]) == set("helo")
    one_hot = np.eye(size, dtype="float32")
    model = mm.LanguageModel(
        codec, cell="rnn", units=8, embedding_dim=size, embeddings=one_hot, freeze_embeddings=True, dropout=0.0
    )
    model.build(model.input_shapes())
    np.testing.assert_array_equal(model.embedding.table, one_hot)
    ids = np.array([codec.encode("hello")[1:-1]], "int32")
    tokens, targets = ids[:, :-1], ids[:, 1:]
    model.compile(keras.optimizers.Adam(0.05), loss=mm.token_loss(0.0))
    model.fit({"tokens": tokens}, targets, epochs=60, verbose=0)
    assert codec.decode(np.asarray(model({"tokens": tokens}))[0].argmax(axis=-1)) == "ello"  # l is followed by l and o
    np.testing.assert_array_equal(model.embedding.table, one_hot)


def test_letters_are_drawn_by_the_softmax_of_the_lectures_logits() -> None:
    logits = np.array([1.0, 2.2, -3.0, 4.1], "float32")
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(expected, [0.0377, 0.1251, 0.0007, 0.8365], atol=5e-5)
    uniforms = (np.arange(20_000, dtype="float32") + 0.5) / 20_000
    drawn = np.asarray(draw(ops.broadcast_to(logits, (20_000, 4)), uniforms))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, expected, atol=1e-4)


def test_a_sample_is_repeated_by_its_seed() -> None:
    model = ready()
    texts = {seed: model.generate("the ", length=40, decoding=Sample(seed=seed)) for seed in (1, 2)}
    assert texts[1] == model.generate("the ", length=40, decoding=Sample(seed=1)) != texts[2]
