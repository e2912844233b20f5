"""The share of a data set's images that are out of the distribution of a model's training images."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmtoolkit.vision import ImageSource

MOST = 5000  # images of a data set that are examined


def out_of_distribution(model: Any, records: Sequence[Any], source: ImageSource | None) -> dict[str, Any]:
    """Computes the percentage of out-of-distribution images, for a report; empty where there is no distribution.

    Example:
        >>> out_of_distribution(captioner, records[:8], source)
        {'unlike': {'share': 0.0, 'threshold': 1.38...}}
    """
    distribution = model.image_distribution
    if distribution is None or source is None:
        return {}
    vectors = model.vectors(drawn(images_of(records), seed=0), source=source)
    share = 100 * float(distribution.out_of_distribution(vectors).mean())
    return {"unlike": {"share": share, "threshold": distribution.threshold}}


def images_of(records: Sequence[Any]) -> list[Path]:
    """Lists the images of some records, each once."""
    return list(dict.fromkeys(record.image for record in records))


def drawn(images: list[Path], seed: int) -> list[Path]:
    """Draws `MOST` images at random where there are more."""
    return images if len(images) <= MOST else random.Random(seed).sample(images, MOST)
