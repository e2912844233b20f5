"""A trained model as one SavedModel directory that TF Serving serves as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from mmtoolkit.models import Captioner, VisualQA
from mmtoolkit.serving.signatures import Signature
from mmtoolkit.vision import VGG19Regions, load_extractor

PRECISIONS = ("float32", "bfloat16")


def at_precision(model: Any, precision: str) -> Any:
    """A copy of a model that computes in float32, and sees through VGG19 at the given precision.

    What writes stays in float32: it is small beside VGG19, and its sums of logarithms need the digits.
    """
    copy = model.bare("float32")
    copy.card, copy.extractor = model.card, model.extractor and replace(model.extractor, precision=precision)
    return copy


def served_extractor(model: Captioner | VisualQA) -> VGG19Regions | None:
    """What makes regions in the graph, its weights stored as it computes; nothing where the model does that itself."""
    if model.extractor is None or model.encoder_name == "small" or getattr(model, "question_only", False):
        return None
    loaded = load_extractor(model.extractor)
    if model.extractor.precision == "float32":
        return loaded
    half = VGG19Regions(layer=model.extractor.layer, dtype="bfloat16", trainable=False)
    half.network.set_weights(loaded.network.get_weights())
    return half


def write_model(folder: Path, model: Captioner | VisualQA, signatures: Mapping[str, Signature]) -> None:
    """Writes the SavedModel of some signatures, every weight once.

    Keras' own tracking is left out: with it a weight is stored twice, and what holds a Keras model reloads in Python and
    fails in the server. Only the lookup tables must be tracked.

    Args:
        folder: The directory of one version.
        model: Whose codecs the signatures use.
        signatures: By name.
    """
    archive = keras.export.ExportArchive()
    for name in model.codec_names:
        archive.track(getattr(model, model.codec_attribute(name)).tables)
    for name, signature in signatures.items():
        archive.add_endpoint(name, signature.function, input_signature=list(signature.inputs))
    archive.write_out(str(folder), verbose=False, options=tf.saved_model.SaveOptions(experimental_custom_gradients=False))
