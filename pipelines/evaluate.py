"""Evaluates a trained model on a data set."""

from __future__ import annotations

import contextlib
import json as json_format
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, progress_bar, run, scores_text, tell, warn
from mmtoolkit.cli.options import Data, Page, Preset, Printing, Replacing, Searching, Store, values
from mmtoolkit.files import write_atomically
from mmtoolkit.readers import (
    Fault,
    NoSuchSplit,
    OnError,
    left_out,
    none_left,
    split_as_trained,
    split_name,
    write_quarantine,
)
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Output, Task

PAGE, TABLE = ".html", ".csv"  # beside the JSON file


@dataclass(frozen=True, kw_only=True)
class Options(Preset, Data, Store, Searching, Page, Printing, Replacing):
    """The options of `mmtoolkit evaluate`.

    Args:
        data: The data set, in any form that `caption` takes, or `vqa` for a question-answerer.
        split: The split to score: train, valid (dev, val), test or all, the default. Of the data that a preset
            was trained on, also one that the training cut itself.
        out: JSON file for the report; its page to look at and the table of all that was said are written beside it, as
            .html and .csv.
        results: JSON file for the answers in the form of the VQA evaluation server, also to questions whose answers
            are secret; it has all questions, those without a picture with the most frequent answer to their kind.
        embed_outside: Put pictures into the page of --out that are not in the data's folder; without it the page has
            their names only.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in REPORT.quarantine.jsonl beside the report.
        exclude: A list of rows and pictures to leave out, as doctor --quarantine writes it. A split that the training
            cut itself needs the list of the training.
    """

    split: str | None = None
    out: Path | None = None
    results: Path | None = None
    embed_outside: bool = False


def main(options: Options) -> int:
    """Scores a trained model on a data set.

    Prints the scores; the report has their intervals besides, what simpler captions or answers score, and the share of
    the pictures that are unlike those of the training.
    """
    data, out, on_error = options.data, options.out, options.on_error
    check_places(out, on_error, overwrite=options.overwrite)
    check_target("--results", options.results, ending=".json", overwrite=options.overwrite)
    start_tensorflow()
    from mmtoolkit.data import source_for
    from mmtoolkit.data.image_sources import readable
    from mmtoolkit.evaluation import out_of_distribution
    from mmtoolkit.reports import save_report
    from mmtoolkit.scenes import evaluate_pointing, pointing_text

    model = mm.load(options.preset, encoder_weights=options.encoder_weights, warn=warn)
    task = mm.task_of(model)
    search = search_for(task, model, options)
    records, faults, train_records = records_of(task, options, card=model.card)
    loaded = records
    progress = progress_bar("features" if model.extractor else "pictures")
    source, unreadable = source_for(model, records, features=options.features, on_error=on_error, progress=progress)
    records = readable(records, unreadable)
    if faults := [*faults, *unreadable]:
        warn(left_out(faults))
    if not records:
        raise none_left(data, faults, task.record_noun)
    predictions = predictions_of(task, model, records, source, search, results=options.results)
    if options.results:
        asked, bad_rows = all_asked(task, options, loaded, same_data=bool(train_records))
        write_results(options.results, task, model, predictions, asked, bad_rows)
    report = report_on(task, model, records, source, search, train_records, predictions, options.results)
    report |= out_of_distribution(model, records, source)
    outputs = {row["id"]: row["output"] for row in report.get("rows", ())}
    scored = [record for record in records if record.id in outputs]
    if pointing := evaluate_pointing(task, model, scored, outputs, source=source, data=data):
        report["pointing"] = pointing
        tell(pointing_text(pointing))
    report |= {"data": str(data), "split": options.split or "all", "left_out": len(faults), "preset": options.preset}
    if out:
        shown = None if options.embed_outside else data
        about = {"model": model, "records": records, "source": source, "data": shown}
        save_report(out, task, report, **about, language=options.fixed)
        tell(f"report: {out}" + (f"; to look at: {out.with_suffix(PAGE)}" if report.get("rows") else ""))
        if on_error == "quarantine":
            write_quarantine(quarantine(out), faults)
            tell(f"left out: {quarantine(out)}")
    report = {name: value for name, value in report.items() if name != "rows"} | depends_on(model, records)
    text = json_format.dumps(report, indent=1, ensure_ascii=False)
    scores = scores_text(task.metric, report["scores"])
    print(text if options.json else scores, end="\n" if options.json or report["scores"] else "")
    return 0


def depends_on(model: Any, records: Sequence[Any]) -> dict[str, Any]:
    """Returns what a report depends on: the digest of the records, and what the model's outputs depend on."""
    from mmtoolkit.records import digest

    return {"data_sha256": digest(records), **model.provenance}


def check_places(out: Path | None, on_error: OnError, *, overwrite: bool) -> None:
    """Refuses, before any work, a report that would be lost, and a quarantine without a place.

    Raises:
        mm.InputError: There is a file or a folder already, or no --out to write beside.
    """
    check_target("--out", out, ending=".json", overwrite=overwrite)
    for beside in (out.with_suffix(PAGE), out.with_suffix(TABLE)) if out else ():
        check_target("--out", beside, overwrite=overwrite)
    if on_error == "quarantine":
        if not out:
            raise mm.InputError(
                "--on-error quarantine writes beside --out. Received: no --out; name a report, or use skip."
            )
        check_target("--out", quarantine(out), overwrite=overwrite)


def search_for(task: Task[Any], model: Any, options: Options) -> Any:
    """Returns the search that is asked for, with as many outputs as grades need.

    Raises:
        mm.InputError: An option is not for this task.
    """
    if options.results and task.results({}) is None:
        raise mm.InputError(
            f"--results is for presets that answer questions. Received: {options.preset}, of {task.name}; "
            "leave the option out."
        )
    return task.choose_search(model, task.candidates(model), values(options, Searching))


def predictions_of(
    task: Task[Any], model: Any, records: Sequence[Any], source: Any, search: Any, *, results: Path | None
) -> dict[str, list[Output]]:
    """Predicts the outputs of all records.

    Raises:
        mm.InputError: There are no references to score them with, and no results to write.
    """
    if not results and not any(record.references for record in records):
        raise mm.InputError(
            f"Scores need {task.noun}s. Received: {task.record_noun}s that have none; add --results FILE."
        )
    bar = progress_bar(f"{task.noun}s")
    return mm.predict(task, model, records, source=source, search=search, progress=bar)


def report_on(
    task: Task[Any],
    model: Any,
    records: Sequence[Any],
    source: Any,
    search: Any,
    train_records: Sequence[Any],
    predictions: Mapping[str, Sequence[Output]],
    results: Path | None,
) -> dict[str, Any]:
    """Evaluates a model; without references there are no scores."""
    scored = [record for record in records if record.references]
    if not scored:
        return {"scores": {}, task.unit: len(records), "results": str(results)}
    return mm.evaluate(
        task, model, scored, source=source, search=search, predictions=predictions, train_records=train_records
    )


def all_asked(
    task: Task[Any], options: Options, loaded: Sequence[Any], *, same_data: bool
) -> tuple[Sequence[Any], list[Fault]]:
    """Returns all that an evaluation server wants an answer to, and the faults of rows that cannot be read.

    Args:
        task: The task.
        options: The options of the job.
        loaded: The records whose images are there.
        same_data: Whether these are a part that the training cut, which it does of data without faults only.
    """
    split = None if options.split in (None, "all") else options.split
    return (loaded, []) if same_data else task.asked(options.data, splits=split and (split,))


def write_results(
    path: Path,
    task: Task[Any],
    model: Any,
    predictions: Mapping[str, Sequence[Output]],
    asked: Sequence[Any],
    bad_rows: Sequence[Fault],
) -> None:
    """Writes results in the form of the task's evaluation server, which takes them only with all that it asked."""
    lost = [record for record in asked if record.id not in predictions]
    rows = task.results({**predictions, **task.guesses(model, lost)}) or []
    text = json_format.dumps(rows, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text.encode()))
    if lost:
        others = f"the most frequent {task.noun} to each: a server wants all"
        warn(f"{len(lost)} of {len(asked)} {task.unit} are left out here; {path} has {others}")
    if bad_rows:
        count = f"for rows that cannot be read ({len(bad_rows)})"
        warn(f"{path} has no {task.noun} {count}: a server takes it only with all")
    tell(f"answers to {len(rows)} questions: {path}")


def records_of(
    task: Task[Any], options: Options, *, card: Mapping[str, Any]
) -> tuple[list[Any], list[Fault], list[Any]]:
    """Loads the records of a split: of the preset's own data as its training cut it, else as named there.

    Returns:
        The records, what is left out, and what the preset was trained on where this is that data.

    Raises:
        mm.InputError: There is no such split.
    """
    split, load = options.split, partial(task.load, options.data, on_error=options.on_error, exclude=options.exclude)
    if split in (None, "all"):
        return *load(), []
    with contextlib.suppress(mm.InputError):  # the pictures of other splits need not be there
        records, faults = load()
        parts, same = split_as_trained(records, card)
        part = getattr(parts, split_name(split))
        if part and same:
            return part, faults, parts.train
    try:
        return *load(splits=(split,)), []
    except NoSuchSplit as error:
        if "data_sha256" not in card:
            raise
        raise mm.InputError(f"{error} It is not as the training found it, so its cut cannot be made again.") from error


def quarantine(out: Path) -> Path:
    """Returns the file beside a report for what was left out."""
    return out.with_suffix(".quarantine.jsonl")


if __name__ == "__main__":
    run(main)
