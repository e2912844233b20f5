"""What the recurrence multiplies with at every step, and how the gradients of it are summed.

A kernel that every step multiplies with gets a gradient from every step, as large as the kernel; the keys of an
attention get one as large as all regions of a batch. `Deferred` leaves them out of the loop: it keeps the two factors
of each such gradient and multiplies them for all steps at once, when the way back is out of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

from mmtoolkit.compiled import compiled

LARGEST = 43.0  # exp(2 * 43) is below the largest float32; tanh is 1 long before


class Direct:
    """Multiplies and compares as it is written; gradients are summed step by step."""

    def reads(self, projections: Any) -> Any:
        """What the steps read, `<float>[time, batch, …]`, of the projections of the words."""
        return projections

    def times(self, x: Any, kernel: Any) -> Any:
        """`<float>[rows, inputs]` by `<float>[inputs, outputs]`."""
        return ops.matmul(x, kernel)

    def through(self, x: Any, layer: Any) -> Any:
        """`<float>[rows, inputs]` through a dense layer without a bias."""
        return layer(x)

    def scores(self, query: Any, keys: Any, v: Any, slot: Any = None) -> Any:
        """`v · tanh(query + key)`: `<float32>[batch, hypotheses, regions]` of a query `<float>[rows, units]`.

        In float32 also where query and keys are not, so that all ways to compare agree.
        """
        batch, units = ops.shape(keys)[0], keys.shape[-1]
        regions = ops.shape(keys)[1] if keys.shape[1] is None else keys.shape[1]
        query, keys, v = (ops.cast(x, "float32") for x in (query, keys, v))
        query = ops.reshape(query, (batch, -1, 1, units))  # [batch, hypotheses, 1, units]
        compared = ops.tanh(query + ops.expand_dims(keys, 1))  # [batch, hypotheses, regions, units]
        # As one matrix-vector product, not sum(v * compared): a third of the traffic through memory, and of the time.
        scores = ops.matmul(ops.reshape(compared, (-1, units)), ops.expand_dims(v, -1))
        return ops.reshape(scores, (batch, -1, regions))


DIRECT = Direct()


class Fused(Direct):
    """Compares in one compiled pass over the keys, `exp(2 keys)` of which are computed once; for searching.

    Queries and keys beyond 43 count as 43. Only the query has a gradient.

    Args:
        keys: `<float>[batch, regions, units]`.
        dtype: In which the powers are kept.
    """

    def __init__(self, keys: Any, dtype: str = "float32") -> None:
        self.powers = ops.stop_gradient(ops.cast(powers(keys), dtype))

    def scores(self, query: Any, keys: Any, v: Any, slot: Any = None) -> Any:
        batch, (regions, units) = ops.shape(keys)[0], keys.shape[1:]
        query = ops.reshape(query, (batch, -1, units))  # [batch, hypotheses, units]
        scores = scores_of(query, self.powers, ops.cast(v, "float32"))
        return ops.reshape(scores, (batch, -1, regions))  # TensorFlow does not see the shape of what is compiled


class Deferred(Fused):
    """The same for training, one row a picture: the gradients of kernels, keys and `v` are summed after the loop.

    Beside the projections every step reads a slot: zeros that no result depends on, into which the way back writes
    what the gradients of query, keys and `v` are made of. The gradient of a kernel whose product is added to the
    projection is made of the projection's own gradient and what the kernel was multiplied with. Those are outputs of
    the loop, so `reads`, which comes before it, cannot have them: `finish` brings them when the loop is made.

    Example:
        >>> loop = Deferred([cell.recurrent_kernel], query_projection.kernel, keys, v)
        >>> _, states = keras.ops.scan(step, state, loop.reads(projections))   # step multiplies by loop.times
        >>> loop.finish([states_before, states_before])

    Args:
        kernels: `<float>[inputs, width]`, with products that are added to the first `width` of what is read.
        query_kernel: `<float>[inputs, units]` of the attention.
        keys: `<float>[batch, regions, units]` of the attention.
        v: `<float>[units]` of the attention.
    """

    def __init__(self, kernels: Sequence[Any], query_kernel: Any, keys: Any, v: Any) -> None:
        # In half precision half the traffic; float16 does not hold the powers.
        super().__init__(keys, "bfloat16" if keys.dtype == "bfloat16" else "float32")
        self.keys, self.v = keys, v
        self.values = [ops.convert_to_tensor(kernel) for kernel in (*kernels, query_kernel)]
        # Each transposed once: as a part of the product it is laid out anew in every step, for as long as the product.
        self.kernels = {
            id(kernel): (ops.stop_gradient(value), ops.stop_gradient(ops.transpose(value)))
            for kernel, value in zip((*kernels, query_kernel), self.values, strict=True)
        }
        self.inputs: Sequence[Any] | None = None

    def reads(self, projections: Any) -> Any:
        """What the steps read: the projections `<float>[time, batch, width]` and beside them the slots."""
        width, (regions, units) = projections.shape[-1], self.keys.shape[1:]

        @ops.custom_gradient
        def forward(projections: Any, keys: Any, v: Any, *kernels: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(*arguments: Any, upstream: Any = None) -> Any:
                if self.inputs is None:
                    raise ValueError("A deferred loop has gradients once `finish` has brought its kernels' inputs.")
                upstream = arguments[0] if upstream is None else upstream
                ends = [width, width + regions, width + regions + units]
                to_projections, to_scores, queries, to_queries = ops.split(upstream, ends, axis=-1)
                outputs = [to_projections[..., : kernel.shape[1]] for kernel in kernels[:-1]] + [to_queries]
                to_kernels = [summed_product(x, output) for x, output in zip(self.inputs, outputs, strict=True)]
                return to_projections, *self.attention_gradients(queries, v, to_scores), *to_kernels

            slots = ops.zeros((), projections.dtype)
            slots = ops.broadcast_to(slots, (*ops.shape(projections)[:2], regions + 2 * units))
            return ops.concatenate([projections, slots], axis=-1), backward

        return forward(projections, self.keys, self.v, *self.values)

    def finish(self, inputs: Sequence[Any]) -> None:
        """Hears what the kernels, the query's last, were multiplied with: `<float>[time, batch, inputs]` each."""
        self.inputs = inputs

    def times(self, x: Any, kernel: Any) -> Any:
        if id(kernel) not in self.kernels:
            return super().times(x, kernel)
        value, transposed = self.kernels[id(kernel)]

        @ops.custom_gradient
        def forward(x: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(*arguments: Any, upstream: Any = None) -> Any:
                return ops.matmul(arguments[0] if upstream is None else upstream, transposed)

            return ops.matmul(x, value), backward

        return forward(x)

    def through(self, x: Any, layer: Any) -> Any:
        return self.times(x, layer.kernel) if id(layer.kernel) in self.kernels else layer(x)

    def scores(self, query: Any, keys: Any, v: Any, slot: Any = None) -> Any:
        v = ops.stop_gradient(v)

        @ops.custom_gradient
        def forward(query: Any, slot: Any) -> tuple[Any, Callable[..., Any]]:
            def backward(*arguments: Any, upstream: Any = None) -> Any:
                to_scores = (arguments[0] if upstream is None else upstream)[:, 0]  # of the only hypothesis
                to_query = ops.cast(query_gradient(query, self.powers, v, to_scores), query.dtype)
                return to_query, ops.concatenate([ops.cast(to_scores, query.dtype), query, to_query], axis=-1)

            return super(Deferred, self).scores(query, keys, v), backward

        return forward(query, slot)

    def attention_gradients(self, queries: Any, v: Any, to_scores: Any) -> tuple[Any, Any]:
        """Of the keys and of `v`, from `<float>[time, batch, units]` and `<float>[time, batch, regions]`."""
        to_scores, key_powers = ops.cast(to_scores, "float32"), ops.cast(self.powers, "float32")
        to_keys = keys_gradient(queries, key_powers, v, to_scores)
        # In two sums: XLA takes ten times as long for one over all axes.
        halves = ops.sum(ops.reshape(weighed_halves(queries, key_powers, to_scores), (-1, v.shape[0])), axis=0)
        to_v = ops.sum(to_scores) - 2.0 * halves
        return ops.cast(to_keys, self.keys.dtype), ops.cast(to_v, v.dtype)


def summed_product(x: Any, y: Any) -> Any:
    """The sum over time and batch of the outer products of `<float>[time, batch, …]`."""
    x, y = ops.reshape(x, (-1, x.shape[-1])), ops.reshape(y, (-1, y.shape[-1]))
    return ops.matmul(ops.transpose(x), y)


def powers(values: Any) -> Any:
    """`exp(2 values)`: of these `tanh(a + b) = 1 - 2 / (1 + powers(a) powers(b))` needs no other exponential."""
    return ops.exp(2.0 * ops.clip(ops.cast(values, "float32"), -LARGEST, LARGEST))


def half(query: Any, key_powers: Any) -> Any:
    """`(1 - tanh(query + key)) / 2`: `<float32>[…, regions, units]` of a query `<float>[…, units]`."""
    return 1.0 / (1.0 + ops.expand_dims(powers(query), -2) * ops.cast(key_powers, "float32"))


@compiled
def scores_of(query: Any, key_powers: Any, v: Any) -> Any:
    """`v · tanh(query + key)`: `<float32>[batch, hypotheses, regions]`."""
    return ops.sum(v) - 2.0 * ops.matmul(half(query, ops.expand_dims(key_powers, 1)), v)


@compiled
def query_gradient(query: Any, key_powers: Any, v: Any, upstream: Any) -> Any:
    """Of `scores_of` for the query: `<float32>[batch, units]`; the derivative of tanh is `4 half (1 - half)`."""
    part = half(query, key_powers)  # [batch, regions, units]
    weighed = ops.matmul(ops.expand_dims(upstream, 1), part - part * part)  # a third faster than their sum
    return 4.0 * ops.cast(v, "float32") * ops.squeeze(weighed, 1)


@compiled
def keys_gradient(queries: Any, key_powers: Any, v: Any, upstream: Any) -> Any:
    """Of `scores_of` for the keys, summed over `[steps, batch, …]`: `<float32>[batch, regions, units]`."""
    part = half(queries, key_powers)
    return 4.0 * ops.cast(v, "float32") * ops.sum(ops.expand_dims(upstream, -1) * (part - part * part), axis=0)


@compiled
def weighed_halves(queries: Any, key_powers: Any, upstream: Any) -> Any:
    """The halves weighed by the scores' gradient, summed over the steps: `<float32>[batch, regions, units]`."""
    return ops.sum(ops.expand_dims(upstream, -1) * half(queries, key_powers), axis=0)
