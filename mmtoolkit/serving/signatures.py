"""What a served model can be asked: functions from strings and bytes to strings and numbers, wholly in the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from mmtoolkit.decoding import IMPOSSIBLE, BeamSearch, Sample, Search
from mmtoolkit.models import Captioner, VisualQA
from mmtoolkit.serving.pictures import OK, decode_rows, status_names
from mmtoolkit.text import END, START, TextCodec
from mmtoolkit.vision import SIDES, VGG19Regions

ANSWERS = 5
PICTURES = tf.TensorSpec((None,), tf.string, name="image_bytes")
QUESTIONS = tf.TensorSpec((None,), tf.string, name="question")
SEEDS = tf.TensorSpec((None,), tf.int32, name="seed")

Outputs = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Signature:
    """One way to ask a model.

    Args:
        inputs: Their names, types and shapes; every one has a row for each picture.
        function: From those to named outputs, each with a row for each picture.
    """

    inputs: tuple[tf.TensorSpec, ...]
    function: Callable[..., Outputs]


def signatures_of(
    model: Captioner | VisualQA, extractor: VGG19Regions | None, *, n_best: int, sample: Sample
) -> dict[str, Signature]:
    """The signatures of a model.

    Args:
        model: A captioner or a question-answerer, with its default decoding.
        extractor: What makes regions of pictures, where the model does not do that itself.
        n_best: Captions of the signature `n_best`.
        sample: How the signature `sample` draws.
    """
    see = seeing(model, extractor)
    if isinstance(model, VisualQA):
        return answering(model, see)
    return captioning(model, see, n_best=n_best, sample=sample)


def seeing(
    model: Captioner | VisualQA, extractor: VGG19Regions | None
) -> Callable[[tf.Tensor], tuple[Outputs, tf.Tensor]]:
    """From `image_bytes <string>[batch]` to the model's picture input and the status of each row."""
    size = SIDES[extractor.layer] if extractor else model.image_size

    def see(image_bytes: tf.Tensor) -> tuple[Outputs, tf.Tensor]:
        images, status = decode_rows(image_bytes, size=size)
        return {"regions": extractor.call(images)} if extractor else {"images": images}, status

    return see


def captioning(captioner: Captioner, see: Callable[..., Any], *, n_best: int, sample: Sample) -> dict[str, Signature]:
    """`serving_default`, `n_best`, `sample`, `from_regions`, and `attention` where the captioner looks somewhere."""
    one = best_of(captioner.decoding, 1)
    several = best_of(captioner.decoding, n_best)

    def told(inputs: Mapping[str, Any], status: tf.Tensor, decoding: Search) -> tuple[tf.Tensor, Outputs]:
        ids, scores = captioner.search(inputs, decoding)
        return ids, first({**written(captioner.codec, ids, scores), "status": status})

    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        inputs, status = see(image_bytes)
        return told(inputs, status, one)[1]

    def best(image_bytes: tf.Tensor) -> Outputs:
        inputs, status = see(image_bytes)
        ids, scores = captioner.search(inputs, several)
        found = written(captioner.codec, ids, scores)
        return shown({"captions": found["caption"], "scores": found["score"], "tokens": found["tokens"]}, status)

    def drawn(image_bytes: tf.Tensor, seed: tf.Tensor) -> Outputs:
        inputs, status = see(image_bytes)
        return told({**inputs, "uniforms": uniforms(seed, captioner.max_length)}, status, sample)[1]

    def attention(image_bytes: tf.Tensor) -> Outputs:
        inputs, status = see(image_bytes)
        ids, outputs = told(inputs, status, one)
        _, attention_weights = captioner.teacher_forced({**inputs, "tokens": after_start(ids[:, 0])})
        real = tf.cast(outputs["tokens"] != "", tf.float32)
        return {**outputs, "attention": attention_weights * real[:, :, None]}

    def from_regions(regions: tf.Tensor) -> Outputs:
        stored = regions if captioner.encoder_name == "small" else tf.cast(regions, tf.float16)
        return told({"regions": stored}, tf.fill((tf.shape(regions)[0],), OK), one)[1]

    shape = captioner.regions_shape()
    found = {
        "serving_default": Signature((PICTURES,), serving_default),
        "n_best": Signature((PICTURES,), best),
        "sample": Signature((PICTURES, SEEDS), drawn),
        "from_regions": Signature((tf.TensorSpec(shape, tf.float32, name="regions"),), from_regions),
    }
    return {**found, "attention": Signature((PICTURES,), attention)} if captioner.has_attention else found


def answering(model: VisualQA, see: Callable[..., Any]) -> dict[str, Signature]:
    """`serving_default`, and `attention` where the model looks somewhere; without a picture for questions alone."""
    decoding = model.best(ANSWERS)

    def asked(question: tf.Tensor) -> Outputs:
        return {"question": model.codec.encode_tensor(question, model.max_question).to_tensor()}

    def told(inputs: Mapping[str, Any], status: tf.Tensor) -> Outputs:
        ids, scores = model.search(inputs, decoding)
        found = written(model.answers_codec, ids, scores)
        uniforms = tf.where(scores > IMPOSSIBLE, tf.exp(scores), 0.0)
        return shown({"answers": found["caption"], "probabilities": uniforms}, status)

    def blind(question: tf.Tensor) -> Outputs:
        return told(asked(question), tf.fill((tf.shape(question)[0],), OK))

    def serving_default(image_bytes: tf.Tensor, question: tf.Tensor) -> Outputs:
        inputs, status = see(image_bytes)
        return told({**inputs, **asked(question)}, status)

    def attention(image_bytes: tf.Tensor, question: tf.Tensor) -> Outputs:
        inputs, status = see(image_bytes)
        inputs = {**inputs, **asked(question)}
        _, attention_weights = model.join(inputs, model.regions(inputs))
        return {**told(inputs, status), **shown({"attention": attention_weights}, status)}

    if model.question_only:
        return {"serving_default": Signature((QUESTIONS,), blind)}
    found = {"serving_default": Signature((PICTURES, QUESTIONS), serving_default)}
    return {**found, "attention": Signature((PICTURES, QUESTIONS), attention)} if model.has_attention else found


def best_of(decoding: Search, n_best: int) -> Search:
    """A search like the given one for so many sentences; greedy search has no second, and becomes a narrow beam."""
    if isinstance(decoding, BeamSearch):
        return replace(decoding, n_best=n_best, width=max(decoding.width, n_best))
    return decoding if n_best == 1 else BeamSearch(width=n_best, n_best=n_best, length_penalty=0.0)


def written(codec: TextCodec, ids: tf.Tensor, scores: tf.Tensor) -> Outputs:
    """Ids `<int32>[batch, n, time]` and scores `<float32>[batch, n]` as sentences and their tokens.

    A sentence that is not there has no words and a score of 0.
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


def first(outputs: Outputs) -> Outputs:
    """The best sentence of each row."""
    best = {name: value[:, 0] for name, value in outputs.items() if name != "status"}
    return shown(best, outputs["status"])


def shown(outputs: Outputs, status: tf.Tensor) -> Outputs:
    """The outputs, with nothing in the rows of pictures that could not be read, and the status in words."""
    good = status == OK

    def cleared(value: tf.Tensor) -> tf.Tensor:
        rows = tf.reshape(good, tf.concat([tf.shape(good), tf.ones(tf.rank(value) - 1, tf.int32)], axis=0))
        return tf.where(rows, value, "" if value.dtype == tf.string else tf.zeros((), value.dtype))

    return {**{name: cleared(value) for name, value in outputs.items()}, "status": status_names(status)}


def uniforms(seed: tf.Tensor, length: int) -> tf.Tensor:
    """Each row's random numbers `<float32>[batch, length]` by its own seed, whatever the other rows are."""
    spec = tf.TensorSpec((length,), tf.float32)
    return tf.map_fn(lambda one: tf.random.stateless_uniform((length,), (one, 0)), seed, fn_output_signature=spec)


def after_start(ids: tf.Tensor) -> tf.Tensor:
    """What the decoder reads while it writes `<int32>[batch, time]`: START, then all but the last."""
    return tf.concat([tf.fill((tf.shape(ids)[0], 1), START), ids[:, :-1]], axis=1)
