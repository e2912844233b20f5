"""How varied captions are, how long, and how many of them are learnt by heart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.tokenizer import ptb_tokenize


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


def repeated_share(captions: Collection[str]) -> float:
    """How many captions say some pair of neighbouring words twice, in percent.

    Example:
        >>> repeated_share(["a dog and a dog", "a dog and a cat"])
        50.0

    Args:
        captions: One caption for each image.

    Raises:
        InputError: There is no caption.
    """
    return share(captions, lambda words: len(set(pairwise(words))) < len(words) - 1)


def known_share(captions: Collection[str], known: Iterable[str]) -> float:
    """How many captions stand among known ones, those of the training set say, in percent; words are compared.

    Example:
        >>> known_share(["A dog runs.", "a cat runs"], ["a dog runs"])
        50.0

    Args:
        captions: One caption for each image.
        known: Any number of captions.

    Raises:
        InputError: There is no caption.
    """
    heard = {tuple(ptb_tokenize(caption)) for caption in known}
    return share(captions, lambda words: tuple(words) in heard)


def mean_words(captions: Collection[str]) -> float:
    """How many words a caption has, on average; punctuation is none.

    Example:
        >>> mean_words(["A dog runs.", "a dog"])
        2.5

    Raises:
        InputError: There is no caption.
    """
    return share(captions, len) / 100


def share(captions: Collection[str], measure: Callable[[Sequence[str]], float]) -> float:
    """The mean of a measure of the captions' words, in percent."""
    if not captions:
        raise InputError("expected at least one caption. Received: none.")
    return 100 * sum(measure(ptb_tokenize(caption)) for caption in captions) / len(captions)
