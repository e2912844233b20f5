"""Writes scenes as a data set that the readers accept."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmtoolkit.errors import InputError
from mmtoolkit.files import csv_bytes, write_folder_atomically
from mmtoolkit.scenes.pointing import BOX, SHAPES
from mmtoolkit.scenes.sentences import FORMS, KOREAN, Language, captions, questions
from mmtoolkit.scenes.shapes import COLOURS, KINDS, Scene, box_of, draw_scene, one_of, sample_scene

MOST_SCENES = 100_000


def write_scenes(
    folder: Path,
    *,
    count: int,
    seed: int,
    language: Language = "en",
    size: int = 96,
    kinds: Sequence[str] = KINDS,
    colours: Sequence[str] = COLOURS,
) -> Path:
    """Writes different scenes as a data set: `images/`, `captions.csv` and `questions.csv`, split 80/10/10 by image.

    `shapes.csv` has the boxes around the shapes, by which `pointing_game` tells whether attention is on them.

    The same arguments give the same bytes; another language gives the same pictures. `kinds` and `colours` are those of
    `sample_scene`: `NEW_KINDS` and `NEW_COLOURS` make scenes that a model has not seen. The folder appears when it is
    complete, or not at all.

    Example:
        >>> write_scenes(Path("scenes"), count=10, seed=0)
        PosixPath('scenes')
        >>> len(mm.read_captions("scenes", splits=["test"]))
        1

    Raises:
        InputError: The folder holds something already, `count` is not 10 to 100,000, `size` is too small, or the
            language is unknown.
    """
    one_of("language", language, FORMS)
    if not 10 <= count <= MOST_SCENES:
        raise InputError(f"count must be 10 (a picture in every split) to {MOST_SCENES:,}. Received: {count}.")
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"scenes are written to a new or empty folder. Received: {folder}; name another one.")
    with write_folder_atomically(folder.absolute()) as partial:
        (partial / "images").mkdir()
        _write_all(partial, count, seed, language, size, {"kinds": kinds, "colours": colours})
    return folder


def _write_all(
    folder: Path, count: int, seed: int, language: Language, size: int, names: Mapping[str, Sequence[str]]
) -> None:
    generator = random.Random(seed)
    scenes: dict[Scene, None] = {}
    while len(scenes) < count:
        scenes[sample_scene(generator, **names)] = None
    held = count // 10
    splits = ["valid"] * held + ["test"] * held + ["train"] * (count - 2 * held)
    generator.shuffle(splits)
    described, asked = [("image", "caption", "split")], [("image", "question", "answer", "split")]
    placed: list[tuple[object, ...]] = [("image", *BOX)]
    for number, (scene, split) in enumerate(zip(scenes, splits, strict=True), start=1):
        image = f"images/{number:06d}.png"
        draw_scene(scene, size=size).save(folder / image)
        seed_here = generator.getrandbits(32)
        described += [(image, caption, split) for caption in captions(scene, language=language, seed=seed_here)]
        asked += [(image, *pair, split) for pair in questions(scene, language=language)]
        for shape in scene.shapes:
            name = KOREAN[shape.kind] if language == "ko" else shape.kind
            placed.append((image, name, *(f"{side:.4f}" for side in box_of(shape))))
    (folder / "captions.csv").write_bytes(csv_bytes(described))
    (folder / "questions.csv").write_bytes(csv_bytes(asked))
    (folder / SHAPES).write_bytes(csv_bytes(placed))
