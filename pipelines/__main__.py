"""`mmtoolkit NAME …`: finds the job called NAME and runs it."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys

from mmtoolkit import __version__, pipelines
from mmtoolkit.pipelines.command import fail, run


def job_names() -> list[str]:
    """The names of all jobs: every module beside this one that is a script."""
    names = [module.name for module in pkgutil.iter_modules(pipelines.__path__)]
    return sorted(name for name in names if name not in {"command", "__main__"})


def summary(name: str) -> str:
    """The first line of a job's docstring."""
    main = importlib.import_module(f"mmtoolkit.pipelines.{name}").main
    return (main.__doc__ or "").strip().splitlines()[0]


def dispatch() -> None:
    """Runs `mmtoolkit NAME …`; without a name it lists the jobs."""
    names, arguments = job_names(), sys.argv[1:]
    if not arguments or arguments[0] in {"-h", "--help"}:
        lines = [f"  {name:<10} {summary(name)}" for name in names]
        print("\n".join(["usage: mmtoolkit NAME [OPTIONS]", "", *lines, "", "mmtoolkit NAME --help shows the options."]))
        raise SystemExit(0 if arguments else 2)
    if arguments[0] == "--version":
        print(__version__)
        raise SystemExit(0)
    name = arguments[0]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3) or names
        raise SystemExit(fail(f"expected the name of a job ({', '.join(near)}). Received: {name!r}.", 2))
    run(importlib.import_module(f"mmtoolkit.pipelines.{name}").main, argv=arguments[1:], prog=f"mmtoolkit {name}")


if __name__ == "__main__":
    dispatch()
