"""The options that jobs share, in groups: each with its range, its default and its help, once.

The options of a job are a frozen dataclass that derives from groups:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Options(Run, Data, Fitting):
    ...     '''Options of a job.
    ...
    ...     Args:
    ...         data: A folder of recordings.
    ...         hops: How often the memory is read.
    ...     '''
    ...
    ...     epochs: Count = 20
    ...     hops: Count = 1

Here `data` has another help than in its group, `epochs` another default, and `hops` is the job's own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from mmtoolkit.cli.ranges import (
    Count,
    NotNegative,
    Positive,
    Probability,
    Seed,
    Share,
    Whole,
    check_ranges,
    check_texts,
)
from mmtoolkit.readers import OnError


def values(options: Any, group: type) -> dict[str, Any]:
    """Returns the options of a group among those of a job, by name.

    Example:
        >>> values(Searching(beam=3), Beam)
        {'beam': 3, 'length_penalty': None}
    """
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(group)}


def resolved(options: Any) -> dict[str, Any]:
    """Returns the options of a run as plain values for config.yaml; what belongs to one call only is left out."""
    plain = {Path: str, tuple: list}
    fields = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {
        name: next((make(value) for kind, make in plain.items() if isinstance(value, kind)), value)
        for name, value in fields.items()
        if name not in ("overwrite", "resume")
    }


@dataclass(frozen=True, kw_only=True)
class Group:
    """Options that are checked when they are made."""

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Refuses numbers out of their range and text not in UTF-8; a group adds what contradicts each other in it.

        Raises:
            InputError: There is one.
        """
        check_ranges(self)
        check_texts(self)


@dataclass(frozen=True, kw_only=True)
class Seeded(Group):
    """What begins random numbers.

    Args:
        seed: Start of all random numbers.
    """

    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class Run(Seeded):
    """The folder of a training, and how it goes on.

    Args:
        out: Folder of the run.
        checkpoint_every: Steps between two checkpoints within an epoch, in OUT/checkpoints; 0 writes after epochs only.
        resume: Go on with the run in OUT; without one, start.
        overwrite: Replace the run that is already in OUT.
    """

    out: Path
    checkpoint_every: Whole = 200
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Exclusion(Group):
    """What of a data set is left out.

    Args:
        exclude: A list of rows and pictures to leave out, as doctor --quarantine writes it.
    """

    exclude: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Data(Exclusion):
    """A data set of pictures and texts.

    Args:
        data: The data set.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in OUT/quarantine.jsonl.
    """

    data: Path
    on_error: OnError = "fail"


@dataclass(frozen=True, kw_only=True)
class HeldOut(Group):
    """What is validated on.

    Args:
        valid_share: Share of the training pictures held out for validation where the data names others for training
            (and testing) only; without any split it is cut 80/10/10.
    """

    valid_share: Share = 0.2


@dataclass(frozen=True, kw_only=True)
class Images(Group):
    """Pictures by name.

    Args:
        images: Picture files, or folders of them.
    """

    images: tyro.conf.Positional[list[Path]]


@dataclass(frozen=True, kw_only=True)
class Store(Group):
    """Where features are kept.

    Args:
        features: Folder of the feature store; in the cache by default.
    """

    features: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Weights(Group):
    """VGG19 for a model that is loaded.

    Args:
        vgg19_weights: VGG19 weights; by default those the preset was trained with, or where the cache lacks them the
            published ones.
    """

    vgg19_weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class Preset(Weights):
    """A model that is loaded.

    Args:
        preset: Name of a shipped preset, or the path of one.
    """

    preset: str


@dataclass(frozen=True, kw_only=True)
class Descent(Group):
    """The steps of a training.

    Args:
        batch_size: Captions or questions a step.
        learning_rate: Highest rate of Adam.
        averaging: Share of the averaged weights kept at each step; 0 switches averaging off.
        label_smoothing: Probability moved from the right word or answer to all.
    """

    batch_size: Count = 64
    learning_rate: Positive = 8e-4
    averaging: Share = 0.999
    label_smoothing: Share = 0.1


@dataclass(frozen=True, kw_only=True)
class Fitting(Descent):
    """The training of a new model.

    Args:
        epochs: Passes over the training captions or questions.
        patience: Epochs without a better validation score before training stops.
        deterministic: Give the same weights at every run, to the bit, at some cost in time.
    """

    epochs: Count = 10
    patience: Whole = 5
    deterministic: bool = False


@dataclass(frozen=True, kw_only=True)
class Beam(Group):
    """The beam search of a captioner.

    Args:
        beam: Width of a captioner's search, in place of the preset's own.
        length_penalty: Power of the length by which log-probabilities are divided, in place of the preset's own.
    """

    beam: Count | None = None
    length_penalty: NotNegative | None = None


@dataclass(frozen=True, kw_only=True)
class Searching(Beam):
    """The search of a captioner: a beam, or words that are drawn.

    Args:
        groups: Diverse beam search: parts of the beam, each drawn away from the words of the ones before it; the beam
            is a multiple of them.
        diversity: What a word costs a group for each earlier one that says it at the same place (0.5).
        temperature: Draw the words instead of searching for them; below 1 likely ones become likelier.
        top_k: Draw among so many likeliest words.
        top_p: Draw among the likeliest words that together have this probability.
        seed: Start of the random numbers of a draw (0).
    """

    groups: Count | None = None
    diversity: NotNegative | None = None
    temperature: Positive | None = None
    top_k: Whole | None = None
    top_p: Probability | None = None
    seed: Seed | None = None


@dataclass(frozen=True, kw_only=True)
class Printing(Group):
    """The form of what is printed.

    Args:
        json: Print one JSON object and nothing else.
    """

    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Replacing(Group):
    """Whether files may be lost.

    Args:
        overwrite: Replace files that are there already.
    """

    overwrite: bool = False
