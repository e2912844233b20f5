"""Searches over `step`: each owns its loop and works with any model.

A search is called with `step(tokens, state) -> (logits, state)` and the first state, a nest of tensors with one row per
picture. It reorders the rows of all of them alike.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import keras

from mmtoolkit.decoding.beam import BeamSearch
from mmtoolkit.decoding.choosing import choose_search
from mmtoolkit.decoding.sampling import Greedy, Sample, draw
from mmtoolkit.decoding.tokens import IMPOSSIBLE
from mmtoolkit.errors import InputError, shortened

Search = Greedy | BeamSearch | Sample
NAMED: dict[str, Search] = {"greedy": Greedy(), "beam": BeamSearch(), "sample": Sample()}
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


def search_of(decoding: Search | str) -> Search:
    """Returns a search, that of the name `"greedy"`, `"beam"` or `"sample"` where a name is given.

    Example:
        >>> search_of("beam") == BeamSearch()
        True

    Raises:
        InputError: It is no search.
    """
    if isinstance(decoding, Search):
        return decoding
    if isinstance(decoding, str) and decoding in NAMED:
        return NAMED[decoding]
    near = [repr(name) for name in difflib.get_close_matches(f"{decoding}", NAMED, n=1)]
    raise InputError(
        f"Expected a decoding: {', '.join(map(repr, NAMED))}, or a {', '.join(SEARCHES)} with its options. Received: "
        f"{shortened(decoding)}." + "".join(f" Did you mean {name}?" for name in near)
    )


def search_config(search: Search) -> dict[str, Any]:
    """Describes a search as JSON: its name and its options, and a generator of seeds by its first seed."""
    options = {field.name: getattr(search, field.name) for field in fields(search)}
    if isinstance(options.get("seed"), keras.random.SeedGenerator):
        options["seed"] = options["seed"].get_config()["seed"]
    return {"name": type(search).__name__, **options}


def search_from_config(config: Mapping[str, Any] | Search | str) -> Search:
    """Restores the search that `search_config` described."""
    if not isinstance(config, Mapping):
        return search_of(config)
    options = dict(config)
    name = options.pop("name", None)
    if name not in SEARCHES:
        raise InputError(f"A decoding is one of {', '.join(SEARCHES)}. Received: {name!r}.")
    return SEARCHES[name](**options)


__all__ = [
    "IMPOSSIBLE",
    "SEARCHES",
    "BeamSearch",
    "Greedy",
    "Sample",
    "Search",
    "best_of",
    "choose_search",
    "draw",
    "search_config",
    "search_from_config",
    "search_of",
]
