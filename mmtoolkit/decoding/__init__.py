"""Searches over `step`: each owns its loop and works with any model.

A search is called with `step(tokens, state) -> (logits, state)` and the first state, a nest of tensors with one row per
picture. It reorders the rows of all of them alike.
"""

from __future__ import annotations

from dataclasses import replace

from mmtoolkit.decoding.beam import BeamSearch
from mmtoolkit.decoding.choosing import choose_search
from mmtoolkit.decoding.sampling import Greedy, Sample, draw
from mmtoolkit.decoding.tokens import IMPOSSIBLE

Search = Greedy | BeamSearch | Sample
SEARCHES: dict[str, type[Search]] = {"Greedy": Greedy, "BeamSearch": BeamSearch, "Sample": Sample}


def best_of(decoding: Search, n_best: int) -> Search:
    """Makes a search return `n_best` sentences; for more than one, a search other than a beam becomes a beam.

    Example:
        >>> best_of(BeamSearch(width=3), 5).width
        5
    """
    if isinstance(decoding, BeamSearch):
        return replace(decoding, n_best=n_best, width=max(decoding.width, n_best))
    return decoding if n_best == 1 else BeamSearch(width=n_best, n_best=n_best, length_penalty=0.0)


__all__ = ["IMPOSSIBLE", "SEARCHES", "BeamSearch", "Greedy", "Sample", "Search", "best_of", "choose_search", "draw"]
