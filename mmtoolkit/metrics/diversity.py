"""How varied captions are."""

from __future__ import annotations

from collections.abc import Collection

from mmtoolkit.errors import InputError


def unique_share(captions: Collection[str]) -> float:
    """How many different captions were written, in percent of all; captions are equal letter for letter.

    A search that always writes the likeliest words says the same about many pictures: 100 is one caption each. It has
    no bootstrap interval, because drawing pictures twice makes captions less unique than they are.

    Example:
        >>> unique_share(["a dog runs", "a dog runs", "a man sits", "a red ball"])
        75.0

    Args:
        captions: One caption for each image.

    Raises:
        InputError: There is no caption.
    """
    if not captions:
        raise InputError("unique_share expects at least one caption. Received: none.")
    return 100 * len(set(captions)) / len(captions)
