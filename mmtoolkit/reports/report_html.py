"""A report as one HTML page that opens offline: scores, examples with attention, failures, curves and settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmtoolkit.html import escape, page, table
from mmtoolkit.reports import curves, examples

Report = Mapping[str, Any]


def report_page(report: Report, title: str, *, looks: Mapping[str, examples.Look]) -> str:
    """A self-contained page; sections about what the report lacks are left out.

    Args:
        report: What `evaluate_captions` or `evaluate_answers` gives, and what a training adds to it.
        title: What was evaluated.
        looks: By image id or question id, the pictures of the report's examples.
    """
    sections = [
        ("Scores", scores(report)),
        ("Before and after", before_and_after(report)),
        ("Examples, from right to wrong", examples.examples(report, looks)),
        ("Kinds of questions", kinds(report.get("question_types", {}), "question")),
        ("Kinds of answers", kinds(report.get("answer_types", {}), "answer")),
        ("Most confused answers", confused(report.get("confused", []))),
        ("Is it as often right as it is sure?", calibrated(report)),
        ("How it writes", style_of(report)),
        ("Learning curves", learning(report.get("history", {}))),
        ("Settings and data", settings(report)),
    ]
    body = "".join(f"<section><h2>{name}</h2>{content}</section>" for name, content in sections if content)
    lead = f"<p class=lead>{escape(summary(report))}</p>{strange(report)}"
    style = f"<style>{curves.STYLE}{examples.STYLE}</style>"
    return page(title, f"{style}{lead}{body}", script=examples.SCRIPT)


def summary(report: Report) -> str:
    """The score that counts most in a sentence.

    Example:
        >>> summary({"scores": {"BLEU-4": 22.06}, "intervals": {"BLEU-4": (20.6, 23.4)}, "images": 1000})
        'BLEU-4 22.06 (20.60–23.40) on 1,000 pictures'
    """
    if not report.get("scores"):
        return "No scores: there is nothing to compare with."
    name = "BLEU-4" if "BLEU-4" in report["scores"] else next(iter(report["scores"]))
    counts = [f"{report[what]:,} {told}" for what, told in (("questions", "questions about"), ("images", "pictures"))
              if what in report]  # fmt: skip
    return f"{name} {sure(name, report)} on {' '.join(counts)}{told_split(report)}"


def strange(report: Report) -> str:
    """How many of the pictures are unlike those of the training, where that is known."""
    if "unlike" not in report:
        return ""
    share = report["unlike"]["share"]
    return f"<p>{share:.1f} % of the pictures are unlike those of the training; of its own kind about 1 % are.</p>"


def told_split(report: Report) -> str:
    """Which part of the data was scored, where that is known."""
    return f" of the {report['split']} split" if report.get("split") not in (None, "all") else ""


def sure(name: str, report: Report) -> str:
    """A score with its interval."""
    score = number(name, report["scores"][name])
    if name not in report.get("intervals", {}):
        return score
    low, high = (number(name, end) for end in report["intervals"][name])
    return f"{score} ({low}–{high})"


def number(name: str, value: float) -> str:
    """A score with the digits that it is usually printed with."""
    return f"{value:.{3 if name == 'CIDEr' else 2}f}"


def scores(report: Report) -> str:
    """The scores with 95 % intervals beside those of simpler captions or answers."""
    others: Mapping[str, Any] = report.get("baselines", {})
    head = ["", "score (95 % interval)", *others]
    rows = [[name, sure(name, report), *(number(name, given[name]) for given in others.values())]
            for name in report["scores"]]  # fmt: skip
    gains = {other: points["scores"]["accuracy"] for other, points in report.get("gains", {}).items()}
    told = [f"{abs(by):.1f} points {'below' if by < 0 else 'above'} {other}" for other, by in gains.items()]
    return table([head, *rows]) + (f"<p>{escape('; '.join(told))}.</p>" if told else "") if rows else ""


def before_and_after(report: Report) -> str:
    """What a fine-tuning gained and lost."""
    if "before" not in report:
        return ""
    rows = [["", "before", "after"]]
    rows += [[name, sure(name, report["before"]), sure(name, report)] for name in report["scores"]]
    for part, told in (("test", "on the test split"), ("kept", "on the old data")):
        for name in report.get(part, {}).get("before", {}).get("scores", ()):
            rows.append([f"{name} {told}", *(sure(name, report[part][when]) for when in ("before", "after"))])
    new = "; ".join(f"new {codec}: {', '.join(words)}" for codec, words in report.get("new", {}).items() if words)
    told = "The state was chosen on the pictures of the first lines, which makes them look better than others."
    return f"{table(rows)}<p>{told}</p><p>Best state: {escape(report['best'])}. {escape(new)}</p>"


def kinds(found: Mapping[str, Any], what: str) -> str:
    """The scores of each kind."""
    if not found:
        return ""
    names = [name for name in next(iter(found.values())) if name != "questions"]
    rows = [[kind, str(row["questions"]), *(f"{row[name]:.1f}" for name in names)] for kind, row in found.items()]
    return table([[f"kind of {what}", "questions", *names], *rows[:40]])


def confused(pairs: Sequence[Mapping[str, Any]]) -> str:
    """The wrong answers that are given most."""
    rows = [[each["right"], each["given"], str(each["questions"])] for each in pairs]
    return table([["right", "given instead", "questions"], *rows]) if rows else ""


def calibrated(report: Report) -> str:
    """The bins of probability with the accuracy in each."""
    if not report.get("calibration"):
        return ""
    rows = [[f"{each['confidence']:.0f} %", f"{each['accuracy']:.0f} %", str(each["answers"])]
            for each in report["calibration"]["bins"]]  # fmt: skip
    error = f"<p>Probability and accuracy are {report['calibration']['error']:.1f} points apart on average.</p>"
    return table([["probability it gave", "right", "answers"], *rows]) + error


def style_of(report: Report) -> str:
    """How varied, how long and how much learnt by heart the captions are."""
    named = {
        "unique_captions": "different captions, of 100",
        "repeated_captions": "captions with a pair of words twice, of 100",
        "learnt_captions": "captions that occur in the training set, of 100",
        "mean_words": "words in a caption",
        "reference_words": "words in a person's caption",
    }
    rows = [[told, f"{report[name]:.1f}"] for name, told in named.items() if name in report]
    return table([["", ""], *rows]) if rows else ""


def learning(history: Mapping[str, Any]) -> str:
    """The curves of a training, or of each stage of a fine-tuning."""
    if history and all(isinstance(part, Mapping) for part in history.values()):
        return "".join(f"<h3>{escape(stage)}</h3>{curves.curves(part)}" for stage, part in history.items())
    return curves.curves(history) if history else ""


def settings(report: Report) -> str:
    """The options, hashes and versions that the result depends on."""
    rows = list(flat({name: report[name] for name in SETTINGS if name in report}))
    return f"<details><summary>{len(rows)} settings</summary>{table([['', ''], *rows])}</details>" if rows else ""


SETTINGS = ("data", "split", "preset", "left_out", "epoch", "seconds", "decoding", "signature", "data_sha256",
            "train_sha256", "vgg19_sha256", "precision", "options", "versions")  # fmt: skip


def flat(content: Mapping[str, Any], before: str = "") -> Iterator[list[str]]:
    """Names and values, those inside others under both names."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name} ")
        elif value is not None:
            yield [f"{before}{name}", str(value)]
