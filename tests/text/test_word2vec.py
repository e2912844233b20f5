"""word2vec: gensim's vectors, in the order of the vocabulary."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from gensim.models import KeyedVectors, Word2Vec

from mmtoolkit.errors import InputError
from mmtoolkit.text import PAD, Vocabulary, align_vectors, centred, coverage, train_vectors, train_word2vec
from mmtoolkit.text.vocabulary import SPECIAL
from mmtoolkit.text.word2vec import LONGEST

WORDS = ("a", "dog", "runs", "on", "the", "green", "grass", "while", "two", "brown", "cats", "sleep", "under", "old")
SENTENCES = [[str(word) for word in np.random.default_rng(i).permutation(WORDS)[:8]] for i in range(60)]
VOCABULARY = Vocabulary.count([*SENTENCES, ["unicorn"]])
VECTORS = train_word2vec(SENTENCES, VOCABULARY, dim=12, epochs=3, seed=5)


@pytest.mark.parametrize("skip_gram", [False, True])
def test_row_i_is_the_vector_of_token_i(skip_gram: bool) -> None:
    ours = train_word2vec(SENTENCES, VOCABULARY, dim=12, window=3, epochs=3, seed=5, skip_gram=skip_gram)
    theirs = Word2Vec(
        SENTENCES, vector_size=12, window=3, epochs=3, seed=5, sg=int(skip_gram), min_count=1, workers=1
    ).wv
    assert len(theirs) == len(WORDS)
    for word in WORDS:
        np.testing.assert_array_equal(ours.table[VOCABULARY.id_of[word]], theirs[word])


def test_the_table_has_a_row_per_token_in_float32() -> None:
    assert (VECTORS.table.shape, VECTORS.table.dtype) == ((len(VOCABULARY), 12), np.float32)


def test_pad_is_zero_and_other_words_without_a_vector_are_small_and_random() -> None:
    assert not VECTORS.table[PAD].any()
    trained = VECTORS.table[VOCABULARY.ids(WORDS)]
    untrained = VECTORS.table[[1, 2, 3, VOCABULARY.id_of["unicorn"]]]
    assert 0.5 < untrained.std() / trained.std() < 2.0
    assert len(np.unique(untrained, axis=0)) == 4


def test_a_seed_repeats_the_table_to_the_bit() -> None:
    again = train_word2vec(SENTENCES, VOCABULARY, dim=12, epochs=3, seed=5)
    np.testing.assert_array_equal(again.table, VECTORS.table)
    other = train_word2vec(SENTENCES, VOCABULARY, dim=12, epochs=3, seed=6)
    assert not np.allclose(other.table, VECTORS.table)


def test_skip_gram_is_not_cbow() -> None:
    other = train_word2vec(SENTENCES, VOCABULARY, dim=12, epochs=3, seed=5, skip_gram=True)
    assert not np.allclose(other.table, VECTORS.table)


def test_coverage_counts_what_has_a_vector() -> None:
    assert VECTORS.coverage == (len(WORDS), len(WORDS) + 1, ("unicorn",))


def test_centred_vectors_have_norm_one_and_nothing_in_common() -> None:
    """Word by word, in double precision; START, END and UNK move as the words do, but take no part in the mean."""
    table = (np.random.default_rng(0).normal(size=(9, 4)) + 3).astype(np.float32)
    table[0] = 0
    mean = [sum(float(row[column]) for row in table[4:]) / 5 for column in range(4)]
    found = centred(table)
    assert found.dtype == np.float32 and not found[0].any()
    for row, start in zip(found[1:], table[1:], strict=True):
        moved = [float(number) - less for number, less in zip(start, mean, strict=True)]
        length = sum(number**2 for number in moved) ** 0.5
        np.testing.assert_allclose(row, [number / length for number in moved], rtol=1e-5)
    alone = centred(table[:5])  # one word has nothing of its own
    assert not alone[4].any() and np.isfinite(alone).all()
    np.testing.assert_allclose(np.linalg.norm(centred(table[:4]), axis=1), [0, 1, 1, 1], rtol=1e-6)


def test_coverage_of_known_words() -> None:
    assert coverage(Vocabulary.count(["b a c"]), ["c", "a", "zebra"]) == (2, 3, ("b",))


@pytest.mark.parametrize("sentences", [[], [[], []]])
def test_no_words_is_an_error(sentences: list[list[str]]) -> None:
    with pytest.raises(InputError, match="at least one word"):
        train_word2vec(sentences, VOCABULARY)


def test_texts_in_the_place_of_word_lists_are_an_error() -> None:
    """A string is a sequence of characters, which would train without complaint."""
    with pytest.raises(InputError, match="lists of words"):
        train_word2vec(["a dog runs"], Vocabulary.count(["a dog runs"]))  # type: ignore[list-item]


def test_the_options_of_training_are_gensims() -> None:
    ours = train_vectors(iter(SENTENCES), dim=6, window=2, epochs=2, min_count=30, negative=3, seed=1, skip_gram=True)
    theirs = Word2Vec(
        SENTENCES, vector_size=6, window=2, epochs=2, min_count=30, negative=3, seed=1, sg=1, workers=1
    ).wv
    assert ours.index_to_key == theirs.index_to_key and 0 < len(ours) < len(WORDS)
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


def test_the_words_after_the_ten_thousandth_of_a_sentence_are_learnt_from() -> None:
    words = [str(word) for word in np.random.default_rng(0).choice(WORDS, LONGEST + 2000)]
    ours = train_vectors([words], dim=6, epochs=1).vectors
    options = {"vector_size": 6, "min_count": 1, "epochs": 1, "seed": 0, "workers": 1}
    np.testing.assert_array_equal(ours, Word2Vec([words[:LONGEST], words[LONGEST:]], **options).wv.vectors)
    assert not np.allclose(ours, Word2Vec([words], **options).wv.vectors)  # which stops at the ten thousandth


def test_more_workers_train_too() -> None:
    vectors = train_vectors(SENTENCES, dim=6, epochs=2, workers=2)
    assert set(vectors.index_to_key) == set(WORDS) and np.isfinite(vectors.vectors).all()


def test_words_too_rare_to_train_on_are_an_error() -> None:
    with pytest.raises(InputError, match="at least min_count=3 times. Received: none; give more text or a smaller"):
        train_vectors([["a", "b"], ["a"]], min_count=3)


def test_vectors_from_elsewhere_are_aligned_with_their_coverage() -> None:
    vectors = KeyedVectors(3)
    vectors.add_vectors(["dog", "zebra", "a"], np.arange(9, dtype=np.float32).reshape(3, 3))
    table, found = align_vectors(vectors, Vocabulary.count(["a dog", "a cat"]), seed=1)
    assert found == (2, 3, ("cat",))
    np.testing.assert_array_equal(table[[0, 4, 6]], [[0, 0, 0], [6, 7, 8], [0, 1, 2]])
    assert table.dtype == np.float32 and table[5].any()


def test_words_are_aligned_in_their_composed_form() -> None:
    """Of two spellings of a word in the vectors the composed one counts; a vocabulary keeps its own spelling."""
    nfd = {word: unicodedata.normalize("NFD", word) for word in ("강아지", "café", "빨간")}
    vectors = KeyedVectors(2)
    vectors.add_vectors([nfd["강아지"], nfd["café"], "café", "빨간"], np.arange(8, dtype=np.float32).reshape(4, 2))
    vocabulary = Vocabulary((*SPECIAL, "강아지", "café", nfd["빨간"], "고양이"))
    table, found = align_vectors(vectors, vocabulary)
    assert found == (3, 4, ("고양이",))
    np.testing.assert_array_equal(table[4:7], [[0, 1], [4, 5], [6, 7]])
