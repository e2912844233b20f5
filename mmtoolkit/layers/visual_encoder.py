"""Encodes the images of a model: by a network or as stored regions, pooled and cropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from mmtoolkit.errors import InputError
from mmtoolkit.layers.crop import RegionCrop, RegionPool
from mmtoolkit.layers.image_encoder import SmallCNN, VGG19Block5

KINDS = ("vgg19", "vgg19-block5", "small")


@keras.saving.register_keras_serializable("mmtoolkit")
class VisualEncoder(keras.layers.Layer):
    """Encodes images as regions.

    Example:
        >>> ops.shape(images), ops.shape(VisualEncoder("small", pool=2)(images))
        ((2, 64, 64, 3), (2, 16, 128))

    Args:
        kind: `"vgg19"`: the input is stored regions, which stay as they are; `"vgg19-block5"`: it is stored regions
            from before VGG19's last block, which is trained; `"small"`: it is pixels, and a small CNN is trained.
        filters: Channels after each convolution of the small CNN, and `kernels` their sides (`SmallCNN`).
        crop: Largest share of the sides of an image that is cut off while training (`RegionCrop`).
        pool: Squares of `pool` x `pool` regions are max-pooled to one (`RegionPool`).

    Raises:
        InputError: An option is out of its range.
    """

    def __init__(
        self,
        kind: str = "vgg19",
        *,
        filters: Sequence[int] = (16, 32, 64, 128),
        kernels: Sequence[int] | None = None,
        crop: float = 0.0,
        pool: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise InputError(f"A model's encoder is one of {', '.join(KINDS)}. Received: {kind!r}.")
        self.kind, self.filters, self.kernels = kind, tuple(filters), kernels
        same = {"dtype": self.dtype_policy}
        self.pool = RegionPool(pool, name="pool", **same)
        self.crop = RegionCrop(crop, name="crop", **same)
        self.network: Any = None
        if kind == "small":
            self.network = SmallCNN(self.filters, kernels, name="encoder", **same)
        elif kind == "vgg19-block5":
            self.network = VGG19Block5(name="encoder", **same)

    def build(self, images_shape: Any) -> None:
        if self.network:
            self.network.build(images_shape)
        self.pool.build(self.encoded_shape(images_shape))
        self.crop.build(self.compute_output_shape(images_shape))

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Encodes images as `<float>[batch, regions, features]`.

        Args:
            images: Pixels `<uint8>[batch, side, side, 3]`, or stored regions `<float>[batch, regions, features]`.
            training: Whether regions are cropped, and batch norms use the batch's statistics.
        """
        return self.pooled(self.encode(images, training), training)

    def encode(self, images: Any, training: bool | None = None) -> Any:
        """Runs the network, if there is one."""
        return self.network(images, training=training) if self.network else images

    def pooled(self, regions: Any, training: bool | None = None) -> Any:
        """Pools regions and crops them."""
        return self.crop(self.pool(regions), training=training)

    def encoded_shape(self, images_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the regions before they are pooled."""
        return tuple(self.network.compute_output_shape(images_shape) if self.network else images_shape)

    def compute_output_shape(self, images_shape: Any, **_: Any) -> tuple[int | None, ...]:
        return self.pool.compute_output_shape(self.encoded_shape(images_shape))

    def get_config(self) -> dict[str, Any]:
        own = {"kind": self.kind, "filters": list(self.filters), "kernels": self.kernels and list(self.kernels)}
        return {**super().get_config(), **own, "crop": self.crop.share, "pool": self.pool.side}
