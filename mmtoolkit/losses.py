"""Losses of models that generate tokens."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("mmtoolkit")
class TokenLoss(keras.losses.Loss):
    """Computes the cross-entropy of the next token, summed with the given weights.

    The data set divides the weights by the number of real tokens in the whole batch, so the sum is the mean over
    tokens, also when a batch is split over several devices.

    Example:
        A uniform guess among four tokens costs log 4 per token:
        >>> round(float(TokenLoss()([[1]], ops.zeros((1, 1, 4)))), 3)
        1.386

    Args:
        label_smoothing: Probability moved from the right token to all tokens evenly (Szegedy et al. 2016, section 7).
    """

    def __init__(self, label_smoothing: float = 0.0, *, name: str = "token_loss", **kwargs: Any) -> None:
        kwargs["reduction"] = "sum"
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Maps `<int>[batch, time]` and finite `<float>[batch, time, vocabulary]` to `<float32>[batch, time]`."""
        logits = ops.cast(y_pred, "float32")
        # A product with the wanted distribution: the gradient of picking one logit out is a scatter, twice as slow.
        vocabulary, smooth = logits.shape[-1], self.label_smoothing
        wanted = (1.0 - smooth) * ops.one_hot(y_true, vocabulary, dtype="float32") + smooth / vocabulary
        return ops.logsumexp(logits, axis=-1) - ops.sum(wanted * logits, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def token_loss(label_smoothing: float = 0.1) -> TokenLoss:
    """Returns the default loss, `TokenLoss` with label smoothing."""
    return TokenLoss(label_smoothing)
