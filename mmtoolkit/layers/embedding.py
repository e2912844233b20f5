"""Token embeddings of decoders and encoders."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.errors import InputError


@ops.custom_gradient
def dense_gradient(table: Any) -> Any:
    """Returns the table itself; its gradient is one dense array instead of a row per token.

    Clipping by the global norm is wrong on the sparse form: a token that occurs twice counts as two rows.
    """

    def gradient(*args: Any, upstream: Any = None) -> Any:
        return ops.reshape(args[0] if upstream is None else upstream, table.shape)  # reshape cannot keep it sparse

    return table, gradient


@keras.saving.register_keras_serializable("mmtoolkit")
class TokenEmbedding(keras.layers.Layer):
    """Looks up a row per token in a table that starts as given, e.g. by word2vec, or as small random numbers.

    Example:
        >>> ops.shape(tokens), ops.shape(TokenEmbedding(5000, 300)(tokens))
        ((2, 7), (2, 7, 300))

    Args:
        vocabulary_size: Number of rows.
        dim: Width of a row.
        table: `<float32>[vocabulary_size, dim]` to start from; kept in the weights, not in the configuration.

    Raises:
        InputError: The table has another shape.
    """

    def __init__(self, vocabulary_size: int, dim: int, *, table: np.ndarray | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size, self.dim, self._start = vocabulary_size, dim, table
        if table is not None and table.shape != (vocabulary_size, dim):
            raise InputError(
                f"The embedding table must have the shape (vocabulary_size, dim) = {(vocabulary_size, dim)}. "
                f"Received: {table.shape}."
            )

    def build(self, tokens_shape: Any = None) -> None:
        start = keras.initializers.RandomUniform(-0.1, 0.1) if self._start is None else self._from_table
        self.table = self.add_weight(
            shape=(self.vocabulary_size, self.dim), name="table", initializer=start, autocast=False
        )

    def _from_table(self, shape: Any, dtype: Any = None) -> Any:
        return ops.convert_to_tensor(self._start, dtype)

    def call(self, tokens: Any) -> Any:
        # Cast after the rows are taken: the gradients of a frequent token are summed in float32.
        return ops.cast(ops.take(dense_gradient(self.table), tokens, axis=0), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size, "dim": self.dim}
