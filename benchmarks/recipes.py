"""What each part of a model is worth: one short training for each form, and their scores as a table.

    python benchmarks/recipes.py --data flickr8k --encoder-weights imagenet --out runs/recipes [--json FILE]
    python benchmarks/recipes.py --job vqa --data daquar --encoder-weights imagenet --out runs/daquar
    python benchmarks/recipes.py --job vqa --data easy_vqa --out runs/easy_vqa

Every line is `mmtoolkit caption` or `mmtoolkit vqa` with the default options, and fewer epochs and what the line
names besides; rewards and reranking come after the first line, by `finetune` and `evaluate`. A stopped run goes on
where it was: finished trainings are not done again, a begun one is resumed.
"""

from __future__ import annotations

import csv
import json as json_format
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.errors import InputError
from mmtoolkit.metrics import in_words
from mmtoolkit.metrics.meteor import meteor

CAPTION: dict[str, list[str]] = {
    "LSTM, attention, CBOW": [],
    "GRU": ["--cell", "gru"],
    "no attention, the picture at every step": ["--attention", "mean"],
    "no attention, the picture at the first step": ["--attention", "none"],
    "CBOW, frozen": ["--embeddings", "cbow", "--freeze-embeddings"],
    "skip-gram": ["--embeddings", "skip-gram"],
    "skip-gram, frozen": ["--embeddings", "skip-gram", "--freeze-embeddings"],
    "random vectors": ["--embeddings", "random"],
    "random vectors, frozen": ["--embeddings", "random", "--freeze-embeddings"],
    "hard attention": ["--attention", "hard"],
    "half of the pictures mirrored": ["--mirror"],
    "pictures cropped by a quarter": ["--crop", "0.25"],
    "R-Drop": ["--consistency", "1"],
    "scheduled sampling": ["--scheduled-sampling", "0.2"],
    "words from 3 occurrences": ["--min-count", "3"],
    "words from 10 occurrences": ["--min-count", "10"],
}
RERANKED = ["--beam", "10", "--rerank", "cider"]
LATER: dict[str, tuple[str, str, list[str]]] = {  # of a line before: its name, and what is done with its preset
    "beam 10, reranked": ("LSTM, attention, CBOW", "evaluate", RERANKED),
    "one pass with the reward CIDEr": ("LSTM, attention, CBOW", "finetune", ["--reward", "cider"]),
    "one pass with the reward BLEU": ("LSTM, attention, CBOW", "finetune", ["--reward", "bleu"]),
    "the reward CIDEr, beam 10, reranked": ("one pass with the reward CIDEr", "evaluate", RERANKED),
}
VQA: dict[str, list[str]] = {
    "attention, LSTM, classify, CBOW": [],
    "attention, two looks": ["--hops", "2"],
    "product": ["--fusion", "product"],
    "concat": ["--fusion", "concat"],
    "GRU": ["--cell", "gru"],
    "generate": ["--head", "generate"],
    "CBOW, frozen": ["--embeddings", "cbow", "--freeze-embeddings"],
    "skip-gram": ["--embeddings", "skip-gram"],
    "skip-gram, frozen": ["--embeddings", "skip-gram", "--freeze-embeddings"],
    "random vectors": ["--embeddings", "random"],
    "random vectors, frozen": ["--embeddings", "random", "--freeze-embeddings"],
    "one-hot": ["--embeddings", "one-hot"],
    "one-hot, frozen": ["--embeddings", "one-hot", "--freeze-embeddings"],
    "questions only": ["--question-only", "--pool", "1"],  # there are no regions to pool
}
RECIPES = {"caption": CAPTION, "vqa": VQA}
SHOWN = {"caption": ("BLEU-4", "METEOR", "CIDEr"), "vqa": ("accuracy",)}


def main(
    *,
    data: Path,
    out: Path,
    job: Literal["caption", "vqa"] = "caption",
    encoder_weights: str | None = None,
    epochs: int | None = None,
    also: str = "",
    seed: int = 0,
    only: tuple[str, ...] = (),
    json: Path | None = None,
) -> int:
    """Trains one model a line and prints a Markdown table of their validation scores.

    Args:
        data: The data set, as the job takes it.
        out: Folder of the runs.
        job: What is trained: caption or vqa.
        encoder_weights: As the job takes them.
        epochs: Of every training; 6 for captions, the default of the job for answers.
        also: Further options of every training, as one text: --also="--layer block5_pool".
        seed: Of every training.
        only: Lines to train, all by default.
        json: Where the figures are written.
    """
    recipes = RECIPES[job]
    later = LATER if job == "caption" else {}
    if unknown := set(only) - {*recipes, *later}:
        expected = ", ".join([*recipes, *later])
        raise InputError(f"--only expects lines of the table: {expected}. Received: {', '.join(unknown)}.")
    epochs = 6 if job == "caption" and epochs is None else epochs
    same = ["--data", str(data), "--seed", str(seed)]
    same += ["--encoder-weights", encoder_weights] if encoder_weights else []
    same += ["--epochs", str(epochs)] if epochs else []
    same += ["--no-twin"] if job == "vqa" else []
    same += (extra := shlex.split(also))
    rows: dict[str, dict[str, Any]] = {}

    def folder_of(name: str) -> Path:
        return out / "".join(letter if letter.isalnum() else "-" for letter in f"{name} {also}".strip())

    lines = {name: ("", job, options) for name, options in recipes.items()} | later
    for name, (before, command, options) in lines.items():
        if only and name not in only:
            continue
        folder = folder_of(name)
        words = [*same, *options, "--out", str(folder), "--resume"]
        if before:
            words = ["--preset", str(folder_of(before) / "preset"), "--data", str(data), *options, "--overwrite"]
            words += ["--out", str(folder if command == "finetune" else folder / "report.json")]
            words += ["--split", "valid"] if command == "evaluate" else ["--seed", str(seed)]
        tell(f"{name}: {folder}")
        if not (folder / "report.json").is_file():
            whole = [sys.executable, "-m", "mmtoolkit.pipelines", command, *words]
            if code := subprocess.run(whole, stdout=sys.stderr).returncode:  # stdout is for the table
                tell(f"error: {name!r} ended with exit code {code}; mend what it says and run this again")
                return code
        rows[name] = json_format.loads((folder / "report.json").read_text(encoding="utf-8"))
        if job == "caption":
            rows[name]["scores"] |= meteor_of(folder, data)
        given = {} if before else {"data": data, "seed": seed} | ({"epochs": epochs} if epochs else {})
        for option, wanted in {**given, **({} if before else asked([*extra, *options]))}.items():
            if not alike(was := rows[name]["options"].get(option), wanted):
                raise InputError(f"{folder} holds a run with {option} {was!r}, not {wanted!r}; name another --out.")
    print(table(rows, SHOWN[job]))
    if json:
        kept = ("scores", "intervals", "unique_captions", "epoch", "seconds", "options", "versions")
        figures = {name: {key: report[key] for key in kept if key in report} for name, report in rows.items()}
        json.write_text(json_format.dumps({"scores": figures}, indent=1) + "\n", encoding="utf-8")
    return 0


def meteor_of(folder: Path, data: Path) -> dict[str, float]:
    """METEOR of the captions that a run has left; nothing without the extra `meteor`."""
    with (folder / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        captions = {row["id"]: row["output"] for row in csv.DictReader(file)}
    references = {record.id: record.captions for record in mm.captioning.load(data)[0] if record.id in captions}
    try:
        return {"METEOR": meteor(*in_words(captions, references, tokenize="ptb"))}
    except InputError as error:
        tell(f"without METEOR: {error}")
        return {}


def alike(was: Any, wanted: Any) -> bool:
    """Whether two values of an option are one, as numbers or as they are written."""
    try:
        return float(was) == float(wanted)
    except (TypeError, ValueError):
        return str(was) == str(wanted)


def asked(words: list[str]) -> dict[str, Any]:
    """The options that a line names, as a report holds them.

    Example:
        >>> asked(["--cell", "gru", "--freeze-embeddings"])
        {'cell': 'gru', 'freeze_embeddings': True}
    """
    found: dict[str, Any] = {}
    for word in (part for each in words for part in each.split("=", 1)):
        if word.startswith("--"):
            found[name := word[2:].replace("-", "_")] = True
        else:
            found[name] = word
    return found


def table(rows: dict[str, dict[str, Any]], shown: Sequence[str]) -> str:
    """The scores with their 95 % intervals, the share of unique captions and the minutes, as Markdown."""
    lines = [f"| | {' | '.join(shown)} | unique | minutes |", "|---|" + "---|" * (len(shown) + 2)]
    for name, report in rows.items():
        cells = []
        for score in shown:
            digits = 2 if score == "CIDEr" else 1
            low, high = report["intervals"].get(score, (None, None))
            interval = "" if low is None else f" ({low:.{digits}f}–{high:.{digits}f})"
            cells.append(f"{report['scores'][score]:.{digits}f}{interval}" if score in report["scores"] else "")
        unique = f"{report['unique_captions']:.0f} %" if "unique_captions" in report else ""
        minutes = f"{report['seconds']['total'] / 60:.1f}" if "seconds" in report else ""
        lines.append(f"| {name} | {' | '.join(cells)} | {unique} | {minutes} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
