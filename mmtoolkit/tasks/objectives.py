"""Objectives of a training that change another one: texts alone, agreeing dropouts, words of the model's own."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from mmtoolkit.records import CaptionRecord
from mmtoolkit.text import SPECIAL
from mmtoolkit.training.fitting import Objective


class Around:
    """Changes the batches of another objective; its loss stays.

    Args:
        objective: What is minimised.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def loss(self, model: Any, label_smoothing: float) -> Any:
        """Returns the loss that training minimises."""
        return self.objective.loss(model, label_smoothing)


class TextOnly(Around):
    """Trains on texts alone: every picture is empty, so that a decoder learns the language first.

    `frozen` keeps an encoder out of it.

    Example:
        >>> objective = TextOnly(mm.captioning, ["a dog runs", "two boys swim"], like=records[0])

    Args:
        objective: What is minimised.
        texts: The texts, e.g. captions of other pictures.
        like: A record whose picture all of them get, emptied.
    """

    def __init__(self, objective: Objective, texts: Sequence[str], *, like: CaptionRecord) -> None:
        super().__init__(objective)
        self.records = [replace(like, image_id=str(i), captions=(text,), sources=()) for i, text in enumerate(texts)]

    def dataset(self, model: Any, records: Sequence[Any], source: Any, **order: Any) -> Any:
        """Makes the `tf.data.Dataset` of training batches from a position on."""
        name = source.input_name

        def emptied(inputs: Mapping[str, Any], *others: Any) -> tuple[Any, ...]:
            return {**inputs, name: tf.zeros_like(inputs[name])}, *others

        return self.objective.dataset(model, self.records, source, **order).map(emptied)


def frozen(model: Any) -> Any:
    """Freezes the encoder of a model for a stage on texts; a copy of the model is as it was.

    Example:
        >>> frozen(captioner).encoder.trainable
        False
    """
    if model.encoder:
        model.encoder.trainable = False
    return model


class Consistency:
    """Trains on every example twice, with other values dropped, and brings both predictions together (R-Drop).

    Where captions share pictures, what is dropped of these is the same in both; words and outputs differ.

    Example:
        >>> objective = Consistency(mm.captioning, weight=1.0)      # for `fit(objective=…)`

    Args:
        objective: What is minimised besides.
        weight: Weight of the divergence between both predictions; the paper's alpha.

    Source: Liang et al., "R-Drop: Regularized Dropout for Neural Networks", 2021, equations 2-4, halved: a batch
        counts once.
    """

    def __init__(self, objective: Objective, *, weight: float) -> None:
        self.objective, self.weight = objective, weight

    def dataset(self, model: Any, records: Sequence[Any], source: Any, **order: Any) -> Any:
        """Makes the `tf.data.Dataset` of training batches from a position on, each example twice."""
        return self.objective.dataset(model, records, source, **order).map(twice)

    def loss(self, model: Any, label_smoothing: float) -> Any:
        """Returns the loss that training minimises."""
        return ConsistencyLoss(self.objective.loss(model, label_smoothing), weight=self.weight)


def twice(inputs: Mapping[str, Any], targets: Any, weights: Any) -> tuple[dict[str, Any], Any, Any]:
    """Repeats a batch of examples, each with half of its weight; pictures that they share are not repeated.

    Example:
        >>> inputs, _, weights = twice({"tokens": tf.constant([[1], [2]])}, tf.zeros((2, 1)), tf.constant([0.5, 0.5]))
        >>> inputs["tokens"].numpy().ravel().tolist(), weights.numpy().tolist()
        ([1, 2, 1, 2], [0.25, 0.25, 0.25, 0.25])
    """
    shared = {"regions", "images"} if "image_index" in inputs else set[str]()
    doubled = {name: value if name in shared else tf.concat([value, value], 0) for name, value in inputs.items()}
    return doubled, tf.concat([targets, targets], 0), tf.concat([weights, weights], 0) / 2


class ConsistencyLoss(keras.losses.Loss):
    """Adds to another loss the divergence between the predictions of both halves of a batch.

    Args:
        loss: A loss of logits, e.g. a `TokenLoss`.
        weight: As in `Consistency`.
    """

    def __init__(self, loss: keras.losses.Loss, *, weight: float) -> None:
        super().__init__(name="consistency_loss", reduction="sum")
        self.inner, self.weight = loss, weight

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Maps `[2 batch, …]` and logits `<float>[2 batch, …, classes]` to `<float32>[2 batch, …]`."""
        logs = ops.log_softmax(ops.cast(y_pred, "float32"))
        first, second = ops.split(logs, 2)  # each [batch, …, classes]
        # Half of the sum of both divergences: sum (p - q) (log p - log q) / 2.
        apart = ops.sum((ops.exp(first) - ops.exp(second)) * (first - second), axis=-1) / 2
        return self.inner.call(y_true, y_pred) + self.weight / 2 * ops.concatenate([apart, apart])


class ScheduledSampling(Around):
    """Trains on sentences some of whose words are replaced by what the model itself would have written there.

    The share grows from 0 to `share` over the training. The model reads the sentence as people wrote it, draws a word
    for every position, and then is trained on the mixture, all positions at once.

    Example:
        >>> objective = ScheduledSampling(mm.captioning, share=0.2, epochs=10)      # for `fit(objective=…)`

    Args:
        objective: What is minimised; its inputs have `"tokens"`.
        share: Share of the words that are replaced at the end.
        epochs: Epochs of the training.
        seed: Random seed.

    Source: Bengio et al., "Scheduled Sampling for Sequence Prediction with RNNs", 2015; all positions at once, in one
        pass: Duckworth et al., "Parallel Scheduled Sampling", 2019.
    """

    def __init__(self, objective: Objective, *, share: float, epochs: int, seed: int = 0) -> None:
        super().__init__(objective)
        self.share, self.epochs, self.seed = share, epochs, seed

    def dataset(self, model: Any, records: Sequence[Any], source: Any, **order: Any) -> Any:
        """Makes the `tf.data.Dataset` of training batches from a position on; a batch is mixed when it is asked for."""
        batches = self.objective.dataset(model, records, source, **order)
        steps = len(self.objective.dataset(model, records, source, **{**order, "step": 0})) * self.epochs
        predict = tf.function(lambda inputs: model(inputs, training=False), reduce_retracing=True)

        def mixed(inputs: dict[str, Any], targets: Any, weights: Any) -> tuple[dict[str, Any], Any, Any]:
            names = sorted(inputs)

            def mix(*values: np.ndarray) -> np.ndarray:
                """Predicts from Python, on the device of the weights: a data set's own graph is on the processor."""
                given = dict(zip(names, values, strict=True))
                done = min(1.0, int(ops.convert_to_numpy(model.optimizer.iterations)) / steps)
                logits = predict({name: tf.constant(value) for name, value in given.items()}).numpy()
                return mix_words(given["tokens"], logits, share=self.share * done, seed=self.seed)

            tokens = tf.numpy_function(mix, [inputs[name] for name in names], tf.int32)
            tokens.set_shape(inputs["tokens"].shape)
            return {**inputs, "tokens": tokens}, targets, weights

        return batches.map(mixed)


def mix_words(tokens: np.ndarray, logits: np.ndarray, *, share: float, seed: int) -> np.ndarray:
    """Replaces some words of sentences by words drawn from what a model predicts there.

    Args:
        tokens: `<int32>[batch, time]`, what is read.
        logits: `<float32>[batch, time, vocabulary]`, what is predicted after each of them.
        share: Probability of each word to be replaced.
        seed: Random seed; with the tokens it decides which ones.

    Returns:
        `<int32>[batch, time]`; START, END, unknown words and padding stay.
    """
    random = np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(tokens).data)])
    words = logits[:, :-1].copy()
    words[..., : len(SPECIAL)] = -np.inf
    drawn = np.argmax(words + random.gumbel(size=words.shape), axis=-1)  # a sample of the softmax
    replaced = (random.random(drawn.shape) < share) & (tokens[:, 1:] >= len(SPECIAL))
    return np.concatenate([tokens[:, :1], np.where(replaced, drawn, tokens[:, 1:])], axis=1).astype(np.int32)
