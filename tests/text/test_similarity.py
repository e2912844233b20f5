"""Neighbours and analogies against a ranking by brute force; scores against gensim's own evaluators."""

from __future__ import annotations

import re
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from mmtoolkit.errors import InputError
from mmtoolkit.readers import read_word_test
from mmtoolkit.records import Analogy, WordPair
from mmtoolkit.text import analogy, known_words, neighbours, score_analogies, score_pairs

WORDS = ["man", "woman", "king", "queen", "dog", "dogs", "Cat", "cats", "한국", "서울", "일본", "도쿄"]
MATRIX = np.random.default_rng(4).normal(size=(len(WORDS), 5)).astype(np.float32)


def made(words: list[str], matrix: np.ndarray) -> KeyedVectors:
    vectors = KeyedVectors(matrix.shape[1])
    vectors.add_vectors(words, matrix)
    return vectors


VECTORS = made(WORDS, MATRIX)


def ranked(query: np.ndarray, leave_out: set[str]) -> list[tuple[str, float]]:
    """All other words by their cosine with the query, by brute force."""
    cosines = {
        word: float(row @ query / np.linalg.norm(row) / np.linalg.norm(query))
        for word, row in zip(WORDS, MATRIX.astype(float), strict=True)
        if word not in leave_out
    }
    return sorted(cosines.items(), key=lambda pair: -pair[1])


def direction(word: str) -> np.ndarray:
    row = MATRIX[WORDS.index(word)].astype(float)
    return row / np.linalg.norm(row)


@pytest.mark.parametrize("top", [1, 4, 50])
def test_neighbours_are_ranked_by_cosine(top: int) -> None:
    expected = ranked(direction("dog"), {"dog"})[:top]
    found = neighbours(VECTORS, "dog", top=top)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-6)


def test_words_are_compared_in_their_composed_form() -> None:
    """Whichever of the two is decomposed, as words of macOS are, also in vectors that gensim itself loaded."""
    nfd = [unicodedata.normalize("NFD", word) for word in WORDS]
    assert nfd != WORDS
    for vectors in (VECTORS, made(nfd, MATRIX)):
        for word in ("한국", unicodedata.normalize("NFD", "한국")):
            found = [unicodedata.normalize("NFC", near) for near, _ in neighbours(vectors, word, top=50)]
            assert found == [near for near, _ in neighbours(VECTORS, "한국", top=50)]
    with pytest.raises(InputError, match="Received: '부산'"):
        known_words(made(nfd, MATRIX), ["부산"])


def test_the_lengths_are_gensims_however_many_vectors_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmtoolkit.text.similarity.PART", 5)
    ours, theirs = made(WORDS, MATRIX), made(WORDS, MATRIX)
    assert neighbours(ours, "dog", top=50) == theirs.most_similar("dog", topn=50)
    np.testing.assert_array_equal(ours.norms, theirs.norms)


def test_an_analogy_ranks_b_minus_a_plus_c_without_the_three() -> None:
    query = direction("woman") - direction("man") + direction("king")
    expected = ranked(query, {"man", "woman", "king"})
    found = analogy(VECTORS, "man", "woman", "king", top=50)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [cosine for _, cosine in found] == pytest.approx([cosine for _, cosine in expected], abs=1e-6)
    assert found != analogy(VECTORS, "woman", "man", "king", top=50)


def test_a_vector_of_zeros_is_no_neighbour() -> None:
    vectors = made(["a", "b", "zero"], np.array([[1, 0], [1, 1], [0, 0]], np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert neighbours(vectors, "a") == [("b", pytest.approx(0.5**0.5))]


def test_unknown_words_are_named_with_near_ones() -> None:
    sentence = "expected words that have a vector. Received: 'cat' (near: Cat, cats), 'dgos' (near: dogs), 'xyz'."
    with pytest.raises(InputError, match=re.escape(sentence)):
        known_words(VECTORS, ["cat", "man", "dgos", "xyz", "cat"])
    with pytest.raises(InputError, match=re.escape("'kng' (near: king)")):
        analogy(VECTORS, "man", "kng", "dog")
    with pytest.raises(InputError, match="'dgo'"):
        neighbours(VECTORS, "dgo")


def test_separate_letters_of_hangul_are_put_together() -> None:
    assert neighbours(VECTORS, "\u1109\u1165\u110b\u116e\u11af") == neighbours(VECTORS, "서울")


QUESTIONS = """: capitals
한국 서울 일본 도쿄
일본 도쿄 한국 서울
: family
MAN Woman king QUEEN
man king woman queen
: plural
dog dogs cat cats
cats cat dogs dog
bird birds dog dogs
: unknown
bird birds cow cows
"""


def near_answers() -> KeyedVectors:
    """Vectors in which some of the questions have the right answer."""
    matrix = MATRIX.copy()
    matrix[3] = matrix[1] - matrix[0] + matrix[2]  # queen
    matrix[11] = matrix[9] - matrix[8] + matrix[10]  # 도쿄
    return made(WORDS, matrix / np.linalg.norm(matrix, axis=1, keepdims=True))


def test_analogy_scores_are_gensims(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(QUESTIONS, encoding="utf-8")
    questions = read_word_test(tmp_path / "q.txt")
    total, sections = near_answers().evaluate_word_analogies(str(tmp_path / "q.txt"))
    ours = score_analogies(near_answers(), questions)  # type: ignore[arg-type]
    assert [one[:3] for one in ours] == [
        (one["section"], len(one["correct"]), len(one["correct"]) + len(one["incorrect"])) for one in sections
    ]
    assert ours[-1].accuracy == pytest.approx(100 * total) and 0 < total < 1
    assert [one.asked for one in ours] == [2, 2, 3, 1, 8] and [one.known for one in ours] == [2, 2, 2, 0, 6]
    assert ours[-1].out_of_vocabulary == 25
    assert (ours[-2].accuracy, ours[-2].out_of_vocabulary) == (None, 100)


PAIRS = "dog\tdogs\t9.5\nDog\tCat\t6.1\nking\tqueen\t8\nbird\tdog\t3\nman\t서울\t0.5\nman\twoman\t7.25\n"


def test_pair_scores_are_gensims(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(PAIRS, encoding="utf-8")
    pearson, spearman, unknown = VECTORS.evaluate_word_pairs(str(tmp_path / "p.txt"))
    ours = score_pairs(VECTORS, read_word_test(tmp_path / "p.txt"))  # type: ignore[arg-type]
    assert ours == (pearson[0], spearman[0], unknown)
    assert unknown == pytest.approx(100 / 6)


@pytest.mark.parametrize("pairs", [[("bird", "cow", 1.0)], [("dog", "king", 1.0), ("bird", "dog", 2.0)]])
def test_fewer_than_two_known_pairs_have_no_correlation(pairs: list[tuple[str, str, float]]) -> None:
    ours = score_pairs(VECTORS, [WordPair(*pair) for pair in pairs])
    assert ours[:2] == (None, None) and ours.out_of_vocabulary == 100 - 50 * (len(pairs) - 1)


def test_pairs_that_people_find_all_alike_have_no_correlation() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = [WordPair("dog", other, 3.0) for other in ("king", "queen", "man")]
        assert score_pairs(VECTORS, pairs) == (None, None, 0.0)


def test_scoring_leaves_the_vectors_as_they_were() -> None:
    score_analogies(VECTORS, [Analogy("family", ("MAN", "woman", "king", "queen"))])
    score_pairs(VECTORS, [WordPair("DOG", "king", 1.0), WordPair("DOG", "man", 2.0)])
    assert VECTORS.index_to_key == WORDS and "MAN" not in VECTORS.key_to_index


def test_scores_on_the_published_files_are_gensims(shared: Path) -> None:
    """Random vectors of the words in the files, some left out and some in capitals."""
    folder = shared / "data" / "word_eval"
    files = [folder / "en" / "EN-WS-353-ALL.txt", folder / "en" / "EN-SIMLEX-999.txt", folder / "en" / "EN-RG-65.txt"]
    words = sorted({word for path in files for line in path.read_text().splitlines() for word in line.split("\t")[:2]})
    words = [word for number, word in enumerate(words) if number % 5]
    vectors = made(words, np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float32))
    for path in files:
        pearson, spearman, unknown = vectors.evaluate_word_pairs(str(path))
        assert score_pairs(vectors, read_word_test(path)) == (pearson[0], spearman[0], unknown)  # type: ignore[arg-type]
        assert 0 < unknown < 100
    questions = read_word_test(folder / "en" / "questions-words.txt")[:506]
    names = sorted({word for one in questions for word in one.words})[4:]  # type: ignore[union-attr]
    capitals = made(names, np.random.default_rng(0).normal(size=(len(names), 8)).astype(np.float32))
    total, sections = capitals.evaluate_word_analogies(str(folder / "en" / "questions-words.txt"))
    ours = score_analogies(capitals, questions)  # type: ignore[arg-type]
    assert ours[0][:2] == (sections[0]["section"], len(sections[0]["correct"]))
    assert ours[0].known == len(sections[0]["correct"]) + len(sections[0]["incorrect"]) < ours[0].asked == 506
