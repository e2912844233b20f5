"""Scores a trained model on a data set."""

from __future__ import annotations

import contextlib
import json as json_format
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.files import write_json
from mmtoolkit.pipelines.captioning import image_source, load_captioner, readable, search, tell_left_out
from mmtoolkit.pipelines.command import check_target, progress_bar, run, scores_text, start_tensorflow, tell
from mmtoolkit.pipelines.runs import digest
from mmtoolkit.readers import (
    Fault,
    NoSuchSplit,
    OnError,
    UsableCaptions,
    none_left,
    split_name,
    usable_captions,
    write_quarantine,
)


def main(
    *,
    preset: str,
    data: Path,
    split: str | None = None,
    out: Path | None = None,
    vgg19_weights: str | None = None,
    features: Path | None = None,
    on_error: OnError = "fail",
    beam: int | None = None,
    length_penalty: float | None = None,
    groups: int | None = None,
    diversity: float | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    json: bool = False,
    overwrite: bool = False,
) -> int:
    """Scores a trained model on a data set.

    Prints the scores; the report has their intervals and the share of unique captions besides.

    Args:
        preset: Name of a shipped preset, or the path of one.
        data: The data set, in any form that `caption` takes.
        split: The split to score: train, valid (dev, val), test or all, the default. Of the data that a preset
            was trained on, also one that the training cut itself.
        out: JSON file for the report.
        vgg19_weights: VGG19 weights; by default those the preset was trained with, or where the cache lacks them the
            published ones.
        features: Folder of the feature store; in the cache by default.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in REPORT.quarantine.jsonl beside the report.
        beam: Width of the search, in place of the preset's own.
        length_penalty: Power of the length by which log-probabilities are divided, in place of the preset's own.
        groups: Diverse beam search: parts of the beam, each drawn away from the words of the ones before it; the beam
            is a multiple of them.
        diversity: What a word costs a group for each earlier one that says it at the same place (0.5).
        temperature: Draw the words instead of searching for them; below 1 likely ones become likelier.
        top_k: Draw among so many likeliest words.
        top_p: Draw among the likeliest words that together have this probability.
        seed: Start of the random numbers of a draw (0).
        json: Print the report as one JSON object.
        overwrite: Replace the file of --out if it is there.
    """
    check_places(out, on_error, overwrite=overwrite)
    start_tensorflow()
    captioner = load_captioner(preset, vgg19_weights)
    decoding = search(
        captioner,
        beam=beam,
        length_penalty=length_penalty,
        groups=groups,
        diversity=diversity,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    records, faults = records_of(data, split=split, card=captioner.card, on_error=on_error)
    source, unreadable = image_source(
        captioner.extractor, captioner.image_size, records, features=features, on_error=on_error
    )
    records, faults = readable(records, unreadable), [*faults, *unreadable]
    tell_left_out(faults)
    if not records:
        raise none_left(data, faults)
    report = mm.evaluate_captions(
        captioner,
        records,
        source=source,
        decoding=decoding,
        progress=progress_bar("captions"),
    )
    report |= {"data": str(data), "split": split or "all", "left_out": len(faults), "preset": str(preset)}
    seen = captioner.extractor
    report |= {"vgg19_sha256": seen.weights if seen else None, "precision": captioner.compute_dtype}
    if out:
        write_report(out, report, faults if on_error == "quarantine" else None)
    text = json_format.dumps(report, indent=1, ensure_ascii=False)
    print(text if json else scores_text(report["scores"]))
    return 0


def check_places(out: Path | None, on_error: OnError, *, overwrite: bool) -> None:
    """Refuses, before any work, a report that would be lost, and a quarantine without a place.

    Raises:
        mm.InputError: There is a file or a folder already, or no --out to write beside.
    """
    check_target("--out", out, overwrite=overwrite)
    if on_error == "quarantine":
        if not out:
            raise mm.InputError(
                "--on-error quarantine writes beside --out. Received: no --out; name a report, or use skip."
            )
        check_target("--out", quarantine(out), overwrite=overwrite)


def records_of(data: Path, *, split: str | None, card: Mapping[str, Any], on_error: OnError) -> UsableCaptions:
    """The records of a split: of the data that the preset was trained on as its training cut it, else as named there.

    Raises:
        mm.InputError: There is no such split.
    """
    if split in (None, "all"):
        return usable_captions(data, on_error=on_error)
    with contextlib.suppress(mm.InputError):  # the pictures of other splits need not be there
        records, faults = usable_captions(data, on_error=on_error)
        parts = mm.split(records, seed=card.get("seed", 0))
        part = getattr(parts, split_name(split))
        if part and card.get("data_sha256") == digest([record for part in parts for record in part]):
            return UsableCaptions(part, faults)
    try:
        return usable_captions(data, splits=(split,), on_error=on_error)
    except NoSuchSplit as error:
        if "data_sha256" not in card:
            raise
        raise mm.InputError(f"{error} It is not as the training found it, so its cut cannot be made again.") from error


def write_report(out: Path, report: dict[str, Any], faults: Sequence[Fault] | None) -> None:
    """Writes the report, and beside it the faults where there is a list of them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, report)
    tell(f"report: {out}")
    if faults is not None:
        write_quarantine(quarantine(out), faults)
        tell(f"left out: {quarantine(out)}")


def quarantine(out: Path) -> Path:
    """The file beside a report for what was left out."""
    return out.with_suffix(".quarantine.jsonl")


if __name__ == "__main__":
    run(main)
