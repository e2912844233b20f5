"""Compiles functions of tensors with XLA."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras


def can_compile() -> bool:
    """Checks whether `compiled` compiles: in TensorFlow, but not on macOS, for whose GPUs it has no XLA."""
    return keras.backend.backend() == "tensorflow" and sys.platform != "darwin"


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of tensors with XLA where possible; elsewhere returns it unchanged.

    Only for functions that run in this process: the server has no XLA for the CPU, so an export must not contain them.

    Example:
        >>> @compiled
        ... def squares(x):
        ...     return keras.ops.sum(x * x)
    """
    if not can_compile():
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
