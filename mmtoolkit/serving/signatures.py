"""Serving signatures: functions from strings and bytes to strings and numbers, wholly in the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from mmtoolkit.decoding import IMPOSSIBLE
from mmtoolkit.serving.pictures import OK, STATUS, decode_rows
from mmtoolkit.text import END, START, TextCodec
from mmtoolkit.vision import RegionExtractor

IMAGES = tf.TensorSpec((None,), tf.string, name="image_bytes")
QUESTIONS = tf.TensorSpec((None,), tf.string, name="question")
SEEDS = tf.TensorSpec((None,), tf.int32, name="seed")

Outputs = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Signature:
    """One signature of a served model.

    Args:
        inputs: Their names, types and shapes; every one has a row for each picture.
        function: From those to named outputs, each with a row for each picture.
    """

    inputs: tuple[tf.TensorSpec, ...]
    function: Callable[..., Outputs]


def image_inputs(model: Any, extractor: RegionExtractor | None) -> Callable[[tf.Tensor], tuple[Outputs, tf.Tensor]]:
    """Makes the function from `image_bytes <string>[batch]` to the model's image input and the status of each row."""
    size = extractor.backbone.image_size if extractor else model.image_size

    def decode(image_bytes: tf.Tensor) -> tuple[Outputs, tf.Tensor]:
        images, status = decode_rows(image_bytes, size=size)
        return {"regions": extractor.call(images)} if extractor else {"images": images}, status

    return decode


def sentences(codec: TextCodec, ids: tf.Tensor, scores: tf.Tensor) -> Outputs:
    """Decodes ids `<int32>[batch, n, time]` with scores `<float32>[batch, n]` to sentences and their tokens.

    A sentence that the search did not find has no words and a score of 0.
    """
    shape, there = tf.shape(ids), scores > IMPOSSIBLE
    rows = tf.reshape(tf.where(there[..., None], ids, 0), (-1, shape[-1]))
    before_end = tf.cumsum(tf.cast(rows == END, tf.int32), axis=1) == 0
    tokens = tf.where(before_end & (rows > END), tf.gather(codec.tables.to_token, rows), "")
    return {
        "caption": tf.reshape(codec.decode_tensor(rows), shape[:2]),
        "score": tf.where(there, scores, 0.0),
        "tokens": tf.reshape(tokens, shape),
    }


def best(outputs: Outputs) -> Outputs:
    """Takes the best sentence of each row."""
    rows = {name: value[:, 0] for name, value in outputs.items() if name != "status"}
    return readable(rows, outputs["status"])


def readable(outputs: Outputs, status: tf.Tensor) -> Outputs:
    """Clears the rows of images that could not be read, and names the status of each row."""
    good = status == OK

    def cleared(value: tf.Tensor) -> tf.Tensor:
        rows = tf.reshape(good, tf.concat([tf.shape(good), tf.ones(tf.rank(value) - 1, tf.int32)], axis=0))
        return tf.where(rows, value, "" if value.dtype == tf.string else tf.zeros((), value.dtype))

    words = tf.gather(tf.constant(STATUS), status)
    return {**{name: cleared(value) for name, value in outputs.items()}, "status": words}


def uniforms(seed: tf.Tensor, length: int) -> tf.Tensor:
    """Draws each row's random numbers `<float32>[batch, length]` by its own seed, whatever the other rows are."""
    spec = tf.TensorSpec((length,), tf.float32)
    return tf.map_fn(lambda one: tf.random.stateless_uniform((length,), (one, 0)), seed, fn_output_signature=spec)


def after_start(ids: tf.Tensor) -> tf.Tensor:
    """Returns the decoder's inputs for output ids `<int32>[batch, time]`: START, then all ids but the last."""
    return tf.concat([tf.fill((tf.shape(ids)[0], 1), START), ids[:, :-1]], axis=1)
