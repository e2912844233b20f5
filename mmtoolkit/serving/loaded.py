"""Loads exported models into a session of this process, as TensorFlow Serving does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # its operations, which the stock server has

from mmtoolkit.errors import InputError
from mmtoolkit.serving.rest import Refused
from mmtoolkit.serving.savedmodel import SERVE, read_model, served_signatures, versions_in
from mmtoolkit.serving.served_card import read_card

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
STABLE = "stable"  # the label of the newest version, unless it is given to another
NO_REASON = "Graph execution error:"  # the first line of many messages


class ServedModel:
    """One version of an exported model, loaded.

    Example:
        Of an exported model:
        >>> served = ServedModel(Path("models/shapes/1"))  # doctest: +SKIP
        >>> pictures = np.array([Path("a.jpg").read_bytes()], object)
        >>> served.predict("serving_default", {"image_bytes": pictures}, seconds=30)["caption"]  # doctest: +SKIP

    Args:
        folder: Directory of the SavedModel, NAME/VERSION; links keep the names that they have there.

    Raises:
        InputError: There is no SavedModel, or it cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self.version = model_name(folder.parent), int(folder.name)
        self.signatures = served_signatures(read_model(folder))
        self.card = read_card(folder)
        with tf.Graph().as_default() as graph:
            self.session = tf.compat.v1.Session(graph=graph)
            try:
                tf.compat.v1.saved_model.load(self.session, [SERVE], str(folder))
                for served in self.signatures.values():
                    for tensor in (*served.inputs.values(), *served.outputs.values()):
                        graph.get_tensor_by_name(tensor.tensor)
            except (tf.errors.OpError, ValueError, KeyError, OSError) as error:
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


@dataclass(frozen=True)
class ServedVersions:
    """The loaded versions of a model.

    Args:
        models: Versions by number, the newest first.
        labels: Numbers by label.
    """

    models: Mapping[int, ServedModel]
    labels: Mapping[str, int]

    @property
    def newest(self) -> ServedModel:
        """The version of a request that names none."""
        return next(iter(self.models.values()))

    def close(self) -> None:
        """Closes all sessions."""
        for model in self.models.values():
            model.close()


def load_models(
    models: Path, *, versions: int | None = 1, labels: Mapping[str, int] | None = None
) -> dict[str, ServedVersions]:
    """Loads the newest versions of each model in a directory, or of the one model whose directory it is.

    Args:
        models: The directory.
        versions: How many of each model, or `None` for all.
        labels: Versions by label, for each model that has them.

    Raises:
        InputError: The directory has no models, or a labelled version is not among those to load.
    """
    folders = [models] if versions_in(models) else sorted(filter(versions_in, models.glob("*")))
    if not folders:
        raise InputError(
            f"Expected a directory of models that mmtoolkit export wrote, NAME/VERSION. Received: {models}, which has "
            "none; export a preset first."
        )
    chosen = {model_name(folder): versions_in(folder)[::-1][:versions] for folder in folders}
    check_labels(labels or {}, chosen)
    served = {}
    for name, paths in chosen.items():
        loaded = {model.version: model for model in map(ServedModel, paths)}
        named = {STABLE: next(iter(loaded)), **(labels or {})}
        served[name] = ServedVersions(loaded, {label: number for label, number in named.items() if number in loaded})
    return served


def model_name(folder: Path) -> str:
    """Returns the name of a model's directory as it was given: that of a link, not of what it points to."""
    return os.path.basename(os.path.abspath(folder))


def check_labels(labels: Mapping[str, int], chosen: Mapping[str, Sequence[Path]]) -> None:
    """Refuses the label of a version that no model has among the chosen ones."""
    numbers = {int(path.name) for paths in chosen.values() for path in paths}
    for label, number in labels.items():
        if number not in numbers:
            raise InputError(
                f"--labels expects versions that are loaded ({', '.join(map(str, sorted(numbers)))}). "
                f"Received: {label}={number}; load more with --versions."
            )


def reason(error: Exception) -> str:
    """Extracts the line of an error's message that names the cause."""
    lines = [line.strip() for line in str(getattr(error, "message", error)).splitlines()]
    return next((line for line in lines if line and line != NO_REASON), type(error).__name__)
