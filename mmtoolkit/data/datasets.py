"""Records to `(inputs, targets, weights)`, ready for `fit`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

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

    Each new pass over the data set is the next epoch. The weights of a batch sum to 1, so a summed loss is the mean
    over its real tokens.

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
        step: Batches of the first epoch to leave out.

    Raises:
        InputError: There are no records.
    """
    if not records:
        raise InputError("A data set needs at least one record. Received: none; check the split asked for.")
    owners = np.repeat(np.arange(len(records)), [len(record.captions) for record in records])
    captions = [cut(ids, max_length) for ids in codec.encode_all([c for record in records for c in record.captions])]
    lengths = np.array([len(ids) for ids in captions])
    epochs = itertools.count(epoch)

    def batches() -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]:
        current = next(epochs)
        plan = batch_plan(lengths, batch_size=batch_size, seed=seed, epoch=current)
        for chosen in plan[step if current == epoch else 0 :]:
            inputs, targets, weights = token_batch([captions[index] for index in chosen])
            pictures = features.read([records[owner].image for owner in owners[chosen]])
            yield {features.input_name: pictures, "tokens": inputs}, targets, weights

    signature = (
        {
            features.input_name: tf.TensorSpec((None, *features.shape), features.dtype),
            "tokens": tf.TensorSpec((None, None), tf.int32),
        },
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((None, None), tf.float32),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


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
