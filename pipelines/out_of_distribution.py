"""What the jobs know of pictures that are unlike those that a model was trained on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit.cli.command import tell
from mmtoolkit.readers import Splits
from mmtoolkit.vision.image_distribution import LEAST, ImageDistribution

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

MOST = 5000  # pictures of a split that are looked at


def fit_distribution(model: Any, splits: Splits[Any], source: ImageSource | None, preset: Path, *, seed: int) -> None:
    """Has a trained model describe the pictures of its training, and puts that into its preset.

    Args:
        model: As the preset has it.
        splits: The records; the validation split sets the threshold.
        source: Where their features or pixels come from; none for questions alone, of which there is nothing to say.
        preset: The folder of the preset.
        seed: Of the pictures drawn where there are many.
    """
    from mmtoolkit.presets import SEEN

    if source is None:
        return
    train, valid = (drawn(pictures(records), seed) for records in (splits.train, splits.valid))
    if len(train) + len(valid) < LEAST:
        tell(f"fewer than {LEAST} pictures: predict will not say which ones are unlike them")
        model.image_distribution = None  # what a fine-tuned model had is of another encoder, maybe
        (preset / SEEN).unlink(missing_ok=True)
        return
    model.fit_distribution(train, valid, source=source).save(preset / SEEN)


def out_of_distribution(model: Any, records: Sequence[Any], source: ImageSource | None) -> dict[str, Any]:
    """What a report says of it: the percentage of the pictures that are unlike; nothing where that is not known."""
    seen: ImageDistribution | None = model.image_distribution
    if seen is None or source is None:
        return {}
    images = drawn(pictures(records), seed=0)
    share = 100 * float(seen.out_of_distribution(model.vectors(images, source=source)).mean())
    return {"unlike": {"share": share, "threshold": seen.threshold}}


def pictures(records: Sequence[mm.CaptionRecord] | Sequence[mm.QuestionRecord]) -> list[Path]:
    """The pictures of some records, each once."""
    return list(dict.fromkeys(record.image for record in records))


def drawn(images: list[Path], seed: int) -> list[Path]:
    """The pictures, or some drawn from many."""
    return images if len(images) <= MOST else random.Random(seed).sample(images, MOST)


def note(path: Path, distance: float, threshold: float) -> str:
    """What is told of a picture that is unlike."""
    return (
        f"note: {path} is unlike the pictures that this model was trained on (distance {distance:.2f}, usual up to "
        f"{threshold:.2f}); do not trust what it says"
    )
