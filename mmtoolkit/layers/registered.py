"""Puts layers of your own into configurations by the names that their classes are registered under with Keras.

A preset is data: it names a class and its arguments, and never the module that has it. Whoever loads the preset imports
that module first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mmtoolkit.errors import InputError, did_you_mean, shortened

OURS = "mmtoolkit>"  # how names of this package start, whose layers are options and not your own
PLAIN = (str, int, float, bool, type(None))
LARGEST = 65_536  # of an argument in a preset, where it is no seed: layers take memory before they are compared
DEEPEST = 4  # lists within lists of an argument
DTYPES = ("float32", "mixed_bfloat16", "float16", "mixed_float16", "bfloat16", "float64")


def registered_name(kind: type, noun: str) -> str:
    """Returns the name that a class is registered under, e.g. `"mine>Patches"`.

    Raises:
        InputError: It is not registered.
    """
    name = str(keras.saving.get_registered_name(kind))
    if ">" not in name:
        raise InputError(
            f"Expected {noun} of a registered class, which can be saved by its name. Received: {kind.__name__}; put "
            "@keras.saving.register_keras_serializable(package='mine') before the class."
        )
    return name


def registered_class(name: Any, noun: str, base: type = keras.layers.Layer) -> Any:
    """Returns the class that is registered under a name.

    Raises:
        InputError: There is none, or it is another kind of class.
    """
    found = keras.saving.get_registered_object(name) if isinstance(name, str) and ">" in name else None
    if not (isinstance(found, type) and issubclass(found, base)):
        near = did_you_mean(str(name), list(keras.saving.get_custom_objects()))
        raise InputError(
            f"Expected {noun} of a registered {base.__name__} class. Received: {shortened(name)}, which is not "
            f"registered here; import the module that has it first.{near}"
        )
    return found


def layer_config(layer: Any) -> dict[str, Any]:
    """Returns the class and the arguments of a layer as JSON.

    Where the class is not registered, or its arguments are more than numbers, texts and lists, it is Keras' own form,
    which a `.keras` file has and a preset has not.
    """
    name = str(keras.saving.get_registered_name(type(layer)))
    if ">" in name:
        own = {key: value for key, value in layer.get_config().items() if key != "dtype"}
        if is_data(own) and not name.startswith(OURS):
            return {"class": name, "config": own}
    return dict(keras.saving.serialize_keras_object(layer))


def is_kept_apart(config: Any) -> bool:
    """Checks whether an argument of a model is a layer in Keras' own form, which a preset has not."""
    return isinstance(config, Mapping) and "class_name" in config


def preset_form(config: Any) -> Any:
    """Returns a `layer_config` as presets have it: of a layer in Keras' own form only the name of its class."""
    if not isinstance(config, Mapping):
        return config
    if "class_name" in config:
        return {"class": str(config.get("registered_name") or config["class_name"]), "config": None}
    if "config" not in config:
        return config
    # Whether a training froze the layer for a while says nothing of the next one.
    return {**config, "config": {key: value for key, value in config["config"].items() if key != "trainable"}}


def layer_from(config: Mapping[str, Any], noun: str) -> Any:
    """Makes the layer of a `layer_config`.

    Raises:
        InputError: Its class is not registered, its arguments are not in the configuration, or do not fit.
    """
    if "class_name" in config:
        try:
            return keras.saving.deserialize_keras_object(dict(config))
        except (TypeError, ValueError) as error:  # Keras cannot find the class, or refuses one that holds code
            raise InputError(
                f"Expected an {noun} of registered classes, which are saved by their names, without Lambda. Received: "
                f"{config['class_name']}; put @keras.saving.register_keras_serializable(package='mine') before each "
                "class of your own."
            ) from error
    name, own = config.get("class"), config.get("config")
    if own is None:
        raise InputError(
            f"This preset has the weights of its {noun}, {shortened(name)}, but not its arguments, for its class is "
            f"not registered or takes more than numbers, texts and lists; make the layer as before training, and load "
            f"the preset with {noun}=…."
        )
    kind = registered_class(name, f"an {noun}")
    if str(name).startswith(OURS) or not isinstance(own, Mapping) or not is_data(own):
        raise InputError(
            f"Expected a class of your own, with numbers up to {LARGEST:,}, texts and lists as arguments. Received: "
            f"{shortened(name)} with {shortened(own)}."
        )
    try:
        return kind.from_config(dict(own))
    except (TypeError, ValueError, KeyError) as error:
        raise InputError(f"The class {name} does not take the arguments of this {noun} ({error}).") from error


def is_data(config: Any) -> bool:
    """Checks that arguments are small numbers, texts, and lists and dictionaries of these that describe no object."""

    def holds(key: str, value: Any, depth: int) -> bool:
        if isinstance(value, Mapping):
            entries = [(str(name), each) for name, each in value.items()]
            return depth < DEEPEST and "class_name" not in value and all(holds(*entry, depth + 1) for entry in entries)
        if isinstance(value, (list, tuple)):
            return depth < DEEPEST and all(holds(key, each, depth + 1) for each in value)
        if isinstance(value, (int, float)) and "seed" not in key:
            return abs(value) <= LARGEST
        return isinstance(value, PLAIN)

    return isinstance(config, Mapping) and config.get("dtype") in (None, *DTYPES) and holds("", config, 0)
