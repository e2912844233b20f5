"""Scores a trained model on a data set."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.files import write_json
from mmtoolkit.pipelines.captioning import image_source, load_captioner, readable, search, tell_left_out
from mmtoolkit.pipelines.command import check_target, progress_bar, run, scores_text, start_tensorflow, tell
from mmtoolkit.pipelines.runs import digest
from mmtoolkit.presets import read_preset
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

    Args:
        preset: Name of a shipped preset, or the path of one.
        data: The data set, in any form that `caption` takes.
        split: The split to score: train, valid (dev, val) or test; all records by default. Of the data that a preset
            was trained on, also one that the training cut itself.
        out: JSON file for the report.
        vgg19_weights: VGG19 weights, where the cache lacks the ones the preset was trained with.
        features: Folder of the feature store; in the cache by default.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in REPORT.quarantine.jsonl beside the report.
        beam: Width of the search, in place of the preset's own.
        length_penalty: Power of the length in the search, in place of the preset's own.
        groups: Diverse beam search: parts of the beam, each drawn away from the words of the ones before it.
        diversity: What a word costs a group for each earlier one that says it at the same place (0.5).
        temperature: Draw the words instead of searching for them; below 1 likely ones become likelier.
        top_k: Draw among so many likeliest words.
        top_p: Draw among the likeliest words that together have this probability.
        seed: Start of the random numbers of a draw (0).
        json: Print the report as one JSON object.
        overwrite: Replace the file of --out if it is there.
    """
    check_target("--out", out, overwrite=overwrite)
    if on_error == "quarantine" and not out:
        raise mm.InputError(
            "--on-error quarantine writes beside --out. Received: no --out; name a report, or use skip."
        )
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
    records, faults = records_of(data, split, read_preset(preset).card, on_error)
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
    if out:
        write_report(out, report, faults if on_error == "quarantine" else None)
    text = json_format.dumps(report, indent=1, ensure_ascii=False)
    print(text if json else scores_text(report["scores"]))
    return 0


def records_of(data: Path, split: str | None, card: Mapping[str, Any], on_error: OnError) -> UsableCaptions:
    """The records of a split: the one that the data names, or else the one that the preset's training cut from it.

    Raises:
        mm.InputError: There is neither.
    """
    if split is None:
        return usable_captions(data, on_error=on_error)
    try:
        return usable_captions(data, splits=(split,), on_error=on_error)
    except NoSuchSplit:
        records, faults = usable_captions(data, on_error=on_error)
        parts = mm.split(records, seed=card.get("seed", 0))
        part = getattr(parts, split_name(split))
        if not part or card.get("data_sha256") != digest([record for part in parts for record in part]):
            raise
        return UsableCaptions(part, faults)


def write_report(out: Path, report: dict[str, Any], faults: Sequence[Fault] | None) -> None:
    """Writes the report, and beside it the faults where there is a list of them."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, report)
    tell(f"report: {out}")
    if faults is not None:
        write_quarantine(out.with_suffix(".quarantine.jsonl"), faults)
        tell(f"left out: {out.with_suffix('.quarantine.jsonl')}")


if __name__ == "__main__":
    run(main)
