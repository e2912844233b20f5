"""The folder of a training run: what may be written there, and what a new run takes away."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mmtoolkit.errors import InputError
from mmtoolkit.files import write_atomically

QUARANTINE = "quarantine.jsonl"
RUN = ("report.json", "config.yaml", QUARANTINE, "logs/events.*", "samples/epoch-*")


def claim(out: Path, *, overwrite: bool) -> None:
    """Refuses the folder of a run that holds something; what is in it stays until there is something to put there.

    Raises:
        InputError: It is no folder, or holds files and `overwrite` is off.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out expects a folder. Received: {out}, a file; name another.")
    if out.exists() and any(out.iterdir()) and not overwrite:
        raise InputError(f"--out expects a new or empty folder. Received: {out}; name another or add --overwrite.")


def clear(out: Path) -> None:
    """Makes the folder of a run and takes an earlier run out of it; other files stay."""
    out.mkdir(parents=True, exist_ok=True)
    for pattern in RUN:
        for path in out.glob(pattern):
            path.unlink()
    for folder in (out / "preset", *out.glob(".preset.*")):
        shutil.rmtree(folder, ignore_errors=True)


def resolved(options: dict[str, Any]) -> dict[str, Any]:
    """The options as plain values for config.yaml; what belongs to one call only is left out."""
    kept = {name: value for name, value in options.items() if name != "overwrite"}
    return {name: str(value) if isinstance(value, Path) else value for name, value in kept.items()}


def write_config(out: Path, options: Mapping[str, Any]) -> None:
    """Writes the options of a run where `--config` finds them."""
    settings = yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True).encode()
    write_atomically(out / "config.yaml", lambda file: file.write(settings))
