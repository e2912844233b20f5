"""Captions a second by beam search from stored regions: ours, and the same model with a batched search in PyTorch.

    pip install -r benchmarks/requirements.txt     # PyTorch; without it ours are timed alone
    python benchmarks/decoding.py [--json FILE]

Both have the same weights, made at random, the same pictures and the same sentences to find, which is checked. Everyone
works in a process of its own, in turns; the fastest precision of each side counts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache, partial
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from train_step import BATCH, EMBEDDING, FEATURES, REGIONS, UNITS, VOCABULARY, ours
from turns import Job, in_turns

from mmtoolkit.cli.command import run

WIDTH, LONGEST, END_BIAS = 3, 20, 1.2  # with these weights the sentences are about as long as captions


@cache
def made_regions(images: int) -> np.ndarray:
    """`<float16>[images, 196, 512]`."""
    return np.random.default_rng(0).standard_normal((images, REGIONS, FEATURES), np.float32).astype(np.float16)


def in_batches(search: Callable[[np.ndarray], np.ndarray]) -> Job:
    """Searches so many pictures, in batches of 64."""
    return lambda images: np.concatenate(
        [search(made_regions(images)[start : start + BATCH]) for start in range(0, images, BATCH)]
    )


def keras_search(policy: str) -> Job:
    """The search of this package."""
    import mmtoolkit as mm

    captioner = ours(policy)
    captioner.max_length = LONGEST
    spread(captioner)
    decoding = mm.BeamSearch(width=WIDTH, length_penalty=1.0)
    return in_batches(lambda regions: captioner.searched({"regions": regions}, decoding)[0][:, 0])


def spread(captioner: Any) -> None:
    """Larger weights in the output layer, so that sentences differ and end, and their scores do not tie."""
    kernel, bias = captioner.decoder.output_layer.weights
    random = np.random.default_rng(1)
    kernel.assign(random.normal(size=kernel.shape) * 0.5)
    bias.assign(np.where(np.arange(VOCABULARY) == 2, END_BIAS, 0.0))


def torch_search(kind: str) -> Job:
    """The search in PyTorch, with the weights of ours."""
    import torch
    from torch_captioner import TorchCaptioner, precision

    captioner = ours("float32")
    spread(captioner)
    decoder = captioner.decoder
    model = TorchCaptioner(features=FEATURES, units=UNITS, embedding=EMBEDDING, vocabulary=VOCABULARY)
    kernels = (decoder.cell.recurrent_kernel, decoder.context_to_gates.kernel)
    pairs = {
        model.embedding.weight: decoder.embedding.table,
        model.v: decoder.attention.v,
        model.query.weight: np.transpose(decoder.attention.query_projection.kernel),
        model.recurrent.weight: np.transpose(np.concatenate([np.asarray(kernel) for kernel in kernels])),
        model.words.weight: np.transpose(decoder.words_to_gates.kernel),
        model.words.bias: decoder.cell.bias,
    }
    layers = {model.keys: decoder.attention.key_projection, model.output: decoder.output_layer}
    layers |= dict(zip((model.hidden, model.carry), decoder.initial, strict=True))
    for mine, theirs in layers.items():
        pairs |= {mine.weight: np.transpose(theirs.kernel), mine.bias: theirs.bias}
    for mine, theirs in pairs.items():
        mine.data.copy_(torch.from_numpy(np.array(theirs)))

    def search(regions: np.ndarray) -> np.ndarray:
        with precision(kind):
            return model.search(torch.from_numpy(regions), width=WIDTH, max_length=LONGEST).numpy()

    return in_batches(search)


MAKERS: dict[str, Callable[[], Job]] = {
    "ours, float32": partial(keras_search, "float32"),
    "ours, bfloat16": partial(keras_search, "mixed_bfloat16"),
    "PyTorch, float32": partial(torch_search, "float32"),
    "PyTorch, bfloat16": partial(torch_search, "bfloat16"),
}


def main(*, images: int = 1000, rounds: int = 3, json: Path | None = None) -> None:
    """Times the searches.

    Args:
        images: Pictures captioned in a turn.
        rounds: Turns of each.
        json: Where the figures are written.
    """
    done = in_turns(MAKERS, warm=[images], rounds=[[images]] * rounds)
    rates = {name: images / statistics.median(seconds for seconds, _ in turns) for name, turns in done.items()}
    best = max((rate for name, rate in rates.items() if name.startswith("PyTorch")), default=None)
    for name, rate in rates.items():
        compared = f"  {rate / best:.2f} of the best PyTorch" if best else ""
        print(f"{name:20} {rate:7.1f} captions/s{compared}", flush=True)
    ids, same = done["ours, float32"][0][1], None
    if "PyTorch, float32" in done:
        pairs = zip(ids, done["PyTorch, float32"][0][1], strict=True)
        same = float(np.mean([np.array_equal(one, other) for one, other in pairs]))
        print(f"{100 * same:.1f} % of the sentences are the same in float32")
    words = float(np.mean((ids != 0).sum(axis=1)))
    print(f"{words:.1f} tokens a sentence")
    if json:
        import mmtoolkit as mm

        ratio = best and max(rate for name, rate in rates.items() if name.startswith("ours")) / best
        report = {"captions_per_s": rates, "ratio_to_pytorch": ratio, "same": same, "tokens": words}
        json.write_text(dumps({**report, "versions": mm.versions()}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
