"""Proves that an exported model answers as its preset did, loaded without Python or on a live server."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from mmtoolkit.cli.command import aligned, run, tell
from mmtoolkit.cli.options import Printing
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.serving.verify import Verdict


@dataclass(frozen=True, kw_only=True)
class Options(Printing):
    """The options of `mmtoolkit verify`.

    Args:
        folder: DIR/VERSION that export wrote, or DIR for its newest version.
        url: A live server's model, http://localhost:8501/v1/models/NAME, to ask in place of loading the directory.
    """

    folder: tyro.conf.Positional[Path]
    url: str | None = None


def main(options: Options) -> int:
    """Proves that an exported model answers as its preset did, loaded without Python or on a live server.

    The golden requests in the export are replayed and each answer is compared with the one that the preset gave. The
    exit code is 1 where one differs; every difference is a line on stderr that names the signature and the input.
    """
    start_tensorflow()
    from mmtoolkit.serving.client import RestClient
    from mmtoolkit.serving.savedmodel import versions_in
    from mmtoolkit.serving.verify import replay, verify

    folder = [options.folder, *versions_in(options.folder)][-1]
    verdict = replay(folder, RestClient(options.url).predict) if options.url else verify(folder)
    for problem in verdict.problems:
        tell(f"error: {problem}")
    print(json_format.dumps(as_json(folder, verdict), indent=1) if options.json else table(folder, verdict))
    return 1 if verdict.problems else 0


def as_json(folder: Path, verdict: Verdict) -> dict[str, Any]:
    """What was found, as JSON."""
    return {"folder": str(folder), "good": not verdict.problems, **asdict(verdict)}


def table(folder: Path, verdict: Verdict) -> str:
    """What was found, for a person."""
    bad = len(verdict.problems)
    rows = [[str(folder), f"{bad} differences" if bad else "answers as the preset does"]]
    rows += [["requests", str(verdict.requests)]]
    if verdict.megabytes:
        rows += [["size", f"{verdict.megabytes:.1f} MB"], ["load", f"{verdict.load_seconds:.1f} s"]]
    rows += [[name, f"{time:.0f} ms a picture"] for name, time in sorted(verdict.milliseconds.items())]
    if verdict.text_ops:
        rows += [["of tensorflow-text", ", ".join(verdict.text_ops)]]
    return "\n".join(aligned(rows))


if __name__ == "__main__":
    run(main)
