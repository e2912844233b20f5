"""Walks through a recurrent network and lists the shape of each quantity, from tokens to loss."""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import ops

from mmtoolkit.layers import SequenceEncoder, TokenEmbedding


class Quantity(NamedTuple):
    """One quantity of a network.

    Args:
        symbol: As the equations have it.
        meaning: What it is.
        shape: Its shape as computed.
        letters: The same in the letters of the course: N sequences, T steps, V tokens, D features, H units.
    """

    symbol: str
    meaning: str
    shape: tuple[int, ...]
    letters: tuple[str, ...]


def shape_walk(
    *, sequences: int = 5, time: int = 4, vocabulary: int = 10, features: int = 3, units: int = 6, cell: str = "rnn"
) -> list[Quantity]:
    """Computes a network on random tokens and lists the shape of each quantity.

    Example:
        >>> {each.symbol: each.shape for each in shape_walk(cell="lstm")}["W_xh"]     # four gates of 6
        (3, 24)

    Args:
        sequences: N, sequences side by side.
        time: T, steps of each.
        vocabulary: V, different tokens.
        features: D, width of a token's vector.
        units: H, width of the state.
        cell: Name of the cell.
    """
    embedding, output = TokenEmbedding(vocabulary, features), keras.layers.Dense(vocabulary)
    encoder = SequenceEncoder(units, cell=cell)
    tokens = keras.random.randint((sequences, time), 0, vocabulary, seed=0)
    vectors = embedding(tokens)
    hidden, last = encoder(vectors)
    logits = output(hidden)
    losses = ops.sparse_categorical_crossentropy(tokens, logits, from_logits=True)
    recurrent, states = encoder.cells[0], encoder.initial_state(sequences)

    def letters_of(shape: tuple[int, ...]) -> tuple[str, ...]:
        """Names the sides of a weight of the cell, which are as wide as some states."""
        whole = {side: "H" if side == units else f"{side // units}H" for side in shape if side % units == 0}
        return tuple(whole.get(side, str(side)) for side in shape)

    gates, square = letters_of((recurrent.gates * units,)), recurrent.recurrent_kernel
    others = [weight for weight in recurrent.weights if weight.name not in ("recurrent_kernel", "bias")]
    rows: list[tuple[str, str, object, tuple[str, ...]]] = [
        ("x", "tokens", tokens, ("N", "T")),
        ("E", "table of the vectors, which all steps share", embedding.table, ("V", "D")),
        ("E[x]", "vectors of the tokens", vectors, ("N", "T", "D")),
        ("W_xh", "input to state, which all steps share", encoder.projections[0].kernel, ("D", *gates)),
        ("W_hh", "state to state, which all steps share", square, letters_of(square.shape)),
        ("b", "bias of the state", recurrent.bias, gates),
        *((each.name, "further weight of the cell", each, letters_of(each.shape)) for each in others),
        ("h_0", "state before the first step", states[0], ("N", "H")),
        *(("C_0", "cell state before the first step", each, ("N", "H")) for each in states[1:]),
        ("h_1", "state after the first step", hidden[:, 0], ("N", "H")),
        ("h", "states of all steps", hidden, ("N", "T", "H")),
        ("h_T", "state after the last step", last, ("N", "H")),
        ("W_hy", "state to output, which all steps share", output.kernel, ("H", "V")),
        ("b_y", "bias of the output", output.bias, ("V",)),
        ("y", "logits of all steps", logits, ("N", "T", "V")),
        ("p", "softmax of the logits", ops.softmax(logits), ("N", "T", "V")),
        ("L_t", "loss of each token", losses, ("N", "T")),
        ("L", "mean of the losses", ops.mean(losses), ()),
    ]
    return [Quantity(name, meaning, tuple(ops.shape(value)), letters) for name, meaning, value, letters in rows]
