"""Finds oddities in captions, questions and answers; counts what vocabularies and lists of answers would cover."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmtoolkit.doctor.findings import Finding
from mmtoolkit.metrics import char_tokenize
from mmtoolkit.readers.rows import place_phrase
from mmtoolkit.scripts import level_warning

LONGEST, TIMES = 40, 4  # a text is long if it has more words than this, and than so many times the median
OWN_SCRIPT = 0.5  # a text is foreign if a smaller share of its letters is of the usual scripts
USUAL = 0.05  # a script is usual if it has this share of all letters
FAMILIAR = 0.34  # a text is foreign if a smaller share of its words is familiar
COMMON = 0.02  # a word is familiar from the start if this share of the texts has it
FEWEST = 5  # a text with fewer words is not judged by its words
ONCE = 0.08  # no text is, if a larger share of all words occurs only once: there are too few texts
RARE = 0.1  # nor if a larger share of the texts were foreign: they would be no exception
MARKING = {("start", "end"), ("begin", "end"), ("start", "stop")}  # plain words; readers refuse `<start>` and the like
QUOTED = 60  # characters of a text that are shown
THRESHOLDS, SIZES = (1, 2, 3, 5, 10), (10, 100, 500, 1000, 3000)
LENGTHS = (13, 25, 50, 100)  # values of --max-length


class Text(NamedTuple):
    """A caption or a question, and its place."""

    text: str
    image: str
    source: str
    what: str = "caption"
    answer: str = ""


def words_of(text: str) -> list[str]:
    """Returns the words of a text in lower case, with the joiners in the words of Persian, without soft hyphens."""
    text = unicodedata.normalize("NFC", text.replace("\u00ad", "")).lower()
    return re.findall(r"[^\W_]+(?:['’\u200c\u200d-][^\W_]+)*", text)


def text_findings(texts: Sequence[Text]) -> list[Finding]:
    """Finds odd texts: without words, repeated, in another script or language than the others, or long."""
    other_letters = foreign_script(texts)
    sources = {finding.source for finding in other_letters}
    other_words = [finding for finding in foreign_words(texts) if finding.source not in sources]
    odd = [*empty_texts(texts), *marked_texts(texts), *repeated_texts(texts)]
    odd += [*other_letters, *other_words, *long_texts(texts)]
    return odd + without_spaces(texts)


def without_spaces(texts: Sequence[Text]) -> list[Finding]:
    """Returns one finding where the texts have no spaces between words."""
    warning = level_warning((text.text for text in texts), "word")
    return [Finding("no spaces", warning, texts[0].image, texts[0].source)] if warning else []


def empty_texts(texts: Iterable[Text]) -> list[Finding]:
    """Finds texts that have no word, only signs."""
    return [
        Finding("empty", f"the {text.what} {quoted(text.text)} has no word; write it", text.image, text.source)
        for text in texts
        if not words_of(text.text)
    ]


def marked_texts(texts: Sequence[Text]) -> list[Finding]:
    """Finds that every text is between words that mark its start and end for another program, such as start and end."""
    ends = {(words[0], words[-1]) for words in (words_of(text.text) for text in texts) if len(words) > 1}
    if len(texts) < FEWEST or len(ends) != 1 or not ends <= MARKING:
        return []
    ((first, last),) = ends
    every = f"begins with {first!r} and ends with {last!r}; delete these marks, a model adds its own"
    return [Finding("marker", f"every {text.what} {every}", text.image, text.source) for text in texts]


def repeated_texts(texts: Iterable[Text]) -> list[Finding]:
    """Finds the same words twice about one picture; a question may have another answer."""
    first: dict[tuple[str, ...], Text] = {}
    findings = []
    for text in texts:
        if words := words_of(text.text):
            other = first.setdefault((text.image, *words), text)
            if other is not text:
                same = words_of(text.answer) == words_of(other.answer)
                why = "" if same else f", with the answer {quoted(other.answer)} in place of {quoted(text.answer)}"
                message = f"the {text.what} {quoted(text.text)} is already {place_phrase(other.source)}{why}; keep one"
                findings.append(Finding("repeated", message, text.image, text.source))
    return findings


def foreign_script(texts: Sequence[Text]) -> list[Finding]:
    """Finds texts in another script than the others."""
    owned = [scripts(text.text) for text in texts]
    letters = Counter(script for own in owned for script in own)
    usual = {script for script, count in letters.items() if count >= USUAL * letters.total()}
    names = " and ".join(sorted(script.title() for script in usual))
    findings = []
    for text, own in zip(texts, owned, strict=True):
        if own and sum(script in usual for script in own) < OWN_SCRIPT * len(own):
            script = Counter(own).most_common(1)[0][0].title()
            message = f"the {text.what} {quoted(text.text)} is in {script} letters, the others are in {names}"
            findings.append(Finding("unexpected script", message, text.image, text.source))
    return findings


def foreign_words(texts: Sequence[Text]) -> list[Finding]:
    """Finds texts that no chain of familiar words joins to the others: the few in another language.

    Words of many texts are familiar, and so are all words of a text with enough familiar words.
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
    reason = "has words that the others do not have; is it in another language?"
    return [
        Finding("unexpected language", f"the {text.what} {quoted(text.text)} {reason}", text.image, text.source)
        for text in (texts[place] for place in strange)
    ]


def scripts(text: str) -> list[str]:
    """Returns the script of each letter, by its name in Unicode.

    Example:
        >>> scripts("a 개!")
        ['LATIN', 'HANGUL']
    """
    return [
        unicodedata.name(letter, "?").split()[0] for letter in unicodedata.normalize("NFC", text) if letter.isalpha()
    ]


def quoted(text: str) -> str:
    """Returns a text in quotation marks, cut if it is long.

    Example:
        >>> quoted("a dog"), len(quoted("a dog " * 100))
        ("'a dog'", 62)
    """
    return repr(text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…")


def long_texts(texts: Sequence[Text]) -> list[Finding]:
    """Finds texts much longer than the others, which models cut."""
    lengths = [len(words_of(text.text)) for text in texts]
    limit = max(LONGEST, TIMES * statistics.median(lengths)) if lengths else 0
    return [
        Finding("very long", f"a {text.what} of {length} words, which models cut; shorten it", text.image, text.source)
        for text, length in zip(texts, lengths, strict=True)
        if length > limit
    ]


def vocabulary_table(train: Sequence[str], valid: Sequence[str]) -> list[list[str]]:
    """Counts the words of a vocabulary and the unknown words at several thresholds."""
    counts = Counter(word for text in train for word in words_of(text))
    held = [word for text in valid for word in words_of(text)]
    rows = [["words that occur at least", "vocabulary", "unknown in train", "unknown in validation"]]
    for threshold in THRESHOLDS:
        kept = {word for word, count in counts.items() if count >= threshold}
        lost = sum(count for word, count in counts.items() if word not in kept)
        strange = sum(word not in kept for word in held)
        rows.append([f"{threshold} x", str(len(kept)), share(lost, counts.total()), share(strange, len(held))])
    return rows


def length_table(texts: Sequence[str]) -> list[list[str]]:
    """Counts the texts that training cuts at several values of `--max-length`, which counts the end of a text."""
    lengths = [len(char_tokenize(text)) + 1 for text in texts]
    rows = [["--max-length", "texts that it cuts"]]
    rows += [[str(limit), share(sum(length > limit for length in lengths), len(lengths))] for limit in LENGTHS]
    return [*rows, [f"{max(lengths, default=1)}, the longest text", "none"]]


def answer_table(train: Sequence[str], valid: Sequence[str]) -> list[list[str]]:
    """Computes the best accuracy that lists of the most frequent answers allow on held-out answers."""
    ranked = [answer for answer, _ in Counter(train).most_common()]
    rows = [["most frequent answers", "best accuracy that they allow"]]
    for size in (1, *SIZES):
        kept = set(ranked[:size])
        label = "1, always given" if size == 1 else str(size)
        rows.append([label, share(sum(answer in kept for answer in valid), len(valid))])
        if size >= len(ranked):
            break
    return rows


def share(part: int, whole: int) -> str:
    """Formats a share as a percentage.

    Example:
        >>> share(1, 8)
        '12.5 %'
    """
    return f"{100 * part / whole:.1f} %" if whole else "–"
