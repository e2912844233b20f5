"""Scores a trained model on a data set."""

from __future__ import annotations

import contextlib
import json as json_format
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, progress_bar, run, scores_text, tell
from mmtoolkit.cli.options import Data, Preset, Printing, Replacing, Searching, Store, values
from mmtoolkit.files import write_atomically
from mmtoolkit.pipelines.captioning import search
from mmtoolkit.pipelines.out_of_distribution import out_of_distribution
from mmtoolkit.pipelines.reporting import PAGE, TABLE, provenance, write_report
from mmtoolkit.pipelines.runs import cut_as_trained
from mmtoolkit.pipelines.seeing import check_answerer, load_model, load_twin, pictures_for, readable, tell_left_out
from mmtoolkit.readers import (
    Fault,
    NoSuchSplit,
    OnError,
    load_captions,
    load_questions,
    none_left,
    split_name,
    write_quarantine,
)
from mmtoolkit.startup import start_tensorflow

Usable = Callable[..., tuple[list[Any], list[Fault]]]  # reads a data set: `load_captions` or `load_questions`


@dataclass(frozen=True, kw_only=True)
class Options(Preset, Data, Store, Searching, Printing, Replacing):
    """The options of `mmtoolkit evaluate`.

    Args:
        data: The data set, in any form that `caption` takes, or `vqa` for a question-answerer.
        split: The split to score: train, valid (dev, val), test or all, the default. Of the data that a preset
            was trained on, also one that the training cut itself.
        out: JSON file for the report; its page to look at and the table of all that was said are written beside it, as
            .html and .csv.
        results: JSON file for the answers in the form of the VQA evaluation server, also to questions whose answers
            are secret.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in REPORT.quarantine.jsonl beside the report.
        exclude: A list of rows and pictures to leave out, as doctor --quarantine writes it. A split that the training
            cut itself needs the list of the training.
    """

    split: str | None = None
    out: Path | None = None
    results: Path | None = None


def main(options: Options) -> int:
    """Scores a trained model on a data set.

    Prints the scores; the report has their intervals besides, what simpler captions or answers score, and the share of
    the pictures that are unlike those of the training.
    """
    data, out, results, on_error = options.data, options.out, options.results, options.on_error
    searches = values(options, Searching)
    check_places(out, on_error, overwrite=options.overwrite)
    check_target("--results", results, ending=".json", overwrite=options.overwrite)
    start_tensorflow()
    preset, model = options.preset, load_model(options.preset, options.vgg19_weights)
    answers, decoding = isinstance(model, mm.VisualQA), None
    if answers:
        check_answerer(preset, searches)
    else:
        decoding = check_captioner(model, preset, results, searches)
    usable: Usable = partial(load_questions if answers else load_captions, on_error=on_error, exclude=options.exclude)
    records, faults, train_records = records_of(data, usable, split=options.split, card=model.card)
    source, unreadable = pictures_for(model, records, features=options.features, on_error=on_error)
    records, faults = readable(records, unreadable), [*faults, *unreadable]
    tell_left_out(faults)
    if not records:
        raise none_left(data, faults, "question" if answers else "caption")
    if answers:
        report = answers_report(model, preset, records, source, results)
    else:
        report = captions_report(model, records, source, decoding, train_records)
    report |= out_of_distribution(model, records, source)
    report |= {"data": str(data), "split": options.split or "all", "left_out": len(faults), "preset": str(preset)}
    report |= provenance(model, records)
    rows = report.pop("rows", [])
    if out:
        write_report(out, {**report, "rows": rows}, model, records, source)
        if on_error == "quarantine":
            write_quarantine(quarantine(out), faults)
            tell(f"left out: {quarantine(out)}")
    text = json_format.dumps(report, indent=1, ensure_ascii=False)
    print(text if options.json else scores_text(report["scores"]), end="\n" if options.json or report["scores"] else "")
    return 0


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


def check_captioner(
    captioner: mm.Captioner, preset: str, results: Path | None, searches: Mapping[str, Any]
) -> mm.BeamSearch | mm.Sample:
    """The search that was asked for; raises where there are results to write, which only answers have."""
    if results:
        raise mm.InputError(
            f"--results is for presets that answer questions. Received: {preset}, a captioner; leave the option out."
        )
    return search(captioner, **searches)


def captions_report(
    captioner: mm.Captioner, records: list[Any], source: Any, decoding: Any, train_records: list[Any]
) -> dict[str, Any]:
    """The report on a captioner."""
    bar = progress_bar("captions")
    return mm.evaluate_captions(
        captioner, records, source=source, decoding=decoding, train_records=train_records, progress=bar
    )


def answers_report(
    model: mm.VisualQA, preset: str, records: list[Any], source: Any, results: Path | None
) -> dict[str, Any]:
    """The report on a question-answerer, beside its question-only twin where the preset has that in it.

    Without answers to compare with it has no scores.

    Raises:
        mm.InputError: There are no answers, and no results to write.
    """
    from mmtoolkit.evaluation import answer_questions, candidates_needed

    answered = [record for record in records if record.answers]
    if not answered and not results:
        raise mm.InputError("Scores need answers. Received: questions that have none; add --results FILE.")
    found = answer_questions(
        model, records, source=source, top=candidates_needed(model), progress=progress_bar("answers")
    )
    if results:
        write_results(results, found)
    if not answered:
        return {"scores": {}, "questions": len(records), "results": str(results)}
    return mm.evaluate_answers(model, answered, source=source, twin=load_twin(preset), found=found)


def write_results(path: Path, found: Mapping[str, Sequence[mm.Answer]]) -> None:
    """Writes the answers as the VQA evaluation server takes them: `[{"question_id": 7, "answer": "red"}]`."""
    numbers = {key: int(key) if key.isdecimal() else key for key in found}
    rows = [{"question_id": numbers[key], "answer": best[0].text} for key, best in found.items()]
    text = json_format.dumps(rows, ensure_ascii=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(text.encode()))
    tell(f"answers to {len(rows)} questions: {path}")


def records_of(
    data: Path, usable: Usable, *, split: str | None, card: Mapping[str, Any]
) -> tuple[list[Any], list[Fault], list[Any]]:
    """The records of a split: of the data that the preset was trained on as its training cut it, else as named there.

    Returns:
        The records, what is left out, and what the preset was trained on where this is that data.

    Raises:
        mm.InputError: There is no such split.
    """
    if split in (None, "all"):
        return *usable(data), []
    with contextlib.suppress(mm.InputError):  # the pictures of other splits need not be there
        records, faults = usable(data)
        parts, same = cut_as_trained(records, card)
        part = getattr(parts, split_name(split))
        if part and same:
            return part, faults, parts.train
    try:
        return *usable(data, splits=(split,)), []
    except NoSuchSplit as error:
        if "data_sha256" not in card:
            raise
        raise mm.InputError(f"{error} It is not as the training found it, so its cut cannot be made again.") from error


def quarantine(out: Path) -> Path:
    """The file beside a report for what was left out."""
    return out.with_suffix(".quarantine.jsonl")


if __name__ == "__main__":
    run(main)
