"""The word table, and the gradient that makes clipping right."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers import TokenEmbedding

TOKENS = np.array([[4, 4, 5], [4, 1, 5]])
TABLE = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
WEIGHTS = np.random.default_rng(1).uniform(0.5, 1.0, size=(2, 3, 3)).astype("float32")


def summed() -> np.ndarray:
    """The gradient of sum(WEIGHTS * rows): a token's weights summed over all its places."""
    gradient = np.zeros((8, 3))
    for place in np.ndindex(TOKENS.shape):
        gradient[TOKENS[place]] += WEIGHTS[place]
    return gradient


def gradient_of(layer: keras.layers.Layer, table: keras.Variable) -> tf.Tensor | tf.IndexedSlices:
    with tf.GradientTape() as tape:
        loss = ops.sum(ops.cast(layer(TOKENS), "float32") * WEIGHTS)
    return tape.gradient(loss, table.value)


def test_rows_are_looked_up() -> None:
    layer = TokenEmbedding(8, 3, table=TABLE)
    np.testing.assert_array_equal(layer(TOKENS), TABLE[TOKENS])
    np.testing.assert_array_equal(layer(TOKENS[0, 0]), TABLE[4])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_is_dense_and_summed_by_token(jit_compile: bool) -> None:
    layer = TokenEmbedding(8, 3, table=TABLE)
    layer.build()
    eager = gradient_of(layer, layer.table)
    assert isinstance(eager, tf.Tensor)
    np.testing.assert_allclose(eager, summed(), atol=1e-6)
    graph = tf.function(lambda: gradient_of(layer, layer.table), jit_compile=jit_compile)()
    np.testing.assert_allclose(graph, summed(), atol=1e-6)


def test_its_global_norm_is_that_of_the_summed_gradient() -> None:
    ours, theirs = TokenEmbedding(8, 3, table=TABLE), keras.layers.Embedding(8, 3)
    ours.build()
    theirs.build()
    true_norm = np.sqrt((summed() ** 2).sum())
    assert float(tf.linalg.global_norm([gradient_of(ours, ours.table)])) == pytest.approx(true_norm, rel=1e-5)
    # What it is for: Keras' own layer gives a row per place, whose norm is another one.
    assert float(tf.linalg.global_norm([gradient_of(theirs, theirs.embeddings)])) != pytest.approx(true_norm, rel=0.2)


def test_adam_clips_by_that_norm() -> None:
    """Adam's first moment after one step is 0.1 times the clipped gradient."""
    clip = float(0.5 * np.sqrt((summed() ** 2).sum()))
    layer = TokenEmbedding(8, 3, table=TABLE)
    layer.build()
    optimizer = keras.optimizers.Adam(0.1, beta_1=0.9, global_clipnorm=clip)
    optimizer.build([layer.table])
    optimizer.apply_gradients([(gradient_of(layer, layer.table), layer.table)])
    (moment,) = [v for v in optimizer.variables if "momentum" in v.path]
    np.testing.assert_allclose(moment, 0.1 * 0.5 * summed(), rtol=1e-4, atol=1e-7)


def test_half_precision_still_sums_a_frequent_token_in_float32() -> None:
    """In bfloat16, 1 added to 256 is 256."""
    layer = TokenEmbedding(8, 3, dtype="mixed_bfloat16")
    layer.build()
    with tf.GradientTape() as tape:
        rows = layer(np.full((1000,), 4))
        loss = ops.sum(ops.cast(rows, "float32"))
    gradient = tape.gradient(loss, layer.table.value)
    assert (rows.dtype, gradient.dtype) == (tf.bfloat16, tf.float32)
    np.testing.assert_array_equal(gradient[4], [1000.0] * 3)


def test_without_a_table_it_starts_small_and_random() -> None:
    layer = TokenEmbedding(100, 30)
    layer.build()
    table = np.asarray(layer.table)
    assert 0.09 < np.abs(table).max() <= 0.1 and table.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.05)


def test_a_table_of_another_shape_is_an_error() -> None:
    with pytest.raises(InputError, match=r"= \(8, 4\). Received: \(8, 3\)"):
        TokenEmbedding(8, 4, table=TABLE)
