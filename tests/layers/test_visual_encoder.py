"""The visual encoder: which network, and what is pooled and cropped behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.layers import SmallCNN, TrainableBlock, VisualEncoder

RANDOM = np.random.default_rng(0)
REGIONS = RANDOM.normal(size=(2, 16, 5)).astype("float32")
BEFORE = RANDOM.normal(size=(1, 16, 512)).astype("float32")  # the map of 4 x 4 before VGG16's last block
IMAGES = RANDOM.integers(0, 256, (2, 32, 32, 3)).astype("uint8")


def test_stored_regions_stay_as_they_are() -> None:
    encoder = VisualEncoder()
    np.testing.assert_array_equal(encoder(REGIONS), REGIONS)
    assert encoder.network is None and not encoder.weights
    assert encoder.compute_output_shape((None, 16, 5)) == (None, 16, 5)


def test_regions_are_pooled_in_squares() -> None:
    pooled = np.asarray(VisualEncoder(pool=2)(REGIONS)).reshape(2, 2, 2, 5)
    grid = REGIONS.reshape(2, 4, 4, 5)
    for row in range(2):
        for column in range(2):
            square = grid[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_array_equal(pooled[:, row, column], square.max(axis=(1, 2)))


@pytest.mark.parametrize(
    ("kind", "images", "network"), [("small", IMAGES, SmallCNN), ("vgg16-block", BEFORE, TrainableBlock)]
)
def test_a_network_comes_before_the_pool(kind: str, images: np.ndarray, network: type) -> None:
    encoder = VisualEncoder(kind, filters=(4, 4, 4, 6), pool=2, start="vgg16-block4_conv3@32")
    regions = encoder(images)
    assert type(encoder.network) is network and encoder.weights
    assert regions.shape == (len(images), *encoder.compute_output_shape(images.shape)[1:])
    encoded = encoder.encode(images)
    assert encoded.shape == encoder.encoded_shape(images.shape)
    np.testing.assert_allclose(encoded, encoder.network(images), atol=1e-6)
    np.testing.assert_allclose(regions, encoder.pool(encoded), atol=1e-6)


def test_only_training_crops() -> None:
    encoder = VisualEncoder(crop=0.7)
    np.testing.assert_array_equal(encoder(REGIONS), REGIONS)
    cropped = np.asarray(encoder(REGIONS, training=True))
    assert (cropped != REGIONS).any()
    for image, regions in zip(cropped, REGIONS, strict=True):  # each is one of the image's own
        assert all((region == regions).all(axis=1).any() for region in image)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kind": "vgg20"},
            "efficientnet-lite2, or the name of a network of keras.applications. Received: 'vgg20'",
        ),
        ({"crop": 1.0}, "from 0 to below 1. Received: 1.0"),
        ({"pool": 0}, "of side 1 or more. Received: 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        VisualEncoder(**options)
