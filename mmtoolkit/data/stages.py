"""Order as data: which examples make up each batch of each epoch, as pure NumPy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

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


def shared_plan(
    owners: Sequence[Hashable], *, batch_size: int, together: int, seed: int = 0, epoch: int = 0
) -> list[np.ndarray]:
    """The examples of every batch of one epoch, those of one owner some at a time: what it costs is shared by them.

    A function of its arguments alone, as `batch_plan`.

    Example:
        >>> shared_plan(["a.jpg", "b.jpg", "a.jpg", "b.jpg"], batch_size=2, together=2)
        [array([1, 3]), array([2, 0])]

    Args:
        owners: Of each example, the picture of a question say.
        batch_size: Examples a batch; the last batch of an epoch may hold fewer.
        together: Examples of one owner that stand beside each other, at most; 1 for an order without owners.
        seed: Start of the random numbers, with `epoch`.
        epoch: Every epoch has an order of its own.

    Returns:
        A list of `<int64>[batch]`; each example is in one batch.

    Raises:
        InputError: `batch_size` or `together` is less than 1.
    """
    for name, value in (("batch_size", batch_size), ("together", together)):
        if value < 1:
            raise InputError(f"{name} must be at least 1. Received: {value}.")
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(owners))
    owned = np.array([numbers[owners[index]] for index in order], np.int64)
    order = order[np.argsort(owned, kind="stable")]
    owned.sort()
    rank = np.arange(len(owned)) - np.searchsorted(owned, owned)  # of an example among its owner's
    heap = np.cumsum(rank % together == 0) - 1
    order = order[np.argsort(random.permutation(len(owned))[heap], kind="stable")]
    return np.split(order, range(batch_size, len(order), batch_size)) if len(order) else []
