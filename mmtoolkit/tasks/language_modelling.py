"""Language modelling: a text in, what comes next."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmtoolkit.metrics.likelihood import LikelihoodMetric
from mmtoolkit.readers.sentences import text_files
from mmtoolkit.readers.text_files import load_texts
from mmtoolkit.records import CONTEXT, TextRecord
from mmtoolkit.task import Evaluation, Form, Grades, OnError, Output, Section, Statistics, Task

if TYPE_CHECKING:
    from mmtoolkit.models.language_model import LanguageModel
    from mmtoolkit.readers import Fault

LIKELY, SURPRISING = 0.9, 1.1  # times the nats of the mean token


class Texts(Sequence[str]):
    """Reads the text of records one by one, as it is asked for: all of them may be larger than the memory.

    Args:
        records: The records.
    """

    def __init__(self, records: Sequence[TextRecord]) -> None:
        self.records = records

    def __getitem__(self, index: Any) -> Any:
        found = self.records[index]
        return [record.text for record in found] if isinstance(index, slice) else found.text

    def __len__(self) -> int:
        return len(self.records)


class LanguageModelling(Task[TextRecord]):
    """Predicts the next token of texts, scored by nats, bits and perplexity."""

    name = "language modelling"
    model_class = "LanguageModel"
    noun = "continuation"
    record_noun = "text"
    hub_tag = "text-generation"
    unit = "passages"
    group_unit = "passages"
    form = Form("text.txt", ("text",))
    command = "char-lm"
    metric: ClassVar[LikelihoodMetric] = LikelihoodMetric()
    grades = ("likely", "usual", "surprising")
    grade_rule = (
        "By the nats of a token in the passage: likely below nine tenths of the mean of all passages, surprising above "
        "eleven tenths."
    )
    takes = "text"
    batch_size = 16

    def files(self, folder: Path) -> list[Path]:
        return text_files(folder)

    def load(
        self,
        path: Path,
        *,
        splits: Iterable[str] | None = None,
        on_error: OnError = "fail",
        exclude: Path | None = None,
    ) -> tuple[list[TextRecord], list[Fault]]:
        return load_texts(path, splits=splits, on_error=on_error)

    def example(self, image: Any, text: str = "") -> TextRecord:
        return TextRecord.of(text)

    def texts(self, records: Sequence[TextRecord]) -> dict[str, Any]:
        return {"words": Texts(records)}

    def inputs(self, model: LanguageModel, examples: Sequence[TextRecord], source: Any) -> dict[str, Any]:
        from mmtoolkit.text import padded

        before = model.codec.encode_all([example.context for example in examples])
        # Only a text from its start on has START: what is read of a longer one begins in its midst.
        rows = [
            row[1:-1] if example.start > CONTEXT else row[:-1] for example, row in zip(examples, before, strict=True)
        ]
        tokens = padded([row if len(row) else whole[:1] for row, whole in zip(rows, before, strict=True)])
        if any(example.path is None for example in examples):
            return {"tokens": tokens}
        passage = padded([row[1:-1] for row in model.codec.encode_all([*Texts(examples)])])
        return {"tokens": tokens, "passage": passage if passage.size else np.zeros((len(examples), 1), np.int32)}

    def dataset(self, model: LanguageModel, records: Sequence[TextRecord], source: Any, **order: Any) -> Any:
        from mmtoolkit.data.streams import text_dataset

        model.carry(order["batch_size"])
        return text_dataset(records, model.codec, time=model.window, **order)

    def loss(self, model: LanguageModel, label_smoothing: float) -> Any:
        from mmtoolkit.losses import token_loss

        return token_loss(label_smoothing)

    def unknown_words(self, model: LanguageModel, text: str) -> list[str]:
        """Lists the tokens of a text that the model does not know."""
        (tokens,) = model.codec.split([text])
        return [token for token in dict.fromkeys(tokens) if token not in model.codec.vocabulary.id_of]

    def choose_search(self, model: LanguageModel, n_best: int | None, options: Mapping[str, Any]) -> Any:
        from mmtoolkit.decoding import choose_search

        return choose_search(model.decoding, n_best=1 if n_best is None else n_best, **options)

    def statistics(self, outputs: Mapping[str, Output], records: Sequence[TextRecord]) -> Statistics:
        found: dict[str, tuple[float, ...]] = {}
        for record in records:
            output: Any = outputs[record.id]
            found[record.id] = (-output.score, float(output.tokens), float(len(record.text)))
        return found

    def grade(self, evaluation: Evaluation) -> Grades:
        rates = {key: nats / max(1.0, tokens) for key, (nats, tokens, _) in evaluation.statistics.items()}
        mean = sum(rates.values()) / max(1, len(rates))
        likely, usual, surprising = self.grades
        of = {
            key: likely if rate < LIKELY * mean else surprising if rate > SURPRISING * mean else usual
            for key, rate in rates.items()
        }
        return Grades(of)

    def details(self, evaluation: Evaluation) -> dict[str, Any]:
        """Computes what a model of token frequencies alone, without any context, would score."""
        if not evaluation.train_records:
            return {}
        codec, size = evaluation.model.codec, len(evaluation.model.codec.vocabulary)
        counts = np.ones(size)  # each once more than it occurs: none is impossible
        for record in evaluation.train_records:
            (row,) = codec.encode_all([record.text])
            counts += np.bincount(row[1:-1], minlength=size)
        costs = -np.log(counts / counts.sum())
        nats = [float(costs[codec.encode_all([record.text])[0][1:-1]].sum()) for record in evaluation.records]
        rows = zip(nats, evaluation.statistics.values(), strict=True)
        sums = [sum(column) for column in zip(*((own, *rest[1:]) for own, rest in rows), strict=True)]
        uniform = {"nats": math.log(size), "perplexity": float(size)}
        return {"without_context": {"token frequencies": self.metric.scores(sums), "all tokens alike": uniform}}

    def sections(self, report: Mapping[str, Any]) -> list[Section]:
        rows = [
            [name, *(self.metric.printed(key, scores[key]) if key in scores else "" for key in self.metric.names)]
            for name, scores in {"the model": report["scores"], **report.get("without_context", {})}.items()
        ]
        return [Section("What the context is worth", [["", *self.metric.names], *rows])] if len(rows) > 1 else []

    def signatures(self, model: LanguageModel, extractor: Any, *, n_best: int, sample: Any) -> dict[str, Any]:
        from mmtoolkit.tasks.language_modelling_serving import signatures

        return signatures(model)

    def golden(self, model: LanguageModel, probes: Any, *, n_best: int, sample: Any, tolerance: float) -> Iterable[Any]:
        from mmtoolkit.tasks.language_modelling_serving import golden

        return golden(self, model, tolerance=tolerance)

    def sample(self, record: TextRecord, output: str) -> str:
        return f"{record.id}\n  after:     {record.input!r}\n  generated: {output!r}\n"


language_modelling = LanguageModelling()
