"""The folder of a training run: what may be written there, and what a new run removes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmtoolkit.errors import InputError
from mmtoolkit.files import settle, sweep, write_atomically
from mmtoolkit.locks import LOCK, locked
from mmtoolkit.readers import Fault, write_quarantine

QUARANTINE = "quarantine.jsonl"
CHECKPOINT = "checkpoints/last.h5"
STAGES = "stage-[0-9]"  # the folders of a fine-tuning's stages, each like a run's
REPORT = "report.json"  # written last: a run that has it is finished
REPORTS = (REPORT, "report.html", "report.csv")
RUN = (*REPORTS, "config.yaml", QUARANTINE, CHECKPOINT, "logs/events.*", "samples/epoch-*")
NEW, DONE, MOVING = ".new", ".done", ".moving"  # where a run is that replaces another one, and how far its move is
OPTIONAL = {  # options that are off by default, and what each needs where it is on
    **dict.fromkeys(
        (
            "max_minutes",
            "train_share",
            "rerank",
            "mirror",
            "crop",
            "consistency",
            "scheduled_sampling",
            "teachers",
            "region_units",
        ),
        (),
    ),
    "reward": ("reward_epochs", "reward_rate"),
    "texts": ("text_epochs",),
    "encoder_epochs": ("encoder_rate",),
}
PLACES = {"out", "data", "exclude", "features", "encoder_weights"}  # what is in them is compared, not where it is
PASSING = {*PLACES, "on_error", "checkpoint_every", "deterministic", "no_twin"}


@contextlib.contextmanager
def claimed(
    out: Path,
    options: Mapping[str, Any],
    *,
    resume: bool,
    overwrite: bool,
    companions: Sequence[str] = (),
    tell: Callable[[str], None],
) -> Iterator[Path | None]:
    """Locks the folder of a run and yields the folder to write it in: `out`, or `None` if nothing is left to do there.

    A run that replaces another one is written in `out/.new`, and takes the other's place once it has its report.

    Args:
        out: The folder.
        options: The options of the run.
        resume: Whether a stopped run is resumed.
        overwrite: Whether the run may replace what is in the folder.
        companions: The names of further models, each trained in a folder of its own.
        tell: Called with what happens to the run before.

    Raises:
        BusyError: Another process trains there.
        InputError: The folder holds something else, or a finished run of other options.
    """
    check_folder(out)
    with made(out), locked(out, "trains"):
        settle_run(out, companions)
        place = place_of(out, resume=resume)
        if resume and place == out and is_finished(out, options):
            yield None
            return
        check_free(out, overwrite=overwrite or resume)
        if place != out:
            tell(f"{out} keeps its run until the new one is finished, which is in {place} till then")
        try:
            yield place
        finally:
            if place != out and not (is_stopped(place) or (place / "preset").exists() or is_complete(place)):
                shutil.rmtree(place, ignore_errors=True)  # nothing in it to resume
        if place != out:
            settle_run(out, companions)


@contextlib.contextmanager
def made(out: Path) -> Iterator[None]:
    """Makes a folder, and removes it again at the end if it is new and nothing is in it."""
    new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if new:
            with contextlib.suppress(OSError):  # it is no longer empty
                out.rmdir()


def place_of(out: Path, *, resume: bool) -> Path:
    """Returns where the run is written that begins or is resumed in a folder; what is worth keeping stays there."""
    if resume and ((out / NEW / "config.yaml").is_file() or is_stopped(out) or is_complete(out)):
        return out / NEW if (out / NEW / "config.yaml").is_file() else out
    return out / NEW if is_complete(out) or (out / "preset").exists() else out


def check_folder(out: Path) -> None:
    """Checks that there is no file in the place of a run's folder."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out expects a folder. Received: {out}, a file; name another.")


def check_free(out: Path, *, overwrite: bool) -> None:
    """Checks that a run may be written into a folder; nothing in it is removed yet.

    Raises:
        InputError: It is no folder, or holds files and `overwrite` is off.
    """
    check_folder(out)
    if overwrite or not out.exists():
        return
    if is_stopped(out) or is_stopped(out / NEW):
        raise InputError(
            f"{out} holds a training that was stopped; add --resume to go on with it, or name another --out."
        )
    if any(path.name != LOCK for path in out.iterdir()):
        raise InputError(f"--out expects a new or empty folder. Received: {out}; name another or add --overwrite.")


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
        sweep_run(out, companions)
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
    if not is_complete(out):
        return False
    made, now = lasting(yaml.safe_load((out / "config.yaml").read_text(encoding="utf-8"))), lasting(options)
    pairs = {name: (made[name], value) for name, value in now.items() if name in made}
    pairs |= {name: (made.get(name, "none"), now.get(name, "none")) for name in OPTIONAL}
    other = [f"{name} {was}, now {value}" for name, (was, value) in pairs.items() if value not in (was, "auto", None)]
    if other:
        raise InputError(
            f"{out} holds a finished run of other options: {', '.join(other)}. Name another --out, or add --overwrite "
            "in place of --resume."
        )
    return True


def clear(out: Path, companions: Sequence[str] = ()) -> None:
    """Removes a run from its folder; other files stay."""
    sweep_run(out, companions)
    for path in parts(out, companions):
        remove(path)


def parts(out: Path, companions: Sequence[str] = ()) -> list[Path]:
    """Lists the files and folders of a run, those that a folder shares with other files one by one."""
    found = [path for pattern in RUN for path in out.glob(pattern)]
    return [*found, *filter(Path.exists, (out / "preset", *(out / name for name in companions))), *out.glob(STAGES)]


def sweep_run(out: Path, companions: Sequence[str] = ()) -> None:
    """Removes what a killed run has half written; the lock says that no other one writes there."""
    for folder in (out, *out.glob(STAGES), *(out / name for name in companions)):
        settle(folder / "preset", idle=0)
        for place in (folder, folder / "checkpoints", folder / "samples"):
            sweep(place, idle=0)


def settle_run(out: Path, companions: Sequence[str] = ()) -> None:
    """Puts a finished run in the place of the one before, from wherever a kill has stopped that; it tidies both.

    First goes what the new run has no counterpart of, then each part takes its place.
    """
    new, done, moving = out / NEW, out / DONE, out / MOVING
    if is_complete(new):
        tidy(new, companions)
        sweep_run(new, companions)
        os.replace(new, done)
    if done.is_dir():
        for path in parts(out, companions):
            if not (done / path.relative_to(out)).exists():
                remove(path)
        os.replace(done, moving)
    if moving.is_dir():
        for path in parts(moving):
            target = out / path.relative_to(moving)
            target.parent.mkdir(exist_ok=True)
            if path.is_dir() and target.exists():  # a folder cannot be replaced in one move
                os.replace(target, moving / f".old.{path.name}")
            os.replace(path, target)
        shutil.rmtree(moving)
    if is_complete(out):
        tidy(out, companions)


def tidy(out: Path, companions: Sequence[str] = ()) -> None:
    """Removes what a finished run needs no more: checkpoints, the presets of its stages, and its companions."""
    for folder in (out, *out.glob(STAGES)):
        forget_checkpoint(folder)
    for folder in (out / "stage-0", *out.glob(f"{STAGES}/preset"), *(out / name for name in companions)):
        shutil.rmtree(folder, ignore_errors=True)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def checkpoint_in(out: Path) -> Path:
    """Returns the path of a run's checkpoint."""
    return out / CHECKPOINT


def is_complete(out: Path) -> bool:
    """Returns whether a folder has the report of a run, its last file."""
    return (out / REPORT).is_file()


def is_stopped(out: Path) -> bool:
    """Returns whether a run, or a stage of it, can be resumed."""
    return not is_complete(out) and (checkpoint_in(out).is_file() or any(out.glob(f"{STAGES}/{CHECKPOINT}")))


def forget_checkpoint(out: Path) -> None:
    """Removes the checkpoint of a finished run."""
    checkpoint_in(out).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another file is in the folder, or there is none
        checkpoint_in(out).parent.rmdir()


def lasting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options on which the weights depend, without paths: a resumed run must have the same.

    What is off is left out, as runs have it that are older than the option.
    """
    is_off = {name for name in OPTIONAL if options.get(name) in (None, "none") or not options[name]}
    off = {each for name in is_off for each in (name, *OPTIONAL[name])}
    return {name: value for name, value in options.items() if name not in PASSING | off}
