"""Four groups of examples, from right to unrelated, so that a reader sees the failures as well as the successes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mmtoolkit.evaluation.derangement import derangement
from mmtoolkit.metrics import in_words, is_match, most_frequent_answer
from mmtoolkit.metrics.cider import cider_by_image
from mmtoolkit.metrics.vqa import parts
from mmtoolkit.models import Answer, VisualQA

CAPTION_GROUPS = ("right", "minor errors", "related", "unrelated")
ANSWER_GROUPS = ("right", "partly right", "right among the first five", "wrong")
FIRST = 5  # answers among which the right one may be
SHOWN = 4  # examples of a group
CHANCE = 0.75  # of the captions of other pictures so many score lower than a related one
PERFECT = 10.0  # CIDEr of a caption that all the references repeat


def caption_groups(
    captions: Mapping[str, str], references: Mapping[str, Sequence[str]], *, seed: int = 0
) -> tuple[dict[str, str], list[float]]:
    """The group of each caption by its CIDEr, with the scores where groups begin.

    What people wrote sets the upper mark: a right caption has at least the score that the median reference has with the
    other references of its picture, or is one of its references. Chance sets the lower one: an unrelated caption has no
    more than three in four captions of other pictures have. The others are halved between the marks.

    Args:
        captions: The caption of each picture.
        references: The references of each.
        seed: Of the pictures drawn for each other.

    Returns:
        One of `CAPTION_GROUPS` for each picture; and the marks below `right`, `minor errors` and `related`.

    Source: Vinyals et al., "Show and Tell", 2015, figure 5, whose groups people made.
    """
    said, wanted = in_words(captions, references, tokenize="ptb")
    scores = cider_by_image(said, wanted)
    words_of, taken = dict(zip(captions, said, strict=True)), derangement(list(captions), seed)
    others_said = cider_by_image([words_of[taken[name]] for name in captions], wanted)
    people = [(others[0], others[1:]) for others in wanted if len(others) > 1]
    usual = statistics.median(cider_by_image(*zip(*people, strict=True))) if people else PERFECT
    low = float(np.quantile(others_said, CHANCE))
    high = max(usual, low)
    marks = [high, (low + high) / 2, low]

    def group(words: list[str], others: list[list[str]], score: float) -> str:
        if words in others or score >= high > low:
            return CAPTION_GROUPS[0]
        return CAPTION_GROUPS[1 if score >= marks[1] > low else 2 if score > low else 3]

    found = map(group, said, wanted, scores)
    return dict(zip(captions, found, strict=True)), marks


def answer_group(answers: Sequence[Answer], given: Sequence[str]) -> str:
    """The group of the answer to one question.

    Example:
        >>> answer_group([Answer("2", 0.8), Answer("3", 0.2)], ["3", "3", "2"])
        'partly right'

    Args:
        answers: The likeliest answers, best first.
        given: What people answered; the usual one of it is right, others and parts of it partly.
    """
    best, usual = answers[0].text, most_frequent_answer(given)
    if is_match(best, usual):
        return ANSWER_GROUPS[0]
    if parts(best) & parts(usual) or any(is_match(best, each) for each in given):
        return ANSWER_GROUPS[1]
    return ANSWER_GROUPS[2 if any(is_match(each.text, usual) for each in answers[1:FIRST]) else 3]


def candidates_needed(model: VisualQA) -> int:
    """How many answers tell the group: one of a model that writes them, whose search more would make another one."""
    return 1 if model.decoder else FIRST


def grouped(examples: Sequence[Any], names: Sequence[str], group: Callable[[Any], str]) -> dict[str, dict[str, Any]]:
    """Each group's share of all examples, in percent, and some of it, spread evenly."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        held = [example for example in examples if group(example) == name]
        count = min(SHOWN, len(held))
        shown = [held[number * len(held) // count] for number in range(count)]
        found[name] = {"share": 100 * len(held) / max(1, len(examples)), "examples": shown}
    return found
