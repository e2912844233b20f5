"""Wraps a model's search as a model of its own, of which the backend makes a graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mmtoolkit.decoding import Search

if TYPE_CHECKING:  # Keras has no types: a checker would accept any attribute of what derives from it
    from mmtoolkit.models.keras_model import KerasModel
else:
    from keras import Model as KerasModel


class SearchGraph(KerasModel):
    """Wraps the search of a model as a model of its own, without weights, so that the backend makes a graph of it."""

    def __init__(self, task: Any, decoding: Search, *, fused: bool) -> None:
        super().__init__(name="search", dtype=task.dtype_policy)
        self.task, self.decoding, self.fused = task, decoding, fused
        self.jit_compile = False  # nearly every batch to search has a shape of its own, which XLA would compile anew

    def build(self, input_shape: Any = None) -> None:
        self.built = True

    def call(self, inputs: Mapping[str, Any]) -> tuple[Any, Any]:
        return self.task.search(inputs, self.decoding, fused=self.fused)
