"""Computes caption statistics: how varied captions are, how long, and how many repeat the training set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import pairwise

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.tokenizer import char_tokenize

UNFINISHED = frozenset(  # words that end hardly any person's caption: 1 in 1,000 of Flickr8k's
    (  # noqa: SIM905
        "a an the this that his its their my your and or but while as of in at to with without from into onto for near "
        "over under beside between among through across against toward towards during is are was were be"
    ).split()
)


def unique_share(captions: Collection[str]) -> float:
    """Computes the share of different captions in percent; captions are compared letter by letter.

    A search for the likeliest words writes the same caption for many pictures; 100 is one caption each. There is no
    bootstrap interval, because drawing pictures twice makes captions less unique than they are.

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
    """Computes the share of captions that contain some pair of neighbouring words twice, in percent.

    Example:
        >>> repeated_share(["a dog and a dog", "a dog and a cat"])
        50.0

    Args:
        captions: One caption for each image.

    Raises:
        InputError: There is no caption.
    """
    return share(captions, lambda words: len(set(pairwise(words))) < len(words) - 1)


def broken_share(captions: Collection[str]) -> float:
    """Computes the share of captions that break off, i.e. whose last word needs one after it in English, in percent.

    A reward that does not count the end of a caption teaches a model to write such captions.

    Example:
        >>> broken_share(["a man in a", "a man in a hat", "a dog jumps over", "a dog jumps up"])
        50.0

    Args:
        captions: One caption for each image.

    Raises:
        InputError: There is no caption.
    """
    return share(captions, lambda words: bool(words) and words[-1] in UNFINISHED)


def known_share(captions: Collection[str], known: Iterable[str]) -> float:
    """Computes the share of captions that are among known ones, e.g. the training set's, in percent, by words.

    Example:
        >>> known_share(["A dog runs.", "a cat runs"], ["a dog runs"])
        50.0

    Args:
        captions: One caption for each image.
        known: Any number of captions.

    Raises:
        InputError: There is no caption.
    """
    known_words = {tuple(char_tokenize(caption)) for caption in known}
    return share(captions, lambda words: tuple(words) in known_words)


def mean_words(captions: Collection[str]) -> float:
    """Computes the mean number of words in a caption, without punctuation.

    Example:
        >>> mean_words(["A dog runs.", "a dog"])
        2.5

    Raises:
        InputError: There is no caption.
    """
    return share(captions, len) / 100


def share(captions: Collection[str], measure: Callable[[Sequence[str]], float]) -> float:
    """Computes the mean of a measure of the captions' words, in percent."""
    if not captions:
        raise InputError("expected at least one caption. Received: none.")
    return 100 * sum(measure(char_tokenize(caption)) for caption in captions) / len(captions)
