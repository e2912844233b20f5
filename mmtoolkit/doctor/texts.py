"""What is odd in captions, questions and answers, and what vocabularies and lists of answers would cover."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmtoolkit.doctor.findings import Finding
from mmtoolkit.readers.rows import place_phrase

LONGEST, TIMES = 40, 4  # words: no text up to so many, or so many times the median, is long
OWN_SCRIPT = 0.5  # share of a text's letters of the usual scripts below which it is foreign
USUAL = 0.05  # share of all letters from which a script is usual
FAMILIAR = 0.34  # share of a text's words that familiar texts have below which it is foreign
COMMON = 0.02  # share of the texts from which the words in them are familiar from the start
FEWEST = 5  # words of a text from which that can be told
ONCE = 0.08  # share of words that occur once from which there are too few texts to tell
RARE = 0.1  # share of foreign texts from which they are no exception
QUOTED = 60  # characters of a text that are shown
THRESHOLDS, SIZES = (1, 2, 3, 5, 10), (10, 100, 500, 1000, 3000)


class Text(NamedTuple):
    """A caption or a question, and where it stands."""

    text: str
    image: str
    source: str
    what: str = "caption"
    answer: str = ""


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", unicodedata.normalize("NFC", text).lower())


def text_findings(texts: Sequence[Text]) -> list[Finding]:
    """What is odd in texts: no words, repeated ones, another script or language than that of the others, long ones."""
    other_letters = foreign_script(texts)
    told = {finding.source for finding in other_letters}
    other_words = [finding for finding in foreign_words(texts) if finding.source not in told]
    return [*empty(texts), *repeated(texts), *other_letters, *other_words, *long(texts)]


def empty(texts: Iterable[Text]) -> list[Finding]:
    """Texts of which nothing is left but signs."""
    return [
        Finding("empty", f"the {text.what} {quoted(text.text)} has no word; write it", text.image, text.source)
        for text in texts
        if not words_of(text.text)
    ]


def repeated(texts: Iterable[Text]) -> list[Finding]:
    """The same words twice about one picture; a question may have got another answer."""
    first: dict[tuple[str, ...], Text] = {}
    found = []
    for text in texts:
        if words := words_of(text.text):
            other = first.setdefault((text.image, *words), text)
            if other is not text:
                same = words_of(text.answer) == words_of(other.answer)
                why = "" if same else f", with the answer {quoted(other.answer)} in place of {quoted(text.answer)}"
                message = f"the {text.what} {quoted(text.text)} is already {place_phrase(other.source)}{why}; keep one"
                found.append(Finding("repeated", message, text.image, text.source))
    return found


def foreign_script(texts: Sequence[Text]) -> list[Finding]:
    """Texts in another script than the others."""
    owned = [scripts(text.text) for text in texts]
    letters = Counter(script for own in owned for script in own)
    usual = {script for script, count in letters.items() if count >= USUAL * letters.total()}
    found = []
    for text, own in zip(texts, owned, strict=True):
        if own and sum(script in usual for script in own) < OWN_SCRIPT * len(own):
            script = Counter(own).most_common(1)[0][0].title()
            told = f"the {text.what} {quoted(text.text)} is in {script} letters, the others are in {named(usual)}"
            found.append(Finding("unexpected script", told, text.image, text.source))
    return found


def foreign_words(texts: Sequence[Text]) -> list[Finding]:
    """Texts that no chain of familiar words joins to the others: those of another language, of which only few are.

    Familiar are the words of many texts, and those of every text most of whose words are familiar.
    """
    splits = [set(words_of(text.text)) for text in texts]
    spread = Counter(word for words in splits for word in words)
    known = {word for word, count in spread.items() if count >= COMMON * len(texts)}
    strange, before = [place for place, words in enumerate(splits) if len(words) >= FEWEST], -1
    while len(strange) != before:
        before = len(strange)
        for place in strange:
            if len(splits[place] & known) >= FAMILIAR * len(splits[place]):
                known |= splits[place]
        strange = [place for place in strange if not splits[place] <= known]
    once = sum(count == 1 for count in spread.values())
    if once > ONCE * spread.total() or len(strange) > RARE * len(texts):
        return []
    told = "has words that the others do not have; is it in another language?"
    return [
        Finding("unexpected language", f"the {text.what} {quoted(text.text)} {told}", text.image, text.source)
        for text in (texts[place] for place in strange)
    ]


def scripts(text: str) -> list[str]:
    """The script of each letter, by its name in Unicode.

    Example:
        >>> scripts("a 개!")
        ['LATIN', 'HANGUL']
    """
    return [
        unicodedata.name(letter, "?").split()[0] for letter in unicodedata.normalize("NFC", text) if letter.isalpha()
    ]


def quoted(text: str) -> str:
    """A text in quotation marks, cut where it is long.

    Example:
        >>> quoted("a dog"), len(quoted("a dog " * 100))
        ("'a dog'", 62)
    """
    return repr(text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…")


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
