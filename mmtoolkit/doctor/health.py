"""Examines a whole data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mmtoolkit.doctor.duplicates import duplicates
from mmtoolkit.doctor.findings import ERRORS, Finding, Health
from mmtoolkit.doctor.pictures import Progress, inspect_pictures
from mmtoolkit.doctor.texts import Text, answer_table, text_findings, vocabulary_table
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import most_frequent_answer
from mmtoolkit.readers import Fault, split
from mmtoolkit.readers.splits import Example as Splittable
from mmtoolkit.task import Example


class Record(Example, Splittable, Protocol):
    """An example with texts that can be examined."""

    @property
    def noun(self) -> str:
        """What a text is, e.g. `"caption"`."""

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Each text with the place where it was read."""


def examine(
    records: Sequence[Record], faults: Sequence[Fault] = (), *, seed: int = 0, progress: Progress | None = None
) -> Health:
    """Examines a data set: its pictures, their texts, and the vocabulary and answers a model could learn from them.

    Example:
        >>> records, faults = load_captions("my_photos", on_error="skip")     # doctest: +SKIP
        >>> examine(records, faults).scores                                     # doctest: +SKIP
        {'errors': 0, 'warnings': 2}

    Args:
        records: Its usable records.
        faults: The faults that its reader left out.
        seed: The seed of the cut into splits, if it names none.
        progress: Called with (done, total) while pictures are read.

    Raises:
        InputError: The package imagehash is not installed.
    """
    owners = {record.image: (record.group, record.split) for record in records}
    pictures = inspect_pictures(list(owners), progress)
    findings: list[Finding] = []
    for fault in faults:
        message, source = (str(fault), "") if fault.whole else (fault.reason, fault.source)
        findings.append(Finding(fault.kind, message, fault.image, source))
    for path, info in pictures.items():
        findings += [Finding(kind, message, owners[path][0], path=path) for kind, message in info.oddities]
    findings += duplicates(pictures, owners)
    findings += text_findings(texts_of(records))
    counts = {"pictures": len(owners), "rows": sum(len(texts_of([record])) for record in records)}
    order = {kind: place for place, kind in enumerate(ERRORS)}
    findings.sort(key=lambda finding: (order.get(finding.kind, len(order)), finding.kind))
    return Health(findings, figures_of(records, seed), counts)


def texts_of(records: Sequence[Record]) -> list[Text]:
    """Returns all captions or questions, each with its place."""
    return [
        Text(text, record.group, source, record.noun, answer_to(record))
        for record in records
        for text, source in record.texts
    ]


def answer_to(record: Record) -> str:
    """Returns the most frequent answer to the input of a record; empty if it has no input or no answers."""
    return most_frequent_answer(record.references) if record.input and record.references else ""


def figures_of(records: Sequence[Record], seed: int) -> dict[str, list[list[str]]]:
    """Returns tables of what vocabularies and lists of answers would cover; empty if the data cannot be split."""
    try:
        parts = split(records, seed=seed)
    except InputError:
        return {}
    train, valid = parts.train, parts.valid or parts.test
    written = ([text.text for text in texts_of(part)] for part in (train, valid))
    tables = {"Vocabulary": vocabulary_table(*written)}
    answered = [[answer_to(record).lower() for record in part if answer_to(record)] for part in (train, valid)]
    return tables | ({"Answers": answer_table(answered[0], answered[1])} if all(answered) else {})
