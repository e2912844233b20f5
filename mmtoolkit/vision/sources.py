"""Where a model's picture inputs come from: decoded pictures, stored regions, or regions made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.vision.feature_store import ExtractorKey, FeatureStore, Progress
from mmtoolkit.vision.images import decode_ahead, read_image
from mmtoolkit.vision.vgg import (
    VGG19Regions,
    cache_folder,
    choose_precision,
    extractor_graph,
    keep_weights,
    vgg19_weights,
    weights_by_digest,
)

RANDOM = "random"
BATCH = 64  # pictures decoded between two looks at the progress
LeaveOut = Callable[[Path, str], None]  # gets a picture that cannot be read, and why


class UnreadablePictures(InputError):
    """Some of the pictures cannot be read."""


class ImageSource(Protocol):
    """Where a data set's picture inputs come from: anything with these four members."""

    @property
    def input_name(self) -> str:
        """The model's input that it feeds, `"regions"` or `"images"`."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """One picture's shape."""
        ...

    @property
    def dtype(self) -> Any:
        """The arrays' NumPy type."""
        ...

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """One row per path."""
        ...


def shared_pictures(source: ImageSource, images: Sequence[Path]) -> dict[str, np.ndarray]:
    """The inputs of a model for pictures some of which come more than once: each is read once.

    Example:
        >>> shared_pictures(store, [Path("a.png"), Path("b.png"), Path("a.png")])
        {"regions": <float16>[2, 196, 512], "image_index": [0, 1, 0]}

    Args:
        source: Where they come from.
        images: Their paths.
    """
    places = {image: place for place, image in enumerate(dict.fromkeys(images))}
    picture = np.array([places[image] for image in images], np.int32)
    return {source.input_name: source.read(list(places)), "image_index": picture}


class Pictures:
    """Decoded pictures: the source of models with an encoder of their own.

    Example:
        >>> Pictures(size=64).read([Path("a.png"), Path("b.png")]).shape
        (2, 64, 64, 3)

    Args:
        size: Side of the squares.
        keep: Whether pictures stay in memory once decoded, for training on a small set.
    """

    input_name = "images"
    dtype = np.uint8

    def __init__(self, size: int, *, keep: bool = True) -> None:
        self.size, self.shape, self.keep = size, (size, size, 3), keep
        self.kept: dict[Path, np.ndarray] = {}

    def add(self, images: Iterable[Path], *, progress: Progress | None = None) -> dict[Path, str]:
        """Decodes pictures ahead and keeps them in memory.

        Returns:
            The pictures that could not be read, each with the reason.
        """
        paths, failures = list(dict.fromkeys(images)), {}
        for number, batch in enumerate(decode_ahead(paths, size=self.size, batch_size=BATCH), start=1):
            for path, found in batch:
                if isinstance(found, str):
                    failures[path] = found
                else:
                    self.kept[path] = found
            if progress:
                progress(min(number * BATCH, len(paths)), len(paths))
        return failures

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """`<uint8>[pictures, size, size, 3]`."""
        return np.stack([self.picture(path) for path in images])

    def picture(self, path: Path) -> np.ndarray:
        """One picture, `<uint8>[size, size, 3]`."""
        if path in self.kept:
            return self.kept[path]
        pixels = read_image(path, size=self.size)
        if self.keep:
            self.kept[path] = pixels
        return pixels


class LiveRegions:
    """VGG19 regions made when asked for: what `predict` uses on a few pictures.

    Example:
        >>> LiveRegions(captioner.extractor).read([Path("a.jpg")]).shape
        (1, 196, 512)

    Args:
        key: Which weights and precision; the weights are looked for in the cache.

    Raises:
        InputError: The model has no extractor, or its weights are not in the cache.
    """

    input_name = "regions"
    dtype = np.float16

    def __init__(self, key: ExtractorKey | None) -> None:
        if key is None:
            raise InputError("This model reads stored regions and does not say what made them; give it a FeatureStore.")
        self.forward, self.shape, self.side = forward_pass(key), key.shape, key.side

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """`<float16>[pictures, regions, features]`."""
        pictures = np.stack([read_image(path, size=self.side) for path in images])
        return self.forward(pictures).numpy()


def extractor_key(source: str, *, precision: str = "auto", layer: str = "block5_conv4") -> ExtractorKey:
    """The key for `--vgg19-weights imagenet|PATH|random`; the file is copied into the cache under its hash."""
    path = vgg19_weights(source, layer=layer)
    digest = RANDOM if path is None else keep_weights(path, layer=layer)
    return ExtractorKey(digest, choose_precision(precision), network=f"vgg19-{layer}")


def has_weights(key: ExtractorKey) -> bool:
    """Whether the weights that a key names are in the cache; random ones need no file."""
    return key.weights == RANDOM or weights_by_digest(key.weights).is_file()


@lru_cache(maxsize=2)
def load_extractor(key: ExtractorKey) -> VGG19Regions:
    """Builds the extractor that a key describes.

    Raises:
        InputError: The weights file with that hash is not in the cache.
    """
    if not has_weights(key):
        raise InputError(
            f"This model was trained on features of the VGG19 weights with SHA-256 {key.weights[:16]}…, which are not "
            f"in the cache {cache_folder()}; give the file with --vgg19-weights."
        )
    path = None if key.weights == RANDOM else weights_by_digest(key.weights)
    return VGG19Regions.from_weights(path, precision=key.precision, layer=key.layer)


def block5_weights(key: ExtractorKey) -> list[np.ndarray]:
    """The kernels and biases of VGG19's last block, in turns, from the weights file that a key names."""
    network = load_extractor(replace(key, network="vgg19-block5_conv4")).network
    return [weight for layer in network.layers[-4:] for weight in layer.get_weights()]


@lru_cache(maxsize=2)
def forward_pass(key: ExtractorKey) -> Callable[[Any], Any]:
    """The forward pass of the extractor that a key describes, compiled once however often it is asked for."""
    return extractor_graph(load_extractor(key), key.side)


def open_store(key: ExtractorKey, folder: Path | None = None) -> FeatureStore:
    """The feature store of a key, in the cache unless placed elsewhere."""
    return FeatureStore(folder or cache_folder() / "features", key)


def stored_regions(
    key: ExtractorKey,
    images: Sequence[Path],
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    leave_out: LeaveOut | None = None,
) -> FeatureStore:
    """The feature store of a key, with all the pictures in it.

    Raises:
        InputError: Some pictures cannot be read (the message counts them and names the first ones) and there is no
            `leave_out` to get them with the reasons, or what is stored of one is damaged.
    """
    store = open_store(key, folder)
    failures = store.add(images, lambda: load_extractor(key), progress=progress)
    check_readable(failures, leave_out, "; the features of the others are kept")
    stored = [image for image in images if image not in failures]
    for start in range(0, len(stored), BATCH):  # each row is checked when first read: now, not in the midst of training
        store.read(stored[start : start + BATCH])
    return store


def decoded_pictures(
    size: int, images: Iterable[Path], *, progress: Progress | None = None, leave_out: LeaveOut | None = None
) -> Pictures:
    """The pictures, decoded and kept in memory.

    Raises:
        InputError: Some pictures cannot be read; the message counts them and names the first ones. With `leave_out`
            that gets them with the reasons instead.
    """
    pictures = Pictures(size)
    check_readable(pictures.add(images, progress=progress), leave_out)
    return pictures


def check_readable(failures: Mapping[Path, str], leave_out: LeaveOut | None, consolation: str = "") -> None:
    """Raises `UnreadablePictures` where there are some, or hands each to `leave_out`."""
    if leave_out:
        for path, why in failures.items():
            leave_out(path, why)
    elif failures:
        named = "; ".join(f"{path} ({why})" for path, why in list(failures.items())[:3])
        more = "; …" if len(failures) > 3 else ""
        raise UnreadablePictures(
            f"Expected pictures that can be read. Received: {len(failures)} that cannot, {named}{more}. "
            f"Replace them or leave them out{consolation}."
        )
