"""Reads from the card of an exported model what it is and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmtoolkit.files import parse_json, read_whole
from mmtoolkit.serving.savedmodel import EXTRA

MOST_BYTES = 2**20  # of a card
TEXTS = ("data", "limits", "licence")  # what a person wrote of the model
LONGEST = 600  # letters of one text
LONGEST_NAME = 40  # characters of a score's name
MOST_SCORES = 12


def read_card(folder: Path) -> dict[str, Any]:
    """Reads what a person may want to know of an exported model: texts, and its scores.

    Args:
        folder: Directory of the SavedModel.

    Returns:
        Some of `data`, `limits`, `licence`, each a text, and `scores` by name; none where there is no card.
    """
    try:
        card = parse_json(read_whole(folder / EXTRA / "card.json", most=MOST_BYTES).decode())
    except (OSError, ValueError):
        return {}
    preset = card.get("preset") if isinstance(card, Mapping) else None
    return shown(preset) if isinstance(preset, Mapping) else {}


def shown(preset: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the texts and scores of a preset's card that are what they should be.

    Example:
        >>> shown({"limits": "Knows four shapes.", "data": 7, "valid_scores": {"BLEU-4": 81.5, "x": "y"}})
        {'limits': 'Knows four shapes.', 'scores': {'BLEU-4': 81.5}}
    """
    found: dict[str, Any] = {}
    for name in TEXTS:
        if isinstance(preset.get(name), str) and preset[name]:
            found[name] = preset[name][:LONGEST]
    given = preset.get("test_scores") or preset.get("valid_scores")
    scores = list(given.items()) if isinstance(given, Mapping) else []
    numbers = {
        name: value for name, value in scores[:MOST_SCORES] if type(value) in (int, float) and len(name) <= LONGEST_NAME
    }
    return found | ({"scores": numbers} if numbers else {})
