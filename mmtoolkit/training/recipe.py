"""The recipe of a training: its hyperparameters and its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import keras

from mmtoolkit.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a training.

    Example:
        >>> Recipe(epochs=20, learning_rate=2e-3).batch_size
        64

    Args:
        epochs: Passes over the training examples.
        batch_size: Examples per step.
        learning_rate: Peak learning rate of Adam.
        label_smoothing: Probability moved from the right class to all classes.
        averaging: Decay of the moving average of the weights at each step; 0 trains without averaging.
        lookahead: Whether training continues from the averages after each epoch.
        clip: Largest global norm of the gradient.
        patience: Epochs without a better validation score before training stops.
        mirror: Whether half of the pictures are mirrored while training (`MirroredHalf`).
        max_minutes: Minutes of training steps after which training stops; `None` trains all epochs.
        checkpoint_every: Steps between two checkpoints within an epoch; 0 writes after the epochs only.
        seed: Random seed of the order.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 8e-4
    label_smoothing: float = 0.1
    averaging: float = 0.999
    lookahead: bool = False
    clip: float = 5.0
    patience: int = 5
    mirror: bool = False
    max_minutes: float | None = None
    checkpoint_every: int = 200
    seed: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Recipe:
        """Makes a recipe of the options of a job; those that it lacks keep their defaults.

        Example:
            >>> Recipe.of({"epochs": 3, "units": 512}).epochs
            3
        """
        return cls(**{field.name: settings[field.name] for field in fields(cls) if field.name in settings})

    def optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """Makes the optimizer for a number of steps per epoch."""
        return adam(
            self.learning_rate,
            steps=steps * self.epochs,
            clip=self.clip,
            averaging=self.averaging,
            lookahead=steps if self.lookahead else 0,
        )


def adam(
    learning_rate: float,
    *,
    steps: int,
    warmup: int = 300,
    clip: float = 5.0,
    averaging: float = 0.999,
    lookahead: int = 0,
) -> keras.optimizers.Optimizer:
    """Makes Adam with a linear warm-up, a cosine decay to 2 % of the rate, clipping and averaged weights.

    Example:
        >>> mm.load("shapes_demo").compile(adam(6e-4, steps=469 * 10), loss=mm.token_loss())

    Args:
        learning_rate: The peak rate, after the warm-up.
        steps: Steps of the whole training.
        warmup: Steps of the warm-up, at most a tenth of all.
        clip: Largest global norm of the gradient.
        averaging: Decay of the moving average at each step, at most `1 - 3 / steps`: a short training is averaged
            over its last third, not mixed with its random start. 0 trains without averaging. `DecodedValidation`
            validates and saves the averages, and `fit` ends with them in the model.
        lookahead: After so many steps, again and again, the weights go back to their averages, from which a rate may be
            higher; 0 for never.

    Raises:
        InputError: `lookahead` is below 0, or there are no averages to go back to.

    Source: Kingma & Ba 2015; cosine decay of Loshchilov & Hutter 2017; averaging of Polyak & Juditsky 1992; going back:
        Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", 2019, whose slow weights are the averages.
    """
    if lookahead < 0 or (lookahead and not averaging):
        raise InputError(
            "lookahead is a number of steps after which the weights go back to averages, which there must be. "
            f"Received: lookahead={lookahead}, averaging={averaging}."
        )
    warmup = min(warmup, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else learning_rate,
        max(1, steps - warmup),
        alpha=0.02,
        warmup_target=learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    longest = max(0.0, 1.0 - 3.0 / max(1, steps))
    average: dict[str, Any] = {}
    if averaging:
        back = {"ema_overwrite_frequency": lookahead} if lookahead else {}
        average = {"use_ema": True, "ema_momentum": min(averaging, longest), **back}
    return keras.optimizers.Adam(rate, global_clipnorm=clip, **average)
