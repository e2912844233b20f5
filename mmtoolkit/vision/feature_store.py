"""Stores region features on disk: written once, read row by row, consistent if a run is killed at any moment."""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mmtoolkit.backbones import Backbone
from mmtoolkit.errors import InputError
from mmtoolkit.files import STALE, sweep, write_atomically
from mmtoolkit.image_files import read_picture
from mmtoolkit.vision.extractor import VGG19_REGIONS, Extractor, RegionExtractor, extractor_graph
from mmtoolkit.vision.images import decode_ahead, reason

SHARD = 128  # pictures: a killed run loses the work on at most so many
MIRRORED = "-mirrored"  # after the digest of a picture
JPEG, DECODING = b"\xff\xd8\xff", b"on white"  # how all but JPEG is decoded: features of before are not taken
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class ExtractorKey:
    """Identifies what features depend on besides the picture; stores of different keys never mix.

    Args:
        weights: SHA-256 of the weights file, or `random`.
        precision: `"float32"` or `"bfloat16"`.
        network: Name of the extractor's `Backbone`, e.g. `"vgg19-block5_conv4"` or `"resnet50"`.
    """

    weights: str
    precision: str
    network: str = VGG19_REGIONS

    @property
    def backbone(self) -> Backbone:
        """Returns the network up to its layer."""
        return Backbone(self.network)

    @property
    def shape(self) -> tuple[int, int]:
        """Returns the numbers of regions and of features of a picture."""
        rows, columns, features = self.backbone.shape
        return rows * columns, features

    @property
    def side(self) -> int:
        """Returns the side in pixels of the square pictures that the network reads."""
        return self.backbone.image_size


class FeatureStore:
    """Stores features `<float16>[regions, features]`, found by the bytes of a picture.

    A shard is `NAME.npy` and then `NAME.json`, which lists its pictures and the CRC-32 of every row; a shard without
    its JSON does not exist. Each row is checked when it is first read.

    Example:
        >>> store = FeatureStore(Path("features"), ExtractorKey("random", "float32"))
        >>> store.add([Path("a.jpg"), Path("b.jpg")], RegionExtractor())      # all could be read
        {}
        >>> store.read([Path("b.jpg")]).shape
        (1, 196, 512)

    Args:
        folder: Parent of all stores; each key has a folder of its own inside.
        key: The extractor that made the features.
    """

    input_name = "regions"
    dtype = np.float16

    def __init__(self, folder: Path, key: ExtractorKey) -> None:
        self.key, self.shape = key, key.shape
        settings = json.dumps(asdict(key), sort_keys=True)
        self.folder = folder / f"{key.network}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
        self._digests: dict[Path, str] = {}
        self._rows: dict[str, tuple[Path, int, int]] = {}  # by digest: shard, offset in it, CRC-32
        self._checked: set[str] = set()
        for listing in sorted(self.folder.glob("*.json")):
            self._open(listing)

    def _open(self, listing: Path) -> None:
        """Registers the rows of one finished shard."""
        array = listing.with_suffix(".npy")
        try:
            entries = json.loads(listing.read_text(encoding="utf-8"))
            shard = np.lib.format.open_memmap(array, mode="r")
            if shard.shape != (len(entries), *self.shape) or shard.dtype != self.dtype:
                raise ValueError(f"it holds {shard.dtype}{list(shard.shape)}")
            start, size = shard.offset, shard[0].nbytes if len(shard) else 0
            self._rows |= {digest: (array, start + place * size, crc) for place, (digest, crc) in enumerate(entries)}
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"The feature shard {array} is damaged ({reason(error)}); delete it and {listing.name} beside it, "
                "and run the command again to extract its pictures anew."
            ) from error

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, image: Path) -> bool:
        return self.digest(image) in self._rows

    def digest(self, image: Path) -> str:
        """Computes the SHA-256 of a picture's bytes and, where it may be transparent, of how it is decoded, once."""
        if image not in self._digests:
            self._digests[image] = picture_digest(image)
        return self._digests[image]

    def name(self, image: Path, mirrored: bool = False) -> str:
        """Returns the name of a picture's row: its digest, and whether it is that of the mirrored picture."""
        return self.digest(image) + (MIRRORED if mirrored else "")

    def read(self, images: Sequence[Path], *, mirrored: Sequence[bool] | None = None) -> np.ndarray:
        """Reads `<float16>[pictures, regions, features]`, one row per path.

        Args:
            images: Picture files.
            mirrored: Which of them are read mirrored; none by default.

        Raises:
            InputError: A picture has no features here, or its stored row is damaged.
        """
        out = np.empty((len(images), *self.shape), self.dtype)
        sides = [False] * len(images) if mirrored is None else mirrored
        for row, image, side in zip(out, images, sides, strict=True):
            try:
                digest = self.name(image, side)
                shard, offset, crc = self._rows[digest]
            except (OSError, KeyError) as error:
                remedy = "add it with mirrored=True" if side else "run `mmtoolkit features` on its folder"
                kind = "mirrored features" if side else "features"
                raise InputError(f"No {kind} are stored for {image}; {remedy}.") from error
            complete = read_row(shard, offset, row)
            if not complete or (digest not in self._checked and zlib.crc32(row.data) != crc):
                raise InputError(
                    f"The stored features of {image} are damaged; delete {shard} and the .json beside it, "
                    "and run the command again to extract its pictures anew."
                )
            self._checked.add(digest)
        return out

    def add(
        self,
        images: Iterable[Path],
        extractor: RegionExtractor | Callable[[], Extractor],
        *,
        mirrored: bool = False,
        batch_size: int = 16,
        progress: Progress | None = None,
    ) -> dict[Path, str]:
        """Extracts the features that are not stored yet; finished shards stay if the run is killed.

        Args:
            images: Picture files.
            extractor: The network, or a function that builds it if a picture is missing.
            mirrored: Whether the features are those of the mirrored pictures, which are stored beside the others.
            batch_size: Pictures per forward pass.
            progress: Called with (done, total) after each batch.

        Returns:
            The pictures that could not be read, each with the reason.
        """
        images, failures = list(images), {}
        missing: dict[str, Path] = {}
        for image in images:
            try:
                if (name := self.name(image, mirrored)) not in self._rows:
                    missing.setdefault(name, image)
            except OSError as error:
                failures[image] = reason(error)
        if missing:
            network = extractor if isinstance(extractor, RegionExtractor) else extractor()
            unreadable = self._extract(list(missing.values()), network, mirrored, batch_size, progress)
            failures |= {i: unreadable[self._digests[i]] for i in images if self._digests.get(i) in unreadable}
        return failures

    def _extract(
        self, images: list[Path], network: Extractor, mirrored: bool, batch_size: int, progress: Progress | None
    ) -> dict[str, str]:
        """Extracts and stores new pictures, a shard at a time; returns why some cannot be read, by digest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "key", lambda file: file.write(json.dumps(asdict(self.key)).encode()))
        sweep(self.folder)
        for array in self.folder.glob("*.npy"):  # killed before it was listed, unless another run lists it now
            if not array.with_suffix(".json").exists() and time.time() - array.stat().st_mtime > STALE:
                array.unlink(missing_ok=True)
        forward = extractor_graph(network, self.key.side)
        entries: list[tuple[str, int]] = []
        rows = np.empty((SHARD, *self.shape), self.dtype)
        unreadable: dict[str, str] = {}
        done = 0
        try:
            for batch in decode_ahead(images, size=self.key.side, batch_size=batch_size):
                good = {self.name(image, mirrored): pixels for image, pixels in batch if not isinstance(pixels, str)}
                unreadable |= {self.digest(image): why for image, why in batch if isinstance(why, str)}
                side = slice(None, None, -1 if mirrored else 1)
                features = forward(np.stack(list(good.values()))[:, :, side]).numpy() if good else ()
                for digest, row in zip(good, features, strict=True):
                    rows[len(entries)] = row
                    entries.append((digest, zlib.crc32(row.data)))
                    if len(entries) == SHARD:
                        self._write(entries, rows)
                        entries = []
                done += len(batch)
                if progress:
                    progress(done, len(images))
        except KeyboardInterrupt:  # keep the open shard of a run that is stopped
            self._write(entries, rows)
            raise
        self._write(entries, rows)
        return unreadable

    def _write(self, entries: list[tuple[str, int]], rows: np.ndarray) -> None:
        """Writes one shard: first its rows, then the listing that makes them valid."""
        if not entries:
            return
        content = json.dumps(entries).encode()
        name = hashlib.sha256(content).hexdigest()[:16]
        listing = self.folder / f"{name}.json"
        write_atomically(self.folder / f"{name}.npy", lambda file: save_rows(file, rows[: len(entries)]))
        write_atomically(listing, lambda file: file.write(content))
        self._open(listing)


def picture_digest(image: Path) -> str:
    """Computes the SHA-256 of a picture's bytes and, where it may be transparent, of how it is decoded."""
    data = read_picture(image)
    return hashlib.sha256(data if data.startswith(JPEG) else data + DECODING).hexdigest()


def read_row(shard: Path, offset: int, row: np.ndarray) -> bool:
    """Reads a row into an array; returns whether the file had all of it.

    It uses no memory map, whose pages would count as this process' memory until all of the store is in it.
    """
    try:
        with shard.open("rb", buffering=0) as file:
            file.seek(offset)
            return file.readinto(row.data.cast("B")) == row.nbytes
    except FileNotFoundError:
        return False


def save_rows(file: BinaryIO, rows: np.ndarray) -> None:
    """Saves rows like `np.save`, but raises the system's own error, e.g. of a full disk."""
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(rows))
    file.write(rows.data)
