"""Searches over `step`: each owns its loop and knows nothing of the model behind it.

A search is called with `step(tokens, state) -> (logits, state)` and the first state, whose every leaf has one row per
picture. It reorders whatever nested state it is given with one gather and never looks inside.
"""

from __future__ import annotations

from mmtoolkit.decoding.beam import BeamSearch
from mmtoolkit.decoding.sampling import Greedy, Sample, draw
from mmtoolkit.decoding.tokens import IMPOSSIBLE

Search = Greedy | BeamSearch | Sample
SEARCHES: dict[str, type[Search]] = {"Greedy": Greedy, "BeamSearch": BeamSearch, "Sample": Sample}

__all__ = ["IMPOSSIBLE", "SEARCHES", "BeamSearch", "Greedy", "Sample", "Search", "draw"]
