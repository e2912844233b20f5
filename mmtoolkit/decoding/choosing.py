"""The search that options ask for, based on a model's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import keras

from mmtoolkit.decoding.beam import BeamSearch
from mmtoolkit.decoding.sampling import Greedy, Sample
from mmtoolkit.errors import InputError


def choose_search(
    default: Greedy | BeamSearch | Sample,
    *,
    n_best: int = 1,
    beam: int | None = None,
    length_penalty: float | None = None,
    groups: int | None = None,
    diversity: float | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> BeamSearch | Sample:
    """Returns the default search with the options that are given; those of sampling make it a draw.

    Example:
        >>> choose_search(BeamSearch(width=5), beam=3).width
        3

    Args:
        default: The model's own search.
        n_best: Sentences of each row.
        beam: Width of the beam; by default wide enough for `n_best`.
        length_penalty: As in `BeamSearch`, like `groups` and `diversity`.
        groups: Parts of the beam.
        diversity: What keeps them apart.
        temperature: As in `Sample`, like `top_k` and `top_p`.
        top_k: Tokens among which is drawn.
        top_p: Their probability.
        seed: Start of the random numbers of a draw.

    Raises:
        InputError: Options of both kinds are given, one is out of its range, or one would do nothing.
    """
    beams = given(beam=beam, length_penalty=length_penalty, groups=groups, diversity=diversity)
    draws = given(temperature=temperature, top_k=top_k, top_p=top_p)
    if draws and beams:
        raise InputError(
            f"{spelt(draws)} draws words, {spelt(beams)} searches for them. Received: both; leave one out."
        )
    if draws or (isinstance(default, Sample) and not beams):
        sample = default if isinstance(default, Sample) else Sample()
        return replace(sample, **draws, n_best=n_best, seed=keras.random.SeedGenerator(seed or 0))
    if seed is not None:
        raise InputError(f"--seed is for draws. Received: --seed {seed}; add --temperature, --top-k or --top-p.")
    base = default if isinstance(default, BeamSearch) else BeamSearch(width=1)
    parts = groups or base.groups
    if diversity is not None and parts == 1:
        raise InputError(f"--diversity keeps groups apart. Received: --diversity {diversity}; add --groups.")
    wide_enough = -(-max(base.width, n_best) // parts) * parts  # and the same for every group
    width = wide_enough if beam is None else beam
    changes = {name: value for name, value in beams.items() if name != "beam"}
    return replace(base, **changes, width=width, n_best=n_best)


def given(**options: Any) -> dict[str, Any]:
    """Returns the options that are not left out."""
    return {name: value for name, value in options.items() if value is not None}


def spelt(names: Iterable[str]) -> str:
    """Spells options as a person types them.

    Example:
        >>> spelt(["beam", "length_penalty"])
        '--beam with --length-penalty'
    """
    return " with ".join(f"--{name.replace('_', '-')}" for name in names)
