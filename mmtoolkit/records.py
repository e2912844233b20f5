"""Defines the raw examples of each kind as frozen dataclasses."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mmtoolkit.files import BYTE_ORDER_MARK


@dataclass(frozen=True, slots=True)
class CaptionRecord:
    """One picture with all its reference captions.

    Example:
        >>> CaptionRecord(Path("images/1.jpg"), "1.jpg", ("A dog runs .", "A brown dog ."), "train").split
        'train'

    Args:
        image: The path of the picture.
        image_id: The name that groups, splits and results use; unique in a data set.
        captions: One or more reference captions, as written, in file order.
        split: `"train"`, `"valid"`, `"test"`, or `None` if the data set has none.
        source: The place of its first caption, e.g. `"captions.csv:7"`; ignored when records are compared.
        sources: The place of each caption, in a record that was read; likewise ignored.
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

    def _repr_html_(self) -> str:
        return record_html(self)


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question about one picture, with its answers.

    Example:
        >>> QuestionRecord(Path("images/1.jpg"), "1.jpg", "what is it?", ("dog", "dog", "puppy"), "1").answers[2]
        'puppy'

    Args:
        image: The path of the picture.
        image_id: The name that groups and splits use.
        question: The question, as written.
        answers: The answer of each annotator, as written; one in many data sets, none if answers are kept secret.
        question_id: The name that results use; unique in a data set.
        question_type: The data set's name for this kind of question, e.g. `"how many"`.
        answer_type: The data set's name for this kind of answer, e.g. `"yes/no"`.
        split: `"train"`, `"valid"`, `"test"`, or `None` if the data set has none.
        source: The place of the question, e.g. `"questions.csv:7"`; ignored when records are compared.
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

    def _repr_html_(self) -> str:
        return record_html(self)


CONTEXT, SHOWN = 256, 60  # bytes before a passage that a model reads first, and characters of them that are shown


@dataclass(frozen=True, slots=True)
class TextRecord:
    """One passage of a text file, which is read when it is asked for; or a prompt, which is no passage of any.

    Example:
        >>> record = TextRecord(Path("verses.txt"), "verses.txt", 0, 11, split="train")
        >>> record.text, TextRecord.of("ROMEO:").context
        ('roses are r', 'ROMEO:')

    Args:
        path: The file; `None` for a prompt.
        document: The name of the file that results use.
        start: Its first byte, the first of a character.
        stop: The byte after its last.
        checksum: CRC-32 of its bytes, for the digest of a data set.
        split: `"train"`, `"valid"` or `"test"`.
        prompt: The text of a prompt.
        source: The place of its first line, e.g. `"verses.txt:7"`; ignored when records are compared.
    """

    path: Path | None
    document: str
    start: int = 0
    stop: int = 0
    checksum: int = 0
    split: str | None = None
    prompt: str = ""
    source: str = field(default="", compare=False)

    noun: ClassVar[str] = "text"
    image: ClassVar[None] = None

    @classmethod
    def of(cls, prompt: str) -> TextRecord:
        """Makes the record of a prompt."""
        return cls(None, prompt, prompt=prompt)

    @property
    def id(self) -> str:
        """The name that results use: the file's and the first byte, or the prompt."""
        return self.document if self.path is None else f"{self.document}:{self.start}"

    @property
    def group(self) -> str:
        """What is split and resampled together: the passage."""
        return self.id

    @property
    def text(self) -> str:
        """The passage, with line feeds at the ends of lines; that of a prompt is empty."""
        return "" if self.path is None else read_part(self.path, self.start, self.stop)

    @property
    def context(self) -> str:
        """What stands before the passage, up to `CONTEXT` bytes; of a prompt, the prompt."""
        if self.path is None:
            return self.prompt
        return read_part(self.path, max(0, self.start - CONTEXT), self.start)

    @property
    def input(self) -> str:
        """The end of the text that goes into a model."""
        return self.prompt or self.context[-SHOWN:]

    @property
    def references(self) -> tuple[str, ...]:
        """What a model's output is scored against: the passage."""
        return () if self.path is None else (self.text,)

    @property
    def content(self) -> tuple[Any, ...]:
        """What a model is trained on, for the digest of a data set."""
        return self.document, self.start, self.stop, self.checksum, self.prompt


def read_part(path: Path, start: int, stop: int) -> str:
    """Reads the bytes from `start` to `stop` of a UTF-8 file, without a part of a character at the start."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(stop - start)
    while data and data[0] & 0xC0 == 0x80:
        data = data[1:]
    return data.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace").replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class Analogy:
    """An analogy question to word vectors: the first word is to the second as the third is to which?

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
    """Two words and their similarity as people rate it.

    Example:
        >>> WordPair("tiger", "cat", 7.35).score
        7.35

    Args:
        first: A word.
        second: Another word.
        score: Their similarity; every data set has its own scale.
    """

    first: str
    second: str
    score: float


def record_html(record: Any) -> str:
    """Shows a record in a notebook: a small picture, if its file can be read, and its texts."""
    from mmtoolkit.html import escape, thumbnail

    shown = thumbnail(record.image) if record.image.is_file() else escape(str(record.image))
    texts = [record.input, *record.references]
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts if text)
    return f"<figure>{shown}<figcaption>{escape(record.id)}<ul>{lines}</ul></figcaption></figure>"


def is_inside(image: Path, data: Path) -> bool:
    """Checks whether a picture is in the folder of the data, or below it; a link there counts as what it leads to.

    Example:
        >>> [is_inside(Path(image), Path("data")) for image in ("data/images/1.png", "data/../1.png")]
        [True, False]

    Args:
        image: The picture's file.
        data: The folder, or a table in it.
    """
    folder = data.parent if data.is_file() else data
    return Path(os.path.abspath(image)).is_relative_to(os.path.abspath(folder))


def digest(records: Iterable[Any]) -> str:
    """Computes the SHA-256 of the records' content, in order."""
    content = json.dumps([record.content for record in records])
    return hashlib.sha256(content.encode()).hexdigest()


def texts(records: Iterable[CaptionRecord]) -> list[str]:
    """Returns all captions of the records, in order.

    Example:
        >>> texts([CaptionRecord(Path("1.jpg"), "1", ("a dog", "a cat"))])
        ['a dog', 'a cat']
    """
    return [caption for record in records for caption in record.captions]


def is_embedded(record: Any, data: Path | None) -> bool:
    """Checks whether a record's picture belongs on a page: an untrusted table may name any file."""
    image = getattr(record, "image", None)
    return data is None or image is None or is_inside(image, data)


def fingerprint(references: Sequence[str]) -> str:
    """Hashes the references of a record, by which two reports recognise it as the same.

    Example:
        >>> fingerprint(["a dog runs"])
        'b92d2d94a4'
    """
    return hashlib.sha256(json.dumps(list(references)).encode()).hexdigest()[:10]
