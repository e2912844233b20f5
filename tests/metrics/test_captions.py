"""BLEU, ROUGE-L and CIDEr, against sums on paper, slow re-derivations and the reference implementation's figures."""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest

import mmtoolkit
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import bleu, cider, rouge_l, score_captions
from mmtoolkit.metrics.bleu import nearest_length
from mmtoolkit.metrics.rouge import longest_common_subsequence

KEYS = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr"]
FILES = ("expected", "ptb_tokenized", "with_refs")
WORDS = ["a", "dog", "the", "runs", "red", "ball"]


def words(*sentences: str) -> list[list[str]]:
    return [sentence.split() for sentence in sentences]


def random_corpus(seed: int, images: int = 6) -> tuple[list[list[str]], list[list[list[str]]]]:
    chance = random.Random(seed)

    def sentence() -> list[str]:
        return chance.choices(WORDS, k=chance.randint(1, 9))

    return [sentence() for _ in range(images)], [
        [sentence() for _ in range(chance.randint(1, 4))] for _ in range(images)
    ]


def grams(sentence: list[str], order: int) -> list[str]:
    return [" ".join(sentence[start : start + order]) for start in range(len(sentence) - order + 1)]


class TestBleu:
    def test_clipping_on_paper(self) -> None:
        # "the" counts twice of three times, "cat" once: 3/4; "the the" once of twice, "the cat" once: 2/3.
        scores = bleu(words("the the the cat"), [words("the cat sat", "the the dog ran off")], order=2)
        assert scores == pytest.approx([75, 100 * math.sqrt(3 / 4 * 2 / 3)])

    def test_brevity_on_paper(self) -> None:
        scores = bleu(words("a dog"), [words("a dog runs fast")], order=1)
        assert scores == pytest.approx([100 * math.exp(1 - 4 / 2)])

    def test_a_long_hypothesis_is_not_penalised_twice(self) -> None:
        assert bleu(words("a dog runs fast"), [words("a dog")], order=1) == pytest.approx([50])

    @pytest.mark.parametrize(
        ("others", "nearest"), [([12, 8], 8), ([8, 12], 8), ([11, 8], 11), ([10, 9], 10), ([3], 3)]
    )
    def test_the_nearest_length_and_the_shorter_of_two(self, others: list[int], nearest: int) -> None:
        assert nearest_length(10, others) == nearest

    def test_ties_in_length_change_the_penalty(self) -> None:
        # Length 3 between 2 and 4: the shorter, 2, asks for no penalty.
        assert bleu(words("a b c"), [words("a b c d", "a b")], order=1) == pytest.approx([100])

    def test_counts_are_summed_over_the_corpus(self) -> None:
        # 1 of 2 and 4 of 4 words: 5/6, where a mean of sentences would be 3/4; lengths 6 against 6.
        scores = bleu(words("a x", "a b c d"), [words("a b"), words("a b c d")], order=1)
        assert scores == pytest.approx([100 * 5 / 6])

    @pytest.mark.parametrize("seed", range(8))
    def test_brute_force(self, seed: int) -> None:
        hypotheses, references = random_corpus(seed)
        expected, precisions = [], []
        said = sum(map(len, hypotheses))
        wanted = 0
        for sentence, others in zip(hypotheses, references, strict=True):
            distance = min(abs(len(other) - len(sentence)) for other in others)
            wanted += min(len(other) for other in others if abs(len(other) - len(sentence)) == distance)
        for order in range(1, 5):
            right = total = 0
            for sentence, others in zip(hypotheses, references, strict=True):
                mine = grams(sentence, order)
                total += len(mine)
                for gram in set(mine):
                    right += min(mine.count(gram), max(grams(other, order).count(gram) for other in others))
            precisions.append(right / total)
            mean = 0.0 if 0 in precisions else math.exp(sum(map(math.log, precisions)) / order)
            expected.append(100 * mean * min(1, math.exp(1 - wanted / said)))
        assert bleu(hypotheses, references) == pytest.approx(expected, abs=0.05 if 0 in precisions else 1e-5)

    def test_no_match_is_the_tiny_number_of_the_reference(self) -> None:
        # coco-caption adds 1e-15 to 0 matches: of 4 words and 3 pairs its BLEU-2 is sqrt(1e-15/4 * 1e-15/3).
        scores = bleu(words("a b c d"), [words("w x y z")], order=2)
        assert scores == pytest.approx([100 * 1e-15 / 4, 100 * 1e-15 / math.sqrt(12)], rel=1e-6)

    def test_nothing_said(self) -> None:
        assert bleu([[]], [words("a dog")]) == [0, 0, 0, 0]


class TestRouge:
    def test_precision_and_recall_from_two_references_on_paper(self) -> None:
        # "a … c" is 2 of the 3 words wanted, "a b … d" is 3 of the 4 said.
        precision, recall = 3 / 4, 2 / 3
        expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
        assert rouge_l(words("a b c d"), [words("a x c", "a b y z w d")]) == pytest.approx(100 * expected)

    def test_the_mean_over_images(self) -> None:
        assert rouge_l(words("a b", "c"), [words("a b"), words("d")]) == pytest.approx(50)

    @pytest.mark.parametrize("seed", range(30))
    def test_common_subsequence_by_trying_all(self, seed: int) -> None:
        chance = random.Random(seed)
        first, second = chance.choices(WORDS, k=chance.randint(0, 8)), chance.choices(WORDS, k=chance.randint(0, 8))

        def subsequences(sentence: list[str]) -> set[tuple[str, ...]]:
            sizes = range(len(sentence) + 1)
            return {chosen for size in sizes for chosen in itertools.combinations(sentence, size)}

        longest = max(map(len, subsequences(first) & subsequences(second)))
        assert longest_common_subsequence(first, second) == longest

    def test_nothing_said_or_nothing_right(self) -> None:
        assert rouge_l([[], ["x"]], [words("a dog"), words("a dog")]) == 0


class TestCider:
    def test_length_penalty_on_paper(self) -> None:
        # Every n-gram has weight log 2: cosines 2/sqrt(2·3), 1/sqrt(1·2), 0, 0; one word of difference in length.
        cosine = (2 / math.sqrt(6) + 1 / math.sqrt(2)) / 4
        expected = 10 * cosine * math.exp(-1 / 72) / 2  # the second image scores 0
        assert cider(words("a b", "z"), [words("a b c"), words("q r")]) == pytest.approx(expected)

    def test_repeating_a_word_is_clipped(self) -> None:
        # min(2, 1)·1 over norms 2 and sqrt(2); no pair of words is right.
        expected = 10 * (1 / (2 * math.sqrt(2))) / 4 / 2
        assert cider(words("a a", "z"), [words("a b"), words("q r")]) == pytest.approx(expected)

    def test_common_words_weigh_less(self) -> None:
        # "a" is in the references of all 3 images: weight 0. "dog" is in 2: log(3/2). Only 1-grams.
        references = [words("a dog", "a"), words("a dog"), words("a cat")]
        both = cider(words("a", "x", "x"), references), cider(words("dog", "x", "x"), references)
        assert both[0] == 0
        # against "a dog" cos 1, length 1 bigram apart from none; against "a" nothing.
        assert both[1] == pytest.approx(10 * math.exp(-1 / 72) / 4 / 2 / 3)

    def test_one_image_scores_nothing(self) -> None:
        assert cider(words("a b c d"), [words("a b c d")]) == 0

    @pytest.mark.parametrize("seed", range(8))
    def test_brute_force(self, seed: int) -> None:
        """Dense vectors over all n-grams of the corpus, straight from the formula."""
        hypotheses, references = random_corpus(seed)
        sentences = [*hypotheses, *(other for others in references for other in others)]
        total = 0.0
        for order in range(1, 5):
            axis = sorted({gram for sentence in sentences for gram in grams(sentence, order)})
            images = [sum(any(g in grams(other, order) for other in others) for others in references) for g in axis]
            idf = [math.log(len(references) / max(1, count)) for count in images]

            def vector(sentence: list[str], order: int = order, axis: list[str] = axis, idf: list[float] = idf):
                return [grams(sentence, order).count(gram) * weight for gram, weight in zip(axis, idf, strict=True)]

            for sentence, others in zip(hypotheses, references, strict=True):
                mine = vector(sentence)
                for other in others:
                    theirs = vector(other)
                    norm = math.hypot(*mine) * math.hypot(*theirs)
                    dot = sum(min(one, two) * two for one, two in zip(mine, theirs, strict=True))
                    gap = max(1, len(sentence)) - max(1, len(other))
                    total += (dot / norm if norm else 0) * math.exp(-(gap**2) / 72) / len(others)
        assert cider(hypotheses, references) == pytest.approx(10 * total / 4 / len(hypotheses))


class TestScoreCaptions:
    def test_equals_the_reference_on_its_own_tokens_and_on_raw_captions(self, shared: Path) -> None:
        folder = shared / "data" / "coco_caption_eval"
        read = {name: json.loads((folder / f"fakecap_234_{name}.json").read_text(encoding="utf-8")) for name in FILES}
        published = read["expected"]["scores"]
        expected = [published[name] for name in ("Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4", "ROUGE_L", "CIDEr")]
        tokens = read["ptb_tokenized"]
        ready = score_captions(
            {name: only[0] for name, only in tokens["hyps"].items()}, tokens["refs"], tokenize="none"
        )
        raw = read["with_refs"]
        hypotheses = {name: image["hyp"] for name, image in raw.items()}
        split = score_captions(hypotheses, {name: image["refs"] for name, image in raw.items()})
        for scores in (ready, split):
            assert list(scores) == KEYS
            fractions = [score if name == "CIDEr" else score / 100 for name, score in scores.items()]
            assert fractions == pytest.approx(expected, abs=1e-6)

    def test_saying_what_a_reference_says_is_perfect(self) -> None:
        captions = {1: "A black dog runs on the grass.", 2: "Two boys are playing football.", 3: "It's 5:30 p.m. now!"}
        scores = score_captions(captions, {name: [caption] for name, caption in captions.items()})
        assert scores == pytest.approx(dict.fromkeys(KEYS, 100.0) | {"CIDEr": 10.0})

    def test_the_order_of_references_and_images_does_not_matter(self) -> None:
        hypotheses = {"x": "a dog runs fast", "y": "two men sit", "z": "a cat"}
        references = {"z": ["the cat", "a cat sits"], "x": ["a dog runs", "dogs run"], "y": ["men sit down"]}
        turned = {name: references[name][::-1] for name in "xyz"}
        assert score_captions(hypotheses, references) == pytest.approx(score_captions(hypotheses, turned))

    def test_none_splits_at_blanks_only(self) -> None:
        hypotheses, references = {1: "A dog."}, {1: ["a  dog\t."]}
        assert score_captions(hypotheses, references, tokenize="none")["BLEU-1"] < 1e-10
        assert score_captions(hypotheses, references)["BLEU-1"] == pytest.approx(100)

    def test_an_empty_hypothesis_scores_nothing(self) -> None:
        assert score_captions({1: "."}, {1: ["a dog"]}) == dict.fromkeys(KEYS, 0.0)

    @pytest.mark.parametrize(
        ("hypotheses", "references", "options", "said"),
        [
            ({1: "a", 2: "b"}, {1: ["a"]}, {}, r"Every hypothesis needs references.*1 image: 2\."),
            ({1: "a"}, {1: ["a"], "k": ["b"]}, {}, r"needs a hypothesis.*1 image: 'k'\."),
            (dict.fromkeys(range(9), "a"), {0: ["a"]}, {}, r"8 images: 1, 2, 3, 4, 5, …\."),
            ({}, {}, {}, "at least one hypothesis"),
            ({1: "a"}, {1: []}, {}, r"Image 1 expects a list of reference captions\. Received: \[\]\."),
            ({1: "a"}, {1: "a dog"}, {}, r"Image 1 expects a list.*Received: 'a dog'\."),
            ({1: ["a"]}, {1: ["a dog"]}, {}, r"Image 1 expects one caption.*Received: \['a'\]\."),
            ({1: "a"}, {1: ["a", None]}, {}, r"Image 1 expects a list.*Received: \['a', None\]\."),
            ({1: "a"}, {1: ["a"]}, {"tokenize": "PTB"}, r"'ptb', 'char', 'none'\. Received: 'PTB'\."),
        ],
    )
    def test_what_cannot_be_scored(self, hypotheses, references, options, said: str) -> None:
        with pytest.raises(InputError, match=said):
            score_captions(hypotheses, references, **options)


def test_the_public_name_is_this_function() -> None:
    assert mmtoolkit.score_captions is score_captions


def test_importing_the_metrics_loads_no_arrays_and_no_tensorflow() -> None:
    code = "import sys, mmtoolkit.metrics; print(sorted({'numpy', 'tensorflow', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_texts_in_lists_are_scored_as_those_by_image() -> None:
    hypotheses, references = ["a dog runs", "a cat"], [["a dog runs fast", "one dog"], ["the cat sits"]]
    numbered = score_captions(dict(enumerate(hypotheses)), dict(enumerate(references)))
    assert score_captions(hypotheses, references) == numbered
    with pytest.raises(InputError, match="Image 0 expects a list"):
        score_captions(["a dog"], ["a dog"])
    with pytest.raises(InputError, match="Expected texts by image, or a list of them. Received: str"):
        score_captions("a dog", ["a dog"])
    with pytest.raises(InputError, match="references"):
        score_captions(["a dog", "a cat"], [["a dog"]])
