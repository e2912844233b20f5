"""Compares recurrent cells, each with the same budget, and recommends one."""

from __future__ import annotations

import contextlib
import json as json_format
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit import tasks
from mmtoolkit.cli.command import check_target, run, tell
from mmtoolkit.cli.model_options import Compared
from mmtoolkit.cli.options import Printing, Replacing, Seeded
from mmtoolkit.cli.ranges import Count, Positive, Probability
from mmtoolkit.errors import did_you_mean
from mmtoolkit.files import write_json
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.experiments.cell_comparison import Criterion, Result

TOYS = ("adding", "copy")
ENDLESS = "1000000"  # epochs and patience: the budget ends a training
HEAD = ("cell", "trained on", "interval", "seconds", "epochs", "parameters")


@dataclass(frozen=True, kw_only=True)
class Options(Compared, Printing, Replacing, Seeded):
    """The options of `mmtoolkit cells`.

    Args:
        task: adding, the sum of two marked values among many; copy, ten symbols repeated after many blanks; or a job
            that trains a model on --data, e.g. char-lm. Several are compared one after the other.
        data: The data set of a job.
        settings: Further options of a job, in a file as its --config takes it.
        sizes: Numbers of training sequences of adding and copy.
        shares: Shares of the training split of --data.
        budget: Seconds of each training.
        runs: Folder in which the runs of a job are kept, with their reports and presets.
        out: JSON file for the results.
    """

    task: tuple[str, ...] = ("adding",)
    data: Path | None = None
    settings: Path | None = None
    length: Count = 200
    sizes: tuple[Count, ...] = (1000, 10_000)
    shares: tuple[Probability, ...] = (0.1, 1.0)
    budget: Positive = 60.0
    runs: Path | None = None
    out: Path | None = None

    def check(self) -> None:
        """Checks that tasks exist, that a job has its data, and that each half of a sequence can hold a value."""
        super().check()
        known = (*TOYS, *(task.command for task in tasks.TASKS))
        if unknown := [task for task in self.task if task not in known]:
            near = did_you_mean(unknown[0], known)
            raise mm.InputError(f"--task expects some of {', '.join(known)}. Received: {unknown[0]!r}.{near}")
        if self.length < 2:
            raise mm.InputError(f"--length expects 2 or more. Received: {self.length}.")
        jobs = [task for task in self.task if task not in TOYS]
        if len(jobs) > 1 or bool(jobs) != (self.data is not None):
            received = f"--task {' '.join(self.task)} {'without' if self.data is None else 'with'} --data"
            raise mm.InputError(f"--task expects at most one job, which trains on --data. Received: {received}.")


def main(options: Options) -> int:
    """Compares recurrent cells, each with the same budget, and recommends one.

    Prints a line of a table for each training, and for each amount of training data the recommendation that follows
    from the intervals: the smallest cell of those that none is surely better than. A job trains with its own options,
    at a learning rate that does not decay, and is scored on its validation split.
    """
    check_target("--out", options.out, ending=".json", overwrite=options.overwrite)
    start_tensorflow()
    found = [compared(task, options) for task in options.task]
    if options.out:
        write_json(options.out, found)
        tell(f"results: {options.out}")
    if options.json:
        print(json_format.dumps(found, indent=1))
    return 0


def compared(task: str, options: Options) -> dict[str, Any]:
    """Compares the cells on one task, printing its table as it grows; returns the figures."""
    from mmtoolkit.experiments.cell_comparison import CRITERIA, compare_cells, recommendation

    criterion: Criterion
    results: Iterable[Result]
    same: Any = {"length": options.length, "sizes": options.sizes, "units": options.units, "seed": options.seed}
    if task in TOYS:
        criterion, results = CRITERIA[task], compare_cells(task, options.cells, seconds=options.budget, **same)
    else:
        criterion, results = criterion_of(task), trained(task, options)
    say = tell if options.json else print
    say("\t".join([HEAD[0], HEAD[1], criterion.score, *HEAD[2:]]))
    every: dict[str, list[Result]] = {}
    for each in results:
        every.setdefault(each.trained_on, []).append(each)
        low, high = each.interval
        cut = [each.cell, each.trained_on, f"{each.score:.4g}", f"{low:.4g} to {high:.4g}"]
        say("\t".join([*cut, f"{each.seconds:.0f}", f"{each.epochs:.3g}", f"{each.parameters}"]))
    advice = [recommendation(criterion, some) for some in every.values()]
    say("\n".join(advice))
    about = {"task": task, "seed": options.seed, **criterion._asdict()}
    of_data = {"data": str(options.data)} if task not in TOYS else {"length": options.length}
    rows = [each._asdict() for some in every.values() for each in some]
    return {**about, **of_data, "results": rows, "recommendations": advice}


def criterion_of(job: str) -> Criterion:
    """Returns the score that decides in a job."""
    from mmtoolkit.experiments.cell_comparison import Criterion

    (metric,) = (task.metric for task in tasks.TASKS if task.command == job)
    return Criterion(metric.names[0], metric.better(metric.names[0]))


def result_of(report: dict[str, Any], cell: str, share: float, parameters: int) -> Result:
    """Reads what a cell has reached out of the report of its training."""
    from mmtoolkit.experiments.cell_comparison import Result

    score = next(iter(report["scores"]))
    epochs = len(report["history"]["loss"])
    low, high = report["intervals"][score]
    trained_on = f"{100 * share:g} % of the training split"
    return Result(
        cell, trained_on, report["scores"][score], (low, high), report["seconds"]["total"], epochs, parameters
    )


def trained(job: str, options: Options) -> Iterator[Result]:
    """Trains a job with each cell on each share of the data, and yields what it has reached.

    Raises:
        InputError: A training has ended with an error.
    """
    from mmtoolkit.pipelines.__main__ import start

    fixed: dict[str, Any] = {
        "data": options.data,
        "units": options.units,
        "seed": options.seed,
        "max-minutes": options.budget / 60,
    }
    fixed |= {"epochs": ENDLESS, "patience": ENDLESS} | ({"config": options.settings} if options.settings else {})
    with contextlib.ExitStack() as stack:
        folder = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for share in options.shares:
            for cell in options.cells:
                out = folder / f"{cell}-{100 * share:g}"
                own = {"out": out, "cell": cell} | ({"train-share": share} if share < 1 else {})
                words = [f"--{name}={value}" for name, value in {**fixed, **own}.items()]
                with contextlib.redirect_stdout(sys.stderr):
                    code = start(job, [*words, *["--overwrite"] * options.overwrite])
                if code:
                    raise mm.InputError(f"mmtoolkit {job} expects what trains. Received: an error with --cell {cell}.")
                report = json_format.loads((out / "report.json").read_text(encoding="utf-8"))
                yield result_of(report, cell, share, mm.load(out / "preset").count_params())


if __name__ == "__main__":
    run(main)
