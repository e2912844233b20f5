"""The small image encoder: which pixels a region sees, and that it knows where it is."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from mmtoolkit.backbones import Backbone
from mmtoolkit.errors import InputError
from mmtoolkit.layers import SmallCNN, TrainableBlock
from mmtoolkit.layers.image_encoder import coordinates

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")


def test_coordinates_run_from_minus_one_to_one() -> None:
    channels = np.asarray(coordinates(np.zeros((2, 3, 5, 7), "float32")))
    rows, columns = np.meshgrid([-1.0, 0.0, 1.0], [-1.0, -0.5, 0.0, 0.5, 1.0], indexing="ij")
    for picture in range(2):
        np.testing.assert_allclose(channels[picture], np.stack([rows, columns], axis=-1), atol=1e-6)


@pytest.mark.parametrize(("side", "regions"), [(32, 16), (64, 64), (20, 4)])
def test_a_region_is_an_eighth_of_the_side(side: int, regions: int) -> None:
    encoder = SmallCNN((4, 4, 4, 6))
    assert encoder(np.zeros((1, side, side, 3), "uint8")).shape == (1, regions, 6)
    assert encoder.compute_output_shape((None, side, side, 3)) == (None, regions, 6)


def test_regions_come_row_by_row() -> None:
    """A change in the bottom right corner changes the last region, and none of the first row."""
    encoder = SmallCNN((4, 4, 4, 6))
    changed = IMAGES.copy()
    changed[:, -4:, -4:] = 255 - changed[:, -4:, -4:]
    difference = np.abs(np.asarray(encoder(IMAGES)) - np.asarray(encoder(changed))).max(axis=(0, 2))
    assert difference[15] > 0 and not difference[:4].any()


@pytest.mark.parametrize(("kernels", "reach"), [(None, 15), ((5, 3, 3, 1), 8), ((3, 3, 3, 1), 7)])
def test_a_region_sees_no_farther_than_its_convolutions_reach(kernels: Any, reach: int) -> None:
    """Their sides added up at the scale of each: pixels beyond the region's own eight on each side."""
    keras.utils.set_random_seed(0)
    encoder = SmallCNN((4, 4, 4, 6), kernels)
    images = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3)).astype("uint8")
    before = np.asarray(encoder(images)).reshape(8, 8, 6)[4, 4]  # of the pixels 32 to 39
    seen = []
    for column in range(64):
        changed = images.copy()
        changed[:, :, column] = 255 - changed[:, :, column]
        if np.abs(np.asarray(encoder(changed)).reshape(8, 8, 6)[4, 4] - before).max() > 0:
            seen.append(column)
    assert (min(seen), max(seen)) == (32 - reach, 39 + reach)


def test_each_filter_has_a_kernel() -> None:
    assert SmallCNN((4, 4, 4, 6)).kernels == (3, 3, 3, 3)
    assert SmallCNN.from_config(SmallCNN((4, 6), (3, 1)).get_config()).kernels == (3, 1)
    with pytest.raises(InputError, match=r"Received: kernels=\[3\], filters=\[4, 6\]"):
        SmallCNN((4, 6), (3,))


def test_equal_pixels_in_different_places_look_different() -> None:
    keras.utils.set_random_seed(0)
    flat = np.asarray(SmallCNN((4, 4, 4, 16))(np.full((1, 64, 64, 3), 100, "uint8")))[0]
    inner = flat.reshape(8, 8, 16)[2:-2, 2:-2].reshape(-1, 16)  # away from the borders, whose padding also tells
    assert len(np.unique(inner.round(5), axis=0)) == 16


def test_pixels_are_scaled_around_zero() -> None:
    """0 becomes -1 and 255 becomes 1: seen with a single 1x1-like convolution of known weights."""
    encoder = SmallCNN((1,))
    encoder.build((None, 8, 8, 3))
    kernel = np.zeros((3, 3, 5, 1), "float32")
    kernel[1, 1, 0] = 1.0  # the red channel of the pixel itself
    encoder.convolutions[0].set_weights([kernel])
    # The normalisation is made to add 1: gain, shift, mean and variance (its epsilon is 0.001).
    encoder.norms[0].set_weights([np.full(1, n, "float32") for n in (1.0, 1.0, 0.0, 0.999)])
    image = np.zeros((1, 8, 8, 3), "uint8")
    image[0, 2, 3, 0], image[0, 4, 5, 0] = 255, 51
    expected = np.zeros((8, 8))
    expected[2, 3], expected[4, 5] = 2.0, 0.4
    np.testing.assert_allclose(np.asarray(encoder(image)).reshape(8, 8), expected, atol=1e-6)


def test_block5_equals_the_last_block_of_vgg19() -> None:
    """From the regions before the block, with its weights, come those after it, in float32 to float16's rounding."""
    from mmtoolkit.vision import RegionExtractor

    whole = RegionExtractor.from_weights(None, precision="float32")
    before = RegionExtractor("vgg19-block4_pool")
    for layer in before.network.layers:
        layer.set_weights(whole.network.get_layer(layer.name).get_weights() if layer.weights else [])
    pictures = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3)).astype("uint8")
    block = TrainableBlock("vgg19-block4_pool", rate=0.05)
    regions = np.asarray(before(pictures), "float32")
    assert regions.shape == (1, 196, 512) == block.compute_output_shape(regions.shape)
    block.build(regions.shape)
    block.start([weight for layer in whole.network.layers[-4:] for weight in layer.get_weights()])
    assert [weight.shape[0] for weight in block.weights] == [3, 3, 3, 3, 512, 512, 512, 512]  # in the order of files
    expected = np.asarray(whole(pictures), "float32")
    np.testing.assert_allclose(np.asarray(block(regions)), expected, atol=2e-3 * expected.max())


def test_the_block_of_a_network_with_batch_norms_has_them_folded() -> None:
    """Its weights are kernels and biases alone, and with those of the whole network it computes what that does."""
    from mmtoolkit.vision import ExtractorKey, RegionExtractor, block_weights

    whole = Backbone.named("efficientnet-lite0", image_size=64)
    before = whole.before_last_block()
    block = TrainableBlock(before.network)
    block.build((None, before.shape[0] * before.shape[1], before.shape[2]))
    assert {len(weight.shape) for weight in block.weights} == {1, 4} and len(block.weights) % 2 == 0
    block.start(block_weights(ExtractorKey("random", "float32", before.network)))
    pictures = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    exact = RegionExtractor.from_weights(None, precision="float32", network=whole.network, folded=False)
    cut = keras.Model(exact.network.input, exact.network.get_layer(before.layer).output)
    pixels = exact.backbone.preprocess(pictures.astype("float32"))
    regions = np.reshape(cut(pixels, training=False), (2, -1, before.shape[2]))
    expected = np.reshape(exact.network(pixels, training=False), (2, -1, whole.shape[2]))
    np.testing.assert_allclose(np.asarray(block(regions)), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_block5_learns_at_a_share_of_the_rate() -> None:
    """A step of plain Adam moves each kernel by the share of the rate: 0.05 of it here."""
    block = TrainableBlock("vgg16-block4_pool@32", rate=0.05)
    regions = np.random.default_rng(2).normal(size=(1, 4, 512)).astype("float32")
    model = keras.Sequential([keras.Input((4, 512)), block])
    before = [0.05 * np.asarray(kernel) for kernel in block.scaled]
    model.compile(keras.optimizers.Adam(0.1, epsilon=1e-12), loss="mse")
    model.train_on_batch(regions, np.ones_like(regions))
    moved = [np.abs(0.05 * np.asarray(kernel) - old) for kernel, old in zip(block.scaled, before, strict=True)]
    assert all(np.isclose(step.max(), 0.05 * 0.1, rtol=1e-3) for step in moved)
