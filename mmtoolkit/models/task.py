"""What every model of the project shares: presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import keras

from mmtoolkit.decoding import SEARCHES, Search
from mmtoolkit.errors import InputError
from mmtoolkit.presets import read_preset, write_preset
from mmtoolkit.text import TextCodec


class Task(keras.Model):
    """A Keras model with codecs and a default decoding, that can be saved as a preset.

    Args:
        decoding: The search that `generate`, evaluation and export use unless told otherwise.
        max_length: Longest sentence, END included.
        card: Where a loaded preset came from; empty for a new model.
    """

    codec_names: ClassVar[tuple[str, ...]] = ("words",)
    decoding: Search
    max_length: int
    card: Mapping[str, Any]

    def save_preset(self, folder: str | Path, *, card: Mapping[str, Any] | None = None) -> None:
        """Writes the preset directory; an existing one is replaced in one move."""
        config = self.get_config()
        codecs: dict[str, TextCodec] = {name: getattr(self, self.codec_attribute(name)) for name in self.codec_names}
        arguments = {
            key: value for key, value in config.items() if key not in map(self.codec_attribute, self.codec_names)
        }
        write_preset(
            Path(folder),
            config={"format": 1, "class": type(self).__name__, "model": arguments},
            codecs=codecs,
            card=self.card if card is None else card,
            save_weights=self.save_weights,
        )

    @staticmethod
    def codec_attribute(name: str) -> str:
        """The attribute and constructor argument that holds the codec called `name`."""
        return "codec" if name == "words" else f"{name}_codec"

    @classmethod
    def from_preset(cls, name: str | Path) -> Self:
        """Loads a preset by path or by the name of a shipped one.

        Example:
            >>> captioner = Captioner.from_preset("shapes_demo")

        Raises:
            InputError: It is unknown, lacks a file, or is the preset of another class.
        """
        preset = read_preset(name)
        if preset.config.get("class") != cls.__name__:
            raise InputError(
                f"Expected the preset of a {cls.__name__}. Received: {preset.folder}, "
                f"the preset of a {preset.config.get('class')}."
            )
        codecs = {cls.codec_attribute(key): codec for key, codec in preset.codecs.items()}
        model = cls.from_config({**preset.config["model"], **codecs})
        model.build(model.input_shapes())
        try:
            model.load_weights(str(preset.weights))
        except (ValueError, OSError, KeyError) as error:
            why = str(error).splitlines()[0]
            raise InputError(f"{preset.weights} does not fit config.json ({why}); copy the preset again.") from error
        model.card = preset.card
        return model

    def input_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """The shapes of the inputs, for building without data."""
        raise NotImplementedError


def search_config(search: Search) -> dict[str, Any]:
    """A search as JSON: its name and its options."""
    return {"name": type(search).__name__, **asdict(search)}


def search_from_config(config: Mapping[str, Any] | Search) -> Search:
    """The search that `search_config` described.

    Raises:
        InputError: There is no search of that name.
    """
    if not isinstance(config, Mapping):
        return config
    options = dict(config)
    name = options.pop("name", None)
    if name not in SEARCHES:
        raise InputError(f"A decoding is one of {', '.join(SEARCHES)}. Received: {name!r}.")
    return SEARCHES[name](**options)
