"""Chooses the vision setup of a new model: its encoder, its precision, and the extractor of its features."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.backbones import Backbone, network_of, trains_block
from mmtoolkit.image_files import open_picture
from mmtoolkit.vision.feature_store import ExtractorKey
from mmtoolkit.vision.sources import extractor_key
from mmtoolkit.vision.weights import choose_precision

SMALL_SIDE = 128  # pixels: smaller images go to the small CNN, unless weights are named


class VisionSetup(NamedTuple):
    """Describes how a model encodes images.

    Args:
        encoder: `"small"`, the name of a network, or that with `-block`.
        precision: Precision of all layers, `"float32"` or `"bfloat16"`.
        key: Key of the stored features' extractor; `None` for the small CNN.
        image_size: Side of the square images.
    """

    encoder: str
    precision: str
    key: ExtractorKey | None
    image_size: int

    @property
    def dtype(self) -> str:
        """Returns Keras' name of the precision."""
        return "mixed_bfloat16" if self.precision == "bfloat16" else "float32"


NO_VISION = VisionSetup("small", "float32", None, SMALL_SIDE)  # of a model without images


def choose_vision(
    images: Sequence[Path],
    *,
    encoder: str = "auto",
    encoder_weights: str | None = None,
    layer: str | None = None,
    image_size: int | None = None,
    precision: str = "auto",
) -> VisionSetup:
    """Chooses the encoder and the precision for some images where they are `"auto"`.

    Args:
        images: The training images.
        encoder: `"small"`, the name of a network of `keras.applications`, that name with `-block` to train its last
            block (`"vgg19-block5"`), or `"auto"`: the small CNN for small images, else VGG19.
        encoder_weights: `"imagenet"`, a file, or `"random"`.
        layer: The network's layer whose outputs are stored; by default its last map.
        image_size: Side of the square images, where it is not that of the small CNN or the network.
        precision: `"float32"`, `"bfloat16"`, or `"auto"`.

    Raises:
        InputError: There is no such network or layer, or it has no last block to train.
    """
    encoder = choose_encoder("vgg19" if layer and encoder == "auto" else encoder, encoder_weights, images)
    exact = choose_precision(precision) if encoder != "small" or precision != "auto" else "float32"
    if encoder == "small":
        return VisionSetup(encoder, exact, None, image_size or median_side(images))
    backbone = Backbone.named(network_of(encoder), layer=layer, image_size=image_size)
    stored = backbone.before_last_block() if trains_block(encoder) else backbone
    key = extractor_key(encoder_weights or "imagenet", network=stored.network, precision=exact)
    return VisionSetup(encoder, exact, key, key.side)


def choose_encoder(encoder: str, weights: str | None, images: Sequence[Path]) -> str:
    """Resolves `"auto"`: the small CNN for small images if no weights are given, else VGG19."""
    if encoder != "auto":
        return encoder
    return "small" if weights is None and median_side(images) < SMALL_SIDE else "vgg19"


def median_side(images: Sequence[Path]) -> int:
    """Computes the median side of the first 100 images, rounded down to a multiple of 8; 32 to 128."""
    sides: list[int] = []
    for path in images[:100]:
        with contextlib.suppress(OSError), open_picture(path) as image:
            sides += image.size
    return min(SMALL_SIDE, max(32, int(statistics.median(sides or [SMALL_SIDE])) // 8 * 8))
