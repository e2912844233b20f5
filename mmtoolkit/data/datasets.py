"""Turns records into batches of `(inputs, targets, weights)` for `fit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from mmtoolkit.compiled import keras_compiles
from mmtoolkit.data.stages import batch_plan
from mmtoolkit.errors import InputError
from mmtoolkit.records import CaptionRecord, QuestionRecord
from mmtoolkit.text import PAD, SPECIAL, UNK, TextCodec, padded
from mmtoolkit.vision import ImageSource, shared_pictures

WORDS, WEIGHTS = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None), tf.float32)
TIME_STEP = 8  # where shapes are to be few, a batch's time is a multiple of this
PICTURE_STEPS = 4  # and there are so many numbers of pictures

Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]  # inputs, targets, weights
Read = Callable[[np.ndarray], Batch]


def caption_dataset(
    records: Sequence[CaptionRecord],
    codec: TextCodec,
    *,
    features: ImageSource,
    batch_size: int = 64,
    max_length: int = 24,
    per_group: int = 1,
    few_shapes: bool | None = None,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
) -> tf.data.Dataset:
    """Yields every caption once an epoch, bucketed by length, in an order fixed by seed and epoch.

    The pass after a finished one is the next epoch; a pass that stops before its last batch (as here, after the first)
    is not counted. The weights of a batch sum to 1, so a summed loss is the mean over its real tokens.

    Example:
        >>> data = caption_dataset(records, codec, features=mm.Pictures(64), batch_size=8)
        >>> inputs, targets, weights = next(iter(data))
        >>> inputs["images"].shape, inputs["tokens"].shape == targets.shape == weights.shape
        (TensorShape([8, 64, 64, 3]), True)

    Args:
        records: Pictures with captions.
        codec: Turns captions into ids.
        features: A `FeatureStore` or `Pictures`.
        batch_size: Captions a batch.
        max_length: Longer captions are cut to so many tokens before END.
        per_group: Most captions of one picture in a batch; with more than 1 they share the work on the picture, and
            `inputs["image_index"]`, `<int32>[64]`, is the index of each caption's picture.
        few_shapes: Whether batches are padded to a few shapes, also by repeating pictures: XLA compiles a training step
            anew for every shape. `None` means where Keras compiles by default: with a GPU.
        seed: Seed of the order.
        epoch: The first epoch.
        step: Number of batches of the first epoch to skip, unread. Keras expects the first pass to be as long as the
            others: `fit` the rest of a begun epoch alone, then continue with a data set that starts at the next one.

    Raises:
        InputError: There are no captions.
    """
    if not any(record.captions for record in records):
        raise InputError(
            "A data set needs at least one record with a caption. "
            f"Received: {len(records)} records; check the split asked for."
        )
    owners = np.repeat(np.arange(len(records)), [len(record.captions) for record in records])
    captions = codec.encode_all([caption for record in records for caption in record.captions], max_length)

    def read(chosen: np.ndarray) -> Batch:
        tokens, targets, weights = token_batch([captions[index] for index in chosen])
        images = [records[owner].image for owner in owners[chosen]]
        pictures = shared_pictures(features, images) if per_group > 1 else {features.input_name: features.read(images)}
        return {**pictures, "tokens": tokens}, targets, weights

    specs = {**picture_specs(features, shared=per_group > 1), "tokens": WORDS}
    order: dict[str, Any] = {"batch_size": batch_size, "owners": owners.tolist(), "per_group": per_group, "seed": seed}
    plan = partial(batch_plan, list(map(len, captions)), **order)
    shaped = in_few_shapes(read, few_shapes, pictures=features.input_name, batch_size=batch_size)
    return in_batches(shaped, (specs, WORDS, WEIGHTS), plan, epoch=epoch, step=step)


def question_dataset(
    records: Sequence[QuestionRecord],
    codec: TextCodec,
    answers_codec: TextCodec,
    *,
    features: ImageSource | None,
    batch_size: int = 64,
    max_question: int = 60,
    max_length: int = 12,
    per_group: int = 4,
    few_shapes: bool | None = None,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
) -> tf.data.Dataset:
    """Yields every question once an epoch, in an order fixed by seed and epoch, as `caption_dataset`.

    With an answers codec of the level `"whole"` the target of a question is a distribution: the share of its
    annotators who gave each known answer; `"book, lamp"` is one answer. With another level it is the words of the
    answer that most of them gave. A question without a known answer has the weight 0.

    Example:
        >>> data = question_dataset(questions, codec, answers, features=mm.Pictures(64), batch_size=8)
        >>> inputs, targets, weights = next(iter(data))
        >>> len(inputs["question"]), len(inputs["image_index"]), len(inputs["images"]) < 8
        (8, 8, True)
        >>> targets.shape, weights.shape      # 43 known answers
        (TensorShape([8, 43]), TensorShape([8]))

    Args:
        records: Questions with answers.
        codec: Turns questions into ids.
        answers_codec: Turns answers into ids.
        features: A `FeatureStore` or `Pictures`; `None` for a model that reads questions only.
        batch_size: Questions a batch.
        max_question: Longer questions are cut to so many words.
        max_length: Longer answers are cut to so many tokens before END.
        per_group: Most questions about one picture in a batch; they share the work on it.
        few_shapes: Whether batches are padded to a few shapes; see `caption_dataset`.
        seed: Seed of the order.
        epoch: The first epoch.
        step: Number of batches of the first epoch to skip, unread; see `caption_dataset`.

    Raises:
        InputError: There are no answers that the codec knows.
    """
    questions = codec.encode_all([record.question for record in records], max_question)
    whole = answers_codec.level == "whole"
    taught = WholeAnswers(records, answers_codec) if whole else WrittenAnswers(records, answers_codec, max_length)
    if not taught.known:
        raise InputError(
            "A data set needs at least one question with a known answer. "
            f"Received: {len(records)} records; check the split asked for and how many answers are kept."
        )

    def read(chosen: np.ndarray) -> Batch:
        inputs, targets, weights = taught.batch(chosen)
        inputs["question"] = padded([questions[index] for index in chosen])
        if features:
            inputs |= shared_pictures(features, [records[index].image for index in chosen])
        return inputs, targets, weights

    specs = {**taught.inputs, "question": WORDS}
    if features:
        specs |= picture_specs(features, shared=True)
    # Not bucketed by length: questions of one length are of one kind, and a batch of one kind teaches little.
    owners = [record.image for record in records]
    order: dict[str, Any] = {"batch_size": batch_size, "owners": owners, "per_group": per_group}
    plan = partial(batch_plan, np.zeros(len(records), int), **order, seed=seed)
    pictures = features.input_name if features else None
    shaped = in_few_shapes(read, few_shapes, pictures=pictures, batch_size=batch_size)
    return in_batches(shaped, (specs, *taught.specs), plan, epoch=epoch, step=step)


def picture_specs(features: ImageSource, *, shared: bool) -> dict[str, tf.TensorSpec]:
    """Specifies the pictures of a batch and, where they are shared, the picture index of each row."""
    index = {"image_index": tf.TensorSpec((None,), tf.int32)} if shared else {}
    return {features.input_name: tf.TensorSpec((None, *features.shape), features.dtype), **index}


class WholeAnswers:
    """Makes the targets of a classifier: the distribution of the known answers to each question."""

    inputs: ClassVar[dict[str, tf.TensorSpec]] = {}

    def __init__(self, records: Sequence[QuestionRecord], codec: TextCodec) -> None:
        self.width = len(codec.vocabulary) - len(SPECIAL)
        owners = np.repeat(np.arange(len(records)), [len(record.answers) for record in records])
        ids = codec.encode_all([answer for record in records for answer in record.answers])
        places = np.array([row[1] - len(SPECIAL) if len(row) == 3 and row[1] != UNK else -1 for row in ids])
        cuts = np.searchsorted(owners, np.arange(1, len(records)))
        self.given = [row[row >= 0] for row in np.split(places, cuts)]
        self.known = any(map(len, self.given))
        self.specs = tf.TensorSpec((None, self.width), tf.float32), tf.TensorSpec((None,), tf.float32)

    def batch(self, chosen: np.ndarray) -> Batch:
        """Returns the further inputs, the targets and the weights of some questions."""
        targets = np.zeros((len(chosen), self.width), np.float32)
        for row, index in zip(targets, chosen, strict=True):
            np.add.at(row, self.given[index], 1 / max(1, len(self.given[index])))
        known = np.array([len(self.given[index]) > 0 for index in chosen], np.float32)
        return {}, targets, known / max(1.0, known.sum())


class WrittenAnswers:
    """Makes the targets of a decoder: the words of the answer that most annotators gave."""

    inputs: ClassVar[dict[str, tf.TensorSpec]] = {"tokens": WORDS}
    specs = WORDS, WEIGHTS

    def __init__(self, records: Sequence[QuestionRecord], codec: TextCodec, max_length: int) -> None:
        usual = [Counter(record.answers).most_common(1)[0][0] if record.answers else "" for record in records]
        self.ids = codec.encode_all(usual, max_length)
        self.weights = np.array([len(ids) > 2 and UNK not in ids for ids in self.ids], np.float32)
        self.known = bool(self.weights.any())

    def batch(self, chosen: np.ndarray) -> Batch:
        """Returns the further inputs, the targets and the weights of some questions."""
        tokens, targets, weights = token_batch([self.ids[index] for index in chosen])
        weights = weights * self.weights[chosen, None]
        return {"tokens": tokens}, targets, weights / max(weights.sum(), 1e-9)


def in_few_shapes(read: Read, wanted: bool | None, *, pictures: str | None, batch_size: int) -> Read:
    """Pads the time of words, targets and weights to few lengths, and shared pictures to few numbers.

    The padding has no weight. Pictures are repeated, as a batch norm would count zeros. With `wanted=None` batches are
    padded where Keras compiles by default.
    """
    if not (keras_compiles() if wanted is None else wanted):
        return read

    def filled(array: np.ndarray, axis: int, step: int, mode: Any = "constant") -> np.ndarray:
        missing = [(0, -array.shape[i] % step if i == axis else 0) for i in range(array.ndim)]
        return np.pad(array, missing, mode)

    def read_filled(chosen: np.ndarray) -> Batch:
        inputs, targets, weights = read(chosen)
        for name in {"tokens", "question"} & inputs.keys():
            inputs[name] = filled(inputs[name], 1, TIME_STEP)
        if weights.ndim == 2:
            targets, weights = filled(targets, 1, TIME_STEP), filled(weights, 1, TIME_STEP)
        if pictures and "image_index" in inputs:
            inputs[pictures] = filled(inputs[pictures], 0, -(-batch_size // PICTURE_STEPS), "wrap")
        return inputs, targets, weights

    return read_filled


def in_batches(
    read: Read, specs: Any, plan: Callable[..., list[np.ndarray]], *, epoch: int, step: int, ahead: bool = True
) -> tf.data.Dataset:
    """Yields batches in a planned order; the pass after a finished one is the next epoch.

    Args:
        read: From the indices of a batch's examples to its arrays.
        specs: `tf.TensorSpec` of each array, in the same structure.
        plan: From `epoch` to the indices of the examples in each batch, in as many batches for each epoch.
        epoch: The first epoch.
        step: Number of batches of the first epoch to skip, unread.
        ahead: Whether batches are read before they are asked for.
    """
    plan = lru_cache(maxsize=2)(plan)
    count = len(plan(epoch=epoch))
    epoch, step = epoch + step // count, step % count
    upcoming = epoch
    flat = tf.nest.flatten(specs)

    def read_batch(number: np.ndarray, current: np.ndarray) -> list[np.ndarray]:
        """Reads one batch of an epoch."""
        nonlocal upcoming
        arrays = tf.nest.flatten(read(plan(epoch=int(current))[number]))
        if number == count - 1:  # before it is returned: whoever has the last batch finds the next epoch ready
            upcoming = max(upcoming, int(current) + 1)
        return arrays

    def batch(number: tf.Tensor, current: tf.Tensor) -> Any:
        tensors = tf.numpy_function(read_batch, [number, current], [spec.dtype for spec in flat])
        for tensor, spec in zip(tensors, flat, strict=True):
            tensor.set_shape(spec.shape)
        return tf.nest.pack_sequence_as(specs, tensors)

    def numbers(current: tf.Tensor) -> tf.data.Dataset:
        # Not `from_generator`: it makes malloc return all free memory, and a training step then spends half its time on
        # allocating it again.
        first = tf.where(current == epoch, tf.constant(step, tf.int64), tf.constant(0, tf.int64))
        return tf.data.Dataset.range(first, count).map(lambda number: batch(number, current))

    passes = tf.data.Dataset.from_tensors(0).map(lambda _: tf.numpy_function(lambda: np.int64(upcoming), [], tf.int64))
    dataset = passes.flat_map(numbers)
    if not step:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    if ahead:
        dataset = dataset.prefetch(max(0, min(2, count - step - 2)))  # reading one batch must not reach the last one
    options = tf.data.Options()
    options.autotune.enabled = False  # nothing is tuned, and a dropped iterator waits up to a minute for it
    return dataset.with_options(options)


def token_batch(captions: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pads captions on the right, and returns input tokens, the next tokens as targets, and weights.

    Example:
        >>> [part.tolist() for part in token_batch([np.array([1, 5, 2])])]
        [[[1, 5]], [[5, 2]], [[0.5, 0.5]]]
    """
    ids = padded(captions)
    targets = ids[:, 1:]
    weights = (targets != PAD).astype(np.float32)
    return ids[:, :-1], targets, weights / weights.sum()
