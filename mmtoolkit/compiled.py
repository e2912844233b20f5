"""Fusing with XLA where TensorFlow would run operation by operation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras


def can_compile() -> bool:
    """Whether `compiled` compiles: in TensorFlow, but not on macOS, whose GPUs it has no XLA for."""
    return keras.backend.backend() == "tensorflow" and sys.platform != "darwin"


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has XLA fuse a function of tensors where it can; elsewhere the function runs as it is.

    Only for what runs in this process: the server has no XLA for the CPU, so an export must not hold it.

    Example:
        >>> @compiled
        ... def squares(x):
        ...     return keras.ops.sum(x * x)
    """
    if not can_compile():
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
