"""Reports: scores with intervals, baselines, grades and a row for each record, over any task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mmtoolkit.decoding import Search
from mmtoolkit.evaluation.environment import versions
from mmtoolkit.evaluation.prediction import predict, texts
from mmtoolkit.metrics import Bootstrap, paired
from mmtoolkit.records import fingerprint
from mmtoolkit.task import Evaluation, Example, Grades, Metric, Output, Report, Statistics, Task, summed
from mmtoolkit.vision import ImageSource

SHOWN = 4  # examples of a grade

Row = dict[str, Any]


def evaluate(
    task: Task[Any],
    model: Any,
    records: Sequence[Example],
    *,
    source: ImageSource | None = None,
    search: Search | None = None,
    predictions: Mapping[str, Sequence[Output]] | None = None,
    train_records: Sequence[Example] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Evaluates a model on records with references.

    Example:
        >>> report = evaluate(mm.captioning, captioner, records[:8], source=source)
        >>> report["scores"]["BLEU-1"] > report["baselines"]["captions of other pictures"]["BLEU-1"]
        True

    Args:
        task: The task of the model.
        model: The model.
        records: Records with references.
        source: Where features or pixels come from; `None` for a model without images.
        search: A search in place of the model's own.
        predictions: The model's outputs by id, as `predict` gives them, where they are known already.
        train_records: What the model was trained on, for the share of outputs that occur there.
        seed: Random seed of derangements.
        progress: Called with (done, total) after each batch.

    Returns:
        A JSON object: `scores`, their 95 % bootstrap `intervals` over groups, `baselines`, `metric` (names, direction,
        digits), the task's details, `groups` (the share of each grade, with examples), and `rows` (`id`, `group`,
        `input`, `output`, `score`, `grade`, `references` as a fingerprint, and what the record adds to the scores).

    Raises:
        InputError: There is nothing to score, or an image cannot be read.
    """
    search = search or task.search(model, task.candidates(model))
    predictions = predictions or predict(task, model, records, source=source, search=search, progress=progress)
    references = {record.id: record.references for record in records}
    metric, groups = task.metric, {record.id: record.group for record in records}
    statistics = task.statistics({key: predictions[key][0] for key in references}, records)

    best = partial(texts, task)
    evaluation = Evaluation(model, records, source, predictions, statistics, seed, train_records, search, best)
    baselines = {name: metric.statistics(outputs, references) for name, outputs in task.baselines(evaluation).items()}
    grades = task.grade(evaluation)
    rows = [row_of(task, record, predictions[record.id][0], grades, statistics) for record in records]
    gains = {name: gain(metric, groups, statistics, baselines[name]) for name in task.gains if name in baselines}
    report = {
        "scores": metric.scores(summed(statistics.values())),
        "intervals": Bootstrap()(by_group(groups, statistics), metric.scores),
        "baselines": {name: metric.scores(summed(theirs.values())) for name, theirs in baselines.items()},
        **({"gains": gains} if task.gains else {}),
        "task": task.name,
        "metric": metric.as_json(),
        task.unit: len(records),
        task.group_unit: len(set(groups.values())),
        **task.details(evaluation),
        "groups": by_grade(rows, task.grades),
        **({"group_marks": dict(grades.marks)} if grades.marks else {}),
        "rows": [row | {"references": fingerprint(row["references"])} for row in rows],
        "versions": versions(),
    }
    return Report(report)


def row_of(task: Task[Any], record: Example, output: Output, grades: Grades, statistics: Statistics) -> Row:
    """Makes the row of one record."""
    return {
        "id": record.id,
        "group": record.group,
        "input": record.input,
        "output": output.text,
        "score": output.score,
        "grade": grades.of[record.id],
        "references": list(record.references),
        **dict(zip(task.metric.columns, statistics[record.id], strict=False)),
    }


def by_group(groups: Mapping[str, str], *tables: Statistics) -> list[list[float]]:
    """Sums the statistics of each group, the tables' columns side by side; a group is resampled as a whole."""
    rows: dict[str, list[list[float]]] = {}
    for key, group in groups.items():
        rows.setdefault(group, []).append([value for table in tables for value in table[key]])
    return [summed(held) for held in rows.values()]


def gain(metric: Metric, groups: Mapping[str, str], ours: Statistics, theirs: Statistics) -> dict[str, Any]:
    """Computes the difference of the scores of two tables, with its interval."""
    table = by_group(groups, ours, theirs)
    difference = paired(metric.scores)
    return {"scores": difference(summed(table)), "intervals": Bootstrap()(table, difference)}


def by_grade(rows: Sequence[Row], grades: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Lists the share of each grade, in percent, with some of its examples, spread evenly.

    Example:
        >>> by_grade([{"grade": "right"}, {"grade": "wrong"}], ["right"])
        {'right': {'share': 50.0, 'examples': [{'grade': 'right'}]}}
    """
    groups: dict[str, dict[str, Any]] = {}
    for grade in grades:
        held = [row for row in rows if row["grade"] == grade]
        count = min(SHOWN, len(held))
        examples = [held[number * len(held) // count] for number in range(count)]
        groups[grade] = {"share": 100 * len(held) / max(1, len(rows)), "examples": examples}
    return groups
