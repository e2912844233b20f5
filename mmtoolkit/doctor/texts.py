"""What is odd in captions, questions and answers, and what vocabularies and lists of answers would cover."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmtoolkit.doctor.findings import Finding

LONGEST, TIMES = 40, 4  # words: no text up to so many, or so many times the median, is long
OWN_SCRIPT = 0.5  # share of a text's letters of the usual scripts below which it is foreign
USUAL = 0.05  # share of all letters from which a script is usual
STRANGE, FEWEST = 0.8, 5  # share of words that no other text has, of at least so many, from which a text is foreign
THRESHOLDS, SIZES = (1, 2, 3, 5, 10), (10, 100, 500, 1000, 3000)


class Text(NamedTuple):
    """A caption or a question, and where it stands."""

    text: str
    image: str
    source: str
    what: str = "caption"


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", unicodedata.normalize("NFC", text).lower())


def text_findings(texts: Sequence[Text]) -> list[Finding]:
    """What is odd in texts: repeated ones, those in another script or language than the others, long ones."""
    return [*repeated(texts), *foreign(texts), *long(texts)]


def repeated(texts: Iterable[Text]) -> list[Finding]:
    """The same words twice about one picture."""
    first: dict[tuple[str, ...], str] = {}
    found = []
    for text in texts:
        key = (text.image, *words_of(text.text))
        if key in first:
            told = f"the {text.what} {text.text!r:.60} stands there already ({first[key]}); keep one"
            found.append(Finding("repeated", told, text.image, text.source))
        first.setdefault(key, text.source)
    return found


def foreign(texts: Sequence[Text]) -> list[Finding]:
    """Texts in another script than the others, or whose words are in no other text."""
    letters = Counter(script for text in texts for script in scripts(text.text))
    usual = {script for script, count in letters.items() if count >= USUAL * letters.total()}
    splits = [words_of(text.text) for text in texts]
    spread = Counter(word for words in splits for word in set(words))
    found = []
    for text, words in zip(texts, splits, strict=True):
        own = scripts(text.text)
        strange = [word for word in set(words) if spread[word] == 1]
        if own and sum(script in usual for script in own) < OWN_SCRIPT * len(own):
            script = Counter(own).most_common(1)[0][0].title()
            told = f"the {text.what} {text.text!r:.60} is in {script} letters, the others are in {named(usual)}"
            found.append(Finding("unexpected script", told, text.image, text.source))
        elif len(set(words)) >= FEWEST and len(strange) >= STRANGE * len(set(words)):
            told = f"the {text.what} {text.text!r:.60} has words that no other has; is it another language?"
            found.append(Finding("unexpected language", told, text.image, text.source))
    return found


def scripts(text: str) -> list[str]:
    """The script of each letter, by its name in Unicode.

    Example:
        >>> scripts("a 개!")
        ['LATIN', 'HANGUL']
    """
    return [
        unicodedata.name(letter, "?").split()[0] for letter in unicodedata.normalize("NFC", text) if letter.isalpha()
    ]


def named(scripts: Iterable[str]) -> str:
    """Scripts in a sentence."""
    return " and ".join(sorted(script.title() for script in scripts))


def long(texts: Sequence[Text]) -> list[Finding]:
    """Texts much longer than the others, which models cut."""
    lengths = [len(words_of(text.text)) for text in texts]
    limit = max(LONGEST, TIMES * statistics.median(lengths)) if lengths else 0
    return [
        Finding("very long", f"a {text.what} of {length} words, which models cut; shorten it", text.image, text.source)
        for text, length in zip(texts, lengths, strict=True)
        if length > limit
    ]


def vocabulary_table(train: Sequence[str], valid: Sequence[str]) -> list[list[str]]:
    """How many words a vocabulary has at several thresholds, and how many of the words it does not know."""
    counts = Counter(word for text in train for word in words_of(text))
    held = [word for text in valid for word in words_of(text)]
    rows = [["words that occur at least", "vocabulary", "unknown in train", "unknown in validation"]]
    for threshold in THRESHOLDS:
        kept = {word for word, count in counts.items() if count >= threshold}
        lost = sum(count for word, count in counts.items() if word not in kept)
        strange = sum(word not in kept for word in held)
        rows.append([f"{threshold} x", str(len(kept)), share(lost, counts.total()), share(strange, len(held))])
    return rows


def answer_table(train: Sequence[str], valid: Sequence[str]) -> list[list[str]]:
    """What share of the held-out answers the most frequent ones are: the best accuracy that they allow."""
    ranked = [answer for answer, _ in Counter(train).most_common()]
    rows = [["most frequent answers", "best accuracy that they allow"]]
    for size in (1, *SIZES):
        kept = set(ranked[:size])
        told = "1, always given" if size == 1 else str(size)
        rows.append([told, share(sum(answer in kept for answer in valid), len(valid))])
        if size >= len(ranked):
            break
    return rows


def share(part: int, whole: int) -> str:
    """A percentage.

    Example:
        >>> share(1, 8)
        '12.5 %'
    """
    return f"{100 * part / whole:.1f} %" if whole else "–"
