"""Multiplies in the steps of a recurrence, and sums the gradients of its weights step by step or after the loop.

A kernel that every step multiplies by gets a gradient as large as the kernel from every step; the keys of an attention
get one as large as all regions of a batch. `Deferred` keeps the two factors of each such gradient instead, and
multiplies them for all steps at once when the backward pass has left the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from mmtoolkit.layers.attention import weigh
from mmtoolkit.layers.memory import Memory
from mmtoolkit.layers.scores import CompiledScores, keys_gradient, query_gradient, weighted_halves


class Direct:
    """Calls the layers of a step as they are; gradients are summed step by step."""

    def step_inputs(self, projections: Any) -> Any:
        """Returns the inputs of the steps, `<float>[time, batch, …]`, from the projected words or vectors."""
        return projections

    def split(self, inputs: Any, ends: Sequence[Any]) -> list[Any]:
        """Splits the inputs of a step at two columns; what is behind them is the slot of the attention."""
        return list(ops.split(inputs, ends, axis=-1))

    def cell(self, cell: Any, projection: Any, state: Any, below: Any = None) -> Any:
        """Returns the next state of a `Cell`."""
        return cell(projection, state, below=below)

    def dense(self, layer: Any, x: Any) -> Any:
        """Applies a dense layer without a bias to `<float>[rows, inputs]`."""
        return layer(x)

    def attention(self, attention: Any, query: Any, memory: Memory, shift: Any, slot: Any) -> tuple[Any, Any]:
        """Returns the context and the weights of a `BahdanauAttention`."""
        return attention.attend(query, memory, shift)

    def finish(self, inputs: Sequence[Any], queries: Any = None) -> None:
        """Receives the inputs of the deferred kernels, and those of an attention's query kernel, for all steps."""


DIRECT = Direct()


class Deferred(Direct):
    """Sums the gradients of recurrent kernels after the loop, in one product each.

    The gradient of a kernel whose product is added to the projection is the outer product of the kernel's input and the
    projection's gradient. The inputs are outputs of the loop, so `step_inputs`, which precedes it, needs `finish`.

    Example:
        >>> from mmtoolkit.layers import LSTMCell
        >>> from mmtoolkit.layers.unroll import states_before, unroll
        >>> cell, start = LSTMCell(3), (ops.zeros((2, 3)), ops.zeros((2, 3)))
        >>> projections = ops.ones((5, 2, 4 * 3))        # <float>[time, batch, gates * units]
        >>> expected, _ = unroll(lambda state, projection: cell(projection, state), start, projections)
        >>> engine = Deferred([cell.recurrent_kernel])
        >>> move = lambda state, projection: engine.cell(cell, projection, state)
        >>> states, last = unroll(move, start, engine.step_inputs(projections))
        >>> engine.finish([states_before(states[0], start[0])])
        >>> np.allclose(states[0], expected[0])
        True

    Args:
        kernels: `<float>[inputs, width]`; the products are added to the first `width` of the projections.
    """

    def __init__(self, kernels: Sequence[Any]) -> None:
        self.values = [ops.convert_to_tensor(kernel) for kernel in kernels]
        # Transposed once: as a part of the product it would be laid out anew in every step, as slow as the product.
        self.kernels = {
            id(kernel): (ops.stop_gradient(value), ops.stop_gradient(ops.transpose(value)))
            for kernel, value in zip(kernels, self.values, strict=True)
        }
        self.inputs: Sequence[Any] | None = None

    def step_inputs(self, projections: Any) -> Any:
        @ops.custom_gradient
        def forward(projections: Any, *kernels: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(upstream: Any) -> Any:
                return upstream, *self.kernel_gradients([upstream[..., : kernel.shape[1]] for kernel in kernels])

            return projections, backward

        return forward(projections, *self.values)

    def finish(self, inputs: Sequence[Any], queries: Any = None) -> None:
        self.inputs = inputs  # <float>[time, batch, inputs] each

    def kernel_gradients(self, outputs: Sequence[Any]) -> list[Any]:
        """Computes the gradients of the kernels from those of their products, `<float>[time, batch, width]` each."""
        if self.inputs is None:
            raise ValueError("A deferred loop has gradients once `finish` has brought its kernels' inputs.")
        return [summed_product(x, output) for x, output in zip(self.inputs, outputs, strict=True)]

    def matmul(self, x: Any, kernel: Any) -> Any:
        """Multiplies `<float>[rows, inputs]` by a kernel, leaving the gradient of a deferred one to `step_inputs`."""
        if id(kernel) not in self.kernels:
            return ops.matmul(x, kernel)
        value, transposed = self.kernels[id(kernel)]

        @ops.custom_gradient
        def forward(x: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(upstream: Any) -> Any:
                return ops.matmul(upstream, transposed)

            return ops.matmul(x, value), backward

        return forward(x)

    def cell(self, cell: Any, projection: Any, state: Any, below: Any = None) -> Any:
        return cell.update(projection, self.matmul(state[0], cell.recurrent_kernel), state, below)

    def dense(self, layer: Any, x: Any) -> Any:
        return self.matmul(x, layer.kernel) if id(layer.kernel) in self.kernels else layer(x)


class Drawn(Direct):
    """Hands a `HardAttention` the numbers by which it draws the location of each step, as the slot.

    Args:
        engine: Does all else.
        draws: `<int32>[batch, time]`.
    """

    def __init__(self, engine: Direct, draws: Any) -> None:
        self.engine, self.draws = engine, draws
        self.cell, self.dense, self.finish = engine.cell, engine.dense, engine.finish  # type: ignore[method-assign]

    def step_inputs(self, projections: Any) -> Any:
        return self.engine.step_inputs(projections), ops.transpose(self.draws)  # [time, batch, …] each

    def split(self, inputs: Any, ends: Sequence[Any]) -> list[Any]:
        return [*super().split(inputs[0], ends)[:2], inputs[1]]

    def attention(self, attention: Any, query: Any, memory: Memory, shift: Any, slot: Any) -> tuple[Any, Any]:
        return attention.attend(query, memory, shift, slot)


class DeferredAttention(Deferred):
    """Sums the gradients of a `BahdanauAttention` after the loop too: of its query kernel, keys and `v`.

    It needs one row per image. Every step also reads a gradient slot: zeros that no result depends on, to which the
    backward pass writes what the gradients of query, keys and `v` are computed from.
    """

    def __init__(self, kernels: Sequence[Any], attention: Any, memory: Memory) -> None:
        super().__init__([*kernels, attention.query_projection.kernel])
        # Half precision halves the traffic; float16 does not hold the powers.
        dtype = "bfloat16" if memory.keys.dtype == "bfloat16" else "float32"
        self.compare = CompiledScores(memory.keys, dtype)
        self.keys, self.v = memory.keys, attention.v

    def step_inputs(self, projections: Any) -> Any:
        width, (regions, units) = projections.shape[-1], self.keys.shape[1:]

        @ops.custom_gradient
        def forward(projections: Any, keys: Any, v: Any, *kernels: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(upstream: Any) -> Any:
                ends = [width, width + regions, width + regions + units]
                to_projections, to_scores, queries, to_queries = ops.split(upstream, ends, axis=-1)
                outputs = [to_projections[..., : kernel.shape[1]] for kernel in kernels[:-1]]
                to_kernels = self.kernel_gradients([*outputs, to_queries])
                return to_projections, *self.attention_gradients(queries, v, to_scores), *to_kernels

            slots = ops.zeros((), projections.dtype)
            slots = ops.broadcast_to(slots, (*ops.shape(projections)[:2], regions + 2 * units))
            return ops.concatenate([projections, slots], axis=-1), backward

        return forward(projections, self.keys, self.v, *self.values)

    def finish(self, inputs: Sequence[Any], queries: Any = None) -> None:
        super().finish([*inputs, queries])

    def attention(self, attention: Any, query: Any, memory: Memory, shift: Any, slot: Any) -> tuple[Any, Any]:
        query = self.dense(attention.query_projection, query)
        query = query if shift is None else query + shift
        return weigh(self.scores(query, slot), memory.values, memory.mask)

    def scores(self, query: Any, gradient_slot: Any) -> Any:
        """Computes the scores of a query `<float>[batch, units]`: `<float32>[batch, 1, regions]`."""
        v = ops.stop_gradient(self.v)

        @ops.custom_gradient
        def forward(query: Any, gradient_slot: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(upstream: Any) -> Any:
                to_scores = upstream[:, 0]  # of the only hypothesis
                to_query = ops.cast(query_gradient(query, self.compare.powers, v, to_scores), query.dtype)
                return to_query, ops.concatenate([ops.cast(to_scores, query.dtype), query, to_query], axis=-1)

            return self.compare(query, v), backward

        return forward(query, gradient_slot)

    def attention_gradients(self, queries: Any, v: Any, to_scores: Any) -> tuple[Any, Any]:
        """Computes the gradients of keys and `v` from `<float>[time, batch, units]` and `[time, batch, regions]`."""
        to_scores, key_powers = ops.cast(to_scores, "float32"), ops.cast(self.compare.powers, "float32")
        to_keys = keys_gradient(queries, key_powers, v, to_scores)
        # Two sums: XLA takes ten times as long for one over all axes.
        halves = ops.sum(ops.reshape(weighted_halves(queries, key_powers, to_scores), (-1, v.shape[0])), axis=0)
        to_v = ops.sum(to_scores) - 2.0 * halves
        return ops.cast(to_keys, self.keys.dtype), ops.cast(to_v, v.dtype)


def can_defer() -> bool:
    """Checks whether a gradient may use values that are computed after its forward pass: in TensorFlow, not in JAX."""
    return keras.backend.backend() == "tensorflow"


def summed_product(x: Any, y: Any) -> Any:
    """Sums the outer products of `<float>[time, batch, …]` over time and batch."""
    x, y = ops.reshape(x, (-1, x.shape[-1])), ops.reshape(y, (-1, y.shape[-1]))
    return ops.matmul(ops.transpose(x), y)
