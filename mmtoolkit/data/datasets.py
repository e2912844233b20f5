"""Records to `(inputs, targets, weights)`, ready for `fit`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import tensorflow as tf

from mmtoolkit.data.stages import batch_plan
from mmtoolkit.errors import InputError
from mmtoolkit.records import CaptionRecord
from mmtoolkit.text import PAD, TextCodec
from mmtoolkit.vision import ImageSource


def caption_dataset(
    records: Sequence[CaptionRecord],
    codec: TextCodec,
    *,
    features: ImageSource,
    batch_size: int = 64,
    max_length: int = 40,
    seed: int = 0,
    epoch: int = 0,
    step: int = 0,
) -> tf.data.Dataset:
    """Every caption once an epoch, bucketed by length, in an order fixed by seed and epoch.

    The pass after a finished one is the next epoch; a pass given up before its last batch (a look at the first batch,
    as here) is not counted. The weights of a batch sum to 1, so a summed loss is the mean over its real tokens.

    Example:
        >>> inputs, targets, weights = next(iter(caption_dataset(records, codec, features=store, batch_size=64)))
        >>> inputs["regions"], inputs["tokens"]        # <float16>[64, 196, 512], <int32>[64, time]
        >>> targets, weights                           # <int32>[64, time], <float32>[64, time]

    Args:
        records: Pictures with captions.
        codec: Turns captions into ids.
        features: A `FeatureStore` or `Pictures`.
        batch_size: Captions a batch.
        max_length: Longer captions are cut to so many tokens before END.
        seed: Start of the order.
        epoch: The first epoch.
        step: Batches of the first epoch to leave out, unread. Keras takes the first pass to be as long as the others:
            `fit` the rest of a begun epoch by itself, then go on with a data set that starts at the next one.

    Raises:
        InputError: There are no captions.
    """
    if not any(record.captions for record in records):
        raise InputError(
            "A data set needs at least one record with a caption. "
            f"Received: {len(records)} records; check the split asked for."
        )
    owners = np.repeat(np.arange(len(records)), [len(record.captions) for record in records])
    captions = [cut(ids, max_length) for ids in codec.encode_all([c for record in records for c in record.captions])]
    lengths = np.array([len(ids) for ids in captions])
    count = -(-len(captions) // batch_size)
    epoch, step = epoch + step // count, step % count
    upcoming = epoch

    @lru_cache(maxsize=2)
    def plan(current: int) -> list[np.ndarray]:
        return batch_plan(lengths, batch_size=batch_size, seed=seed, epoch=current)

    def read(number: np.ndarray, current: np.ndarray) -> tuple[np.ndarray, ...]:
        """One batch of an epoch: pictures, tokens, targets and weights."""
        nonlocal upcoming
        chosen = plan(int(current))[number]
        inputs, targets, weights = token_batch([captions[index] for index in chosen])
        pictures = features.read([records[owner].image for owner in owners[chosen]])
        if number == count - 1:  # before the batch leaves: whoever has it all finds the next epoch ready
            upcoming = max(upcoming, int(current) + 1)
        return pictures, inputs, targets, weights

    def batch(number: tf.Tensor, current: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        kinds = (features.dtype, tf.int32, tf.int32, tf.float32)
        pictures, tokens, targets, weights = tf.numpy_function(read, [number, current], kinds)
        pictures.set_shape((None, *features.shape))
        for tensor in (tokens, targets, weights):
            tensor.set_shape((None, None))
        return {features.input_name: pictures, "tokens": tokens}, targets, weights

    def numbers(current: tf.Tensor) -> tf.data.Dataset:
        # Not `from_generator`: its operation makes malloc give back every free block, and a training step then spends
        # half its time on getting them anew.
        first = tf.where(current == epoch, tf.constant(step, tf.int64), tf.constant(0, tf.int64))
        return tf.data.Dataset.range(first, count).map(lambda number: batch(number, current))

    passes = tf.data.Dataset.from_tensors(0).map(lambda _: tf.numpy_function(lambda: np.int64(upcoming), [], tf.int64))
    dataset = passes.flat_map(numbers)
    if not step:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return dataset.prefetch(max(0, min(2, count - step - 2)))  # a look at one batch must not reach the last one


def cut(ids: np.ndarray, max_length: int) -> np.ndarray:
    """At most `max_length` tokens between START and END."""
    return ids if len(ids) <= max_length + 2 else np.append(ids[: max_length + 1], ids[-1])


def token_batch(captions: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pads captions on the right and shifts them by one: what is read, what comes next, and the weights.

    Example:
        >>> token_batch([np.array([1, 5, 2])])
        (array([[1, 5]]), array([[5, 2]]), array([[0.5, 0.5]]))
    """
    width = max(len(ids) for ids in captions)
    padded = np.full((len(captions), width), PAD, np.int32)
    for row, ids in zip(padded, captions, strict=True):
        row[: len(ids)] = ids
    targets = padded[:, 1:]
    weights = (targets != PAD).astype(np.float32)
    return padded[:, :-1], targets, weights / weights.sum()
