"""Plans which examples make up each batch of each epoch, in pure NumPy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from mmtoolkit.errors import InputError

POOL = 50  # batches sorted by length together: long enough to pad little, short enough to keep the order random


def batch_plan(
    lengths: Sequence[int] | np.ndarray,
    *,
    batch_size: int,
    owners: Sequence[Hashable] | None = None,
    per_group: int = 1,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = True,
) -> list[np.ndarray]:
    """Plans the batches of one epoch, each with examples of similar length.

    The plan depends on the arguments alone, so a run can start at any epoch and step without reading what it skips.

    Example:
        >>> batch_plan([3, 9, 3, 9], batch_size=2, seed=0)
        [array([1, 3]), array([2, 0])]
        >>> batch_plan([3, 9, 3, 9], batch_size=2, owners=["a.jpg", "a.jpg", "b.jpg", "b.jpg"], per_group=2)
        [array([2, 3]), array([0, 1])]

    Args:
        lengths: `<int>[examples]`; equal lengths give a random order.
        batch_size: Examples per batch; one batch of an epoch may hold fewer.
        owners: Owner of each example, e.g. the picture of a caption: those in one batch share its cost.
        per_group: Most examples of one owner next to each other.
        seed: Seed of the random numbers, with `epoch`.
        epoch: Number of the epoch; each has an order of its own.
        shuffle: Whether to shuffle; if not, the examples keep their order, whatever their lengths and owners.

    Returns:
        A list of `<int64>[batch]`; each example is in one batch.

    Raises:
        InputError: `batch_size` or `per_group` is less than 1, or some examples have no owner.
    """
    for name, value in (("batch_size", batch_size), ("per_group", per_group)):
        if value < 1:
            raise InputError(f"{name} must be at least 1. Received: {value}.")
    if (per_group > 1) > (owners is not None) or (owners is not None and len(owners) != len(lengths)):
        received = "no owners" if owners is None else f"{len(owners)} owners of {len(lengths)} examples"
        raise InputError(f"Examples in groups need an owner each. Received: {received}.")
    lengths = np.asarray(lengths)
    order = np.arange(len(lengths))
    if not len(order):
        return []
    if not shuffle:
        return np.split(order, range(batch_size, len(order), batch_size))
    random = np.random.default_rng([seed, epoch])
    random.shuffle(order)
    if owners is not None and per_group > 1:
        order, group = grouped_order(order, owners, per_group, random)
        longest = np.zeros(group.max() + 1, lengths.dtype)
        np.maximum.at(longest, group, lengths[order])
        lengths = np.empty_like(lengths)
        lengths[order] = longest[group]  # so that sorting by length keeps a group together
    batches: list[np.ndarray] = []
    for pool in np.split(order, range(batch_size * POOL, len(order), batch_size * POOL)):
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += np.split(pool, range(batch_size, len(pool), batch_size))
    return [batches[index] for index in random.permutation(len(batches))]


def grouped_order(
    order: np.ndarray, owners: Sequence[Hashable], per_group: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Groups examples of one owner, with the groups in random order; returns the order and each example's group."""
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
    owned = np.array([numbers[owners[index]] for index in order], np.int64)
    order, owned = order[np.argsort(owned, kind="stable")], np.sort(owned)
    rank = np.arange(len(owned)) - np.searchsorted(owned, owned)  # of an example among its owner's
    group = np.cumsum(rank % per_group == 0) - 1
    group = random.permutation(group.max() + 1)[group]
    sorting = np.argsort(group, kind="stable")
    return order[sorting], group[sorting]
