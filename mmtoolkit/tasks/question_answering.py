"""Visual question answering: an image and a question in, an answer out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mmtoolkit.errors import InputError, shortened
from mmtoolkit.labelling import QUESTIONS
from mmtoolkit.metrics import AnswerMetric, answer_kind, is_match, most_frequent_answer, question_kind
from mmtoolkit.metrics.calibration import calibration, calibration_error
from mmtoolkit.metrics.derangement import derangement
from mmtoolkit.metrics.vqa import parts
from mmtoolkit.readers import OnError, load_asked, load_questions
from mmtoolkit.readers.question_files import questions_files
from mmtoolkit.records import QuestionRecord
from mmtoolkit.task import Bars, Diagonal, Evaluation, Grades, Output, Part, Statistics, Task, Texts, View, summed

if TYPE_CHECKING:
    from mmtoolkit.models import VisualQA
    from mmtoolkit.readers import Fault

FIRST = 5  # answers among which the right one may be
CONFUSED = 10  # pairs of answers that are listed
KINDS = 40  # kinds of questions on a page
MOST_FREQUENT, QUESTION_ONLY, OTHER_IMAGES = "most frequent answer", "question only", "pictures of other questions"
NUMBER = re.compile("0|-?[1-9][0-9]{0,17}")  # ids that are the same as numbers
COMPANION = "question_only"  # a preset's question-only baseline


class QuestionAnswering(Task[QuestionRecord]):
    """Answers questions about images, scored by exact match and the official VQA accuracy."""

    name = "question answering"
    model_class = "VisualQA"
    noun = "answer"
    record_noun = "question"
    hub_tag = "visual-question-answering"
    unit = "questions"
    form = QUESTIONS
    command = "vqa"
    metric: ClassVar[AnswerMetric] = AnswerMetric()
    grades = ("right", "partly right", "right among the first five", "wrong")
    gains = (QUESTION_ONLY, OTHER_IMAGES)
    companions = (COMPANION,)
    samples = 12
    batch_size = 100
    is_probability = True
    asks = True
    best_shown = FIRST

    def files(self, folder: Path) -> list[Path]:
        return questions_files(folder)

    def load(
        self,
        path: Path,
        *,
        splits: Iterable[str] | None = None,
        on_error: OnError = "fail",
        exclude: Path | None = None,
    ) -> tuple[list[QuestionRecord], list[Fault]]:
        return load_questions(path, splits=splits, on_error=on_error, exclude=exclude)

    def example(self, image: Any, text: str = "") -> QuestionRecord:
        return QuestionRecord(image, str(image), text, (), str(image))

    def texts(self, records: Sequence[QuestionRecord]) -> dict[str, list[str]]:
        answers = [answer for record in records for answer in record.answers]
        return {"words": [record.question for record in records], "answers": answers}

    def inputs(self, model: VisualQA, examples: Sequence[QuestionRecord], source: Any) -> dict[str, Any]:
        images, questions = [example.image for example in examples], [example.question for example in examples]
        return model.inputs_for(images, questions, source)

    def dataset(self, model: VisualQA, records: Sequence[QuestionRecord], source: Any, **order: Any) -> Any:
        from mmtoolkit.data import question_dataset

        return question_dataset(
            records,
            model.codec,
            model.answers_codec,
            features=source if model.uses_images else None,
            max_question=model.max_question,
            max_length=model.max_length - 1,  # END is counted in it
            **order,
        )

    def loss(self, model: VisualQA, label_smoothing: float) -> Any:
        return model.answer_loss(label_smoothing)

    def search(self, model: VisualQA, n_best: int = 1) -> Any:
        return model.best(n_best)

    def unknown_words(self, model: VisualQA, text: str) -> list[str]:
        (words,) = model.codec.split([text])
        return [word for word in dict.fromkeys(words) if word not in model.codec.vocabulary.id_of]

    def results(self, predictions: Mapping[str, Sequence[Output]]) -> list[dict[str, Any]]:
        """Formats answers for the VQA evaluation server.

        Example:
            >>> question_answering.results({"7": [mm.Answer("red", 0.9)]})
            [{'question_id': 7, 'answer': 'red'}]
        """
        numbers = {key: int(key) if NUMBER.fullmatch(key) else key for key in predictions}  # "07" is another id than 7
        return [{"question_id": numbers[key], "answer": best[0].text} for key, best in predictions.items()]

    def asked(self, path: Path, *, splits: Iterable[str] | None = None) -> tuple[list[QuestionRecord], list[Fault]]:
        return load_asked(path, splits=splits)

    def guesses(self, model: VisualQA, records: Sequence[QuestionRecord]) -> dict[str, Sequence[Output]]:
        from mmtoolkit.models import Answer
        from mmtoolkit.text import SPECIAL

        usual = most_frequent_kept(model) or {"": model.answers_codec.vocabulary.tokens[len(SPECIAL)]}
        return {key: [Answer(text, 0.0)] for key, text in per_kind(usual, records).items()}

    def candidates(self, model: VisualQA) -> int:
        return 1 if model.decoder else FIRST  # a wider search would make the model write another answer

    def fit_baselines(self, train: Sequence[QuestionRecord]) -> dict[str, Any]:
        return {"most_frequent_answers": most_frequent_answers(train)}

    def baselines(self, evaluation: Evaluation) -> dict[str, Texts]:
        model, records, source = evaluation.model, evaluation.records, evaluation.source
        outputs: dict[str, Texts] = {}
        if usual := most_frequent_kept(model):
            outputs[MOST_FREQUENT] = {record.id: usual[""] for record in records}
            outputs[f"{MOST_FREQUENT} per question type"] = per_kind(usual, records)
        if baseline := model.companions.model(COMPANION, type(model)):
            if baseline.uses_images:
                raise InputError(f"Expected a preset whose {COMPANION} has no pictures. Received: one with; delete it.")
            outputs[QUESTION_ONLY] = evaluation.predict(baseline, records, None)
        if model.uses_images and len({record.image for record in records}) > 1:
            outputs[OTHER_IMAGES] = evaluation.predict(model, deranged_images(records, evaluation.seed), source)
        return outputs

    def grade(self, evaluation: Evaluation) -> Grades:
        predictions = evaluation.predictions
        return Grades({each.id: answer_grade(predictions[each.id], each.answers) for each in evaluation.records})

    def details(self, evaluation: Evaluation) -> dict[str, Any]:
        records, statistics = evaluation.records, evaluation.statistics
        return {
            "coverage": coverage(evaluation.model.answers_codec, records),
            "question_types": self.by_kind(statistics, {record.id: kind_of_question(record) for record in records}),
            "answer_types": self.by_kind(statistics, {record.id: kind_of_answer(record) for record in records}),
            "confused": confused(records, evaluation.outputs, statistics),
            "calibration": calibrated(evaluation.predictions, statistics),
        }

    def by_kind(self, statistics: Statistics, kinds: Texts) -> dict[str, dict[str, float]]:
        """Computes the scores of each kind and how many questions are of it, the most frequent first."""
        groups: dict[str, list[tuple[float, ...]]] = {}
        for key, kind in kinds.items():
            groups.setdefault(kind, []).append(statistics[key])
        ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
        return {kind: {"questions": len(rows), **self.metric.scores(summed(rows))} for kind, rows in ordered}

    def sections(self, report: Mapping[str, Any]) -> list[Part]:
        parts: list[Part] = []
        for key, title in (("question_types", "Kinds of questions"), ("answer_types", "Kinds of answers")):
            rows = [kind_row(kind, row) for kind, row in list(report.get(key, {}).items())[:KINDS]]
            parts += [Bars(title, rows, heads=self.metric.names[0], unit=" %")] if rows else []
        if pairs := report.get("confused"):
            rows = [(f"{each['right']} → {each['given']}", each["questions"], "") for each in pairs]
            most = max(count for _, count, _ in rows)
            parts.append(Bars("Most confused answers", rows, most, heads="right, and what was given instead"))
        if measured := report.get("calibration"):
            points = [(each["confidence"], each["accuracy"], each["answers"]) for each in measured["bins"]]
            note = "Probability and accuracy are {error} points apart on average."
            axes = ("probability it gave", "right (%)")
            noted = {"error": f"{measured['error']:.1f}"}
            title = "Is it as often right as it is sure?"
            parts.append(Diagonal(title, *axes, points, "as sure as right", note, noted))
        return parts

    def views(
        self, model: VisualQA, examples: Sequence[QuestionRecord], outputs: Sequence[str], source: Any
    ) -> list[View]:
        from mmtoolkit.models.look import question_views

        inputs = self.inputs(model, examples, source) if examples else {}
        images, questions = [example.image for example in examples], [example.question for example in examples]
        return [*question_views(model, inputs, images, questions, outputs)]

    def sample(self, record: QuestionRecord, output: str) -> str:
        """Formats an answer behind its question.

        Example:
            >>> record = QuestionRecord(Path("1.jpg"), "1.jpg", "what is it?", ("dog",), "7")
            >>> question_answering.sample(record, "cat")
            "1.jpg 'what is it?' 'cat' (reference: 'dog')"
        """
        return f"{record.image_id} {record.question!r} {output!r} (reference: {record.answers[0]!r})"

    def signatures(self, model: VisualQA, extractor: Any, *, n_best: int, sample: Any) -> dict[str, Any]:
        from mmtoolkit.tasks.question_answering_serving import signatures

        return signatures(model, extractor)

    def golden(self, model: VisualQA, probes: Any, *, n_best: int, sample: Any, tolerance: float) -> Iterable[Any]:
        from mmtoolkit.tasks.question_answering_serving import golden

        return golden(self, model, probes)


question_answering = QuestionAnswering()


def kind_row(kind: str, row: Mapping[str, float]) -> tuple[str, float, str]:
    """Returns the bar of one kind: its first score, and besides it the others and how many questions are of it.

    Example:
        >>> kind_row("how many", {"questions": 5, "accuracy": 40.0, "vqa_accuracy": 42.5})
        ('how many', 40.0, 'vqa_accuracy 42.5 · n = 5')
    """
    first, *others = (name for name in row if name != "questions")
    return kind, row[first], " · ".join([*(f"{name} {row[name]:.1f}" for name in others), f"n = {row['questions']}"])


def kind_of_question(record: QuestionRecord) -> str:
    """Returns the kind of question that the data set names, or else the first two words."""
    return record.question_type or question_kind(record.question)


def kind_of_answer(record: QuestionRecord) -> str:
    """Returns the kind of answer that the data set names, or else that of the most frequent answer."""
    return record.answer_type or answer_kind(most_frequent_answer(record.answers))


def most_frequent_answers(records: Sequence[QuestionRecord]) -> dict[str, str]:
    """Finds the most frequent answer to each kind of question and, under the empty name, of all.

    Example:
        >>> asked = [QuestionRecord(Path("1.jpg"), "1.jpg", "how many?", (answer,), answer) for answer in "223"]
        >>> most_frequent_answers(asked)["how many"]
        '2'
    """
    counts: dict[str, Counter[frozenset[str]]] = {}
    spelt: dict[frozenset[str], str] = {}  # what counts as one answer, as it was written first
    for record in records:
        answer = most_frequent_answer(record.answers)
        spelt.setdefault(parts(answer), answer)
        for kind in ("", kind_of_question(record)):
            counts.setdefault(kind, Counter())[parts(answer)] += 1
    return {kind: spelt[answers.most_common(1)[0][0]] for kind, answers in counts.items()}


def most_frequent_kept(model: VisualQA) -> Mapping[str, str] | None:
    """Returns the most frequent answers of the training data, by kind of question; `None` where a preset lacks them.

    Raises:
        InputError: The preset has something else in their place.
    """
    kept = model.baselines or {"most_frequent_answers": model.card.get("usual_answers")}  # presets of version 0.1
    usual = kept.get("most_frequent_answers")
    fits = isinstance(usual, Mapping) and "" in usual and all(isinstance(answer, str) for answer in usual.values())
    if usual and not fits:
        raise InputError(
            "Expected the most frequent answer to each kind of question, and to all under an empty name, in the "
            f"baselines.json of the preset. Received: {shortened(usual)}; copy the whole directory again."
        )
    return usual or None


def per_kind(usual: Mapping[str, str], records: Sequence[QuestionRecord]) -> Texts:
    """Returns the most frequent answer to each question's kind, by id.

    Example:
        >>> per_kind({"": "yes", "how many": "2"}, [QuestionRecord(Path("1.jpg"), "1.jpg", "how many?", (), "7")])
        {'7': '2'}
    """
    return {record.id: usual.get(kind_of_question(record), usual[""]) for record in records}


def deranged_images(records: Sequence[QuestionRecord], seed: int) -> list[QuestionRecord]:
    """Gives each question another image; all questions of one image get the same other one."""
    images = list(dict.fromkeys(record.image for record in records))
    others = derangement(images, seed)
    return [replace(record, image=others[record.image]) for record in records]


def answer_grade(answers: Sequence[Output], given: Sequence[str]) -> str:
    """Grades the answer to one question.

    Example:
        >>> answer_grade([mm.Answer("2", 0.8), mm.Answer("3", 0.2)], ["3", "3", "2"])
        'partly right'

    Args:
        answers: The model's answers, best first.
        given: What people answered; the most frequent one is right, others and parts of it partly.
    """
    right, partly, among_first, wrong = QuestionAnswering.grades
    best, usual = answers[0].text, most_frequent_answer(given)
    if is_match(best, usual):
        return right
    if parts(best) & parts(usual) or any(is_match(best, each) for each in given):
        return partly
    return among_first if any(is_match(each.text, usual) for each in answers[1:FIRST]) else wrong


def coverage(codec: Any, records: Sequence[QuestionRecord]) -> float:
    """Computes the percentage of questions whose most frequent answer can be given: the highest possible accuracy."""
    from mmtoolkit.text import UNK

    usual = [most_frequent_answer(record.answers) for record in records]
    ids = codec.encode_batch(usual)
    written = zip(usual, codec.decode_all(ids), (UNK in row for row in ids), strict=True)
    return 100 * sum(not unknown and is_match(given, text) for given, text, unknown in written) / len(records)


def confused(records: Sequence[QuestionRecord], outputs: Texts, statistics: Statistics) -> list[dict[str, Any]]:
    """Counts the most frequent wrong answers, each with the right one."""
    wrong = (record for record in records if not statistics[record.id][1])
    pairs = Counter((most_frequent_answer(record.answers), outputs[record.id]) for record in wrong)
    return [{"right": pair[0], "given": pair[1], "questions": count} for pair, count in pairs.most_common(CONFUSED)]


def calibrated(predictions: Mapping[str, Sequence[Output]], statistics: Statistics) -> dict[str, Any]:
    """Compares probabilities with the accuracy, in percentage points, and lists both in bins."""
    bins = calibration([predictions[key][0].score for key in statistics], [row[1] for row in statistics.values()])
    return {"error": calibration_error(bins), "bins": [each._asdict() for each in bins]}
