"""Loads a preset of any class, with the weights that its encoder needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from mmtoolkit.errors import InputError
from mmtoolkit.hub import is_address
from mmtoolkit.models.model import Model, on_this_machine
from mmtoolkit.presets import read_preset
from mmtoolkit.vision import ExtractorKey, block_weights, extractor_key, has_weights


def load(name: str | Path, *, encoder_weights: str | None = None, warn: Callable[[str], Any] = warnings.warn) -> Any:
    """Loads a preset, or a model that Keras saved, as the class that it names.

    Example:
        >>> load("shapes_demo").generate("a.jpg")
        'a purple triangle is to the left of a red square'

    Args:
        name: The name of a shipped preset, the path of one, or of a `.keras` file.
        encoder_weights: `"imagenet"`, a file, or `"random"`; by default the weights that the preset was trained with
            or, where the cache lacks them, the published ones.
        warn: Called with a warning if other weights than the preset's own are used.

    Raises:
        InputError: The preset cannot be loaded, weights are given for one that has them all, or there are none and they
            cannot be downloaded.
    """
    if Path(name).suffix == ".keras" and not is_address(str(name)):
        return keras.models.load_model(name)
    preset = read_preset(name)
    Model.class_of(preset)  # checks its config
    stored = preset.config["model"]
    extractor = on_this_machine(stored).get("extractor")
    if extractor is None and encoder_weights is not None and not stored.get("question_only"):
        raise InputError(
            f"--encoder-weights is for presets on the regions of a known network. Received: {name}, which is none; "
            "leave the option out."
        )
    if extractor is None or stored.get("question_only"):
        return Model.from_preset(preset)
    own = ExtractorKey(**extractor)
    if encoder_weights is None and has_weights(own):
        return Model.from_preset(preset)
    return Model.from_preset(preset, extractor=other_extractor(own, encoder_weights, warn))


def start_at_weights(model: Any) -> Any:
    """Builds a new model; a trainable last block starts at the weights of the model's extractor."""
    model.build(model.input_shapes())
    if model.extractor and model.encoder:
        model.encoder.start(block_weights(model.extractor))
    return model


def other_extractor(own: ExtractorKey, encoder_weights: str | None, warn: Callable[[str], Any]) -> ExtractorKey:
    """Makes the key of other weights of an encoder in place of a preset's own."""
    try:
        key = extractor_key(encoder_weights or "imagenet", network=own.network, precision=own.precision)
    except InputError as error:
        raise InputError(f"{error} This preset's own file has the SHA-256 {own.weights[:16]}….") from error
    if key.weights != own.weights:
        taken = encoder_weights or "the published file, which stands in,"
        warn(f"{taken} is not the weights file of this preset's encoder; its outputs may differ")
    return key
