"""Captions pictures, or answers a question about them, with a trained model."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json as json_format
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, tell
from mmtoolkit.cli.options import Images, Preset, Printing, Replacing, Searching, values
from mmtoolkit.cli.ranges import Count
from mmtoolkit.files import write_atomically
from mmtoolkit.pipelines.captioning import search
from mmtoolkit.pipelines.out_of_distribution import note
from mmtoolkit.pipelines.seeing import check_answerer, draw_attention, load_model
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.decoding import Search
    from mmtoolkit.vision import ImageSource
    from mmtoolkit.vision.image_distribution import ImageDistribution

BATCH, ANSWERS = 16, 5
NO_UNICODE = re.compile("[\ud800-\udfff]")  # what a file name's bytes become that are not UTF-8


@dataclass(frozen=True, kw_only=True)
class Options(Images, Preset, Searching, Printing, Replacing):
    """The options of `mmtoolkit predict`.

    Args:
        question: What a preset that answers questions is asked about each picture.
        out: CSV file for the captions or the best answers, which `--data` of the training jobs reads.
        n_best: Captions a picture, for which the preset's own beam widens where it must but that of --beam does not, or
            answers (1 and 5); --attention draws the first.
        attention: Folder for a PNG per picture that shows where the model looked for each word of the caption, or for
            the answer (NAME.png; further pictures of that name become NAME-2.png and so on).
    """

    question: str | None = None
    out: Path | None = None
    n_best: Count | None = None
    attention: Path | None = None


def main(options: Options) -> int:
    """Captions pictures, or answers a question about them, with a trained model.

    Prints a line INPUT<TAB>CAPTION for each picture (n-best lines with --n-best, best first); of a preset that answers
    questions, lines INPUT<TAB>ANSWER<TAB>PROBABILITY. A note says where a picture is unlike those of the training.
    """
    question, out, attention, overwrite = options.question, options.out, options.attention, options.overwrite
    check_target("--out", out, ending=".csv", overwrite=overwrite)
    paths, failed = pictures_in(options.images)
    if attention:
        check_drawings(attention, paths, overwrite=overwrite)
    start_tensorflow()
    model = load_model(options.preset, options.vgg19_weights)
    decoding = search_for(model, options.preset, question, options.n_best, values(options, Searching))
    for folder in (attention, out and out.parent):
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    with saved_at_the_end(out, results, len(paths), question):
        found = said(model, paths, question, decoding)
        for name, (path, inputs, texts, far) in zip(picture_names(paths), found, strict=True):
            try:
                if isinstance(texts, mm.InputError):
                    raise texts
                results.append(result(path, question, texts) | far)
                if not options.json:
                    print("\n".join(f"{path}\t{line(text)}" for text in texts), flush=True)
                    if far.get("unlike"):
                        tell(note(path, far["distance"], model.image_distribution.threshold))
                if attention:
                    draw_attention(model, path, inputs, texts[0].text, attention / name, question=question)
                    results[-1]["attention"] = str(attention / name)
            except mm.InputError as error:  # the others go on
                tell(f"error: {error if str(path) in str(error) else f'{path}: {error}'}")
                failed.append({"image": str(path), "error": str(error)})
    if options.json:
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


def search_for(
    model: Any, preset: str, question: str | None, n_best: int | None, searches: Mapping[str, Any]
) -> Search:
    """The search that was asked for.

    Raises:
        mm.InputError: A question is missing or too much, or an option is one of the other kind of preset.
    """
    if not isinstance(model, mm.VisualQA):
        if question is not None:
            raise mm.InputError(
                f"--question is for presets that answer questions. Received: {preset}, a captioner; leave it out."
            )
        return search(model, n_best=1 if n_best is None else n_best, **searches)
    check_answerer(preset, searches)
    if not question or not question.strip():
        raise mm.InputError(f"{preset} answers questions. Received: none; add --question 'what is on the table?'.")
    unknown = unknown_words(model, question)
    if unknown:
        tell(f"warning: words that {preset} does not know: {', '.join(unknown)}")
    return model.best(ANSWERS if n_best is None else n_best)


def unknown_words(model: mm.VisualQA, question: str) -> list[str]:
    """The words of a question that are not in the model's vocabulary."""
    (words,) = model.codec.split([question])
    return [word for word in dict.fromkeys(words) if word not in model.codec.vocabulary.id_of]


def said(
    model: Any, paths: Sequence[Path], question: str | None, decoding: Search
) -> Iterator[tuple[Path, dict[str, np.ndarray], list[mm.Caption] | list[mm.Answer] | mm.InputError, dict[str, Any]]]:
    """Each picture with the model's inputs of it and what it says, or with the error that keeps it from being read.

    Last comes what is known of how unlike the pictures of the training it is.
    """
    asked = None if question is None else model.inputs_for([], [question], None)["question"]
    if asked is not None and model.question_only:
        (answers,) = model.decode({"question": asked}, decoding)
        yield from ((path, {"question": asked}, answers, {}) for path in paths)
        return
    source = model.image_source()
    for start in range(0, len(paths), BATCH):
        rows = read(paths[start : start + BATCH], source)
        inputs = [model_inputs(source, row, asked) for row in rows if not isinstance(row, mm.InputError)]
        batch = {name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]} if inputs else {}
        written = iter(zip(inputs, model.decode(batch, decoding), known(model, batch), strict=True) if inputs else ())
        for path, row in zip(paths[start:], rows, strict=False):
            yield (path, {}, row, {}) if isinstance(row, mm.InputError) else (path, *next(written))


def known(model: Any, batch: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """How far each picture of a batch lies from those of the training, as JSON, where the preset knows it."""
    seen: ImageDistribution | None = model.image_distribution
    if seen is None:
        return [{} for _ in next(iter(batch.values()))]
    return [
        {"distance": float(far), "unlike": bool(far > seen.threshold)} for far in seen.distance(model.vector(batch))
    ]


def model_inputs(source: ImageSource, row: np.ndarray, asked: np.ndarray | None) -> dict[str, np.ndarray]:
    """The inputs of a model for one picture and, where there is one, a question."""
    return {source.input_name: row[None]} if asked is None else {source.input_name: row[None], "question": asked}


def result(path: Path, question: str | None, texts: Sequence[mm.Caption] | Sequence[mm.Answer]) -> dict[str, Any]:
    """What is said of a picture, as JSON."""
    told = [text._asdict() for text in texts]
    return {"image": str(path), **({"captions": told} if question is None else {"question": question, "answers": told})}


def line(text: mm.Caption | mm.Answer) -> str:
    """What is printed behind a picture's name.

    Example:
        >>> line(mm.Answer("red", 0.98765))
        'red\\t0.988'
    """
    return f"{text.text}\t{text.probability:.3f}" if isinstance(text, mm.Answer) else text.text


@contextlib.contextmanager
def saved_at_the_end(
    target: Path | None, results: Sequence[Mapping[str, Any]], pictures: int, question: str | None
) -> Iterator[None]:
    """Writes the table of what there is when the work ends, also where it ends early."""
    try:
        yield
    finally:
        if target:
            write_table(target, results, pictures, question)


def write_table(target: Path, results: Sequence[Mapping[str, Any]], pictures: int, question: str | None = None) -> None:
    """Writes `image,caption` or `image,question,answer` rows; pictures are named from where the file lies.

    Its readers look for them there. What they would refuse, an empty caption or a name that is not Unicode, is left out
    and told. Without a row nothing is written: a table that is there stays.
    """
    what, asked = ("captions", []) if question is None else ("answers", [question])
    rows = [
        (os.path.relpath(result["image"], target.parent), *asked, said["text"])
        for result in results
        for said in (result[what] if question is None else result[what][:1])  # one answer is right
    ]
    kept = [row for row in rows if row[-1] and row[0] == row[0].strip() and not NO_UNICODE.search(row[0])]
    if len(kept) < len(rows):
        tell(f"warning: not in {target}, because empty or of a file with an odd name: {len(rows) - len(kept)} {what}")
    if not kept:
        tell(f"no {what} for {target}: it is left as it was")
        return
    table = io.StringIO(newline="")
    header = ("image", "caption") if question is None else ("image", "question", "answer")
    csv.writer(table, lineterminator="\n").writerows([header, *kept])
    write_atomically(target, lambda file: file.write(table.getvalue().encode()))
    tell(f"{what} of {len({row[0] for row in kept})} of {pictures} pictures: {target}")


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
