"""gensim word2vec on the project's own tokens, as a matrix whose row i is the vector of token i."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.text.vocabulary import SPECIAL, Vocabulary


class Coverage(NamedTuple):
    """How much of a vocabulary has a trained vector.

    Args:
        covered: Number of tokens with a vector.
        total: Number of tokens, special ones left out.
        missing: The tokens without one.
    """

    covered: int
    total: int
    missing: tuple[str, ...]


class WordVectors(NamedTuple):
    """A table for `TokenEmbedding` and what it covers.

    Args:
        table: `<float32>[vocabulary, dim]`; PAD is all zeros.
        coverage: See `Coverage`.
    """

    table: np.ndarray
    coverage: Coverage


def train_word2vec(
    sentences: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    *,
    dim: int = 300,
    skip_gram: bool = False,
    window: int = 5,
    epochs: int = 10,
    seed: int = 0,
) -> WordVectors:
    """Trains CBOW (or skip-gram) vectors and aligns them to the vocabulary.

    Words without a vector of their own (START, END, UNK) start from small random numbers of the same spread.
    One worker and a seed make the result repeatable to the bit.

    Example:
        >>> vectors = train_word2vec(codec.split(captions), codec.vocabulary, dim=300)
        >>> vectors.table[codec.vocabulary.id_of["dog"]]      # the vector of "dog"

    Args:
        sentences: Token lists, training split only.
        vocabulary: What the rows follow.
        dim: Width of a vector.
        skip_gram: Skip-gram in place of CBOW.
        window: Words looked at on each side.
        epochs: Passes over the sentences.
        seed: Start of the random numbers.

    Raises:
        InputError: There is no word in the sentences.

    Source: Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013.
    """
    from gensim.models import Word2Vec

    if any(isinstance(sentence, str) for sentence in sentences):
        raise InputError(
            "word2vec needs sentences as lists of words. Received: a string; split them with `codec.split(texts)`."
        )
    if not any(sentences):
        raise InputError("word2vec needs sentences with at least one word. Received: none; check the training split.")
    model = Word2Vec(
        sentences=[list(sentence) for sentence in sentences],
        vector_size=dim,
        sg=int(skip_gram),
        window=window,
        min_count=1,
        workers=1,
        epochs=epochs,
        seed=seed,
    )
    found = coverage(vocabulary, model.wv.key_to_index)
    spread = float(np.std(model.wv.vectors))
    table = np.random.default_rng(seed).normal(0.0, spread, (len(vocabulary), dim)).astype("float32")
    for index, token in enumerate(vocabulary.tokens):
        if token in model.wv.key_to_index:
            table[index] = model.wv[token]
    table[0] = 0.0
    return WordVectors(table, found)


def coverage(vocabulary: Vocabulary, known: Sequence[str] | dict[str, int]) -> Coverage:
    """Counts the tokens of a vocabulary that are among the known words."""
    words = [token for token in vocabulary.tokens if token not in SPECIAL]
    missing = tuple(word for word in words if word not in known)
    return Coverage(len(words) - len(missing), len(words), missing)
