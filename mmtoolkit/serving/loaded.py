"""Exported models in this process, loaded as TensorFlow Serving loads them: into a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # its operations, which the stock server has

from mmtoolkit.errors import InputError
from mmtoolkit.serving.rest import Refused
from mmtoolkit.serving.savedmodel import SERVE, read_model, served_signatures

STATUS = {  # of HTTP, by the kind of error, as the server answers
    tf.errors.InvalidArgumentError: 400,
    tf.errors.FailedPreconditionError: 412,
    tf.errors.ResourceExhaustedError: 429,
    tf.errors.DeadlineExceededError: 504,
}


class ServedModel:
    """One version of a model.

    Example:
        >>> ServedModel(Path("models/shapes/1")).predict("serving_default", {"image_bytes": pictures}, seconds=30)

    Args:
        folder: Its directory, whose name is the version.

    Raises:
        InputError: It is no SavedModel, or cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self.version = folder.resolve().parent.name, int(folder.name)
        self.signatures = served_signatures(read_model(folder))
        with tf.Graph().as_default() as graph:
            self.session = tf.compat.v1.Session(graph=graph)
            try:
                tf.compat.v1.saved_model.load(self.session, [SERVE], str(folder))
            except (tf.errors.OpError, ValueError, OSError) as error:
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise InputError(f"{folder} cannot be loaded ({first}); export the preset again.") from error

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray], *, seconds: float) -> dict[str, np.ndarray]:
        """The outputs of a signature.

        Args:
            signature: Its name.
            inputs: Arrays by name, strings as bytes.
            seconds: How long it may take.

        Raises:
            Refused: TensorFlow does.
        """
        asked = self.signatures[signature]
        feeds = {asked.inputs[name].tensor: value for name, value in inputs.items()}
        fetches = {name: tensor.tensor for name, tensor in asked.outputs.items()}
        limit = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(1000 * seconds)))
        try:
            return self.session.run(fetches, feeds, options=limit)
        except tf.errors.OpError as error:
            status = next((number for kind, number in STATUS.items() if isinstance(error, kind)), 500)
            raise Refused(status, str(error.message).splitlines()[0]) from error

    def close(self) -> None:
        """Frees what it holds."""
        self.session.close()


def load_models(models: Path) -> dict[str, ServedModel]:
    """The newest version of each model in a directory, or of the one model whose directory it is.

    Raises:
        InputError: There is none.
    """
    folders = [models] if newest(models) else sorted(folder for folder in models.glob("*") if newest(folder))
    if not folders:
        raise InputError(
            f"Expected a directory of models that mmtoolkit export wrote, NAME/VERSION. Received: {models}, which has "
            "none; export a preset first."
        )
    found = [ServedModel(newest(folder) or folder) for folder in folders]
    return {model.name: model for model in found}


def newest(folder: Path) -> Path | None:
    """The newest version in a model's directory."""
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir()] if folder.is_dir() else []
    return max(versions, key=lambda path: int(path.name), default=None)
