"""One raw example of each kind of data, as a frozen dataclass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class CaptionRecord:
    """One picture with all its reference captions.

    Example:
        >>> CaptionRecord(Path("images/1.jpg"), "1.jpg", ("A dog runs .", "A brown dog ."), "train").split
        'train'

    Args:
        image: Where the picture is.
        image_id: The name that groups, splits and results use; unique in a data set.
        captions: One or more reference captions, as written, in file order.
        split: `"train"`, `"valid"`, `"test"`, or `None` where the data set gives none.
        source: Where its first caption stands, `"captions.csv:7"` say; two records that differ in it alone are equal.
        sources: Where each caption stands, of a record that was read.
    """

    image: Path
    image_id: str
    captions: tuple[str, ...]
    split: str | None = None
    source: str = field(default="", compare=False)
    sources: tuple[str, ...] = field(default=(), compare=False)

    noun: ClassVar[str] = "caption"

    @property
    def id(self) -> str:
        """The name that results use: the image's."""
        return self.image_id

    @property
    def group(self) -> str:
        """What is split and resampled together: the image."""
        return self.image_id

    @property
    def input(self) -> str:
        """The text that goes into a model: none."""
        return ""

    @property
    def references(self) -> tuple[str, ...]:
        """What a model's output is scored against."""
        return self.captions

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Each caption with the place where it was read."""
        places = self.sources or (self.source,) * len(self.captions)
        return tuple(zip(self.captions, places, strict=True))

    @property
    def content(self) -> tuple[Any, ...]:
        """What a model is trained on, for the digest of a data set."""
        return self.image_id, self.captions


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question about one picture, with its answers.

    Example:
        >>> QuestionRecord(Path("images/1.jpg"), "1.jpg", "what is it?", ("dog", "dog", "puppy")).answers[2]
        'puppy'

    Args:
        image: Where the picture is.
        image_id: The name that groups and splits use.
        question: As written.
        answers: What each annotator answered, as written; one for many data sets, none where answers are kept secret.
        question_id: The name that results use; unique in a data set.
        question_type: What the data set calls this kind of question, `"how many"` say.
        answer_type: What the data set calls this kind of answer, `"yes/no"` say.
        split: `"train"`, `"valid"`, `"test"`, or `None` where the data set gives none.
        source: Where it stands, `"questions.csv:7"` say; two records that differ in it alone are equal.
    """

    image: Path
    image_id: str
    question: str
    answers: tuple[str, ...]
    question_id: str
    question_type: str = ""
    answer_type: str = ""
    split: str | None = None
    source: str = field(default="", compare=False)

    noun: ClassVar[str] = "question"

    @property
    def id(self) -> str:
        """The name that results use: the question's."""
        return self.question_id

    @property
    def group(self) -> str:
        """What is split and resampled together: the image."""
        return self.image_id

    @property
    def input(self) -> str:
        """The text that goes into a model: the question."""
        return self.question

    @property
    def references(self) -> tuple[str, ...]:
        """What a model's output is scored against."""
        return self.answers

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """The question with the place where it was read."""
        return ((self.question, self.source),)

    @property
    def content(self) -> tuple[Any, ...]:
        """What a model is trained on, for the digest of a data set."""
        return self.image_id, self.question, self.answers


@dataclass(frozen=True, slots=True)
class Analogy:
    """A question to word vectors: the first word is to the second as the third is to which?

    Example:
        >>> Analogy("family", ("boy", "girl", "king", "queen")).words[3]
        'queen'

    Args:
        section: The kind of question.
        words: The three words given, and the answer.
    """

    section: str
    words: tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class WordPair:
    """Two words and how alike people find them.

    Example:
        >>> WordPair("tiger", "cat", 7.35).score
        7.35

    Args:
        first: A word.
        second: Another word.
        score: Higher is more alike; every data set has its own scale.
    """

    first: str
    second: str
    score: float


def digest(records: Iterable[CaptionRecord | QuestionRecord]) -> str:
    """Computes the SHA-256 of what a model is trained on, in order."""
    content = json.dumps([record.content for record in records])
    return hashlib.sha256(content.encode()).hexdigest()


def texts(records: Iterable[CaptionRecord]) -> list[str]:
    """All captions of the records, in order.

    Example:
        >>> texts([CaptionRecord(Path("1.jpg"), "1", ("a dog", "a cat"))])
        ['a dog', 'a cat']
    """
    return [caption for record in records for caption in record.captions]
