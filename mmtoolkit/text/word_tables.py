"""Makes the word vectors that a new model starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mmtoolkit.text.codec import TextCodec
from mmtoolkit.text.vector_files import load_vectors
from mmtoolkit.text.vocabulary import SPECIAL
from mmtoolkit.text.word2vec import align_vectors, centred, train_word2vec

TRAINED, RANDOM, ONE_HOT = ("cbow", "skip-gram"), "random", "one-hot"


def word_table(
    embeddings: str, codec: TextCodec, texts: Sequence[str], *, dim: int, seed: int, tell: Callable[[str], None]
) -> np.ndarray | None:
    """Makes the initial word vectors `<float32>[vocabulary, dim]` of a model; `None` for random ones.

    Args:
        embeddings: `"cbow"` or `"skip-gram"`: word2vec trained on the texts, centred; `"one-hot"`; `"random"`; or a
            file of vectors, used unchanged, whose width then replaces `dim`.
        codec: Splits texts into the words of the vocabulary.
        texts: The training texts.
        dim: Width of trained vectors.
        seed: Seed of word2vec's random numbers.
        tell: Called with a line on how many words have a vector, and on what of a file is left out.

    Raises:
        InputError: The file cannot be read.
    """
    if embeddings == RANDOM:
        return None
    if embeddings == ONE_HOT:
        return np.eye(len(codec.vocabulary), dtype=np.float32)
    if embeddings in TRAINED:
        skip_gram = embeddings == "skip-gram"
        vectors = train_word2vec(codec.split(texts), codec.vocabulary, dim=dim, skip_gram=skip_gram, seed=seed)
    else:
        loaded = load_vectors(embeddings, warn=lambda line: tell(f"warning: {line}"))
        vectors = align_vectors(loaded, codec.vocabulary, seed=seed)
    tell(f"word2vec: {vectors.coverage.covered} of {vectors.coverage.total} words have a vector")
    return centred(vectors.table) if embeddings in TRAINED else vectors.table


def vocabulary_summary(codec: TextCodec, texts: Sequence[str], min_count: int) -> str:
    """Describes a vocabulary in a line: its number of words, and that of the words too rare for it."""
    rare = {word for words in codec.split(texts) for word in words}.difference(codec.vocabulary.tokens)
    rarer = f"rarer than --min-count {min_count} and left out: {len(rare)}"
    unit = "characters" if codec.level == "char" else "words"
    return f"vocabulary: {len(codec.vocabulary) - len(SPECIAL)} {unit}; {rarer}"


def length_warning(codec: TextCodec, texts: Sequence[str], max_length: int) -> str:
    """Returns a warning where texts are longer than `max_length`, END counted, and will be cut, else nothing."""
    lengths = [len(tokens) + 1 for tokens in codec.split(texts)]
    longer = sum(length > max_length for length in lengths)
    if not longer:
        return ""
    return (
        f"{longer} of {len(texts)} texts are longer than --max-length {max_length} and are cut; the longest needs "
        f"--max-length {max(lengths)}"
    )
