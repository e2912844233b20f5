"""Predicts the next token of a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.decoding import Sample, Search, search_config, search_from_config
from mmtoolkit.errors import InputError
from mmtoolkit.layers import SequenceEncoder, TokenEmbedding
from mmtoolkit.layers.carried_state import CarriedState
from mmtoolkit.layers.cell import Cell
from mmtoolkit.models.model import Model, revived
from mmtoolkit.models.outputs import Continuation
from mmtoolkit.text import END, PAD, START, TextCodec, padded


@keras.saving.register_keras_serializable("mmtoolkit")
class LanguageModel(Model):
    """Predicts the next token of a text: a vector for each token, a stack of recurrent cells, an output layer.

    Example:
        >>> codec = TextCodec.fit(["hello"], level="raw", lower=False)
        >>> model = LanguageModel(codec, units=16, embedding_dim=8)
        >>> model.build(model.input_shapes())
        >>> len(model.generate("hel", length=5, decoding=Sample(temperature=0.7, seed=1)))
        5

    Inputs: `{"tokens": <int32>[batch, time]}`, and while training `"reset" <bool>[batch]`, as `text_dataset` yields
    them: the state of each row is carried from batch to batch, and starts as zeros where that is True.
    Output: logits `<float32>[batch, time, vocabulary]`.

    Args:
        codec: Codec of the text.
        cell: Name of the cells, or a registered class of your own that inherits from `Cell`.
        units: Width of each state.
        layers: Number of stacked cells.
        embedding_dim: Width of the token vectors.
        embeddings: `<float32>[vocabulary, embedding_dim]` to start the token vectors from; random without it.
        freeze_embeddings: Whether the token vectors are not trained.
        tie_output: Whether the output layer is the transposed table of the token vectors.
        dropout: Share of the vectors, of the features between two layers and of the outputs dropped while training.
        window: Tokens over which gradients flow in training, the length of truncated backpropagation through time.
        decoding: The default search.
        max_length: Tokens that `generate` writes by default.

    Source: Mikolov et al., "Recurrent Neural Network Based Language Model", 2010; characters: Graves, "Generating
        Sequences with Recurrent Neural Networks", 2013.
    """

    def __init__(
        self,
        codec: TextCodec,
        *,
        cell: str | type[Cell] = "lstm",
        units: int = 512,
        layers: int = 1,
        embedding_dim: int = 128,
        embeddings: np.ndarray | None = None,
        freeze_embeddings: bool = False,
        tie_output: bool = False,
        dropout: float = 0.3,
        window: int = 128,
        decoding: Search | str | Mapping[str, Any] = Sample(temperature=0.8),  # noqa: B008  # frozen
        max_length: int = 200,
        name: str = "language_model",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.codec, self.max_length, self.card = codec, max_length, {}
        self.decoding = search_from_config(decoding)
        self.window = window
        self.embedding_dim, self.freeze_embeddings, self.dropout = embedding_dim, freeze_embeddings, dropout
        size, same = len(codec.vocabulary), {"dtype": self.dtype_policy}
        self.embedding = TokenEmbedding(size, embedding_dim, table=embeddings, name="embedding", **same)
        self.embedding.trainable = not freeze_embeddings
        self.stack = SequenceEncoder(units, cell=cell, layers=layers, dropout=dropout, name="stack", **same)
        self.drop = keras.layers.Dropout(dropout, **same)
        self.state_to_vector: Any = (
            keras.layers.Dense(embedding_dim, name="state_to_vector", **same) if tie_output else None
        )
        self.output_layer: Any = None if tie_output else keras.layers.Dense(size, name="output", **same)
        self.carried = CarriedState([units] * len(self.stack.initial_state(1)), name="carried", **same)

    @property
    def tie_output(self) -> bool:
        """Returns whether the output layer is the transposed table of the token vectors."""
        return self.output_layer is None

    def build(self, input_shape: Any) -> None:
        self.embedding.build(input_shape["tokens"])
        self.stack.build((None, None, self.embedding_dim))
        (self.output_layer or self.state_to_vector).build((None, None, self.stack.width))
        if self.tie_output:
            self.output_bias = self.add_weight(
                shape=(len(self.codec.vocabulary),), name="output_bias", initializer="zeros"
            )

    def input_shapes(self) -> dict[str, tuple[int | None, ...]]:
        return {"tokens": (None, None)}

    def carry(self, rows: int) -> None:
        """Prepares a training whose batches have so many rows, for which the state is carried."""
        if not self.carried.built:
            self.carried.build((rows,))
        self.carried.check(rows)

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        tokens = inputs["tokens"]
        carries = bool(training) and "reset" in inputs
        if carries and not self.carried.built:
            raise InputError(
                "The state is carried from batch to batch for a number of rows. Received: a training without it; "
                "call model.carry(batch_size) first."
            )
        start = self.carried(inputs["reset"]) if carries else self.stack.initial_state(ops.shape(tokens)[0])
        logits, last = self.teacher_forced(tokens, start, training=training)
        if carries:
            self.carried.keep(last)
        return logits

    def teacher_forced(
        self, tokens: Any, state: tuple[Any, ...], mask: Any = None, training: bool | None = None
    ) -> tuple[Any, tuple[Any, ...]]:
        """Reads tokens from a state on: logits `<float32>[batch, time, vocabulary]`, and the last state.

        Args:
            tokens: `<int32>[batch, time]`.
            state: Of every cell, `<float>[batch, units]` each.
            mask: `<bool>[batch, time]`, True at the tokens that are read, which begin a row; `None` where all are.
            training: Whether vectors and outputs are dropped.
        """
        vectors = self.drop(self.embedding(tokens), training=training)  # [batch, time, embedding]
        outputs, state = self.stack.run(vectors, state, mask, training=training)
        return self.logits(self.drop(outputs, training=training)), state

    def step(self, tokens: Any, state: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
        """Reads one token `<int32>[rows]` and predicts the next: logits `<float32>[rows, vocabulary]` and the state."""
        output, state = self.stack.step(self.embedding(tokens), state)
        return self.logits(output), state

    def logits(self, outputs: Any) -> Any:
        """Computes the logits of all tokens from outputs `<float>[…, units]`."""
        if self.output_layer:
            return ops.cast(self.output_layer(outputs), "float32")
        table = ops.transpose(ops.cast(self.embedding.table, outputs.dtype))
        logits = ops.matmul(self.state_to_vector(outputs), table)
        return ops.cast(logits, "float32") + ops.cast(self.output_bias, "float32")

    def search(
        self, inputs: Mapping[str, Any], decoding: Search | None = None, *, fused: bool = False
    ) -> tuple[Any, Any]:
        """Writes on from texts: ids `<int32>[batch, n_best, max_length]` and scores `<float32>[batch, n_best]`.

        Args:
            inputs: `"tokens" <int32>[batch, time]`, the texts, padded on the right, of one token or more; with
                `"passage" <int32>[batch, time]`, what really follows, the score of a row is the log-probability of
                that. With `"uniforms"`, a `Sample` uses those as its random numbers.
            decoding: A search in place of the default one.
            fused: Changes nothing.
        """
        state, last = self.read(inputs["tokens"])
        drawn = {"uniforms": inputs["uniforms"]} if "uniforms" in inputs else {}
        begun = ops.zeros_like(last, "bool")

        def step(tokens: Any, state: tuple[Any, Any, Any]) -> tuple[Any, tuple[Any, Any, Any]]:
            cells, last, begun = state
            logits, cells = self.step(ops.where(begun, tokens, last), cells)  # a search begins with one token
            return logits, (cells, last, ops.ones_like(begun))

        search = decoding or self.decoding
        ids, scores = search(step, (state, last, begun), start=START, end=END, max_length=self.max_length, **drawn)
        if "passage" in inputs:
            known = self.log_likelihood(inputs["passage"], state, last)
            scores = ops.broadcast_to(ops.expand_dims(known, 1), ops.shape(scores))
        return ids, scores

    def read(self, tokens: Any) -> tuple[tuple[Any, ...], Any]:
        """Reads texts `<int32>[batch, time]` but for their last token; returns the state, and that token."""
        real = tokens != PAD
        rows, length = ops.shape(tokens)[0], ops.sum(ops.cast(real, "int32"), axis=1)  # [batch]
        last = ops.take_along_axis(tokens, ops.expand_dims(length - 1, 1), axis=1)[:, 0]
        before = ops.expand_dims(ops.arange(ops.shape(tokens)[1]), 0) < ops.expand_dims(length - 1, 1)
        _, state = self.teacher_forced(tokens, self.stack.initial_state(rows), before)
        return state, last

    def log_likelihood(self, passage: Any, state: tuple[Any, ...], last: Any) -> Any:
        """Computes the log-probability `<float32>[batch]` of passages after a state and the token before them."""
        tokens = ops.concatenate([ops.expand_dims(last, 1), passage[:, :-1]], axis=1)
        logits, _ = self.teacher_forced(tokens, state)
        chosen = ops.take_along_axis(ops.log_softmax(logits), ops.expand_dims(passage, -1), axis=-1)[..., 0]
        return ops.sum(ops.where(passage != PAD, chosen, 0.0), axis=1)

    def decode(self, inputs: Mapping[str, Any], decoding: Search | None = None) -> list[list[Continuation]]:
        """Writes on from a batch of texts, and scores the passages that are given."""
        passage = inputs.get("passage")
        counts = np.zeros(len(inputs["tokens"]), int) if passage is None else (passage != PAD).sum(axis=1)
        found = self.sentences(inputs, decoding, self.codec)
        return [[Continuation(*each, int(count)) for each in row] for row, count in zip(found, counts, strict=True)]

    def prompts(self, texts: Sequence[str]) -> np.ndarray:
        """Encodes texts to write on from, `<int32>[batch, time]`: START, and their tokens."""
        return padded([row[:-1] for row in self.codec.encode_all(texts)])

    def generate(self, prompt: str = "", *, length: int | None = None, decoding: Search | str | None = None) -> str:
        """Writes on from a text.

        Args:
            prompt: The text before; without one a new text begins.
            length: Most tokens that are written; `max_length` by default.
            decoding: A search in place of the default one, or its name: `"greedy"`, `"beam"` or `"sample"`.

        Returns:
            What it has written, without the prompt.
        """
        if length is not None and length < 1:
            raise InputError(f"length is the number of tokens, 1 or more. Received: {length}.")
        inputs = {"tokens": self.prompts([prompt])}
        return self.written(inputs, self.searching(decoding), length or self.max_length)

    def written(self, inputs: Mapping[str, Any], decoding: Search | None, length: int) -> str:
        """Decodes the text that is written after one, of at most so many tokens."""
        usual, self.max_length = self.max_length, length
        try:
            ((best, *_),) = self.decode(inputs, decoding)
        finally:
            self.max_length = usual
        return best.text

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LanguageModel:
        return cls(**{**config, "codec": revived(config["codec"])})

    def get_config(self) -> dict[str, Any]:
        stack, dtype = self.stack, self.dtype_policy.name
        return {
            "codec": self.codec,
            **{"cell": stack.cell_name, "units": stack.units, "layers": stack.layers, "dropout": self.dropout},
            **{"embedding_dim": self.embedding_dim, "freeze_embeddings": self.freeze_embeddings},
            **{"tie_output": self.tie_output, "decoding": search_config(self.decoding)},
            **{"window": self.window, "max_length": self.max_length, "dtype": dtype},
        }
