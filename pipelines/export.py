"""Exports a preset as a SavedModel that TF Serving serves, and verifies it."""

from __future__ import annotations

import json as json_format
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import mmtoolkit as mm
from mmtoolkit.cli.command import aligned, run, shown, tell, warn
from mmtoolkit.cli.options import Beam, Preset, Printing, values
from mmtoolkit.cli.ranges import Count, Positive, Probability, Whole
from mmtoolkit.locks import locked
from mmtoolkit.run_folder import made
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Preset, Beam, Printing):
    """The options of `mmtoolkit export`.

    Args:
        out: Directory of the model; the version becomes a folder in it.
        version: Version of the model; by default one more than the newest in the directory.
        precision: float32, or bfloat16 for an encoder that is no part of the preset, which is faster on processors
            that multiply it.
        max_length: Longest sentence in tokens, in place of the preset's own.
        n_best: Captions of the signature n_best.
        temperature: Temperature of the signature sample; below 1 likely words become likelier.
        top_k: The signature sample draws among this many likeliest words; 0 is all.
        top_p: The signature sample draws among the likeliest words that together have this probability.
    """

    out: Path
    version: Count | None = None
    precision: str = "float32"
    max_length: Count | None = None
    n_best: Count = 3
    temperature: Positive = 1.0
    top_k: Whole = 0
    top_p: Probability = 1.0


def main(options: Options) -> int:
    """Exports a preset as a SavedModel that TF Serving serves, and verifies it.

    Picture bytes go in and sentences come out: decoding, the encoder, the search and the words are all in the graph.
    The export is then loaded without Python and compared with the preset; where they differ it is deleted, and the exit
    code is 1.
    """
    out = options.out
    if out.exists() and not out.is_dir():
        raise mm.InputError(f"--out expects a directory. Received: {out}, a file; name another.")
    with made(out), locked(out, "exports"):
        for leftover in out.glob(".[0-9]*.new"):  # of an export that was killed: the lock says that no other one is
            shutil.rmtree(leftover, ignore_errors=True)
        return exported(options)


def exported(options: Options) -> int:
    """Exports the preset, and prints the verdict; returns the exit code."""
    start_tensorflow()
    from mmtoolkit.serving.export import Fixed, NotServable, export

    out = options.out
    model = mm.load(options.preset, encoder_weights=options.encoder_weights, warn=warn)
    task, beam = mm.task_of(model), values(options, Beam)
    given = any(value is not None for value in beam.values())
    if task.takes == "text":
        check_none(options)
    search = task.choose_search(model, None, beam) if given else None
    sample = mm.Sample(options.temperature, options.top_k, options.top_p)
    fixed = Fixed(options.precision, search, options.max_length, options.n_best, sample)
    try:
        folder, verdict = export(task, model, out, fixed=fixed, version=options.version)
    except NotServable as error:
        tell(shown(f"error: {error}"))
        return 1
    tell(f"serve it: mmtoolkit serve --models {out.parent}")
    rows = "\n".join(aligned(verdict.rows(folder)))
    print(json_format.dumps(verdict.as_json(folder), indent=1) if options.json else rows)
    return 0


def check_none(options: Options) -> None:
    """Checks that no search is asked for, where each row of a request has its own."""
    searches = {*(field.name for field in fields(Beam)), "n_best", "temperature", "top_k", "top_p"}
    named = [field.name for field in fields(Options) if field.name in searches]
    if set_ones := [name for name in named if getattr(options, name) != getattr(Options, name)]:
        raise mm.InputError(
            f"--{set_ones[0].replace('_', '-')} is for presets that caption. Received: {options.preset}, whose rows "
            "have a length, a temperature and a seed of their own; leave it out."
        )


if __name__ == "__main__":
    run(main)
