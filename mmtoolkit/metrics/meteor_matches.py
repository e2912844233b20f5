"""Lists the matches between a hypothesis and a reference that METEOR aligns them from."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from mmtoolkit.metrics.meteor_data import MeteorData, Phrase

STAGES = EXACT, STEM, SYNONYM, PARAPHRASE = range(4)
NEAREST = 40  # places a word or phrase may match at most; it keeps the time linear in the words


class Match(NamedTuple):
    """Words of the reference that match words of the hypothesis."""

    stage: int
    start: int  # in the reference
    length: int
    other: int  # the start in the hypothesis
    other_length: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and where its words, stems, synsets and phrases are.

    Args:
        words: Its words.
        places: The places of each word.
        by_stem: The words of each stem.
        by_synset: The words in each synset.
        phrases: The places of each phrase that a paraphrase may match.
        starts: For each place, the phrases that start there and have paraphrases, the shortest first.
    """

    words: list[str]
    places: Mapping[str, Sequence[int]]
    by_stem: Mapping[str, Collection[str]]
    by_synset: Mapping[int, Collection[str]]
    phrases: Mapping[Phrase, Sequence[int]]
    starts: Sequence[Sequence[Phrase]]


def index_sentence(words: list[str], data: MeteorData) -> Sentence:
    """Finds where the words, stems, synsets and phrases of a sentence are.

    Args:
        words: Its words, normalized.
        data: What is known of them.
    """
    places: dict[str, list[int]] = defaultdict(list)
    phrases: dict[Phrase, list[int]] = defaultdict(list)
    starts = []
    for start, word in enumerate(words):
        places[word].append(start)
        here = [tuple(words[start:end]) for end in range(start + 1, min(start + data.longest, len(words)) + 1)]
        for phrase in here:
            phrases[phrase].append(start)
        starts.append([phrase for phrase in here if phrase in data.paraphrases])
    by_stem: dict[str, list[str]] = defaultdict(list)
    by_synset: dict[int, list[str]] = defaultdict(list)
    for word in places:
        by_stem[data.stems[word]].append(word)
        for synset in data.synsets[word]:
            by_synset[synset].append(word)
    return Sentence(words, places, by_stem, by_synset, phrases, starts)


def find_matches(hypothesis: Sentence, reference: Sentence, data: MeteorData) -> list[list[Match]]:
    """Finds the matches of each place of the reference, in the order in which METEOR 1.5 finds them.

    Between equal sentences only equal words match.
    """
    matches: list[list[Match]] = [[] for _ in reference.words]
    same = hypothesis.words == reference.words
    groups = {word: ({word}, *(() if same else related_words(word, hypothesis, data))) for word in reference.places}
    for start, word in enumerate(reference.words):
        for stage, group in enumerate(groups[word]):
            places = chain.from_iterable(nearest(hypothesis.places.get(one, ()), start) for one in group)
            matches[start] += [Match(stage, start, 1, other, 1) for other in nearest(places, start)]
    if not same:
        for start, length, other, other_length in paraphrased(reference, hypothesis, data):
            matches[start].append(Match(PARAPHRASE, start, length, other, other_length))
        for other, other_length, start, length in paraphrased(hypothesis, reference, data):
            matches[start].append(Match(PARAPHRASE, start, length, other, other_length))
    return matches


def related_words(word: str, sentence: Sentence, data: MeteorData) -> tuple[set[str], set[str]]:
    """Returns the other words of a sentence with the stem of a word, and those in one of its synsets."""
    stems = set(sentence.by_stem.get(data.stems[word], ()))
    synonyms = set(chain.from_iterable(sentence.by_synset.get(synset, ()) for synset in data.synsets[word]))
    return stems - {word}, synonyms - {word}


def paraphrased(sentence: Sentence, other: Sentence, data: MeteorData) -> Iterable[tuple[int, int, int, int]]:
    """Yields the start and length of each phrase of a sentence, and of a paraphrase of it in another."""
    for start, phrases in enumerate(sentence.starts):
        for phrase in phrases:
            for paraphrase in data.paraphrases[phrase]:
                for place in nearest(other.phrases.get(paraphrase, ()), start):
                    yield start, len(phrase), place, len(paraphrase)


def nearest(places: Iterable[int], place: int) -> list[int]:
    """Returns the places in order, or of more than `NEAREST` those nearest to a place.

    Example:
        >>> nearest([7, 2], 5), nearest(range(1000), 500)[::13]
        ([2, 7], [480, 493, 506, 519])
    """
    ordered = sorted(places)
    if len(ordered) <= NEAREST:
        return ordered
    middle = bisect_left(ordered, place)
    around = ordered[max(0, middle - NEAREST) : middle + NEAREST]
    return sorted(sorted(around, key=lambda one: abs(one - place))[:NEAREST])
