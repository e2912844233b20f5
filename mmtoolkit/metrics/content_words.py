"""Computes which of a caption's content words people used too, whatever their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# Words that say nothing of what is seen; of positions and numbers they do
ENGLISH = """
a an and another are as at be been being by for from has have having he her him his i in into is it its of off on one
or our out she shows some that the their them there these they this those to was we were which while who with you your
image photo picture
"""
KOREAN = "그 그리고 그림 그림에 그림에는 것 것이 및 보이는 보인다 사진 사진에 사진에는 이 있는 있다 있습니다 저 한"
FUNCTION_WORDS = frozenset(f"{ENGLISH} {KOREAN}".split())
PLURAL = "s"
SHORTEST = 4  # letters of a word whose plural is taken for its singular


def content_words(words: Iterable[str]) -> set[str]:
    """Returns the words that say what is seen, each once, plurals as singulars.

    Example:
        >>> sorted(content_words("there are two red stars and a star".split()))
        ['red', 'star', 'two']
    """
    return {singular(word) for word in words if word not in FUNCTION_WORDS}


def singular(word: str) -> str:
    """Returns an English word without the sign of its plural.

    Example:
        >>> singular("stars"), singular("grass"), singular("is")
        ('star', 'grass', 'is')
    """
    is_plural = len(word) >= SHORTEST and word.endswith(PLURAL) and not word.endswith(2 * PLURAL)
    return word.removesuffix(PLURAL) if is_plural else word


def known_content(words: Sequence[str], references: Iterable[Sequence[str]]) -> float:
    """Computes the share of a caption's content words that are in one of its references; 0 if it has none.

    Example:
        >>> known_content("a red dog runs".split(), ["a red cat runs".split(), "one cat".split()])
        0.6666666666666666
    """
    own = content_words(words)
    known = content_words(word for reference in references for word in reference)
    return len(own & known) / len(own) if own else 0.0
