"""The attention decoder: one `step`, and teacher forcing over the same recurrence."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers.attention import BahdanauAttention, Memory, values_shape
from mmtoolkit.layers.cells import cell_named
from mmtoolkit.layers.embedding import TokenEmbedding

State = tuple[Any, ...]


@keras.saving.register_keras_serializable("mmtoolkit")
class AttentionDecoder(keras.layers.Layer):
    """Writes one token after the other, looking at a memory before each.

    Example:
        >>> decoder = AttentionDecoder(vocabulary_size=5000, units=512)
        >>> memory = decoder.prepare(regions)                        # regions: <float>[batch, 196, 512]
        >>> logits, alignments = decoder(tokens, memory)             # teacher forcing, tokens: <int32>[batch, time]
        >>> state = decoder.initial_state(memory)
        >>> logits, state = decoder.step(tokens[:, 0], state, memory)

    Args:
        vocabulary_size: Number of tokens.
        cell: `"lstm"` or `"gru"`.
        units: Width of the recurrent state.
        embedding_dim: Width of the word vectors.
        attention_units: Width in which state and regions are compared; `units` by default.
        gated_context: Whether a gate computed from the state scales the context (equation for beta in the paper).
        deep_output: Whether the word before and the context reach the output next to the state (equation 7);
            otherwise the logits come from the state alone.
        tie_output: Whether the output layer is the transposed embedding table (needs `deep_output`).
        dropout: Share of the word vectors and outputs dropped while training.
        word_dropout: Share of the words read that are dropped whole while training, so that the picture is looked at.
        memory_dropout: Share of the features dropped while training, the same ones in all regions of a picture.
        normalise_memory: Whether each region is brought to mean 0 and spread 1 first. VGG19's regions have a norm
            above 100: without it tanh and the gates start saturated.

        embeddings: `<float32>[vocabulary, embedding_dim]` to start the word vectors from; random without it.

    Raises:
        InputError: There is no cell of that name, or `tie_output` comes without `deep_output`.

    Source: Xu et al., "Show, Attend and Tell", 2015, sections 3.1.2, 4.2 and 4.2.1; dropping whole words is Gal &
        Ghahramani, "A Theoretically Grounded Application of Dropout in RNNs", 2016, section 4.2.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        cell: str = "lstm",
        units: int = 512,
        embedding_dim: int = 300,
        attention_units: int | None = None,
        gated_context: bool = True,
        deep_output: bool = True,
        tie_output: bool = False,
        dropout: float = 0.5,
        word_dropout: float = 0.0,
        memory_dropout: float = 0.0,
        normalise_memory: bool = True,
        embeddings: np.ndarray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if tie_output and not deep_output:
            raise InputError(
                "tie_output needs deep_output, which brings the output to the width of the word vectors. "
                "Received: tie_output=True, deep_output=False; set both or neither."
            )
        self.vocabulary_size, self.cell_name, self.units = vocabulary_size, cell, units
        self.embedding_dim, self.attention_units = embedding_dim, attention_units or units
        self.gated_context, self.deep_output, self.tie_output = gated_context, deep_output, tie_output
        self.dropout, self.word_dropout, self.memory_dropout = dropout, word_dropout, memory_dropout
        self.normalise_memory = normalise_memory
        dense, same = keras.layers.Dense, {"dtype": self.dtype_policy}
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, table=embeddings, name="embedding", **same)
        self.attention = BahdanauAttention(self.attention_units, name="attention", **same)
        self.cell = cell_named(cell)(units, name="cell", **same)
        gates = self.cell.gates * units
        self.words_to_gates = dense(gates, use_bias=False, name="words_to_gates", **same)
        self.context_to_gates = dense(gates, use_bias=False, name="context_to_gates", **same)
        self.initial = [dense(units, activation="tanh", name=f"initial_{i}", **same) for i in range(self.cell.states)]
        self.gate = dense(1, activation="sigmoid", name="gate", **same) if gated_context else None
        if deep_output:
            self.state_to_output = dense(embedding_dim, name="state_to_output", **same)
            self.context_to_output = dense(embedding_dim, use_bias=False, name="context_to_output", **same)
        self.output_layer = None if tie_output else dense(vocabulary_size, name="output", **same)
        self.drop_words = keras.layers.Dropout(word_dropout, noise_shape=(None, None, 1), **same)
        self.drop_word_features = keras.layers.Dropout(dropout, **same)
        self.drop_output = keras.layers.Dropout(dropout, **same)
        self.drop_memory = keras.layers.SpatialDropout1D(memory_dropout, **same)

    def build(self, tokens_shape: Any, memory_shape: Any, condition_shape: Any = None) -> None:
        features = values_shape(memory_shape)[-1]
        condition = features if condition_shape is None else condition_shape[-1]
        self.embedding.build(tokens_shape)
        self.attention.build((None, self.units), (None, None, features))
        self.cell.build()
        self.words_to_gates.build((None, self.embedding_dim))
        self.context_to_gates.build((None, features))
        for layer in self.initial:
            layer.build((None, condition))
        if self.gate:
            self.gate.build((None, self.units))
        if self.deep_output:
            self.state_to_output.build((None, self.units))
            self.context_to_output.build((None, features))
        if self.output_layer:
            self.output_layer.build((None, self.embedding_dim if self.deep_output else self.units))
        else:
            self.output_bias = self.add_weight(shape=(self.vocabulary_size,), name="output_bias", initializer="zeros")

    def prepare(self, values: Any, mask: Any = None, training: bool | None = None) -> Memory:
        """Projects `<float>[batch, regions, features]` once, for all steps and hypotheses."""
        values = normalise(values) if self.normalise_memory else values
        values = ops.cast(values, self.compute_dtype)
        return self.attention.prepare(self.drop_memory(values, training=training), mask)

    def initial_state(self, memory: Memory, condition: Any = None) -> State:
        """The state before the first token, from `condition` or else the masked mean of the memory."""
        if condition is None:
            condition = masked_mean(memory.values, memory.mask)
        return tuple(layer(condition) for layer in self.initial)

    def step(self, tokens: Any, state: State, memory: Memory) -> tuple[Any, State]:
        """Reads one token `<int32>[rows]` and gives the next one's logits `<float32>[rows, vocabulary]`."""
        words = self.embedding(tokens)
        state, context, _ = self.recur(self.words_to_gates(words), state, memory)
        return self.logits(words, state[0], context), state

    def recur(self, projection: Any, state: State, memory: Memory) -> tuple[State, Any, Any]:
        """One move of the recurrence: attend with the old state, then update it."""
        context, alignment = self.attention(state[0], memory)
        if self.gate:
            context = self.gate(state[0]) * context
        state = self.cell(projection + self.context_to_gates(context), state)
        return state, context, alignment

    def logits(self, words: Any, hidden: Any, context: Any, training: bool | None = None) -> Any:
        """Scores of all tokens from the word before, the new state and the context; any leading dimensions."""
        output = hidden
        if self.deep_output:
            output = words + self.state_to_output(hidden) + self.context_to_output(context)
        output = self.drop_output(output, training=training)
        if self.output_layer:
            return ops.cast(self.output_layer(output), "float32")
        table = ops.transpose(ops.cast(self.embedding.table, output.dtype))
        return ops.cast(ops.matmul(output, table), "float32") + ops.cast(self.output_bias, "float32")

    def call(self, tokens: Any, memory: Memory, condition: Any = None, training: bool | None = None) -> tuple[Any, Any]:
        """Teacher forcing: logits `<float32>[batch, time, vocabulary]`, alignments `<float32>[batch, time, regions]`.

        Equal to looping `step`: the words are projected and the logits computed for all steps at once. A known
        number of steps is unrolled (which XLA can train), an unknown one scanned.
        """
        words = self.drop_words(self.embedding(tokens), training=training)  # [batch, time, embedding]
        words = self.drop_word_features(words, training=training)
        state = self.initial_state(memory, condition)
        projections = ops.transpose(self.words_to_gates(words), (1, 0, 2))  # [time, batch, gates * units]

        def move(carry: tuple[Any, ...], projection: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
            state, context, alignment = self.recur(projection, carry[0], memory)
            return (state, context, alignment), (state, context, alignment)

        batch, regions = ops.shape(memory.values)[0], ops.shape(memory.values)[1]
        context = ops.zeros((batch, memory.values.shape[-1]), self.compute_dtype)
        carry = (state, context, ops.zeros((batch, regions), "float32"))
        if tokens.shape[1] is None:
            _, (states, contexts, alignments) = ops.scan(move, carry, projections)
            hidden = states[0]
        else:
            moves = []
            for time in range(tokens.shape[1]):
                carry, _ = move(carry, projections[time])
                moves.append((carry[0][0], carry[1], carry[2]))
            hidden, contexts, alignments = (ops.stack(parts) for parts in zip(*moves, strict=True))
        hidden, contexts, alignments = (ops.transpose(x, (1, 0, 2)) for x in (hidden, contexts, alignments))
        return self.logits(words, hidden, contexts, training=training), alignments

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "cell": self.cell_name,
            "units": self.units,
            "embedding_dim": self.embedding_dim,
            "attention_units": self.attention_units,
            "gated_context": self.gated_context,
            "deep_output": self.deep_output,
            "tie_output": self.tie_output,
            "dropout": self.dropout,
            "word_dropout": self.word_dropout,
            "memory_dropout": self.memory_dropout,
            "normalise_memory": self.normalise_memory,
        }


def normalise(values: Any) -> Any:
    """Each row of `<float>[..., features]` with mean 0 and spread 1, without weights: what is stored needs no gradient.

    Source: Ba, Kiros & Hinton, "Layer Normalization", 2016, equation 3, without gain and bias.
    """
    values = ops.cast(values, "float32")
    values = values - ops.mean(values, axis=-1, keepdims=True)
    return values * ops.rsqrt(ops.mean(ops.square(values), axis=-1, keepdims=True) + 1e-5)


def masked_mean(values: Any, mask: Any = None) -> Any:
    """The mean region: `<float>[batch, regions, features]` to `<float>[batch, features]`, masked ones left out."""
    if mask is None:
        return ops.mean(values, axis=1)
    weights = ops.expand_dims(ops.cast(mask, values.dtype), -1)
    return ops.sum(values * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
