"""Order as data: which examples make up each batch of each epoch, as pure NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmtoolkit.errors import InputError

POOL = 50  # batches sorted by length together: long enough to pad little, short enough to keep the order random


def batch_plan(
    lengths: Sequence[int] | np.ndarray, *, batch_size: int, seed: int = 0, epoch: int = 0, shuffle: bool = True
) -> list[np.ndarray]:
    """The examples of every batch of one epoch, of similar length within a batch.

    A function of its arguments alone, so a run can start at any epoch and step without reading what it skips.

    Example:
        >>> batch_plan([3, 9, 3, 9], batch_size=2, seed=0)
        [array([1, 3]), array([2, 0])]

    Args:
        lengths: `<int>[examples]`.
        batch_size: Examples a batch; the last batch of an epoch may hold fewer.
        seed: Start of the random numbers, with `epoch`.
        epoch: Every epoch has an order of its own.
        shuffle: Without it the examples come in their own order.

    Returns:
        A list of `<int64>[batch]`; each example is in one batch.

    Raises:
        InputError: `batch_size` is less than 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1. Received: {batch_size}.")
    lengths = np.asarray(lengths)
    order = np.arange(len(lengths))
    if not len(order):
        return []
    if not shuffle:
        return np.split(order, range(batch_size, len(order), batch_size))
    random = np.random.default_rng([seed, epoch])
    random.shuffle(order)
    batches: list[np.ndarray] = []
    for pool in np.split(order, range(batch_size * POOL, len(order), batch_size * POOL)):
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.split(pool, range(batch_size, len(pool), batch_size))
    return [batches[index] for index in random.permutation(len(batches))]
