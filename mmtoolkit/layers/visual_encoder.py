"""Encodes the images of a model: by a network or as stored regions, pooled, cropped and projected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from mmtoolkit.backbones import Backbone, check_kind, network_of, trains_block
from mmtoolkit.errors import InputError, shortened
from mmtoolkit.layers.crop import RegionCrop, RegionPool
from mmtoolkit.layers.image_encoder import SmallCNN, TrainableBlock
from mmtoolkit.layers.memory import normalise
from mmtoolkit.layers.registered import layer_config, layer_from


@keras.saving.register_keras_serializable("mmtoolkit")
class VisualEncoder(keras.layers.Layer):
    """Encodes images as regions.

    Example:
        >>> ops.shape(images), ops.shape(VisualEncoder("small", pool=2)(images))
        ((2, 64, 64, 3), (2, 16, 128))

        A layer of your own:
        >>> patches = keras.layers.Conv2D(32, 8, strides=8)
        >>> ops.shape(VisualEncoder(patches)(images))
        (2, 64, 32)

    Args:
        kind: `"small"`: the input is pixels, and a small CNN is trained. The name of a network, e.g. `"vgg19"`: the
            input is its stored regions, which stay as they are; with `-block` (`"vgg19-block5"`) it is stored regions
            from before its last block, which is trained. A Keras layer or model: the input is pixels from 0 to 255, and
            the layer makes a map `[batch, rows, columns, features]` or regions `[batch, regions, features]` of them.
        filters: Channels after each convolution of the small CNN, and `kernels` their sides (`SmallCNN`).
        crop: Largest share of the sides of an image that is cut off while training (`RegionCrop`).
        pool: Squares of `pool` x `pool` regions are max-pooled to one (`RegionPool`).
        region_units: Width that normalised regions are projected to by a layer with a ReLU, for networks with more
            features than a decoder can use; `None` leaves them as they are.
        start: Name of the `Backbone` before the block that is trained; that of the network by default.
        grid: Rows and columns of stored regions where they are no square.

    Raises:
        InputError: An option is out of its range.
    """

    def __init__(
        self,
        kind: str | keras.layers.Layer | Mapping[str, Any] = "vgg19",
        *,
        filters: Sequence[int] = (16, 32, 64, 128),
        kernels: Sequence[int] | None = None,
        crop: float = 0.0,
        pool: int = 1,
        region_units: int | None = None,
        start: str | None = None,
        grid: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernels, self.start, self.grid = tuple(filters), kernels, start, grid
        same = {"dtype": self.dtype_policy}
        self.pool = RegionPool(pool, name="pool", **same)
        self.crop = RegionCrop(crop, name="crop", **same)
        self.region_units, self.projection = region_units, None
        if region_units:
            self.projection = keras.layers.Dense(region_units, activation="relu", name="projection", **same)
        self.network: Any = None
        if not isinstance(kind, str):
            self.network = layer_from(kind, "encoder") if isinstance(kind, Mapping) else kind
            if not isinstance(self.network, keras.layers.Layer):
                raise InputError(
                    "An encoder is a name, or a Keras layer or model (a layer, not its class). Received: "
                    f"{shortened(self.network)}."
                )
            self.kind: str = "own"
            return
        self.kind = check_kind(kind)
        if kind == "small":
            self.network = SmallCNN(self.filters, kernels, name="encoder", **same)
        elif trains_block(kind):
            first = Backbone(start) if start else Backbone.named(network_of(kind)).before_last_block()
            self.network = TrainableBlock(first.network, name="encoder", **same)

    @property
    def reads_pixels(self) -> bool:
        """Returns whether the input is pixels, not stored regions."""
        return self.kind in ("small", "own")

    def build(self, images_shape: Any) -> None:
        if self.kind != "own" and self.network:
            self.network.build(images_shape)
        regions = self.encoded_shape(images_shape)
        self.pool.grid = self.grid_of(images_shape) or ()
        self.pool.build(regions)
        self.crop.grid = tuple(side // self.pool.side for side in self.pool.grid)
        self.crop.build(self.pool.compute_output_shape(regions))
        if self.projection:
            self.projection.build(regions)

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Encodes images as `<float>[batch, regions, features]`.

        Args:
            images: Pixels `<uint8>[batch, side, side, 3]`, or stored regions `<float>[batch, regions, features]`.
            training: Whether regions are cropped, and batch norms use the batch's statistics.
        """
        return self.pooled(self.encode(images, training), training)

    def encode(self, images: Any, training: bool | None = None) -> Any:
        """Runs the network, if there is one."""
        if not self.network:
            return images
        if self.kind != "own":
            return self.network(images, training=training)
        regions = self.network(ops.cast(images, "float32"), training=training and self.network.trainable)
        regions = ops.cast(regions, self.compute_dtype)
        return regions if len(regions.shape) == 3 else ops.reshape(regions, (-1, *self.flat(regions.shape)[1:]))

    def pooled(self, regions: Any, training: bool | None = None) -> Any:
        """Pools regions, crops and projects them."""
        regions = self.crop(self.pool(regions), training=training)
        return self.projection(ops.cast(normalise(regions), self.compute_dtype)) if self.projection else regions

    def encoded_shape(self, images_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the regions before they are pooled."""
        return self.flat(self.map_shape(images_shape))

    def map_shape(self, images_shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of what the network makes; a layer of your own is built by it."""
        if self.kind == "own":
            return tuple(self.network(keras.KerasTensor(tuple(images_shape), "float32")).shape)
        return tuple(self.network.compute_output_shape(images_shape) if self.network else images_shape)

    def grid_of(self, images_shape: Any) -> tuple[int, int] | None:
        """Returns the rows and columns of the regions before they are pooled; `None` where they are no grid."""
        shape = self.map_shape(images_shape)
        if len(shape) == 4:
            return (shape[1], shape[2]) if shape[1] and shape[2] else None
        side = math.isqrt(shape[1] or 0)
        square = (side, side) if side**2 == shape[1] else None
        return (self.grid[0], self.grid[1]) if self.grid else square

    @staticmethod
    def flat(shape: Any) -> tuple[int | None, ...]:
        """Returns the shape of the regions of a map.

        Raises:
            InputError: It is no map and no regions.
        """
        if len(shape) not in (3, 4):
            raise InputError(
                "Expected an encoder that makes a map [batch, rows, columns, features] or regions [batch, regions, "
                f"features]. Received: one that makes {list(shape)}; leave out its last layers."
            )
        if len(shape) == 3:
            return tuple(shape)
        return shape[0], None if None in shape[1:3] else shape[1] * shape[2], shape[3]

    def compute_output_shape(self, images_shape: Any, **_: Any) -> tuple[int | None, ...]:
        batch, count, features = self.pool.compute_output_shape(self.encoded_shape(images_shape))
        return batch, count, self.region_units or features

    def get_config(self) -> dict[str, Any]:
        kind = layer_config(self.network) if self.kind == "own" else self.kind
        lists = {"filters": self.filters, "kernels": self.kernels, "grid": self.grid}
        own = {"kind": kind, "crop": self.crop.share, "pool": self.pool.side, "start": self.start}
        own["region_units"] = self.region_units
        return {**super().get_config(), **own, **{name: value and list(value) for name, value in lists.items()}}
