"""Trainable image encoders: a small one for small and synthetic pictures, and the last block of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from mmtoolkit.backbones import Backbone
from mmtoolkit.errors import InputError
from mmtoolkit.folding import fold_batch_norms


@keras.saving.register_keras_serializable("mmtoolkit")
class SmallCNN(keras.layers.Layer):
    """Encodes pixels by batch-normalised convolutions with pooling: four give a grid of an eighth of the image's side.

    Example:
        >>> ops.shape(images), ops.shape(SmallCNN()(images))
        ((2, 64, 64, 3), (2, 64, 128))

    Args:
        filters: Channels after each convolution; the last is the width of a region.
        kernels: Side of each convolution, 3 by default. With 1 for the last, which then mixes no neighbours into a
            region, attention is more often on what a region shows; captions are worse (`benchmarks/pointing.py`).

    Raises:
        InputError: There are not as many kernels as filters.
    """

    def __init__(
        self, filters: Sequence[int] = (16, 32, 64, 128), kernels: Sequence[int] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters = tuple(filters)
        self.kernels = tuple(kernels or [3] * len(self.filters))
        if len(self.kernels) != len(self.filters):
            raise InputError(
                f"A small CNN has a kernel for each of its filters. Received: kernels={list(self.kernels)}, "
                f"filters={list(self.filters)}."
            )
        same = {"padding": "same", "use_bias": False, "dtype": self.dtype_policy}
        self.convolutions = [
            keras.layers.Conv2D(n, side, name=f"conv_{i}", **same)
            for i, (n, side) in enumerate(zip(self.filters, self.kernels, strict=True))
        ]
        self.norms = [
            keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{i}", dtype=self.dtype_policy)
            for i in range(len(self.filters))
        ]
        self.pool = keras.layers.MaxPooling2D(2, dtype=self.dtype_policy)

    def build(self, images_shape: Any) -> None:
        channels = 3 + 2
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build((None, None, None, channels))
            channels = convolution.filters
            norm.build((None, None, None, channels))

    def call(self, images: Any, training: bool | None = None) -> Any:
        values = ops.cast(images, self.compute_dtype) / 127.5 - 1.0
        values = ops.concatenate([values, coordinates(values)], axis=-1)
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            values = ops.relu(norm(convolution(values), training=training))
            if index < len(self.convolutions) - 1:
                values = self.pool(values)
        height, width = values.shape[1:3]
        count = -1 if None in (height, width) else height * width  # known where it can be: pooling and crops need it
        return ops.reshape(values, (ops.shape(values)[0], count, self.filters[-1]))

    def compute_output_shape(self, images_shape: Any) -> tuple[int | None, int | None, int]:
        side = images_shape[1]
        for _ in self.convolutions[1:]:
            side = None if side is None else side // 2
        return images_shape[0], None if side is None else side * side, self.filters[-1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": list(self.filters), "kernels": list(self.kernels)}


@keras.saving.register_keras_serializable("mmtoolkit")
class TrainableBlock(keras.layers.Layer):
    """Applies the last block of a network of `keras.applications`, from the regions before it to those of its last map.

    Its trained weights are kept divided by `rate`, so that an optimizer of Adam's kind moves them by that share of its
    learning rate: a few steps must not undo the training on a million pictures. Batch norms are folded into the
    convolutions before them, and others keep their statistics.

    Example:
        >>> block = TrainableBlock("vgg19-block4_pool")   # random, until it starts with `start(weights)` of a file
        >>> ops.shape(block(regions))
        (2, 196, 512)

    Args:
        network: Name of the `Backbone` up to where the block starts.
        rate: Share of the optimizer's learning rate at which the block learns.

    Raises:
        InputError: There is no such network.

    Source: scaled weights: Karras et al., "Progressive Growing of GANs", 2018, section 4.1.
    """

    def __init__(self, network: str, *, rate: float = 0.05, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.before, self.rate = Backbone(network), rate
        whole = Backbone.named(self.before.name, image_size=self.before.image_size)
        _, built = whole.build(self.dtype_policy)
        block = fold_batch_norms(keras.Model(built.get_layer(self.before.layer).output, built.output))
        self.block = lambda: block  # in a function, where Keras does not take its weights for more of this layer's

    def build(self, regions_shape: Any = None) -> None:
        block = self.block()
        # Kernels before vectors, as files of VGG19's last block have them.
        order = sorted(range(len(block.trainable_variables)), key=lambda i: len(block.trainable_variables[i].shape) < 2)
        names = {id(weight): number for number, weight in enumerate(block.weights)}
        scaled: dict[int, Any] = {}
        for number in order:
            weight = block.trainable_variables[number]
            value = ops.convert_to_numpy(weight) / self.rate
            scaled[number] = self.add_weight(shape=weight.shape, name=f"weight_{names[id(weight)]}", initializer=value)
        self.scaled = [scaled[number] for number in range(len(order))]
        self.fixed = [
            self.add_weight(
                shape=weight.shape,
                name=f"weight_{names[id(weight)]}",
                initializer=ops.convert_to_numpy(weight),
                trainable=False,
            )
            for weight in block.non_trainable_weights
        ]

    def start(self, weights: Sequence[Any]) -> None:
        """Sets the weights to those of the block in a network, in the order of its `get_weights()`."""
        block = self.block()
        places = {id(weight): value for weight, value in zip(block.weights, weights, strict=True)}
        for variable, weight in zip(self.scaled, block.trainable_variables, strict=True):
            variable.assign(places[id(weight)] / self.rate)
        for variable, weight in zip(self.fixed, block.non_trainable_weights, strict=True):
            variable.assign(places[id(weight)])

    def call(self, regions: Any, training: bool | None = None) -> Any:
        rows, columns, width = self.before.shape
        values = ops.reshape(ops.cast(regions, self.compute_dtype), (-1, rows, columns, width))
        weights = [self.rate * variable for variable in self.scaled]
        fixed = {id(known): own for known, own in zip(self.block().non_trainable_weights, self.fixed, strict=True)}
        others = [fixed.get(id(known), known) for known in self.block().non_trainable_variables]  # also seeds
        values, _ = self.block().stateless_call(weights, others, values, training=False)
        return ops.reshape(values, (-1, *self.compute_output_shape(regions.shape)[1:]))

    def compute_output_shape(self, regions_shape: Any) -> tuple[int | None, ...]:
        rows, columns, features = self.block().output.shape[1:]
        return regions_shape[0], rows * columns, features

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "network": self.before.network, "rate": self.rate}


def coordinates(values: Any) -> Any:
    """Computes each pixel's coordinates, from -1 to 1, as two channels (Liu et al. 2018, CoordConv)."""
    batch, height, width = (ops.shape(values)[axis] for axis in range(3))
    rows = ops.reshape(ops.linspace(-1.0, 1.0, height), (1, height, 1, 1))
    columns = ops.reshape(ops.linspace(-1.0, 1.0, width), (1, 1, width, 1))
    shape = (batch, height, width, 1)
    return ops.cast(
        ops.concatenate([ops.broadcast_to(rows, shape), ops.broadcast_to(columns, shape)], axis=-1), values.dtype
    )
