"""Further models of a preset, each a preset in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Companions:
    """Holds further models of a preset by name; those on disk are loaded when first used.

    It is no dictionary, whose models Keras would track as layers of the model that has them.

    Example:
        >>> Companions({"question_only": model}).model("question_only", mm.VisualQA) is model
        True

    Args:
        entries: Models, or the folders of their presets.
    """

    def __init__(self, entries: Mapping[str, Any] | None = None) -> None:
        self.entries: dict[str, Any] = dict(entries or {})

    def model(self, name: str, kind: Any) -> Any:
        """Returns the model of that name and class, or `None`.

        Raises:
            InputError: It is of another class, or cannot be loaded.
        """
        if isinstance(entry := self.entries.get(name), Path):
            self.entries[name] = kind.from_preset(entry)
        return self.entries.get(name)
