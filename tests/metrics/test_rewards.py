"""Rewards of captions, against a second derivation of CIDEr-D and numbers worked out by hand."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.captions import TOKENIZERS
from mmtoolkit.metrics.rewards import ENDED, CaptionReward, smooth_bleu
from mmtoolkit.metrics.tokenizer import ptb_tokenize

REFERENCES = {
    "1": ["A dog runs on the grass.", "a brown dog is running"],
    "2": ["Two boys swim in a lake .", "boys in a lake"],
    "3": ["A dog jumps over a log.", "the dog jumps"],
}
CAPTIONS = ["a dog runs on the lake", "a dog", "a brown dog is running", "a a a a", ""]


def cider_d(said: list[str], references: list[list[str]], corpus: list[list[list[str]]]) -> float:
    """CIDEr-D from its definition: dense vectors over all n-grams of the corpus, one order at a time."""

    def grams(words: list[str], order: int) -> Counter[tuple[str, ...]]:
        return Counter(zip(*(words[shift:] for shift in range(order)), strict=False))

    total = 0.0
    for order in range(1, 5):
        axes = sorted({gram for others in corpus for words in [*others, said] for gram in grams(words, order)})
        held = [sum(any(gram in grams(words, order) for words in others) for others in corpus) for gram in axes]
        rarity = [math.log(len(corpus)) - math.log(max(1, count)) for count in held]

        def vector(words: list[str], order: int = order, axes: list = axes, rarity: list = rarity) -> list[float]:
            counts = grams(words, order)
            return [counts[gram] * weight for gram, weight in zip(axes, rarity, strict=True)]

        mine = vector(said)
        for words in references:
            theirs = vector(words)
            lengths = math.hypot(*mine) * math.hypot(*theirs)
            shared = sum(min(one, other) * other for one, other in zip(mine, theirs, strict=True))
            # Lengths are counted in pairs of words, as the published code does.
            gap = max(0, len(said) - 1) - max(0, len(words) - 1)
            total += (shared / lengths if lengths else 0.0) * math.exp(-(gap**2) / (2 * 6**2)) / len(references)
    return 10 * total / 4


@pytest.mark.parametrize("ended", [True, False])
def test_the_reward_is_cider_with_the_end_as_a_word(ended: bool) -> None:
    reward = CaptionReward(REFERENCES)
    corpus = [[[*ptb_tokenize(text), ENDED] for text in texts] for texts in REFERENCES.values()]
    for number, name in enumerate(REFERENCES):
        found = reward(name, CAPTIONS, [ended] * len(CAPTIONS))
        said = [ptb_tokenize(text) + [ENDED] * ended for text in CAPTIONS]
        assert found == pytest.approx([cider_d(words, corpus[number], corpus) for words in said], abs=1e-9)


def test_a_caption_that_breaks_off_earns_less() -> None:
    reward = CaptionReward(REFERENCES)
    whole, broken = reward("1", ["a brown dog is running", "a brown dog is running"], [True, False])
    assert whole > broken > 0
    for tokenize in TOKENIZERS.values():
        assert ENDED not in tokenize(f"a dog {ENDED} runs{ENDED}")


def test_bleu_of_a_sentence_by_hand() -> None:
    # "a dog sits here": 2 of 4 words, 1 of 3 pairs, 0 of 2 and 0 of 1 longer ones; one is added but to the words.
    product = Fraction(2, 4) * Fraction(2, 4) * Fraction(1, 3) * Fraction(1, 2)
    assert smooth_bleu(["a", "dog", "sits", "here"], [["a", "dog", "runs"]]) == pytest.approx(float(product) ** 0.25)
    short = smooth_bleu(["dog"], [["a", "dog", "runs"]])  # 1 of 1, and 1 of 1 three times; the reference is 3 long
    assert short == pytest.approx(math.exp(1 - 3))
    assert smooth_bleu(["cat"], [["dog"]]) == smooth_bleu([], [["dog"]]) == 0.0
    assert smooth_bleu(["a", "dog", "runs", "now"], [["a", "dog", "runs", "now"]]) == pytest.approx(1.0)


def test_mix_is_the_sum() -> None:
    scores = {
        kind: CaptionReward(REFERENCES, kind=kind)("2", CAPTIONS, [True] * 5) for kind in ("cider", "bleu", "mix")
    }
    both = zip(scores["cider"], scores["bleu"], strict=True)
    assert scores["mix"] == pytest.approx([sum(pair) for pair in both])
    assert max(scores["bleu"]) <= 1 < max(scores["cider"])


def test_one_picture_has_no_rare_words() -> None:
    with pytest.raises(InputError, match="CIDEr weighs words by .* Received: 1; give more pictures or the reward bleu"):
        CaptionReward({"1": REFERENCES["1"]})
    assert CaptionReward({"1": ["a dog"]}, kind="bleu")("1", ["a dog"], [True]) == [1.0]


def test_captions_without_spaces_are_rewarded_by_their_characters() -> None:
    reward = CaptionReward({"1": ["赤い丸"], "2": ["青い星"]}, tokenize="char")
    right, half, wrong = reward("1", ["赤い丸", "赤い星", "青い星"], [True] * 3)
    assert right > half > wrong
