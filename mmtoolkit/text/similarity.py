"""Evaluates word vectors: neighbours, analogies, and correlation with human similarity scores."""

from __future__ import annotations

import difflib
import itertools
import math
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.records import Analogy, WordPair
from mmtoolkit.text.word2vec import keys_of, nfc

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

FREQUENT = 50_000  # words that are searched for similar spellings
PART = 1_000  # vectors whose lengths are measured together
RANKED = 300_000  # words that gensim's evaluators use, in capitals


class Accuracy(NamedTuple):
    """Accuracy on one section of an analogy test.

    Args:
        section: Name of the section.
        correct: Number of questions answered with the right word.
        known: Number of questions whose four words all have a vector; the others are not asked.
        asked: Number of all questions.
    """

    section: str
    correct: int
    known: int
    asked: int

    @property
    def accuracy(self) -> float | None:
        """Percentage of the known questions that are correct, or `None` if none is known."""
        return 100 * self.correct / self.known if self.known else None

    @property
    def out_of_vocabulary(self) -> float:
        """Percentage of the questions with a word that has no vector."""
        return 100 * (self.asked - self.known) / self.asked


class Agreement(NamedTuple):
    """Correlation of the cosines of word pairs with human scores.

    Args:
        pearson: Correlation of the numbers; `None` if fewer than two pairs are known or all numbers are equal.
        spearman: Correlation of the ranks; `None` likewise.
        out_of_vocabulary: Percentage of the pairs with a word that has no vector; these are left out.
    """

    pearson: float | None
    spearman: float | None
    out_of_vocabulary: float


def neighbours(vectors: KeyedVectors, word: str, *, top: int = 10) -> list[tuple[str, float]]:
    """Returns the words nearest to `word` by cosine, with their cosines, nearest first.

    Example:
        The vectors are (0, 1, 0) and (0, 1, 1), at an angle of 45°:
        >>> [(word, round(cosine, 3)) for word, cosine in neighbours(mm.load_vectors("vectors.txt"), "dog", top=1)]
        [('dogs', 0.707)]

    Raises:
        InputError: The word has no vector; the message names similar ones.
    """
    return nearest(vectors, known_words(vectors, [word]), [], top)


def analogy(vectors: KeyedVectors, a: str, b: str, c: str, *, top: int = 10) -> list[tuple[str, float]]:
    """Returns the words nearest to b − a + c, which complete "a is to b as c is to …", with their cosines.

    The vectors are normalised to length 1 first; a, b and c themselves are left out.

    Example:
        >>> [word for word, cosine in analogy(mm.load_vectors("vectors.txt"), "man", "men", "dog", top=1)]
        ['dogs']

    Raises:
        InputError: A word has no vector; the message names similar ones.

    Source: Mikolov et al., "Linguistic Regularities in Continuous Space Word Representations", 2013.
    """
    a, b, c = known_words(vectors, [a, b, c])
    return nearest(vectors, [b, c], [a], top)


def nearest(vectors: KeyedVectors, plus: list[str], minus: list[str], top: int) -> list[tuple[str, float]]:
    """Ranks words by cosine with gensim, without vectors of length 0, which have no direction."""
    measure_norms(vectors)
    with np.errstate(invalid="ignore"):
        ranked = vectors.most_similar(positive=plus, negative=minus, topn=top)
    return [(word, cosine) for word, cosine in ranked if math.isfinite(cosine)]


def measure_norms(vectors: KeyedVectors) -> None:
    """Measures the length of each vector, which gensim keeps, in parts: all at once would copy the table."""
    if vectors.norms is None:
        parts = (vectors.vectors[start : start + PART] for start in range(0, len(vectors), PART))
        vectors.norms = np.concatenate([np.linalg.norm(part, axis=1) for part in parts])


def known_words(vectors: KeyedVectors, words: Sequence[str]) -> list[str]:
    """Checks that all words have a vector, and returns the keys of these: the words, usually, in Unicode NFC.

    Raises:
        InputError: Some have none; the message names similar ones.
    """
    keys = keys_of(vectors, words)
    unknown = list(dict.fromkeys(nfc(word) for word, key in zip(words, keys, strict=True) if key is None))
    if unknown:
        received = ", ".join(f"{word!r}{similar_spellings(word, vectors.index_to_key)}" for word in unknown)
        raise InputError(f"expected words that have a vector. Received: {received}.")
    return [key for key in keys if key is not None]


def similar_spellings(word: str, words: Sequence[str]) -> str:
    """Lists in brackets frequent words with a similar spelling."""
    lowered = {candidate.lower(): candidate for candidate in reversed(words[:FREQUENT])}
    matches = difflib.get_close_matches(word.lower(), lowered)
    return f" (near: {', '.join(lowered[match] for match in matches)})" if matches else ""


def score_analogies(vectors: KeyedVectors, questions: Sequence[Analogy]) -> list[Accuracy]:
    """Computes the accuracy of each section and, last, of all, as gensim's `evaluate_word_analogies` does.

    Example:
        >>> asked = [Analogy("plural", ("man", "men", "dog", "dogs")), Analogy("plural", ("man", "men", "cat", "cats"))]
        >>> *sections, total = score_analogies(mm.load_vectors("vectors.txt"), asked)
        >>> total.accuracy, total.known, total.asked
        (100.0, 1, 2)
    """
    sections = [(name, list(group)) for name, group in itertools.groupby(questions, lambda one: one.section)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "questions")
        lines = [line for name, group in sections for line in (f": {name}", *(" ".join(one.words) for one in group))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        measure_norms(vectors)
        with np.errstate(invalid="ignore"):
            _, results = vectors.evaluate_word_analogies(str(path), restrict_vocab=RANKED)
    asked = [*(len(group) for _, group in sections), len(questions)]
    rows = [(one["section"], len(one["correct"]), len(one["incorrect"])) for one in results]
    return [Accuracy(name, right, right + wrong, n) for (name, right, wrong), n in zip(rows, asked, strict=True)]


def score_pairs(vectors: KeyedVectors, pairs: Sequence[WordPair]) -> Agreement:
    """Computes the correlation of cosines and human scores, as gensim's `evaluate_word_pairs` does.

    Example:
        >>> pairs = [WordPair("dog", "dogs", 9.0), WordPair("dogs", "men", 4.0), WordPair("dog", "man", 1.0)]
        >>> round(score_pairs(mm.load_vectors("vectors.txt"), pairs).spearman, 3)
        1.0
    """
    usable = {word.upper() for word in vectors.index_to_key[:RANKED]}
    known = [pair for pair in pairs if {pair.first.upper(), pair.second.upper()} <= usable]
    unknown = (len(pairs) - len(known)) / len(pairs) * 100
    if len(known) < 2:
        return Agreement(None, None, unknown)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, where all numbers are alike
        path = Path(folder, "pairs")
        lines = [f"{pair.first}\t{pair.second}\t{pair.score}\n" for pair in known]
        path.write_text("".join(lines), encoding="utf-8")
        pearson, spearman, _ = vectors.evaluate_word_pairs(str(path), restrict_vocab=RANKED)
    return Agreement(finite_or_none(pearson[0]), finite_or_none(spearman[0]), unknown)


def finite_or_none(correlation: float) -> float | None:
    """Returns a correlation, or `None` where it is undefined because all numbers are equal."""
    return float(correlation) if math.isfinite(correlation) else None
