"""Fuses a question and a picture into one vector."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers.attention import BahdanauAttention
from mmtoolkit.layers.memory import masked_mean, memory_of, normalise, rows_of

FUSIONS = ("product", "concat", "attention")


@keras.saving.register_keras_serializable("mmtoolkit")
class Fusion(keras.layers.Layer):
    """Joins the vector of a question with the regions of a picture.

    Example:
        >>> joint, weights = Fusion("attention", units=512)(ops.ones((2, 512)), regions)
        >>> ops.shape(joint), ops.shape(weights)
        ((2, 1024), (2, 1, 196))

    Args:
        kind: `"product"`: the question times the mean region, element by element, each through a layer with tanh; the
            mean region is scaled to a root mean square of 1 (at length 1 the product would start near zero).
            `"concat"`: both side by side, through one layer. `"attention"`: the question is the query, and the regions,
            each normalised as by a decoder, are the values; the joint vector is the sum of question and context,
            concatenated with their product, by which they are compared ("is it red?").
        units: Width of the layers; of attention the joint vector is twice as wide.
        attention_units: Width in which question and regions are compared; `units` by default.
        hops: Number of attention steps, 1 or 2; the second query includes the first context.
        dropout: Share of the joint vector, and of the features that are attended to, dropped while training.
        question_only: Whether there is no picture: the question goes through the same layers, but is joined to nothing.

    Raises:
        InputError: There is no such kind, or `hops` is out of range.

    Source: the product: Antol et al., "VQA: Visual Question Answering", 2015, section 4 ("deeper LSTM Q + norm I");
        attention in hops: Yang et al., "Stacked Attention Networks", 2016, section 3.3, with the score of Bahdanau; the
        product with the context: Kim et al., "Hadamard Product for Low-rank Bilinear Pooling", 2017, section 4.
    """

    def __init__(
        self,
        kind: str,
        *,
        units: int = 512,
        attention_units: int | None = None,
        hops: int = 1,
        dropout: float = 0.0,
        question_only: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if kind not in FUSIONS:
            raise InputError(f"A fusion is one of {', '.join(FUSIONS)}. Received: {kind!r}.")
        if hops not in (1, 2):
            raise InputError(f"A fusion attends once or twice. Received: hops={hops!r}.")
        self.kind, self.units, self.attention_units = kind, units, attention_units or units
        self.hops = hops if kind == "attention" else 1
        self.dropout, self.question_only = dropout, question_only
        # What attention adds and multiplies stays linear: a saturated tanh would not learn what to compare.
        same, activation = {"dtype": self.dtype_policy}, None if kind == "attention" else "tanh"

        def dense(name: str) -> Any:
            return keras.layers.Dense(units, activation=activation, name=name, **same)

        self.question_layer: Any = dense("question") if kind != "concat" else None
        self.image_layer: Any = dense("image") if kind == "product" and not question_only else None
        self.both_layer: Any = dense("both") if kind == "concat" else None
        numbers = range(self.hops if kind == "attention" and not question_only else 0)
        self.attentions = [BahdanauAttention(self.attention_units, name=f"attention_{hop}", **same) for hop in numbers]
        self.seen_layers = [dense(f"seen_{hop}") for hop in numbers]
        self.drop = keras.layers.Dropout(dropout, **same)
        self.drop_regions = keras.layers.SpatialDropout1D(dropout, **same)

    @property
    def width(self) -> int:
        """Returns the number of features of the joint vector."""
        return self.units * (2 if self.attentions else 1)

    def build(self, question_shape: Any, regions_shape: Any = None, picture_shape: Any = None) -> None:
        asked, features = question_shape[-1], 0 if regions_shape is None else regions_shape[-1]
        for layer, width in (
            (self.question_layer, asked),
            (self.image_layer, features),
            (self.both_layer, asked + features),
            *((layer, features) for layer in self.seen_layers),
        ):
            if layer:
                layer.build((None, width))
        for attention in self.attentions:
            attention.build((None, self.units), (None, None, features))

    def call(
        self, question: Any, regions: Any = None, picture: Any = None, training: bool | None = None
    ) -> tuple[Any, Any]:
        """Computes joint vectors `<float>[batch, width]` and weights `<float32>[batch, hops, regions]` or `None`.

        Args:
            question: `<float>[batch, features]`.
            regions: `<float>[pictures, regions, features]`; `None` with `question_only`.
            picture: `<int32>[batch]`, the picture of each question; `None` where question i is about picture i.
            training: Whether features are dropped.
        """
        if self.question_only:
            alone = self.both_layer or self.question_layer
            return self.drop(alone(question), training=training), None
        if self.kind == "attention":
            joint, attention_weights = self.attend(question, regions, picture, training)
            return self.drop(joint, training=training), attention_weights
        image = ops.cast(one_length(masked_mean(ops.cast(regions, "float32"))), self.compute_dtype)
        if self.kind == "product":
            joint = self.question_layer(question) * rows_of(self.image_layer(image), picture)
        else:
            joint = self.both_layer(ops.concatenate([question, rows_of(image, picture)], axis=-1))
        return self.drop(joint, training=training), None

    def attend(self, question: Any, regions: Any, picture: Any, training: bool | None) -> tuple[Any, Any]:
        """Joins the question with its context, added and multiplied; also returns the attention weights."""
        regions = self.drop_regions(ops.cast(normalise(regions), self.compute_dtype), training=training)
        asked = joint = self.question_layer(question)
        attention_weights = []
        for attention, to_joint in zip(self.attentions, self.seen_layers, strict=True):
            memory = memory_of(attention.prepare(regions), picture)
            context, weights = attention(joint, memory)
            joint = joint + to_joint(context)
            attention_weights.append(weights)
        joint = ops.concatenate([joint, asked * (joint - asked)], axis=-1)
        return joint, ops.stack(attention_weights, axis=1)

    def get_config(self) -> dict[str, Any]:
        names = ("kind", "units", "attention_units", "hops", "dropout", "question_only")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def one_length(vectors: Any) -> Any:
    """Scales each vector of `<float>[batch, features]` to a root mean square of 1; a vector of zeros stays."""
    return vectors * ops.rsqrt(ops.mean(ops.square(vectors), axis=-1, keepdims=True) + 1e-12)
