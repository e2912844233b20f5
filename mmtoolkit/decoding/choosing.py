"""Chooses a search by the options of a command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import keras

from mmtoolkit.decoding.beam import RERANKS, BeamSearch
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
    rerank: str | None = None,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> BeamSearch | Sample:
    """Replaces the options that are given in a model's default search; those of sampling make it a `Sample`.

    Example:
        >>> choose_search(BeamSearch(width=5), beam=3).width
        3

    Args:
        default: The model's own search.
        n_best: Number of sentences of each row.
        beam: Width of the beam; by default wide enough for `n_best`.
        length_penalty: As in `BeamSearch`, like `groups` and `diversity`.
        groups: Number of parts of the beam.
        diversity: Penalty that keeps them apart.
        rerank: Measure of agreement by which the sentences of the beam are ordered.
        temperature: As in `Sample`, like `top_k` and `top_p`.
        top_k: Number of likeliest tokens to sample from.
        top_p: Probability of the likeliest tokens to sample from.
        seed: Seed of the samples.

    Raises:
        InputError: Options of both kinds are given, one is out of its range, or one would do nothing.
    """
    if rerank not in (None, *RERANKS):
        raise InputError(f"--rerank expects {', '.join(RERANKS)}. Received: {rerank!r}.")
    beams = given(beam=beam, length_penalty=length_penalty, groups=groups, diversity=diversity, rerank=rerank)
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
    width = beams.pop("beam", wide_enough)
    if width == 1 and beams.setdefault("rerank", "none") != "none":  # that of the model is left out
        raise InputError(f"--rerank {rerank} compares the sentences of a beam. Received: a beam of 1; add --beam 10.")
    return replace(base, **beams, width=width, n_best=n_best)


def given(**options: Any) -> dict[str, Any]:
    """Returns the options that are not `None`."""
    return {name: value for name, value in options.items() if value is not None}


def spelt(names: Iterable[str]) -> str:
    """Spells options as on the command line: `--beam with --length-penalty`."""
    return " with ".join(f"--{name.replace('_', '-')}" for name in names)
