"""The attention decoder: one `step`, and teacher forcing over the same recurrence."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.compiled import can_compile
from mmtoolkit.errors import InputError
from mmtoolkit.layers.attention import BahdanauAttention
from mmtoolkit.layers.cells import cell_named
from mmtoolkit.layers.embedding import TokenEmbedding
from mmtoolkit.layers.forms import check_form
from mmtoolkit.layers.loops import DIRECT, Deferred, Direct, Fused
from mmtoolkit.layers.memory import Memory, masked_mean, normalise, per_row, values_shape
from mmtoolkit.layers.unroll import unroll

State = tuple[Any, ...]
WORTH_COMPILING = 2**15  # keys of a picture, as numbers
OPTIONS = (
    *("vocabulary_size", "units", "layers", "embedding_dim", "attention_units", "word_in_query", "mean_input"),
    *("gated_context", "deep_output", "freeze_embeddings", "tie_output", "dropout", "word_dropout", "memory_dropout"),
    "normalise_memory",
)


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
        cell: `"lstm"`, `"gru"` or `"vanilla"`.
        units: Width of the recurrent state.
        layers: 1, as in Show, Attend and Tell: the old state attends. 2, as in Anderson et al. 2018: a first cell reads
            the word and the state above it, attends with its new state, and the second one reads what was seen.
        attention: `"bahdanau"`; `"mean"`: the mean of the memory at every step; `"none"`: that mean as the first
            thing read, before START, and never again (Vinyals et al. 2015).
        embedding_dim: Width of the word vectors.
        attention_units: Width in which state and regions are compared; `units` by default.
        word_in_query: Whether the word just read has a part in the query. Without it one layer asks with the old
            state, which has not read that word, as the paper does.
        mean_input: Whether attention is not all that is seen: the mean of the memory is read along with every word.
            Without attention it is as if off.
        gated_context: What a gate computed from the state scales in what attention gives: `"features"`, each by
            itself; `"scalar"`, all by one number (the paper's beta); or `"none"`.
        deep_output: Whether the word before and the context reach the output next to the state (equation 7);
            otherwise the logits come from the state alone.
        freeze_embeddings: Whether the word vectors stay as they start.
        tie_output: Whether the output layer is the transposed embedding table (needs `deep_output`).
        dropout: Share of the word vectors and outputs dropped while training.
        word_dropout: Share of the words read that are dropped whole while training, so that the picture is looked at.
        memory_dropout: Share of the features dropped while training, the same ones in all regions of a picture.
        normalise_memory: Whether each region is brought to mean 0 and spread 1 first. VGG19's regions have a norm
            above 100: without it tanh and the gates start saturated.
        embeddings: `<float32>[vocabulary, embedding_dim]` to start the word vectors from; random without it.

    Raises:
        InputError: An option is out of its range, or `tie_output` comes without `deep_output`.

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
        cell: str = "lstm",
        units: int = 512,
        layers: int = 1,
        attention: str = "bahdanau",
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
        check_form(layers, attention, gated_context, tie_output=tie_output, deep_output=deep_output)
        self.vocabulary_size, self.cell_name, self.units, self.layers = vocabulary_size, cell, units, layers
        self.attention_name, self.attention_units = attention, attention_units or units
        self.embedding_dim, self.word_in_query, self.mean_input = embedding_dim, word_in_query, mean_input
        self.gated_context = gated_context
        self.deep_output, self.tie_output, self.freeze_embeddings = deep_output, tie_output, freeze_embeddings
        self.dropout, self.word_dropout, self.memory_dropout = dropout, word_dropout, memory_dropout
        self.normalise_memory = normalise_memory
        same = {"dtype": self.dtype_policy}
        self.embedding = TokenEmbedding(vocabulary_size, embedding_dim, table=embeddings, name="embedding", **same)
        self.embedding.trainable = not freeze_embeddings
        self.cell = cell_named(cell)(units, name="cell", **same)
        self.lower: Any = cell_named(cell)(units, name="lower", **same) if layers == 2 else None
        self.make_projections()
        self.drop_words = keras.layers.Dropout(word_dropout, noise_shape=(None, None, 1), **same)
        self.drop_word_features = keras.layers.Dropout(dropout, **same)
        self.drop_output = keras.layers.Dropout(dropout, **same)
        self.drop_memory = keras.layers.SpatialDropout1D(memory_dropout, **same)

    def make_projections(self) -> None:
        """The layers that lead from words, memory and states to the gates, and from there to the logits."""

        def dense(name: str, width: int, wanted: bool = True, **options: Any) -> Any:
            return keras.layers.Dense(width, name=name, dtype=self.dtype_policy, **options) if wanted else None

        def linear(name: str, width: int, wanted: bool = True) -> Any:
            return dense(name, width, wanted, use_bias=False)

        gates, embedding_dim, states = self.cell.gates * self.units, self.embedding_dim, self.cell.states * self.layers
        attends, looks, two = self.attention_name == "bahdanau", self.attention_name != "none", self.layers == 2
        self.attention: Any = None
        if attends:
            self.attention = BahdanauAttention(self.attention_units, name="attention", dtype=self.dtype_policy)
        self.gate: Any = None  # as wide as the features, which `build` knows
        self.words_to_gates = linear("words_to_gates", gates)
        asks = attends and self.word_in_query and not two  # the lower of two cells has read the word when it asks
        self.words_to_query = linear("words_to_query", self.attention_units, asks)
        self.mean_to_gates = linear("mean_to_gates", gates, attends and self.mean_input)
        self.context_to_gates = linear("context_to_gates", gates, looks)
        self.lower_to_gates = linear("lower_to_gates", gates, two)
        self.state_to_lower = linear("state_to_lower", gates, two)
        self.initial = [dense(f"initial_{i}", self.units, activation="tanh") for i in range(states) if looks]
        self.condition_to_gates = linear("condition_to_gates", gates, not looks)
        self.state_to_output = dense("state_to_output", embedding_dim, self.deep_output)
        self.context_to_output = linear("context_to_output", embedding_dim, self.deep_output and looks)
        self.output_layer = dense("output", self.vocabulary_size, not self.tie_output)

    def build(self, tokens_shape: Any, memory_shape: Any, condition_shape: Any = None) -> None:
        features = values_shape(memory_shape)[-1]
        condition = features if condition_shape is None else condition_shape[-1]
        if self.attention and self.gated_context != "none":
            width = features if self.gated_context == "features" else 1
            self.gate = keras.layers.Dense(width, activation="sigmoid", name="gate", dtype=self.dtype_policy)
        for layer, width in (
            (self.words_to_gates, self.embedding_dim),
            (self.words_to_query, self.embedding_dim),
            (self.mean_to_gates, features),
            (self.context_to_gates, features),
            (self.condition_to_gates, condition),
            (self.lower_to_gates, self.units),
            (self.state_to_lower, self.units),
            (self.gate, self.units),
            (self.state_to_output, self.units),
            (self.context_to_output, features),
            (self.output_layer, self.embedding_dim if self.deep_output else self.units),
            *((layer, condition) for layer in self.initial),
        ):
            if layer and not layer.built:  # `prepare` may come before
                layer.build((None, width))
        self.embedding.build(tokens_shape)
        if self.attention:
            self.attention.build((None, self.units), (None, None, features))
        for cell in (self.cell, self.lower):
            if cell:
                cell.build()
        if not self.output_layer:
            self.output_bias = self.add_weight(shape=(self.vocabulary_size,), name="output_bias", initializer="zeros")

    def prepare(self, values: Any, mask: Any = None, training: bool | None = None) -> Memory:
        """Projects `<float>[batch, regions, features]` once, for all steps and hypotheses.

        Args:
            values: What can be looked at.
            mask: `<bool>[batch, regions]`, True where a region exists; `None` where all do.
            training: Whether features are dropped.
        """
        values = normalise(values) if self.normalise_memory else values
        values = self.drop_memory(ops.cast(values, self.compute_dtype), training=training)
        if self.attention:
            gates = self.mean_to_gates(masked_mean(values, mask)) if self.mean_to_gates else None
            return self.attention.prepare(values, mask)._replace(gates=gates)
        return Memory(None, ops.expand_dims(masked_mean(values, mask), 1))  # one region: the mean of all

    def initial_state(self, memory: Memory, condition: Any = None) -> State:
        """The state before the first token, from `condition` or else the masked mean of the memory."""
        if condition is None:
            condition = masked_mean(memory.values, memory.mask)
        if self.condition_to_gates is None:
            return tuple(layer(condition) for layer in self.initial)
        projection = self.condition_to_gates(condition)
        nothing = ops.zeros((ops.shape(projection)[0], self.units), projection.dtype)
        return self.recurrence(projection, (nothing,) * (self.cell.states * self.layers), memory)[0]

    def step(self, tokens: Any, state: State, memory: Memory, *, loop: Direct = DIRECT) -> tuple[Any, State]:
        """Reads one token `<int32>[rows]` and gives the next one's logits `<float32>[rows, vocabulary]`."""
        words = self.embedding(tokens)
        state, seen = self.recurrence(self.project(words, memory), state, memory, loop)
        return self.logits(words, state[0], seen[0] if seen else None), state

    def project(self, words: Any, memory: Memory) -> Any:
        """What the words and the mean give to the gates and, side by side, what the words give to the query.

        Args:
            words: `<float>[rows, embedding]` or `<float>[batch, time, embedding]`.
            memory: As `prepare` gives it.

        Raises:
            InputError: The decoder reads the mean, and the memory was made without it.
        """
        gates = self.words_to_gates(words)
        if self.mean_to_gates:
            if memory.gates is None:
                raise InputError("A decoder with mean_input reads memories of its own prepare. Received: another's.")
            mean = ops.expand_dims(memory.gates, 1) if len(words.shape) == 3 else per_row(memory.gates, words)
            gates = gates + mean
        return ops.concatenate([gates, self.words_to_query(words)], axis=-1) if self.words_to_query else gates

    def recurrence(self, read: Any, state: State, memory: Memory, loop: Direct = DIRECT) -> tuple[State, tuple]:
        """One move of the recurrence; the state begins with the output.

        Args:
            read: What is read, as `project` gives it, and the slot of the loop.
            state: Of the cell, then of the lower one.
            memory: What is looked at.
            loop: How this multiplies.

        Returns:
            The next state and what was seen: context and alignment, the context alone, or nothing.
        """
        gates, asks = self.cell.gates * self.units, self.attention_units if self.words_to_query else 0
        projection, asked, slot = ops.split(read, [gates, gates + asks], axis=-1)
        upper, lower = state[: self.cell.states], state[self.cell.states :]
        query = upper[0]
        if self.lower:
            lower = self.lower(projection + self.state_to_lower(query), lower, loop=loop)
            query = lower[0]
            projection = self.lower_to_gates(query)
        seen = self.look(query, memory, asked if asks else None, loop=loop, slot=slot)
        if seen:
            projection = projection + loop.through(seen[0], self.context_to_gates)
        return (*self.cell(projection, upper, loop=loop), *lower), seen

    def look(self, query: Any, memory: Memory, asked: Any, *, loop: Direct, slot: Any) -> tuple[Any, ...]:
        """What is seen by the query and what the word adds to it.

        Returns:
            Context `<float>[rows, features]` and alignment, the context alone, or nothing.
        """
        if self.attention:
            context, alignment = self.attention(query, memory, asked, loop=loop, slot=slot)
            return (self.gate(query) * context if self.gate else context), alignment
        if self.context_to_gates is None:
            return ()
        return (per_row(memory.values[:, 0], query),)  # one region: the mean of all

    def empty_context(self, memory: Memory) -> tuple[Any, ...]:
        """Zeros in the shapes of what `look` gives for a row a picture."""
        batch, regions = ops.shape(memory.values)[0], ops.shape(memory.values)[1]
        context = ops.zeros((batch, memory.values.shape[-1]), self.compute_dtype)
        alignment = ops.zeros((batch, regions), "float32")
        return (context, alignment) if self.attention else (context,) if self.context_to_gates else ()

    def logits(self, words: Any, hidden: Any, context: Any = None, training: bool | None = None) -> Any:
        """Scores of all tokens from the word before, the new state and the context; any leading dimensions."""
        output = hidden
        if self.deep_output:
            output = words + self.state_to_output(hidden)
            output = output + self.context_to_output(context) if self.context_to_output else output
        output = self.drop_output(output, training=training)
        if self.output_layer:
            return ops.cast(self.output_layer(output), "float32")
        table = ops.transpose(ops.cast(self.embedding.table, output.dtype))
        return ops.cast(ops.matmul(output, table), "float32") + ops.cast(self.output_bias, "float32")

    def call(self, tokens: Any, memory: Memory, condition: Any = None, training: bool | None = None) -> tuple[Any, Any]:
        """Teacher forcing: logits `<float32>[batch, time, vocabulary]`, alignments `<float32>[batch, time, regions]`.

        Equal to looping `step`: the words are projected and the logits computed for all steps at once. A known
        number of steps is unrolled (which XLA can train), an unknown one scanned. Without attention the alignments
        are `None`.
        """
        words = self.drop_words(self.embedding(tokens), training=training)  # [batch, time, embedding]
        words = self.drop_word_features(words, training=training)
        projections = ops.transpose(self.project(words, memory), (1, 0, 2))  # [time, batch, gates and query]

        loop = self.deferred(memory) if training and self.can_fuse(memory) else DIRECT
        reads = loop.reads(projections)

        def move(carry: tuple[State, tuple[Any, ...]], read: Any) -> tuple[State, tuple[Any, ...]]:
            return self.recurrence(read, carry[0], memory, loop)

        state = self.initial_state(memory, condition)
        (states, seen), _ = unroll(move, (state, self.empty_context(memory)), reads)
        if isinstance(loop, Deferred):
            loop.finish(self.multiplied(state, states, seen))
        hidden, *seen = (ops.transpose(x, (1, 0, 2)) for x in (states[0], *seen))
        logits = self.logits(words, hidden, seen[0] if seen else None, training=training)
        return logits, seen[1] if self.attention else None

    def can_fuse(self, memory: Memory) -> bool:
        """Whether a loop is better off not `DIRECT`: to compile small ones takes longer than they do.

        The comparison needs a known number of regions, and the products plain kernels: neither LoRA nor int8.
        """
        if not self.attention or not can_compile():
            return False
        shared = (self.attention.query_projection, self.context_to_gates)
        plain = not any(layer.lora_enabled or layer.quantization_mode for layer in shared)
        return plain and (memory.keys.shape[1] or 0) * self.attention_units >= WORTH_COMPILING

    def fused(self, memory: Memory) -> Direct:
        """A loop for a search in this process: an export is served where nothing compiles it."""
        return Fused(memory.keys) if self.can_fuse(memory) else DIRECT

    def deferred(self, memory: Memory) -> Deferred:
        """A loop that sums the gradients of what `multiplied` names after it."""
        kernels = [(self.lower or self.cell).recurrent_kernel] if self.cell.adds_product else []
        if not self.lower:
            kernels.append(self.context_to_gates.kernel)
        return Deferred(kernels, self.attention.query_projection.kernel, memory.keys, self.attention.v)

    def multiplied(self, start: State, states: Any, seen: Any) -> list[Any]:
        """What the kernels of `deferred` are multiplied with at all steps, from the states before and after them."""
        reader = self.cell.states if self.lower else 0  # the output of the cell that reads the words
        before = ops.concatenate([ops.expand_dims(start[reader], 0), states[reader][:-1]])
        inputs = [before] if self.cell.adds_product else []
        if not self.lower:
            inputs.append(seen[0])
        return [*inputs, states[reader] if self.lower else before]

    def get_config(self) -> dict[str, Any]:
        named = {"cell": self.cell_name, "attention": self.attention_name}
        return {**super().get_config(), **named, **{option: getattr(self, option) for option in OPTIONS}}
