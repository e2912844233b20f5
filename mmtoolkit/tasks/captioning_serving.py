"""The serving signatures of a captioner, and the golden requests that verify them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mmtoolkit.decoding import Sample, Search, best_of
from mmtoolkit.models import Captioner
from mmtoolkit.serving.client import strings
from mmtoolkit.serving.golden import Golden, Probes, Values, ok, with_unreadable_rows
from mmtoolkit.serving.pictures import OK, UNREADABLE
from mmtoolkit.serving.signatures import (
    IMAGES,
    SEEDS,
    Outputs,
    Signature,
    after_start,
    best,
    image_inputs,
    readable,
    sentences,
    uniforms,
)
from mmtoolkit.task import Task
from mmtoolkit.vision import RegionExtractor

BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
SCORED = {"caption": "score", "captions": "scores"}  # what a string is compared by
SEEDS_TRIED = 20

Sentences = Sequence[tuple[str, float]]


def signatures(
    captioner: Captioner, extractor: RegionExtractor | None, *, n_best: int, sample: Sample
) -> dict[str, Signature]:
    """Makes `serving_default`, `n_best`, `sample`, `from_regions`, and `attention` where the captioner has it."""
    images = image_inputs(captioner, extractor)
    one, several = best_of(captioner.decoding, 1), best_of(captioner.decoding, n_best)

    def captions(inputs: Mapping[str, Any], status: tf.Tensor, decoding: Search) -> tuple[tf.Tensor, Outputs]:
        ids, scores = captioner.search(inputs, decoding)
        return ids, best({**sentences(captioner.codec, ids, scores), "status": status})

    def serving_default(image_bytes: tf.Tensor) -> Outputs:
        inputs, status = images(image_bytes)
        return captions(inputs, status, one)[1]

    def list_captions(image_bytes: tf.Tensor) -> Outputs:
        inputs, status = images(image_bytes)
        found = sentences(captioner.codec, *captioner.search(inputs, several))
        return readable({"captions": found["caption"], "scores": found["score"], "tokens": found["tokens"]}, status)

    def draw(image_bytes: tf.Tensor, seed: tf.Tensor) -> Outputs:
        inputs, status = images(image_bytes)
        return captions({**inputs, "uniforms": uniforms(seed, captioner.max_length)}, status, sample)[1]

    def attention(image_bytes: tf.Tensor) -> Outputs:
        inputs, status = images(image_bytes)
        ids, outputs = captions(inputs, status, one)
        _, weights = captioner.teacher_forced({**inputs, "tokens": after_start(ids[:, 0])})
        real = tf.cast(outputs["tokens"] != "", tf.float32)
        return {**outputs, "attention": weights * real[:, :, None]}

    def from_regions(regions: tf.Tensor) -> Outputs:
        stored = regions if captioner.visual_encoder.reads_pixels else tf.cast(regions, tf.float16)
        finite = tf.reduce_all(tf.math.is_finite(stored), axis=(1, 2))
        readable_ones = tf.where(finite[:, None, None], stored, tf.zeros((), stored.dtype))
        return captions({"regions": readable_ones}, tf.where(finite, OK, UNREADABLE), one)[1]

    shape = captioner.regions_shape()
    found = {
        "serving_default": Signature((IMAGES,), serving_default),
        "n_best": Signature((IMAGES,), list_captions),
        "sample": Signature((IMAGES, SEEDS), draw),
        "from_regions": Signature((tf.TensorSpec(shape, tf.float32, name="regions"),), from_regions),
    }
    return {**found, "attention": Signature((IMAGES,), attention)} if captioner.has_attention else found


def golden(
    task: Task[Any], captioner: Captioner, probes: Probes, *, n_best: int, sample: Sample, tolerance: float
) -> Iterator[Golden]:
    """Makes the golden requests of a captioner."""
    one, several = best_of(captioner.decoding, 1), best_of(captioner.decoding, n_best)
    wide = best_of(captioner.decoding, max(n_best, getattr(captioner.decoding, "width", 1)) + 2)
    pictures = decided(task, captioner, probes, wide, tolerance)
    others = candidates(captioner, inputs_of(task, captioner, probes, pictures), wide)
    for rows in (slice(0, 1), slice(0, 3)):
        batch = pictures[rows]
        inputs, given = inputs_of(task, captioner, probes, batch), {"image_bytes": strings(batch)}
        captions = [row[0] for row in candidates(captioner, inputs, one)]
        answer = caption_values(captioner, captions)
        yield Golden("serving_default", given, answer, others[rows], SCORED)
        listed = list_values(captioner, candidates(captioner, inputs, several), n_best)
        yield Golden("n_best", given, listed, others[rows], SCORED)
        yield Golden("from_regions", {"regions": regions(captioner, inputs)}, answer, others[rows], SCORED)
        if captioner.has_attention:
            maps = attention_values(captioner, inputs, captions)
            yield Golden("attention", given, {**answer, "attention": maps}, others[rows], SCORED)
        seeds, drawn = draws(task, captioner, probes, batch, sample, tolerance)
        yield Golden("sample", {**given, "seed": seeds}, drawn, [[] for _ in batch], SCORED)
    alone = caption_values(captioner, captions[:1])
    yield from with_unreadable_rows("serving_default", pictures, {}, alone, others[:1], SCORED)


def inputs_of(task: Task[Any], captioner: Captioner, probes: Probes, pictures: Sequence[bytes]) -> dict[str, Any]:
    """Makes the captioner's inputs of images in bytes."""
    examples = [task.example(path) for path in probes.files(pictures)]
    return task.inputs(captioner, examples, probes.source)


def candidates(captioner: Captioner, inputs: Mapping[str, Any], search: Search) -> list[list[tuple[str, float]]]:
    """Decodes the best sentences of each image, with their scores."""
    return captioner.sentences(inputs, search, captioner.codec)


def caption_values(captioner: Captioner, rows: Sentences) -> Values:
    """Makes the expected outputs of one caption per row."""
    found = list_values(captioner, [[row] for row in rows], 1)
    names = {"caption": "captions", "score": "scores", "tokens": "tokens"}
    return {**{name: found[many][:, 0] for name, many in names.items()}, "status": found["status"]}


def list_values(captioner: Captioner, rows: Sequence[Sentences], count: int) -> Values:
    """Makes the expected outputs of several captions per row; missing ones are empty."""
    texts = np.full((len(rows), count), b"", object)
    scores = np.zeros((len(rows), count), np.float32)
    tokens = np.full((len(rows), count, captioner.max_length), b"", object)
    for place, row in enumerate(rows):
        for number, (text, score) in enumerate(row):
            (words,) = captioner.codec.split([text])
            texts[place, number], scores[place, number] = text.encode(), score
            tokens[place, number, : len(words)] = strings(words)
    return {"captions": texts, "scores": scores, "tokens": tokens, "status": ok(len(rows))}


def attention_values(captioner: Captioner, inputs: Mapping[str, Any], captions: Sentences) -> np.ndarray:
    """Makes the output `attention` of captions, `<float32>[batch, time, regions]`."""
    rows, columns = captioner.grid
    maps = np.zeros((len(captions), captioner.max_length, rows * columns), np.float32)
    for place, weights in zip(maps, captioner.attention_weights(inputs, [text for text, _ in captions]), strict=True):
        place[: len(weights)] = weights
    return maps


def decided(task: Task[Any], captioner: Captioner, probes: Probes, wide: Search, tolerance: float) -> list[bytes]:
    """Chooses three images, first those whose best caption leads by more than rounding can change."""
    pictures = list(probes.images)
    rows = candidates(captioner, inputs_of(task, captioner, probes, pictures), wide)
    clear = [len(row) < 2 or row[0][1] - row[1][1] > 2 * tolerance for row in rows]
    order = sorted(range(len(pictures)), key=lambda place: not clear[place])
    jpeg = [place for place in order if pictures[place].startswith(b"\xff\xd8")][:1]  # which can be cut off
    return [pictures[place] for place in (jpeg + [place for place in order if place not in jpeg])[:3]]


def regions(captioner: Captioner, inputs: Mapping[str, Any]) -> np.ndarray:
    """Returns what `from_regions` takes, `<float32>[batch, regions, features]`."""
    ready = captioner.visual_encoder.encode(inputs["images"]) if "images" in inputs else inputs["regions"]
    return np.asarray(ready, np.float32)


def draws(
    task: Task[Any],
    captioner: Captioner,
    probes: Probes,
    pictures: Sequence[bytes],
    sample: Sample,
    tolerance: float,
) -> tuple[np.ndarray, Values]:
    """Finds for each image a seed whose sampled caption rounding does not change; returns seeds and captions."""
    seeds, found = [], []
    for picture in pictures:
        inputs = inputs_of(task, captioner, probes, [picture])
        for seed in range(SEEDS_TRIED):
            numbers = uniforms(tf.constant([seed]), captioner.max_length).numpy()
            shifted = [np.clip(numbers + shift, 0, BELOW_ONE) for shift in (0, -tolerance, tolerance)]
            drawn = [candidates(captioner, {**inputs, "uniforms": each}, sample)[0][0] for each in shifted]
            if len({text for text, _ in drawn}) == 1:
                break
        seeds.append(seed)
        found.append(drawn[0])
    return np.array(seeds, np.int32), caption_values(captioner, found)
