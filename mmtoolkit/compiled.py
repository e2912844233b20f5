"""Fusing with XLA where the backend would run operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has XLA fuse a function of tensors in TensorFlow; the other backends get it as it is.

    Only for what runs in training: the server has no XLA for the CPU, so an export must not hold it.

    Example:
        >>> @compiled
        ... def squares(x):
        ...     return keras.ops.sum(x * x)
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)
