"""`mmtoolkit word2vec`, as a person runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import Word2Vec
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.text import analogy, neighbours, train_vectors

QUICK = ("--dim", 12, "--epochs", 5, "--min-count", 1, "--deterministic")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text in which dogs and cats do alike things."""
    path, rng = tmp_path_factory.mktemp("book") / "book.txt", np.random.default_rng(0)
    lines = [f"The {a} {b} on the {c}." for a in ("dog", "cat", "cow", "개") for b in ("sleeps", "runs") for c in "xyz"]
    path.write_text("\n".join(str(line) for line in rng.permutation(lines * 10)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def vectors(book: Path, job: Callable[..., Any]) -> Path:
    """The vectors that the job makes of the text."""
    out = book.parent / "new" / "vectors.txt"
    done = job("word2vec", "--data", book, "--out", out, *QUICK)
    assert (done.code, done.out) == (0, "")
    assert "word2vec: cbow vectors of 11 words from 240 sentences with 1440 words" in done.err
    assert f"vectors: {out}" in done.err
    return out


@pytest.mark.parametrize("algorithm", ["cbow", "skip-gram"])
def test_the_vectors_are_gensims_for_cleaned_words(job, book: Path, tmp_path: Path, algorithm: str) -> None:
    options = ("--window", 2, "--negative", 3, "--min-count", 61, "--seed", 7, "--algorithm", algorithm)
    done = job("word2vec", "--data", book, "--out", tmp_path / "v.bin", *QUICK, *options)
    assert done.code == 0, done.err
    sentences = [line.lower().replace(".", "").split() for line in book.read_text(encoding="utf-8").splitlines()]
    theirs = Word2Vec(
        sentences,
        sg=int(algorithm == "skip-gram"),
        vector_size=12,
        epochs=5,
        window=2,
        negative=3,
        min_count=61,
        seed=7,
        workers=1,
    ).wv
    ours = mm.load_vectors(tmp_path / "v.bin")
    assert ours.index_to_key == theirs.index_to_key and len(ours) < 11
    np.testing.assert_array_equal(ours.vectors, theirs.vectors)


def test_the_same_command_writes_the_same_bytes(job, book: Path, vectors: Path, tmp_path: Path) -> None:
    assert job("word2vec", "--data", book, "--out", tmp_path / "v.txt", *QUICK).code == 0
    assert (tmp_path / "v.txt").read_bytes() == vectors.read_bytes()
    assert job("word2vec", "--data", book, "--out", tmp_path / "v.txt", *QUICK, "--seed", 1, "--overwrite").code == 0
    assert (tmp_path / "v.txt").read_bytes() != vectors.read_bytes()


@pytest.mark.parametrize(("words", "workers"), [([], 6), (["--workers", 3], 3), (["--deterministic"], 1)])
def test_threads_train_together_unless_the_result_must_repeat(
    job, book: Path, tmp_path: Path, monkeypatch, words: list[Any], workers: int
) -> None:
    seen = []

    def spy(*arguments: Any, **options: Any) -> Any:
        seen.append(options["workers"])
        return train_vectors(*arguments, **options)

    monkeypatch.setattr("mmtoolkit.text.train_vectors", spy)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert job("word2vec", "--data", book, "--out", tmp_path / "v.txt", "--dim", 4, *words).code == 0
    assert seen == [workers]


def test_of_a_captions_data_set_the_training_split_is_read(job, scenes: Path, tmp_path: Path) -> None:
    done = job("word2vec", "--data", scenes, "--out", tmp_path / "v.txt", "--workers", 2, "--min-count", 1)
    count = len(mm.texts(mm.read_captions(scenes, splits=("train",))))
    assert done.code == 0 and f"from {count} sentences" in done.err
    assert 0 < count < len(mm.texts(mm.read_captions(scenes)))


def test_neighbours_and_an_analogy_are_lines(job, vectors: Path) -> None:
    done = job(
        "word2vec", "--vectors", vectors, "--neighbours", "dog", "개", "--analogy", "dog", "cat", "runs", "--top", 3
    )
    loaded = mm.load_vectors(vectors)
    rows = [("dog", *pair) for pair in neighbours(loaded, "dog", top=3)]
    rows += [("개", *pair) for pair in neighbours(loaded, "개", top=3)]
    rows += [("dog cat runs", *pair) for pair in analogy(loaded, "dog", "cat", "runs", top=3)]
    assert done.code == 0 and done.err == ""
    assert done.out.splitlines() == [f"{what}\t{word}\t{cosine:.4f}" for what, word, cosine in rows]


@pytest.fixture
def tests_of_words(tmp_path: Path) -> list[Path]:
    """A file of analogies and one of pairs."""
    (tmp_path / "q.txt").write_text(": animals\ndog cat cow 개\ndog cat ox cow\n: none\na b c d\n", encoding="utf-8")
    (tmp_path / "p.txt").write_text("dog\tcat\t9\ncow\truns\t2\nx\ty\t8.5\nox\tcow\t9\n", encoding="utf-8")
    return [tmp_path / "q.txt", tmp_path / "p.txt"]


def test_scores_are_gensims(job, vectors: Path, tests_of_words: list[Path]) -> None:
    questions, pairs = tests_of_words
    loaded = mm.load_vectors(vectors)
    total, _ = loaded.evaluate_word_analogies(str(questions))
    pearson, spearman, unknown = loaded.evaluate_word_pairs(str(pairs))
    done = job("word2vec", "--vectors", vectors, "--score", questions, pairs)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        f"{questions}\tanimals\t{100 * total:.2f}\t{round(total)}/1",
        f"{questions}\tnone\t-\t0/0",
        f"{questions}\taccuracy\t{100 * total:.2f}",
        f"{questions}\tout_of_vocabulary\t66.67",
        f"{pairs}\tpearson\t{pearson[0]:.4f}",
        f"{pairs}\tspearman\t{spearman[0]:.4f}",
        f"{pairs}\tout_of_vocabulary\t{unknown:.2f}",
    ]


def test_json_is_one_object(job, vectors: Path, tests_of_words: list[Path]) -> None:
    words = ("--vectors", vectors, "--json", "--neighbours", "개", "--analogy", "dog", "cat", "cow", "--score")
    done = job("word2vec", *words, *tests_of_words)
    report = json.loads(done.out)
    assert list(report) == ["scores", "words", "dim", "neighbours", "analogy", "failed"]
    assert (report["words"], report["dim"]) == (11, 12)
    assert list(report["scores"]) == list(map(str, tests_of_words))
    assert report["scores"][str(tests_of_words[0])]["sections"]["none"] == {"accuracy": None, "correct": 0, "known": 0}
    assert list(report["scores"][str(tests_of_words[1])]) == ["pearson", "spearman", "out_of_vocabulary"]
    assert "개" in done.out and len(report["neighbours"]["개"]) == len(report["analogy"]["dog cat cow"]) + 2 == 10


def test_a_map_is_a_picture_of_the_most_frequent_words(job, vectors: Path, tmp_path: Path) -> None:
    done = job("word2vec", "--vectors", vectors, "--map", tmp_path / "maps" / "m.png", "--map-words", 8)
    assert (done.code, done.out, done.err) == (0, "", f"map: {tmp_path / 'maps' / 'm.png'}\n")
    with Image.open(tmp_path / "maps" / "m.png") as picture:
        assert picture.format == "PNG" and picture.size == (640, 640)


def test_loaded_vectors_are_written_in_another_form(job, vectors: Path, tmp_path: Path) -> None:
    assert job("word2vec", "--vectors", vectors, "--out", tmp_path / "v.bin.gz").code == 0
    assert job("word2vec", "--vectors", tmp_path / "v.bin.gz", "--out", tmp_path / "v.txt").code == 0
    assert (tmp_path / "v.txt").read_bytes() == vectors.read_bytes()


def test_unknown_words_are_named_and_the_others_go_on(job, vectors: Path) -> None:
    done = job("word2vec", "--vectors", vectors, "--neighbours", "Dog", "cat", "--analogy", "dog", "slepps", "cow")
    assert done.code == 1
    assert done.out == job("word2vec", "--vectors", vectors, "--neighbours", "cat").out != ""
    first, second = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert first.startswith("error: expected words that have a vector. Received: 'Dog' (near: dog)")
    assert second.startswith("error: expected words that have a vector. Received: 'slepps' (near: sle")


def test_files_that_are_there_are_kept(job, vectors: Path, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("mine")
    (tmp_path / "m.png").write_text("mine")
    for words in (("--out", tmp_path / "v.txt"), ("--map", tmp_path / "m.png", "--map-words", 3)):
        done = job("word2vec", "--vectors", vectors, *words)
        assert done.code == 2 and done.error.startswith(f"{words[1]} is there already; add --overwrite to replace it")
        assert words[1].read_text() == "mine"
        assert job("word2vec", "--vectors", vectors, *words, "--overwrite").code == 0
        assert words[1].read_bytes() != b"mine"


def test_vectors_are_kept_when_a_word_is_unknown(job, book: Path, tmp_path: Path) -> None:
    done = job("word2vec", "--data", book, *QUICK, "--out", tmp_path / "v.txt", "--neighbours", "bird")
    assert done.code == 1 and "'bird'" in done.error
    assert len(mm.load_vectors(tmp_path / "v.txt")) == 11


def test_vectors_that_cannot_be_used_are_left_out_aloud(job, tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_bytes(b"dog 1 2\ncat 2 1\nd\xffg 3 3\n")
    done = job("word2vec", "--vectors", tmp_path / "v.txt", "--neighbours", "dog")
    assert (done.code, done.out) == (0, "dog\tcat\t0.8000\n")
    place = tmp_path / "v.txt"
    assert done.err == f"warning: {place}: 1 vector is left out: 1 whose word is not UTF-8 ({place}:3)\n"


def test_the_first_vectors_alone_can_be_read(job, vectors: Path, tmp_path: Path) -> None:
    assert job("word2vec", "--vectors", vectors, "--limit", 3, "--out", tmp_path / "v.txt").code == 0
    words = mm.load_vectors(vectors).index_to_key
    assert mm.load_vectors(tmp_path / "v.txt").index_to_key == words[:3] and len(words) == 11


def test_damaged_vectors_are_named(job, vectors: Path, tmp_path: Path) -> None:
    lines = vectors.read_text(encoding="utf-8").splitlines()
    (tmp_path / "v.txt").write_text("\n".join([*lines[:4], lines[4][:-30], *lines[5:]]), encoding="utf-8")
    done = job("word2vec", "--vectors", tmp_path / "v.txt", "--neighbours", "dog")
    assert done.code == 2 and done.error.startswith(f"{tmp_path / 'v.txt'}:5: expected a word and 12 numbers")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--neighbours", "dog"],
            "expected --data to train word vectors or --vectors to load some. Received: neither.",
        ),
        (["--data", "B", "--vectors", "V", "--out", "o"], "Received: both."),
        (["--data", "B"], "expected something to do with the vectors (--out, --neighbours, --analogy, --score, --map)"),
        (["--data", "B", "--out", "o", "--dim", "0"], "--dim expects 1 or more. Received: 0."),
        (["--data", "B", "--out", "o", "--min-count", "0"], "--min-count expects 1 or more. Received: 0."),
        (
            ["--data", "B", "--out", "o", "--seed", "-1"],
            "--seed expects a whole number from 0 to 4,294,967,295. Received: -1.",
        ),
        (["--data", "B", "--out", "o", "--workers", "0"], "--workers expects 1 or more. Received: 0."),
        (["--data", "B", "--map", "o.png", "--map-words", "2"], "--map-words expects 3 or more. Received: 2."),
        (
            ["--vectors", "V", "--out", "o", "--window", "3"],
            "--window is for training with --data. Received: --vectors",
        ),
        (["--data", "B", "--out", "o", "--limit", "5"], "--limit is for --vectors. Received: --data as well."),
        (["--vectors", "V", "--out", "o", "--limit", "0"], "--limit expects 1 or more. Received: 0."),
        (["--vectors", "V", "--out", "o", "--deterministic"], "--deterministic is for training with --data."),
        (["--data", "B", "--out", "o", "--deterministic", "--workers", "2"], "--deterministic trains with one worker."),
        (["--data", "B", "--map", "o.jpg"], "--map expects a file whose name ends in .png. Received: o.jpg"),
        (["--data", "B", "--out", "."], "--out expects a file. Received: ."),
        (["--vectors", "V", "--score", "B"], "book.txt:1: expected ': section' (a file of analogies) or"),
        (["--vectors", "none.bin", "--out", "o"], "expected a file of word vectors. Received: none.bin"),
        (["--data", "B", "--out", "o", "--min-count", "999"], "some word that occurs at least min_count=999 times."),
    ],
)
def test_wrong_usage_is_a_sentence(
    job, book: Path, vectors: Path, words: list[str], message: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = job("word2vec", *({"B": book, "V": vectors}.get(word, word) for word in words))
    assert (done.code, done.out) == (2, "") and message in done.error, done.err
    assert not list(tmp_path.iterdir())


def test_an_unknown_algorithm_is_refused(job, book: Path) -> None:
    assert job("word2vec", "--data", book, "--out", "o", "--algorithm", "glove").code == 2
