"""Fits a model, validates it by its outputs, and keeps its best state; over any task."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from mmtoolkit.evaluation import drawn, images_of
from mmtoolkit.evaluation.environment import versions
from mmtoolkit.monitoring import AfterBar, Budget, Curves, Events, Samples, StopAtNaN
from mmtoolkit.monitoring.callbacks import Tell
from mmtoolkit.monitoring.samples import written_samples
from mmtoolkit.readers import Splits
from mmtoolkit.records import digest
from mmtoolkit.run_folder import checkpoint_in
from mmtoolkit.task import Task
from mmtoolkit.training.checkpoints import Checkpoints, Position
from mmtoolkit.training.recipe import Recipe
from mmtoolkit.training.validation import DecodedValidation
from mmtoolkit.vision import ImageSource, MirroredHalf
from mmtoolkit.vision.image_distribution import LEAST
from mmtoolkit.vision.sources import pictures_digest


class Trained(NamedTuple):
    """What a training leaves besides its preset.

    Args:
        model: The best state, as the preset has it.
        history: Loss and validation scores of each epoch.
        epoch: The best epoch, from 1.
        rank: What that state is compared with others by, larger is better.
        source: Where its features or pixels come from.
        samples: What it generated for a few records after each epoch, by the number of the epoch.
    """

    model: Any
    history: dict[str, list[float]]
    epoch: int
    rank: tuple[float, ...]
    source: ImageSource | None
    samples: Mapping[str, str] = {}


class Objective(Protocol):
    """What a training minimises: a `Task`, or any object with these two methods of one."""

    def dataset(
        self, model: Any, records: Sequence[Any], source: Any, *, batch_size: int, seed: int, epoch: int, step: int
    ) -> Any:
        """Makes the `tf.data.Dataset` of training batches from a position on."""

    def loss(self, model: Any, label_smoothing: float) -> Any:
        """Returns the loss that training minimises."""


class Phase(NamedTuple):
    """A part of a training, with a data set and a loss of its own.

    Args:
        name: Its name in the report.
        objective: Its data set and its loss.
        recipe: The hyperparameters.
        start: Makes the model that it starts from, of the best state of the stage before; that state by default.
    """

    name: str
    objective: Objective
    recipe: Recipe
    start: Callable[[Any], Any] = lambda model: model


def fit(
    task: Task[Any],
    model: Any,
    splits: Splits[Any],
    *,
    source: ImageSource | None,
    out: Path,
    recipe: Recipe,
    objective: Objective | None = None,
    card: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Tell,
) -> Trained:
    """Fits a model and keeps its best state in `out/preset`; a stopped training is resumed from its checkpoint.

    Example:
        >>> few, lines = Splits(splits.train[:2], splits.valid, splits.test), []
        >>> captioner = mm.load("shapes_demo")
        >>> out, recipe = Path("mine"), Recipe(epochs=1)
        >>> trained = fit(mm.captioning, captioner, few, source=source, out=out, recipe=recipe, tell=lines.append)
        >>> mm.load("mine/preset").image_size
        64

    Args:
        task: The task of the model.
        model: The model, built.
        splits: The records.
        source: Where features or pixels come from; `None` for a model without images.
        out: Folder of the run.
        recipe: The hyperparameters.
        objective: What is minimised in place of the task's own loss over people's texts.
        card: What the preset's card has besides scores and versions.
        settings: What the weights depend on besides data and model: a checkpoint of other settings is refused.
        tell: Called with messages, between progress bars.

    Raises:
        InputError: The checkpoint is damaged or of other settings.
        FloatingPointError: The loss or the weights are no longer finite.
    """
    aim = objective or task
    shown: Any = MirroredHalf(source, seed=recipe.seed) if recipe.mirror else source

    def data(at: Position) -> Any:
        order = {"batch_size": recipe.batch_size, "seed": recipe.seed, "epoch": at.epoch, "step": at.step}
        return aim.dataset(model, splits.train, shown, **order)

    steps = len(data(Position()))
    model.compile(recipe.optimizer(steps), loss=aim.loss(model, recipe.label_smoothing))
    events, notes = Events(out / "logs"), AfterBar(tell)
    shows = source is not None or not model.uses_images
    samples = Samples(task, splits.valid, source, out / "samples", events=events, tell=notes.add) if shows else None
    validation = DecodedValidation(
        task,
        splits.valid,
        source=source,
        preset=out / "preset",
        patience=recipe.patience,
        card={**(card or {}), **model.provenance, "versions": versions()},
        watch=samples,
    )
    lasting = {**(settings or {}), **model.provenance, **data_digests(splits, source)}
    checkpoints = Checkpoints(
        checkpoint_in(out), steps=steps, settings=lasting, validation=validation, every=recipe.checkpoint_every
    )
    watched: list[Any] = [validation, StopAtNaN(out / "preset"), Curves(events, tell=notes.add), notes]
    if recipe.max_minutes:
        watched.append(Budget(60 * recipe.max_minutes))
    history = checkpoints.fit(model, data, epochs=recipe.epochs, callbacks=watched)
    events.close()
    return Trained(
        type(model).from_preset(out / "preset", **model.own_layers()),
        history,
        validation.best_epoch + 1,
        validation.best,
        source,
        written_samples(out / "samples"),
    )


def data_digests(splits: Splits[Any], source: ImageSource | None, *, images: bool = False) -> dict[str, str]:
    """Computes the digests of what a training sees: its texts, those that it is validated on, and the pictures of both.

    Args:
        splits: The records.
        source: Where features or pixels come from; `None` for a model without images.
        images: Whether the pictures are part of it although there is no source of them yet.
    """
    texts = {"train_sha256": digest(splits.train), "valid_sha256": digest(splits.valid)}
    if source is None and not images:
        return texts
    return {**texts, "pictures_sha256": pictures_digest(images_of([*splits.train, *splits.valid]), source)}


def keep_distribution(
    model: Any, splits: Splits[Any], source: ImageSource | None, preset: Path, *, seed: int, tell: Tell
) -> None:
    """Fits the distribution of the training images and saves it in the preset.

    Args:
        model: As the preset has it.
        splits: The records; the validation split sets the threshold.
        source: Where features or pixels come from; without images there is nothing to keep.
        preset: The folder of the preset.
        seed: Random seed, where images are drawn from many.
        tell: Called where there are too few images.
    """
    from mmtoolkit.presets import replace_image_distribution

    if source is None:
        return
    train, valid = (drawn(images_of(records), seed) for records in (splits.train, splits.valid))
    if len(train) + len(valid) < LEAST:
        tell(f"fewer than {LEAST} pictures: predict will not say which ones are unlike them")
        model.image_distribution = None  # that of a fine-tuned model may be of another encoder
        replace_image_distribution(preset, None)
        return
    if distribution := model.fit_distribution(train, valid, source=source):
        replace_image_distribution(preset, distribution)


@contextlib.contextmanager
def resumable(is_stopped: Callable[[], bool], tell: Tell) -> Iterator[None]:
    """Prints how to resume a training that Ctrl-C ends."""
    try:
        yield
    except KeyboardInterrupt:
        if is_stopped():
            tell("the same command with --resume goes on from the last checkpoint")
        raise
