"""The serving signature of a language model, and the golden requests that verify it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from mmtoolkit.decoding import Sample
from mmtoolkit.models import LanguageModel
from mmtoolkit.serving.client import strings
from mmtoolkit.serving.golden import Golden
from mmtoolkit.serving.signatures import SEEDS, Outputs, Signature, uniforms
from mmtoolkit.task import Task
from mmtoolkit.text import END, START

PROMPTS = tf.TensorSpec((None,), tf.string, name="prompt")
LENGTHS = tf.TensorSpec((None,), tf.int32, name="length")
TEMPERATURES = tf.TensorSpec((None,), tf.float32, name="temperature")
COLDEST = 1e-3  # temperature of a greedy choice
PROBES = (("The ", 1.0, 24), ("", 0.5, 40), ("A a", 0.8, 1))  # prompt, temperature, length
SEEDS_TRIED = 20
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
IMPOSSIBLE = -1e9  # of a logit


def signatures(model: LanguageModel) -> dict[str, Signature]:
    """Makes `serving_default`: each row has its prompt, its length, its temperature and its seed."""

    def serving_default(prompt: tf.Tensor, length: tf.Tensor, temperature: tf.Tensor, seed: tf.Tensor) -> Outputs:
        tokens = model.codec.encode_tensor(prompt)[:, :-1].to_tensor()  # without END
        cells, last = model.read(tokens)
        heat = tf.maximum(temperature, COLDEST)[:, None]
        only_end = IMPOSSIBLE * (1.0 - tf.one_hot(END, len(model.codec.vocabulary)))[None]

        def step(chosen: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
            cells, last, left = state
            logits, cells = model.step(tf.where(left == length, last, chosen), cells)
            logits = tf.where((left > 0)[:, None], logits / heat, only_end)
            return logits, (cells, last, left - 1)

        ids, _ = Sample()(
            step,
            (cells, last, length),
            start=START,
            end=END,
            max_length=model.max_length,
            uniforms=uniforms(seed, model.max_length),
        )
        return {"text": model.codec.decode_tensor(ids[:, 0])}

    return {"serving_default": Signature((PROMPTS, LENGTHS, TEMPERATURES, SEEDS), serving_default)}


def golden(task: Task[Any], model: LanguageModel, *, tolerance: float) -> Iterator[Golden]:
    """Makes the golden requests of a language model, each row with a seed whose text rounding does not change."""
    rows = [drawn(model, *probe, tolerance) for probe in PROBES]
    for count in (1, len(rows)):
        prompts, temperatures, lengths = zip(*PROBES[:count], strict=True)
        seeds, texts = zip(*rows[:count], strict=True)
        given = {
            "prompt": strings(prompts),
            "length": np.array(lengths, np.int32),
            "temperature": np.array(temperatures, np.float32),
            "seed": np.array(seeds, np.int32),
        }
        yield Golden("serving_default", given, {"text": strings(texts)}, [[] for _ in range(count)])


def drawn(model: LanguageModel, prompt: str, temperature: float, length: int, tolerance: float) -> tuple[int, str]:
    """Finds a seed whose sampled text rounding does not change; returns it with the text."""
    length = min(length, model.max_length)
    search, inputs = replace(Sample(), temperature=temperature), {"tokens": model.prompts([prompt])}
    for seed in range(SEEDS_TRIED):
        numbers = uniforms(tf.constant([seed]), model.max_length).numpy()[:, :length]
        shifted = [np.clip(numbers + shift, 0, BELOW_ONE) for shift in (0, -tolerance, tolerance)]
        texts = [model.written({**inputs, "uniforms": each}, search, length) for each in shifted]
        if len(set(texts)) == 1:
            break
    return seed, texts[0]
