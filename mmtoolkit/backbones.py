"""Names the networks of `keras.applications` and EfficientNet-Lite, and builds each up to one layer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import keras

from mmtoolkit import efficientnet_lite
from mmtoolkit.errors import InputError, did_you_mean, first_line

NETWORK = re.compile(r"([a-z0-9]+)(?:-([A-Za-z0-9_]+))?(?:@([0-9]{2,4}))?")  # its name, its layer, side of the pictures
IMAGE_SIZES = {  # pixels, where it is not 224: what the published weights were trained on
    **{"efficientnetb1": 240, "efficientnetb2": 260, "efficientnetb3": 300, "efficientnetb4": 380},
    **{"efficientnetb5": 456, "efficientnetb6": 528, "efficientnetb7": 600, "efficientnetv2b1": 240},
    **{"efficientnetv2b2": 260, "efficientnetv2b3": 300, "efficientnetv2s": 384, "efficientnetv2m": 480},
    **{"efficientnetv2l": 480, "inceptionv3": 299, "inceptionresnetv2": 299, "xception": 299, "nasnetlarge": 331},
    **{"efficientnetlite1": 240, "efficientnetlite2": 260},
}
LARGER = ("vgg16-block5_pool", "vgg19-block5_pool")  # read pictures twice as large, for as many regions as before it
LAYERS = {"vgg16": "block5_conv3", "vgg19": "block5_conv4"}  # the last map before its pooling; of others it is the last
VECTORS = ("fc1", "fc2")  # layers after the map, whose weights are in the file with the top
SHAPES = {  # by layer of VGG19, which need not be built to be described
    **dict.fromkeys(("block4_pool", "block5_conv4", "block5_pool"), (14, 14, 512)),
    "fc2": (1, 1, 4096),
}
SIDES = (32, 1024)  # pixels
BLOCK = "-block"  # after the name of a network whose last block is trained
BLOCKS = {"vgg19-block5": "vgg19"}  # the same, in the words of VGG19


@dataclass(frozen=True)
class Backbone:
    """A network of `keras.applications` or EfficientNet-Lite up to one layer, for square pictures of one size.

    Example:
        >>> Backbone.named("EfficientNetV2-B0", image_size=160)
        Backbone(network='efficientnetv2b0@160')
        >>> Backbone.named("mobilenetv2").shape      # rows, columns and features of its regions
        (7, 7, 1280)

    Args:
        network: The name in small letters and digits, `-` and a layer, `@` and the side of the pictures in pixels; the
            last two where they are not the usual ones.

    Raises:
        InputError: There is no such network, or the side is out of its range.
    """

    network: str

    def __post_init__(self) -> None:
        match = NETWORK.fullmatch(self.network)
        name = match[1] if match else self.network.partition("-")[0]
        if not match or name not in applications():
            meant = did_you_mean(canonical(name), applications())
            raise InputError(
                "Expected vgg19, small, efficientnet-lite2, or the name of a network of keras.applications. Received: "
                f"{name!r}.{meant}"
            )
        if self.reads_top and self.parts[2] not in (None, "224"):
            raise InputError(
                f"{self.layer} of {self.name} reads pictures of 224 pixels. Received: {self.image_size}; leave the "
                "image size out."
            )
        if not SIDES[0] <= self.image_size <= SIDES[1]:
            raise InputError(
                f"The pictures of a network have a side of {SIDES[0]} to {SIDES[1]} pixels. Received: "
                f"{self.image_size}; give another image size."
            )

    @classmethod
    def named(cls, name: str, *, layer: str | None = None, image_size: int | None = None) -> Backbone:
        """Returns the network of a name in any spelling, e.g. `"EfficientNetV2-B0"`, at its usual layer and size."""
        name = canonical(name)
        layer = layer or LAYERS.get(name)
        usual = cls(f"{name}-{layer}" if layer else name)
        size = f"@{image_size}" if image_size and image_size != usual.image_size else ""
        return cls(usual.network + size)

    @property
    def name(self) -> str:
        """Returns the name of the network alone."""
        return self.parts[0]

    @property
    def layer(self) -> str | None:
        """Returns the name of the layer; `None` for the last one."""
        return self.parts[1]

    @property
    def image_size(self) -> int:
        """Returns the side in pixels of the pictures."""
        name, layer, side = self.parts
        return int(side or IMAGE_SIZES.get(name, 448 if f"{name}-{layer}" in LARGER else 224))

    @property
    def parts(self) -> tuple[str, str | None, str | None]:
        """Returns name, layer and side as they are written."""
        name, layer, side = NETWORK.fullmatch(self.network).groups()  # type: ignore[union-attr]  # checked when made
        return name, layer, side

    @property
    def reads_top(self) -> bool:
        """Returns whether the layer is after the map, so that the weights are those with the top."""
        return self.layer in VECTORS

    @property
    def shape(self) -> tuple[int, int, int]:
        """Returns the rows, columns and features of its regions."""
        name, layer, side = self.parts
        if name == "vgg19" and side is None and layer in SHAPES:
            return SHAPES[layer]
        return built_shape(self.network)

    def build(self, dtype: Any = "float32") -> tuple[Any, Any]:
        """Builds the network with random weights, as Keras starts them.

        Returns:
            The whole network, which weights files are of, and the network up to the layer.

        Raises:
            InputError: There is no such layer, or the pictures are too small.
        """
        application, _ = applications()[self.name]
        with policy(dtype):  # keras.applications takes no dtype of its own
            shape = (self.image_size, self.image_size, 3)
            try:
                whole = application(include_top=self.reads_top, weights=None, input_shape=shape)
            except ValueError as error:
                raise InputError(
                    f"{self.name} cannot be built for pictures of {self.image_size} pixels ({first_line(error)}); "
                    "give another image size."
                ) from error
            names = [layer.name for layer in whole.layers]
            if self.layer and self.layer not in names:
                raise InputError(
                    f"Expected a layer of {self.name}. Received: {self.layer!r}.{did_you_mean(self.layer, names)}"
                )
            output = whole.get_layer(self.layer).output if self.layer else whole.output
            return whole, keras.Model(whole.input, output)

    def preprocess(self, pixels: Any) -> Any:
        """Prepares pixels `<float32>[batch, side, side, 3]` from 0 to 255 as the network was trained on them."""
        return applications()[self.name][1].preprocess_input(pixels)

    def before_last_block(self) -> Backbone:
        """Returns the network up to where its last block begins, whose map is the last larger one.

        Raises:
            InputError: There is no layer that all of the block is computed from.
        """
        if self.network == "vgg19-block5_conv4":
            return Backbone("vgg19-block4_pool")
        rows = self.shape[0]
        maps = [layer for layer in cuts(self.build()[1]) if len(layer.output.shape) == 4 and is_named(layer)]
        larger = [layer for layer in maps if 1.5 * rows < layer.output.shape[1] < 3 * rows]
        if not larger or rows == 1 or self.layer != LAYERS.get(self.name):
            raise InputError(
                f"The last block of a network that is trained starts from one map. Received: {self.network}, which has "
                "no such block; train the decoder alone."
            )
        fewest = min(layer.output.shape[-1] for layer in larger)  # a store holds them
        start = next(layer for layer in reversed(larger) if layer.output.shape[-1] <= 2 * fewest)
        return Backbone.named(self.name, layer=start.name, image_size=self.image_size)


def trains_block(kind: str) -> bool:
    """Checks whether a kind of encoder trains the last block of a network."""
    return kind in BLOCKS or kind.endswith(BLOCK)


def network_of(kind: str) -> str:
    """Returns the name of the network of a kind of encoder.

    Example:
        >>> network_of("vgg19-block5"), network_of("EfficientNetV2-B0")
        ('vgg19', 'efficientnetv2b0')
    """
    return Backbone.named(BLOCKS.get(kind, kind.removesuffix(BLOCK))).name


def check_kind(kind: str) -> str:
    """Checks the name of an encoder and returns it in its usual spelling.

    Example:
        >>> check_kind("EfficientNetV2-B0")
        'efficientnetv2b0'

    Raises:
        InputError: There is no such encoder.
    """
    if kind == "small" or kind in BLOCKS:
        return kind
    if canonical(kind.removesuffix(BLOCK)) == "small":
        raise InputError(f"The small CNN is called small, and is trained as a whole. Received: {kind!r}.")
    return network_of(kind) + (BLOCK if trains_block(kind) else "")


def canonical(name: str) -> str:
    """Returns a name in small letters and digits alone.

    Example:
        >>> canonical("EfficientNetV2-B0"), canonical("convnext_tiny")
        ('efficientnetv2b0', 'convnexttiny')
    """
    return re.sub(r"[-_ .]", "", name.casefold())


@lru_cache(maxsize=1)
def applications() -> dict[str, tuple[Callable[..., Any], ModuleType]]:
    """Finds the networks by their names, with the modules that have their preprocessing."""
    lite = vars(efficientnet_lite)
    found: dict[str, tuple[Callable[..., Any], ModuleType]] = {
        name.casefold(): (lite[name], efficientnet_lite) for name in lite if name.startswith("EfficientNetLite")
    }
    for name, build in vars(keras.applications).items():
        module = getattr(keras.applications, str(getattr(build, "__module__", "")).rpartition(".")[2], None)
        if isinstance(module, ModuleType) and hasattr(module, "preprocess_input"):
            found[name.casefold()] = (build, module)
    return found


@lru_cache(maxsize=8)
def built_shape(network: str) -> tuple[int, int, int]:
    """Builds a network once to find the rows, columns and features of its regions."""
    _, built = Backbone(network).build()
    rows, columns, features = (1, 1, *built.output.shape[1:])[-3:]
    return rows, columns, features


def cuts(network: Any) -> list[Any]:
    """Lists the layers of a network that everything after them is computed from, in order."""
    config = network.get_config()
    order = {layer["name"]: number for number, layer in enumerate(config["layers"])}
    layers = {layer.name: layer for layer in network.layers}  # without operations
    reach, found, furthest = dict.fromkeys(order, 0), [], 0
    for layer in config["layers"]:
        for source in sources(layer["inbound_nodes"]):
            reach[source] = max(reach[source], order[layer["name"]])
    for number, (name, last) in enumerate(reach.items()):
        if furthest <= number and 0 < number < len(order) - 1 and name in layers:
            found.append(layers[name])  # nothing before it is read after it
        furthest = max(furthest, last)
    return found


def is_named(layer: Any) -> bool:
    """Checks that a layer has a name of its own, not a number that counts the layers of its class in a process."""
    return re.sub(r"(_[0-9]+)?$", "", layer.name).replace("_", "") != type(layer).__name__.lower()


def sources(nodes: Any) -> Iterator[str]:
    """Yields the names of the layers whose outputs are read in the configuration of a layer's inputs."""
    if isinstance(nodes, dict):
        if "keras_history" in nodes:
            yield nodes["keras_history"][0]
        nodes = list(nodes.values())
    for node in nodes if isinstance(nodes, (list, tuple)) else ():
        yield from sources(node)


@contextmanager
def policy(dtype: Any) -> Iterator[None]:
    """Sets the dtype policy of layers for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
