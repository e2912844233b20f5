"""Networks of `keras.applications` by name: against Keras itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mmtoolkit.backbones import IMAGE_SIZES, LAYERS, SHAPES, Backbone, applications, cuts
from mmtoolkit.errors import InputError


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("vgg19", "vgg19-block5_conv4"),
        ("VGG16", "vgg16-block5_conv3"),
        ("EfficientNetV2-B0", "efficientnetv2b0"),
        ("convnext_tiny", "convnexttiny"),
        ("ResNet50", "resnet50"),
        ("MobileNetV3Small", "mobilenetv3small"),
        ("efficientnet-lite2", "efficientnetlite2"),
    ],
)
def test_names_are_read_in_any_spelling(name: str, network: str) -> None:
    assert Backbone.named(name) == Backbone(network)


def test_every_network_of_keras_has_a_name_and_its_preprocessing() -> None:
    public = {name for name in dir(keras.applications) if name[0].isupper()}
    lite = {f"efficientnetlite{number}" for number in range(3)}
    assert set(applications()) == {name.casefold() for name in public} | lite
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3)).astype("float32")
    for name, module in (("resnet50", "resnet50"), ("mobilenetv2", "mobilenet_v2"), ("densenet121", "densenet")):
        expected = getattr(keras.applications, module).preprocess_input(pixels.copy())
        np.testing.assert_allclose(Backbone(name).preprocess(keras.ops.convert_to_tensor(pixels)), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["EfficientNetV2B2", "MobileNet", "InceptionV3"])
def test_pictures_have_the_size_that_the_weights_were_trained_on(name: str) -> None:
    whole = getattr(keras.applications, name)(weights=None)  # with its top, which fixes the size
    assert Backbone.named(name).image_size == whole.input_shape[1]
    assert set(IMAGE_SIZES) < set(applications()) and set(LAYERS) < set(applications())


def test_shapes_are_those_of_the_built_network() -> None:
    assert Backbone.named("mobilenetv2", image_size=96).shape == (3, 3, 1280)
    for layer in ("block4_pool", "block5_conv4"):  # in a table: VGG19 need not be built
        _, network = Backbone(f"vgg19-{layer}@224").build()
        assert SHAPES[layer] == network.output.shape[1:]
    assert Backbone("vgg19-block5_pool").image_size == 448
    assert Backbone.named("vgg19", layer="block5_pool") == Backbone("vgg19-block5_pool")
    assert Backbone.named("vgg19", image_size=224) == Backbone("vgg19-block5_conv4")  # the usual size is not written


def test_layers_that_all_is_computed_from() -> None:
    first = keras.Input((8, 8, 3))
    stem = keras.layers.Conv2D(4, 3, padding="same", name="stem")(first)
    left = keras.layers.Conv2D(4, 1, name="left")(stem)
    right = keras.layers.Conv2D(4, 3, padding="same", name="right")(stem)
    both = keras.layers.Add(name="both")([left, right])
    last = keras.layers.Conv2D(2, 1, name="last")(both)
    assert [layer.name for layer in cuts(keras.Model(first, last))] == ["stem", "both"]
    skipped = keras.layers.Add(name="skipped")([both, stem])
    assert [layer.name for layer in cuts(keras.Model(first, keras.layers.ReLU(name="end")(skipped)))] == [
        "stem",
        "skipped",
    ]


def test_the_last_block_starts_from_a_larger_map_that_all_of_it_reads() -> None:
    """Of ResNet50 that is the end of its fourth stage (He et al. 2016, table 1)."""
    whole = Backbone.named("resnet50", image_size=64)
    start = whole.before_last_block()
    assert start == Backbone("resnet50-conv4_block6_out@64") and start.shape == (4, 4, 1024) and whole.shape[0] == 2
    _, network = whole.build()
    block = keras.Model(network.get_layer(start.layer).output, network.output)
    before = keras.Model(network.input, network.get_layer(start.layer).output)
    pictures = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(block(before(pictures)), network(pictures), rtol=1e-4, atol=1e-5)
    assert Backbone.named("vgg19").before_last_block() == Backbone("vgg19-block4_pool")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("efficientnetv2b9x", "the name of a network of keras.applications. Received: 'efficientnetv2b9x'"),
        ("resnet50v", "Did you mean 'resnet50v2'"),
        ("resnet50@5000", "a side of 32 to 1024 pixels. Received: 5000"),
        ("../weights", "the name of a network of keras.applications"),
        ("", "the name of a network of keras.applications. Received: ''"),
    ],
)
def test_wrong_names_are_told(network: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Backbone(network)


def test_wrong_layers_and_sizes_are_told_when_it_is_built() -> None:
    with pytest.raises(InputError, match="a layer of mobilenetv2. Received: 'block_3_ad'. Did you mean"):
        Backbone("mobilenetv2-block_3_ad").build()
    with pytest.raises(
        InputError, match="xception cannot be built for pictures of 64 pixels .*give another image size"
    ):
        Backbone("xception@64").build()
    with pytest.raises(InputError, match="Received: vgg19-fc2, which has no such block"):
        Backbone("vgg19-fc2").before_last_block()
