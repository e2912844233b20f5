"""The folder of a training run: what may be written there, and what a new run removes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmtoolkit.errors import InputError
from mmtoolkit.files import settle, write_atomically
from mmtoolkit.readers import Fault, write_quarantine

QUARANTINE = "quarantine.jsonl"
CHECKPOINT = "checkpoints/last.h5"
STAGES = "stage-[0-9]"  # the folders of a fine-tuning's stages, each like a run's
REPORTS = ("report.json", "report.html", "report.csv")
RUN = (*REPORTS, "config.yaml", QUARANTINE, CHECKPOINT, "logs/events.*", "samples/epoch-*")
PLACES = {"out", "data", "exclude", "features", "vgg19_weights"}  # what is in them is compared, not where it is
PASSING = {*PLACES, "on_error", "checkpoint_every", "deterministic", "no_twin"}


def check_free(out: Path, *, overwrite: bool) -> None:
    """Checks that a run may be written into a folder; nothing in it is removed yet.

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


def may_begin(out: Path, options: Mapping[str, Any], *, resume: bool, overwrite: bool) -> bool:
    """Checks that a run may begin or be resumed in a folder; returns whether anything is left to do there.

    Raises:
        InputError: The folder holds something else, or a finished run of other options.
    """
    if resume and is_finished(out, options):
        return False
    check_free(out, overwrite=overwrite or resume)
    return True


def begin(
    out: Path,
    options: Mapping[str, Any],
    faults: Sequence[Fault],
    *,
    keep: bool,
    companions: Sequence[str] = (),
    tell: Callable[[str], None],
) -> None:
    """Makes the folder of a run, removes an earlier run unless that is resumed, and writes the options.

    Args:
        out: The folder.
        options: The options of the run, written where `--config` finds them.
        faults: What of the data is left out; written down where `on_error` is `"quarantine"`.
        keep: Whether the run in the folder is resumed.
        companions: The names of further models, each trained in a folder of its own.
        tell: Called with the path of the list of what is left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    if keep:
        for preset in (out / "preset", *(out / name / "preset" for name in companions)):
            settle(preset)
        for partial in checkpoint_in(out).parent.glob(".*.part"):
            partial.unlink()
    else:
        clear(out, companions)
    settings = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode()
    write_atomically(out / "config.yaml", lambda file: file.write(settings))
    if options["on_error"] == "quarantine":
        write_quarantine(out / QUARANTINE, faults)
        tell(f"left out: {out / QUARANTINE}")


def is_finished(out: Path, options: Mapping[str, Any]) -> bool:
    """Returns whether the run is finished; options left open (`auto`, `None`) match any value in it.

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
    return True


def clear(out: Path, companions: Sequence[str] = ()) -> None:
    """Removes a run from its folder; other files stay."""
    for pattern in RUN:
        for path in out.glob(pattern):
            path.unlink()
    for folder in (out / "preset", *out.glob(".preset.*"), *(out / name for name in companions), *out.glob(STAGES)):
        shutil.rmtree(folder, ignore_errors=True)


def checkpoint_in(out: Path) -> Path:
    """Returns the path of a run's checkpoint."""
    return out / CHECKPOINT


def is_stopped(out: Path) -> bool:
    """Returns whether a run, or a stage of it, can be resumed."""
    return checkpoint_in(out).is_file() or any(out.glob(f"{STAGES}/{CHECKPOINT}"))


def forget_checkpoint(out: Path) -> None:
    """Removes the checkpoint of a finished run."""
    checkpoint_in(out).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another file is in the folder, or there is none
        checkpoint_in(out).parent.rmdir()


def lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options on which the weights depend, without paths: a resumed run must have the same."""
    return {name: value for name, value in options.items() if name not in PASSING}
