"""Writes true captions of a scene, and questions with their answers, in English and Korean."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import Literal

from mmtoolkit.scenes.shapes import CELLS, COLOURS, NEW_COLOURS, Scene, Shape, one_of

Language = Literal["en", "ko"]
Group = tuple[Shape, ...]  # shapes of one kind and colour

REFERENCES = 3  # captions of one scene
KOREAN = {
    **{"red": "빨간색", "blue": "파란색", "green": "초록색", "yellow": "노란색", "purple": "보라색"},
    **{"orange": "주황색", "circle": "동그라미", "square": "네모", "triangle": "세모", "star": "별"},
    **{"cyan": "청록색", "brown": "갈색", "black": "검은색", "hexagon": "육각형", "diamond": "마름모"},
    **{"small": "작은", "large": "큰"},
}
ENGLISH_COUNTS = {2: "two", 3: "three"}
KOREAN_COUNTS = {1: "한", 2: "두", 3: "세"}
PLACES = {
    "en": (
        *("in the top left corner", "at the top", "in the top right corner"),
        *("on the left", "in the middle", "on the right"),
        *("in the bottom left corner", "at the bottom", "in the bottom right corner"),
    ),
    "ko": (
        *("왼쪽 위 모서리", "위쪽", "오른쪽 위 모서리"),
        *("왼쪽", "가운데", "오른쪽"),
        *("왼쪽 아래 모서리", "아래쪽", "오른쪽 아래 모서리"),
    ),
}
# (vertical, horizontal): where the first shape is, seen from the second, and the inverse
RELATIONS = {
    "en": (("above", "below"), ("to the left of", "to the right of")),
    "ko": (("위쪽", "아래쪽"), ("왼쪽", "오른쪽")),
}
# The forms of a caption, line by line the same in both languages; the first is canonical.
FORMS = {
    "en": {
        "place": (
            "{sized} {place}",
            "there is {sized} {place}",
            "{sized} is {place}",
            "a picture of {sized} {place}",
            "{plain} is {place}",
        ),
        "relation": (
            "{a} is {where} {b}",
            "{b} is {inverse} {a}",
            "there is {a} {where} {b}",
            "{the_a} is {where} {the_b}",
            "{sized_a} is {where} {sized_b}",
        ),
        "count": (
            "{plain}",
            "{sized}",
            "the picture shows {plain}",
            "a picture of {plain}",
            "{turned}",
        ),
    },
    "ko": {
        "place": (
            "{place}에 있는 {sized}",
            "{place}에 {sized}이/가 있다",
            "{sized}이/가 {place}에 있다",
            "{place}에 {sized}을/를 그린 그림",
            "{plain}이/가 {place}에 있다",
        ),
        "relation": (
            "{a}이/가 {b} {where}에 있다",
            "{b}이/가 {a} {inverse}에 있다",
            "{b} {where}에 {a}이/가 있다",
            "{the_a}은/는 {the_b} {where}에 있다",
            "{sized_a}이/가 {sized_b} {where}에 있다",
        ),
        "count": (
            "{plain}",
            "{sized}",
            "그림에 {plain}이/가 보인다",
            "{plain}을/를 그린 그림",
            "{turned}",
        ),
    },
}
QUESTIONS = {
    "en": {
        "shapes": "how many shapes are there?",
        "kinds": "how many {kind}s are there?",
        "colour": "what colour is the {kind}?",
        "kind": "which shape is {colour}?",
        "exists": "is there {present}?",
        "lacks": "is there {absent}?",
        "where": "where is {the_a}?",
        "large": "is {the_a} large?",
        "holds": "is {the_a} {where} {the_b}?",
        "fails": "is {the_b} {where} {the_a}?",
        "first": "what is {where} {the_b}?",
        "second": "what is {inverse} {the_a}?",
        "yes": "yes",
        "no": "no",
    },
    "ko": {
        "shapes": "도형이 몇 개 있나요?",
        "kinds": "{kind}은/는 몇 개 있나요?",
        "colour": "{kind}은/는 무슨 색인가요?",
        "kind": "{colour} 도형은 무엇인가요?",
        "exists": "{present}이/가 있나요?",
        "lacks": "{absent}이/가 있나요?",
        "where": "{the_a}은/는 어디에 있나요?",
        "large": "{the_a}은/는 큰가요?",
        "holds": "{the_a}은/는 {the_b} {where}에 있나요?",
        "fails": "{the_b}은/는 {the_a} {where}에 있나요?",
        "first": "{the_b} {where}에 무엇이 있나요?",
        "second": "{the_a} {inverse}에 무엇이 있나요?",
        "yes": "예",
        "no": "아니요",
    },
}


def captions(scene: Scene, *, language: Language = "en", seed: int) -> tuple[str, ...]:
    """Describes the scene: the canonical caption, then paraphrases chosen by the seed, all true.

    Example:
        >>> pair = Scene((Shape("circle", "red", 0, 0, "large"), Shape("star", "orange", 0, 2, "small")))
        >>> captions(pair, seed=0)[0]
        'a red circle is above an orange star'
        >>> captions(pair, language="ko", seed=0)[0]
        '빨간색 동그라미가 주황색 별 위쪽에 있다'

    Args:
        scene: The scene.
        language: `"en"` or `"ko"`; the same seed chooses the same forms in both.
        seed: Chooses the paraphrases.

    Raises:
        InputError: The language is neither `"en"` nor `"ko"`.
    """
    one_of("language", language, FORMS)
    groups, words = _groups(scene), _words(scene, language)
    layout = "place" if len(scene.shapes) == 1 else "relation" if len(scene.shapes) == len(groups) == 2 else "count"
    forms = FORMS[language][layout]
    canonical, *others = dict.fromkeys(_particles(form.format(**words)) for form in forms)  # without doubles, in order
    return (canonical, *random.Random(seed).sample(others, min(REFERENCES - 1, len(others))))


def questions(scene: Scene, *, language: Language = "en") -> tuple[tuple[str, str], ...]:
    """Returns questions about counts, colours, kinds, sizes, places and relations, with their answers.

    Example:
        >>> questions(Scene((Shape("star", "red", 0, 0, "large"),)))[2]
        ('what colour is the star?', 'red')

    Raises:
        InputError: The language is neither `"en"` nor `"ko"`.
    """
    one_of("language", language, FORMS)
    ask, words, groups, first = QUESTIONS[language], _words(scene, language), _groups(scene), scene.shapes[0]
    words |= {"kind": _name(first.kind, language), "colour": _name(first.colour, language)}
    words["present"] = _phrase((first,), language, article="a")
    words["absent"] = _phrase((_absent(scene),), language, article="a")
    alike = sum(shape.kind == first.kind for shape in scene.shapes)
    pairs = [("shapes", str(len(scene.shapes))), ("kinds", str(alike))]
    if alike == 1:
        pairs.append(("colour", words["colour"]))
    if sum(shape.colour == first.colour for shape in scene.shapes) == 1:
        pairs.append(("kind", words["kind"]))
    pairs += [("exists", ask["yes"]), ("lacks", ask["no"])]
    if len(groups) == len(scene.shapes):
        pairs += [("where", words["place"]), ("large", ask["yes" if first.size == "large" else "no"])]
    if len(groups) == len(scene.shapes) == 2:
        names = [_phrase((shape,), language, article="") for shape in scene.shapes]
        pairs += [("holds", ask["yes"]), ("fails", ask["no"]), ("first", names[0]), ("second", names[1])]
    return tuple((_particles(ask[form].format(**words)), answer) for form, answer in pairs)


def _groups(scene: Scene) -> list[Group]:
    """Groups shapes of one kind and colour: the largest group first, then in reading order."""
    kinds = dict.fromkeys((shape.kind, shape.colour) for shape in scene.shapes)
    groups = [tuple(shape for shape in scene.shapes if (shape.kind, shape.colour) == kind) for kind in kinds]
    return sorted(groups, key=len, reverse=True)


def _words(scene: Scene, language: Language) -> dict[str, str]:
    """Returns the values that fill the forms of captions and questions."""
    groups = _groups(scene)
    counted = len(scene.shapes) > 1
    plain = [_phrase(group, language, article="a", counted=counted) for group in groups]
    sized = [_phrase(group, language, article="a", counted=counted, sized=True) for group in groups]
    words = {"plain": _join(plain, language), "turned": _join(plain[::-1], language), "sized": _join(sized, language)}
    for letter, group in (("a", groups[0]), ("b", groups[-1])):
        words[letter] = _phrase(group, language, article="a")
        words[f"the_{letter}"] = _phrase(group, language, article="the")
        words[f"sized_{letter}"] = _phrase(group, language, article="a", sized=True)
    first, last = scene.shapes[0], scene.shapes[-1]  # a picture is read from the top, then from the left
    words["where"], words["inverse"] = RELATIONS[language][0 if first.row < last.row else 1]
    return words | {"place": PLACES[language][CELLS.index((first.column, first.row))]}


def _phrase(group: Group, language: Language, *, article: str, counted: bool = False, sized: bool = False) -> str:
    """Names a group: "two large red circles", "큰 빨간색 동그라미 두 개"."""
    count, first = len(group), group[0]
    size = [first.size] if sized and all(shape.size == first.size for shape in group) else []
    names = [*size, first.colour, first.kind]
    if language == "ko":
        return " ".join([*(KOREAN[name] for name in names), *([f"{KOREAN_COUNTS[count]} 개"] if counted else [])])
    if count > 1:
        return " ".join([ENGLISH_COUNTS[count], *names]) + "s"
    article = "an" if article == "a" and names[0] == "orange" else article
    return " ".join([article, *names]).strip()


def _join(phrases: list[str], language: Language) -> str:
    return (" and " if language == "en" else "과/와 ").join(phrases)


def _name(word: str, language: Language) -> str:
    return KOREAN[word] if language == "ko" else word


def _absent(scene: Scene) -> Shape:
    """Returns the first shape in the next colour in which the scene has no shape of its kind."""
    first = scene.shapes[0]
    colours = COLOURS if first.colour in COLOURS else NEW_COLOURS
    taken = {shape.colour for shape in scene.shapes if shape.kind == first.kind}
    after = colours[colours.index(first.colour) :] + colours
    return replace(first, colour=next(colour for colour in after if colour not in taken))


def _particles(sentence: str) -> str:
    """Chooses each Korean particle by the letter before it: the first after a final consonant, else the second.

    Example:
        >>> _particles("별이/가 네모과/와 있다")
        '별이 네모와 있다'
    """

    def choose(match: re.Match[str]) -> str:
        after_consonant, after_vowel = match[2].split("/")
        # Hangul syllables come in blocks of 28 final consonants, the first of which is none
        return match[1] + (after_consonant if (ord(match[1]) - ord("가")) % 28 else after_vowel)

    return re.sub(r"([가-힣])(이/가|은/는|을/를|과/와)", choose, sentence)
