"""The examination of a whole data set."""

from __future__ import annotations

from collections.abc import Sequence

from mmtoolkit.doctor.duplicates import duplicates
from mmtoolkit.doctor.findings import ERRORS, Finding, Health
from mmtoolkit.doctor.pictures import Progress, look_at_all
from mmtoolkit.doctor.texts import Text, answer_table, text_findings, vocabulary_table
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import most_frequent_answer
from mmtoolkit.readers import Fault, split
from mmtoolkit.records import CaptionRecord, QuestionRecord

Record = CaptionRecord | QuestionRecord


def examine(
    records: Sequence[CaptionRecord] | Sequence[QuestionRecord],
    faults: Sequence[Fault] = (),
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Health:
    """Examines a data set: its pictures, what is written about them, and what a model could learn from it.

    Example:
        >>> records, faults = load_captions("my_photos", on_error="skip")     # doctest: +SKIP
        >>> examine(records, faults).scores                                     # doctest: +SKIP
        {'errors': 0, 'warnings': 2}

    Args:
        records: What can be used of it.
        faults: What its reader left out.
        seed: Of the cut, where it names no splits.
        progress: Called with (done, total) while pictures are read.

    Raises:
        InputError: The package imagehash is not installed.
    """
    owners = {record.image: (record.image_id, record.split) for record in records}
    looks = look_at_all(list(owners), progress)
    found = [
        Finding(fault.kind, str(fault), fault.image)
        if fault.whole
        else Finding(fault.kind, fault.reason, fault.image, fault.source)
        for fault in faults
    ]
    for path, look in looks.items():
        found += [Finding(kind, told, owners[path][0], path=path) for kind, told in look.oddities]
    found += duplicates(looks, owners)
    found += text_findings(texts_of(records))
    counts = {"pictures": len(owners), "rows": sum(len(texts_of([record])) for record in records)}
    order = {kind: place for place, kind in enumerate(ERRORS)}
    found.sort(key=lambda finding: (order.get(finding.kind, len(order)), finding.kind))
    return Health(found, figures_of(records, seed), counts)


def texts_of(records: Sequence[Record]) -> list[Text]:
    """All captions or questions, each with its place."""
    found = []
    for record in records:
        if isinstance(record, CaptionRecord):
            places = record.sources or (record.source,) * len(record.captions)
            found += [
                Text(caption, record.image_id, source) for caption, source in zip(record.captions, places, strict=True)
            ]
        else:
            answer = most_frequent_answer(record.answers) if record.answers else ""
            found.append(Text(record.question, record.image_id, record.source, "question", answer))
    return found


def figures_of(records: Sequence[Record], seed: int) -> dict[str, list[list[str]]]:
    """Tables of what vocabularies and lists of answers would cover; none where the data cannot be cut."""
    try:
        parts = split(records, seed=seed)
    except InputError:
        return {}
    train, valid = parts.train, parts.valid or parts.test
    written = ([text.text for text in texts_of(part)] for part in (train, valid))
    tables = {"Vocabulary": vocabulary_table(*written)}
    answered = [
        [
            most_frequent_answer(record.answers).lower()
            for record in part
            if isinstance(record, QuestionRecord) and record.answers
        ]
        for part in (train, valid)
    ]
    return tables | ({"Answers": answer_table(answered[0], answered[1])} if all(answered) else {})
