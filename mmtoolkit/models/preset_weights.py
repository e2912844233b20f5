"""Reads the untrusted weights file of a preset, and checks what it gives."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from keras import ops

from mmtoolkit.hdf5 import datasets, open_h5
from mmtoolkit.presets import MOST_BYTES


def not_finite(model: Any) -> str | None:
    """Returns the path of a weight with a number that is not finite."""
    arrays = ((variable.path, ops.convert_to_numpy(variable)) for variable in model.weights)
    return next((path for path, array in arrays if not np.isfinite(array).all()), None)


def numbers_in(weights: Path) -> int:
    """Counts the numbers in a weights file, all of which but counters must be floats.

    Raises:
        InputError: It is damaged, reads other files, or has whole numbers.
    """
    with open_h5(weights, most=MOST_BYTES, remedy="copy the whole directory again") as content:
        entries = dict(datasets(content))
        if wrong := [name for name, entry in entries.items() if entry.dtype.kind not in "fV" and entry.size > 1]:
            raise ValueError(f"its entry {wrong[0]} is of {entries[wrong[0]].dtype}, not of floats")
        return sum(entry.size for entry in entries.values())


def load_weights(model: Any, weights: Path, numbers: int) -> None:
    """Loads a weights file that has no more numbers than the model: Keras would read them all."""
    if numbers > (count := sum(math.prod(weight.shape) for weight in model.weights)):
        raise ValueError(f"the file has {numbers:,} numbers, the model {count:,}")
    model.load_weights(str(weights))


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
