"""Labels one's own pictures on a local page: a model proposes, a person corrects, and the table is on disk at once."""

from __future__ import annotations

import shlex
import threading
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, tell
from mmtoolkit.cli.options import Weights
from mmtoolkit.cli.ranges import Port
from mmtoolkit.labelling import (
    CAPTIONS,
    QUESTIONS,
    Form,
    Labelling,
    LabelServer,
    Proposal,
    Proposer,
    Sheet,
    Summary,
    open_sheet,
    unfinished,
)
from mmtoolkit.pipelines.captioning import search
from mmtoolkit.pipelines.predict import ANSWERS, said, unknown_words
from mmtoolkit.pipelines.runs import WANTED
from mmtoolkit.pipelines.seeing import load_model
from mmtoolkit.readers.caption_files import captions_files
from mmtoolkit.readers.question_files import questions_files
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Weights):
    """The options of `mmtoolkit label`.

    Args:
        photos: Folder of pictures, which may have subfolders.
        preset: Name of a shipped preset, or the path of one, that proposes: a captioner captions, a question-answerer
            answers the questions that are typed.
        questions: Questions and answers in place of captions, also without a preset.
        out: The table; PHOTOS/captions.csv or PHOTOS/questions.csv by default. One that is there is gone on with.
        port: Of the page, on this machine only; 0 takes a free one.
        no_browser: Only tell the page's address.
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
    learns from the table; started again, it goes on where it was.
    """
    photos, preset, out, vgg19_weights = options.photos, options.preset, options.out, options.vgg19_weights
    check_all(photos, preset, out, vgg19_weights)
    paths = mm.find_images([photos])
    model = proposing(preset, vgg19_weights, options.questions)
    answers = model is not None and isinstance(model, mm.VisualQA)  # which loads Keras
    form = QUESTIONS if options.questions or answers else CAPTIONS
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
    sheet = open_sheet(out or photos / form.name, form, paths)
    learning = {"preset": preset, "vgg19-weights": vgg19_weights}
    proposer = Proposer(asking(model, sheet.pictures)) if model else None
    try:
        work = Labelling(sheet, photos.resolve().name, finishing(sheet, form, photos, learning), proposer)
        serve(work, options.port, browser=not options.no_browser)
    finally:
        if proposer:
            proposer.close()
    say(work.summary(), sheet)
    return 0


def check_all(photos: Path, preset: str | None, out: Path | None, vgg19_weights: str | None) -> None:
    """Refuses options that make no sense, before any work.

    Raises:
        mm.InputError: One does not.
    """
    check_target("--out", out, ending=".csv", overwrite=True)
    if photos.exists() and not photos.is_dir():
        raise mm.InputError(f"label expects a folder of pictures. Received: {photos}, a file; name its folder.")
    if vgg19_weights and not preset:
        raise mm.InputError(f"--vgg19-weights is for --preset. Received: {vgg19_weights} alone; leave it out.")


def proposing(preset: str | None, vgg19_weights: str | None, questions: bool) -> Any:
    """The model that proposes, if one is named.

    Raises:
        mm.InputError: It cannot be loaded, or questions are asked for and it answers none.
    """
    if preset is None:
        return None
    start_tensorflow()
    model = load_model(preset, vgg19_weights)
    if questions and not isinstance(model, mm.VisualQA):
        raise mm.InputError(
            f"--questions is for presets that answer them. Received: {preset}, a captioner; leave one out."
        )
    return model


def asking(model: Any, pictures: Mapping[str, Path]) -> Callable[[str, str], Proposal]:
    """What a model says of a picture, or of a question about it; the words that it does not know are told."""
    answers = isinstance(model, mm.VisualQA)
    decoding = model.best(ANSWERS) if answers else search(model)

    def ask(name: str, question: str) -> Proposal:
        ((_, _, texts, _),) = said(model, [pictures[name]], question if answers else None, decoding)
        if isinstance(texts, mm.InputError):
            raise texts
        unknown = unknown_words(model, question) if answers else []
        note = f"words that it does not know: {', '.join(unknown)}" if unknown else ""
        told = [(text.text, text.probability if isinstance(text, mm.Answer) else None) for text in texts]
        return Proposal(tuple((text, share) for text, share in told if text), note)

    return ask


def serve(work: Labelling, port: int, *, browser: bool) -> None:
    """Serves the page until the person ends it there or with Ctrl-C; what is being saved then is saved."""
    with LabelServer(work, port) as server:
        tell(f"label {len(work.sheet.pictures)} pictures at {server.address}\nCtrl-C ends; {work.sheet.path} is kept")
        try:
            if browser:
                # In a thread: a browser of the terminal keeps its caller waiting, and asks the server meanwhile
                threading.Thread(target=webbrowser.open, args=(server.address,), daemon=True).start()
            server.serve_forever()
        except KeyboardInterrupt:
            tell("")


def finishing(sheet: Sheet, form: Form, photos: Path, learning: Mapping[str, str | None]) -> Callable[[int], Summary]:
    """What is said at the end, from the number of labelled pictures: the command that learns from the table."""

    def finish(labelled: int) -> Summary:
        following = command(sheet, form, photos, learning, unfinished(sheet)) if labelled else ""
        return Summary(labelled, len(sheet.pictures), WANTED, following)

    return finish


def command(sheet: Sheet, form: Form, photos: Path, learning: Mapping[str, str | None], unfinished: int) -> str:
    """The command that learns from the table; rows without text, which it would stumble over, are left out."""
    first = "caption" if form.texts == ("caption",) else "vqa"
    words = ["mmtoolkit", "finetune" if learning["preset"] else first]
    for name, value in learning.items():
        words += [f"--{name}", value] if value else []
    words += ["--data", str(photos if is_read_from(sheet, form, photos) else sheet.path)]
    words += ["--out", f"runs/{photos.resolve().name}"]
    return shlex.join([*words, *(["--on-error", "skip"] if unfinished else [])])


def is_read_from(sheet: Sheet, form: Form, photos: Path) -> bool:
    """Whether the readers take the table, and it alone, where they are given the folder."""
    try:
        return (captions_files if form.texts == ("caption",) else questions_files)(photos) == [sheet.path]
    except mm.InputError:  # several files
        return False


def say(summary: Summary, sheet: Sheet) -> None:
    """Prints what to run next, and tells how many pictures are labelled."""
    tell(f"labelled: {summary.labelled} of {summary.pictures} pictures, in {sheet.path}")
    if not summary.labelled:
        tell("there is nothing to learn from yet; start again to go on")
    elif summary.labelled < summary.wanted:
        tell(f"fine-tuning wants {summary.wanted} labelled pictures or more; start again to go on")
    if summary.command:
        print(summary.command)


if __name__ == "__main__":
    run(main)
