"""A report as one HTML page that opens offline: scores, examples with views, details, curves and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmtoolkit.html import escape, page, table
from mmtoolkit.reports import curves, views
from mmtoolkit.task import Task, View

Report = Mapping[str, Any]

SETTINGS = (
    *("data", "split", "preset", "left_out", "epoch", "seconds", "decoding", "signature", "data_sha256"),
    *("train_sha256", "vgg19_sha256", "precision", "options", "versions"),
)


def report_page(task: Task[Any], report: Report, title: str, *, views_of: Mapping[str, View]) -> str:
    """Renders a report as a self-contained page; what the report lacks is left out.

    Args:
        task: The task of the report.
        report: What `evaluate` gives, and what a training adds to it.
        title: What was evaluated.
        views_of: By id, the views of the report's examples.
    """
    cut = {"rule": task.grade_rule, "score": task.metric.row_scores[0]}
    graded = views.examples(report, views_of, **cut, percent=task.is_probability)
    details = [
        (section.title, table(section.rows) + (f"<p>{escape(section.note)}</p>" if section.note else ""))
        for section in task.sections(report)
    ]
    sections = [
        ("Scores", scores(task, report)),
        ("Before and after", before_and_after(task, report)),
        ("Examples, from right to wrong", graded),
        *details,
        ("Learning curves", learning(task, report.get("history", {}))),
        ("Settings and data", settings(report)),
    ]
    body = "".join(f"<section><h2>{name}</h2>{content}</section>" for name, content in sections if content)
    lead = f"<p class=lead>{escape(summary(task, report))}</p>{unlike(report)}"
    style = f"<style>{curves.STYLE}{views.STYLE}</style>"
    return page(title, f"{style}{lead}{body}", script=views.SCRIPT)


def summary(task: Task[Any], report: Report) -> str:
    """Formats the score that decides, in a sentence, e.g. `BLEU-4 22.06 (20.60–23.40) on 1,000 images`."""
    if not report.get("scores"):
        return "No scores: there is nothing to compare with."
    name = task.metric.names[0]
    units = dict.fromkeys((task.unit, task.group_unit))
    counts = " about ".join(f"{report[unit]:,} {unit}" for unit in units if unit in report)
    split = f" of the {report['split']} split" if report.get("split") not in (None, "all") else ""
    return f"{name} {with_interval(task, name, report)} on {counts}{split}"


def unlike(report: Report) -> str:
    """Formats the share of out-of-distribution images, where it is known."""
    if "unlike" not in report:
        return ""
    share = report["unlike"]["share"]
    return f"<p>{share:.1f} % of the pictures are unlike those of the training; of its own kind about 1 % are.</p>"


def with_interval(task: Task[Any], name: str, report: Report) -> str:
    """Formats a score with its interval."""
    score = task.metric.printed(name, report["scores"][name])
    if name not in report.get("intervals", {}):
        return score
    low, high = (task.metric.printed(name, end) for end in report["intervals"][name])
    return f"{score} ({low}–{high})"


def scores(task: Task[Any], report: Report) -> str:
    """Renders the scores with 95 % intervals beside those of the baselines."""
    if not report["scores"]:
        return ""
    others: Mapping[str, Any] = report.get("baselines", {})
    head = ["", "score (95 % interval)", *others]
    rows = []
    for name in report["scores"]:
        theirs = (task.metric.printed(name, given[name]) for given in others.values())
        rows.append([name, with_interval(task, name, report), *theirs])
    decisive = task.metric.names[0]
    gains = {other: points["scores"][decisive] for other, points in report.get("gains", {}).items()}
    points = [f"{abs(by):.1f} points {'below' if by < 0 else 'above'} {other}" for other, by in gains.items()]
    return table([head, *rows]) + (f"<p>{escape('; '.join(points))}.</p>" if points else "")


def before_and_after(task: Task[Any], report: Report) -> str:
    """Renders what a fine-tuning gained and lost."""
    if "before" not in report:
        return ""
    rows = [["", "before", "after"]]
    for name in report["scores"]:
        rows.append([name, with_interval(task, name, report["before"]), with_interval(task, name, report)])
    for part, where in (("test", "on the test split"), ("kept", "on the old data")):
        for name in report.get(part, {}).get("before", {}).get("scores", ()):
            both = (with_interval(task, name, report[part][when]) for when in ("before", "after"))
            rows.append([f"{name} {where}", *both])
    new = "; ".join(f"new {codec}: {', '.join(words)}" for codec, words in report.get("new", {}).items() if words)
    chosen = "The state was chosen on the pictures of the first lines, which makes them look better than others."
    return f"{table(rows)}<p>{chosen}</p><p>Best state: {escape(report['best'])}. {escape(new)}</p>"


def learning(task: Task[Any], history: Mapping[str, Any]) -> str:
    """Renders the curves of a training, or of each stage of a fine-tuning."""
    if history and all(isinstance(part, Mapping) for part in history.values()):
        parts = (f"<h3>{escape(stage)}</h3>{learning(task, part)}" for stage, part in history.items())
        return "".join(parts)
    lower = {name for name in history if "loss" in name or task.metric.better(name.removeprefix("val_")) == "lower"}
    return curves.curves(history, lower=lower) if history else ""


def settings(report: Report) -> str:
    """Renders the options, hashes and versions that the result depends on."""
    rows = list(flat({name: report[name] for name in SETTINGS if name in report}))
    return f"<details><summary>{len(rows)} settings</summary>{table([['', ''], *rows])}</details>" if rows else ""


def flat(content: Mapping[str, Any], before: str = "") -> Iterator[list[str]]:
    """Yields names and values; those of an inner mapping under both names."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name} ")
        elif value is not None:
            yield [f"{before}{name}", str(value)]


def examples_of(report: Report) -> Sequence[Mapping[str, Any]]:
    """Lists the examples of all grades."""
    return [row for group in report.get("groups", {}).values() for row in group["examples"]]
