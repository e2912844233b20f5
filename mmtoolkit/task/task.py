"""A task, its examples, its outputs, and what it is given of an evaluation.

A task is one value: what distinguishes captioning from question answering, or from any other job, is in one module
of `mmtoolkit.tasks`. `predict`, `evaluate`, `fit`, `fine_tune`, `export`, `verify`, `compare`, the reports, samples,
`label` and `doctor` are written once over a `Task` and never name one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from mmtoolkit.errors import InputError
from mmtoolkit.task.metric import Metric, Statistics, Texts
from mmtoolkit.task.views import View

OnError = Literal["fail", "skip", "quarantine"]


class Form(NamedTuple):
    """A table of one's own data.

    Args:
        name: Its file, e.g. `"captions.csv"`.
        texts: Its columns besides the image.
    """

    name: str
    texts: tuple[str, ...]


class Example(Protocol):
    """One raw record, as a reader gives it."""

    @property
    def id(self) -> str:
        """The name that results use; unique in a data set."""

    @property
    def group(self) -> str:
        """What is split and resampled together, e.g. the picture of a question."""

    @property
    def input(self) -> str:
        """The text that goes into the model; empty where there is none."""

    @property
    def references(self) -> tuple[str, ...]:
        """What people gave as output; none where it is secret."""

    @property
    def image(self) -> Any:
        """The image file, where there is one."""

    @property
    def split(self) -> str | None:
        """`"train"`, `"valid"`, `"test"`, or `None`."""

    @property
    def source(self) -> str:
        """Where it was read, e.g. `"captions.csv:7"`."""

    @property
    def content(self) -> tuple[Any, ...]:
        """What a model is trained on, for the digest of a data set."""


class Output(Protocol):
    """One output of a model for one example."""

    @property
    def text(self) -> str:
        """The output as text."""

    @property
    def score(self) -> float:
        """What the search ranks by: a probability or a log-probability."""


class Section(NamedTuple):
    """One part of a report's page: a heading, a table whose first row is its head, and a remark."""

    title: str
    rows: list[list[str]]
    note: str = ""


class Bars(NamedTuple):
    """One part of a report's page: a heading, and a bar for each of some values.

    Args:
        title: The heading.
        rows: What each bar is for, its value, and a remark.
        most: The value of a full bar.
        heads: What the bars are for, where the heading does not say it.
        unit: What is written behind each value.
    """

    title: str
    rows: Sequence[tuple[str, float, str]]
    most: float = 100.0
    heads: str = ""
    unit: str = ""


class Diagonal(NamedTuple):
    """One part of a report's page: a heading, and points that lie on the diagonal where all is well.

    Args:
        title: The heading.
        x: What is measured to the right, in percent.
        y: What is measured upwards, in percent.
        points: Both values of each point, and how many cases it stands for.
        diagonal: What the diagonal means.
        note: A remark, with the values of `noted` in it.
        noted: Numbers of the remark by name.
    """

    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float, int]]
    diagonal: str
    note: str = ""
    noted: Mapping[str, str] = {}


Part = Section | Bars | Diagonal


class Evaluation(NamedTuple):
    """What a task is given of an evaluation to compute its baselines, grades and details.

    Args:
        model: The model.
        records: What it is evaluated on.
        source: Where the images of the records come from; `None` where there are none.
        predictions: The model's outputs by id, best first.
        statistics: What each record adds to the scores.
        seed: Random seed of a derangement.
        train_records: What the model was trained on, where that is known.
        search: The search that was used.
        predict: Predicts other records with the same model, or with another one: `(model, records, source) -> texts`.
    """

    model: Any
    records: Sequence[Any]
    source: Any
    predictions: Mapping[str, Sequence[Output]]
    statistics: Statistics
    seed: int
    train_records: Sequence[Any]
    search: Any
    predict: Callable[[Any, Sequence[Any], Any], dict[str, str]]

    @property
    def outputs(self) -> dict[str, str]:
        """The best output of each record as text."""
        return {key: found[0].text for key, found in self.predictions.items()}

    @property
    def references(self) -> dict[str, tuple[str, ...]]:
        """The references of each record."""
        return {record.id: record.references for record in self.records}


class Grades(NamedTuple):
    """A grade for each example, from right to wrong.

    Args:
        of: By id, one of the task's `grades`.
        marks: Scores at which grades begin, by grade; none where no score decides.
    """

    of: Mapping[str, str]
    marks: Mapping[str, float] = {}


RecordT = TypeVar("RecordT", bound=Example)


class Task(ABC, Generic[RecordT]):
    """One task: how its records are read and fed to its model, what its outputs are, how they are scored and shown.

    A further task is one subclass in `mmtoolkit.tasks`; the jobs are written over it and need no change.
    """

    name: ClassVar[str]  # in reports, e.g. "captioning"
    model_class: ClassVar[str]  # class of its models in presets
    noun: ClassVar[str]  # an output, e.g. "caption"
    hub_tag: ClassVar[str] = "other"  # the Hugging Face Hub's name of the task
    record_noun: ClassVar[str]  # what a record holds besides its picture, e.g. "question"
    unit: ClassVar[str]  # what is counted, e.g. "questions"
    group_unit: ClassVar[str] = "images"  # what is resampled together
    form: ClassVar[Form]  # the table of one's own data
    command: ClassVar[str] = ""  # the job that trains a new model, e.g. "caption"
    metric: ClassVar[Metric]
    grades: ClassVar[tuple[str, ...]]
    grade_rule: ClassVar[str] = ""  # how grades are cut, in a sentence
    gains: ClassVar[tuple[str, ...]] = ()  # baselines whose difference to the model is reported with an interval
    companions: ClassVar[tuple[str, ...]] = ()  # further models that a training makes, for baselines
    samples: ClassVar[int] = 4  # examples shown after each epoch
    batch_size: ClassVar[int] = 50  # examples per forward pass
    is_probability: ClassVar[bool] = False  # whether an output's score is a probability
    takes: ClassVar[Literal["image", "text"]] = "image"  # what `predict` is given
    asks: ClassVar[bool] = False  # whether each example has a text of its own as input, e.g. a question
    best_shown: ClassVar[int] = 1  # outputs that `predict` prints by default

    # --- data ---

    @abstractmethod
    def files(self, folder: Path) -> list[Path]:
        """Lists the files of a folder that `load` reads.

        Raises:
            InputError: There is none, or it is not clear which.
        """

    @abstractmethod
    def load(
        self,
        path: Path,
        *,
        splits: Iterable[str] | None = None,
        on_error: OnError = "fail",
        exclude: Path | None = None,
    ) -> tuple[list[RecordT], list[Any]]:
        """Loads the records of a data set, and the faults for which others are left out."""

    @abstractmethod
    def example(self, image: Any, text: str = "") -> RecordT:
        """Makes a record without references of what `predict` is given."""

    @abstractmethod
    def texts(self, records: Sequence[RecordT]) -> dict[str, list[str]]:
        """Lists what each codec of the model is fitted on, by the codec's name."""

    # --- model ---

    @abstractmethod
    def inputs(self, model: Any, examples: Sequence[RecordT], source: Any) -> dict[str, Any]:
        """Makes the model's inputs for prediction."""

    @abstractmethod
    def dataset(
        self, model: Any, records: Sequence[RecordT], source: Any, *, batch_size: int, seed: int, epoch: int, step: int
    ) -> Any:
        """Makes the `tf.data.Dataset` of training batches from a position on."""

    @abstractmethod
    def loss(self, model: Any, label_smoothing: float) -> Any:
        """Returns the loss that training minimises."""

    def search(self, model: Any, n_best: int = 1) -> Any:
        """Returns a search for `n_best` outputs of each example, based on the model's own."""
        return model.decoding

    def choose_search(self, model: Any, n_best: int | None, options: Mapping[str, Any]) -> Any:
        """Returns the search that options of the command line ask for, based on the model's own.

        Raises:
            InputError: There is an option that this task does not take.
        """
        if given := [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]:
            raise InputError(
                f"{' with '.join(given)} is for presets that write captions. Received: {self.name}; leave it out."
            )
        return self.search(model, self.best_shown if n_best is None else n_best)

    def unknown_words(self, model: Any, text: str) -> list[str]:
        """Lists the words of an input that the model does not know."""
        return []

    # --- evaluation ---

    def candidates(self, model: Any) -> int:
        """Returns how many outputs of each example an evaluation needs."""
        return 1

    def fit_baselines(self, train: Sequence[RecordT]) -> dict[str, Any]:
        """Computes what a preset keeps of its training data for baselines, as JSON."""
        return {}

    def baselines(self, evaluation: Evaluation) -> dict[str, Texts]:
        """Computes the outputs of simpler predictors, by the baseline's name."""
        return {}

    def results(self, predictions: Mapping[str, Sequence[Output]]) -> list[dict[str, Any]] | None:
        """Formats predictions for the task's evaluation server; `None` where there is no server."""
        return None

    def asked(self, path: Path, *, splits: Iterable[str] | None = None) -> tuple[list[RecordT], list[Any]]:
        """Loads all that an evaluation server wants a result for, with or without its image, and faults of the rest."""
        return [], []

    def guesses(self, model: Any, records: Sequence[RecordT]) -> dict[str, Sequence[Output]]:
        """Guesses the outputs of records without an image that can be read, by id, for an evaluation server."""
        return {}

    def statistics(self, outputs: Mapping[str, Output], records: Sequence[RecordT]) -> Statistics:
        """Computes what each record adds to the scores; by default what the metric makes of its best output's text."""
        references = {record.id: record.references for record in records}
        return self.metric.statistics({key: outputs[key].text for key in references}, references)

    @abstractmethod
    def grade(self, evaluation: Evaluation) -> Grades:
        """Grades the outputs, so that a reader sees failures as well as successes."""

    def details(self, evaluation: Evaluation) -> dict[str, Any]:
        """Computes what else a report of this task has, as JSON."""
        return {}

    def sections(self, report: Mapping[str, Any]) -> Sequence[Part]:
        """Formats the details of a report for its page."""
        return []

    # --- views ---

    def views(self, model: Any, examples: Sequence[RecordT], outputs: Sequence[str], source: Any) -> list[View]:
        """Makes the view of each output: what went into the model, and what it attended to.

        Args:
            model: The model.
            examples: Some examples.
            outputs: The model's output for each.
            source: Where features or pixels come from; `None` for a model without images.
        """
        return []

    def sample(self, record: RecordT, output: str) -> str:
        """Formats a record with an output for the samples of a training."""
        asked = f" {record.input!r}" if record.input else ""
        return f"{record.id}{asked} {output!r} (reference: {record.references[0]!r})"

    def warnings(self, records: Sequence[RecordT], outputs: Texts, views: Sequence[View]) -> dict[str, str]:
        """Lists signs that a training fails, one sentence for each kind of sign."""
        return {}

    # --- serving ---

    def signatures(self, model: Any, extractor: Any, *, n_best: int, sample: Any) -> dict[str, Any]:
        """Makes the signatures of an exported model."""
        raise InputError(f"Models of the task {self.name} have no serving signatures yet. Received: an export.")

    def golden(self, model: Any, probes: Any, *, n_best: int, sample: Any, tolerance: float) -> Iterable[Any]:
        """Makes the golden requests that verify an exported model; `probes` are images to send."""
        return ()
