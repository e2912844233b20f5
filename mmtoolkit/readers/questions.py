"""Reads questions and answers about pictures into records: VQA, easy-VQA, DAQUAR, and your own tables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.readers.data_files import splits_of
from mmtoolkit.readers.exclusions import read_exclusions
from mmtoolkit.readers.faults import Fault, OnError, check_quarantine, none_left, policy, report_faults
from mmtoolkit.readers.images import check_missing
from mmtoolkit.readers.question_files import open_questions, questions_files
from mmtoolkit.readers.rows import Ids, QuestionRow, nfc
from mmtoolkit.readers.splits import check_has_splits, wanted_splits
from mmtoolkit.records import QuestionRecord


class UsableQuestions(NamedTuple):
    """The records of a data set, and the faults that were left out."""

    records: list[QuestionRecord]
    faults: list[Fault]


def read_questions(
    path: str | os.PathLike[str],
    *,
    splits: Iterable[str] | None = None,
    on_error: OnError = "fail",
    quarantine: str | os.PathLike[str] | None = None,
    exclude: str | os.PathLike[str] | None = None,
) -> list[QuestionRecord]:
    """Reads a data set of questions about pictures: one record for each question, in the order of its files.

    Formats: VQA v1 and v2 (`v2_OpenEnded_mscoco_train2014_questions.json` with its annotations, pictures in
    `train2014/`), easy-VQA (`train/questions.json`, `test/questions.json`), DAQUAR (`qa_train.txt`, `qa_test.txt`, or
    their published names), and CSV or JSON Lines with `image,question,answer[,split][,id]`: the file, or the folder
    that holds it, also one of a single split; and tables and JSON lists that have these fields by the names of
    `columns.NAMES`, such as those of VizWiz, CLEVR, TextVQA and GQA. A test split, or a table without the column, needs
    no answers. Pictures are searched for beside the file, then in `images/` and in the
    folders of the published sets.

    Example:
        >>> record = read_questions("my_photos")[0]
        >>> record.question, record.answers, record.split
        ('how many shapes are there?', ('3',), 'train')

    Args:
        path: A folder or a file of questions.
        splits: The splits to keep, such as `("valid",)`; all by default. The pictures of others need not exist.
        on_error: `"fail"` raises the first fault; `"skip"` leaves all faults out and warns of them; `"quarantine"`
            also writes them to a file.
        quarantine: That file, in JSON Lines; each line has `image`, `source` (file and line) and `reason`.
        exclude: Such a file, of what to leave out from the start; a line without `source` is a whole picture.

    Raises:
        InputError: The first fault, with its file and line; under the other policies, what cannot be left out: no such
            file, a missing column, nothing that is usable.
    """
    check_quarantine(on_error, quarantine)
    records, faults = load_questions(path, splits=splits, on_error=on_error, exclude=exclude)
    report_faults(faults, quarantine)
    return records


def load_questions(
    path: str | os.PathLike[str],
    *,
    splits: Iterable[str] | None = None,
    on_error: OnError = "fail",
    exclude: str | os.PathLike[str] | None = None,
) -> UsableQuestions:
    """Loads the records of `read_questions` with the faults that were left out, without warning of them."""
    on_fault, faults = policy(on_error)
    excluded = read_exclusions(exclude, faults)
    on_fault = excluded.filtering(on_fault)
    wanted = None if splits is None else wanted_splits(splits)
    ids = Ids({}, {})
    paths = questions_files(Path(path))
    files = [open_questions(file, on_fault, ids, named) for file, named in zip(paths, splits_of(paths), strict=True)]
    rows = [(file, row) for file in files for row in excluded.kept(file.rows, file.find)]
    if not rows:
        raise none_left(files[0].path, faults, "question")
    if wanted is not None:
        check_has_splits(wanted, {row.split for _, row in rows}, files[0].path)
        rows = [(file, row) for file, row in rows if row.split in wanted]
    records: list[QuestionRecord] = []
    names: dict[Path, str] = {}  # of each picture as its first question has it: 1.jpg and ./1.jpg are one picture
    missing: dict[Path, dict[str, str]] = {}  # of each file: picture -> the place that names it first
    for file, row in rows:
        if picture := file.find(row.image):
            name = row.image_id or names.setdefault(picture, nfc(row.image))
            records.append(record_of(row, picture, name))
        else:
            missing.setdefault(file.path, {}).setdefault(row.image, row.source)
    for file in files:
        pictures = [(source, image) for image, source in missing.get(file.path, {}).items()]
        check_missing(pictures, file.folder, file.folders, on_fault)
    if not records:
        raise none_left(files[0].path, faults, "question")
    return UsableQuestions(records, faults)


def load_asked(path: str | os.PathLike[str], *, splits: Iterable[str] | None = None) -> UsableQuestions:
    """Loads the questions of a data set whether or not their pictures are there, and the faults of those left out."""
    faults: list[Fault] = []
    ids = Ids({}, {})
    wanted = None if splits is None else wanted_splits(splits)
    paths = questions_files(Path(path))
    names = zip(paths, splits_of(paths), strict=True)
    files = [open_questions(file, faults.append, ids, named) for file, named in names]
    rows = [row for file in files for row in file.rows if wanted is None or row.split in wanted]
    return UsableQuestions([record_of(row, Path(row.image), row.image_id or nfc(row.image)) for row in rows], faults)


def record_of(row: QuestionRow, picture: Path, image_id: str) -> QuestionRecord:
    """Returns the record of a row whose picture was found."""
    return QuestionRecord(
        image=picture,
        image_id=image_id,
        question=row.question,
        answers=row.answers,
        question_id=row.id or row.source.rpartition("/")[2],
        question_type=row.question_type,
        answer_type=row.answer_type,
        split=row.split,
        source=row.source,
    )
