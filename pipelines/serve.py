"""Serves exported models on this machine, with TF Serving's REST interface and a page."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, shown, tell
from mmtoolkit.cli.options import Group
from mmtoolkit.cli.ranges import Count, Port, Range
from mmtoolkit.files import write_atomically
from mmtoolkit.installation import install_command
from mmtoolkit.startup import start_tensorflow

ABOVE_0 = Range("a number above 0", lambda number: number > 0)


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """The options of `mmtoolkit serve`.

    Args:
        models: Directory of models, NAME/VERSION as export writes them, or that of one model.
        port: Of the server; 0 takes a free one.
        host: Address to listen on. Anyone who reaches it can ask: 0.0.0.0 is for a network that is trusted.
        megabytes: Largest request.
        seconds: How long a model may take over a request, and a client may send nothing.
        versions: How many of a model's versions are loaded, the newest first, or all of them.
        labels: Names of versions, for /v1/models/NAME/labels/LABEL, e.g. stable=1 canary=2; stable is the newest one if
            it is not named.
        origin: Addresses of the page behind a proxy, e.g. https://photos.example. With the default --host only requests
            to these names and to localhost are answered.
        page: Only write the page of the models to this HTML file, for a web server in front of TF Serving, and end.
    """

    models: Path
    port: Port = 8501
    host: str = "127.0.0.1"
    megabytes: Annotated[int, ABOVE_0] = 32
    seconds: Annotated[float, ABOVE_0] = 30.0
    versions: Count | Literal["all"] = 1
    labels: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    page: Path | None = None


def main(options: Options) -> int:
    """Serves exported models on this machine, with TF Serving's REST interface and a page.

    This is the development server, for laptops, machines without Docker, and tests: it neither batches requests nor
    loads new versions while it runs. In production the same directories go to TF Serving. Ctrl-C ends it. A model with
    operations that do more than compute, e.g. read files, is refused before it is loaded.
    """
    page, host = options.page, options.host
    check_target("--page", page, ending=".html", overwrite=True)
    start_tensorflow()
    try:
        from mmtoolkit.serving.server import make_server
    except ModuleNotFoundError as error:
        raise mm.InputError(
            f"serve needs the package waitress. Received: {error}; install it with {install_command('serving')}."
        ) from error
    from mmtoolkit.serving.demo_html import served_page
    from mmtoolkit.serving.loaded import load_models

    versions = None if options.versions == "all" else options.versions
    loaded = load_models(options.models, versions=versions, labels=dict(map(label, options.labels)))
    if page:
        write_atomically(page, lambda file: file.write(served_page(loaded)))
        tell(f"page: {page}")
        return 0
    server = make_server(
        loaded,
        host=host,
        port=options.port,
        megabytes=options.megabytes,
        seconds=options.seconds,
        origins=options.origin,
    )
    address = f"http://{host}:{options.port or server.effective_port}"
    for name, served in loaded.items():
        numbers = ", ".join(map(str, served.models))
        tell(f"{shown(name)}, version{'s' * (len(served.models) > 1)} {numbers}: {address}/v1/models/{shown(name)}")
    tell(f"page: {address}/\nthis is the development server, without batching; Ctrl-C ends it")
    signal.signal(signal.SIGTERM, stop)
    try:
        server.run()
    except KeyboardInterrupt:
        tell("")
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        for served in loaded.values():
            served.close()
    return 0


def label(word: str) -> tuple[str, int]:
    """Reads LABEL=VERSION.

    Raises:
        InputError: It is something else.
    """
    name, _, version = word.partition("=")
    if not name or not version.isdecimal():
        raise mm.InputError(f"--labels expects LABEL=VERSION, e.g. stable=1. Received: {word!r}.")
    return name, int(version)


def stop(*_: Any) -> None:
    """Ends as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    run(main)
