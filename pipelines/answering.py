"""What the question-answering job checks, leaves open and tells."""

from __future__ import annotations

from typing import Any

import mmtoolkit as mm
from mmtoolkit.pipelines.command import tell
from mmtoolkit.pipelines.learning import EMBEDDINGS, VisionSetup, check_options

ONE_HOT = "one-hot"
ANSWERS_KEPT = 1000
GRID = 14  # regions of VGG19 on each side of a picture
LEAST = {
    **dict.fromkeys(
        ["epochs", "batch_size", "units", "attention_units", "embedding_dim", "min_count", "answers", "pool"], 1
    ),
    **dict.fromkeys(["patience", "checkpoint_every"], 0),
}
SHARES = ("dropout", "crop", "word_dropout", "label_smoothing", "averaging", "valid_share")


def check_all(options: dict[str, Any]) -> None:
    """Refuses options that make no sense, before any work is done.

    Raises:
        mm.InputError: One is out of its range, or two contradict each other.
    """
    if options["layer"] == "fc2" and options["fusion"] == "attention":
        raise mm.InputError(
            "--layer fc2 gives one vector, in which there is nowhere to look. Received: --fusion attention; "
            "add --fusion product or concat."
        )
    if options["hops"] > 1 and options["fusion"] != "attention":
        raise mm.InputError(
            f"--hops is for --fusion attention. Received: --hops 2, --fusion {options['fusion']}; leave one out."
        )
    if options["answers"] is not None and options["head"] == "generate":
        raise mm.InputError(
            f"--answers is for --head classify. Received: --answers {options['answers']}, --head generate; "
            "leave one out."
        )
    if options["question_only"] and (options["crop"] is not None or options["pool"] > 1):
        raise mm.InputError("--crop and --pool are for pictures. Received: --question-only; leave them out.")
    if options["layer"] == "fc2" and options["crop"]:
        raise mm.InputError("--crop is for regions. Received: --layer fc2, one vector; leave it out.")
    if options["lookahead"] and not options["averaging"]:
        raise mm.InputError("--lookahead goes back to averages. Received: --averaging 0; leave one of them out.")
    if options["embeddings"] == ONE_HOT and options["head"] == "generate":
        raise mm.InputError("--embeddings one-hot is for --head classify. Received: --head generate; leave one out.")
    check_options(options, least=LEAST, shares=SHARES, embeddings=(*EMBEDDINGS, ONE_HOT))


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
