"""Region features on disk: written once, read through a memory map, safe against a kill at any moment."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmtoolkit.errors import InputError
from mmtoolkit.vision.images import decode_image, read_bytes, reason
from mmtoolkit.vision.vgg import FEATURES, IMAGE_SIZE, REGIONS, VGG19Regions

SHARD = 128  # pictures; a kill loses the work on at most so many
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ExtractorKey:
    """What features depend on besides the picture; stores of different keys never mix.

    Args:
        weights: SHA-256 of the weights file, or `random-SEED`.
        precision: `"float32"` or `"bfloat16"`.
        network: Name of the extractor.
        image_size: Side of the squares.
    """

    weights: str
    precision: str
    network: str = "vgg19-block5_conv4"
    image_size: int = IMAGE_SIZE


class FeatureStore:
    """Region features `<float16>[196, 512]` by the bytes of a picture.

    A shard is `NAME.npy` and then `NAME.json`, which lists its pictures and the CRC-32 of every row; a shard without
    its JSON does not exist. Each row is checked when it is first read.

    Example:
        >>> store = FeatureStore(folder, ExtractorKey(digest, "bfloat16"))
        >>> failures = store.add(paths, extractor)
        >>> store.read(paths[:2]).shape
        (2, 196, 512)

    Args:
        folder: Where the stores live; each key has a folder of its own inside.
        key: What made the features.
    """

    input_name = "regions"
    shape = (REGIONS, FEATURES)
    dtype = np.float16

    def __init__(self, folder: Path, key: ExtractorKey) -> None:
        self.key = key
        settings = json.dumps(asdict(key), sort_keys=True)
        self.folder = folder / f"{key.network}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
        self._digests: dict[Path, str] = {}
        self._rows: dict[str, tuple[np.ndarray, int, int]] = {}
        self._checked: set[str] = set()
        for listing in sorted(self.folder.glob("*.json")):
            self._open(listing)

    def _open(self, listing: Path) -> None:
        """Makes the rows of one finished shard known."""
        try:
            entries = json.loads(listing.read_text(encoding="utf-8"))
            rows = np.load(listing.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
            if rows.shape != (len(entries), *self.shape) or rows.dtype != self.dtype:
                raise ValueError(f"shape {rows.shape}")
        except (OSError, ValueError) as error:
            raise InputError(
                f"The feature shard {listing.with_suffix('.npy')} is damaged ({error}); delete it and its .json, and "
                "run the command again to extract its pictures anew."
            ) from error
        for row, (digest, crc) in enumerate(entries):
            self._rows[digest] = (rows, row, crc)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, image: Path) -> bool:
        return self.digest(image) in self._rows

    def digest(self, image: Path) -> str:
        """The SHA-256 of a picture's bytes, read once a path."""
        if image not in self._digests:
            self._digests[image] = hashlib.sha256(image.read_bytes()).hexdigest()
        return self._digests[image]

    def read(self, images: Sequence[Path]) -> np.ndarray:
        """`<float16>[pictures, 196, 512]`, one row per path.

        Raises:
            InputError: A picture has no features here, or its stored row is damaged.
        """
        out = np.empty((len(images), *self.shape), self.dtype)
        for place, image in enumerate(images):
            digest = self.digest(image)
            if digest not in self._rows:
                raise InputError(f"No features are stored for {image}; run `mmtoolkit features` on its folder.")
            rows, row, crc = self._rows[digest]
            out[place] = rows[row]
            if digest not in self._checked:
                if zlib.crc32(out[place].tobytes()) != crc:
                    raise InputError(
                        f"The stored features of {image} are damaged: delete {self.folder} and run the command again."
                    )
                self._checked.add(digest)
        return out

    def add(
        self,
        images: Iterable[Path],
        extractor: VGG19Regions | Callable[[], VGG19Regions],
        *,
        batch_size: int = 32,
        progress: Progress | None = None,
    ) -> dict[Path, str]:
        """Extracts what is not stored yet; what was finished before a kill is not done again.

        Args:
            images: Picture files.
            extractor: The network, or a function that builds it once something is missing.
            batch_size: Pictures a forward pass.
            progress: Called with (done, total) after each batch.

        Returns:
            The pictures that could not be read, each with the reason.
        """
        failures: dict[Path, str] = {}
        missing: dict[str, Path] = {}
        for image in images:
            try:
                digest = self.digest(image)
            except OSError as error:
                failures[image] = error.strerror or str(error)
                continue
            if digest not in self._rows:
                missing.setdefault(digest, image)
        if missing:
            network = extractor if isinstance(extractor, VGG19Regions) else extractor()
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "key").write_text(json.dumps(asdict(self.key), indent=1) + "\n", encoding="utf-8")
            shards = self._extract(missing, network, batch_size, progress or (lambda done, total: None), failures)
            for entries, rows in shards:
                self._write(entries, rows)
        return failures

    def _extract(
        self,
        missing: dict[str, Path],
        network: VGG19Regions,
        batch_size: int,
        progress: Progress,
        failures: dict[Path, str],
    ) -> Iterator[tuple[list[tuple[str, int]], np.ndarray]]:
        """Features of the missing pictures, a shard at a time; what cannot be decoded goes to `failures`."""
        forward = tf.function(network.call, input_signature=[tf.TensorSpec((None, IMAGE_SIZE, IMAGE_SIZE, 3), tf.uint8)])
        rows, entries, done = np.empty((SHARD, *self.shape), self.dtype), [], 0
        for digests, pictures in decoded_batches(missing, batch_size, failures):
            features = forward(pictures).numpy()
            for digest, row in zip(digests, features, strict=True):
                rows[len(entries)] = row
                entries.append((digest, zlib.crc32(row.tobytes())))
                if len(entries) == SHARD:
                    yield entries, rows
                    entries = []
            done += len(digests)
            progress(done + len(failures), len(missing))
        if entries:
            yield entries, rows[: len(entries)]

    def _write(self, entries: list[tuple[str, int]], rows: np.ndarray) -> None:
        """Writes one shard: the rows under a temporary name, then their listing, each put in place at once."""
        name = hashlib.sha256("".join(digest for digest, _ in entries).encode()).hexdigest()[:16]
        array, listing = self.folder / f"{name}.npy", self.folder / f"{name}.json"
        for target, save in (
            (array, lambda file: np.save(file, rows, allow_pickle=False)),
            (listing, lambda file: file.write(json.dumps(entries).encode())),
        ):
            write_atomically(target, save)
        self._open(listing)


def write_atomically(target: Path, save: Callable[[Any], Any]) -> None:
    """Lets `save` write to a temporary file and renames it; a failure, a full disk say, leaves nothing behind."""
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def decoded_batches(
    images: dict[str, Path], batch_size: int, failures: dict[Path, str]
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Decoded pictures in batches, with their digests; a picture that cannot be decoded goes to `failures`."""

    def load(index: np.int64) -> tuple[np.ndarray, bytes]:
        try:
            return decoder(tf.constant(read_bytes(paths[index]))).numpy(), b""
        except (tf.errors.InvalidArgumentError, OSError, InputError) as error:
            return np.zeros((IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8), (reason(error) or "unreadable").encode()

    decoder = tf.function(
        lambda data: decode_image(data, size=IMAGE_SIZE), input_signature=[tf.TensorSpec((), tf.string)]
    )
    paths, digests = list(images.values()), list(images)
    loaded = tf.data.Dataset.range(len(paths)).map(
        lambda index: (index, *tf.numpy_function(load, [index], (tf.uint8, tf.string))), num_parallel_calls=2
    )
    for indices, pictures, errors in loaded.batch(batch_size).prefetch(1).as_numpy_iterator():
        good = [error == b"" for error in errors]
        for index, error in zip(indices, errors, strict=True):
            if error:
                failures[paths[index]] = error.decode()
        if any(good):
            yield [digests[index] for index, fine in zip(indices, good, strict=True) if fine], pictures[good]
