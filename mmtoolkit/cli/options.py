"""The options that jobs share, in groups: each with its range, its default and its help, once.

The options of a job are a frozen dataclass that derives from groups:

    >>> @dataclass(frozen=True, kw_only=True)
    ... class Options(Run, Data, Fitting):
    ...     '''Options of a job.
    ...
    ...     Args:
    ...         data: A folder of recordings.
    ...         hops: Number of attention hops.
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
from typing import Any, Literal

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
        {'beam': 3, 'length_penalty': None, 'rerank': None}
    """
    return {field.name: getattr(options, field.name) for field in dataclasses.fields(group)}


def resolved(options: Any) -> dict[str, Any]:
    """Returns the options of a run as plain values for config.yaml, without those of one call only."""
    return {
        name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for name, value in values(options, type(options)).items()
        if name not in ("overwrite", "resume")
    }


@dataclass(frozen=True, kw_only=True)
class Group:
    """Options that are checked when they are made."""

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Checks that numbers are in range and text is UTF-8; a group adds which of its options contradict each other.

        Raises:
            InputError: One is not, or two do.
        """
        check_ranges(self)
        check_texts(self)


@dataclass(frozen=True, kw_only=True)
class Seeded(Group):
    """The random seed.

    Args:
        seed: Seed of all random numbers.
    """

    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class Run(Seeded):
    """The folder of a training, its checkpoints, and resuming it.

    Args:
        out: Folder of the run.
        checkpoint_every: Steps between two checkpoints within an epoch, in OUT/checkpoints; 0 writes after epochs only.
        resume: Resume the run in OUT; start one if there is none.
        overwrite: Replace the run that is already in OUT.
    """

    out: Path
    checkpoint_every: Whole = 200
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Exclusion(Group):
    """The rows and pictures of a data set to leave out.

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
    """The validation split.

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
    """The feature store.

    Args:
        features: Folder of the feature store; in the cache by default.
    """

    features: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Weights(Group):
    """The encoder's weights for a model that is loaded.

    Args:
        encoder_weights: imagenet, the path of a weights file, or random; by default those the preset was trained
            with, or where the cache lacks them the published ones.
    """

    encoder_weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class Preset(Weights):
    """A model that is loaded.

    Args:
        preset: Name of a shipped preset, or the path of one.
    """

    preset: str


@dataclass(frozen=True, kw_only=True)
class Descent(Group):
    """The optimization of a training.

    Args:
        batch_size: Examples per step.
        learning_rate: Peak learning rate of Adam.
        averaging: Decay of the moving average of the weights at each step; 0 switches averaging off.
        label_smoothing: Probability moved from the right class to all classes.
    """

    batch_size: Count = 64
    learning_rate: Positive = 8e-4
    averaging: Share = 0.999
    label_smoothing: Share = 0.1


@dataclass(frozen=True, kw_only=True)
class Fitting(Descent):
    """The training of a new model.

    Args:
        epochs: Passes over the training split.
        max_minutes: Minutes of training steps, in each stage, after which it stops and is validated once more; the rate
            decays over the epochs all the same, so choose as many as fit.
        patience: Epochs without a better validation score before training stops.
        train_share: Share of the training split that is trained on, from its start: what would more data bring?
        deterministic: Train the same weights at every run, to the bit, at some cost in time.
    """

    epochs: Count = 10
    max_minutes: Positive | None = None
    patience: Whole = 5
    train_share: Probability | None = None
    deterministic: bool = False


@dataclass(frozen=True, kw_only=True)
class Rewarding(Group):
    """Self-critical training, which rewards sampled captions.

    Args:
        reward: Train on sampled captions by their reward afterwards: cider, bleu, or mix, their sum; none does not. It
            makes captions more alike.
        reward_epochs: Passes over the training pictures with a reward.
        reward_rate: Peak learning rate with a reward.
    """

    reward: Literal["none", "cider", "bleu", "mix"] = "none"
    reward_epochs: Count = 1
    reward_rate: Positive = 1e-4


@dataclass(frozen=True, kw_only=True)
class Beam(Group):
    """The beam search of a captioner.

    Args:
        beam: Width of a captioner's search, in place of the preset's own.
        length_penalty: Power of the length by which log-probabilities are divided, in place of the preset's own.
        rerank: Order of the sentences of the beam, in place of the preset's own: none, by likelihood; cider or bleu, by
            how much they agree with each other, which pays with a beam of 10 to 20.
    """

    beam: Count | None = None
    length_penalty: NotNegative | None = None
    rerank: str | None = None


@dataclass(frozen=True, kw_only=True)
class Searching(Beam):
    """The search of a captioner: a beam search, or sampling.

    Args:
        groups: Groups of a diverse beam search, each penalised for the words of the ones before it; the beam is a
            multiple of them.
        diversity: Penalty on a word for each earlier group that has it at the same position (0.5).
        temperature: Sample the words instead of searching for them; below 1 likely ones become likelier.
        top_k: Sample among this many likeliest words.
        top_p: Sample among the likeliest words that together have this probability.
        seed: Random seed of sampling (0).
    """

    groups: Count | None = None
    diversity: NotNegative | None = None
    temperature: Positive | None = None
    top_k: Whole | None = None
    top_p: Probability | None = None
    seed: Seed | None = None


@dataclass(frozen=True, kw_only=True)
class Printing(Group):
    """The form of the output.

    Args:
        json: Print one JSON object and nothing else.
    """

    json: bool = False


@dataclass(frozen=True, kw_only=True)
class Page(Group):
    """The page that is written.

    Args:
        language: Language of the page's fixed words; auto is that of the data's texts.
    """

    language: Literal["auto", "en", "ko"] = "auto"

    @property
    def fixed(self) -> str:
        """Returns the language that is fixed; nothing where it is that of the texts."""
        return "" if self.language == "auto" else self.language


@dataclass(frozen=True, kw_only=True)
class Replacing(Group):
    """Replacing existing files.

    Args:
        overwrite: Replace existing files.
    """

    overwrite: bool = False
