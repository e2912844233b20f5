"""How good a model is after an epoch of its training: one interface for captions and for answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Judge(NamedTuple):
    """Decodes what a model says about records, and scores it.

    Args:
        run: From a model, records and the source of their pictures to what it says, by id, and the scores.
        scores: The names of the scores; the first one decides unless another is asked for.
    """

    run: Callable[[Any, Any, Any], tuple[Mapping[str, str], Mapping[str, float]]]
    scores: tuple[str, ...]
