"""Examines a data set before any training: what is wrong, what is odd, and what could be learnt from it."""

from __future__ import annotations

import contextlib
import datetime
import json as json_format
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit import tasks
from mmtoolkit.cli.command import aligned, check_target, progress_bar, run, shown, tell
from mmtoolkit.cli.options import Exclusion, Page, Printing, Replacing
from mmtoolkit.files import write_atomically
from mmtoolkit.readers import Excluded, Fault, write_quarantine
from mmtoolkit.scripts import is_korean

if TYPE_CHECKING:
    from mmtoolkit.doctor import Health

SHOWN = 3  # of each kind in the terminal


@dataclass(frozen=True, kw_only=True)
class Options(Exclusion, Page, Printing, Replacing):
    """The options of `mmtoolkit doctor`.

    Args:
        data: The data set, in any form that caption or vqa takes; a folder with both is examined for both.
        out: HTML page for what was found, with the pictures in it.
        quarantine: JSON Lines file of errors, doubles and texts that seem out of place, which --exclude of the other
            jobs leaves out. What is odd but usable is not among it, e.g. a picture in HEIC, or near duplicates whose
            texts differ.
        exclude: Such a file: rows and pictures to leave out from the start.
        seed: Seed of the cut into splits, where the data names none.
    """

    data: Path
    out: Path | None = None
    quarantine: Path | None = None
    seed: int = 0


def main(options: Options) -> int:
    """Examines a data set before any training: what is wrong, what is odd, and what could be learnt from it.

    Finds pictures that cannot be read, are cut off, misnamed, tiny, huge, too dark, in HEIC or in the colours of print,
    and those that no row names; doubles, to the byte or nearly, also across splits; texts that are empty, repeated,
    very long, or in another script or language than the others; and shows how many words several thresholds know, and
    what accuracy the most frequent answers allow. The exit code is 0 where all is well, 1 with warnings, 2 with errors.
    """
    data, out, quarantine = options.data, options.out, options.quarantine
    check_target("--out", out, ending=".html", overwrite=options.overwrite)
    check_target("--quarantine", quarantine, overwrite=options.overwrite)
    from mmtoolkit.doctor import examine, health_page

    records, faults = all_records(data, options.exclude)
    health = examine(records, faults, folder=data, seed=options.seed, progress=progress_bar)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        korean = is_korean(text for record in records for text, _ in record.texts)
        language = options.fixed or ("ko" if korean else "en")
        page = health_page(health, data, language=language, date=f"{datetime.date.today()}")
        write_atomically(out, lambda file: file.write(page.encode()))
        tell(f"page: {out}")
    if quarantine:
        quarantine.parent.mkdir(parents=True, exist_ok=True)
        write_quarantine(quarantine, [finding.as_fault() for finding in health.findings if not finding.usable])
        tell(f"to leave out: {quarantine}")
    print(json_format.dumps(health.as_json(), indent=1, ensure_ascii=False) if options.json else report(health))
    return health.exit_code


def all_records(data: Path, exclude: Path | None) -> tuple[list[Any], list[Fault]]:
    """Loads the records of every task in a data set, and what their readers leave out; there must be some."""
    records: list[Any] = []
    faults: list[Fault] = []
    refused: list[mm.InputError] = []
    broken: dict[Path, Fault] = {}
    read: list[Path] = []
    for task in (task for task in tasks.TASKS if task.takes == "image"):
        try:
            found, left = task.load(data, on_error="skip", exclude=exclude)
        except mm.InputError as error:
            refused.append(error)
            broken |= {
                file: Fault(str(file), str(error), kind="unreadable table") for file in there(task.files, data)[:1]
            }
        else:
            read += there(task.files, data)
            records += found
            faults += [fault for fault in left if not isinstance(fault, Excluded)]
    faults += [fault for file, fault in broken.items() if file not in read]  # captions are no table of questions
    if not records:
        raise mm.InputError(" Read otherwise: ".join(dict.fromkeys(map(str, refused))))
    return records, faults


def there(files: Callable[[Path], list[Path]], data: Path) -> list[Path]:
    """Lists the files of a kind in a folder; none where they are missing."""
    with contextlib.suppress(mm.InputError):
        return files(data) if data.is_dir() else []
    return []


def report(health: Health) -> str:
    """Formats the findings for a terminal: the kinds, the first of each, and the tables."""
    lines = [health.summary]
    for kind, count in health.kinds.items():
        findings = [finding for finding in health.findings if finding.kind == kind]
        lines += ["", f"{findings[0].level}: {kind}: {count}"]
        lines += [f"  {finding.source or finding.image}: {finding.message}" for finding in findings[:SHOWN]]
        lines += [f"  and {count - SHOWN} more"] if count > SHOWN else []
    for name, rows in health.figures.items():
        lines += ["", name, *(f"  {line}" for line in aligned(rows))]
    return "\n".join(map(shown, lines))


if __name__ == "__main__":
    run(main)
