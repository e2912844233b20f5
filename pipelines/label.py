"""Labels one's own pictures on a local page: a model proposes, a person corrects, and the table is on disk at once."""

from __future__ import annotations

import contextlib
import shlex
import threading
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, shown, tell, warn
from mmtoolkit.cli.options import Weights
from mmtoolkit.cli.ranges import Port
from mmtoolkit.labelling import Labelling, LabelServer, Proposal, Proposer, Sheet, Summary, hold, open_sheet, unfinished
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Task

PROPOSALS = 3  # texts to choose from, at least
WANTED = 20  # pictures: with fewer, fine-tuning has too little to train on and to choose by


@dataclass(frozen=True, kw_only=True)
class Options(Weights):
    """The options of `mmtoolkit label`.

    Args:
        photos: Folder of pictures, which may have subfolders.
        preset: Name of a shipped preset, or the path of one, that proposes: a captioner captions, a question-answerer
            answers the questions that are typed.
        questions: Label questions and answers in place of captions, also without a preset.
        out: The table; PHOTOS/captions.csv or PHOTOS/questions.csv by default. An existing one is continued.
        port: Port of the page, on this machine only; 0 takes a free one.
        no_browser: Only print the page's address.
    """

    photos: tyro.conf.Positional[Path]
    preset: str | None = None
    questions: bool = False
    out: Path | None = None
    port: Port = 8020
    no_browser: bool = False


def main(options: Options) -> int:
    """Labels one's own pictures on a local page: a model proposes, a person corrects, and the table is on disk at once.

    Nothing leaves the machine. Ctrl-C, or the button at the end of the page, ends it and prints the command that
    trains on the table; started again, it continues the table.
    """
    photos, out = options.photos, options.out
    check_all(photos, options.preset, out, options.encoder_weights)
    paths = mm.find_images([photos], warn=warn)
    model = proposing(options.preset, options.encoder_weights)
    task = mm.task_of(model) if model else mm.question_answering if options.questions else mm.captioning
    if task.takes != "image":
        raise mm.InputError(f"label is for pictures. Received: {options.preset}, of {task.name}; name another preset.")
    if options.questions and not task.asks:
        raise mm.InputError(
            f"--questions is for presets that answer them. Received: {options.preset}, of {task.name}; leave one out."
        )
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
    sheet = open_sheet(out or photos / task.form.name, task.form, paths)
    learning = {"preset": options.preset, "encoder-weights": options.encoder_weights}
    with hold(sheet), contextlib.ExitStack() as at_the_end:
        proposer = Proposer(asking(task, model, sheet.pictures)) if model else None
        if proposer:
            at_the_end.callback(proposer.close)
        work = Labelling(sheet, photos.resolve().name, finishing(task, sheet, photos, learning), proposer)
        serve(work, options.port, browser=not options.no_browser)
    print_command(work.summary(), sheet)
    return 0


def check_all(photos: Path, preset: str | None, out: Path | None, encoder_weights: str | None) -> None:
    """Checks the options before any work."""
    check_target("--out", out, ending=".csv", overwrite=True)
    if photos.exists() and not photos.is_dir():
        raise mm.InputError(f"label expects a folder of pictures. Received: {photos}, a file; name its folder.")
    if encoder_weights and not preset:
        raise mm.InputError(f"--encoder-weights is for --preset. Received: {encoder_weights} alone; leave it out.")


def proposing(preset: str | None, encoder_weights: str | None) -> Any:
    """Loads the model that proposes, if one is named.

    Raises:
        mm.InputError: It cannot be loaded.
    """
    if preset is None:
        return None
    start_tensorflow()
    return mm.load(preset, encoder_weights=encoder_weights, warn=warn)


def asking(task: Task[Any], model: Any, pictures: Mapping[str, Path]) -> Callable[[str, str], Proposal]:
    """Makes the function that proposes texts for a picture, or for a question about it."""
    from mmtoolkit.evaluation import predictions

    search = task.choose_search(model, max(PROPOSALS, task.best_shown), {})
    source = model.image_source() if model.uses_images else None

    def ask(name: str, question: str) -> Proposal:
        example = task.example(pictures[name], question if task.asks else "")
        (prediction,) = predictions(task, model, [example], source=source, search=search)
        if prediction.error:
            raise prediction.error
        unknown = task.unknown_words(model, example.input)
        note = f"words that it does not know: {', '.join(unknown)}" if unknown else ""
        texts = [(output.text, output.score if task.is_probability else None) for output in prediction.outputs]
        return Proposal(tuple((text, share) for text, share in texts if text), note)

    return ask


def serve(work: Labelling, port: int, *, browser: bool) -> None:
    """Serves the page until the person ends it there or with Ctrl-C; a save in progress is completed."""
    with LabelServer(work, port) as server:
        tell(f"label {len(work.sheet.pictures)} pictures at {server.page}\nCtrl-C ends; {work.sheet.path} is kept")
        try:
            if browser:
                # In a thread: a terminal's browser blocks its caller, and asks the server meanwhile
                threading.Thread(target=webbrowser.open, args=(server.page,), daemon=True).start()
            server.serve_forever()
        except KeyboardInterrupt:
            tell("")


def finishing(
    task: Task[Any], sheet: Sheet, photos: Path, learning: Mapping[str, str | None]
) -> Callable[[int], Summary]:
    """Makes the function that summarises a number of labelled pictures, with the command that trains on them."""

    def finish(labelled: int) -> Summary:
        following = command(task, sheet, photos, learning, unfinished(sheet)) if labelled else ""
        return Summary(labelled, len(sheet.pictures), WANTED, following)

    return finish


def command(task: Task[Any], sheet: Sheet, photos: Path, learning: Mapping[str, str | None], unfinished: int) -> str:
    """Returns the command that trains on the table and leaves out rows without text, which it would refuse."""
    words = ["mmtoolkit", "finetune" if learning["preset"] else task.command]
    for name, value in learning.items():
        words += [f"--{name}", value] if value else []
    words += ["--data", str(photos if is_read_from(task, sheet, photos) else sheet.path)]
    words += ["--out", f"runs/{photos.resolve().name}"]
    return shlex.join([*words, *(["--on-error", "skip"] if unfinished else [])])


def is_read_from(task: Task[Any], sheet: Sheet, photos: Path) -> bool:
    """Returns whether the readers read the table, and it alone, from the folder."""
    try:
        return task.files(photos) == [sheet.path]
    except mm.InputError:  # several files
        return False


def print_command(summary: Summary, sheet: Sheet) -> None:
    """Prints the command to run next, and on stderr how many pictures are labelled."""
    tell(f"labelled: {summary.labelled} of {summary.pictures} pictures, in {sheet.path}")
    if not summary.labelled:
        tell("there is nothing to learn from yet; start again to go on")
    elif summary.labelled < summary.wanted:
        tell(f"fine-tuning wants {summary.wanted} labelled pictures or more; start again to go on")
    if summary.command:
        print(shown(summary.command))


if __name__ == "__main__":
    run(main)
