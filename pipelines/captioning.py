"""What the captioning jobs share: the search that was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.ranges import spelt


def search(
    captioner: mm.Captioner,
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
) -> mm.BeamSearch | mm.Sample:
    """The preset's own search with the options that were given; those of sampling make it a draw.

    Raises:
        mm.InputError: Options of both kinds are given, one is out of its range, or one that would do nothing.
    """
    beams = given(beam=beam, length_penalty=length_penalty, groups=groups, diversity=diversity)
    draws = given(temperature=temperature, top_k=top_k, top_p=top_p)
    if draws and beams:
        raise mm.InputError(
            f"{options(draws)} draws words, {options(beams)} searches for them. Received: both; leave one out."
        )
    default = captioner.decoding
    if draws or (isinstance(default, mm.Sample) and not beams):
        import keras

        drawn = default if isinstance(default, mm.Sample) else mm.Sample()
        return dataclasses.replace(drawn, **draws, n_best=n_best, seed=keras.random.SeedGenerator(seed or 0))
    if seed is not None:
        raise mm.InputError(f"--seed is for draws. Received: --seed {seed}; add --temperature, --top-k or --top-p.")
    base = default if isinstance(default, mm.BeamSearch) else mm.BeamSearch(width=1)
    per_group = groups or base.groups
    if diversity is not None and per_group == 1:
        raise mm.InputError(f"--diversity keeps groups apart. Received: --diversity {diversity}; add --groups.")
    wide_enough = -(-max(base.width, n_best) // per_group) * per_group  # and the same for every group
    width = wide_enough if beam is None else beam
    changes = {name: value for name, value in beams.items() if name != "beam"}
    return dataclasses.replace(base, **changes, width=width, n_best=n_best)


def given(**values: Any) -> dict[str, Any]:
    """The options that are not left out."""
    return {name: value for name, value in values.items() if value is not None}


def options(names: Iterable[str]) -> str:
    """Options as a person types them.

    Example:
        >>> options(["beam", "length_penalty"])
        '--beam with --length-penalty'
    """
    return " with ".join(spelt(name) for name in names)
