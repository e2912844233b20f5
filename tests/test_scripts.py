"""Scripts without spaces between words are known by their letters and by how long the words are."""

from __future__ import annotations

import pytest

from mmtoolkit.metrics import char_tokenize, ptb_tokenize, score_captions, tokenizer_of
from mmtoolkit.scripts import level_warning, unspaced_script


@pytest.mark.parametrize(
    ("texts", "script"),
    [
        (["机の上の四番目の紙に緑の丸が五つ描かれている"], "Japanese"),
        (["一只棕色的狗在草地上奔跑"], "Chinese characters"),
        (["สุนัขสีน้ำตาลวิ่งบนสนามหญ้า"], "Thai"),
        (["ឆ្កែពណ៌ត្នោតរត់លើស្មៅ"], "Khmer"),
        (["一 只 棕色 的 狗 在 草地 上 奔跑"], None),  # somebody put spaces between the words
        (["빨간 강아지가 공원에서 뛴다"], None),
        (["a dog", "the dog 狗 barks"], None),
        (["कुत्ता घास पर दौड़ता है"], None),
        ([], None),
    ],
)
def test_the_script_is_named(texts: list[str], script: str | None) -> None:
    assert unspaced_script(texts) == script


def test_a_warning_is_for_words_only() -> None:
    warning = level_warning(["一只棕色的狗在草地上奔跑"], "word")
    assert "Chinese characters without spaces" in warning and "--level char" in warning
    assert level_warning(["一只棕色的狗在草地上奔跑"], "char") == "" == level_warning(["a dog"], "word")


def test_characters_are_tokens_of_scores() -> None:
    """The numbers of shared characters by hand: 5 of 6, and 3 of 5 pairs."""
    assert char_tokenize("สวัสดี") == ["ส", "วั", "ส", "ดี"]  # marks stay with their letters
    assert char_tokenize("It's a U.S.-made car.") == ptb_tokenize("It's a U.S.-made car.")
    scores = score_captions({1: "赤い丸が二つ"}, {1: ["赤い円が二つ"]}, tokenize="char")
    assert scores["BLEU-1"] == pytest.approx(100 * 5 / 6)
    assert scores["BLEU-2"] == pytest.approx(100 * (5 / 6 * 3 / 5) ** 0.5)
    assert score_captions({1: "赤い丸が二つ"}, {1: ["赤い円が二つ"]})["BLEU-1"] < 1e-6
    assert tokenizer_of([["机の上の四番目の紙に緑の丸が"]]) == "char" and tokenizer_of([["a dog"]]) == "ptb"
