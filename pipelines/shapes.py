"""Prints the shape of each quantity of a recurrent network, from tokens to loss."""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass

from mmtoolkit.cli.command import aligned, run
from mmtoolkit.cli.model_options import CellName
from mmtoolkit.cli.options import Printing
from mmtoolkit.cli.ranges import Count
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Printing):
    """The options of `mmtoolkit shapes`.

    Args:
        sequences: N, sequences side by side.
        time: T, steps of each sequence.
        vocabulary: V, different tokens.
        embedding_dim: D, width of a token's vector.
        units: H, width of the state.
        cell: Recurrent cell: a gate more, an H more.
    """

    sequences: Count = 5
    time: Count = 4
    vocabulary: Count = 10
    embedding_dim: Count = 3
    units: Count = 6
    cell: CellName = "rnn"


def main(options: Options) -> int:
    """Prints the shape of each quantity of a recurrent network, from tokens to loss.

    The network is computed on random tokens, and the shapes are those of its arrays.
    """
    start_tensorflow()
    from mmtoolkit.experiments.shape_walk import shape_walk

    walk = shape_walk(
        sequences=options.sequences,
        time=options.time,
        vocabulary=options.vocabulary,
        features=options.embedding_dim,
        units=options.units,
        cell=options.cell,
    )
    rows = [
        [each.symbol, each.meaning, " x ".join(each.letters) or "one", " x ".join(map(str, each.shape)) or "1"]
        for each in walk
    ]
    print(
        json_format.dumps({"quantities": [each._asdict() for each in walk]}, indent=1)
        if options.json
        else "\n".join(aligned(rows))
    )
    return 0


if __name__ == "__main__":
    run(main)
