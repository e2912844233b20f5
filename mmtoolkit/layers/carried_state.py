"""The state that truncated backpropagation through time carries from one batch to the next."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from mmtoolkit.errors import InputError


@keras.saving.register_keras_serializable("mmtoolkit")
class CarriedState(keras.layers.Layer):
    """Carries a recurrent state from one batch to the next, for truncated backpropagation through time.

    Row i of a batch goes on where row i of the batch before ended. The state that is read is a constant: no gradient
    reaches the batch before. A checkpoint has it, as it has the states of random numbers; `weights`, and so files and
    presets, do not.

    Example:
        >>> carried = CarriedState([3, 3])
        >>> carried.build((2,))
        >>> carried.keep((ops.ones((2, 3)), ops.ones((2, 3))))
        >>> state = carried(np.array([False, True]))
        >>> np.asarray(state[0]).tolist()
        [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]

    Args:
        widths: Of each part of the state.

    Source: Williams & Peng, "An Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network
        Trajectories", 1990: BPTT(h; h'), h = h'.
    """

    def __init__(self, widths: list[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.widths = list(widths)

    def build(self, reset_shape: Any) -> None:
        """Makes zeros for a number of rows, which stays.

        Args:
            reset_shape: `(rows,)`.
        """
        self.parts = [
            self.add_weight(shape=(reset_shape[0], width), trainable=False, initializer="zeros", name=f"part_{number}")
            for number, width in enumerate(self.widths)
        ]

    def check(self, rows: int | None) -> None:
        """Checks that a number of rows, where it is known, is that which the state was built for.

        Raises:
            InputError: It is another.
        """
        held = self.parts[0].shape[0]
        if rows not in (None, held):
            raise InputError(
                f"A state is carried for {held} rows. Received: a batch of {rows}; give every batch as many, or make a "
                "new model."
            )

    def call(self, reset: Any) -> tuple[Any, ...]:
        """Returns the state that was kept, zeros where a row is reset.

        Args:
            reset: `<bool>[rows]`, True where a row begins another text.

        Raises:
            InputError: There are more rows than it was built for.
        """
        self.check(reset.shape[0])
        kept = ops.expand_dims(ops.logical_not(reset), 1)  # [rows, 1]
        return tuple(part * ops.cast(kept, part.dtype) for part in self.parts)

    def keep(self, state: tuple[Any, ...]) -> None:
        """Keeps the last state of a batch, `<float>[rows, width]` each."""
        for part, value in zip(self.parts, state, strict=True):
            part.assign(ops.cast(ops.stop_gradient(value), part.dtype))

    @property
    def weights(self) -> list[Any]:
        """Returns none: the state belongs to a training, not to a model."""
        return []

    def save_own_variables(self, store: Any) -> None:
        """Saves nothing."""

    def load_own_variables(self, store: Any) -> None:
        """Loads nothing."""

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "widths": self.widths}
