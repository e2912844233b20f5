"""The serving signatures of a question-answerer, and the golden requests that verify them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmtoolkit.decoding import IMPOSSIBLE
from mmtoolkit.models import VisualQA
from mmtoolkit.serving.client import strings
from mmtoolkit.serving.golden import Golden, Probes, Values, ok, with_unreadable_rows
from mmtoolkit.serving.pictures import OK
from mmtoolkit.serving.signatures import IMAGES, QUESTIONS, Outputs, Signature, image_inputs, readable, sentences
from mmtoolkit.task import Task
from mmtoolkit.vision import RegionExtractor

ANSWERS = 5
SCORED = {"answers": "probabilities"}  # what a string is compared by
QUESTION = "how many circles are there?"
ASKED = (QUESTION, "", "is there a red square?")  # one of them has no words


def signatures(model: VisualQA, extractor: RegionExtractor | None) -> dict[str, Signature]:
    """Makes `serving_default`, and `attention` where the model has it; a question-only model takes no image."""
    decoding = model.best(ANSWERS)

    def encoded(question: tf.Tensor) -> Outputs:
        return {"question": model.codec.encode_tensor(question, model.max_question).to_tensor()}

    def answers(inputs: Mapping[str, Any], status: tf.Tensor) -> Outputs:
        ids, scores = model.search(inputs, decoding)
        found = sentences(model.answers_codec, ids, scores)
        probabilities = tf.where(scores > IMPOSSIBLE, tf.exp(scores), 0.0)
        return readable({"answers": found["caption"], "probabilities": probabilities}, status)

    def question_only(question: tf.Tensor) -> Outputs:
        return answers(encoded(question), tf.fill((tf.shape(question)[0],), OK))

    if not model.uses_images:
        return {"serving_default": Signature((QUESTIONS,), question_only)}
    images = image_inputs(model, extractor)

    def serving_default(image_bytes: tf.Tensor, question: tf.Tensor) -> Outputs:
        inputs, status = images(image_bytes)
        return answers({**inputs, **encoded(question)}, status)

    def attention(image_bytes: tf.Tensor, question: tf.Tensor) -> Outputs:
        inputs, status = images(image_bytes)
        inputs = {**inputs, **encoded(question)}
        _, weights = model.join(inputs, model.regions(inputs))
        return {**answers(inputs, status), **readable({"attention": weights}, status)}

    found = {"serving_default": Signature((IMAGES, QUESTIONS), serving_default)}
    return {**found, "attention": Signature((IMAGES, QUESTIONS), attention)} if model.has_attention else found


def golden(task: Task[Any], model: VisualQA, probes: Probes) -> Iterator[Golden]:
    """Makes the golden requests of a question-answerer."""
    pictures = list(probes.images[:3])
    for rows in (slice(0, 1), slice(0, 3)):
        paths = probes.files(pictures[rows])
        examples = [task.example(path, question) for path, question in zip(paths, ASKED[rows], strict=True)]
        inputs = task.inputs(model, examples, probes.source)
        wide = model.decode(inputs, model.best(2 * ANSWERS))
        answer = answer_values(model, [row[:ANSWERS] for row in wide])
        given: Values = {"question": strings(ASKED[rows])}
        if model.uses_images:
            given["image_bytes"] = strings(pictures[rows])
        others = [[(text, probability) for text, probability in row] for row in wide]
        yield Golden("serving_default", given, answer, others, SCORED)
        if model.has_attention:
            maps = {**answer, "attention": model.attention_weights(inputs)}
            yield Golden("attention", given, maps, others, SCORED)
    if model.uses_images:
        alone = {name: value[:1] for name, value in answer.items()}
        asked = {"question": strings([QUESTION] * 3)}
        yield from with_unreadable_rows("serving_default", pictures, asked, alone, others[:1], SCORED)


def answer_values(model: VisualQA, rows: Sequence[Sequence[tuple[str, float]]]) -> Values:
    """Makes the expected outputs of a question-answerer."""
    count = min(ANSWERS, model.output_layer.units) if model.output_layer else ANSWERS
    texts, probabilities = np.full((len(rows), count), b"", object), np.zeros((len(rows), count), np.float32)
    for place, row in enumerate(rows):
        for number, (text, probability) in enumerate(row):
            texts[place, number], probabilities[place, number] = text.encode(), probability
    return {"answers": texts, "probabilities": probabilities, "status": ok(len(rows))}
