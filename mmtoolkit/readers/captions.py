"""Reads captioned data sets into records: Flickr8k, Flickr30k, COCO, and your own tables."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mmtoolkit.readers.caption_files import CaptionsFile, captions_files, open_captions
from mmtoolkit.readers.data_files import splits_of
from mmtoolkit.readers.exclusions import Exclusions, read_exclusions
from mmtoolkit.readers.faults import Fault, OnError, OnFault, check_quarantine, none_left, policy, report_faults
from mmtoolkit.readers.images import check_missing
from mmtoolkit.readers.rows import Row, nfc, place_phrase
from mmtoolkit.readers.splits import check_has_splits, wanted_splits
from mmtoolkit.records import CaptionRecord


class Missing(NamedTuple):
    """A picture that was not found: the file that names it, and its name there."""

    file: Path
    name: str


Groups = dict[Path | Missing, list[Row]]  # the rows of each picture


class UsableCaptions(NamedTuple):
    """The records of a data set, and the faults that were left out."""

    records: list[CaptionRecord]
    faults: list[Fault]


def read_captions(
    path: str | os.PathLike[str],
    *,
    splits: Iterable[str] | None = None,
    on_error: OnError = "fail",
    quarantine: str | os.PathLike[str] | None = None,
    exclude: str | os.PathLike[str] | None = None,
) -> list[CaptionRecord]:
    """Reads a captioned data set: one record for each picture, in the order of the captions file.

    Formats: Flickr8k (`Flickr8k.token.txt` with its split lists, or Kaggle's `captions.txt`), Flickr30k
    (`results_20130124.token` or Kaggle's `results.csv`, with `train.txt`, `val.txt` and `test.txt`), COCO captions
    (`annotations/captions_train2014.json` and the like), Karpathy's `dataset_*.json`, and CSV or JSON Lines with
    `image,caption[,split][,id]`, also by the names that other tools give these fields (`columns.NAMES`) and as a JSON
    list: the file, or the folder that holds it or one for each split. Pictures are searched for beside the captions
    file, then in `images/` and in the folders of the published sets.

    Example:
        >>> record = read_captions("my_photos")[0]
        >>> record.image_id, record.captions[0], record.split
        ('images/000001.png', 'two blue triangles and a blue circle', 'train')

    Args:
        path: A folder or a captions file. With split lists beside it, pictures in no list are left out.
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
    records, faults = load_captions(path, splits=splits, on_error=on_error, exclude=exclude)
    report_faults(faults, quarantine)
    return records


def load_captions(
    path: str | os.PathLike[str],
    *,
    splits: Iterable[str] | None = None,
    on_error: OnError = "fail",
    exclude: str | os.PathLike[str] | None = None,
) -> UsableCaptions:
    """Loads the records of `read_captions` with the faults that were left out, without warning of them.

    Example:
        >>> size = Path("captions.csv").write_text("image,caption\\na.jpg,a triangle\\nb.jpg,\\n")
        >>> records, faults = load_captions("captions.csv", on_error="skip")
        >>> str(faults[0])
        "captions.csv:3: expected a caption of 'b.jpg'. Received: an empty one. Write it or delete the line."
    """
    on_fault, faults = policy(on_error)
    excluded = read_exclusions(exclude, faults)
    on_fault = excluded.filtering(on_fault)
    wanted = None if splits is None else wanted_splits(splits)
    paths = captions_files(Path(path))
    files = [open_captions(file, on_fault, named) for file, named in zip(paths, splits_of(paths), strict=True)]
    groups = {picture: consistent(rows, on_fault) for picture, rows in by_picture(files, excluded).items()}
    if not groups:
        raise none_left(files[0].path, faults)
    if wanted is not None:
        check_has_splits(wanted, {rows[0].split for rows in groups.values()}, files[0].path)
        groups = {picture: rows for picture, rows in groups.items() if rows[0].split in wanted}
    for file in files:
        missing = [rows[0] for picture, rows in groups.items() if is_missing(picture, file)]
        check_missing([(row.source, row.image) for row in missing], file.folder, file.folders, on_fault)
    records = records_from(groups, on_fault)
    if not records:
        raise none_left(files[0].path, faults)
    return UsableCaptions(records, faults)


def by_picture(files: Iterable[CaptionsFile], excluded: Exclusions) -> Groups:
    """Groups the rows of all files by the path of their picture: 1.jpg and ./1.jpg are one picture."""
    groups: Groups = {}
    for file in files:
        for row in excluded.kept(file.rows, file.find):
            picture = file.find(row.image) or Missing(file.path, nfc(row.image))
            groups.setdefault(picture, []).append(row)
    return groups


def consistent(rows: list[Row], on_fault: OnFault) -> list[Row]:
    """Returns one picture's rows without those whose split or id differs from the first row's."""
    first, kept = rows[0], []
    for row in rows:
        if row.split != first.split:
            message = f"expected {row.image!r} in one split. Received: {row.split or 'none'} here and "
            message += f"{first.split or 'none'} {place_phrase(first.source)}. Correct one."
            on_fault(Fault(row.source, message, row.image))
        elif row.image_id != first.image_id:
            message = f"expected one id of {row.image!r}. Received: {row.image_id} here and {first.image_id} "
            on_fault(Fault(row.source, f"{message}{place_phrase(first.source)}. Correct one.", row.image))
        else:
            kept.append(row)
    return kept


def is_missing(picture: Path | Missing, file: CaptionsFile) -> bool:
    """Checks whether a picture is one that a file names and that was not found."""
    return isinstance(picture, Missing) and picture.file == file.path


def records_from(groups: Groups, on_fault: OnFault) -> list[CaptionRecord]:
    """Builds one record for each picture that was found; `on_fault` gets those whose id is taken."""
    sources: dict[str, str] = {}
    records = []
    for picture, rows in groups.items():
        if isinstance(picture, Missing):
            continue
        source, image_id = rows[0].source, rows[0].image_id or nfc(rows[0].image)
        if (first := sources.setdefault(image_id, source)) != source:
            message = (
                f"expected every picture's id once. Received: {image_id!r}, also {place_phrase(first)}. Rename one."
            )
            on_fault(Fault(source, message, str(picture), whole=True))
            continue
        captions = tuple(row.caption for row in rows)
        places = tuple(row.source for row in rows)
        records.append(CaptionRecord(picture, image_id, captions, rows[0].split, source, places))
    return records
