"""The folder of a training run: what may be written there, and what a new run takes away."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mmtoolkit.cli.command import tell
from mmtoolkit.cli.options import Run
from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically
from mmtoolkit.readers import Fault, Splits, split, write_quarantine
from mmtoolkit.records import CaptionRecord, QuestionRecord

RecordT = TypeVar("RecordT", CaptionRecord, QuestionRecord)

QUARANTINE = "quarantine.jsonl"
TWIN = "question_only"  # the folder of a model's question-only twin, in a run and in a preset
CHECKPOINT = "checkpoints/last.h5"
WANTED = 20  # pictures: with fewer, fine-tuning has too little to learn from and to choose by
STAGES = "stage-[0-9]"  # the folders of a fine-tuning's stages, each like a run's
REPORTS = ("report.json", "report.html", "report.csv")
RUN = (*REPORTS, "config.yaml", QUARANTINE, CHECKPOINT, "logs/events.*", "samples/epoch-*")
PLACES = {"out", "data", "exclude", "features", "vgg19_weights"}  # what is in them is compared, not where it is
PASSING = {*PLACES, "on_error", "checkpoint_every", "deterministic", "no_twin"}


def claim(out: Path, *, overwrite: bool) -> None:
    """Refuses the folder of a run that holds something; what is in it stays until there is something to put there.

    Raises:
        InputError: It is no folder, or holds files and `overwrite` is off.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out expects a folder. Received: {out}, a file; name another.")
    if is_stopped(out) and not overwrite:
        raise InputError(
            f"{out} holds a training that was stopped; add --resume to go on with it, or name another --out."
        )
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise InputError(f"--out expects a new or empty folder. Received: {out}; name another or add --overwrite.")


def begin(out: Path, options: Mapping[str, Any], faults: Sequence[Fault], *, keep: bool) -> None:
    """Makes the folder of a run, takes an earlier run out of it unless that goes on, and writes down what is known.

    Args:
        out: The folder.
        options: The options of the run, written where `--config` finds them.
        faults: What of the data is left out.
        keep: Whether the run in the folder goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    if keep:
        from mmtoolkit.presets import settle  # brings TensorFlow

        settle(out / "preset")
        settle(out / TWIN / "preset")
        for partial in checkpoint_in(out).parent.glob(".*.part"):
            partial.unlink()
    else:
        clear(out)
    settings = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode()
    write_atomically(out / "config.yaml", lambda file: file.write(settings))
    if options["on_error"] == "quarantine":
        write_quarantine(out / QUARANTINE, faults)
        tell(f"left out: {out / QUARANTINE}")


def is_finished(out: Path, options: Mapping[str, Any]) -> bool:
    """Whether there is nothing to resume, which is told; `auto` and nothing fit what they became in the finished run.

    Raises:
        InputError: It was made with other options; they are named.
    """
    if not (out / "report.json").is_file():
        return False
    made = yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))
    other = [
        f"{name} {made[name]}, now {value}"
        for name, value in lasting(options).items()
        if name in made and value not in (made[name], "auto", None)
    ]
    if other:
        raise InputError(
            f"{out} holds a finished run of other options: {', '.join(other)}. Name another --out, or add --overwrite "
            "in place of --resume."
        )
    tell(f"nothing to resume: the run in {out} is finished")
    return True


def clear(out: Path) -> None:
    """Takes a run out of its folder; other files stay."""
    for pattern in RUN:
        for path in out.glob(pattern):
            path.unlink()
    for folder in (out / "preset", *out.glob(".preset.*"), out / TWIN, *out.glob(STAGES)):
        shutil.rmtree(folder, ignore_errors=True)


def checkpoint_in(out: Path) -> Path:
    """The checkpoint of a run."""
    return out / CHECKPOINT


def is_stopped(out: Path) -> bool:
    """Whether a run, or a stage of it, can be gone on with."""
    return checkpoint_in(out).is_file() or any(out.glob(f"{STAGES}/{CHECKPOINT}"))


def forget_checkpoint(out: Path) -> None:
    """Takes the checkpoint of a finished run away."""
    checkpoint_in(out).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another file is in the folder, or there is none
        checkpoint_in(out).parent.rmdir()


def resolved(options: Run) -> dict[str, Any]:
    """The options as plain values for config.yaml; what belongs to one call only is left out."""
    kept = {name: value for name, value in vars(options).items() if name not in ("overwrite", "resume")}
    plain = {Path: str, tuple: list}
    return {
        name: next((make(value) for kind, make in plain.items() if isinstance(value, kind)), value)
        for name, value in kept.items()
    }


def lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options on which the weights depend, places apart: a resumed run must have the same."""
    return {name: value for name, value in options.items() if name not in PASSING}


def digest(records: Sequence[CaptionRecord] | Sequence[QuestionRecord]) -> str:
    """The SHA-256 of what is learnt from, in order: image ids and captions, say."""
    content = json.dumps([record.content for record in records])
    return hashlib.sha256(content.encode()).hexdigest()


def answered(records: Sequence[RecordT]) -> list[RecordT]:
    """What can be learnt from: captions, and the questions that have answers."""
    return [record for record in records if getattr(record, "answers", True)]


def cut_as_trained(records: Sequence[RecordT], card: Mapping[str, Any]) -> tuple[Splits[RecordT], bool]:
    """The splits that the training on a card makes of a data set, and whether it is the data of that training."""
    splits = split(answered(records), seed=card.get("seed", 0), valid_share=card.get("valid_share", 0.1))
    return splits, card.get("data_sha256") == digest([record for part in splits for record in part])


def start_deterministic() -> None:
    """Makes TensorFlow add up in the same order at every run."""
    import tensorflow

    tensorflow.config.experimental.enable_op_determinism()
