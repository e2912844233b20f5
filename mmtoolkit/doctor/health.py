"""Examines a whole data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from mmtoolkit.doctor.duplicates import Owner, duplicates
from mmtoolkit.doctor.findings import ERRORS, Finding, Health
from mmtoolkit.doctor.pictures import Progress, inspect_pictures
from mmtoolkit.doctor.texts import Text, answer_table, length_table, text_findings, vocabulary_table
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import most_frequent_answer
from mmtoolkit.readers import Fault, split
from mmtoolkit.readers.images import pictures_below
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
    records: Sequence[Record],
    faults: Sequence[Fault] = (),
    *,
    folder: Path | None = None,
    seed: int = 0,
    progress: Callable[[str], Progress] | None = None,
) -> Health:
    """Examines a data set: its pictures, their texts, and the vocabulary and answers a model could learn from them.

    Example:
        >>> from mmtoolkit.readers import load_captions
        >>> records, faults = load_captions("my_photos", on_error="skip")
        >>> examine(records, faults).scores
        {'errors': 0, 'warnings': 0}

    Args:
        records: Its usable records.
        faults: The faults that its reader left out.
        folder: Where pictures are looked for that no record names.
        seed: The seed of the cut into splits, if it names none.
        progress: Makes, of the name of a part of the work, what is called with (done, total) in it.
    """
    owners = owners_of(records)
    pictures = inspect_pictures(list(owners), progress and progress("pictures"))
    findings: list[Finding] = []
    for fault in faults:
        message, source = (str(fault), "") if fault.whole else (fault.reason, fault.source)
        findings.append(Finding(fault.kind, message, fault.image, source))
    for path, info in pictures.items():
        findings += [Finding(kind, message, owners[path].name, path=path) for kind, message in info.oddities]
    findings += duplicates(pictures, owners, progress and progress("duplicates"))
    findings += without_text(folder, list(owners), {Path(fault.image).name for fault in faults})
    findings += text_findings(texts_of(records))
    counts = {"pictures": len(owners), "rows": sum(len(texts_of([record])) for record in records)}
    order = {kind: place for place, kind in enumerate(ERRORS)}
    findings.sort(key=lambda finding: (order.get(finding.kind, len(order)), finding.kind))
    return Health(findings, figures_of(records, seed), counts)


def owners_of(records: Sequence[Record]) -> dict[Path, Owner]:
    """Returns what the records say of each picture."""
    texts: dict[Path, set[str]] = {}
    for record in records:
        answer = answer_to(record)
        texts.setdefault(record.image, set()).update(f"{text} {answer}".strip().lower() for text, _ in record.texts)
    return {record.image: Owner(record.group, record.split, frozenset(texts[record.image])) for record in records}


def without_text(folder: Path | None, used: Sequence[Path], faulty: Collection[str]) -> list[Finding]:
    """Returns a finding for each picture in and below a folder that no row names, those of faulty rows aside."""
    if folder is None or not folder.is_dir():
        return []
    known = set(map(os.path.abspath, used))
    pictures, _ = pictures_below(folder)
    unnamed = [path for path in pictures if os.path.abspath(path) not in known and path.name not in faulty]
    message = "is named by no row; write a text for it, or let it be"
    return [Finding("no text", message, str(path.relative_to(folder)), path=path) for path in unnamed]


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
    written = [[text.text for text in texts_of(part)] for part in (train, valid)]
    tables = {"Vocabulary": vocabulary_table(*written), "Lengths": length_table([*written[0], *written[1]])}
    answered = [[answer_to(record).lower() for record in part if answer_to(record)] for part in (train, valid)]
    return tables | ({"Answers": answer_table(answered[0], answered[1])} if all(answered) else {})
