"""A report as one HTML page that opens offline: scores, examples with views, details, curves and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from mmtoolkit.html import Words, bars, contents, escape, page, sections, table
from mmtoolkit.reports import views
from mmtoolkit.reports.charts import diagonal
from mmtoolkit.reports.curves import curves
from mmtoolkit.task import Bars, Diagonal, Part, Section, Task, View

Report = Mapping[str, Any]

MOST_BARS = 12  # of one part before the others are folded
SETTINGS = (
    *("data", "split", "preset", "left_out", "epoch", "seconds", "decoding", "signature", "data_sha256"),
    *("train_sha256", "encoder_sha256", "precision", "options", "versions"),
)


def report_page(
    task: Task[Any], report: Report, title: str, *, views_of: Mapping[str, View], date: str = "", language: str = ""
) -> str:
    """Renders a report as a self-contained page; what the report lacks is left out.

    Args:
        task: The task of the report.
        report: What `evaluate` gives, and what a training adds to it.
        title: What was evaluated, where the report names no preset.
        views_of: By id, the views of the report's examples.
        date: The day of the report.
        language: Of the fixed words, `"en"` or `"ko"`; that of the examples by default.
    """
    words = Words.of(texts_of(report), language)
    cut = {"rule": task.grade_rule, "score": task.metric.row_scores[0]}
    graded = views.examples(report, views_of, **cut, percent=task.is_probability, words=words)
    parts = [
        ("Scores", scores(task, report, words)),
        ("Before and after", before_and_after(task, report, words)),
        ("Examples, from right to wrong", graded),
        *((part.title, part_html(part, words)) for part in task.sections(report)),
        ("Learning curves", learning(task, report.get("history", {}), words)),
        ("Samples of the training", samples(report.get("samples", {}), words)),
        ("Settings and data", settings(report, words)),
    ]
    named = [(words(name), content) for name, content in parts]
    lead = f"<p class=lead>{escape(summary(task, report, words))}</p>{unlike(report, words)}"
    body = lead + contents(named, words("Contents")) + sections(named)
    return page(heading(report, title, date), body, script=views.SCRIPT, language=words.language)


def texts_of(report: Report) -> list[str]:
    """Lists the texts of the examples, by which the language of the page is chosen."""
    return [text for row in examples_of(report) for text in (row["input"], row["output"], *row["references"])]


def heading(report: Report, title: str, date: str) -> str:
    """Formats what was evaluated: the model, the data and the day, as far as they are known.

    Example:
        >>> heading({"preset": "shapes_demo", "data": "data/scenes", "split": "test"}, "report", "2026-01-31")
        'shapes_demo · scenes (test) · 2026-01-31'
    """
    data = report.get("data") or report.get("options", {}).get("data") or ""
    split = report.get("split")
    part = f" ({split})" if data and split not in (None, "all") else ""
    model = PurePath(str(report["preset"])).name if report.get("preset") else title
    return " · ".join(filter(None, (model, f"{PurePath(str(data)).name}{part}", date)))


def summary(task: Task[Any], report: Report, words: Words) -> str:
    """Formats the score that decides, in a sentence, e.g. `BLEU-4 22.06 (20.60–23.40) on 1,000 images`."""
    if not report.get("scores"):
        return words("No scores: there is nothing to compare with.")
    name = task.metric.names[0]
    units = [unit for unit in dict.fromkeys((task.unit, task.group_unit)) if unit in report]
    counted = [words("{count} " + unit, count=f"{report[unit]:,}") for unit in units]
    counts = words("{one} about {other}", one=counted[0], other=counted[1]) if len(counted) > 1 else "".join(counted)
    if report.get("split") not in (None, "all"):
        counts = words("{counts} of the {split} split", counts=counts, split=report["split"])
    return words("{score} on {counts}", score=f"{name} {with_interval(task, name, report)}", counts=counts)


def unlike(report: Report, words: Words) -> str:
    """Formats the share of out-of-distribution images, where it is known."""
    if "unlike" not in report:
        return ""
    text = "{share} % of the pictures are unlike those of the training; of its own kind about 1 % are."
    return f"<p>{escape(words(text, share=format(report['unlike']['share'], '.1f')))}</p>"


def interval(task: Task[Any], name: str, report: Report) -> str:
    """Formats the interval of a score, where there is one."""
    ends = report.get("intervals", {}).get(name, ())
    return "–".join(task.metric.printed(name, end) for end in ends)


def with_interval(task: Task[Any], name: str, report: Report) -> str:
    """Formats a score with its interval."""
    score, ends = task.metric.printed(name, report["scores"][name]), interval(task, name, report)
    return f"{score} ({ends})" if ends else score


def scores(task: Task[Any], report: Report, words: Words) -> str:
    """Renders each score as a tile, with its 95 % interval and those of the baselines as bars."""
    if not report["scores"]:
        return ""
    others: Mapping[str, Any] = report.get("baselines", {})
    decisive, tiles = task.metric.names[0], []
    ordered = sorted(report["scores"], key=lambda name: name != decisive)
    for name in ordered:
        values = {words("this model"): report["scores"][name]}
        values |= {words(other): given[name] for other, given in others.items() if name in given}
        rows = [(other, value, task.metric.printed(name, value), "") for other, value in values.items()]
        drawn = bars(rows, max(values.values()), own=0) if len(rows) > 1 else ""
        ends = interval(task, name, report)
        ends = f"<small>{escape(words('95 % interval'))} <span class=range>{ends}</span></small>" if ends else ""
        kind = " class=main" if name == decisive else ""
        number = f"<span class=number>{task.metric.printed(name, report['scores'][name])}</span>"
        tiles.append(f"<li{kind}><strong>{escape(name)}</strong>{number}{ends}{drawn}</li>")
    gains = [gain(words, other, each["scores"][decisive]) for other, each in report.get("gains", {}).items()]
    return f"<ul class=tiles>{''.join(tiles)}</ul>" + (f"<p>{escape('; '.join(gains))}.</p>" if gains else "")


def gain(words: Words, other: str, by: float) -> str:
    """Formats how far the model is above a baseline."""
    where = "below" if by < 0 else "above"
    return words("{points} points " + where + " {other}", points=f"{abs(by):.1f}", other=words(other))


def before_and_after(task: Task[Any], report: Report, words: Words) -> str:
    """Renders what a fine-tuning gained and lost."""
    if "before" not in report:
        return ""
    rows = [["", words("before"), words("after")]]
    for name in report["scores"]:
        rows.append([name, with_interval(task, name, report["before"]), with_interval(task, name, report)])
    for part, where in (("test", "{name} on the test split"), ("kept", "{name} on the old data")):
        for name in report.get(part, {}).get("before", {}).get("scores", ()):
            both = (with_interval(task, name, report[part][when]) for when in ("before", "after"))
            rows.append([words(where, name=name), *both])
    new = "; ".join(f"new {codec}: {', '.join(found)}" for codec, found in report.get("new", {}).items() if found)
    chosen = "The state was chosen on the pictures of the first lines, which makes them look better than others."
    best = words("Best state: {state}.", state=report["best"])
    return f"{table(rows)}<p>{escape(words(chosen))}</p><p>{escape(best)} {escape(new)}</p>"


def part_html(part: Part, words: Words) -> str:
    """Renders one part of a task's report: a table, bars, or points beside a diagonal."""
    match part:
        case Bars(_, rows, most, heads, unit):
            shown = [(name, value, f"{value:.3g}{unit}", note) for name, value, note in rows]
            lead = f"<p class=soft>{escape(words(heads))}</p>" if heads else ""
            return lead + bars(shown[:MOST_BARS], most) + more_bars(shown[MOST_BARS:], most, words)
        case Diagonal():
            note = f"<p>{escape(words(part.note, **part.noted))}</p>" if part.note else ""
            return diagonal(part, words) + note
        case Section(_, lines, note):
            remark = f"<p>{escape(words(note))}</p>" if note else ""
            return table([[words(line[0]), *line[1:]] for line in lines]) + remark


def more_bars(rows: Sequence[tuple[str, float, str, str]], most: float, words: Words) -> str:
    """Renders the bars that are shown when they are asked for."""
    name = escape(words("{count} more", count=len(rows)))
    return f"<details><summary>{name}</summary>{bars(rows, most)}</details>" if rows else ""


def learning(task: Task[Any], history: Mapping[str, Any], words: Words) -> str:
    """Renders the curves of a training, or of each stage of a fine-tuning."""
    if history and all(isinstance(part, Mapping) for part in history.values()):
        parts = (f"<h3>{escape(stage)}</h3>{learning(task, part, words)}" for stage, part in history.items())
        return "".join(parts)
    lower = {name for name in history if "loss" in name or task.metric.better(name.removeprefix("val_")) == "lower"}
    return curves(history, lower=lower, words=words) if history else ""


def samples(texts: Mapping[str, Any], words: Words) -> str:
    """Renders what the model has written after each epoch, folded; of several stages, each under its name."""
    if texts and all(isinstance(part, Mapping) for part in texts.values()):
        return "".join(f"<h3>{escape(stage)}</h3>{samples(part, words)}" for stage, part in texts.items() if part)
    name = "after epoch {epoch}"
    return "".join(
        f"<details><summary>{escape(words(name, epoch=epoch))}</summary><pre>{escape(text)}</pre></details>"
        for epoch, text in texts.items()
    )


def settings(report: Report, words: Words) -> str:
    """Renders the options, hashes and versions that the result depends on."""
    rows = list(flat({name: report[name] for name in SETTINGS if name in report}))
    name = words("{count} settings", count=len(rows))
    return f"<details><summary>{escape(name)}</summary>{table([['', ''], *rows])}</details>" if rows else ""


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
