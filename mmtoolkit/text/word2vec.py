"""Trains word2vec with gensim on a codec's tokens, and builds the table whose row i is the vector of token i."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.text.vocabulary import SPECIAL, Vocabulary

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

LONGEST = 10_000  # words of a sentence; gensim ignores further ones
FREQUENT = 50_000  # words whose vectors' spread is measured


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
    """Table for `TokenEmbedding`, with its coverage.

    Args:
        table: `<float32>[vocabulary, dim]`; PAD is all zeros.
        coverage: Of the vocabulary; see `Coverage`.
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
    """Trains CBOW (or skip-gram) vectors and aligns them to the vocabulary, repeatable to the bit.

    Example:
        >>> vectors = train_word2vec(codec.split(mm.texts(records)), codec.vocabulary, dim=300)
        >>> vectors.table[codec.vocabulary.id_of["circle"]].shape      # the vector of "circle"
        (300,)

    Args:
        sentences: Token lists, training split only.
        vocabulary: Tokens in the order of the table's rows.
        dim: Width of a vector.
        skip_gram: Skip-gram in place of CBOW.
        window: Context words on each side.
        epochs: Passes over the sentences.
        seed: Start of the random numbers.

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

    One worker and a seed make the result repeatable to the bit.

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
        seed: Start of the random numbers.

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
        sentences=[chunk for sentence in corpus for chunk in chunks(sentence)],
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


def chunks(sentence: Sequence[str]) -> Iterator[list[str]]:
    """Splits a sentence into chunks of `LONGEST` words; gensim would silently ignore further ones."""
    for start in range(0, len(sentence), LONGEST):
        yield list(sentence[start : start + LONGEST])


def align_vectors(vectors: KeyedVectors, vocabulary: Vocabulary, *, seed: int = 0) -> WordVectors:
    """Builds the table whose row i is the vector of token i.

    Words without a vector of their own (START, END, UNK) start from small random numbers of the same spread. Words are
    compared in Unicode NFC.

    Example:
        >>> words = mm.TextCodec.fit(["dogs and men"]).vocabulary
        >>> table, coverage = align_vectors(mm.load_vectors("vectors.txt"), words)
        >>> coverage.covered, coverage.total, coverage.missing
        (2, 3, ('and',))

    Args:
        vectors: From `train_vectors` or `load_vectors`.
        vocabulary: Tokens in the order of the table's rows.
        seed: Start of the random numbers.
    """
    spread = float(np.std(vectors.vectors[:FREQUENT]))  # of all of them it would take the memory of a second table
    table = np.random.default_rng(seed).normal(0.0, spread, (len(vocabulary), vectors.vector_size)).astype("float32")
    keys = keys_of(vectors, vocabulary.tokens)
    for index, key in enumerate(keys):
        if key is not None:
            table[index] = vectors[key]
    table[0] = 0.0
    known = {token for token, key in zip(vocabulary.tokens, keys, strict=True) if key is not None}
    return WordVectors(table, coverage(vocabulary, known))


def keys_of(vectors: KeyedVectors, words: Iterable[str]) -> list[str | None]:
    """Returns the key of each word, which is the same in Unicode NFC; `None` for a word that has no vector."""
    keys = reversed(vectors.index_to_key)  # of two keys that are one word the first counts
    decomposed = {nfc(key): key for key in keys if not unicodedata.is_normalized("NFC", key)}
    found = ((word, nfc(word), decomposed.get(nfc(word))) for word in words)
    return [next((key for key in each if key in vectors.key_to_index), None) for each in found]


def nfc(word: str) -> str:
    """Returns a word in Unicode's composed form."""
    return unicodedata.normalize("NFC", word)


def centred(table: np.ndarray) -> np.ndarray:
    """Subtracts the mean of word vectors and scales each to norm 1: the best start for a decoder.

    Vectors of a small corpus point much the same way (on the captions of Flickr8k their mean cosine is 0.43), and the
    frequent ones are many times as long as the others.

    Example:
        Of two words only their difference is left:
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


def coverage(vocabulary: Vocabulary, known: Collection[str]) -> Coverage:
    """Counts the tokens of a vocabulary that are among the known words."""
    words = [token for token in vocabulary.tokens if token not in SPECIAL]
    missing = tuple(word for word in words if word not in known)
    return Coverage(len(words) - len(missing), len(words), missing)
