"""Scores answers to questions: the official VQA accuracy, quirks included, and exact match."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.task import Metric, Texts, summed

Id = TypeVar("Id", bound=Hashable)

STATISTICS = ("questions", "accuracy", "vqa_accuracy")  # what `answer_statistics` gives for each question
YES_NO = {"yes", "no", "예", "네", "아니요", "아니오"}

PUNCTUATION = tuple(';/[]"{}()=+\\_-><@`,?!')
COMMA_IN_NUMBER = re.compile(r"\d,\d")
PERIOD = re.compile(r"\.(?!\d)")  # the evaluator means to spare a period after a digit too, and does not
PERIODS = 32  # it passes re.UNICODE, which is 32, where re.sub takes the number of replacements
NUMBERS = {"none": "0"} | {
    word: str(number)
    for number, word in enumerate("zero one two three four five six seven eight nine ten".split())  # noqa: SIM905
}
ARTICLES = {"a", "an", "the"}
# The evaluator puts back one apostrophe that was left out of these; it knows no others ("hell", "its" stay).
CONTRACTED = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
y'all y'all'll y'all'd've you'd you'd've you'll you're you've
""".split()  # noqa: SIM905
CONTRACTIONS = {
    word[:at] + word[at + 1 :]: word for word in CONTRACTED for at, letter in enumerate(word) if letter == "'"
} | {"somebody'd": "somebodyd"}  # the last is a misprint of the evaluator


def vqa_accuracy(answer: str, given: Sequence[str]) -> float:
    """Computes the official VQA accuracy of one answer, 0 to 1, against those of ten annotators.

    It is the mean over the annotators of min(1, n / 3), where n is how many of the others gave the model's answer.
    Unless all annotators gave one answer, both sides are normalised first.

    Example:
        >>> vqa_accuracy("two", ["2"] * 3 + ["3"] * 7)
        0.9

    Args:
        answer: The model's answer.
        given: The answers of the annotators, as written; a single one has no other to agree with, which gives 0.

    Source: Antol et al., "VQA: Visual Question Answering", 2015, and the evaluator of VQA v2 with all its quirks: full
        agreement skips the normalisation on both sides, `none` becomes 0, at most 32 periods are removed, and so on.
        That of VQA v1 always normalised the prediction, and the references only in part.
    """
    answer, given = one_line(answer), [one_line(each) for each in given]
    if len(set(given)) > 1:
        answer, given = plain_answer(answer), [plain_answer(each) for each in given]
    alike = given.count(answer)
    return sum(min(1.0, (alike - (each == answer)) / 3) for each in given) / max(1, len(given))


def one_line(text: str) -> str:
    """Replaces line ends and tabs by spaces."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def plain_answer(text: str) -> str:
    """Returns the form in which the official evaluator compares answers.

    Example:
        >>> plain_answer("The cats, and one dog."), plain_answer("1,000"), plain_answer("dont know")
        ('cats and 1 dog', '1000', "don't know")
    """
    bare = text
    for mark in PUNCTUATION:
        vanishes = f"{mark} " in text or f" {mark}" in text or COMMA_IN_NUMBER.search(text)
        bare = bare.replace(mark, "" if vanishes else " ")
    bare = PERIOD.sub("", bare, count=PERIODS)
    words = (NUMBERS.get(word, word) for word in bare.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def is_match(answer: str, reference: str) -> bool:
    """Checks whether two answers are the same, ignoring case and spaces; answers with commas compare as sets.

    Example:
        >>> is_match("lamp, Book", "book,lamp"), is_match("lamp", "book, lamp")
        (True, False)
    """
    return parts(answer) == parts(reference)


def parts(answer: str) -> frozenset[str]:
    """Returns the answers between commas, each in lower case and with single spaces."""
    pieces = unicodedata.normalize("NFC", answer).lower().split(",")
    return frozenset(" ".join(piece.split()) for piece in pieces)


def most_frequent_answer(given: Sequence[str]) -> str:
    """Returns the answer that most annotators gave; of several the first.

    Example:
        >>> most_frequent_answer(["dog", "puppy", "dog"])
        'dog'
    """
    return Counter(given).most_common(1)[0][0]


def score_answers(answers: Mapping[Id, str], references: Mapping[Id, Sequence[str]]) -> dict[str, float]:
    """Computes exact match and, if every question has several annotators, the official accuracy, in percent.

    Example:
        >>> score_answers({1: "red", 2: "2"}, {1: ["red"], 2: ["3"]})
        {'accuracy': 50.0}

    Args:
        answers: The model's answer to each question.
        references: The annotators' answers to each question; exact match is with the most frequent one.

    Raises:
        InputError: Nothing to score, a question on one side only, or one without references.
    """
    return mean_scores(summed(answer_statistics(answers, references).values()))


def answer_statistics(answers: Mapping[Id, str], references: Mapping[Id, Sequence[str]]) -> dict[Id, tuple[float, ...]]:
    """Computes what each question adds to the scores: 1, its match and, with several annotators, its accuracy.

    Raises:
        InputError: As `score_answers`.
    """
    if not references or set(answers) != set(references):
        one_sided = sorted(map(str, set(answers) ^ set(references)))[:3]
        raise InputError(
            "expected an answer to each question that has references, and to no other. "
            f"Received: {', '.join(one_sided) or 'nothing'} on one side only."
        )
    if lacking := [str(key) for key, given in references.items() if not given]:
        raise InputError(f"expected at least one reference for each question. Received: none for {lacking[0]}.")
    several = all(len(given) > 1 for given in references.values())
    rows: dict[Id, tuple[float, ...]] = {}
    for key, answer in answers.items():
        given = references[key]
        official = (vqa_accuracy(answer, given),) if several else ()
        rows[key] = (1.0, float(is_match(answer, most_frequent_answer(given))), *official)
    return rows


def mean_scores(sums: Sequence[float]) -> dict[str, float]:
    """Computes the scores, in percent, from summed statistics."""
    return {name: 100 * total / sums[0] for name, total in zip(STATISTICS[1:], sums[1:], strict=False)}


def question_kind(question: str) -> str:
    """Returns a question's kind where its data set names none: its first two words.

    Example:
        >>> question_kind("What colour is the chair?")
        'what colour'
    """
    return " ".join(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", question.lower())[:2])


def answer_kind(answer: str) -> str:
    """Returns an answer's kind where its data set names none: `yes/no`, `number` or `other`.

    Example:
        >>> answer_kind("yes"), answer_kind("2"), answer_kind("red")
        ('yes/no', 'number', 'other')
    """
    if answer.strip().lower() in YES_NO:
        return "yes/no"
    return "number" if plain_answer(answer).isdecimal() else "other"


class AnswerMetric(Metric):
    """Exact match and, where every question has several annotators, the official VQA accuracy, in percent.

    Example:
        >>> AnswerMetric().score({"1": "red", "2": "2"}, {"1": ["red"], "2": ["3"]})
        {'accuracy': 50.0}
    """

    names = ("accuracy", "vqa_accuracy")
    columns = STATISTICS
    row_scores = ("accuracy",)

    def statistics(self, outputs: Texts, references: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, ...]]:
        return answer_statistics(outputs, references)

    def scores(self, sums: Sequence[float]) -> dict[str, float]:
        return mean_scores(sums)
