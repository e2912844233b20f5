"""Reads and writes presets: directories of plain files with all that a trained model needs, and a card of its origin.

`config.json` (class, constructor arguments, default decoding), `model.weights.h5`, `codecs/NAME/`, `card.json`, and in
some `seen_pictures.h5` (the distribution of the training images), `baselines.json` (data of the task's baselines), and
a preset like this one in a folder for each further model.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import h5py

from mmtoolkit.errors import InputError
from mmtoolkit.files import settle, write_json
from mmtoolkit.text import TextCodec
from mmtoolkit.vision.image_distribution import ImageDistribution

FORMAT = 1  # of the directory; a later one may add files
CONFIG, WEIGHTS, CODECS, CARD = "config.json", "model.weights.h5", "codecs", "card.json"
IMAGE_DISTRIBUTION, BASELINES = "seen_pictures.h5", "baselines.json"  # not in every preset


@dataclass(frozen=True)
class Preset:
    """Holds the contents of a preset, without the weights.

    Args:
        folder: The directory.
        config: Class, constructor arguments and default decoding.
        codecs: The model's codecs by name.
        card: Data, licence, command, seed, scores, limits.
        image_distribution: The distribution of the training images; older presets have none.
        baselines: Data of the task's baselines.
        companions: The folders of further models by name.
    """

    folder: Path
    config: dict[str, Any]
    codecs: dict[str, TextCodec]
    card: dict[str, Any]
    image_distribution: ImageDistribution | None = None
    baselines: Mapping[str, Any] = field(default_factory=dict)
    companions: Mapping[str, Path] = field(default_factory=dict)

    @property
    def weights(self) -> Path:
        """Returns the path of the weights file."""
        return self.folder / WEIGHTS


def shipped() -> dict[str, Path]:
    """Returns the presets that come with the package, by name."""
    root = Path(str(resources.files("mmtoolkit.pretrained")))
    return {folder.name: folder for folder in sorted(root.iterdir()) if (folder / CONFIG).is_file()}


def preset_digest(folder: Path) -> str:
    """Computes the SHA-256 of a preset's files and their names."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(json.dumps([path.relative_to(folder).as_posix(), path.stat().st_size]).encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def find_preset(name: str | Path) -> Path:
    """Returns the folder of a preset given by path or by the name of a shipped one.

    Raises:
        InputError: There is no such folder or name; the message lists the names.
    """
    if Path(name).is_dir():
        return Path(name)
    known = shipped()
    if str(name) in known:
        return known[str(name)]
    near = difflib.get_close_matches(str(name), known, n=1)
    raise InputError(
        f"Expected the path of a preset directory or the name of a shipped preset ({', '.join(known) or 'none here'}). "
        f"Received: {str(name)!r}." + (f" Did you mean {near[0]!r}?" if near else "")
    )


def read_preset(name: str | Path) -> Preset:
    """Reads a preset without its weights.

    Raises:
        InputError: A file of the preset is missing or damaged; the message names it.
    """
    folder = find_preset(name)
    if not (folder / CONFIG).is_file() and (folder / "preset" / CONFIG).is_file():
        raise InputError(f"Expected a preset. Received: {folder}, a run; its preset is {folder / 'preset'}.")
    config = read_json(folder / CONFIG)
    if config.get("format") != FORMAT:
        raise InputError(
            f"Expected a preset of format {FORMAT}. Received: {folder / CONFIG}, format {config.get('format')!r}; "
            "install the mmtoolkit that wrote it, or a newer one."
        )
    card = read_json(folder / CARD)
    names = config.get("codecs", [])
    for needed in [WEIGHTS, *(f"{CODECS}/{codec}/{file}" for codec in names for file in TextCodec.FILES)]:
        if not (folder / needed).is_file():
            raise InputError(f"The preset {folder} lacks its file {needed}; copy the whole directory again.")
    codecs = {codec: TextCodec.load(folder / CODECS / codec) for codec in names}
    images = ImageDistribution.load(folder / IMAGE_DISTRIBUTION) if (folder / IMAGE_DISTRIBUTION).is_file() else None
    baselines = read_json(folder / BASELINES) if (folder / BASELINES).is_file() else {}
    companions = {inner.name: inner for inner in sorted(folder.iterdir()) if (inner / CONFIG).is_file()}
    return Preset(folder, config, codecs, card, images, baselines, companions)


def read_json(path: Path) -> dict[str, Any]:
    """Reads one JSON object of a preset."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"The preset {path.parent} lacks its file {path.name}; copy the whole directory again."
        ) from error
    except ValueError as error:
        raise InputError(f"{path} is not the JSON of a preset ({error}); copy the whole directory again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold one JSON object. Received: {type(content).__name__}.")
    return content


def pack(path: str, save: Callable[[str], Any]) -> None:
    """Compresses the weights file that `save` writes to a path: bits that rounding has made zero take no space."""
    loose = f"{path}.loose.weights.h5"
    save(loose)
    with h5py.File(loose) as source, h5py.File(path, "w", libver=("v110", "v110")) as target:

        def copy(name: str, entry: h5py.Group | h5py.Dataset) -> None:
            if isinstance(entry, h5py.Dataset):
                packing = {"compression": "gzip", "shuffle": True, "chunks": entry.shape} if entry.size > 1 else {}
                copied = target.create_dataset(name, data=entry[()], **packing)
            else:
                copied = target.require_group(name)
            copied.attrs.update(entry.attrs)

        source.visititems(copy)
    os.unlink(loose)


def write_preset(
    folder: Path,
    *,
    config: Mapping[str, Any],
    codecs: Mapping[str, TextCodec],
    card: Mapping[str, Any],
    save_weights: Callable[[str], Any],
    image_distribution: ImageDistribution | None = None,
    baselines: Mapping[str, Any] | None = None,
    companions: Mapping[str, Any] | None = None,
) -> None:
    """Writes a preset in a folder of another name and then renames it, so that no half-written one is ever read.

    Companions are models, which save themselves, or the folders of presets, which are copied.
    """
    fresh, old = folder.with_name(f".{folder.name}.{os.getpid()}.new"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        write_json(fresh / CONFIG, {"format": FORMAT, **config, "codecs": sorted(codecs)})
        write_json(fresh / CARD, card)
        for name, codec in codecs.items():
            codec.save(fresh / CODECS / name)
        save_weights(str(fresh / WEIGHTS))
        if image_distribution:
            image_distribution.save(fresh / IMAGE_DISTRIBUTION)
        if baselines:
            write_json(fresh / BASELINES, dict(baselines))
        for name, companion in (companions or {}).items():
            if isinstance(companion, Path):
                shutil.copytree(companion, fresh / name)
            else:
                companion.save_preset(fresh / name)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(folder, old)
        os.replace(fresh, folder)
    finally:
        settle(folder)
