"""Measures how well a preset detects pictures that are out of its training distribution.

    python benchmarks/out_of_distribution.py --preset flickr8k_lstm --data flickr8k [--others DIR …] [--json FILE]

Held-out pictures of its own data, the last ones of a split, are compared with drawn scenes, with noise, and with the
pictures in other folders. AUROC: the probability that one of these is farther from the training pictures than one of
its own (0.5 is chance); flagged is the share that `predict` notes as unlike.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.cli.command import progress_bar, run
from mmtoolkit.errors import InputError
from mmtoolkit.evaluation import images_of
from mmtoolkit.readers import split_as_trained, split_name
from mmtoolkit.scenes import write_scenes
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.vision.image_distribution import auroc

OWN = "its own, held out"


def main(
    *,
    preset: str,
    data: Path,
    split: str = "valid",
    others: tuple[Path, ...] = (),
    count: int = 300,
    seed: int = 0,
    encoder_weights: str | None = None,
    features: Path | None = None,
    json: Path | None = None,
) -> None:
    """Prints a Markdown table of AUROC, median distance and share flagged.

    Args:
        preset: Name of a shipped preset, or the path of one, with the distribution of its training pictures.
        data: The data that it was trained on, in any form that its job takes.
        split: Of that data, held out of the training.
        others: Folders of other pictures.
        count: Pictures of each kind, at most.
        seed: Of the scenes, the noise, and the pictures drawn from the other folders.
        encoder_weights: VGG19 weights; by default those the preset was trained with.
        features: Folder of a feature store to be used; without one the regions are made and not kept.
        json: Where the figures are written.
    """
    start_tensorflow()
    model = mm.load(preset, encoder_weights=encoder_weights)
    if model.image_distribution is None:
        raise InputError(
            f"Expected a preset with the distribution of its training pictures. Received: {preset}, an older one; add "
            "it with model.fit_distribution(train, valid).save(FOLDER/seen_pictures.h5)."
        )
    records, _ = mm.task_of(model).load(data)
    parts, _ = split_as_trained(records, model.card)
    held_out = images_of(getattr(parts, split_name(split)))
    with tempfile.TemporaryDirectory() as folder:
        kinds = {OWN: held_out[-count:]}
        kinds |= made(Path(folder), count=count, seed=seed, side=model.image_size)
        for other in others:
            found = mm.find_images([other])
            kinds[str(other)] = random.Random(seed).sample(found, min(count, len(found)))
        figures = compared({name: distances(model, name, images, features) for name, images in kinds.items()}, model)
    print(table(figures))
    if json:
        told = {
            "scores": figures,
            "threshold": model.image_distribution.threshold,
            "seed": seed,
            "versions": mm.versions(),
        }
        json.write_text(dumps(told, indent=1) + "\n", encoding="utf-8")


def made(folder: Path, *, count: int, seed: int, side: int) -> dict[str, list[Path]]:
    """Scenes that mmtoolkit draws, and pictures whose every number is drawn alone."""
    scenes = write_scenes(folder / "scenes", count=max(10, count), seed=seed, size=side)
    (folder / "noise").mkdir()
    generator = np.random.default_rng(seed)
    for number in range(count):
        pixels = generator.integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "noise" / f"{number:06d}.png")
    return {"drawn scenes": mm.find_images([scenes / "images"])[:count], "noise": mm.find_images([folder / "noise"])}


def distances(model: Any, name: str, images: Sequence[Path], features: Path | None) -> np.ndarray:
    """How far each picture lies from those of the training."""
    from mmtoolkit.vision import stored_regions

    source = None
    if features and model.extractor:
        source = stored_regions(model.extractor, images, folder=features, progress=progress_bar(name))
    return model.image_distribution.distance(model.vectors(images, source=source))


def compared(found: Mapping[str, np.ndarray], model: Any) -> dict[str, dict[str, float]]:
    """Of each kind how many pictures there are, their median distance, the share flagged, and the AUROC."""
    usual = model.image_distribution.threshold
    return {
        name: {
            "pictures": len(far),
            "median": float(np.median(far)),
            "flagged": 100 * float(np.mean(far > usual)),
            **({} if name == OWN else {"auroc": auroc(found[OWN], far)}),
        }
        for name, far in found.items()
    }


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as Markdown."""
    lines = ["| pictures | | AUROC | median distance | flagged |", "|---|---|---|---|---|"]
    for name, row in figures.items():
        score = f"{row['auroc']:.3f}" if "auroc" in row else ""
        lines.append(f"| {name} | {row['pictures']} | {score} | {row['median']:.2f} | {row['flagged']:.1f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
