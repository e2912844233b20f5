"""Verifies that an exported model answers as its preset did, loaded without Python or on a live server."""

from __future__ import annotations

import json as json_format
from dataclasses import dataclass
from pathlib import Path

import tyro

from mmtoolkit.cli.command import aligned, run, shown, tell
from mmtoolkit.cli.options import Printing
from mmtoolkit.startup import start_tensorflow


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
    """Verifies that an exported model answers as its preset did, loaded without Python or on a live server.

    The golden requests in the export are replayed and each answer is compared with the one that the preset gave. The
    exit code is 1 where one differs; every difference is a line on stderr that names the signature and the input. A
    model with operations that do more than compute, e.g. read files, is refused before it is loaded.
    """
    start_tensorflow()
    from mmtoolkit.serving.client import RestClient
    from mmtoolkit.serving.savedmodel import versions_in
    from mmtoolkit.serving.verify import replay, verify

    folder = [options.folder, *versions_in(options.folder)][-1]
    verdict = replay(folder, RestClient(options.url).predict) if options.url else verify(folder)
    for problem in verdict.problems:
        tell(shown(f"error: {problem}"))
    rows = "\n".join(aligned(verdict.rows(folder)))
    print(json_format.dumps(verdict.as_json(folder), indent=1) if options.json else rows)
    return 1 if verdict.problems else 0


if __name__ == "__main__":
    run(main)
