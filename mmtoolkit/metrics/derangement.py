"""A random derangement: the outputs of other examples show what chance alone scores."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from typing import TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


def derangement(keys: Sequence[KeyT], seed: int) -> dict[KeyT, KeyT]:
    """Returns another key for each key, each used once: a random cycle through all, so that none keeps its own.

    Example:
        >>> sorted(derangement(["a", "b"], seed=0).items())
        [('a', 'b'), ('b', 'a')]
    """
    mixed = random.Random(seed).sample(keys, len(keys))
    return dict(zip(mixed, mixed[1:] + mixed[:1], strict=True))
