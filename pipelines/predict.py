"""Captions pictures, answers a question about them, or writes on from a text, with a trained model."""

from __future__ import annotations

import contextlib
import glob
import itertools
import json as json_format
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, check_writable, progress_bar, run, shown, tell, warn
from mmtoolkit.cli.options import Printing, Replacing, Searching, Weights, values
from mmtoolkit.cli.ranges import Count
from mmtoolkit.files import BYTE_ORDER_MARK, append_whole, csv_bytes, sweep, write_atomically
from mmtoolkit.locks import locked
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Output, Task

if TYPE_CHECKING:
    from mmtoolkit.evaluation import Prediction

LITE = "efficientnetlite2"  # the encoder of flickr8k_lite
NO_UNICODE = re.compile("[\ud800-\udfff]")  # what a file name's bytes become that are not UTF-8


@dataclass(frozen=True, kw_only=True)
class Options(Weights, Searching, Printing, Replacing):
    """The options of `mmtoolkit predict`.

    Args:
        preset: Name of a shipped preset, or the path of one; by default flickr8k_lite where the weights of its encoder
            are installed (the extra lite), else flickr8k_lstm; with --question shapes_vqa.
        images: Files of pictures, or folders of them; none with --prompt.
        question: Question about each picture, for a preset that answers questions.
        prompt: Texts to write on from, for a preset of char-lm; - reads one from stdin.
        length: Most characters or words that are written after a prompt; by default as many as the preset has.
        out: CSV file for the captions or the best answers, which `--data` of the training jobs and `score` read.
        n_best: Captions per picture, for which the preset's own beam widens where it must but that of --beam does not,
            or answers (1 and 5); --attention draws the first.
        attention: Folder for a PNG per picture with the attention for each word of the caption, or for the answer
            (NAME.png; further pictures of that name become NAME-2.png and so on).
    """

    images: tyro.conf.Positional[list[Path]] = field(default_factory=list)
    preset: str | None = None
    question: str | None = None
    prompt: tuple[str, ...] = ()
    length: Count | None = None
    out: Path | None = None
    n_best: Count | None = None
    attention: Path | None = None


def preset_of(options: Options) -> str:
    """Returns the preset that is given, or else a shipped one, and says which."""
    from mmtoolkit.efficientnet_lite import PUBLISHED
    from mmtoolkit.vision import kept_weights

    if options.preset:
        return options.preset
    if options.prompt:
        raise mm.InputError("--prompt needs a preset of char-lm. Received: none; add --preset.")
    light = options.encoder_weights is None and kept_weights(PUBLISHED[LITE].sha256)
    preset = "shapes_vqa" if options.question is not None else "flickr8k_lite" if light else "flickr8k_lstm"
    tell(f"--preset {preset}, as none is given")
    return preset


def main(options: Options) -> int:
    """Captions pictures, answers a question about them, or writes on from a text, with a trained model.

    Prints a line INPUT<TAB>CAPTION for each picture (n-best lines with --n-best, best first); of a preset that answers
    questions, lines INPUT<TAB>ANSWER<TAB>PROBABILITY; with --prompt each text with what follows. A note marks pictures
    that are unlike those of the training.
    """
    if options.prompt:
        return write_on(options)
    if not options.images:
        raise mm.InputError("expected pictures, folders of them, or --prompt with a text. Received: none; name some.")
    out, attention, overwrite = options.out, options.attention, options.overwrite
    check_target("--out", out, ending=".csv", overwrite=overwrite)
    paths, failed = pictures_in(options.images)
    if attention:
        check_drawings(attention, paths, overwrite=overwrite)
    start_tensorflow()
    from mmtoolkit.evaluation.prediction import BATCH, predictions

    preset = preset_of(options)
    model = mm.load(preset, encoder_weights=options.encoder_weights, warn=warn)
    task = mm.task_of(model)
    if task.takes != "image":
        raise mm.InputError(f"{preset} writes on from texts. Received: pictures; add --prompt in their place.")
    search = search_for(task, model, preset, options)
    results: list[dict[str, Any]] = []
    examples = [task.example(path, options.question or "") for path in paths]
    source = model.image_source() if model.uses_images else None
    show = progress_bar(f"{task.noun}s") if len(paths) > BATCH else lambda done, total: None
    over_bar = len(paths) > BATCH and sys.stdout.isatty() and sys.stderr.isatty()  # lines come in its place
    with contextlib.ExitStack() as at_the_end:
        if attention:
            attention.mkdir(parents=True, exist_ok=True)
            at_the_end.enter_context(locked(attention, "draws"))
            sweep(attention, "*.png", idle=0)
        add = at_the_end.enter_context(growing_table(task, out, results, len(paths), overwrite=overwrite))
        found = predictions(task, model, examples, source=source, search=search)
        for number, (name, path, prediction) in enumerate(zip(picture_names(paths), paths, found, strict=True), 1):
            show(number, len(paths))
            try:
                if prediction.error:
                    raise prediction.error
                results.append(result(task, path, prediction, model.image_distribution))
                if not options.json:
                    if over_bar:
                        sys.stderr.write("\r\x1b[K")
                        sys.stderr.flush()
                    print(
                        "\n".join(f"{shown(str(path))}\t{line(task, output)}" for output in prediction.outputs),
                        flush=True,
                    )
                    if results[-1].get("unlike"):
                        tell(shown(note(path, results[-1]["distance"], model.image_distribution.threshold)))
                if attention:
                    draw_attention(task, model, prediction, attention / name)
                    results[-1]["attention"] = str(attention / name)
                add(results[-1])
            except mm.InputError as error:  # the others go on
                tell(shown(f"error: {error if str(path) in str(error) else f'{path}: {error}'}"))
                failed.append({"image": str(path), "error": str(error)})
    if options.json:
        print(json_format.dumps({"results": results, "failed": failed}, ensure_ascii=False, indent=1))
    return 1 if failed else 0


def write_on(options: Options) -> int:
    """Prints each prompt with what a model writes after it."""
    for name in ("images", "question", "out", "attention"):
        if getattr(options, name):
            raise mm.InputError(f"--prompt is for presets that write on. Received: {name} too; leave one out.")
    start_tensorflow()
    model = mm.load(preset_of(options), warn=warn)
    task = mm.task_of(model)
    if task.takes != "text":
        raise mm.InputError(f"--prompt is for presets that write on. Received: {options.preset}, of {task.name}.")
    model = model.bare(max_length=options.length) if options.length else model
    search = task.choose_search(model, options.n_best, values(options, Searching))
    results = []
    for prompt in (sys.stdin.read() if text == "-" else text for text in options.prompt):
        if unknown := task.unknown_words(model, prompt):
            warn(f"tokens that {options.preset} does not know: {unknown}")
        (found,) = model.decode(task.inputs(model, [task.example(None, prompt)], None), search)
        results.append({"prompt": prompt, f"{task.noun}s": [each._asdict() for each in found]})
        if not options.json:
            print("\n".join(shown(model.codec.joined(prompt, each.text), keep="\n\t") for each in found), flush=True)
    if options.json:
        print(json_format.dumps({"results": results, "failed": []}, ensure_ascii=False, indent=1))
    return 0


def pictures_in(images: Sequence[Path]) -> tuple[list[Path], list[dict[str, Any]]]:
    """Lists the pictures that exist, and the named paths that do not; there must be a picture."""
    if len(images) < 2:
        return mm.find_images(images, warn=warn), []
    paths: list[Path] = []
    failed: list[dict[str, Any]] = []
    for image in images:
        try:
            paths += mm.find_images([image], warn=warn)
        except mm.InputError as error:
            tell(shown(f"error: {error}"))
            failed.append({"image": str(image), "error": str(error)})
    if not paths:
        raise mm.InputError(f"expected pictures or folders of them. Received: {len(images)} paths without any.")
    return paths, failed


def check_drawings(folder: Path, paths: Sequence[Path], *, overwrite: bool) -> None:
    """Checks, before any work, that drawings replace no pictures, nor other files unless `overwrite` is on."""
    if folder.exists() and not folder.is_dir():
        raise mm.InputError(f"--attention expects a folder. Received: {folder}, a file; name another.")
    check_writable(folder / "NAME.png")
    inputs = {path.resolve() for path in paths}
    for target in (folder / name for name in picture_names(list(paths))):
        if target.resolve() in inputs:
            raise mm.InputError(f"--attention would draw over the picture {target}; name another folder.")
        if target.exists() and not overwrite:
            raise mm.InputError(
                f"{target} is there already; add --overwrite to replace it, or name another --attention."
            )


def search_for(task: Task[Any], model: Any, preset: str, options: Options) -> Any:
    """Returns the search of the options; checks that they fit the task, and warns of unknown words in the question."""
    question = options.question
    if question is not None and not task.asks:
        raise mm.InputError(
            f"--question is for presets that answer questions. Received: {preset}, of {task.name}; leave it out."
        )
    search = task.choose_search(model, options.n_best, values(options, Searching))
    if task.asks:
        if not question or not question.strip():
            raise mm.InputError(f"{preset} answers questions. Received: none; add --question 'what is on the table?'.")
        if unknown := task.unknown_words(model, question):
            warn(f"words that {preset} does not know: {', '.join(unknown)}")
    return search


def draw_attention(task: Task[Any], model: Any, prediction: Prediction, target: Path) -> None:
    """Draws the view of the best output, which must have attention."""
    from mmtoolkit.pictures import draw, is_drawn

    (view,) = task.views(model, [prediction.example], [prediction.outputs[0].text], prediction.source)
    if not is_drawn(view):
        raise mm.InputError(
            "--attention draws what a model attends to. Received: a model without attention; leave it out."
        )
    sheet = draw(view)
    write_atomically(target, lambda file: sheet.save(file, "PNG"))


def result(task: Task[Any], path: Path, prediction: Prediction, distribution: Any) -> dict[str, Any]:
    """Returns the prediction for an image as JSON."""
    asked = {task.record_noun: prediction.example.input} if task.asks else {}
    outputs = [output._asdict() for output in prediction.outputs]
    far = prediction.distance
    known = {} if far is None else {"distance": far, "unlike": far > distribution.threshold}
    return {"image": str(path), **asked, f"{task.noun}s": outputs, **known}


def line(task: Task[Any], output: Output) -> str:
    """Formats an output for its line on stdout.

    Example:
        >>> line(mm.question_answering, mm.Answer("red", 0.98765))
        'red\\t0.988'
    """
    text = shown(output.text)
    return f"{text}\t{output.score:.3f}" if task.is_probability else text


def note(path: Path, distance: float, threshold: float) -> str:
    """Formats the note on an out-of-distribution image."""
    return (
        f"note: {path} is unlike the pictures that this model was trained on (distance {distance:.2f}, usual up to "
        f"{threshold:.2f}); do not trust what it says"
    )


@contextlib.contextmanager
def growing_table(
    task: Task[Any], target: Path | None, results: Sequence[Mapping[str, Any]], pictures: int, *, overwrite: bool
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yields a function that writes a result to the disk at once; at the end writes the whole table.

    A new table grows in its place, one that replaces another in `NAME.csv.partial`, until it is whole: whoever stops or
    kills the job loses neither rows nor the table before.
    """
    if target is None:
        yield lambda result: None
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target, "predicts"):
        check_target("--out", target, overwrite=overwrite)  # another job may have written it meanwhile
        sweep(target.parent, glob.escape(target.name), idle=0)
        partial = target.with_name(f"{target.name}.partial")
        place = partial if target.exists() else target
        head = [csv_bytes([("image", *task.form.texts)])]

        def add(result: Mapping[str, Any]) -> None:
            rows, _ = table_rows(task, target, [result])
            if rows:
                if head:
                    place.unlink(missing_ok=True)
                append_whole(place, b"".join(head) + csv_bytes(rows).removeprefix(BYTE_ORDER_MARK))
                head.clear()

        try:
            yield add
        except BaseException:
            if results:
                tell(f"{task.noun}s of {len(results)} of {pictures} pictures: {place}")
            raise
        write_table(task, target, results, pictures)
        partial.unlink(missing_ok=True)


def table_rows(
    task: Task[Any], target: Path, results: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[str, ...]], int]:
    """Makes the rows of a table, and counts what its readers would refuse: an empty output, an odd name."""
    what = f"{task.noun}s"
    rows = [
        (
            os.path.relpath(result["image"], target.parent),
            *([result[task.record_noun]] if task.asks else []),
            output["text"],
        )
        for result in results
        for output in (result[what][:1] if task.asks else result[what])  # one answer is right
    ]
    kept = [row for row in rows if row[-1] and row[0] == row[0].strip() and not NO_UNICODE.search(row[0])]
    return kept, len(rows) - len(kept)


def write_table(task: Task[Any], target: Path, results: Sequence[Mapping[str, Any]], pictures: int) -> None:
    """Writes a table of the task's own form, with pictures as paths relative to it, as its readers expect.

    What they would refuse, an empty output or a name that is not Unicode, is left out with a warning. Without a row
    nothing is written: an existing table stays.
    """
    what = f"{task.noun}s"
    kept, left_out = table_rows(task, target, results)
    if left_out:
        warn(f"not in {target}, because empty or of a file with an odd name: {left_out} {what}")
    if not kept:
        tell(f"no {what} for {target}: it is left as it was")
        return
    table = csv_bytes([("image", *task.form.texts), *kept])
    write_atomically(target, lambda file: file.write(table))
    tell(f"{what} of {len({row[0] for row in kept})} of {pictures} pictures: {target}")


def picture_names(paths: list[Path]) -> list[str]:
    """Chooses a file name for the attention picture of each input; inputs of one name are numbered.

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
