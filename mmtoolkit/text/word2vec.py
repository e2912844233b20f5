"""Trains word2vec with gensim on a codec's tokens, and builds the table whose row i is the vector of token i."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.text.vocabulary import SPECIAL, Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

LONGEST = 10_000  # words of a sentence; gensim would silently ignore further ones


class Coverage(NamedTuple):
    """Coverage of a vocabulary by trained vectors.

    Args:
        covered: Number of tokens with a vector.
        total: Number of tokens, special ones left out.
        missing: The tokens without one.
    """

    covered: int
    total: int
    missing: tuple[str, ...]


class WordVectors(NamedTuple):
    """The table of vectors for `TokenEmbedding`, with the coverage of the vocabulary.

    Args:
        table: `<float32>[vocabulary, dim]`; PAD is all zeros.
        coverage: The tokens that have a vector.
    """

    table: np.ndarray
    coverage: Coverage


def train_word2vec(
    sentences: Iterable[Sequence[str]],
    vocabulary: Vocabulary,
    *,
    dim: int = 300,
    skip_gram: bool = False,
    window: int = 5,
    epochs: int = 10,
    seed: int = 0,
) -> WordVectors:
    """Trains CBOW (or skip-gram) vectors and aligns them to the vocabulary; bit for bit repeatable.

    Example:
        >>> vectors = train_word2vec(codec.split(captions), codec.vocabulary, dim=300)
        >>> vectors.table[codec.vocabulary.id_of["dog"]]      # the vector of "dog"

    Args:
        sentences: Token lists, training split only.
        vocabulary: Tokens in the order of the table's rows.
        dim: Width of a vector.
        skip_gram: Skip-gram in place of CBOW.
        window: Context words on each side.
        epochs: Passes over the sentences.
        seed: Seed of the random numbers.

    Raises:
        InputError: There is no word in the sentences.
    """
    vectors = train_vectors(sentences, dim=dim, skip_gram=skip_gram, window=window, epochs=epochs, seed=seed)
    return align_vectors(vectors, vocabulary, seed=seed)


def train_vectors(
    sentences: Iterable[Sequence[str]],
    *,
    dim: int = 300,
    skip_gram: bool = False,
    window: int = 5,
    epochs: int = 10,
    min_count: int = 1,
    negative: int = 5,
    workers: int = 1,
    seed: int = 0,
) -> KeyedVectors:
    """Trains CBOW (or skip-gram) vectors with negative sampling; the most frequent words come first.

    With one worker, a seed makes the result bit for bit repeatable.

    Example:
        >>> train_vectors([["a", "dog", "runs"], ["a", "dog", "sleeps"]], dim=8).index_to_key
        ['dog', 'a', 'sleeps', 'runs']

    Args:
        sentences: Token lists.
        dim: Width of a vector.
        skip_gram: Skip-gram in place of CBOW.
        window: Context words on each side.
        epochs: Passes over the sentences.
        min_count: Words that occur less often get no vector.
        negative: Noise words drawn for each word.
        workers: Threads that train together; with more than one no two runs are the same.
        seed: Seed of the random numbers.

    Raises:
        InputError: No word occurs often enough, or a sentence is a string.

    Source: Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013; negative sampling:
    Mikolov et al., "Distributed Representations of Words and Phrases and their Compositionality", 2013.
    """
    from gensim.models import Word2Vec

    corpus = list(sentences)
    if any(isinstance(sentence, str) for sentence in corpus):
        raise InputError(
            "word2vec needs sentences as lists of words. Received: a string; split them with `codec.split(texts)`."
        )
    if not any(corpus):
        raise InputError("word2vec needs sentences with at least one word. Received: none; check the training split.")
    if min_count > 1 and max(Counter(itertools.chain.from_iterable(corpus)).values()) < min_count:
        raise InputError(
            f"word2vec needs some word that occurs at least min_count={min_count} times. Received: none; "
            "give more text or a smaller min_count."
        )
    model = Word2Vec(
        sentences=[list(words[at : at + LONGEST]) for words in corpus for at in range(0, len(words), LONGEST)],
        vector_size=dim,
        sg=int(skip_gram),
        window=window,
        min_count=min_count,
        negative=negative,
        workers=workers,
        epochs=epochs,
        seed=seed,
    )
    return model.wv


def align_vectors(vectors: KeyedVectors, vocabulary: Vocabulary, *, seed: int = 0) -> WordVectors:
    """Builds the table whose row i is the vector of token i.

    Tokens without a vector (START, END and UNK among them) get random numbers of the same standard deviation.

    Example:
        >>> table, coverage = align_vectors(load_vectors("vectors.bin"), codec.vocabulary)  # doctest: +SKIP
        >>> coverage.covered, coverage.total, coverage.missing[:2]  # doctest: +SKIP
        (7312, 7318, ('frisbees', 'snowboarders'))

    Args:
        vectors: From `train_vectors` or `load_vectors`.
        vocabulary: Tokens in the order of the table's rows.
        seed: Seed of the random numbers.
    """
    spread = float(np.std(vectors.vectors))
    table = np.random.default_rng(seed).normal(0.0, spread, (len(vocabulary), vectors.vector_size)).astype("float32")
    for index, token in enumerate(vocabulary.tokens):
        if token in vectors.key_to_index:
            table[index] = vectors[token]
    table[0] = 0.0
    return WordVectors(table, coverage(vocabulary, vectors.key_to_index))


def centred(table: np.ndarray) -> np.ndarray:
    """Subtracts the mean of word vectors and scales each to norm 1: the best start for a decoder.

    Vectors of a small corpus have similar directions (on the captions of Flickr8k their mean cosine is 0.43), and those
    of frequent words have many times the norm of the others.

    Example:
        Of two words, only their difference remains:
        >>> centred(np.array([[0, 0], [0, 0], [0, 0], [0, 0], [3, 1], [1, 1]], np.float32))[4:]
        array([[ 1.,  0.],
               [-1.,  0.]], dtype=float32)

    Args:
        table: `<float32>[vocabulary, dim]`, of `align_vectors`. The mean is that of the words alone, but it is also
            subtracted from START, END and UNK; PAD stays all zeros.

    Source: Mu & Viswanath, "All-but-the-Top", 2018, section 2, of which this takes the first step.
    """
    words = table[len(SPECIAL) :]
    shifted = table - words.sum(axis=0) / max(1, len(words))
    norms = np.linalg.norm(shifted, axis=1, keepdims=True)
    result = shifted / np.maximum(norms, np.finfo(table.dtype).tiny)
    result[0] = 0.0
    return result.astype(table.dtype)


def coverage(vocabulary: Vocabulary, known: Sequence[str] | dict[str, int]) -> Coverage:
    """Counts the tokens of a vocabulary that are among the known words."""
    words = [token for token in vocabulary.tokens if token not in SPECIAL]
    missing = tuple(word for word in words if word not in known)
    return Coverage(len(words) - len(missing), len(words), missing)
