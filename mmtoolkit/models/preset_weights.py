"""Reads the untrusted weights file of a preset, and checks what it gives."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from mmtoolkit.hdf5 import datasets, open_h5
from mmtoolkit.presets import MOST_BYTES


def not_finite(model: Any) -> str | None:
    """Returns the path of a weight with a number that is not finite."""
    arrays = ((variable.path, ops.convert_to_numpy(variable)) for variable in model.weights)
    return next((path for path, array in arrays if not np.isfinite(array).all()), None)


def numbers_in(weights: Path) -> int:
    """Counts the numbers in a weights file, all of which must be floats.

    Raises:
        InputError: It is damaged, reads other files, or has whole numbers.
    """
    with open_h5(weights, most=MOST_BYTES, remedy="copy the whole directory again") as content:
        entries = dict(datasets(content))
        if wrong := [name for name, entry in entries.items() if entry.dtype.kind not in "fV"]:
            raise ValueError(f"its entry {wrong[0]} is of {entries[wrong[0]].dtype}, not of floats")
        return sum(entry.size for entry in entries.values())


def load_weights(model: Any, weights: Path, numbers: int) -> None:
    """Loads a weights file that has no more numbers than the model: Keras would read them all."""
    if numbers > (count := sum(math.prod(weight.shape) for weight in model.weights)):
        raise ValueError(f"the file has {numbers:,} numbers, the model {count:,}")
    model.load_weights(str(weights))
