"""What each part of the captioner is worth: one short training for each form, and their scores as a table.

    python benchmarks/recipes.py --data flickr8k --vgg19-weights imagenet --out runs/recipes [--json FILE]

Every line is `mmtoolkit caption` with the default options, fewer epochs and the options that the line names. A stopped
run goes on where it was: finished trainings are not done again, a begun one is resumed.
"""

from __future__ import annotations

import json as json_format
import subprocess
import sys
from pathlib import Path
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.pipelines.command import run, tell

RECIPES: dict[str, list[str]] = {
    "LSTM, attention, CBOW": [],
    "GRU": ["--cell", "gru"],
    "no attention, the picture at every step": ["--attention", "mean"],
    "no attention, the picture at the first step": ["--attention", "none"],
    "CBOW, frozen": ["--embeddings", "cbow", "--freeze-embeddings"],
    "skip-gram": ["--embeddings", "skip-gram"],
    "skip-gram, frozen": ["--embeddings", "skip-gram", "--freeze-embeddings"],
    "random vectors": ["--embeddings", "random"],
    "random vectors, frozen": ["--embeddings", "random", "--freeze-embeddings"],
}
SHOWN = ("BLEU-4", "CIDEr")


def main(
    *,
    data: Path,
    out: Path,
    vgg19_weights: str = "imagenet",
    epochs: int = 6,
    seed: int = 0,
    only: tuple[str, ...] = (),
    json: Path | None = None,
) -> int:
    """Trains one captioner a line and prints a Markdown table of their validation scores.

    Args:
        data: The data set, as `caption` takes it.
        out: Folder of the runs.
        vgg19_weights: As `caption` takes them.
        epochs: Of every training.
        seed: Of every training.
        only: Lines to train, all by default.
        json: Where the figures are written.
    """
    if unknown := set(only) - set(RECIPES):
        raise InputError(f"--only expects lines of the table: {', '.join(RECIPES)}. Received: {', '.join(unknown)}.")
    same = ["--data", data, "--vgg19-weights", vgg19_weights, "--epochs", epochs, "--seed", seed]
    rows: dict[str, dict[str, Any]] = {}
    for name, options in RECIPES.items():
        if only and name not in only:
            continue
        folder = out / "".join(letter if letter.isalnum() else "-" for letter in name)
        tell(f"{name}: {folder}")
        words = [*same, *options, "--out", folder, "--resume"]
        if not (folder / "report.json").is_file():
            command = [sys.executable, "-m", "mmtoolkit.pipelines", "caption", *map(str, words)]
            if code := subprocess.run(command, stdout=sys.stderr).returncode:  # stdout is for the table
                tell(
                    f"error: the training of {name!r} ended with exit code {code}; mend what it says and run this again"
                )
                return code
        rows[name] = json_format.loads((folder / "report.json").read_text(encoding="utf-8"))
        for option, wanted in {"data": str(data), "epochs": epochs, "seed": seed, **asked(options)}.items():
            if (was := rows[name]["options"][option]) != wanted:
                raise InputError(f"{folder} holds a run with {option} {was!r}, not {wanted!r}; name another --out.")
    print(table(rows))
    if json:
        kept = ("scores", "intervals", "unique_captions", "epoch", "seconds", "options", "versions")
        figures = {name: {key: report[key] for key in kept} for name, report in rows.items()}
        json.write_text(json_format.dumps({"scores": figures}, indent=1) + "\n", encoding="utf-8")
    return 0


def asked(words: list[str]) -> dict[str, Any]:
    """The options that a line names, as a report holds them.

    Example:
        >>> asked(["--cell", "gru", "--freeze-embeddings"])
        {'cell': 'gru', 'freeze_embeddings': True}
    """
    found: dict[str, Any] = {}
    for word in words:
        if word.startswith("--"):
            found[name := word[2:].replace("-", "_")] = True
        else:
            found[name] = word
    return found


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The scores with their 95 % intervals and the share of unique captions, as Markdown."""
    lines = [f"| | {' | '.join(SHOWN)} | unique |", "|---|" + "---|" * (len(SHOWN) + 1)]
    for name, report in rows.items():
        cells = []
        for score in SHOWN:
            digits, (low, high) = (2 if score == "CIDEr" else 1), report["intervals"][score]
            cells.append(f"{report['scores'][score]:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})")
        lines.append(f"| {name} | {' | '.join(cells)} | {report['unique_captions']:.0f} % |")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)
