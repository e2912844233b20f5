"""Captions pictures with a trained model."""

from __future__ import annotations

import itertools
import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tyro

import mmtoolkit as mm
from mmtoolkit.pipelines.captioning import draw_attention, load_captioner, search
from mmtoolkit.pipelines.command import run, start_tensorflow, tell

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

BATCH = 16


def main(
    images: tyro.conf.Positional[list[Path]],
    *,
    preset: str,
    beam: int | None = None,
    n_best: int = 1,
    length_penalty: float | None = None,
    attention: Path | None = None,
    vgg19_weights: str | None = None,
    json: bool = False,
) -> int:
    """Captions pictures with a trained model.

    Prints a line INPUT<TAB>CAPTION for each picture (n-best lines with --n-best, best first).

    Args:
        images: Picture files, or folders of them.
        preset: Name of a shipped preset, or the path of one.
        beam: Width of the search, in place of the preset's own.
        n_best: Captions a picture.
        length_penalty: Power of the length in the search, in place of the preset's own.
        attention: Folder for a PNG per picture that shows where the model looked for each word (NAME.png; further
            pictures of that name become NAME-2.png and so on).
        vgg19_weights: VGG19 weights, where the cache lacks the ones the preset was trained with.
        json: Print one JSON object instead.
    """
    if attention and attention.exists() and not attention.is_dir():
        raise mm.InputError(f"--attention expects a folder. Received: {attention}, a file; name another.")
    paths = mm.find_images(images)
    start_tensorflow()
    captioner = load_captioner(preset, vgg19_weights)
    decoding = search(captioner, beam=beam, n_best=n_best, length_penalty=length_penalty)
    names = picture_names(paths)
    source, results, failed = captioner.image_source(), [], []
    if attention:
        attention.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(paths), BATCH):
        rows = read(paths[start : start + BATCH], source)
        pictures = [row for row in rows if not isinstance(row, mm.InputError)]
        written = iter(captioner.write({source.input_name: np.stack(pictures)}, decoding) if pictures else ())
        for path, name, row in zip(paths[start:], names[start:], rows, strict=False):
            try:
                if isinstance(row, mm.InputError):
                    raise row
                captions = next(written)
                result: dict[str, Any] = {"image": str(path), "captions": [caption._asdict() for caption in captions]}
                results.append(result)
                if not json:
                    print("\n".join(f"{path}\t{caption.text}" for caption in captions), flush=True)
                if attention:
                    inputs = {source.input_name: row[None]}
                    draw_attention(captioner, path, inputs, captions[0].text, attention / name)
                    result["attention"] = str(attention / name)
            except mm.InputError as error:  # the others go on
                tell(f"error: {error if str(path) in str(error) else f'{path}: {error}'}")
                failed.append({"image": str(path), "error": str(error)})
    if json:
        print(json_format.dumps({"results": results, "failed": failed}, ensure_ascii=False, indent=1))
    return 1 if failed else 0


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
