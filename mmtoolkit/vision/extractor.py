"""Extracts features of picture regions with an image classifier."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmtoolkit.backbones import Backbone
from mmtoolkit.efficientnet_lite import PUBLISHED as LITE
from mmtoolkit.efficientnet_lite import keras_weights
from mmtoolkit.errors import InputError
from mmtoolkit.folding import finalize_normalizations, fold_batch_norms
from mmtoolkit.hdf5 import open_h5
from mmtoolkit.vision.torch_files import read_tensors

VGG19_REGIONS = "vgg19-block5_conv4"
NO_TOP = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
PUBLISHED = {  # by layer of VGG19: the file that holds its weights, and the file's MD5
    **dict.fromkeys(("block4_pool", "block5_conv4", "block5_pool"), (NO_TOP, "253f8cb515780f3b799900260a226db6")),
    "fc2": ("vgg19_weights_tf_dim_ordering_tf_kernels.h5", "cbe5617147190e668d6c5d5026f83318"),
}
MOST_LAYERS = 2000  # of a network of `keras.applications`
# Keras divides by the root of this once more, after the normalization, where it loads published weights itself.
EFFICIENTNET_VARIANCE = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable("mmtoolkit")
class RegionExtractor(keras.layers.Layer):
    """Computes an image classifier up to one layer: a row of features for each cell of its map.

    Example:
        With random weights; `from_weights` loads those of a file:
        >>> ops.shape(RegionExtractor("vgg19-block5_conv4")(ops.zeros((1, 224, 224, 3), "uint8")))
        (1, 196, 512)
        >>> ops.shape(RegionExtractor("mobilenetv2@96")(ops.zeros((1, 96, 96, 3), "uint8")))
        (1, 9, 1280)

    Args:
        network: Name of a `Backbone`: a network of `keras.applications` or EfficientNet-Lite. Of VGG19 there are
            `"vgg19-block5_conv4"`; `"vgg19-block5_pool"`, as many regions of a picture of 448 x 448, for smaller
            objects; `"vgg19-block4_pool"`, of the same shape, for a last block that is trained with the model; and
            `"vgg19-fc2"` (`<float16>[batch, 1, 4096]`), whose weights are in the file with the top.
        folded: Whether the batch norms are folded into the convolutions, which computes the same in less time.
        built: What `Backbone.build` has returned, where the network is built already.

    Raises:
        InputError: There is no such network or layer.

    Source: Simonyan & Zisserman, "Very Deep Convolutional Networks", 2015, configuration E; `block5_conv4` is the layer
        of Xu et al., "Show, Attend and Tell", 2015, section 4.3.
    """

    def __init__(
        self,
        network: str = VGG19_REGIONS,
        *,
        folded: bool = False,
        built: tuple[Any, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.backbone, self.folded = Backbone(network), folded
        whole, part = built or self.backbone.build(self.dtype_policy)
        self.network = fold_batch_norms(part) if folded else part
        self.whole = whole if self.network is part else self.network

    @classmethod
    def from_weights(
        cls, path: Path | None, *, precision: str, network: str = VGG19_REGIONS, folded: bool = True, seed: int = 0
    ) -> RegionExtractor:
        """Builds the network at a precision and loads a weights file; without one the weights are random.

        Args:
            path: An HDF5 file of the network as Keras publishes it, without its top or, for `fc2`, with it; of
                EfficientNet-Lite also the `.pth` of its package.
            precision: `"float32"` or `"bfloat16"`.
            network: As in the class.
            folded: As in the class.
            seed: Seed of the random weights.

        Raises:
            InputError: The file does not hold the network's weights, or a number in it is not finite.
        """
        dtype = "mixed_bfloat16" if precision == "bfloat16" else "float32"
        backbone = Backbone(network)
        whole, part = built = backbone.build(dtype)
        options: dict[str, Any] = {"folded": folded, "built": built, "dtype": dtype, "trainable": False}
        if path is None:
            randomise(part, backbone, seed)
            return cls(network, **options)
        name, with_top = backbone.name, "with" if backbone.reads_top else "without"
        usual = f"those of {LITE[name].package}" if name in LITE else "as Keras publishes them"
        file = PUBLISHED[backbone.layer][0] if backbone.layer in PUBLISHED else usual
        try:
            load_weights(whole, path)
        except (ValueError, OSError, KeyError, IndexError) as error:
            raise InputError(
                f"Expected the weights of {name} {with_top} its top ({file}). Received: {path}, which holds something "
                "else or is damaged; give another file with --encoder-weights."
            ) from error
        if path.name.endswith(".h5") and not path.name.endswith(".weights.h5"):
            as_published(whole, backbone)
        extractor = cls(network, **options)
        if not all(np.isfinite(weight).all() for weight in extractor.get_weights()):
            raise InputError(
                f"Expected finite weights of {name}. Received: {path}, which has numbers that are not; give another "
                "file with --encoder-weights."
            )
        return extractor

    def at_precision(self, precision: str) -> RegionExtractor:
        """Copies the extractor with weights of the precision that it computes in."""
        if precision == "float32":
            return self
        half = RegionExtractor(self.backbone.network, folded=self.folded, dtype=precision, trainable=False)
        set_weights(half.network, self.network.get_weights())
        return half

    def build(self, input_shape: Any = None) -> None:
        self.built = True

    def call(self, images: Any) -> Any:
        pixels = self.backbone.preprocess(ops.cast(images, "float32"))
        grid = self.network(ops.cast(pixels, self.compute_dtype), training=False)
        rows, columns, features = self.backbone.shape
        return ops.cast(ops.reshape(grid, (-1, rows * columns, features)), "float16")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "network": self.backbone.network, "folded": self.folded}


def load_weights(whole: Any, path: Path) -> None:
    """Loads a weights file, of a size that the network can have.

    Raises:
        ValueError, OSError, KeyError, IndexError: It is damaged or of another network.
    """
    most = 8 * whole.count_params()
    if path.suffix == ".pth":
        if path.stat().st_size > most:
            raise ValueError(f"it has more than {most} bytes")
        whole.set_weights(keras_weights(read_tensors(path)))
        return
    with (
        warnings.catch_warnings(action="ignore"),  # of every layer that is not in a wrong file
        open_h5(path, most=most, remedy="give another file", layers=MOST_LAYERS),
    ):
        whole.load_weights(str(path))


def randomise(network: Any, backbone: Backbone, seed: int) -> None:
    """Sets the kernels of a network at random, each by a seed of its own.

    Batch norms get the statistics of noise, and add 1: most of what a relu reads is then positive, and a deep network
    does not blow up the rounding of a number to all of its digits.

    Source: He et al., "Delving Deep into Rectifiers", 2015, equation 10.
    """
    kernels = [weight for weight in network.weights if len(weight.shape) > 1]
    for number, kernel in enumerate(kernels):
        depthwise = kernel.shape[-1] == 1  # one channel is computed from one, not from all
        shape = (*kernel.shape[:2], 1, kernel.shape[2]) if depthwise else kernel.shape
        drawn = keras.initializers.HeNormal(seed=100 * seed + number)(shape)
        kernel.assign(ops.reshape(drawn, kernel.shape))
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    drops = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    usual = [(layer, "momentum", layer.momentum) for layer in norms] + [(layer, "rate", layer.rate) for layer in drops]
    for layer, name, _ in usual:
        setattr(layer, name, 0.0)
    for layer in norms:
        if layer.center:
            layer.beta.assign(ops.ones_like(layer.beta))
    noise = np.random.default_rng(seed).uniform(0, 255, (4, *network.input.shape[1:])).astype("float32")
    network(backbone.preprocess(noise), training=True)
    for layer, name, value in usual:
        setattr(layer, name, value)


def set_weights(network: Any, weights: Sequence[Any]) -> None:
    """Sets the weights of a network; its normalizations compute with them from now on."""
    network.set_weights(weights)
    finalize_normalizations(network)


def as_published(whole: Any, backbone: Backbone) -> None:
    """Brings published weights of the first EfficientNets to what Keras computes with them."""
    for layer in whole.layers if backbone.name.startswith("efficientnetb") else ():
        if isinstance(layer, keras.layers.Normalization):
            mean, variance, *count = layer.get_weights()
            layer.set_weights([mean, variance * np.asarray(EFFICIENTNET_VARIANCE, variance.dtype), *count])
            layer.finalize_state()


class Extractor(Protocol):
    """Extracts regions: `RegionExtractor`, or any object with its `call`."""

    def call(self, images: Any) -> Any:
        """Maps `<uint8>[batch, side, side, 3]` to `<float16>[batch, regions, features]`."""


def extractor_graph(extractor: Extractor, side: int = 224) -> Callable[[Any], tf.Tensor]:
    """Makes one graph of the extractor's forward pass, for any number of pictures of one size."""
    signature = [tf.TensorSpec((None, side, side, 3), tf.uint8)]
    return tf.function(extractor.call, input_signature=signature)
