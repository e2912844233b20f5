"""Wraps a model's search as a model of its own, of which the backend makes a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from mmtoolkit.decoding import Search

if TYPE_CHECKING:  # Keras has no types: a checker would accept any attribute of what derives from it
    from mmtoolkit.models.keras_model import KerasModel
else:
    from keras import Model as KerasModel


class SearchGraph(KerasModel):
    """Wraps the search of a model as a model of its own, without weights, so that the backend makes a graph of it."""

    def __init__(self, task: Any, decoding: Search, *, fused: bool) -> None:
        super().__init__(name="search", dtype=task.dtype_policy)
        self.autocast = False  # random numbers keep their digits
        self.task, self.decoding, self.fused = task, decoding, fused
        self.jit_compile = False  # nearly every batch to search has a shape of its own, which XLA would compile anew

    def build(self, input_shape: Any = None) -> None:
        self.built = True

    def call(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        rounded = {name: value if name == "uniforms" else self.rounded(value) for name, value in inputs.items()}
        return self.task.search(rounded, self.decoding, fused=self.fused)

    def rounded(self, value: Any) -> Any:
        """Casts numbers with a fraction to the precision that the model computes in."""
        is_float = keras.backend.is_float_dtype(keras.backend.standardize_dtype(value.dtype))
        return ops.cast(value, self.compute_dtype) if is_float else value
