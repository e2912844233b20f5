"""Extracts features of picture regions with VGG19."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.files import file_digest, sweep, unfinished, write_atomically
from mmtoolkit.hdf5 import open_h5
from mmtoolkit.machine import instructions
from mmtoolkit.vision.digests import SHA256, remembered_digest

IMAGE_SIZE = 224  # side of the square pictures
SHAPES = {  # by layer: the regions and features that it gives
    **dict.fromkeys(("block4_pool", "block5_conv4", "block5_pool"), (196, 512)),
    "fc2": (1, 4096),
}
SIDES = dict.fromkeys(SHAPES, IMAGE_SIZE) | {"block5_pool": 2 * IMAGE_SIZE}  # by layer: of the pictures it reads
MEAN_BGR = (103.939, 116.779, 123.68)  # of ImageNet's pictures, as the weights' authors subtracted it
NO_TOP = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
PUBLISHED = {  # by layer: the file that holds its weights, and the file's MD5
    **dict.fromkeys(("block4_pool", "block5_conv4", "block5_pool"), (NO_TOP, "253f8cb515780f3b799900260a226db6")),
    "fc2": ("vgg19_weights_tf_dim_ordering_tf_kernels.h5", "cbe5617147190e668d6c5d5026f83318"),
}
URL = "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


@keras.saving.register_keras_serializable("mmtoolkit")
class VGG19Regions(keras.layers.Layer):
    """Computes VGG19 up to one layer: a 14 x 14 grid with one row per region, or the vector of `fc2` as the only row.

    Example:
        With random weights; `from_weights` loads those of a file:
        >>> ops.shape(VGG19Regions()(ops.zeros((1, 224, 224, 3), "uint8")))
        (1, 196, 512)

    Args:
        layer: `"block5_conv4"`; `"block5_pool"`, as many regions of a picture of 448 x 448, for smaller objects;
            `"block4_pool"`, of the same shape, for a last block that is trained with the model; or `"fc2"`
            (`<float16>[batch, 1, 4096]`), whose weights are in the file with the top.

    Source: Simonyan & Zisserman, "Very Deep Convolutional Networks", 2015, configuration E; `block5_conv4` is the layer
        of Xu et al., "Show, Attend and Tell", 2015, section 4.3.
    """

    def __init__(self, *, layer: str = "block5_conv4", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layer, shape = layer, (SIDES[layer], SIDES[layer], 3)
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.dtype_policy)  # keras.applications takes no dtype of its own
        try:
            self.whole = keras.applications.VGG19(include_top=layer == "fc2", weights=None, input_shape=shape)
            self.network = keras.Model(self.whole.input, self.whole.get_layer(layer).output)
        finally:
            keras.config.set_dtype_policy(policy)

    @classmethod
    def from_weights(
        cls, path: Path | None, *, precision: str, layer: str = "block5_conv4", seed: int = 0
    ) -> VGG19Regions:
        """Builds the network at a precision and loads a weights file; without one the weights are random.

        Args:
            path: An HDF5 file of VGG19 as Keras publishes it, without its top or, for `fc2`, with it.
            precision: `"float32"` or `"bfloat16"`.
            layer: As in the class.
            seed: Seed of the random weights.

        Raises:
            InputError: The file does not hold VGG19's convolutions, or a number in it is not finite.
        """
        dtype = "mixed_bfloat16" if precision == "bfloat16" else "float32"
        extractor = cls(layer=layer, dtype=dtype, trainable=False)
        if path is None:
            for number, kernel in enumerate(extractor.network.weights[::2]):
                kernel.assign(keras.initializers.HeNormal(seed=100 * seed + number)(kernel.shape))
            return extractor
        try:
            most = 8 * extractor.whole.count_params()
            with (
                warnings.catch_warnings(action="ignore"),  # of every layer that is not in a wrong file
                open_h5(path, most=most, remedy="give another file"),
            ):
                extractor.whole.load_weights(str(path))
        except (ValueError, OSError, KeyError) as error:
            raise InputError(
                f"Expected the weights of VGG19 {'with' if layer == 'fc2' else 'without'} its top "
                f"({PUBLISHED[layer][0]}). Received: {path}, which holds something else or is damaged; give another "
                "file with --vgg19-weights."
            ) from error
        if not all(np.isfinite(weight).all() for weight in extractor.get_weights()):
            raise InputError(
                f"Expected finite weights of VGG19. Received: {path}, which has numbers that are not; give another "
                "file with --vgg19-weights."
            )
        return extractor

    def build(self, input_shape: Any = None) -> None:
        self.built = True

    def call(self, images: Any) -> Any:
        pixels = ops.cast(images, "float32")
        pixels = ops.flip(pixels, axis=-1) - ops.convert_to_tensor(MEAN_BGR, "float32")
        grid = self.network(ops.cast(pixels, self.compute_dtype))
        return ops.cast(ops.reshape(grid, (-1, *SHAPES[self.layer])), "float16")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": self.layer}


class Extractor(Protocol):
    """Extracts regions: `VGG19Regions`, or any object with its `call`."""

    def call(self, images: Any) -> Any:
        """Maps `<uint8>[batch, side, side, 3]` to `<float16>[batch, regions, features]`."""


def extractor_graph(extractor: Extractor, side: int = IMAGE_SIZE) -> Callable[[Any], tf.Tensor]:
    """Makes one graph of the extractor's forward pass, for any number of pictures of one size."""
    signature = [tf.TensorSpec((None, side, side, 3), tf.uint8)]
    return tf.function(extractor.call, input_signature=signature)


def cache_folder() -> Path:
    """Returns the folder of downloaded weights and feature stores: `$MMTOOLKIT_CACHE` or `~/.cache/mmtoolkit`."""
    return Path(os.environ.get("MMTOOLKIT_CACHE") or Path.home() / ".cache" / "mmtoolkit")


def vgg19_weights(source: str, *, layer: str = "block5_conv4") -> Path | None:
    """Finds the weights file for `--vgg19-weights imagenet|PATH|random`; random needs none.

    For `imagenet` it is the published file from the cache, or else the one that was last given by its path, or else a
    download.

    Raises:
        InputError: The file is missing, or cannot be downloaded.
    """
    if source == "random":
        return None
    if source != "imagenet":
        path = Path(source)
        if not path.is_file():
            raise InputError(
                f"--vgg19-weights expects imagenet, random or the path of a weights file. Received: {source!r}, "
                "which does not exist."
            )
        return path
    if cached := cached_weights(layer):
        return cached
    name, md5 = PUBLISHED[layer]
    given = sorted(whole_weights(), key=lambda path: path.stat().st_mtime) if name == NO_TOP else []
    if given:
        warnings.warn(
            f"VGG19's weights are those given before, {given[-1]}; --vgg19-weights names others", stacklevel=2
        )
        return given[-1]
    download(cache_folder() / name, md5)
    return cache_folder() / name


def cached_weights(layer: str) -> Path | None:
    """Finds the published weights of a layer in the cache, downloaded or copied there from a given path."""
    name, md5 = PUBLISHED[layer]
    if is_whole(cache_folder() / name, md5, "md5"):
        return cache_folder() / name
    return next((path for path in whole_weights() if remembered_digest(path, "md5") == md5), None)


def whole_weights() -> list[Path]:
    """Finds the weights files in the cache that were given by their paths."""
    paths = (cache_folder() / "weights").glob("*.h5")
    return [path for path in sorted(paths) if kept_weights(path.stem)]


def kept_weights(digest: str) -> Path | None:
    """Finds the weights file with a SHA-256 in the cache, if it is whole."""
    path = weights_by_digest(digest)
    return path if SHA256.fullmatch(digest) and is_whole(path, digest) else None


def is_whole(path: Path, digest: str, algorithm: str = "sha256") -> bool:
    """Checks whether a file is in the cache with its digest; one that is damaged is not used, with a warning."""
    if not path.is_file():
        return False
    if remembered_digest(path, algorithm) == digest:
        return True
    warnings.warn(f"the cached {path} is damaged and is not used: its digest is not {digest[:16]}…", stacklevel=2)
    return False


def download(target: Path, md5: str) -> None:
    """Downloads published weights; the file gets its name once it is complete."""
    partial = unfinished(target)
    folder = {"cache_dir": str(target.parent), "cache_subdir": ""}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for a command's results
            keras.utils.get_file(partial.name, URL + target.name, file_hash=md5, hash_algorithm="md5", **folder)
        os.replace(partial, target)
    except Exception as error:  # get_file raises plain Exception for every network failure
        raise InputError(
            f"VGG19's weights are not here and could not be downloaded; put {target.name} at {target}, or give its "
            "path with --vgg19-weights."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def cache_weights(path: Path, *, layer: str) -> str:
    """Copies a weights file into the cache under its SHA-256, so that later commands find it; returns the hash.

    Raises:
        InputError: The file does not hold VGG19's convolutions; it is not copied.
    """
    digest = remembered_digest(path) if path.is_relative_to(cache_folder()) else file_digest(path)
    target = weights_by_digest(digest)
    if kept_weights(digest):
        return digest
    copy = unfinished(target).with_suffix(".part.h5")  # Keras goes by the ending
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    try:
        with path.open("rb") as weights:
            write_atomically(copy, lambda file: shutil.copyfileobj(weights, file))
        VGG19Regions.from_weights(copy, precision="float32", layer=layer)
        if file_digest(copy) != digest:
            raise InputError(f"Expected a file that stays as it is. Received: {path}, which has changed; try again.")
        os.replace(copy, target)  # by another process' copy as well, which is the same
    except InputError as error:
        raise InputError(str(error).replace(str(copy), str(path))) from error
    finally:
        copy.unlink(missing_ok=True)
    return digest


def weights_by_digest(digest: str) -> Path:
    """Returns the path in the cache of the weights file with a SHA-256."""
    return cache_folder() / "weights" / f"{digest}.h5"


def choose_precision(precision: str) -> str:
    """Resolves `auto`: bfloat16 where the processor multiplies it in hardware, else float32."""
    if precision != "auto":
        return precision
    return "bfloat16" if instructions() & BFLOAT16_FLAGS else "float32"
