"""Exact resume: all that a training depends on, in one file that is there whole or not at all."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import keras
import tensorflow as tf

from mmtoolkit.errors import InputError
from mmtoolkit.files import parse_json, write_atomically
from mmtoolkit.hdf5 import open_h5
from mmtoolkit.run_folder import lasting
from mmtoolkit.training.validation import DecodedValidation

FORMAT = 4  # 1 had other batches: of any length; 3 had no checksum


class Position(NamedTuple):
    """The position of a training: its epoch, and the steps of that epoch that are done."""

    epoch: int = 0
    step: int = 0


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint every so many steps and after each epoch, and resumes a training from it.

    It holds the weights, the states of dropout's random numbers, the optimizer with its averages and its step, the
    position in the data, the best score and the history. The order of the data is a function of seed and epoch. So on a
    CPU with deterministic operations a resumed run ends with the weights of one that was never stopped, to the bit.

    Example:
        >>> captioner = mm.load("shapes_demo")
        >>> captioner.compile(mm.adam(1e-4, steps=1), loss=mm.token_loss())
        >>> validation = DecodedValidation(mm.captioning, splits.valid, source=source, preset=Path("mine"))
        >>> checkpoints = Checkpoints(Path("last.h5"), steps=1, settings={"data": "my_photos"}, validation=validation)
        >>> data = lambda at: mm.caption_dataset(
        ...     records[:2], captioner.codec, features=source, epoch=at.epoch, step=at.step
        ... )
        >>> history = checkpoints.fit(captioner, data, epochs=1, callbacks=[validation])

    Args:
        path: The file.
        steps: Steps of an epoch.
        settings: What the run depends on, as JSON; a checkpoint of other settings is refused.
        validation: The callback whose best score and patience belong to the checkpoint.
        every: Steps between two checkpoints within an epoch; 0 writes after the epochs only.
    """

    def __init__(
        self,
        path: Path,
        *,
        steps: int,
        settings: Mapping[str, Any],
        validation: DecodedValidation,
        every: int = 200,
    ) -> None:
        super().__init__()
        self.path, self.steps, self.every = path, steps, every
        self.settings, self.validation = json.loads(json.dumps(settings)), validation
        self.position, self.history, self.stopped = Position(), dict[str, list[float]](), False

    def fit(
        self,
        model: keras.Model,
        data: Callable[[Position], tf.data.Dataset],
        *,
        epochs: int,
        callbacks: list[keras.callbacks.Callback] | None = None,
    ) -> dict[str, list[float]]:
        """Trains from where the checkpoint is, or from the start; returns the history of all epochs.

        Args:
            model: Built and compiled.
            data: The batches from a position on.
            epochs: Where training ends.
            callbacks: The others, `validation` among them, in any order: those with a smaller `turn` (0 where a
                callback has none) are called first, this one last.

        Raises:
            InputError: The checkpoint is damaged or of other settings.
        """
        model.optimizer.build(model.trainable_variables)  # else in the first step, which Keras would trace twice for it
        self.restore(model)
        others = sorted(callbacks or (), key=lambda callback: getattr(callback, "turn", 0))
        options = {"callbacks": [*others, self], "shuffle": False}
        if self.position.step:  # Keras takes the first pass over the data to be as long as all: this one goes alone
            # Of a known length: where Keras finds the end by running into it, it draws dropout's numbers once more.
            rest = data(self.position).apply(tf.data.experimental.assert_cardinality(self.steps - self.position.step))
            model.fit(rest, initial_epoch=self.position.epoch, epochs=self.position.epoch + 1, **options)
            self.stopped = model.stop_training
            if self.goes_on(epochs):
                self.restore(model)  # `fit` ends by putting the averages in the place of the weights
        if self.goes_on(epochs):
            model.fit(data(self.position), initial_epoch=self.position.epoch, epochs=epochs, **options)
        return self.history

    def goes_on(self, epochs: int) -> bool:
        """Checks whether there is another epoch to train."""
        return self.position.epoch < epochs and not self.stopped

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.position = Position(self.position.epoch, self.position.step + 1)
        if self.every and self.position.step % self.every == 0 and self.position.step < self.steps:
            self.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self.position = Position(epoch + 1)
        self.save()

    def save(self) -> None:
        """Writes the file in place of the one before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, self.write)

    def write(self, file: BinaryIO) -> None:
        """Writes the checkpoint as HDF5: a data set for each variable, and the rest as JSON."""
        rest = {
            "settings": self.settings,
            "position": self.position,
            "history": self.history,
            "validation": self.validation.progress(),
            "stopped": bool(self.model.stop_training),
        }
        with h5py.File(file, "w") as content:
            values = [keras.ops.convert_to_numpy(variable) for variable in variables(self.model)]
            state = json.dumps(rest)
            content.attrs["format"], content.attrs["told"] = FORMAT, state
            content.attrs["crc32"] = checksum(state, values)
            for number, value in enumerate(values):
                content[f"{number:04d}"] = value

    def restore(self, model: keras.Model) -> None:
        """Restores everything from the file; without one, changes nothing.

        Raises:
            InputError: It is damaged or of other settings.
        """
        if not self.path.is_file():
            return
        targets, most = variables(model), self.path.stat().st_size  # it is not compressed
        with open_h5(self.path, most=most, remedy="delete it and start again") as content:
            state, stored = str(content.attrs["told"]), [content[f"{number:04d}"] for number in range(len(content))]
            shapes, wanted = ([tuple(each.shape) for each in group] for group in (stored, targets))
            known, values = content.attrs["format"] == FORMAT, [entry[()] for entry in stored]
            if known and checksum(state, values) != content.attrs["crc32"]:
                raise ValueError("its bytes are not those that were written")
            rest = parse_json(state)
            if known:
                self.compare(rest["settings"])
            if not known or shapes != wanted:
                raise InputError(
                    f"The checkpoint {self.path} is of another version of mmtoolkit; delete it and start again."
                )
        for target, value in zip(targets, values, strict=True):
            target.assign(value)
        self.position, self.history = Position(*rest["position"]), rest["history"]
        self.stopped = rest["stopped"]
        self.validation.go_on(rest["validation"])

    def compare(self, settings: Mapping[str, Any]) -> None:
        """Checks that a checkpoint has the same settings; the error names those that differ."""
        was, now = lasting(settings), lasting(self.settings)
        pairs = {name: (was.get(name), now.get(name)) for name in {**now, **was}}
        differing = [f"{name} {before!r}, now {now!r}" for name, (before, now) in pairs.items() if before != now]
        if differing:
            raise InputError(
                f"Expected the settings that the checkpoint {self.path} was written with. Received others: "
                f"{'; '.join(differing)}. Give the same, or start a new run in another folder."
            )


def checksum(state: str, values: Sequence[Any]) -> int:
    """Computes the CRC-32 of what a checkpoint holds."""
    crc = zlib.crc32(state.encode())
    for value in values:
        crc = zlib.crc32(value.tobytes(), crc)
    return crc


def variables(model: keras.Model) -> list[keras.Variable]:
    """Lists the weights, the states of dropout's random numbers, and the optimizer's variables."""
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
