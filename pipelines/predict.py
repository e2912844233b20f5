"""Captions pictures with a trained model."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json as json_format
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

import mmtoolkit as mm
from mmtoolkit.files import write_atomically
from mmtoolkit.pipelines.captioning import draw_attention, load_captioner, search
from mmtoolkit.pipelines.command import check_target, run, start_tensorflow, tell

if TYPE_CHECKING:
    from mmtoolkit.decoding import Search
    from mmtoolkit.vision import ImageSource

BATCH = 16
NO_UNICODE = re.compile("[\ud800-\udfff]")  # what a file name's bytes become that are not UTF-8


def main(
    images: tyro.conf.Positional[list[Path]],
    *,
    preset: str,
    out: Path | None = None,
    beam: int | None = None,
    n_best: int = 1,
    length_penalty: float | None = None,
    groups: int | None = None,
    diversity: float | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    attention: Path | None = None,
    vgg19_weights: str | None = None,
    json: bool = False,
    overwrite: bool = False,
) -> int:
    """Captions pictures with a trained model.

    Prints a line INPUT<TAB>CAPTION for each picture (n-best lines with --n-best, best first).

    Args:
        images: Picture files, or folders of them.
        preset: Name of a shipped preset, or the path of one.
        out: CSV file for the captions, which `caption --data` and the other jobs read.
        beam: Width of the search, in place of the preset's own.
        n_best: Captions a picture, at most as many as the beam is wide; --attention draws the first.
        length_penalty: Power of the length by which log-probabilities are divided, in place of the preset's own.
        groups: Diverse beam search: parts of the beam, each drawn away from the words of the ones before it; the beam
            is a multiple of them.
        diversity: What a word costs a group for each earlier one that says it at the same place (0.5).
        temperature: Draw the words instead of searching for them; below 1 likely ones become likelier.
        top_k: Draw among so many likeliest words.
        top_p: Draw among the likeliest words that together have this probability.
        seed: Start of the random numbers of a draw (0).
        attention: Folder for a PNG per picture that shows where the model looked for each word (NAME.png; further
            pictures of that name become NAME-2.png and so on).
        vgg19_weights: VGG19 weights; by default those the preset was trained with, or where the cache lacks them the
            published ones.
        json: Print one JSON object in place of the lines.
        overwrite: Replace the file of --out and the drawings of --attention if they are there.
    """
    check_target("--out", out, ending=".csv", overwrite=overwrite)
    paths, failed = pictures_in(images)
    if attention:
        check_drawings(attention, paths, overwrite=overwrite)
    start_tensorflow()
    captioner = load_captioner(preset, vgg19_weights)
    decoding = search(
        captioner,
        n_best=n_best,
        beam=beam,
        length_penalty=length_penalty,
        groups=groups,
        diversity=diversity,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    for folder in (attention, out and out.parent):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    with saved_at_the_end(out, results, len(paths)):
        found = captioned(captioner, paths, decoding)
        for name, (path, inputs, captions) in zip(picture_names(paths), found, strict=True):
            try:
                if isinstance(captions, mm.InputError):
                    raise captions
                results.append({"image": str(path), "captions": [caption._asdict() for caption in captions]})
                if not json:
                    print("\n".join(f"{path}\t{caption.text}" for caption in captions), flush=True)
                if attention:
                    draw_attention(captioner, path, inputs, captions[0].text, attention / name)
                    results[-1]["attention"] = str(attention / name)
            except mm.InputError as error:  # the others go on
                tell(f"error: {error if str(path) in str(error) else f'{path}: {error}'}")
                failed.append({"image": str(path), "error": str(error)})
    if json:
        print(json_format.dumps({"results": results, "failed": failed}, ensure_ascii=False, indent=1))
    return 1 if failed else 0


def pictures_in(images: Sequence[Path]) -> tuple[list[Path], list[dict[str, Any]]]:
    """The pictures that are there, and what of the named paths is not; told at once, for the others go on.

    Raises:
        mm.InputError: There is no picture at all.
    """
    if len(images) < 2:
        return mm.find_images(images), []
    paths: list[Path] = []
    failed: list[dict[str, Any]] = []
    for image in images:
        try:
            paths += mm.find_images([image])
        except mm.InputError as error:
            tell(f"error: {error}")
            failed.append({"image": str(image), "error": str(error)})
    if not paths:
        raise mm.InputError(
            f"expected pictures or folders of them. Received: {len(images)} paths without any. Name others."
        )
    return paths, failed


def check_drawings(folder: Path, paths: Sequence[Path], *, overwrite: bool) -> None:
    """Refuses, before any work, a folder where drawings would take the place of other files.

    Raises:
        mm.InputError: It is no folder, a drawing's file is there and `overwrite` is off, or it is one of the pictures.
    """
    if folder.exists() and not folder.is_dir():
        raise mm.InputError(f"--attention expects a folder. Received: {folder}, a file; name another.")
    inputs = {path.resolve() for path in paths}
    for target in (folder / name for name in picture_names(list(paths))):
        if target.resolve() in inputs:
            raise mm.InputError(f"--attention would draw over the picture {target}; name another folder.")
        if target.exists() and not overwrite:
            raise mm.InputError(
                f"{target} is there already; add --overwrite to replace it, or name another --attention."
            )


def captioned(
    captioner: mm.Captioner, paths: Sequence[Path], decoding: Search
) -> Iterator[tuple[Path, dict[str, np.ndarray], list[mm.Caption] | mm.InputError]]:
    """Each picture with the model's inputs of it and its captions, or with the error that keeps it from being read."""
    source = captioner.image_source()
    for start in range(0, len(paths), BATCH):
        rows = read(paths[start : start + BATCH], source)
        pictures = [row for row in rows if not isinstance(row, mm.InputError)]
        written = iter(captioner.write({source.input_name: np.stack(pictures)}, decoding) if pictures else ())
        for path, row in zip(paths[start:], rows, strict=False):
            if isinstance(row, mm.InputError):
                yield path, {}, row
            else:
                yield path, {source.input_name: row[None]}, next(written)


@contextlib.contextmanager
def saved_at_the_end(target: Path | None, results: Sequence[Mapping[str, Any]], pictures: int) -> Iterator[None]:
    """Writes the table of what there is when the work ends, also where it ends early."""
    try:
        yield
    finally:
        if target:
            write_table(target, results, pictures)


def write_table(target: Path, results: Sequence[Mapping[str, Any]], pictures: int) -> None:
    """Writes `image,caption` rows; pictures are named from where the file lies, as its readers look for them.

    What the readers would refuse, an empty caption or a name that is not Unicode, is left out and told. Without a row
    nothing is written: a table that is there stays.
    """
    rows = [
        (os.path.relpath(result["image"], target.parent), caption["text"])
        for result in results
        for caption in result["captions"]
    ]
    kept = [(name, text) for name, text in rows if text and name == name.strip() and not NO_UNICODE.search(name)]
    if len(kept) < len(rows):
        tell(f"warning: not in {target}, because empty or of a file with an odd name: {len(rows) - len(kept)} captions")
    if not kept:
        tell(f"no captions for {target}: it is left as it was")
        return
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\n").writerows([("image", "caption"), *kept])
    write_atomically(target, lambda file: file.write(table.getvalue().encode()))
    tell(f"captions of {len(dict(kept))} of {pictures} pictures: {target}")


def read(paths: Sequence[Path], source: ImageSource) -> list[np.ndarray | mm.InputError]:
    """Each prepared picture, or the error that keeps it from being read."""
    try:
        return list(source.read(paths))
    except mm.InputError as error:
        return [error] if len(paths) == 1 else [found for path in paths for found in read([path], source)]


def picture_names(paths: list[Path]) -> list[str]:
    """A file name for the attention picture of each input; inputs of one name in several folders are numbered.

    Example:
        >>> picture_names([Path("a/cat.jpg"), Path("b/cat.png"), Path("dog.jpg")])
        ['cat.png', 'cat-2.png', 'dog.png']
    """
    names: dict[str, str] = {}  # by its lower-case form: some disks do not tell Cat from cat
    for path in paths:
        name = path.stem
        for number in itertools.count(2):
            if name.casefold() not in names:
                break
            name = f"{path.stem}-{number}"
        names[name.casefold()] = f"{name}.png"
    return list(names.values())


if __name__ == "__main__":
    run(main)
