"""`mmtoolkit NAME …`: finds the job called NAME and runs it."""

from __future__ import annotations

import ast
import difflib
import importlib
import sys
from pathlib import Path

from mmtoolkit import __version__


def jobs(folder: Path) -> dict[str, str]:
    """Lists the scripts in a folder that have a `main`, with the first line of its docstring; nothing is imported.

    Example:
        >>> from mmtoolkit import pipelines
        >>> jobs(Path(pipelines.__path__[0]))["score"]
        'Scores captions against their references: ...'
    """
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "main":
                found[path.stem.replace("_", "-")] = (ast.get_docstring(node) or "").partition("\n")[0]
    return found


def overview(summaries: dict[str, str]) -> str:
    """Formats the help of `mmtoolkit` itself: one line per job."""
    width = max(map(len, summaries), default=0)
    lines = [f"  {name:<{width}}  {summary}" for name, summary in summaries.items()]
    hint = "mmtoolkit NAME --help shows a job's options; --config FILE.yaml reads them from a file, what is typed wins."
    return "\n".join(["usage: mmtoolkit NAME [OPTIONS]", "", *lines, "", hint])


def start(name: str, arguments: list[str]) -> int:
    """Imports one job and runs it; Ctrl-C while it loads ends as quietly as later."""
    from mmtoolkit.cli.command import call, exit_code

    def job() -> int | None:
        main = importlib.import_module(f"mmtoolkit.pipelines.{name.replace('-', '_')}").main
        return call(main, arguments, f"mmtoolkit {name}")

    return exit_code(job)


def dispatch() -> None:
    """Runs `mmtoolkit NAME …`; without a name it lists the jobs."""
    try:
        from mmtoolkit.cli.command import fail
    except KeyboardInterrupt:  # nothing has begun
        raise SystemExit(130) from None
    summaries, arguments = jobs(Path(__file__).parent), sys.argv[1:]
    name = arguments[0].replace("_", "-") if arguments else ""
    if name in {"", "-h", "--help"}:
        print(overview(summaries), file=sys.stdout if name else sys.stderr)
        raise SystemExit(0 if name else 2)
    if name == "--version":
        print(__version__)
        raise SystemExit(0)
    if name not in summaries:
        near = difflib.get_close_matches(name, summaries, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        expected = f"expected the name of a job ({', '.join(summaries)})"
        raise SystemExit(fail(f"{expected}. Received: {arguments[0]!r}.{meant}", 2))
    raise SystemExit(start(name, arguments[1:]))


if __name__ == "__main__":
    dispatch()
