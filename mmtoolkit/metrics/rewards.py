"""Rewards captions for self-critical training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from mmtoolkit.errors import InputError
from mmtoolkit.metrics.bleu import bleu_statistics
from mmtoolkit.metrics.captions import TOKENIZERS
from mmtoolkit.metrics.cider import inverse_document_frequency, sentence_cider

Reward = Literal["cider", "bleu", "mix"]
ENDED = "\n"  # a word that no tokenizer yields


class CaptionReward:
    """Rewards captions by CIDEr-D, by BLEU, or by the sum of both.

    The end of a caption counts as a word. A caption that breaks off, e.g. "a man in a", would else be rewarded for
    likely words that a longer one has to earn.

    Example:
        >>> reward = CaptionReward({"a.jpg": ["a dog runs"], "b.jpg": ["two boys swim"]}, kind="cider")
        >>> [round(score, 1) for score in reward("a.jpg", ["a dog runs", "a dog", "two boys swim"], [True] * 3)]
        [10.0, 3.0, 0.0]

    Args:
        references: Captions of each picture, whose document frequencies CIDEr-D uses.
        kind: `"cider"`, on its scale from 0 to 10; `"bleu"`, from 0 to 1; or `"mix"`, their sum.
        tokenize: As in `score_captions`.

    Raises:
        InputError: There is one picture alone, for which CIDEr is always 0.

    Source: Rennie et al., "Self-Critical Sequence Training", 2017, whose reward is CIDEr-D.
    """

    def __init__(
        self, references: Mapping[str, Sequence[str]], *, kind: Reward = "cider", tokenize: str = "ptb"
    ) -> None:
        self.kind, self.split = kind, TOKENIZERS[tokenize]
        self.references = {name: [[*self.split(text), ENDED] for text in texts] for name, texts in references.items()}
        if kind != "bleu" and len(self.references) < 2:
            raise InputError(
                "CIDEr weighs words by in how many of the pictures they are rare, two or more. Received: "
                f"{len(self.references)}; give more pictures or the reward bleu."
            )
        self.rarity = inverse_document_frequency(list(self.references.values()))

    def __call__(self, name: str, captions: Sequence[str], ended: Sequence[bool]) -> list[float]:
        """Computes the reward of each of several captions of a picture; `ended` says which ones came to their end."""
        references = self.references[name]
        words = [self.split(text) + [ENDED] * end for text, end in zip(captions, ended, strict=True)]
        rewards = [0.0] * len(words)
        if self.kind != "bleu":
            rewards = sentence_cider(words, references, self.rarity)
        if self.kind != "cider":
            rewards = [reward + smooth_bleu(said, references) for reward, said in zip(rewards, words, strict=True)]
        return rewards


def smooth_bleu(words: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Computes BLEU-4 of one sentence, from 0 to 1: one is added to the matches of two words and more, and to all.

    Example:
        >>> round(smooth_bleu("a dog sits".split(), ["a dog runs".split()]), 4)
        0.6866

    Source: Lin & Och, "ORANGE: a method for evaluating automatic evaluation metrics", 2004, section 4.
    """
    *counts, length, reference_length = bleu_statistics(words, references)
    matched, proposed = counts[:4], counts[4:]
    if not matched[0]:
        return 0.0
    logs = [math.log(matched[0] / proposed[0])]
    logs += [math.log((hits + 1) / (all_ + 1)) for hits, all_ in zip(matched[1:], proposed[1:], strict=True)]
    return math.exp(min(0.0, 1 - reference_length / length) + sum(logs) / 4)
