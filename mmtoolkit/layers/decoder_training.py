"""Chooses which gradients of a decoder are deferred while it trains, and collects what they are computed from."""

from __future__ import annotations

from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.layers.attention import is_plain
from mmtoolkit.layers.deferred import DIRECT, Deferred, DeferredAttention, Direct, Drawn, can_defer
from mmtoolkit.layers.memory import Memory
from mmtoolkit.layers.unroll import states_before


def training_engine(decoder: Any, memory: Memory | None) -> Direct:
    """Makes the engine of an `AttentionDecoder`: it defers the kernels whose products are added to word projections."""
    engine = deferring_engine(decoder, memory) if can_defer() else DIRECT
    return Drawn(engine, draws_of(memory)) if decoder.attention_name == "hard" else engine


def deferring_engine(decoder: Any, memory: Memory | None) -> Direct:
    """Makes the engine where gradients can be deferred."""
    reader = decoder.stack()[0]
    kernels = [decoder.context_to_gates.kernel] if defers_context(decoder) else []
    kernels += [reader.recurrent_kernel] if reader.adds_product else []
    if decoder.attention and memory is not None and decoder.attention.can_fuse(memory):
        return DeferredAttention(kernels, decoder.attention, memory)
    return Deferred(kernels)


def draws_of(memory: Memory | None) -> Any:
    """Returns the draws of a memory that hard attention trains with."""
    if memory is None or memory.draws is None:
        raise InputError(
            "A decoder with hard attention trains with a memory that has draws. Received: one without; pass "
            "memory._replace(draws=decoder.attention.draw(tokens)), and add its reinforce_loss to the loss."
        )
    return memory.draws


def kernel_inputs(
    decoder: Any, start: tuple[Any, ...], states: tuple[Any, ...], attended: tuple[Any, ...]
) -> tuple[list[Any], Any]:
    """Collects the inputs of the deferred kernels and of the query's, `<float>[time, batch, inputs]` each.

    Args:
        decoder: An `AttentionDecoder`.
        start: The first state.
        states: `<float>[time, batch, units]` each, after every step.
        attended: The contexts `<float>[time, batch, features]` and the weights, if there are any.
    """
    output = -decoder.cell.states  # of the lowest cell, which reads the words
    before = states_before(states[output], start[output])
    inputs = [attended[0]] if defers_context(decoder) else []
    inputs += [before] if decoder.cell.adds_product else []
    return inputs, states[output] if decoder.lower else before


def defers_context(decoder: Any) -> bool:
    """Checks whether the product with the context is added to the word projections, as in a decoder of one cell."""
    return decoder.context_to_gates is not None and decoder.lower is None and is_plain(decoder.context_to_gates)
