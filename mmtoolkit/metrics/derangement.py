"""Computes a random derangement: scored on other examples, outputs get what chance alone scores."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from typing import TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


def derangement(keys: Sequence[KeyT], seed: int) -> dict[KeyT, KeyT]:
    """Maps each key to another one, each used once: a random cycle through all keys.

    Example:
        >>> sorted(derangement(["a", "b"], seed=0).items())
        [('a', 'b'), ('b', 'a')]
    """
    mixed = random.Random(seed).sample(keys, len(keys))
    return dict(zip(mixed, mixed[1:] + mixed[:1], strict=True))
