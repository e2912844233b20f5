"""Loads exported models into a session of this process, as TensorFlow Serving does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # its operations, which the stock server has

from mmtoolkit.errors import InputError
from mmtoolkit.serving.rest import Refused
from mmtoolkit.serving.savedmodel import SERVE, read_model, served_signatures, versions_in

STATUS = {  # HTTP status by error code, as of TensorFlow Serving; others are 500
    tf.errors.CANCELLED: 499,
    tf.errors.INVALID_ARGUMENT: 400,
    tf.errors.DEADLINE_EXCEEDED: 504,
    tf.errors.NOT_FOUND: 404,
    tf.errors.ALREADY_EXISTS: 409,
    tf.errors.PERMISSION_DENIED: 403,
    tf.errors.RESOURCE_EXHAUSTED: 429,
    tf.errors.FAILED_PRECONDITION: 400,
    tf.errors.ABORTED: 409,
    tf.errors.OUT_OF_RANGE: 400,
    tf.errors.UNIMPLEMENTED: 501,
    tf.errors.UNAVAILABLE: 503,
}
NO_REASON = "Graph execution error:"  # the first line of many messages


class ServedModel:
    """One version of an exported model, loaded.

    Example:
        >>> ServedModel(Path("models/shapes/1")).predict("serving_default", {"image_bytes": pictures}, seconds=30)

    Args:
        folder: Directory of the SavedModel, whose name is the version.

    Raises:
        InputError: There is no SavedModel, or it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self.version = folder.resolve().parent.name, int(folder.name)
        self.signatures = served_signatures(read_model(folder))
        with tf.Graph().as_default() as graph:
            self.session = tf.compat.v1.Session(graph=graph)
            try:
                tf.compat.v1.saved_model.load(self.session, [SERVE], str(folder))
            except (tf.errors.OpError, ValueError, OSError) as error:
                raise InputError(f"{folder} cannot be loaded ({reason(error)}); export the preset again.") from error

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray], *, seconds: float) -> dict[str, np.ndarray]:
        """Computes the outputs of a signature by name within a time limit; strings are bytes, in and out.

        Raises:
            Refused: TensorFlow raises an error, e.g. because of a wrong shape.
        """
        served = self.signatures[signature]
        feeds = {served.inputs[name].tensor: value for name, value in inputs.items()}
        fetches = {name: tensor.tensor for name, tensor in served.outputs.items()}
        limit = tf.compat.v1.RunOptions(timeout_in_ms=max(1, round(1000 * seconds)))
        try:
            return self.session.run(fetches, feeds, options=limit)
        except tf.errors.OpError as error:
            raise Refused(STATUS.get(error.error_code, 500), reason(error)) from error

    def close(self) -> None:
        """Closes the session and frees its memory."""
        self.session.close()


def load_models(models: Path) -> dict[str, ServedModel]:
    """Loads the newest version of each model in a directory, or of the one model whose directory it is.

    Raises:
        InputError: The directory has no models.
    """
    folders = [models] if versions_in(models) else sorted(filter(versions_in, models.glob("*")))
    if not folders:
        raise InputError(
            f"Expected a directory of models that mmtoolkit export wrote, NAME/VERSION. Received: {models}, which has "
            "none; export a preset first."
        )
    newest = [ServedModel(versions_in(folder)[-1]) for folder in folders]
    return {model.name: model for model in newest}


def reason(error: Exception) -> str:
    """Extracts the line of an error's message that names the cause."""
    lines = [line.strip() for line in str(getattr(error, "message", error)).splitlines()]
    return next((line for line in lines if line and line != NO_REASON), type(error).__name__)
