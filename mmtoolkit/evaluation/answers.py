"""Answers a whole data set of questions and scores the answers, beside what simpler answers would score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from mmtoolkit.evaluation.derangement import derangement
from mmtoolkit.evaluation.groups import ANSWER_GROUPS, answer_group, candidates_needed, grouped
from mmtoolkit.evaluation.judge import Judge
from mmtoolkit.evaluation.rows import fingerprint
from mmtoolkit.evaluation.versions import versions
from mmtoolkit.metrics import (
    Bootstrap,
    answer_kind,
    answer_statistics,
    calibration,
    calibration_error,
    is_match,
    mean_scores,
    most_frequent_answer,
    paired,
    question_kind,
    score_answers,
)
from mmtoolkit.metrics.vqa import STATISTICS, parts
from mmtoolkit.models import Answer, VisualQA
from mmtoolkit.pictures import attention_picture
from mmtoolkit.records import QuestionRecord
from mmtoolkit.text import UNK, TextCodec
from mmtoolkit.vision import ImageSource, read_image

CONFUSED = 10  # pairs of answers that are shown
NO_VISION, MIXED = "question only", "pictures of other questions"
SEEING = (NO_VISION, MIXED)  # the baselines that show what the picture adds
Rows = Mapping[str, tuple[float, ...]]  # what each question adds to the scores


def answer_questions(
    model: VisualQA,
    records: Sequence[QuestionRecord],
    *,
    source: ImageSource | None,
    top: int = 1,
    batch_size: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[Answer]]:
    """The likeliest answers to every question, best first, by question id.

    Args:
        model: The model.
        records: Questions to answer.
        source: Where the features or pixels come from; none for a model that reads questions only.
        top: Answers to each.
        batch_size: Questions a forward pass.
        progress: Called with (done, total) after each batch.
    """
    answers: dict[str, list[Answer]] = {}
    for start in range(0, len(records), batch_size):
        chunk = records[start : start + batch_size]
        inputs = model.inputs_for([record.image for record in chunk], [record.question for record in chunk], source)
        for record, found in zip(chunk, model.decode(inputs, model.best(top)), strict=True):
            answers[record.question_id] = found
        if progress:
            progress(len(answers), len(records))
    return answers


def first_answers(model: VisualQA, records: Sequence[QuestionRecord], source: ImageSource | None) -> dict[str, str]:
    """The best answer to every question, by question id."""
    return {key: found[0].text for key, found in answer_questions(model, records, source=source).items()}


def judge_answers(
    model: VisualQA, records: Sequence[QuestionRecord], source: ImageSource | None
) -> tuple[dict[str, str], dict[str, float]]:
    """The answers to all questions, by question id, and their scores."""
    answers = first_answers(model, records, source)
    return answers, score_answers(answers, references(records))


ANSWERS: Judge = Judge(judge_answers, ("accuracy", "vqa_accuracy"))


def answer_sheet(model: VisualQA, image: Path, question: str, answer: str, attention_weights: ArrayLike) -> Image.Image:
    """The picture once per look at it, as the model saw it, with the attention over it.

    Args:
        model: The model.
        image: The picture's file.
        question: What was asked.
        answer: What the model answered.
        attention_weights: `<float>[hops, regions]`, from `model.attention_weights`.

    Raises:
        InputError: The font lacks a character of the question or the answer.
    """
    looks = [
        str(number) for number in range(1, len(np.asarray(attention_weights)))
    ]  # the answer stands under the last one
    pixels = read_image(image, size=model.image_size)
    return attention_picture(pixels, [*looks, answer], attention_weights, title=question)


def references(records: Sequence[QuestionRecord]) -> dict[str, tuple[str, ...]]:
    """What was answered to each question, by question id."""
    return {record.question_id: record.answers for record in records}


def kind_of_question(record: QuestionRecord) -> str:
    """The kind of question that the data set names, or else its first two words."""
    return record.question_type or question_kind(record.question)


def most_frequent_answers(records: Sequence[QuestionRecord]) -> dict[str, str]:
    """The most frequent answer to each kind of question, and under the empty name of all: the baselines of a report.

    Example:
        >>> most_frequent_answers(train)["how many"]        # doctest: +SKIP
        '2'
    """
    counts: dict[str, Counter[frozenset[str]]] = {}
    spelt: dict[frozenset[str], str] = {}  # what counts as one answer, as it was written first
    for record in records:
        usual = most_frequent_answer(record.answers)
        spelt.setdefault(parts(usual), usual)
        for kind in ("", kind_of_question(record)):
            counts.setdefault(kind, Counter())[parts(usual)] += 1
    return {kind: spelt[found.most_common(1)[0][0]] for kind, found in counts.items()}


def evaluate_answers(
    model: VisualQA,
    records: Sequence[QuestionRecord],
    *,
    source: ImageSource | None,
    usual: Mapping[str, str] | None = None,
    twin: VisualQA | None = None,
    found: Mapping[str, Sequence[Answer]] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """A report: scores with intervals, by kind of question and answer, and what simpler answers score.

    Args:
        model: The model.
        records: Questions with answers.
        source: Where the features or pixels come from.
        usual: The most frequent answers, as `most_frequent_answers` gives them; by default those in the model's card.
        twin: The same model trained on questions only.
        found: The model's answers, as `answer_questions` gives them, where they are known already; five to each tell
            whether the right one is among the first.
        seed: Of the pictures drawn for each other.
        progress: Called with (done, total) after each batch.

    Returns:
        A JSON object that begins with `scores` and their 95 % bootstrap `intervals` over pictures; in percent.
        `baselines` are the most frequent answers, those of the question-only `twin`, and those to the pictures of other
        questions; `gains` say how far the model is above the last two, with intervals of the difference. `groups` are
        examples from right to wrong, `rows` hold each answer with its group and what it adds to the scores.
    """
    found = found or answer_questions(model, records, source=source, top=candidates_needed(model), progress=progress)
    answers, given = {record.question_id: found[record.question_id][0].text for record in records}, references(records)
    rows = answer_statistics(answers, given)
    usual = model.card.get("usual_answers", {}) if usual is None else usual
    others: dict[str, Mapping[str, str]] = {}
    if usual:
        others["most frequent answer"] = dict.fromkeys(answers, usual[""])
        kinds = {record.question_id: usual.get(kind_of_question(record), usual[""]) for record in records}
        others["most frequent answer per question type"] = kinds
    if twin:
        others[NO_VISION] = first_answers(twin, records, None)
    if not model.question_only and len({record.image for record in records}) > 1:
        others[MIXED] = first_answers(model, shuffled(records, seed), source)
    compared = {name: answer_statistics(theirs, given) for name, theirs in others.items()}
    told = [example(record, found[record.question_id]) for record in records]
    return {
        "scores": sums(rows.values()),
        "intervals": Bootstrap()(by_image(records, rows), mean_scores),
        "baselines": {name: sums(theirs.values()) for name, theirs in compared.items()},
        "gains": {name: gain(records, rows, compared[name]) for name in SEEING if name in compared},
        "coverage": coverage(model.answers_codec, records),
        "question_types": by_kind(rows, {record.question_id: kind_of_question(record) for record in records}),
        "answer_types": by_kind(rows, {record.question_id: kind_of_answer(record) for record in records}),
        "confused": confused(told, rows),
        "calibration": calibration_of(told, rows),
        "questions": len(records),
        "images": len({record.image_id for record in records}),
        "groups": grouped(told, ANSWER_GROUPS, lambda example: example["group"]),
        "rows": [
            {key: each[key] for key in ("question_id", "image_id", "question", "answer", "probability", "group")}
            | {"references": fingerprint(each["references"])}
            | dict(zip(STATISTICS, rows[each["question_id"]], strict=False))
            for each in told
        ],
        "versions": versions(),
    }


def sums(rows: Iterable[Sequence[float]]) -> dict[str, float]:
    """The scores of summed rows."""
    return mean_scores([sum(column) for column in zip(*rows, strict=True)])


def by_image(records: Sequence[QuestionRecord], *tables: Rows) -> list[list[float]]:
    """What each picture adds to the scores, the tables' columns side by side; its questions are drawn together."""
    totals: dict[str, list[float]] = {}
    for record in records:
        row = [value for table in tables for value in table[record.question_id]]
        before = totals.setdefault(record.image_id, [0.0] * len(row))
        before[:] = [old + new for old, new in zip(before, row, strict=True)]
    return list(totals.values())


def gain(records: Sequence[QuestionRecord], ours: Rows, theirs: Rows) -> dict[str, Any]:
    """How many points one table scores above another, and the interval of the difference."""
    table = by_image(records, ours, theirs)
    difference = paired(mean_scores)
    points = difference([sum(column) for column in zip(*table, strict=True)])
    return {"scores": points, "intervals": Bootstrap()(table, difference)}


def shuffled(records: Sequence[QuestionRecord], seed: int) -> list[QuestionRecord]:
    """The same questions, each about a picture that another one was asked about: pictures change places as wholes."""
    images = list(dict.fromkeys(record.image for record in records))
    taken = derangement(images, seed)
    return [replace(record, image=taken[record.image]) for record in records]


def coverage(codec: TextCodec, records: Sequence[QuestionRecord]) -> float:
    """The percentage of questions whose usual answer can be given: the highest score that there is."""
    usual = [most_frequent_answer(record.answers) for record in records]
    ids = codec.encode_batch(usual)
    written = zip(usual, codec.decode_all(ids), (UNK in row for row in ids), strict=True)
    return 100 * sum(not unknown and is_match(given, text) for given, text, unknown in written) / len(records)


def kind_of_answer(record: QuestionRecord) -> str:
    """The kind of answer that the data set names, or else what the usual answer looks like."""
    return record.answer_type or answer_kind(most_frequent_answer(record.answers))


def by_kind(rows: Rows, kinds: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """The scores of each kind and how many questions are of it, the most frequent first."""
    groups: dict[str, list[tuple[float, ...]]] = {}
    for key, kind in kinds.items():
        groups.setdefault(kind, []).append(rows[key])
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return {kind: {"questions": len(group), **sums(group)} for kind, group in ordered}


def example(record: QuestionRecord, found: Sequence[Answer]) -> dict[str, Any]:
    """A question with its answers, as JSON."""
    return {
        "question_id": record.question_id,
        "image_id": record.image_id,
        "question": record.question,
        "answer": found[0].text,
        "probability": found[0].probability,
        "group": answer_group(found, record.answers),
        "references": list(record.answers),
    }


def confused(examples: Sequence[Mapping[str, Any]], rows: Rows) -> list[dict[str, Any]]:
    """The wrong answers that are given most, each with the right one and how often."""
    wrong = (each for each in examples if not rows[each["question_id"]][1])
    pairs = Counter((most_frequent_answer(each["references"]), each["answer"]) for each in wrong)
    return [{"right": pair[0], "given": pair[1], "questions": count} for pair, count in pairs.most_common(CONFUSED)]


def calibration_of(examples: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Any]:
    """How far the probabilities are from the accuracy, in percentage points, and both in bins."""
    bins = calibration([each["probability"] for each in examples], [rows[each["question_id"]][1] for each in examples])
    return {"error": calibration_error(bins), "bins": [each._asdict() for each in bins]}
