"""Splits a caption into Penn Treebank words as coco-caption does, without Java.

The rules follow the observed output of Stanford's tokenizer (CoreNLP 3.4.1, `-lowerCase`), the one that the published
caption scores were made with; punctuation is then dropped the way coco-caption drops it.
"""

from __future__ import annotations

import re

from mmtoolkit.scripts import UNSPACED

TITLES = """adm asst atty capt cmdr col comdr det dr drs esq gen gov govs hon jr lt maj messrs mlle mme mr mrs ms pfc
    pres prof profs pvt rep reps rev sen sens sgt sr st ste supt cpl"""
COMPANIES = "assn bancorp bhd bros cie co corp cos inc intl ltd mfg plc pty sys univ"
DATES = "apr aug dec feb fri jan jul jun mar mon nov oct sep sept thu thurs tue tues wed"
STATES = (
    "ala ariz calif colo conn dak fla ga ind kan kans ky md mich minn mo mont neb nev okla penn tenn va vt wis wisc wyo"
)
OTHERS = "adj adv al ave bldg blvd cf ct dept elec est etc ext ft invt mt natl rd seq sq tel vs"
CAPITALISED = "Ark Del Ill La Mass Miss Ore Pa Tex Wash"  # in lower case these are words of their own
NUMBERED = "art ca fig figs no nos op pp prop"  # abbreviations only before a number
STARTERS = """A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More Now
    Once One Other Our She Since So Some Such That The Their Then There These They This We What When While Yet You"""


def either(*words: str) -> str:
    """Returns a pattern for any one of the words."""
    return "(?:" + "|".join(" ".join(words).split()) + ")"


# Python's \w leaves out the marks that many scripts write vowels with. The two sets of LETTER, and of ALNUM, share no
# character: where two alternatives match the same one, a search that fails doubles its steps with each.
RANGES: tuple[tuple[int, int], ...] = (
    (0x300, 0x36F),
    (0x483, 0x487),
    (0x591, 0x5BD),
    (0x610, 0x61A),
    (0x64B, 0x65F),
    (0x670, 0x670),
)
RANGES += ((0x6D6, 0x6ED), (0x900, 0x963), (0x966, 0x109F))
SIGNS = [chr(code) for low, high in RANGES for code in range(low, high + 1)]
MARKS = "".join(sign for sign in SIGNS if not sign.isalnum())
DIGITS = "".join(sign for sign in SIGNS if sign.isdecimal())  # which the reference takes for letters
LETTER = rf"(?:[^\W\d_]|[{MARKS}{DIGITS}])"
ALNUM = rf"(?:[^\W_]|[{MARKS}])"
END = rf"(?![\w{MARKS}])"
ADDRESS = r"""[^\s<>"'()]*[^\s<>"'().,;:!?]"""
ELIDED = rf"""(?:[dlon]'{LETTER}{{2,}}|\w{{0,30}}(?:e'er|ta'en)|ma'ams?|c'mon|li'l|cap'n|nat'l|xi'an|qi'an|hawai'i
    |ev'ry|s'mores)"""

TOKEN = re.compile(
    rf"""\s*(                                                               # a token after any blanks
    [A-Za-z]+(?=,?(?:[ ]|$)) | [.,](?=[ ]|$)                              # most of a caption
  | <[/!?]?[A-Za-z][^<>]*>                                                # tags
  | https?://{ADDRESS} | www\.[\w-]+(?:\.[\w-]+)+(?:/{ADDRESS})?          # addresses
  | (?:mailto:)?[\w.+-]{{1,64}}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*        # as long as they may be: time stays linear
  | [\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,9}}\.(?:com|net|org|edu){END}
  | \#{LETTER}\w* | @[A-Za-z]\w*
  | >?[:;=]['o-]?[()](?!\w) | [:;]-?[DPpO3|\\\]](?!\w) | \^_\^ | -_-      # smileys
  | (?i:{either(TITLES, COMPANIES, DATES, STATES, OTHERS)})\.(?!{LETTER}) | {either(CAPITALISED)}\.(?!{LETTER})
  | (?i:{either(NUMBERED)})\.(?=\s?\d)
  | (?:[A-Za-z](?:\.[A-Za-z])+|[Pp]h\.[Dd])\.(?:-{ALNUM}+)*{END}          # U.S., a.m., U.S.-based
  | [A-Za-z]\.(?!{LETTER}|\s*$|\s+{either(STARTERS)}\b)                   # John F. Kennedy; but: he and I. They
  | (?i:n['`]t|'(?:[smd]|re|ve|ll)){END} | '[Tt](?=(?i:is|was){END})      # the ends of contractions
  | {LETTER}+(?=(?i:n['`]t){END})                                         # and their beginnings
  | (?i:'n'|'(?:n|em|til|till|cause|\d0s){END}|(?<!\d)'\d\d{END}|ol'|dunkin'|y'(?={LETTER}{END}|all{END}|know{END}))
  | (?i:{ELIDED})(?:-{ALNUM}+)*{END}                                      # o'clock, d'Artagnan
  | [A-Z]+(?:&[A-Z]+)+                                                    # AT&T
  | (?i:US|HK|NZ|[ACNS])\$ | C\+\+ | [CF]\#{END}
  | \.{{3,}} | -{{2,}}
  | [+-]?(?:\d+(?:[.,:]\d+)+|\d+(?:/\d+)+|[.,:]\d+)(?:-{LETTER}{ALNUM}*)*  # 1,000 3.5 1/2 5:55 3.5-inch
  | [+-]\d+
  | {ALNUM}+,{ALNUM}+(?:-{ALNUM}+)+                                       # red,blue-green
  | (?:{LETTER}{ALNUM}*(?:[.?!]{LETTER}{ALNUM}*)+                         # stop.It
    | {ALNUM}+(?:[-_\u2010\u2011]{ALNUM}+|(?<=[A-Za-z0-9])/[A-Za-z0-9]+)*  # words, well-lit, and/or
    )(?:\.(?=[,;:]))?
  | [?!]+ | \*+ | _+ | << | >> | \S
    )""",
    re.VERBOSE,
)

SPLITS = {
    "cannot": ("can", "not"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "wanna": ("wan", "na"),
    "lemme": ("lem", "me"),
    "gimme": ("gim", "me"),
}
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
BRACKET = re.compile(r"[()\[\]{}]")
DROPPED = frozenset({"'", "`", '"', ".", "?", "!", ",", ":", ";", "-", "--", "---", "----", "\u2010", "\u2011"})

PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2019\u203a", "'"),
        **dict.fromkeys("\u2018\u201b\u2039", "`"),
        **dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2013\u2014\u2015", " - "),
        **{"\u2026": "...", "\u00ad": None, "\u00a0": " ", "€": "$", "¤": "$", "£": "#", "¢": " cents "},
        **{"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"},
    }
)
# What the reference leaves out: invisible signs, CJK quotation marks, everything beyond 16 bits such as emoji.
UNSEEN = re.compile(
    "[\x7f-\x9f\u2000-\u200f\u2012\u2024\u2025\u2027-\u202f\u203c\u203d\u2043\u2045-\u206f\u20a1-\u20ab"
    "\u3000\u3003\u3004\u3007-\u3011\u3013-\u3030\ufe00-\ufe1f\ufe30-\ufe52\ufeff\ufff9-\ufffd\U00010000-\U0010ffff]"
)
CHARACTER = re.compile(f"[{UNSPACED}][{MARKS}]*")
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&nbsp;": " "}
ENTITY = re.compile("|".join(ENTITIES), re.IGNORECASE)


def ptb_tokenize(text: str) -> list[str]:
    """Splits a caption into lower-cased Penn Treebank words, without its punctuation.

    Brackets stay, as `-lrb-` and `-rrb-`: coco-caption means to drop them but compares with names in capitals.

    Example:
        >>> ptb_tokenize("A well-lit room; the dog's bowl isn't full.")
        ['a', 'well-lit', 'room', 'the', 'dog', "'s", 'bowl', 'is', "n't", 'full']
    """
    words: list[str] = []
    for token in TOKEN.findall(plain(text).rstrip()):
        word = token.lower()
        if word in SPLITS:
            words += SPLITS[word]
        elif word not in DROPPED and not word.startswith("..."):
            words += BRACKET.sub(lambda match: BRACKETS[match.group()], word).split()  # a tag may hold blanks
    return words


def char_tokenize(text: str) -> list[str]:
    """Splits a caption like `ptb_tokenize`, and each character of scripts without spaces apart, with its marks.

    Source: the tokenizers `zh` and `ja-char` of sacreBLEU, which split such characters for the same reason.

    Example:
        >>> char_tokenize("赤い丸 A dog.")
        ['赤', 'い', '丸', 'a', 'dog']
    """
    return ptb_tokenize(CHARACTER.sub(r" \g<0> ", text))


def plain(text: str) -> str:
    """Converts entities and typographic signs to ASCII and removes characters that the reference ignores."""
    if "&" in text:
        text = ENTITY.sub(lambda match: ENTITIES[match.group().lower()], text)
    return text if text.isascii() else UNSEEN.sub(" ", text.translate(PLAIN))
