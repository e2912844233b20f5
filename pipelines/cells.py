"""Compares recurrent cells, each with the same budget, and recommends one."""

from __future__ import annotations

import contextlib
import importlib
import json as json_format
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit import tasks
from mmtoolkit.cli.command import call, check_target, run, tell
from mmtoolkit.cli.config import read_config
from mmtoolkit.cli.model_options import Compared
from mmtoolkit.cli.options import Printing, Replacing
from mmtoolkit.cli.ranges import Count, Positive, Probability, Seed
from mmtoolkit.errors import did_you_mean
from mmtoolkit.files import write_json
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Task

if TYPE_CHECKING:
    from mmtoolkit.experiments.cell_comparison import Criterion, Result

TOYS = ("adding", "copy")
HEAD = ("cell", "trained on", "interval", "seconds", "epochs", "parameters")
# Of each training of a job: the budget ends it, so that there is no schedule of the rate and no average over it.
FIXED = {"epochs": 1_000_000, "patience": 1_000_000, "averaging": 0}
SET = ("data", "out", "cell", "units", "seed", "max_minutes", "train_share", *FIXED)


@dataclass(frozen=True, kw_only=True)
class Options(Compared, Printing, Replacing):
    """The options of `mmtoolkit cells`.

    Args:
        task: adding, the sum of two marked values among many; copy, ten symbols repeated after many blanks; or a job
            that trains a model on --data, e.g. char-lm. Several are compared one after the other.
        data: The data set of a job.
        settings: Further options of a job, in a file as its --config takes it.
        sizes: Numbers of training sequences of adding and copy.
        shares: Shares of the training split of --data.
        budget: Seconds of each training.
        seeds: Random seeds; each cell is trained with each.
        runs: Folder in which the runs of a job are kept, with their reports and presets. The same command with it goes
            on where one was interrupted.
        out: JSON file for the results.
    """

    task: tuple[str, ...] = ("adding",)
    data: Path | None = None
    settings: Path | None = None
    length: Count = 200
    sizes: tuple[Count, ...] = (1000, 10_000)
    shares: tuple[Probability, ...] = (0.1, 1.0)
    budget: Positive = 60.0
    seeds: tuple[Seed, ...] = (0,)
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
        if not jobs and (self.settings or self.runs):
            raise mm.InputError("--settings and --runs are for a job. Received: --task without one; leave them out.")
        named = read_config(self.settings, "--settings") if self.settings else {}
        if both := sorted(named.keys() & {*SET}):
            raise mm.InputError(f"{self.settings}: {both[0]} is the same for all cells or set here; leave it out.")


def main(options: Options) -> int:
    """Compares recurrent cells, each with the same budget, and recommends one.

    Prints a line of a table for each cell, and for each amount of training data the recommendation that follows from
    the intervals: the smallest cell of those that no other is better than, intervals apart. A job trains with its own
    options, at a learning rate that does not decay, and is scored on its validation split.
    """
    check_target("--out", options.out, ending=".json", overwrite=options.overwrite)
    start_tensorflow()
    found: dict[str, Any] = {"seeds": options.seeds, "comparisons": []}

    def keep() -> None:
        if options.out:
            write_json(options.out, found)

    for task in options.task:
        found["comparisons"].append({"task": task})
        compare(task, options, found["comparisons"][-1], keep)
    if options.out:
        tell(f"results: {options.out}")
    if options.json:
        print(json_format.dumps(found, indent=1))
    return 0


def compare(task: str, options: Options, found: dict[str, Any], keep: Callable[[], None]) -> None:
    """Compares the cells on one task, printing its table as it grows, and adds the figures to those found."""
    from mmtoolkit.experiments.cell_comparison import CRITERIA, compare_cells, recommendation

    criterion: Criterion
    results: Iterable[Result]
    same: Any = {"length": options.length, "sizes": options.sizes, "units": options.units, "seeds": options.seeds}
    if task in TOYS:
        criterion, results = CRITERIA[task], compare_cells(task, options.cells, seconds=options.budget, **same)
        found["length"] = options.length
    else:
        (own,) = (each for each in tasks.TASKS if each.command == task)
        criterion, results = criterion_of(own), trained(own, options)
        found["data"] = str(options.data)
    found |= {**criterion._asdict(), "results": [], "recommendations": []}
    show: Callable[[str], None] = tell if options.json else partial(print, flush=True)
    show("\t".join([HEAD[0], HEAD[1], criterion.score, *HEAD[2:]]))
    groups: dict[str, list[Result]] = {}
    for each in results:
        groups.setdefault(each.trained_on, []).append(each)
        low, high = each.interval
        row = [each.cell, each.trained_on, f"{each.score:.4g}", f"{low:.4g} to {high:.4g}"]
        show("\t".join([*row, f"{each.seconds:.0f}", f"{each.epochs:.3g}", f"{each.parameters}"]))
        unknown = {} if math.isfinite(each.score) else {"score": None, "interval": None}  # JSON has no NaN
        found["results"].append({**each._asdict(), **unknown})
        keep()
    found["recommendations"] = [recommendation(criterion, group) for group in groups.values()]
    keep()
    show("\n".join(found["recommendations"]))


def criterion_of(task: Task[Any]) -> Criterion:
    """Returns the score that decides in a task."""
    from mmtoolkit.experiments.cell_comparison import Criterion

    name = task.metric.names[0]
    return Criterion(name, task.metric.better(name))


def trained(task: Task[Any], options: Options) -> Iterator[Result]:
    """Trains a job with each cell on each share of the data, and yields what it has reached."""
    from mmtoolkit.experiments.cell_comparison import Result

    with contextlib.ExitStack() as stack:
        folder = options.runs or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for share in options.shares:
            for cell in options.cells:
                names = {seed: folder / f"{cell}-{100 * share:g}-{seed}" for seed in options.seeds}
                yield Result.over_seeds([one_run(task, options, cell, share, *each) for each in names.items()])


def one_run(task: Task[Any], options: Options, cell: str, share: float, seed: int, out: Path) -> Result:
    """Runs the job as a person would type it; one that diverges has the score NaN."""
    from mmtoolkit.experiments.cell_comparison import Result

    main = importlib.import_module(f"mmtoolkit.pipelines.{task.command.replace('-', '_')}").main
    given: dict[str, Any] = {
        "data": options.data,
        "out": out,
        "cell": cell,
        "units": options.units,
        "seed": seed,
        **FIXED,
    }
    given |= {"max-minutes": options.budget / 60} | ({"train-share": share} if share < 1 else {})
    given |= {"config": options.settings} if options.settings else {}
    words = [f"--{name}={value}" for name, value in given.items()]
    words += ["--no-twin"] if task.companions else []
    words.append("--overwrite" if options.overwrite else "--resume")
    trained_on, lost = f"{100 * share:g} % of the training split", float("nan")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            call(main, words, f"mmtoolkit {task.command}")
    except FloatingPointError as error:
        tell(f"{cell}: {error}")
        return Result(cell, trained_on, lost, (lost, lost), 0.0, 0.0, 0)
    report = json_format.loads((out / "report.json").read_text(encoding="utf-8"))
    name = task.metric.names[0]
    low, high = report["intervals"][name]
    parameters = mm.load(out / "preset").count_params()
    epochs = epochs_of(report["history"])
    return Result(cell, trained_on, report["scores"][name], (low, high), report["seconds"]["total"], epochs, parameters)


def epochs_of(history: Mapping[str, Any]) -> int:
    """Counts the epochs of a training, of all its stages; the one that the budget ended counts too."""
    losses: Sequence[float] | None = history.get("loss")
    return sum(map(epochs_of, history.values())) if losses is None else len(losses)


if __name__ == "__main__":
    run(main)
