"""Reads and writes presets: directories of plain files with all that a trained model needs, and a card of its origin.

`config.json` (class, constructor arguments, default decoding), `model.weights.h5`, `codecs/NAME/`, `card.json`, and in
some `seen_pictures.h5` (the distribution of the training images), `baselines.json` (data of the task's baselines), and
a preset like this one in a folder for each further model. The card has the size and the SHA-256 of every other file, so
that damage is named for what it is. A preset is untrusted: it reads nothing outside its folder.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any

from mmtoolkit.errors import InputError, shortened
from mmtoolkit.files import file_digest, parse_json, read_short_text, write_folder_atomically, write_json
from mmtoolkit.hub import fetch, is_address
from mmtoolkit.text import TextCodec
from mmtoolkit.vision.image_distribution import ImageDistribution
from mmtoolkit.vision.weights import cache_folder

FORMAT = 1  # of the directory; a later one may add files
CONFIG, WEIGHTS, CODECS, CARD = "config.json", "model.weights.h5", "codecs", "card.json"
IMAGE_DISTRIBUTION, BASELINES = "seen_pictures.h5", "baselines.json"  # not in every preset
MOST_BYTES = 2**32  # of a file of a preset
FILES = "preset_files"  # of the card: the size and the SHA-256 of each


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

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(codec.vocabulary):,} {name}" for name, codec in self.codecs.items())
        return f"Preset({self.folder.name!r}, {self.config.get('class')}, {sizes}, card={sorted(self.card)})"


def shipped() -> dict[str, Path]:
    """Returns the presets that come with the package, by name."""
    root = Path(str(resources.files("mmtoolkit.pretrained")))
    return {folder.name: folder for folder in sorted(root.iterdir()) if (folder / CONFIG).is_file()}


def preset_digest(folder: Path) -> str:
    """Computes the SHA-256 of a preset's files, its card among them."""
    digests = [entry["sha256"] for entry in described_files(folder).values()]
    return hashlib.sha256("".join([*digests, file_digest(folder / CARD)]).encode()).hexdigest()


def find_preset(name: str | Path) -> Path:
    """Returns the folder of a preset given by path, by the name of a shipped one, or by `hf://user/name` on the hub.

    Raises:
        InputError: There is no such folder or name; the message lists the names.
    """
    if is_address(str(name)):
        return fetch(str(name), cache_folder(), check=check_listed)
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


def check_listed(folder: Path) -> None:
    """Checks that the cards of a downloaded preset list each of its files with its SHA-256, and that they have it."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"Expected a preset of mmtoolkit. Received: a repository without {CONFIG}.")
    for inner in presets_in(folder):
        listed = read_json(inner, CARD).get(FILES)
        missing = set(file_names(inner)) - set(listed if isinstance(listed, Mapping) else ())
        if missing:
            raise InputError(
                f"Expected a card with the SHA-256 of each file. Received: a preset whose {CARD} lacks "
                f"{min(missing)}; ask its author to push it again with mmtoolkit push."
            )
        check_files(inner, listed)


def presets_in(folder: Path) -> Iterator[Path]:
    """Yields the folder of a preset and those of its companions."""
    yield folder
    yield from (inner for inner in sorted(folder.iterdir()) if (inner / CONFIG).is_file())


def read_preset(name: str | Path) -> Preset:
    """Reads a preset without its weights.

    Raises:
        InputError: A file of the preset is missing, damaged or outside its folder; the message names it.
    """
    folder = find_preset(name)
    if not (folder / CONFIG).is_file() and (folder / "preset" / CONFIG).is_file():
        raise InputError(f"Expected a preset. Received: {folder}, a run; its preset is {folder / 'preset'}.")
    config = read_json(folder, CONFIG)
    if config.get("format") != FORMAT:
        raise InputError(
            f"Expected a preset of format {FORMAT}. Received: {folder / CONFIG}, format "
            f"{shortened(config.get('format'))}; install the mmtoolkit that wrote it, or a newer one."
        )
    card = read_json(folder, CARD)
    check_files(folder, card.pop(FILES, {}))
    check_types(folder / CONFIG, config, CONFIG_TYPES, needed=True)
    check_types(folder / CARD, card, CARD_TYPES)
    names = config["codecs"]
    for needed in [WEIGHTS, *(f"{CODECS}/{codec}/{file}" for codec in names for file in TextCodec.FILES)]:
        own_file(folder, needed)
    codecs = {codec: TextCodec.load(folder / CODECS / codec) for codec in names}
    images = ImageDistribution.load(own_file(folder, IMAGE_DISTRIBUTION)) if has(folder, IMAGE_DISTRIBUTION) else None
    baselines = read_json(folder, BASELINES) if has(folder, BASELINES) else {}
    companions = {inner.name: inner for inner in sorted(folder.iterdir()) if (inner / CONFIG).is_file()}
    for inner in companions:
        own_file(folder, f"{inner}/{CONFIG}")
    return Preset(folder, config, codecs, card, images, baselines, companions)


def is_name(value: Any) -> bool:
    """Checks that a value is a plain name: of a codec, whose folder has it, or of a class."""
    return isinstance(value, str) and value.isidentifier() and len(value) <= 100


def are_names(values: Sequence[Any]) -> bool:
    """Checks that values are different plain names."""
    return all(map(is_name, values)) and len(set(values)) == len(values)


CONFIG_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "class": ("the name of a class", is_name),
    "model": ("one JSON object", lambda value: isinstance(value, dict)),
    "codecs": ("a list of different names", lambda value: isinstance(value, list) and are_names(value)),
}
CARD_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {  # of what programs read; the rest is prose
    "seed": ("a whole number", lambda value: type(value) is int),
    "valid_share": ("a share from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1),
    "data_sha256": ("a SHA-256", lambda value: isinstance(value, str)),
}


def check_types(
    path: Path, content: Mapping[str, Any], types: Mapping[str, tuple[str, Callable[[Any], bool]]], needed: bool = False
) -> None:
    """Checks the values in a JSON file of a preset; those not `needed` may be missing."""
    for name, (expected, holds) in types.items():
        if (needed or name in content) and not holds(content.get(name)):
            raise InputError(f"{path}: expected {expected} for {name!r}. Received: {shortened(content.get(name))}.")


def has(folder: Path, name: str) -> bool:
    """Checks whether there is something under a name in a folder, be it a link to nothing."""
    return os.path.lexists(folder / name)


def own_file(folder: Path, name: str) -> Path:
    """Returns the path of a preset's file, once it is a plain one in the preset's folder.

    Raises:
        InputError: It is missing, no plain file, or a link to somewhere else.
    """
    path = folder / name
    if not has(folder, name):
        raise InputError(f"The preset {folder} lacks its file {name}; copy the whole directory again.")
    with contextlib.suppress(OSError, RuntimeError):  # of links that loop
        if path.resolve().is_relative_to(folder.resolve()) and path.is_file():
            return path
    raise InputError(
        f"Expected a plain file inside the preset {folder}. Received: {name}, which is a link to another place or "
        "no file; put the file itself there."
    )


def check_files(folder: Path, files: Any) -> None:
    """Checks the files of a preset by their sizes and SHA-256 in its card; an older card lists none.

    Args:
        folder: The preset.
        files: `{name: {"bytes": size, "sha256": digest}}`. A file of it that is not here is no damage: either nothing
            needs it, or its absence is an error of its own.

    Raises:
        InputError: A file is empty, cut off, or has other bytes.
    """
    if not (isinstance(files, dict) and all(map(describes_file, files, files.values()))):
        raise InputError(
            f"{folder / CARD}: expected the bytes and the sha256 of each file for {FILES!r}. Received: "
            f"{shortened(files)}."
        )
    for name in files.keys() & set(file_names(folder)):
        path, (size, digest) = own_file(folder, name), (files[name][field] for field in ("bytes", "sha256"))
        found = path.stat().st_size
        if found > MOST_BYTES:
            raise InputError(f"{path} has {found:,} bytes; a file of a preset has {MOST_BYTES:,} at most.")
        if found < size:
            damage = f"of its {size:,} bytes only {found:,} are here" if found else "it is empty"
        elif found > size or file_digest(path) != digest:
            damage = f"its SHA-256 is not the one in {CARD}"
        else:
            continue
        raise InputError(
            f"{path} is damaged: {damage}; fetch it anew, or delete its entry in {CARD} if you changed it yourself."
        )


def described_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Describes the files of a preset for its card."""
    return {
        name: {"bytes": (folder / name).stat().st_size, "sha256": file_digest(folder / name)}
        for name in file_names(folder)
    }


def file_names(folder: Path) -> list[str]:
    """Lists the files of a preset but the card itself and the companions, which have cards of their own."""
    paths = [folder / name for name in (CONFIG, WEIGHTS, IMAGE_DISTRIBUTION, BASELINES)]
    paths += sorted((folder / CODECS).glob("*/*"))
    return [path.relative_to(folder).as_posix() for path in paths if path.is_file()]


def describes_file(name: str, entry: Any) -> bool:
    """Checks the entry of a file in a card: a plain path in the folder, its size and its SHA-256."""
    plain = PurePosixPath(name).as_posix() == name and not name.startswith(("/", ".."))
    return (
        plain and isinstance(entry, dict) and type(entry.get("bytes")) is int and isinstance(entry.get("sha256"), str)
    )


def seal(folder: Path) -> None:
    """Writes the sizes and the SHA-256 of a preset's files into its card, e.g. after one was changed by hand.

    Example:
        >>> captioner.save_preset("mine")
        >>> seal(Path("mine"))
    """
    card = read_json(folder, CARD)
    write_json(folder / CARD, {**card, FILES: described_files(folder)})


def replace_image_distribution(folder: Path, distribution: ImageDistribution | None) -> None:
    """Writes another image distribution into a preset, or removes the one that it has.

    Killed at any moment, it leaves a preset that can be loaded: the old file goes before the card lists the new one.
    """
    path = folder / IMAGE_DISTRIBUTION
    path.unlink(missing_ok=True)
    if distribution:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.", suffix=".new") as fresh:
            distribution.save(Path(fresh) / IMAGE_DISTRIBUTION)
            card = read_json(folder, CARD)
            described = {**described_files(folder), **described_files(Path(fresh))}
            write_json(folder / CARD, {**card, FILES: described})
            os.replace(Path(fresh) / IMAGE_DISTRIBUTION, path)


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """Reads one JSON object of a preset."""
    path = own_file(folder, name)
    try:
        content = parse_json(read_short_text(path))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} is not the JSON of a preset ({reason}); copy the whole directory again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold one JSON object. Received: {type(content).__name__}.")
    return content


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
    with write_folder_atomically(folder, replace=True) as fresh:
        write_json(fresh / CONFIG, {"format": FORMAT, **config, "codecs": sorted(codecs)})
        for name, codec in codecs.items():
            codec.save(fresh / CODECS / name)
        save_weights(str(fresh / WEIGHTS))
        if image_distribution:
            image_distribution.save(fresh / IMAGE_DISTRIBUTION)
        if baselines:
            write_json(fresh / BASELINES, dict(baselines))
        for name, companion in (companions or {}).items():
            if isinstance(companion, Path):
                shutil.copytree(companion, fresh / name, symlinks=True)  # not what they lead to, outside of it
            else:
                companion.save_preset(fresh / name)
        write_json(fresh / CARD, {**card, FILES: described_files(fresh)})
