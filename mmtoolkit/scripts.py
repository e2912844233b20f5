"""Scripts of texts: those without spaces between words, and Hangul."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

# Thai and Lao, Burmese, Khmer, Tai Le and New Tai Lue, Hiragana and Katakana, Chinese characters
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
UNSPACED += "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
LETTER = re.compile(f"[{UNSPACED}]")
HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
LONGEST_WORD = 6.0  # letters: words that somebody has put spaces between are shorter on average
NAMES = {"CJK": "Chinese characters", "HIRAGANA": "Japanese", "KATAKANA": "Japanese"}


def unspaced_script(texts: Iterable[str]) -> str | None:
    """Returns the name of the script of texts without spaces between words, `None` if they have spaces.

    Example:
        >>> unspaced_script(["緑の丸が五つ描かれている"]), unspaced_script(["緑 の 丸", "a dog"])
        ('Japanese', None)
    """
    found: Counter[str] = Counter()
    letters = words = 0
    for text in texts:
        own = LETTER.findall(text)
        found.update(unicodedata.name(letter, "?").split()[0] for letter in own)
        letters += sum(map(str.isalpha, text))
        words += sum(1 for word in text.split() if LETTER.search(word))
    if 2 * found.total() <= letters or found.total() <= LONGEST_WORD * words:
        return None
    names = Counter({NAMES.get(script, script.title()): count for script, count in found.items()})
    return "Japanese" if "Japanese" in names else names.most_common(1)[0][0]


def level_warning(texts: Iterable[str], level: str) -> str:
    """Returns a warning where words are asked for of texts that have no spaces between them, else nothing."""
    script = unspaced_script(texts) if level == "word" else None
    if script is None:
        return ""
    return (
        f"the texts are in {script} without spaces between words, so that each is one word to the model; "
        "add --level char, or put spaces between the words"
    )


def is_korean(texts: Iterable[str]) -> bool:
    """Checks whether more letters of the texts are Hangul than not.

    Example:
        >>> is_korean(["빨간 원 A"]), is_korean(["a red circle", "원"]), is_korean([])
        (True, False, False)
    """
    letters = [letter for text in texts for letter in unicodedata.normalize("NFC", text) if letter.isalpha()]
    return 2 * sum(map(bool, map(HANGUL.match, letters))) > len(letters)
