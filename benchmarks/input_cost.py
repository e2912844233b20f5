"""What share of a training step the input costs: batches read alone, beside whole training steps, in one run.

    python benchmarks/input_cost.py --data DATA --encoder-weights FILE [--steps 40] [--json FILE]

The features must be in the store already (`mmtoolkit features` puts them there). The wait is what a training loop sees
with the data set's own reading ahead; the time of reading alone is what it would see without.
"""

from __future__ import annotations

import statistics
import time
from itertools import islice
from json import dumps
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import run


def main(*, data: Path, encoder_weights: str = "imagenet", steps: int = 40, json: Path | None = None) -> None:
    """Times reading and training.

    Args:
        data: A captioning data set.
        encoder_weights: The weights whose features are stored.
        steps: Batches timed.
        json: Where the figures go as JSON.
    """
    figures = measure(data, encoder_weights, steps=steps)
    step, wait, alone, share = (figures[name] for name in ("step_s", "wait_s", "read_alone_s", "wait_share"))
    print(f"a training step {step:.3f} s, waiting for its batch {wait:.4f} s")
    print(f"reading a batch alone {alone:.4f} s; share of time the training waits {100 * share:.1f} %")
    if json:
        json.write_text(dumps(figures, indent=1) + "\n", encoding="utf-8")


def measure(data: Path, encoder_weights: str, *, steps: int) -> dict[str, Any]:
    """Seconds of a training step of the default captioner, of the wait before it, and of reading alone."""
    from mmtoolkit.vision import choose_precision, extractor_key, stored_regions

    train = mm.split(mm.read_captions(data)).train
    source = stored_regions(extractor_key(encoder_weights), [record.image for record in train])
    codec = mm.TextCodec.fit(mm.texts(train), min_count=5)
    dataset = mm.caption_dataset(train, codec, features=source)
    dtype = "mixed_bfloat16" if choose_precision("auto") == "bfloat16" else "float32"
    model = mm.Captioner(codec, attention_units=256, dtype=dtype)
    model.build(model.input_shapes())
    model.compile(mm.adam(6e-4, steps=len(dataset)), loss=mm.token_loss())
    batches = list(islice(dataset.as_numpy_iterator(), 3))
    for inputs, targets, weights in batches:  # compiles, and warms the page cache
        model.train_on_batch(inputs, targets, sample_weight=weights)
    reading, training = [], []
    started = time.perf_counter()
    for inputs, targets, weights in islice(dataset.as_numpy_iterator(), steps):
        ready = time.perf_counter()
        reading.append(ready - started)
        model.train_on_batch(inputs, targets, sample_weight=weights)
        started = time.perf_counter()
        training.append(started - ready)
    alone = time.perf_counter()
    for _ in islice(mm.caption_dataset(train, codec, features=source).as_numpy_iterator(), steps):
        pass
    alone = (time.perf_counter() - alone) / steps
    return {
        "step_s": statistics.median(training),
        "wait_s": statistics.median(reading),
        "read_alone_s": alone,
        "wait_share": sum(reading) / (sum(reading) + sum(training)),
        "versions": mm.versions(),
    }


if __name__ == "__main__":
    run(main)
