"""Batch normalizations are folded into the convolutions before them, and nothing else changes."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from mmtoolkit.folding import fold_batch_norms
from mmtoolkit.vision import RegionExtractor

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(2, 8, 8, 3)).astype("float32")


def scattered(network: Any) -> Any:
    """Sets all weights at random, variances above 0."""
    network.set_weights([np.abs(RANDOM.normal(size=weight.shape)) + 0.1 for weight in network.weights])
    return network


def norms_of(network: Any) -> list[str]:
    """Lists the names of the normalizations in a network."""
    return [layer.name for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]


def test_a_folded_convolution_is_the_formula() -> None:
    inputs = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 1, name="convolution")(inputs)
    network = scattered(keras.Model(inputs, keras.layers.BatchNormalization(epsilon=0.01)(maps)))
    kernel, bias, gamma, beta, mean, variance = network.get_weights()
    folded = fold_batch_norms(network)
    assert not norms_of(folded)
    expected = (IMAGES @ kernel[0, 0] + bias - mean) / np.sqrt(variance + 0.01) * gamma + beta
    np.testing.assert_allclose(folded(IMAGES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("scale", "center"), [(True, True), (False, True), (True, False)])
def test_depthwise_convolutions_with_any_norm(multiplier: int, scale: bool, center: bool) -> None:
    inputs = keras.Input((8, 8, 3))
    maps = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=multiplier, use_bias=False)(inputs)
    network = scattered(keras.Model(inputs, keras.layers.BatchNormalization(scale=scale, center=center)(maps)))
    folded = fold_batch_norms(network)
    assert [len(layer.weights) for layer in folded.layers if layer.weights] == [2]
    np.testing.assert_allclose(folded(IMAGES), network(IMAGES, training=False), rtol=1e-4, atol=1e-5)


def test_a_norm_stays_where_more_than_it_reads_the_convolution_or_nothing_linear_is_before_it() -> None:
    inputs = keras.Input((8, 8, 3))
    first = keras.layers.BatchNormalization(name="first")(inputs)
    twice = keras.layers.Conv2D(3, 1)(first)
    second = keras.layers.BatchNormalization(name="second")(twice)
    bent = keras.layers.Conv2D(3, 1, activation="relu")(keras.layers.Add()([twice, second]))
    third = keras.layers.BatchNormalization(name="third")(bent)
    fourth = keras.layers.BatchNormalization(name="fourth")(keras.layers.Conv2D(3, 1)(third))
    network = scattered(keras.Model(inputs, fourth))
    folded = fold_batch_norms(network)
    assert norms_of(folded) == ["first", "second", "third"]
    np.testing.assert_allclose(folded(IMAGES), network(IMAGES, training=False), rtol=1e-4, atol=1e-4)


def test_a_network_without_norms_is_returned_as_it_is() -> None:
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    assert fold_batch_norms(network) is network


def test_normalizations_of_inputs_keep_their_statistics() -> None:
    inputs = keras.Input((8, 8, 3))
    given = keras.layers.Normalization(name="given")
    maps = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(given(inputs)))
    given.adapt(IMAGES + 3.0)
    network = keras.Model(inputs, maps)
    np.testing.assert_allclose(fold_batch_norms(network)(IMAGES), network(IMAGES, training=False), rtol=1e-4, atol=1e-5)


def test_a_folded_extractor_is_made_again_of_its_config_and_in_another_precision() -> None:
    extractor = RegionExtractor.from_weights(None, precision="float32", network="efficientnetlite0@64")
    assert not norms_of(extractor.network)
    again = RegionExtractor.from_config(extractor.get_config())
    again.set_weights(extractor.get_weights())
    pictures = RANDOM.integers(0, 256, (2, 64, 64, 3), np.uint8)
    exact = np.asarray(extractor(pictures), np.float32)
    np.testing.assert_array_equal(again(pictures), exact)
    half = np.asarray(extractor.at_precision("bfloat16")(pictures), np.float32)
    assert 0 < np.linalg.norm(half - exact) < 0.1 * np.linalg.norm(exact)
