"""A whole training: data set in, preset and report out; over any task."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import tensorflow as tf

from mmtoolkit.data import image_source
from mmtoolkit.data.image_sources import readable
from mmtoolkit.errors import InputError
from mmtoolkit.evaluation import evaluate, images_of, out_of_distribution
from mmtoolkit.files import write_json
from mmtoolkit.presets import CARD, read_json
from mmtoolkit.readers import Fault, OnError, Splits, left_out, split
from mmtoolkit.records import digest
from mmtoolkit.reports import save_report
from mmtoolkit.run_folder import REPORT, begin, checkpoint_in, is_stopped, lasting, tidy
from mmtoolkit.task import Task
from mmtoolkit.training.fitting import Objective, Phase, Tell, Trained, data_digests, fit, keep_distribution, resumable
from mmtoolkit.training.recipe import Recipe
from mmtoolkit.vision import NO_VISION, ExtractorKey, ImageSource, VisionSetup, choose_precision, choose_vision

VISION = ("encoder", "encoder_weights", "layer", "image_size", "precision")  # options of a job whose model reads images
TEST_PARTS = ("scores", "intervals", "baselines", "gains", "unlike")  # of the report on the test split


class Options(Protocol):
    """The options of a training that this module reads; the others are in its settings."""

    @property
    def data(self) -> Path:
        """The data set."""

    @property
    def on_error(self) -> OnError:
        """What is done with a bad row or image."""

    @property
    def exclude(self) -> Path | None:
        """A list of rows and images to leave out."""

    @property
    def seed(self) -> int:
        """The random seed."""

    @property
    def out(self) -> Path:
        """The folder of the run."""

    @property
    def resume(self) -> bool:
        """Whether the run in the folder is resumed."""


class Screen(NamedTuple):
    """How a job shows its progress.

    Args:
        tell: Prints a message.
        progress: Makes a progress bar with a label; it is called with (done, total).
        bars: Redirects the progress bars of Keras.
    """

    tell: Tell
    progress: Callable[[str], Callable[[int, int], None]]
    bars: Callable[[], AbstractContextManager[None]]


class Blueprint(NamedTuple):
    """How a job makes the model that it trains.

    Args:
        build: Makes the model for some records and a vision setup.
        settle: Fills options in that depend on the vision setup, and checks them.
        images: Whether the model reads images.
        companions: Further models to train for baselines, by name: functions like `build`, of models without images.
        objective: Makes what the first stage minimises, of the task, the splits, the source of images and the options.
        before: Makes the stages before that on people's texts, of the splits and the options.
        stages: Makes the stages after it.
    """

    build: Callable[[Sequence[Any], VisionSetup, Mapping[str, Any]], Any]
    settle: Callable[[dict[str, Any], VisionSetup], None] = lambda settings, vision: None
    images: bool = True
    companions: Mapping[str, Callable[[Sequence[Any], VisionSetup, Mapping[str, Any]], Any]] = {}
    objective: Callable[[Task[Any], Splits[Any], Any, Mapping[str, Any]], Objective] = lambda task, *_: task
    before: Callable[[Splits[Any], Mapping[str, Any]], Sequence[Phase]] = lambda splits, settings: ()
    stages: Callable[[Splits[Any], Mapping[str, Any]], Sequence[Phase]] = lambda splits, settings: ()

    def phases(self, task: Task[Any], splits: Splits[Any], source: Any, settings: Mapping[str, Any]) -> list[Phase]:
        """Makes all stages, in order."""
        aim = self.objective(task, splits, source, settings)
        first = Phase("cross-entropy", aim, Recipe.of(settings))
        return [*self.before(splits, settings), first, *self.stages(splits, settings)]


def train(
    task: Task[Any],
    blueprint: Blueprint,
    *,
    options: Options,
    settings: dict[str, Any],
    out: Path,
    command: str,
    valid_share: float = 0.1,
    screen: Screen,
) -> dict[str, Any]:
    """Trains a model on a data set, keeps its best state in `out/preset`, and writes `out/report.json`.

    Args:
        task: The task of the model.
        blueprint: How the model is made.
        options: The options of the job.
        settings: The same as plain values, for config.yaml, the report and the recipe.
        out: The folder that the run is written in, as `run_folder.claimed` yields it.
        command: The command line's name of the job, for the card.
        valid_share: Share of the training groups held out where the data names no validation split.
        screen: How progress is shown.

    Returns:
        The report.
    """
    started, tell = time.perf_counter(), screen.tell
    if settings.get("deterministic"):
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(options.seed)
    splits, faults = load_splits(task, options, valid_share=valid_share)
    vision = NO_VISION
    if blueprint.images:
        vision = choose_vision(images_of(splits.train), **{name: settings[name] for name in VISION})
    elif "precision" in settings:
        vision = NO_VISION._replace(precision=choose_precision(settings["precision"]))
    settings |= {name: getattr(vision, name) for name in ("encoder", "precision") if name in settings}
    blueprint.settle(settings, vision)
    card = card_of(splits, options, settings, command=command, valid_share=valid_share)
    splits = splits.shortened(settings.get("train_share"))
    setup = vision if blueprint.images else None
    source, splits, faults = prepare(splits, faults, vision=setup, settings=settings, options=options, screen=screen)
    prepared = time.perf_counter()
    model = blueprint.build(splits.train, vision, settings)
    model.baselines = task.fit_baselines(splits.train)
    resumed = options.resume and checkpoint_in(out).is_file()
    begin(out, settings, faults, keep=resumed, companions=task.companions, tell=tell)
    same: dict[str, Any] = {"card": card, "settings": lasting(settings), "tell": tell}
    with resumable(lambda: is_stopped(out), tell), screen.bars():
        stages = blueprint.phases(task, splits, source, settings)
        of_stage = partial(source_of_stage, splits=splits, settings=settings, options=options, screen=screen)
        first: dict[str, Any] = {"source": source, "source_of": of_stage, "out": out}
        trained, about = fit_stages(task, model, stages, splits, **first, **same)
        keep_distribution(trained.model, splits, trained.source, out / "preset", seed=options.seed, tell=tell)
        for name, build in blueprint.companions.items():
            tell(f"the {name.replace('_', '-')} baseline:")
            baseline = build(splits.train, NO_VISION._replace(precision=vision.precision), settings)
            fit(task, baseline, splits, source=None, out=out / name, recipe=Recipe.of(settings), **same)
            trained.model.companions.entries[name] = out / name / "preset"
        if blueprint.companions:
            trained.model.save_preset(out / "preset")
        report = evaluated(task, trained, splits, options.seed)
    report |= {"epoch": trained.epoch, **about, "options": settings, "left_out": len(faults)}
    report["seconds"] = {"features": round(prepared - started), "total": round(time.perf_counter() - started)}
    report |= data_digests(splits, source)
    shown: dict[str, Any] = {
        "model": trained.model,
        "records": splits.valid,
        "source": trained.source,
        "data": options.data,
    }
    save_report(out / "report.json", task, report, **shown)
    add_scores(out / "preset", report)
    tidy(out, task.companions)
    return report


def card_of(
    splits: Splits[Any], options: Options, settings: Mapping[str, Any], *, command: str, valid_share: float
) -> dict[str, Any]:
    """Makes the card of a run: its data, its command and its options."""
    return {
        "data": str(options.data),
        "data_sha256": digest([record for part in splits for record in part]),
        "command": command,
        "seed": options.seed,
        "valid_share": valid_share,
        "options": dict(settings),
    }


def fit_stages(
    task: Task[Any],
    model: Any,
    stages: Sequence[Phase],
    splits: Splits[Any],
    *,
    source: ImageSource | None,
    source_of: Callable[[ExtractorKey | None, int], tuple[ImageSource, list[Fault]]],
    out: Path,
    tell: Tell,
    **same: Any,
) -> tuple[Trained, dict[str, Any]]:
    """Fits a model stage by stage, and keeps the best state of all in `out/preset`.

    Returns that, and for the report the history, the samples and, where there are several stages, the name of the best
    one. Those of several are by their names. A stage that was finished before a stop is not trained again. `source_of`
    makes the source for a later stage whose model reads other features.
    """
    states: dict[str, Trained] = {}
    for number, (name, objective, recipe, start) in enumerate(stages):
        if number:
            tell(f"stage {number}: {name}")
            keras.utils.set_random_seed(recipe.seed)  # it must not depend on when the one before was stopped
            before = states[stages[number - 1].name].model
            model = start(before.bare())
            if model.extractor != before.extractor:
                source, _ = source_of(model.extractor, model.image_size)  # those that are unreadable are left out
        own: dict[str, Any] = {
            "out": out / f"stage-{number}" if number else out,
            "objective": objective,
            "recipe": recipe,
        }
        states[name] = fit(task, model, splits, source=source, tell=tell, **own, **same)
    best = max(states, key=lambda name: states[name].rank)  # the first of equals
    trained = states[best]
    if len(states) == 1:
        return trained, {"history": dict(trained.history), "samples": trained.samples}
    trained.model.save_preset(out / "preset")
    parts = {part: {name: getattr(state, part) for name, state in states.items()} for part in ("history", "samples")}
    return trained, {"best": best, **parts}


def add_scores(preset: Path, report: Mapping[str, Any]) -> None:
    """Writes the scores of a finished run and their intervals into the card of its preset."""
    scores = {"valid_scores": report["scores"], "valid_intervals": report.get("intervals")}
    scores |= {name: report.get(name) for name in ("test_scores", "test_intervals")}
    known = {name: value for name, value in scores.items() if value}
    write_json(preset / CARD, {**read_json(preset, CARD), **known})


def check_finished(
    task: Task[Any], options: Options, *, valid_share: float = 0.1, others: Mapping[str, str] | None = None
) -> None:
    """Checks that a finished run, of which nothing is left to do, is of the same data.

    Where rows or pictures were left out, or an older version wrote the report, it cannot know.

    Args:
        task: The task of the model.
        options: The options of the job.
        valid_share: Share of the training groups held out where the data names no validation split.
        others: Further digests, by their names in the report.

    Raises:
        InputError: The data is other; the message says what of it.
    """
    report = json.loads((options.out / REPORT).read_text(encoding="utf-8"))
    if "valid_sha256" not in report or report["left_out"]:
        return
    splits, _ = load_splits(task, options, valid_share=valid_share)
    splits = splits.shortened(report["options"].get("train_share"))
    now = {**data_digests(splits, None, images="pictures_sha256" in report), **(others or {})}
    if differing := [name for name, value in now.items() if name in report and report[name] != value]:
        raise InputError(
            f"{options.out} holds a finished run of other data: its {', '.join(differing)} differ from now. "
            "Name another --out, or add --overwrite in place of --resume."
        )


def load_splits(task: Task[Any], options: Options, *, valid_share: float) -> tuple[Splits[Any], list[Fault]]:
    """Loads the records of a data set that have references, split, and what is left out of it.

    Raises:
        InputError: There are none, or nothing to train or validate on.
    """
    data = options.data
    records, faults = task.load(data, on_error=options.on_error, exclude=options.exclude)
    usable = [record for record in records if record.references]
    if not usable:
        raise InputError(
            f"Training needs {task.noun}s. Received: {data}, whose {task.record_noun}s have none; name another split."
        )
    return trainable(split(usable, seed=options.seed, valid_share=valid_share), data), list(faults)


def trainable(splits: Splits[Any], data: Path, unreadable: Sequence[Fault] = ()) -> Splits[Any]:
    """Checks that there is something to train and to validate on, and returns the splits."""
    if not splits.train or not splits.valid:
        why = f" but for {len(unreadable)} pictures that cannot be read" if unreadable else ""
        raise InputError(f"Training needs a train and a valid split. Received: {data} without one of them{why}.")
    return splits


def prepare(
    splits: Splits[Any],
    faults: list[Fault],
    *,
    vision: VisionSetup | None,
    settings: Mapping[str, Any],
    options: Options,
    screen: Screen,
) -> tuple[ImageSource | None, Splits[Any], list[Fault]]:
    """Makes the source of the images, if they are read, and leaves out the records whose image is unreadable."""
    source, unreadable = None, list[Fault]()
    if vision:
        same: dict[str, Any] = {"settings": settings, "options": options, "screen": screen}
        source, unreadable = source_of_stage(vision.key, vision.image_size, splits=splits, **same)
    faults = [*faults, *unreadable]
    if faults:
        screen.tell(f"warning: {left_out(faults)}")
    parts = (readable(part, unreadable) for part in splits)
    return source, trainable(Splits(*parts), options.data, unreadable), faults


def source_of_stage(
    key: ExtractorKey | None,
    size: int,
    *,
    splits: Splits[Any],
    settings: Mapping[str, Any],
    options: Options,
    screen: Screen,
) -> tuple[ImageSource, list[Fault]]:
    """Makes the source of the images for the models of one extractor, with a fault for each that is unreadable."""
    return image_source(
        key,
        [record for part in splits for record in part],
        size=size,
        mirrored=splits.train if settings.get("mirror") else (),
        features=settings["features"] and Path(settings["features"]),
        on_error=options.on_error,
        progress=screen.progress("features" if key else "pictures"),
    )


def evaluated(task: Task[Any], trained: Trained, splits: Splits[Any], seed: int) -> dict[str, Any]:
    """Evaluates the best state on the validation split and, where there is one, on the test split."""
    model, source = trained.model, trained.source
    report = evaluate(task, model, splits.valid, source=source, train_records=splits.train, seed=seed)
    report["split"] = "valid"
    if splits.test:
        test = evaluate(task, model, splits.test, source=source, seed=seed)
        test |= out_of_distribution(model, splits.test, source)
        report |= {f"test_{part}": test[part] for part in TEST_PARTS if part in test}
    return report
