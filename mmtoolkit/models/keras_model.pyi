"""What a type checker shall know of `keras.Model`: Keras has no types, and what derives from it would be `Any`.

A test compares the names and parameters with those of the installed Keras.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

class KerasModel:
    name: str
    built: bool
    trainable: bool
    stop_training: bool
    optimizer: Any
    loss: Any
    jit_compile: bool | str
    supports_masking: bool

    @property
    def dtype(self) -> str: ...
    @property
    def dtype_policy(self) -> Any: ...
    @property
    def compute_dtype(self) -> str: ...
    @property
    def variable_dtype(self) -> str: ...
    @property
    def layers(self) -> list[Any]: ...
    @property
    def weights(self) -> list[Any]: ...
    @property
    def trainable_weights(self) -> list[Any]: ...
    @property
    def non_trainable_weights(self) -> list[Any]: ...
    @property
    def variables(self) -> list[Any]: ...
    @property
    def trainable_variables(self) -> list[Any]: ...
    @property
    def non_trainable_variables(self) -> list[Any]: ...
    @property
    def losses(self) -> list[Any]: ...
    @property
    def metrics(self) -> list[Any]: ...
    @property
    def metrics_names(self) -> list[str]: ...
    def __init__(self, *, name: str | None = None, dtype: Any = None, trainable: bool = True) -> None: ...
    def build(self, input_shape: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None: ...
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Any] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> Any: ...
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
        return_dict: bool = False,
    ) -> Any: ...
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Sequence[Any] | None = None,
    ) -> Any: ...
    def predict_on_batch(self, x: Any) -> Any: ...
    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any: ...
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any: ...
    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any: ...
    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], None] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None: ...
    def get_layer(self, name: str | None = None, index: int | None = None) -> Any: ...
    def count_params(self) -> int: ...
    def add_loss(self, loss: Any) -> None: ...
    def add_weight(self, *args: Any, **kwargs: Any) -> Any: ...
    def get_weights(self) -> list[np.ndarray]: ...
    def set_weights(self, weights: Sequence[Any]) -> None: ...
    def save(self, filepath: str | Path, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None: ...
    def save_weights(
        self, filepath: str | Path, overwrite: bool = True, max_shard_size: float | None = None
    ) -> None: ...
    def load_weights(self, filepath: str | Path, skip_mismatch: bool = False, **kwargs: Any) -> None: ...
    def get_config(self) -> dict[str, Any]: ...
    @classmethod
    def from_config(cls, config: Any) -> Self: ...
