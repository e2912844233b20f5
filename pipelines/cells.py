"""Compares recurrent cells on a task of memory, each with the same budget, and recommends one."""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, tell
from mmtoolkit.cli.model_options import Compared
from mmtoolkit.cli.options import Printing, Replacing, Seeded
from mmtoolkit.cli.ranges import Count, Positive
from mmtoolkit.files import write_json
from mmtoolkit.startup import start_tensorflow


@dataclass(frozen=True, kw_only=True)
class Options(Compared, Printing, Replacing, Seeded):
    """The options of `mmtoolkit cells`.

    Args:
        task: adding, the sum of two marked values among many; or copy, ten symbols repeated after many blanks.
        sizes: Numbers of training sequences.
        budget: Seconds of each training.
        out: JSON file for the results.
    """

    task: Literal["adding", "copy"] = "adding"
    length: Count = 200
    sizes: tuple[Count, ...] = (1000, 10_000)
    budget: Positive = 60.0
    out: Path | None = None

    def check(self) -> None:
        """Checks that there is a half of each sequence for either of the two values."""
        super().check()
        if self.length < 2:
            raise mm.InputError(f"--length expects 2 or more. Received: {self.length}.")


def main(options: Options) -> int:
    """Compares recurrent cells on a task of memory, each with the same budget, and recommends one.

    Prints a line of a table for each training, and for each number of sequences the recommendation that follows from
    the intervals: the smallest cell of those that none is surely better than.
    """
    check_target("--out", options.out, ending=".json", overwrite=options.overwrite)
    start_tensorflow()
    from mmtoolkit.experiments.cell_comparison import CHANCE, SCORES, Result, compare_cells, recommendation

    same = {"length": options.length, "sizes": options.sizes, "seconds": options.budget, "units": options.units}
    results: list[Result] = []
    if not options.json:
        print("\t".join(["cell", "sequences", SCORES[options.task], "interval", "seconds", "steps", "parameters"]))
    for each in compare_cells(options.task, options.cells, **same, seed=options.seed):  # type: ignore[arg-type]
        results.append(each)
        low, high = each.interval
        if not options.json:
            row = [each.cell, f"{each.size}", f"{each.score:.4g}", f"{low:.4g} to {high:.4g}", f"{each.seconds:.0f}"]
            print("\t".join([*row, f"{each.steps}", f"{each.parameters}"]), flush=True)
    advice = [recommendation(options.task, [each for each in results if each.size == size]) for size in options.sizes]
    found = {
        "task": options.task,
        "length": options.length,
        "score": SCORES[options.task],
        "chance": CHANCE[options.task],
        "results": [each._asdict() for each in results],
        "recommendations": advice,
    }
    if options.out:
        write_json(options.out, found)
        tell(f"results: {options.out}")
    print(json_format.dumps(found, indent=1) if options.json else "\n".join(advice))
    return 0


if __name__ == "__main__":
    run(main)
