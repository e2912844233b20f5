"""Serves exported models on this machine, with TF Serving's REST interface and a page."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import mmtoolkit as mm
from mmtoolkit.cli.command import check_target, run, tell
from mmtoolkit.cli.options import Group
from mmtoolkit.cli.ranges import Port, Range
from mmtoolkit.files import write_atomically
from mmtoolkit.startup import start_tensorflow

ABOVE_0 = Range("a number above 0", lambda number: number > 0)


@dataclass(frozen=True, kw_only=True)
class Options(Group):
    """The options of `mmtoolkit serve`.

    Args:
        models: Directory of models, NAME/VERSION as export writes them, or that of one model.
        port: Port of the server; 0 takes a free one.
        host: Address to listen on. Anyone who reaches it can send requests: 0.0.0.0 is for a trusted network.
        megabytes: Largest request.
        seconds: Time limit of a model for a request, and of a client that sends nothing.
        page: Only write the page of the models to this HTML file, for a web server in front of TF Serving.
    """

    models: Path
    port: Port = 8501
    host: str = "127.0.0.1"
    megabytes: Annotated[int, ABOVE_0] = 32
    seconds: Annotated[float, ABOVE_0] = 30.0
    page: Path | None = None


def main(options: Options) -> int:
    """Serves exported models on this machine, with TF Serving's REST interface and a page.

    This is the development server, for laptops, machines without Docker, and tests: it neither batches requests nor
    loads new versions while it runs. In production the same directories go to TF Serving. Ctrl-C ends it.
    """
    page, host = options.page, options.host
    check_target("--page", page, ending=".html", overwrite=True)
    start_tensorflow()
    try:
        from mmtoolkit.serving.server import make_server
    except ModuleNotFoundError as error:
        raise mm.InputError(
            f"serve needs the package waitress. Received: {error}; install it with pip install 'mmtoolkit[serving]'."
        ) from error
    from mmtoolkit.serving.demo_html import served_page
    from mmtoolkit.serving.loaded import load_models

    loaded = load_models(options.models)
    if page:
        write_atomically(page, lambda file: file.write(served_page(loaded)))
        tell(f"page: {page}")
        return 0
    megabytes, seconds = options.megabytes, options.seconds
    server = make_server(loaded, host=host, port=options.port, megabytes=megabytes, seconds=seconds)
    address = f"http://{host}:{server.effective_port}"
    for model in loaded.values():
        tell(f"{model.name}, version {model.version}: {address}/v1/models/{model.name}")
    tell(f"page: {address}/\nthis is the development server, without batching; Ctrl-C ends it")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    try:
        server.run()
    except KeyboardInterrupt:
        tell("")
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        for model in loaded.values():
            model.close()
    return 0


if __name__ == "__main__":
    run(main)
