"""One optimizer step of the soft-attention captioner: ours, the same model in plain Keras layers, and in PyTorch.

    pip install -r benchmarks/requirements.txt     # PyTorch; without it ours are timed alone
    python benchmarks/train_step.py [--data flickr8k] [--json FILE]

Batches of 64 captions, regions 196 x 512, attention and units 512, words 256 of 5,000, Adam. Everyone works in a
process of its own, with its own threads, and only one at a time, in turns. The fastest form of each side counts; what
does not run on this machine is left out with a note. With --data the steps are also as long as every tenth one of an
epoch of that data set, as training cuts and orders it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cache, partial
from json import dumps
from pathlib import Path
from typing import Any

import numpy as np
from turns import Job, in_turns

from mmtoolkit.cli.command import run

BATCH, WORDS, REGIONS, FEATURES, UNITS, EMBEDDING, VOCABULARY = 64, 20, 196, 512, 512, 256, 5000
RATE = 1e-4
# The model of the paper without its deep output, so that the others need not be more than their libraries' layers.
FORM = {"word_in_query": False, "mean_input": False, "gated_context": "none", "deep_output": False, "dropout": 0.0}
Batch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # regions, tokens, targets, weights


def made_batch(words: int) -> Batch:
    """Made features and captions of so many words."""
    random = np.random.default_rng(words)
    regions = random.normal(size=(BATCH, REGIONS, FEATURES)).astype(np.float16)
    tokens = random.integers(4, VOCABULARY, (BATCH, words + 1), np.int32)
    return regions, tokens[:, :-1], tokens[:, 1:], np.full((BATCH, words), 1 / (BATCH * words), np.float32)


def ours(policy: str) -> Any:
    """The captioner of this package."""
    import keras

    import mmtoolkit as mm

    codec = mm.TextCodec.fit([" ".join(f"w{number}" for number in range(VOCABULARY - 4))])
    keras.utils.set_random_seed(0)
    model = mm.Captioner(
        codec, units=UNITS, attention_units=UNITS, embedding_dim=EMBEDDING, attention_penalty=0.0, dtype=policy, **FORM
    )
    model.build(model.input_shapes())
    model.compile(keras.optimizers.Adam(RATE), loss=mm.token_loss(0.0))
    return model


def plain_keras(policy: str) -> Any:
    """The same model in the layers of Keras; keys and values are carried in the state of the cell."""
    import keras
    from keras import ops

    class Cell(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.query = keras.layers.LSTMCell(UNITS), keras.layers.Dense(UNITS, use_bias=False)
            self.state_size = [UNITS, UNITS, (REGIONS, UNITS), (REGIONS, FEATURES)]

        def build(self, shape: Any) -> None:
            self.v = self.add_weight(shape=(UNITS,), name="v")
            self.lstm.build((None, EMBEDDING + FEATURES))
            self.query.build((None, UNITS))

        def call(self, word: Any, states: Any) -> tuple[Any, list[Any]]:
            hidden, carry, keys, values = states
            scores = ops.sum(self.v * ops.tanh(ops.expand_dims(self.query(hidden), 1) + keys), axis=-1)
            context = ops.sum(ops.expand_dims(ops.softmax(scores), -1) * values, axis=1)
            hidden, (hidden, carry) = self.lstm(ops.concatenate([word, context], axis=-1), [hidden, carry])
            return hidden, [hidden, carry, keys, values]

    import mmtoolkit as mm

    keras.config.set_dtype_policy(policy)
    regions = keras.Input((REGIONS, FEATURES), dtype="float16", name="regions")
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    normalise = keras.layers.LayerNormalization(center=False, scale=False, epsilon=1e-5, dtype="float32")
    values = normalise(ops.cast(regions, "float32"))
    mean = ops.mean(values, axis=1)
    states = [keras.layers.Dense(UNITS, activation="tanh")(mean) for _ in range(2)]
    words = keras.layers.Embedding(VOCABULARY, EMBEDDING)(tokens)
    states += [keras.layers.Dense(UNITS)(values), values]
    hidden = keras.layers.RNN(Cell(), return_sequences=True)(words, initial_state=states)
    model = keras.Model({"regions": regions, "tokens": tokens}, keras.layers.Dense(VOCABULARY)(hidden))
    model.compile(keras.optimizers.Adam(RATE), loss=mm.token_loss(0.0))
    return model


def keras_step(make: Callable[[str], Any], policy: str) -> Job:
    """A training step of a Keras model, as `fit` does it: one graph for captions of any length."""
    model = make(policy)

    def step(batch: Batch) -> float:
        regions, tokens, targets, weights = batch
        return float(model.train_on_batch({"regions": regions, "tokens": tokens}, targets, sample_weight=weights))

    for words in (2, 3):  # the second length makes the graph one for all
        step(made_batch(words))
    return of_words(step)


def torch_step(kind: str, *, compiled: bool = False) -> Job:
    """A training step in PyTorch."""
    import torch
    from torch.nn import functional
    from torch_captioner import TorchCaptioner, precision

    torch.manual_seed(0)
    model = TorchCaptioner(features=FEATURES, units=UNITS, embedding=EMBEDDING, vocabulary=VOCABULARY)
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    forward = torch.compile(model) if compiled else model

    def step(batch: Batch) -> float:
        regions, tokens, targets, weights = (torch.from_numpy(part) for part in batch)
        with precision(kind):
            logits = forward(regions, tokens)
        losses = functional.cross_entropy(logits.float().flatten(0, 1), targets.long().flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return of_words(step)


def of_words(step: Callable[[Batch], float]) -> Job:
    """A step on a batch of so many words, which is made when it is first asked for."""
    batch = cache(made_batch)
    return lambda words: step(batch(words))


MAKERS: dict[str, Callable[[], Job]] = {
    "ours, bfloat16": partial(keras_step, ours, "mixed_bfloat16"),
    "ours, float32": partial(keras_step, ours, "float32"),
    "plain Keras, float32": partial(keras_step, plain_keras, "float32"),
    "PyTorch, float32": partial(torch_step, "float32"),
    "PyTorch, bfloat16": partial(torch_step, "bfloat16"),
    "PyTorch, float32, compiled": partial(torch_step, "float32", compiled=True),
    "PyTorch, bfloat16, compiled": partial(torch_step, "bfloat16", compiled=True),
}


def figures(seconds: dict[str, float]) -> dict[str, Any]:
    """The comparison, of the seconds of a step of each; what did not run has none."""
    from mmtoolkit.vision import choose_precision

    def best(side: str) -> float | None:
        return min((value for name, value in seconds.items() if name.startswith(side)), default=None)

    ours, torch = best(f"ours, {choose_precision('auto')}"), best("PyTorch")
    pairs = {
        "ratio_to_pytorch": (ours, torch),
        "ratio_float32": (best("ours, float32"), torch),
        "ratio_float32_to_float32": (best("ours, float32"), best("PyTorch, float32")),
    }
    return {
        "keras_s": ours,
        "keras_float32_s": best("ours, float32"),
        "plain_keras_s": best("plain Keras"),
        "pytorch_s": torch,
        **{name: one and other and one / other for name, (one, other) in pairs.items()},
        "seconds": seconds,
    }


def epoch_lengths(data: Path, every: int) -> list[int]:
    """The lengths of every so many batches of the first epoch, in its order."""
    import mmtoolkit as mm
    from mmtoolkit.data import batch_plan

    train = mm.split(mm.read_captions(data)).train
    codec = mm.TextCodec.fit(mm.texts(train), min_count=5)
    lengths = np.array([len(ids) for ids in codec.encode_all(mm.texts(train))])
    plan = batch_plan(lengths, batch_size=BATCH, seed=0, epoch=0)
    return [int(lengths[rows].max()) - 1 for rows in plan[::every]]


def main(
    *, data: Path | None = None, rounds: int = 5, steps: int = 6, every: int = 10, json: Path | None = None
) -> None:
    """Times a step of each.

    Args:
        data: A captioning data set, for the lengths of a real epoch.
        rounds: Turns of each.
        steps: Steps a turn.
        every: Which share of the epoch's steps is taken.
        json: Where the figures are written.
    """
    done = in_turns(MAKERS, warm=[WORDS] * 2, rounds=[[WORDS] * steps] * rounds)
    report = figures({name: statistics.median(seconds for seconds, _ in steps) for name, steps in done.items()})
    show(f"{WORDS} words a caption, median of {rounds * steps} steps", report)
    if data:
        lengths = epoch_lengths(data, every)
        parts = [lengths[start : start + 8] for start in range(0, len(lengths), 8)]
        makers = {name: MAKERS[name] for name in done if not name.endswith("compiled")}  # minutes for every length
        done = in_turns(makers, warm=sorted(set(lengths)) * 2, rounds=parts)
        means = {name: statistics.mean(seconds for seconds, _ in steps) for name, steps in done.items()}
        report["epoch"] = {**figures(means), "steps": len(lengths), "mean_words": statistics.mean(lengths)}
        show(
            f"{len(lengths)} steps of an epoch, {statistics.mean(lengths):.1f} words, mean, PyTorch not compiled",
            report["epoch"],
        )
    if json:
        import mmtoolkit as mm

        json.write_text(dumps({**report, "versions": mm.versions()}, indent=1) + "\n", encoding="utf-8")


def show(title: str, report: dict[str, Any]) -> None:
    """Prints the seconds of each and the ratios."""
    print(f"{title}:")
    torch = report["pytorch_s"]
    for name, seconds in report["seconds"].items():
        compared = f"  {seconds / torch:.2f} of the best PyTorch" if torch else ""
        print(f"  {name:28} {seconds:.3f} s{compared}", flush=True)


if __name__ == "__main__":
    run(main)
