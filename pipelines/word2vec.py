"""`mmtoolkit word2vec`: trains or loads word vectors, and shows what they know."""

from __future__ import annotations

import json as json_format
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, tell, warn
from mmtoolkit.cli.options import Exclusion, Printing, Replacing, Seeded
from mmtoolkit.cli.ranges import Count, at_least, spelt
from mmtoolkit.files import write_atomically
from mmtoolkit.readers import read_word_test
from mmtoolkit.records import Analogy, WordPair
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

TRAINING = (
    *("algorithm", "dim", "window", "epochs", "min_count", "negative"),
    *("workers", "deterministic", "seed", "exclude"),
)
RESULTS = ("out", "neighbours", "analogy", "score", "map")
DIGITS = {"accuracy": 2, "pearson": 4, "spearman": 4, "out_of_vocabulary": 2}  # of the scores of a file
MOST_WORKERS = 8  # more threads wait for each other


@dataclass(frozen=True, kw_only=True)
class Options(Exclusion, Seeded, Printing, Replacing):
    """The options of `mmtoolkit word2vec`.

    Args:
        data: A captions data set (its training split), a text file with a sentence a line, or a folder of .txt files;
            a folder with a captions file in it is a captions data set.
        vectors: Word vectors in word2vec's text or binary form or GloVe's text, also with gzip.
        limit: The most words of --vectors that are read, the first ones (most files begin with the most frequent).
        algorithm: cbow guesses a word from those around it, skip-gram those around it from a word.
        dim: Width of a vector.
        window: Words looked at on each side.
        epochs: Passes over the sentences.
        min_count: Words that occur less often get no vector.
        negative: Noise words drawn for each word.
        workers: Threads that train together; by default one for each processor, up to 8.
        deterministic: Train with one thread, so that the same seed gives the same vectors to the bit.
        exclude: A list of captions and pictures to leave out, as doctor --quarantine writes it.
        out: File for the vectors: binary if its name ends in .bin, else text; a further .gz compresses it.
        neighbours: Words whose nearest words are printed, as WORD, neighbour, cosine.
        analogy: Three words A B C; prints what comes nearest to B - A + C: A is to B as C is to what?
        top: Words shown for each question.
        score: Files of analogies (sections ": name", four words a line) or of word pairs (word, word, score).
        map: PNG file for a map of the most frequent words on their two principal axes.
        map_words: Words on the map.
    """

    data: Path | None = None
    vectors: Path | None = None
    limit: Count | None = None
    algorithm: Literal["cbow", "skip-gram"] = "cbow"
    dim: Count = 300
    window: Count = 5
    epochs: Count = 10
    min_count: Count = 5
    negative: Count = 5
    workers: Count | None = None
    deterministic: bool = False
    out: Path | None = None
    neighbours: tuple[str, ...] = ()
    analogy: tuple[str, str, str] | None = None
    top: Count = 10
    score: tuple[Path, ...] = ()
    map: Path | None = None
    map_words: Annotated[int, at_least(3)] = 150

    def check(self) -> None:
        """Refuses options that make no sense, before any work is done.

        Raises:
            mm.InputError: One is out of its range, two contradict each other, or nothing is asked for.
        """
        super().check()
        if (self.data is None) == (self.vectors is None):
            received = "neither" if self.data is None else "both"
            raise mm.InputError(
                f"expected --data to train word vectors or --vectors to load some. Received: {received}."
            )
        if not any(getattr(self, name) for name in RESULTS):
            wanted = ", ".join(map(spelt, RESULTS))
            raise mm.InputError(f"expected something to do with the vectors ({wanted}). Received: none of these.")
        if self.limit and self.data:
            raise mm.InputError("--limit is for --vectors. Received: --data as well.")
        for field in fields(self) if self.vectors else ():
            if field.name in TRAINING and getattr(self, field.name) != field.default:
                raise mm.InputError(f"{spelt(field.name)} is for training with --data. Received: --vectors as well.")
        if self.deterministic and (self.workers or 1) > 1:
            raise mm.InputError(f"--deterministic trains with one worker. Received: --workers {self.workers}.")


def main(options: Options) -> int:
    """Trains or loads word vectors; shows neighbours, analogies, scores and a map.

    Give --data to train or --vectors to load, and one or more of --out, --neighbours, --analogy, --score and --map.
    Words are read as in captioning: lower case, without punctuation.
    """
    out = options.out
    check_target("--out", out, overwrite=options.overwrite)
    check_target("--map", options.map, overwrite=options.overwrite, ending=".png")
    tests = {str(path): read_word_test(path) for path in options.score}
    start_tensorflow()
    words = load(options.vectors, options.limit) if options.vectors else train(options)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        mm.save_vectors(words, out)
        tell(f"vectors: {out}")
    found = answers(words, options.neighbours, options.analogy, options.top)
    report = {"scores": {path: scores(words, test) for path, test in tests.items()}} | found
    if options.map:
        draw(words, options.map_words, options.map)
    text = json_format.dumps(report, indent=1, ensure_ascii=False) if options.json else "\n".join(lines(report))
    if text:
        print(text)
    for error in found["failed"]:
        tell(f"error: {error}")
    return 1 if found["failed"] else 0


def load(path: Path, limit: int | None) -> KeyedVectors:
    """Loads word vectors, and notes what is left out."""
    return mm.load_vectors(path, limit=limit, warn=warn)


def train(options: Options) -> KeyedVectors:
    """Trains word vectors on a data set, and notes how much text there was."""
    from mmtoolkit.text.vocabulary import SPECIAL

    codec = mm.TextCodec(mm.Vocabulary(SPECIAL))
    with warnings.catch_warnings(record=True) as caught:
        sentences = codec.split(mm.read_sentences(str(options.data), exclude=options.exclude))
    for warning in caught:  # what is left out
        warn(str(warning.message))
    started = time.perf_counter()
    workers = 1 if options.deterministic else options.workers or min(MOST_WORKERS, os.cpu_count() or 1)
    same = {name: getattr(options, name) for name in ("dim", "window", "epochs", "min_count", "negative", "seed")}
    vectors = mm.train_vectors(sentences, skip_gram=options.algorithm == "skip-gram", workers=workers, **same)
    tell(
        f"word2vec: {options.algorithm} vectors of {len(vectors)} words from {len(sentences)} sentences "
        f"with {sum(map(len, sentences))} words, in {time.perf_counter() - started:.1f} s"
    )
    return vectors


def answers(
    vectors: KeyedVectors, words: tuple[str, ...], question: tuple[str, str, str] | None, top: int
) -> dict[str, Any]:
    """Finds the neighbours of the words and the answers to the analogy, and why others cannot be given."""
    from mmtoolkit import text

    found: dict[str, Any] = {
        "words": len(vectors),
        "dim": vectors.vector_size,
        "neighbours": {},
        "analogy": {},
        "failed": [],
    }
    for word in words:
        try:
            found["neighbours"][word] = text.neighbours(vectors, word, top=top)
        except mm.InputError as error:  # the other words go on
            found["failed"].append(str(error))
    if question:
        try:
            found["analogy"][" ".join(question)] = text.analogy(vectors, *question, top=top)
        except mm.InputError as error:
            found["failed"].append(str(error))
    return found


def scores(vectors: KeyedVectors, test: list[Analogy] | list[WordPair]) -> dict[str, Any]:
    """Scores one file: accuracies in per cent or correlations, and the percentage of it that has no vectors."""
    from mmtoolkit import text

    if isinstance(test[0], WordPair):
        return text.score_pairs(vectors, test)._asdict()
    *sections, total = text.score_analogies(vectors, test)
    parts = {one.section: {"accuracy": one.accuracy, "correct": one.correct, "known": one.known} for one in sections}
    return {"accuracy": total.accuracy, "out_of_vocabulary": total.out_of_vocabulary, "sections": parts}


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Formats the report as lines of what, name and number."""
    for path, found in report["scores"].items():
        for name, part in found.get("sections", {}).items():
            yield f"{path}\t{name}\t{number(part['accuracy'], 2)}\t{part['correct']}/{part['known']}"
        for name, digits in DIGITS.items():
            if name in found:
                yield f"{path}\t{name}\t{number(found[name], digits)}"
    for words, ranked in (*report["neighbours"].items(), *report["analogy"].items()):
        yield from (f"{words}\t{word}\t{cosine:.4f}" for word, cosine in ranked)


def number(value: float | None, digits: int) -> str:
    """Formats a value, or a dash where nothing could be measured."""
    return "-" if value is None else f"{value:.{digits}f}"


def draw(vectors: KeyedVectors, count: int, path: Path) -> None:
    """Writes the map of the most frequent words."""
    from mmtoolkit.word_map import word_map_picture

    picture = word_map_picture(vectors.index_to_key[:count], vectors.vectors[:count])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: picture.save(file, format="PNG"))
    tell(f"map: {path}")


if __name__ == "__main__":
    run(main)
