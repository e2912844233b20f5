"""METEOR in each of its stages, on a few lines of data, against values from its formula."""

from __future__ import annotations

import gzip
import itertools
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.metrics import meteor, meteor_scores, meteor_statistics, totals
from mmtoolkit.metrics import meteor_alignment as alignment
from mmtoolkit.metrics.meteor_data import MeteorData, load_data, load_prefixes
from mmtoolkit.metrics.meteor_matches import NEAREST, Match, find_matches, index_sentence, nearest
from mmtoolkit.metrics.meteor_normalizer import normalize


def score(hypothesis: str, *references: str) -> float:
    return meteor([hypothesis.split()], [[reference.split() for reference in references]])


def by_formula(precision: float, recall: float, fragmentation: float) -> float:
    """METEOR in percent as the paper defines it, with the parameters for English."""
    mean = precision * recall / (0.85 * precision + 0.15 * recall)
    return 100 * mean * (1 - 0.6 * fragmentation**0.2)


# In what follows a content word weighs 0.75 and a function word (a, the, on, of) 0.25.


def test_equal_sentences_have_no_penalty(meteor_package: Path) -> None:
    assert score("the dog runs", "the dog runs") == pytest.approx(100)


def test_exact_matches(meteor_package: Path) -> None:
    expected = by_formula((0.25 + 0.75) / (0.25 + 0.75 * 2), (0.25 + 0.75) / (0.25 + 0.75 * 3), 1 / 2)
    assert score("the dog runs", "the dog sits still") == pytest.approx(expected)


def test_each_break_in_order_is_a_chunk(meteor_package: Path) -> None:
    expected = by_formula(1, 1, 3 / 4)  # "black", "the", "dog runs"
    assert score("the black dog runs", "black the dog runs") == pytest.approx(expected)


def test_stems_count_six_tenths(meteor_package: Path) -> None:
    share = (0.75 + 0.6 * 0.75) / (3 * 0.75)
    assert score("dogs run fast", "dogs running slowly") == pytest.approx(by_formula(share, share, 1 / 2))


@pytest.mark.parametrize(
    ("word", "other"),
    [
        ("man", "guy"),
        ("guy", "fellow"),
        ("hounds", "dog"),
        ("men", "guy"),
        ("mice", "rodent"),
    ],  # the last: an exception
)
def test_synonyms_count_eight_tenths(meteor_package: Path, word: str, other: str) -> None:
    share = (0.75 + 0.8 * 0.75) / (3 * 0.75)
    assert score(f"one {word} here", f"one {other} there") == pytest.approx(by_formula(share, share, 1 / 2))


def test_words_in_no_common_synset_do_not_match(meteor_package: Path) -> None:
    assert score("man", "fellow") == 0


def test_paraphrases_count_six_tenths_of_each_side(meteor_package: Path) -> None:
    """Three words, two of them function words, match one: a chunk of four words on one side, of two on the other."""
    long = (0.75 + 0.6 * (0.25 + 0.75 + 0.25)) / (0.75 + 0.25 + 0.75 + 0.25 + 0.75)
    short = (0.75 + 0.6 * 0.75) / (3 * 0.75)
    said, wanted = "dogs on top of boxes", "dogs over crates"
    assert score(said, wanted) == pytest.approx(by_formula(long, short, 1 / 3))
    assert score(wanted, said) == pytest.approx(by_formula(short, long, 1 / 3))


def test_a_paraphrase_works_in_both_directions(meteor_package: Path) -> None:
    """The table has "two men" to "a pair of men" and not back; whole sentences have no penalty."""
    assert score("two men", "a pair of men") == pytest.approx(60)
    assert score("a pair of men", "two men") == pytest.approx(60)


def test_a_word_is_matched_once(meteor_package: Path) -> None:
    """Here "on top of" is a paraphrase of "over", or "top" is equal: not both."""
    assert score("over top here", "on top of there") == pytest.approx(by_formula(0.75 / 2.25, 0.75 / 2, 1))


def test_the_best_reference_counts(meteor_package: Path) -> None:
    references = "a cat", "the dog runs fast", "the dog sits"
    assert score("the dog runs", *references) == pytest.approx(max(score("the dog runs", one) for one in references))


def test_the_first_of_equally_good_references_counts(meteor_package: Path) -> None:
    (row,) = meteor_statistics([["dog"]], [[["cat", "cat", "cat"], ["cat"]]])
    assert row[:2] == (1, 3)


def test_a_corpus_is_scored_from_its_sums(meteor_package: Path) -> None:
    """A sentence that is matched whole adds words and no chunk."""
    hypotheses = [["the", "dog", "runs"], ["two", "cats"]]
    references = [[["the", "dog", "sits"]], [["two", "cats"]]]
    share = (1 + 1.5) / (1.75 + 1.5)
    rows = meteor_statistics(hypotheses, references)
    assert meteor(hypotheses, references) == pytest.approx(by_formula(share, share, 1 / 4))
    assert meteor_scores(totals(rows))["METEOR"] == meteor(hypotheses, references)


def test_statistics_are_counted_per_stage(meteor_package: Path) -> None:
    (row,) = meteor_statistics([["the", "men", "running"]], [[["the", "guy", "runs", "the"]]])
    exact, stem, synonym, paraphrase = (0, 0, 1, 1), (1, 1, 0, 0), (1, 1, 0, 0), (0, 0, 0, 0)
    assert row == (3, 4, 1, 2, *exact, *stem, *synonym, *paraphrase, 1, 3, 3)


@pytest.mark.parametrize(("hypothesis", "reference"), [("", "a dog"), ("a dog", ""), ("", ""), ("dog", "cat")])
def test_without_matches_the_score_is_zero(meteor_package: Path, hypothesis: str, reference: str) -> None:
    assert score(hypothesis, reference) == 0


@pytest.mark.parametrize("word", ["|||", "\ud800", "한국어", "😀", "a" * 10_000])
def test_odd_words_are_words(meteor_package: Path, word: str) -> None:
    assert score(f"{word} dog", f"{word} dog") == pytest.approx(100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A DOG.", "a dog ."),
        ("Mr. Lee", "mr. lee"),
        ("Mr.", "mr."),
        ("No. 5, no. five", "no. 5 , no. five"),  # before a number; before a small letter
        ("No. Five", "no . five"),
        ("U.S. U.S", "us u.s"),
        ("so ... he", "so ... he"),
        ("1,000 a,b 5,b", "1,000 a , b 5 , b"),
        ("well-lit -- x", "well lit - x"),
        ("it's dogs' 's n't", "it 's dogs ' ' s n 't"),
        ("\u201cso\u201d ``so''", '" so " " so "'),
        ("a\u00a0b\u3000c", "a b c"),
        ("$5 (x) -lrb-", "$ 5 ( x ) -lrb-"),
    ],
)
def test_sentences_are_normalized(text: str, words: str) -> None:
    assert normalize(text, {"Mr": False, "No": True}) == words.split()


def test_the_abbreviations_are_read(meteor_package: Path) -> None:
    assert load_prefixes() == {"Mr": False, "No": True}


def test_only_paraphrases_that_may_occur_are_kept(meteor_package: Path) -> None:
    """Their words must be there, one next to the other as in a sentence."""
    kept = load_data([["on", "top", "of", "it"], ["over", "it"], ["dog"], ["park", "two", "men"]]).paraphrases
    assert kept == {("on", "top", "of"): [("over",)], ("over",): [("on", "top", "of")]}


# --- the alignment ---


def sentence_data(words: Sequence[str], synsets: dict[str, set[int]] | None = None) -> MeteorData:
    """Words that are their own stems."""
    known = {word: frozenset((synsets or {}).get(word, ())) for word in words}
    return MeteorData(frozenset(), {word: word for word in words}, known, {}, 1)


def all_alignments(matches: list[Match]) -> Iterator[list[Match]]:
    """All sets of matches without overlap, of one word each."""
    for size in range(len(matches) + 1):
        for chosen in itertools.combinations(matches, size):
            if len({one.start for one in chosen}) == len({one.other for one in chosen}) == size:
                yield sorted(chosen, key=lambda match: match.start)


def chunks(chosen: Sequence[Match]) -> int:
    steps = ((after.start - one.start, after.other - one.other) for one, after in itertools.pairwise(chosen))
    return bool(chosen) + sum(step != (1, 1) for step in steps)


def test_the_best_of_all_alignments_is_found() -> None:
    """Of short sentences: the most equal words, then the fewest chunks."""
    rng = random.Random(0)
    data = sentence_data("abc")
    for _ in range(200):
        said, wanted = (rng.choices("abc", k=rng.randint(1, 4)) for _ in range(2))
        matches = find_matches(index_sentence(said, data), index_sentence(wanted, data), data)
        every = all_alignments([match for found in matches for match in found])
        expected = min((-len(chosen), chunks(chosen)) for chosen in every)
        found = alignment.align(matches, len(said))
        assert (-len(found.matches), found.chunks) == expected and chunks(found.matches) == found.chunks


def test_an_equal_word_is_preferred_to_a_synonym() -> None:
    """Though the synonym would make one chunk of both words."""
    data = sentence_data("abc", {"a": {1}, "b": {1}})
    matches = find_matches(index_sentence(["c", "b", "a"], data), index_sentence(["c", "a"], data), data)
    assert alignment.align(matches, 3) == ([Match(0, 0, 1, 0, 1), Match(0, 1, 1, 2, 1)], 2)


def test_of_many_places_the_nearest_are_kept() -> None:
    assert nearest([9, 3], 0) == [3, 9]
    kept = nearest(range(0, 3000, 3), 1500)
    assert kept == list(range(1500 - 3 * NEAREST // 2, 1500 + 3 * NEAREST // 2, 3))


def work(words: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Counts the matches that are weighed to align a sentence of one word with nearly the same."""
    weighed: list[Match] = []
    data = sentence_data("ab")
    sentences = index_sentence(["a"] * words, data), index_sentence(["a"] * (words - 1) + ["b"], data)
    matches = find_matches(*sentences, data)
    assert max(map(len, matches)) <= NEAREST
    with monkeypatch.context() as patch:
        weigh = alignment.weight
        patch.setattr(alignment, "weight", lambda match: weighed.append(match) or weigh(match))
        assert alignment.align(matches, words).chunks == 1
    return len(weighed)


def test_the_work_is_linear_in_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = [work(words, monkeypatch) for words in (100, 200, 400)]
    assert counts[2] - counts[1] <= 2.1 * (counts[1] - counts[0]) and counts[2] <= alignment.BEAM * NEAREST * 400


def test_two_thousand_equal_words(meteor_package: Path) -> None:
    assert score("a " * 2000, "a " * 2000) == pytest.approx(100)


# --- the packages ---


def test_no_package(meteor_package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"package pycocoevalcap\. Received: none.*pip install '\.\[meteor\]'"):
        score("a", "a")


@pytest.mark.parametrize("name", ["meteor-1.5.jar", "data/paraphrase-en.gz"])
def test_a_package_without_a_file(meteor_package: Path, name: str) -> None:
    (meteor_package / "meteor" / name).unlink()
    with pytest.raises(
        InputError, match=f"^METEOR expects the package pycocoevalcap. Received: none with meteor/{name};"
    ):
        score("a", "a")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("meteor-1.5.jar", b"no zip"),
        ("meteor-1.5.jar", b"PK\x05\x06" + bytes(18)),  # a zip without files
        ("data/paraphrase-en.gz", b"no gzip"),
        ("data/paraphrase-en.gz", gzip.compress(b"0.5\na\nb\n" * 9, mtime=0)[:-9]),
        ("data/paraphrase-en.gz", gzip.compress(b"0.5\na\n", mtime=0)),
    ],
)
def test_a_damaged_file(meteor_package: Path, name: str, content: bytes) -> None:
    (meteor_package / "meteor" / name).write_bytes(content)
    with pytest.raises(InputError, match=r"files that cannot be read \(.+\); install pycocoevalcap again"):
        score("a", "a")


@pytest.mark.parametrize("version", ["none", "3.0.1"])
def test_a_stemmer_that_is_not_the_same(meteor_package: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    from importlib import metadata

    def version_of(name: str) -> str:
        if version == "none":
            raise metadata.PackageNotFoundError
        return version

    monkeypatch.setattr("importlib.metadata.version", version_of)
    with pytest.raises(InputError, match=rf"version 1 or 2\. Received: {version}; run pip install '\.\[meteor\]'"):
        score("a", "a")


def test_nothing_of_the_package_is_imported(meteor_package: Path) -> None:
    """Its SPICE downloads programs when it is imported; the stand-in's parts raise."""
    score("a", "a")
    assert [name for name in sys.modules if name.startswith("pycocoevalcap")] == []
