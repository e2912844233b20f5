"""The attention decoder: one `step`, and teacher forcing over the same recurrence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers.attention import ADDITIVE, make_attention
from mmtoolkit.layers.cell import Cell
from mmtoolkit.layers.cells import cell_name, cell_named
from mmtoolkit.layers.decoder_training import kernel_inputs, training_engine
from mmtoolkit.layers.deferred import DIRECT, Direct
from mmtoolkit.layers.embedding import TokenEmbedding
from mmtoolkit.layers.forms import check_form, check_memory
from mmtoolkit.layers.memory import Memory, empty_context, gates_for, masked_mean, normalise, per_row, values_shape
from mmtoolkit.layers.registered import layer_config
from mmtoolkit.layers.unroll import unroll

State = tuple[Any, ...]
OPTIONS = (
    *("vocabulary_size", "units", "layers", "embedding_dim", "attention_units", "word_in_query", "mean_input"),
    *("gated_context", "deep_output", "freeze_embeddings", "tie_output", "dropout", "word_dropout", "memory_dropout"),
    "normalise_memory",
)


@keras.saving.register_keras_serializable("mmtoolkit")
class AttentionDecoder(keras.layers.Layer):
    """Predicts one token after the other, attending to a memory before each.

    Example:
        >>> decoder = AttentionDecoder(vocabulary_size=5000, units=512)
        >>> memory = decoder.prepare(regions)                        # regions: <float>[batch, 196, 512]
        >>> logits, attention_weights = decoder(tokens, memory)      # teacher forcing, tokens: <int32>[batch, time]
        >>> state = decoder.initial_state(memory)
        >>> logits, state = decoder.step(tokens[:, 0], state, memory)

        Without a memory it is a language model:
        >>> logits, _ = AttentionDecoder(5000, attention="none")(tokens)

    Args:
        vocabulary_size: Number of tokens.
        cell: `"lstm"`, `"gru"`, `"rnn"`, another name of `cells.CELLS`, or a registered class of your own that inherits
            from `Cell`.
        units: Width of the recurrent state.
        layers: 1, as in Show, Attend and Tell: the old state attends. 2, as in Anderson et al. 2018: a first cell reads
            the word and the top state, attends with its new state, and a second one reads the context. Each further
            cell reads the output of the one below it.
        attention: `"bahdanau"`; `"hard"`, to one region alone (`HardAttention`); `"mean"`: the context is always the
            mean of the memory; `"none"`: that mean, or a condition, is read once, before START (Vinyals et al. 2015),
            or there is no memory at all; or a layer of your own, as of `OwnAttention`.
        embedding_dim: Width of the word vectors.
        attention_units: Width in which state and regions are compared; `units` by default.
        word_in_query: Whether one layer makes its query of the word just read too, not of the old state alone as in the
            paper.
        mean_input: Whether the mean of the memory is read with every word, besides the context; only with attention.
        gated_context: How a gate computed from the state scales the context: `"features"`, each feature by a number of
            its own; `"scalar"`, all by one number (the paper's beta); or `"none"`.
        deep_output: Whether the logits are computed from the word before and the context too (equation 7), not from the
            state alone.
        freeze_embeddings: Whether the word vectors are not trained.
        tie_output: Whether the output layer is the transposed embedding table (needs `deep_output`).
        dropout: Share of the word vectors and outputs dropped while training.
        word_dropout: Share of the words read that are dropped whole while training, so that the context counts.
        memory_dropout: Share of the features dropped while training, the same ones in all regions of a picture.
        normalise_memory: Whether each region is normalised to mean 0 and standard deviation 1 first. VGG19's regions
            have a norm above 100: without it tanh and the gates start saturated.
        embeddings: `<float32>[vocabulary, embedding_dim]` to start the word vectors from; random without it.

    Raises:
        InputError: An option is out of its range, or one comes without what it needs.

    Source: Xu et al., "Show, Attend and Tell", 2015, sections 3.1.2, 4.2 and 4.2.1, but for the word in the query and
        the gate of each feature, which are ours; two layers, and the mean read with every word: Anderson et al.,
        "Bottom-Up and Top-Down Attention", 2018, section 3.2; no attention: Vinyals et al., "Show and Tell", 2015,
        equations 10-12; dropping whole words: Gal & Ghahramani, "A Theoretically Grounded Application of Dropout in
        RNNs", 2016, section 4.2.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        cell: str | type[Cell] = "lstm",
        units: int = 512,
        layers: int = 1,
        attention: str | keras.layers.Layer | Mapping[str, Any] = "bahdanau",
        embedding_dim: int = 300,
        attention_units: int | None = None,
        word_in_query: bool = True,
        mean_input: bool = True,
        gated_context: str = "features",
        deep_output: bool = True,
        freeze_embeddings: bool = False,
        tie_output: bool = False,
        dropout: float = 0.5,
        word_dropout: float = 0.0,
        memory_dropout: float = 0.0,
        normalise_memory: bool = True,
        embeddings: np.ndarray | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        layer, attention = attention, attention if isinstance(attention, str) else "own"
        check_form(layers, attention, gated_context, tie_output=tie_output, deep_output=deep_output)
        self.vocabulary_size, self.cell_name, self.units, self.layers = vocabulary_size, cell_name(cell), units, layers
        self.attention_name, self.attention_units = attention, attention_units or units
        self.embedding_dim, self.freeze_embeddings = embedding_dim, freeze_embeddings
        self.word_in_query, self.mean_input, self.gated_context = word_in_query, mean_input, gated_context
        self.deep_output, self.tie_output, self.normalise_memory = deep_output, tie_output, normalise_memory
        self.dropout, self.word_dropout, self.memory_dropout = dropout, word_dropout, memory_dropout
        same = {"dtype": self.dtype_policy}
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, table=embeddings, name="embedding", **same)
        self.embedding.trainable = not freeze_embeddings
        kind = cell_named(self.cell_name)
        self.cell = kind(units, name="cell", **same)
        self.lower: Any = kind(units, name="lower", **same) if layers > 1 else None
        self.upper = [kind(units, name=f"upper_{i}", **same) for i in range(layers - 2)]
        self.make_projections(layer)
        self.drop_words = keras.layers.Dropout(word_dropout, noise_shape=(None, None, 1), **same)
        self.drop_word_features = keras.layers.Dropout(dropout, **same)
        self.drop_output = keras.layers.Dropout(dropout, **same)
        self.drop_memory = keras.layers.SpatialDropout1D(memory_dropout, **same)

    def make_projections(self, attention: Any) -> None:
        """Creates attention, and the dense layers from words, memory and states to gates, query and logits."""

        def dense(name: str, width: int, wanted: bool = True, **options: Any) -> Any:
            return keras.layers.Dense(width, name=name, dtype=self.dtype_policy, **options) if wanted else None

        def linear(name: str, width: int, wanted: bool = True) -> Any:
            return dense(name, width, wanted, use_bias=False)

        gates, embedding_dim, states = self.cell.gates * self.units, self.embedding_dim, self.cell.states * self.layers
        self.attention: Any = make_attention(attention, self.attention_units, self.dtype_policy)
        attends, reads, deep = self.attention is not None, self.attention_name != "none", self.layers > 1
        self.gate: Any = None  # as wide as the features, which `build` knows
        self.words_to_gates = linear("words_to_gates", gates)
        asks = self.attention_name in ADDITIVE and self.word_in_query and not deep  # a lower cell has read the word
        self.words_to_query = linear("words_to_query", self.attention_units, asks)
        self.mean_to_gates = linear("mean_to_gates", gates, attends and self.mean_input)
        self.context_to_gates = linear("context_to_gates", gates, reads)
        self.lower_to_gates = linear("lower_to_gates", gates, deep)
        self.upper_to_gates = [linear(f"{cell.name}_to_gates", gates) for cell in self.upper]
        self.state_to_lower = linear("state_to_lower", gates, deep)
        self.initial = [dense(f"initial_{i}", self.units, activation="tanh") for i in range(states) if reads]
        self.condition_to_gates = linear("condition_to_gates", gates, not reads)
        self.state_to_output = dense("state_to_output", embedding_dim, self.deep_output)
        self.context_to_output = linear("context_to_output", embedding_dim, self.deep_output and reads)
        self.output_layer = dense("output", self.vocabulary_size, not self.tie_output)

    def build(self, tokens_shape: Any, memory_shape: Any = None, condition_shape: Any = None) -> None:
        check_memory(memory_shape, self.attention_name)
        features = None if memory_shape is None else values_shape(memory_shape)[-1]
        condition = features if condition_shape is None else condition_shape[-1]
        if self.attention and self.gated_context != "none":
            width = features if self.gated_context == "features" else 1
            self.gate = keras.layers.Dense(width, activation="sigmoid", name="gate", dtype=self.dtype_policy)
        for layer, width in (
            (self.words_to_gates, self.embedding_dim),
            (self.words_to_query, self.embedding_dim),
            (self.mean_to_gates, features),
            (self.context_to_gates, features),
            (self.condition_to_gates if condition else None, condition),
            (self.lower_to_gates, self.units),
            (self.state_to_lower, self.units),
            (self.gate, self.units),
            (self.state_to_output, self.units),
            (self.context_to_output, features),
            (self.output_layer, self.embedding_dim if self.deep_output else self.units),
            *((layer, self.units) for layer in self.upper_to_gates),
            *((layer, condition) for layer in self.initial),
        ):
            if layer and not layer.built:  # `prepare` may come before
                layer.build((None, width))
        self.embedding.build(tokens_shape)
        if self.attention:
            self.attention.build((None, self.units), (None, None, features))
        for cell in self.stack():
            cell.build()
        if not self.output_layer:
            self.output_bias = self.add_weight(shape=(self.vocabulary_size,), name="output_bias", initializer="zeros")

    def stack(self) -> list[Cell]:
        """Returns the cells from the lowest to the top one."""
        return [self.lower, self.cell, *self.upper] if self.lower else [self.cell]

    def prepare(self, values: Any, mask: Any = None, training: bool | None = None) -> Memory | None:
        """Projects the values to attend to, once for all steps and hypotheses; `None` stays `None`.

        Args:
            values: `<float>[batch, regions, features]`.
            mask: `<bool>[batch, regions]`, True where a region exists; `None` where all do.
            training: Whether features are dropped.
        """
        if values is None:
            return None
        values = normalise(values) if self.normalise_memory else values
        values = self.drop_memory(ops.cast(values, self.compute_dtype), training=training)
        if self.attention:
            gates = self.mean_to_gates(masked_mean(values, mask)) if self.mean_to_gates else None
            return self.attention.prepare(values, mask)._replace(gates=gates)
        return Memory(None, ops.expand_dims(masked_mean(values, mask), 1))  # one region: the mean of all

    def initial_state(self, memory: Memory | None = None, condition: Any = None, *, rows: Any = None) -> State:
        """Computes the state before the first token.

        Args:
            memory: As `prepare` returns it.
            condition: `<float>[batch, width]`, the source of the state; by default the masked mean of the memory.
            rows: Number of rows where there is neither, and the state is zeros.

        Raises:
            InputError: None of the three is given.
        """
        check_memory(memory, self.attention_name)
        if condition is None and memory is not None:
            condition = masked_mean(memory.values, memory.mask)  # [batch, features]
        if self.initial:
            return tuple(layer(condition) for layer in self.initial)  # each [batch, units]
        if condition is None and rows is None:
            raise InputError("A first state needs a memory, a condition or a number of rows. Received: none of them.")
        rows = rows if condition is None else ops.shape(condition)[0]
        state = (ops.zeros((rows, self.units), self.compute_dtype),) * (self.cell.states * self.layers)
        if condition is None:
            return state
        return self.recurrence(self.condition_to_gates(condition), state, memory)[0]

    def step(self, tokens: Any, state: State, memory: Memory | None = None) -> tuple[Any, State]:
        """Reads one token `<int32>[rows]` and predicts the next: logits `<float32>[rows, vocabulary]` and the state.

        1. Project the token's vector to the gates.
        2. Advance the cells by one step, attending to the memory.
        3. Compute the logits from the token's vector, the output and the context.
        """
        words = self.embedding(tokens)  # [rows, embedding]
        projection = self.project(words, memory)  # [rows, gates * units, and units of the attention for the query]
        state, attended = self.recurrence(projection, state, memory)  # each [rows, units]
        context = attended[0] if attended else None  # [rows, features]
        return self.logits(words, state[0], context), state  # [rows, vocabulary]

    def project(self, words: Any, memory: Memory | None) -> Any:
        """Projects words `<float>[..., embedding]` to the gates, adding the memory's mean, and then to the query."""
        check_memory(memory, self.attention_name)
        gates = self.words_to_gates(words)  # [..., gates * units]
        gates = gates + gates_for(memory, words) if self.mean_to_gates else gates
        return ops.concatenate([gates, self.words_to_query(words)], axis=-1) if self.words_to_query else gates

    def recurrence(
        self, inputs: Any, state: State, memory: Memory | None, engine: Direct = DIRECT
    ) -> tuple[State, tuple[Any, ...]]:
        """Advances all cells by one step.

        1. The lowest of several cells reads the word and the top output.
        2. Its output, or the old output of a single cell, attends to the memory.
        3. The next cell reads the context, and each further one the output of the cell below it.

        Args:
            inputs: As `project` returns them, with the gradient slot of the engine.
            state: Of all cells, from the top one down, each with its output first.
            memory: What is attended to.
            engine: Calls the cells and the attention.

        Returns:
            The next state, and what `attend` returns.
        """
        gates, asks = self.cell.gates * self.units, self.attention_units if self.words_to_query else 0
        projection, asked, slot = engine.split(inputs, [gates, gates + asks])
        before = [state[start : start + self.cell.states] for start in range(0, len(state), self.cell.states)]
        query, below = state[0], None  # [rows, units]
        after: list[State] = []
        if self.lower:
            below = engine.cell(self.lower, projection + self.state_to_lower(query), before.pop())
            after, query = [below], below[0]
            projection = self.lower_to_gates(query)  # [rows, gates * units]
        attended = self.attend(query, memory, asked if asks else None, engine, slot)
        if attended:
            projection = projection + engine.dense(self.context_to_gates, attended[0])
        after.append(engine.cell(self.cell, projection, before.pop(), below))
        for cell, to_gates in zip(self.upper, self.upper_to_gates, strict=True):
            after.append(engine.cell(cell, to_gates(after[-1][0]), before.pop(), after[-1]))
        return tuple(part for one in reversed(after) for part in one), attended

    def attend(
        self, query: Any, memory: Memory | None, asked: Any, engine: Direct = DIRECT, slot: Any = None
    ) -> tuple[Any, ...]:
        """Computes context `[rows, features]` and weights `[rows, regions]`; without attention the mean or nothing."""
        if memory is None or self.context_to_gates is None:
            return ()
        if self.attention:
            context, weights = engine.attention(self.attention, query, memory, asked, slot)
            return (self.gate(query) * context if self.gate else context), weights
        return (per_row(memory.values[:, 0], query),)

    def logits(self, words: Any, hidden: Any, context: Any = None, training: bool | None = None) -> Any:
        """Computes the logits of all tokens from word, state and context, with any leading dimensions."""
        output = hidden
        if self.deep_output:
            output = words + self.state_to_output(hidden)  # [..., embedding]
            output = output + self.context_to_output(context) if self.context_to_output else output
        output = self.drop_output(output, training=training)
        if self.output_layer:
            return ops.cast(self.output_layer(output), "float32")  # [..., vocabulary]
        table = ops.transpose(ops.cast(self.embedding.table, output.dtype))
        return ops.cast(ops.matmul(output, table), "float32") + ops.cast(self.output_bias, "float32")

    def call(
        self, tokens: Any, memory: Memory | None = None, condition: Any = None, training: bool | None = None
    ) -> tuple[Any, Any]:
        """Computes all logits of given sentences (teacher forcing); a loop of `step` would give the same.

        Args:
            tokens: `<int32>[batch, time]`.
            memory: As `prepare` returns it; `None` for a language model.
            condition: As in `initial_state`.
            training: Whether words, features and outputs are dropped.

        Returns:
            Logits `<float32>[batch, time, vocabulary]`, and weights `<float32>[batch, time, regions]` or `None`.
        """
        # The words are projected, and the logits computed, for all steps at once.
        words = self.drop_words(self.embedding(tokens), training=training)  # [batch, time, embedding]
        words = self.drop_word_features(words, training=training)
        projections = ops.transpose(self.project(words, memory), (1, 0, 2))  # [time, batch, gates and query]
        engine = training_engine(self, memory) if training else DIRECT

        def move(carry: tuple[State, tuple[Any, ...]], inputs: Any) -> tuple[State, tuple[Any, ...]]:
            return self.recurrence(inputs, carry[0], memory, engine)

        start = self.initial_state(memory, condition, rows=ops.shape(tokens)[0])
        empty = empty_context(memory, weights=self.attention is not None) if self.context_to_gates else ()
        (states, attended), _ = unroll(move, (start, empty), engine.step_inputs(projections))
        engine.finish(*kernel_inputs(self, start, states, attended))
        hidden, *attended = (ops.transpose(x, (1, 0, 2)) for x in (states[0], *attended))  # [batch, time, ...]
        logits = self.logits(words, hidden, attended[0] if attended else None, training=training)
        return logits, attended[1] if self.attention else None

    def fused(self, memory: Memory | None) -> Memory | None:
        """Adds compiled scores to a memory where there is attention; see `BahdanauAttention.fused`."""
        return self.attention.fused(memory) if self.attention else memory

    def get_config(self) -> dict[str, Any]:
        attention = layer_config(self.attention.layer) if self.attention_name == "own" else self.attention_name
        named = {"cell": self.cell_name, "attention": attention}
        return {**super().get_config(), **named, **{option: getattr(self, option) for option in OPTIONS}}
