"""Tokens a second of a language model's training: ours, the same in Keras' own layers, and in PyTorch.

    pip install -r benchmarks/requirements.txt     # PyTorch; without it ours and Keras' are timed alone
    python benchmarks/language_model.py [--units 512] [--layers 1] [--json FILE]

Windows of 128 tokens of 64 rows, 65 characters, vectors of 128, LSTM, Adam, the state carried from window to window.
Everyone works in a process of its own, and only one at a time, in turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from json import dumps
from pathlib import Path

import numpy as np
from turns import Job, in_turns

from mmtoolkit.cli.command import run

ROWS, WINDOW, SIZE, WIDTH, RATE = 64, 128, 65, 128, 1e-3


def made_windows() -> tuple[np.ndarray, np.ndarray]:
    """Tokens and the next ones."""
    ids = np.random.default_rng(0).integers(4, SIZE, (ROWS, WINDOW + 1), np.int32)
    return ids[:, :-1], ids[:, 1:]


def ours(policy: str, units: int, layers: int) -> Job:
    """A step of the language model of this package."""
    import keras

    import mmtoolkit as mm

    codec = mm.TextCodec.fit(["".join(map(chr, range(33, 33 + SIZE - 4)))], level="raw", lower=False)
    keras.utils.set_random_seed(0)
    model = mm.LanguageModel(codec, units=units, layers=layers, embedding_dim=WIDTH, dropout=0.0, dtype=policy)
    model.build(model.input_shapes())
    model.carry(ROWS)
    model.compile(keras.optimizers.Adam(RATE), loss=mm.token_loss(0.0))
    tokens, targets = made_windows()
    weights, reset = np.full(tokens.shape, 1 / tokens.size, np.float32), np.zeros(ROWS, bool)
    return lambda _: float(model.train_on_batch({"tokens": tokens, "reset": reset}, targets, sample_weight=weights))


def plain_keras(policy: str, units: int, layers: int) -> Job:
    """A step of the same model in the layers of Keras."""
    import keras

    keras.config.set_dtype_policy(policy)
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(ROWS, WINDOW), dtype="int32")
    hidden = keras.layers.Embedding(SIZE, WIDTH)(inputs)
    for _ in range(layers):
        hidden = keras.layers.LSTM(units, return_sequences=True, stateful=True)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(SIZE, dtype="float32")(hidden))
    model.compile(keras.optimizers.Adam(RATE), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    tokens, targets = made_windows()
    return lambda _: float(model.train_on_batch(tokens, targets))


def torch_step(kind: str, units: int, layers: int) -> Job:
    """A step of the same model in PyTorch."""
    import torch
    from torch_captioner import precision

    torch.manual_seed(0)
    parts = torch.nn.ModuleList(
        [
            torch.nn.Embedding(SIZE, WIDTH),
            torch.nn.LSTM(WIDTH, units, layers, batch_first=True),
            torch.nn.Linear(units, SIZE),
        ]
    )
    optimizer = torch.optim.Adam(parts.parameters(), RATE, fused=True)
    tokens, targets = (torch.from_numpy(part.astype(np.int64)) for part in made_windows())
    state = tuple(torch.zeros(layers, ROWS, units) for _ in range(2))

    def step(_: int) -> float:
        nonlocal state
        with precision(kind):
            outputs, state = parts[1](parts[0](tokens), state)
            logits = parts[2](outputs)
        state = tuple(part.detach().float() for part in state)
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def makers(units: int, layers: int) -> dict[str, Callable[[], Job]]:
    """All that are compared, by name."""
    return {
        "ours, bfloat16": partial(ours, "mixed_bfloat16", units, layers),
        "ours, float32": partial(ours, "float32", units, layers),
        "Keras' layers, bfloat16": partial(plain_keras, "mixed_bfloat16", units, layers),
        "Keras' layers, float32": partial(plain_keras, "float32", units, layers),
        "PyTorch, bfloat16": partial(torch_step, "bfloat16", units, layers),
        "PyTorch, float32": partial(torch_step, "float32", units, layers),
    }


def main(*, units: int = 512, layers: int = 1, rounds: int = 5, steps: int = 4, json: Path | None = None) -> None:
    """Times a step of each, and prints tokens a second and the ratios.

    Args:
        units: Width of the state.
        layers: Number of stacked cells.
        rounds: Turns of each.
        steps: Steps a turn.
        json: Where the figures are written.
    """
    done = in_turns(makers(units, layers), warm=[0] * 2, rounds=[[0] * steps] * rounds)
    rates = {name: ROWS * WINDOW / statistics.median(seconds for seconds, _ in found) for name, found in done.items()}

    def best(side: str) -> float | None:
        return max((rate for name, rate in rates.items() if name.startswith(side)), default=None)

    mine, keras_rate, torch_rate = best("ours"), best("Keras"), best("PyTorch")
    figures = {
        "tokens_per_second": rates,
        "ratio_to_keras": mine and keras_rate and mine / keras_rate,
        "ratio_to_pytorch": mine and torch_rate and mine / torch_rate,
    }
    for name, rate in rates.items():
        print(f"{name}\t{rate:,.0f} tokens/s")
    for name in ("ratio_to_keras", "ratio_to_pytorch"):
        print(f"{name}\t{figures[name]:.2f}" if figures[name] else f"{name}\tnot timed")
    if json:
        json.write_text(dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
