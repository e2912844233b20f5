"""How much of a captioner's training step depends on the number of regions: what a faster kernel could win at most.

    python benchmarks/attention_share.py [--json FILE]

Scores, softmax, context and their gradients are what a compiled kernel of attention would compute. Their cost is all
that grows with the number of regions; a step with one region has the rest. Both forms run in this process, in turns.
"""

from __future__ import annotations

import statistics
import time
from json import dumps
from pathlib import Path
from typing import Any

import keras
import numpy as np

import mmtoolkit as mm
from mmtoolkit.cli.command import run
from mmtoolkit.vision import choose_precision

BATCH, WORDS, FEATURES, VOCABULARY = 64, 12, 512, 2500


def main(*, regions: tuple[int, ...] = (81, 196), rounds: int = 15, json: Path | None = None) -> None:
    """Times training steps with so many regions and with one.

    Args:
        regions: Numbers of regions of a picture.
        rounds: Steps of each form; the median counts.
        json: Where the figures are written.
    """
    precision = choose_precision("auto")
    counts = (1, *regions)
    models = {count: captioner(count, "mixed_bfloat16" if precision == "bfloat16" else "float32") for count in counts}
    batches = {count: batch(count) for count in counts}
    taken: dict[int, list[float]] = {count: [] for count in counts}
    for number in range(rounds + 3):
        for count, model in models.items():
            started = time.perf_counter()
            model.train_on_batch(*batches[count])
            taken[count] += [time.perf_counter() - started] if number >= 3 else []  # the first ones warm up
    medians = {count: statistics.median(times) for count, times in taken.items()}
    for count in regions:
        times = f"{1000 * medians[count]:6.0f} ms, with one {1000 * medians[1]:4.0f} ms"
        print(f"{count:4} regions {times}: {medians[count] / medians[1]:.2f} x at most")
    if json:
        scores = {f"at most, {count} regions": medians[count] / medians[1] for count in regions}
        json.write_text(dumps({"scores": scores, "seconds": medians, "precision": precision}, indent=1) + "\n")


def captioner(count: int, policy: str) -> mm.Captioner:
    """A captioner with the options of `mmtoolkit caption`."""
    codec = mm.TextCodec.fit([" ".join(f"w{number}" for number in range(VOCABULARY - 4))])
    keras.utils.set_random_seed(0)
    options: dict[str, Any] = {"attention_units": 256, "word_dropout": 0.15, "memory_dropout": 0.3}
    model = mm.Captioner(codec, regions=(count, FEATURES), dtype=policy, **options)
    model.build(model.input_shapes())
    model.compile(keras.optimizers.Adam(1e-4, global_clipnorm=5.0, use_ema=True), loss=mm.token_loss(0.1))
    return model


def batch(count: int) -> tuple[Any, ...]:
    """Made features and captions."""
    random = np.random.default_rng(0)
    tokens = random.integers(4, VOCABULARY, (BATCH, WORDS + 1), np.int32)
    values = random.normal(size=(BATCH, count, FEATURES)).astype(np.float16)
    weights = np.full((BATCH, WORDS), 1 / (BATCH * WORDS), np.float32)
    return {"regions": values, "tokens": tokens[:, :-1]}, tokens[:, 1:], weights


if __name__ == "__main__":
    run(main)
