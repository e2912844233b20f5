"""What the question-answering job leaves open and tells."""

from __future__ import annotations

from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import tell
from mmtoolkit.pipelines.learning import VisionSetup

ONE_HOT = "one-hot"
ANSWERS_KEPT = 1000
GRID = 14  # regions of VGG19 on each side of a picture


def settle(options: dict[str, Any], vision: VisionSetup) -> None:
    """Puts values in the place of options that were left open, and checks the one that needs to know the pictures.

    Raises:
        mm.InputError: The regions cannot be pooled so.
    """
    small, question_only = vision.encoder == "small", options["question_only"]
    grid = 1 if options["layer"] == "fc2" else GRID if vision.key else vision.image_size // 8
    usual: dict[str, Any] = {"dropout": 0.0 if small and not question_only else 0.5}
    usual["crop"] = 0.0 if small or question_only or grid == 1 else 0.5
    if options["head"] == "classify":
        usual["answers"] = ANSWERS_KEPT
    options |= {name: value for name, value in usual.items() if options[name] is None}
    if grid % options["pool"]:
        raise mm.InputError(
            f"--pool expects a number that divides the {grid} x {grid} regions of a picture. "
            f"Received: {options['pool']}; give another or leave it out."
        )


def tell_baselines(report: dict[str, Any]) -> None:
    """Says what simpler answers score, and how far the model is above those that show what the picture adds."""
    for name, scores in report["baselines"].items():
        points = report["gains"].get(name)
        low, high = points["intervals"]["accuracy"] if points else (0, 0)
        by = points["scores"]["accuracy"] if points else 0.0
        where = f"{abs(by):.1f} points {'below' if by < 0 else 'above'}"
        gain = f"; the model is {where} (difference {low:+.1f} to {high:+.1f})" if points else ""
        tell(f"{name}: accuracy {scores['accuracy']:.2f}{gain}")
