"""Trains captioners of drawn scenes with several small CNNs, and plays the pointing game with each.

    python benchmarks/pointing.py [--scenes 1000] [--epochs 9] [--seed 0] [--json FILE]

A word for a shape hits where the region of most attention overlaps such a shape. The first line of kernels is the
default.
"""

from __future__ import annotations

import json as json_format
import tempfile
from pathlib import Path

import keras

import mmtoolkit as mm
from mmtoolkit.cli.command import aligned, keras_bar, run, tell
from mmtoolkit.files import write_json
from mmtoolkit.scenes import evaluate_pointing, write_scenes

KERNELS = ((3, 3, 3, 3), (5, 3, 3, 1), (3, 3, 3, 1), (3, 3, 1, 1))
SIZE = 64


def main(*, scenes: int = 1000, epochs: int = 9, seed: int = 0, json: Path | None = None) -> int:
    """Prints BLEU-4, CIDEr and the share of hits for each choice of kernels, on 200 scenes drawn apart.

    Args:
        scenes: Number of scenes, eight tenths of which are trained on.
        epochs: Passes over their captions.
        seed: Of the scenes and of the training.
        json: File for the same figures.
    """
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="pointing-") as folder:
        data = write_scenes(Path(folder) / "scenes", count=scenes, seed=seed, size=SIZE)
        unseen = write_scenes(Path(folder) / "unseen", count=200, seed=seed + 99, size=SIZE)
        records = mm.read_captions(unseen)
        for kernels in KERNELS:
            model = trained(data, Path(folder) / "-".join(map(str, kernels)), kernels, epochs=epochs, seed=seed)
            source = model.image_source()
            report = mm.evaluate(mm.captioning, model, records, source=source)
            outputs = {row["id"]: row["output"] for row in report["rows"]}
            pointing = evaluate_pointing(mm.captioning, model, records, outputs, source=source, data=unseen)
            scores = {name: round(report["scores"][name], 2) for name in ("BLEU-4", "CIDEr")}
            rows.append({"kernels": " ".join(map(str, kernels)), **scores, **pointing})
            tell(json_format.dumps(rows[-1]))
    print("\n".join(aligned([list(rows[0]), *([str(value) for value in row.values()] for row in rows)])))
    if json:
        write_json(json, {"scenes": scenes, "epochs": epochs, "seed": seed, "rows": rows})
    return 0


def trained(data: Path, out: Path, kernels: tuple[int, ...], *, epochs: int, seed: int) -> mm.Captioner:
    """Trains the captioner of `mmtoolkit demo` with some kernels."""
    keras.utils.set_random_seed(seed)
    splits = mm.split(mm.read_captions(data), seed=seed)
    codec = mm.TextCodec.fit(mm.texts(splits.train), min_count=1)
    table = mm.train_word2vec(codec.split(mm.texts(splits.train)), codec.vocabulary, dim=64, seed=seed).table
    widths = {"units": 128, "attention_units": 64, "embedding_dim": 64, "dropout": 0.1, "attention_penalty": 0.0}
    model = mm.Captioner(
        codec, encoder="small", image_size=SIZE, kernels=kernels, embeddings=mm.centred(table), **widths
    )
    model.build(model.input_shapes())
    steps = {"epochs": epochs, "patience": epochs, "batch_size": 32, "learning_rate": 3e-3, "averaging": 0.95}
    recipe = mm.Recipe(**steps, label_smoothing=0.0, seed=seed)
    with keras_bar():
        mm.fit(mm.captioning, model, splits, source=mm.Pictures(SIZE), out=out, recipe=recipe, tell=tell)
    return mm.Captioner.from_preset(out / "preset")


if __name__ == "__main__":
    run(main)
