"""Exports a preset as a SavedModel that TF Serving serves, and proves it."""

from __future__ import annotations

import json as json_format
from pathlib import Path

import mmtoolkit as mm
from mmtoolkit.pipelines.captioning import given, search
from mmtoolkit.pipelines.command import run, start_tensorflow, tell
from mmtoolkit.pipelines.seeing import check_answerer, load_model
from mmtoolkit.pipelines.verify import as_json, table


def main(
    *,
    preset: str,
    out: Path,
    version: int | None = None,
    precision: str = "float32",
    beam: int | None = None,
    length_penalty: float | None = None,
    max_length: int | None = None,
    n_best: int = 3,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    vgg19_weights: str | None = None,
    json: bool = False,
) -> int:
    """Exports a preset as a SavedModel that TF Serving serves, and proves it.

    Picture bytes go in and sentences come out: decoding, VGG19, the search and the words are all in the graph. What was
    written is then loaded without Python and compared with the preset; where they differ nothing is kept, and the exit
    code is 1.

    Args:
        preset: Name of a shipped preset, or the path of one.
        out: Directory of the model; the version becomes a folder in it.
        version: Of the model; by default one more than the newest in the directory.
        precision: float32, or bfloat16 for VGG19, which is faster on processors that multiply it.
        beam: Width of a captioner's search, in place of the preset's own.
        length_penalty: Power of the length by which log-probabilities are divided, in place of the preset's own.
        max_length: Longest sentence in tokens, in place of the preset's own.
        n_best: Captions of the signature n_best.
        temperature: Of the signature sample; below 1 likely words become likelier.
        top_k: The signature sample draws among so many likeliest words; 0 is all.
        top_p: The signature sample draws among the likeliest words that together have this probability.
        vgg19_weights: VGG19 weights; by default those the preset was trained with, or where the cache lacks them the
            published ones.
        json: Print one JSON object in place of the lines.
    """
    check(out, version, max_length, n_best)
    start_tensorflow()
    from mmtoolkit.serving.export import Fixed, NotServable, export

    model = load_model(preset, vgg19_weights)
    searches = given(beam=beam, length_penalty=length_penalty)
    if isinstance(model, mm.VisualQA):
        check_answerer(preset, searches)
        decoding = None
    else:
        decoding = search(model, **searches) if searches else None
    fixed = Fixed(precision, decoding, max_length, n_best, mm.Sample(temperature, top_k, top_p))
    try:
        folder, verdict = export(model, out, fixed=fixed, version=version)
    except NotServable as error:
        tell(f"error: {error}")
        return 1
    tell(f"serve it: mmtoolkit serve --models {out.parent}")
    print(json_format.dumps(as_json(folder, verdict), indent=1) if json else table(folder, verdict))
    return 0


def check(out: Path, version: int | None, max_length: int | None, n_best: int) -> None:
    """Refuses options that make no sense, before any work.

    Raises:
        mm.InputError: One does not.
    """
    if out.exists() and not out.is_dir():
        raise mm.InputError(f"--out expects a directory. Received: {out}, a file; name another.")
    for option, value in (("--version", version), ("--max-length", max_length), ("--n-best", n_best)):
        if value is not None and value < 1:
            raise mm.InputError(f"{option} expects a whole number from 1. Received: {value}.")


if __name__ == "__main__":
    run(main)
