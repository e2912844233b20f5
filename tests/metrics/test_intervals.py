"""Bootstrap intervals, against a slow bootstrap that scores every resample from its words."""

from __future__ import annotations

import math
import random
import time
from statistics import NormalDist, mean, stdev

import numpy as np
import pytest

import mmtoolkit
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import (
    Bootstrap,
    bleu,
    caption_statistics,
    cider,
    confidence_intervals,
    corpus_scores,
    paired,
    rouge_l,
    score_captions,
)

WORDS = ["a", "dog", "the", "runs", "red", "ball"]


def corpus(seed: int, images: int) -> tuple[dict[int, str], dict[int, list[str]]]:
    chance = random.Random(seed)

    def sentence() -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(1, 9)))

    return {name: sentence() for name in range(images)}, {
        name: [sentence() for _ in range(chance.randint(1, 4))] for name in range(images)
    }


def percentile(values: list[float], share: float) -> float:
    """By hand: between the two nearest of the sorted values, in proportion."""
    ordered, place = sorted(values), share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@pytest.mark.parametrize(("seed", "level"), [(0, 0.95), (7, 0.8)])
def test_brute_force(seed: int, level: float) -> None:
    hypotheses, references = corpus(seed, images=12)
    said = [caption.split() for caption in hypotheses.values()]
    wanted = [[caption.split() for caption in references[name]] for name in hypotheses]
    # An image's CIDEr with the document frequencies of all: a corpus where only its hypothesis says something.
    ciders = [12 * cider([words if at == one else [] for at, words in enumerate(said)], wanted) for one in range(12)]
    chance = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(60):
        indices = chance.integers(12, size=12).tolist()
        words, others = [said[index] for index in indices], [wanted[index] for index in indices]
        scores = {f"BLEU-{order}": score for order, score in enumerate(bleu(words, others), 1)}
        scores |= {"ROUGE-L": rouge_l(words, others), "CIDEr": sum(ciders[index] for index in indices) / 12}
        for name, score in scores.items():
            drawn.setdefault(name, []).append(score)
    found = confidence_intervals(hypotheses, references, tokenize="none", resamples=60, level=level, seed=seed)
    tail = (1 - level) / 2
    assert list(found) == list(score_captions(hypotheses, references))
    for name, interval in found.items():
        assert interval == pytest.approx((percentile(drawn[name], tail), percentile(drawn[name], 1 - tail)), abs=1e-9)


def average(totals: list[float]) -> dict[str, float]:
    return {"mean": totals[0] / totals[1]}


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    chance = random.Random(1)
    values = [chance.gauss(5, 2) for _ in range(400)]
    low, high = Bootstrap(resamples=4000)([(value, 1) for value in values], average)["mean"]
    expected = NormalDist(mean(values), stdev(values) / 20)
    assert (low, high) == pytest.approx((expected.inv_cdf(0.025), expected.inv_cdf(0.975)), abs=0.02)


def test_intervals_cover_what_the_corpora_are_drawn_from() -> None:
    """BLEU-1 without brevity: the share of right words, 0.6 in the population; images of 1 to 9 words."""
    chance, covered = random.Random(2), 0
    for trial in range(200):
        sizes = [chance.randint(1, 9) for _ in range(60)]
        rows = [(sum(chance.random() < 0.6 for _ in range(size)), size) for size in sizes]
        low, high = Bootstrap(resamples=200, seed=trial)(rows, average)["mean"]
        covered += low <= 0.6 <= high
    assert 0.89 <= covered / 200 <= 0.99  # 0.95 would be 190 of them, give or take 3


def test_bleu_is_no_average_of_images() -> None:
    """One image has one word and one has nine: a resample of both scores 9/10 or 1/10, never 1/2."""
    hypotheses = {1: "x", 2: "a b c d e f g h i"}
    references = {1: ["q"], 2: ["a b c d e f g h i"]}
    found = confidence_intervals(hypotheses, references, resamples=50, level=0.02)
    assert found["BLEU-1"] == pytest.approx((90, 90), abs=0.001)  # the median of 0 (a quarter), 90 (half) and 100


def test_the_seed_decides() -> None:
    pair = corpus(3, images=30)
    assert confidence_intervals(*pair, seed=4) == confidence_intervals(*pair, seed=4)
    assert confidence_intervals(*pair, seed=4) != confidence_intervals(*pair, seed=5)


def test_more_certain_is_wider_and_the_score_is_inside() -> None:
    pair = corpus(5, images=40)
    scores, narrow, wide = score_captions(*pair), confidence_intervals(*pair, level=0.5), confidence_intervals(*pair)
    for name, score in scores.items():
        assert wide[name][0] < narrow[name][0] < narrow[name][1] < wide[name][1]
        assert wide[name][0] < score < wide[name][1]


def test_one_image_is_always_drawn() -> None:
    scores, found = score_captions({1: "a dog"}, {1: ["a cat"]}), confidence_intervals({1: "a dog"}, {1: ["a cat"]})
    assert found == {name: pytest.approx((score, score)) for name, score in scores.items()}


def test_nothing_said_is_0_to_0() -> None:
    found = confidence_intervals({1: "", 2: "…", 3: "!"}, {1: ["a dog"], 2: ["a cat"], 3: ["?"]})
    assert set(found.values()) == {(0.0, 0.0)}


def test_a_thousand_images_take_a_second_or_so() -> None:
    rows = [tuple(random.Random(image).choices(range(20), k=12)) for image in range(1000)]
    started = time.process_time()
    Bootstrap()(rows, lambda totals: {"sum": sum(totals)})
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"resamples": 0}, r"resamples expects 1 or more\. Received: 0\."),
        ({"level": 95}, r"level expects a share between 0 and 1\. Received: 95\."),
        ({"level": 0.0}, "between 0 and 1"),
        ({"level": float("nan")}, "Received: nan"),
        ({"tokenize": "PTB"}, "'ptb', 'char', 'none'"),
    ],
)
def test_what_makes_no_interval(options: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        confidence_intervals({1: "a"}, {1: ["a"]}, **options)


def test_the_public_name_is_this_function() -> None:
    assert mmtoolkit.confidence_intervals is confidence_intervals


def test_a_paired_difference_is_that_of_the_two_scores() -> None:
    """Of systems that differ by one caption in ten, the interval is narrower than either's own."""
    hypotheses, references = corpus(5, 40)
    better = hypotheses | {name: references[name][0] for name in range(0, 40, 10)}
    rows = [caption_statistics(said, references) for said in (better, hypotheses)]
    table = [(*a, *b) for a, b in zip(*rows, strict=True)]
    sums = [sum(column) for column in zip(*table, strict=True)]
    first, second = score_captions(better, references), score_captions(hypotheses, references)
    assert paired(corpus_scores)(sums) == pytest.approx({name: first[name] - second[name] for name in first})
    low, high = Bootstrap()(table, paired(corpus_scores))["BLEU-1"]
    own = confidence_intervals(hypotheses, references)["BLEU-1"]
    assert 0 <= low < first["BLEU-1"] - second["BLEU-1"] < high and high - low < own[1] - own[0]
