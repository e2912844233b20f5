"""Serves exported models on this machine, with TF Serving's REST interface and a page."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.files import write_atomically
from mmtoolkit.pipelines.command import check_target, run, start_tensorflow, tell


def main(
    *,
    models: Path,
    port: int = 8501,
    host: str = "127.0.0.1",
    megabytes: int = 32,
    seconds: float = 30.0,
    page: Path | None = None,
) -> int:
    """Serves exported models on this machine, with TF Serving's REST interface and a page.

    This is the development server, for laptops, machines without Docker, and tests: it neither batches requests nor
    loads new versions while it runs. In production the same directories go to TF Serving. Ctrl-C ends it.

    Args:
        models: Directory of models, NAME/VERSION as export writes them, or that of one model.
        port: Of the server; 0 takes a free one.
        host: Address to listen on. Anyone who reaches it can ask: 0.0.0.0 is for a network that is trusted.
        megabytes: Largest request.
        seconds: How long a model may take over a request, and a client may send nothing.
        page: Only write the page of the models to this HTML file, for a web server in front of TF Serving, and end.
    """
    for option, value in (("--megabytes", megabytes), ("--seconds", seconds)):
        if value <= 0:
            raise mm.InputError(f"{option} expects a number above 0. Received: {value}.")
    if not 0 <= port < 2**16:
        raise mm.InputError(f"--port expects a number from 0 to 65535. Received: {port}.")
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

    loaded = load_models(models)
    if page:
        write_atomically(page, lambda file: file.write(served_page(loaded)))
        tell(f"page: {page}")
        return 0
    server = make_server(loaded, host=host, port=port, megabytes=megabytes, seconds=seconds)
    address = f"http://{host}:{server.effective_port}"
    for model in loaded.values():
        tell(f"{model.name}, version {model.version}: {address}/v1/models/{model.name}")
    tell(f"page: {address}/\nthis is the development server, without batching; Ctrl-C ends it")
    signal.signal(signal.SIGTERM, stop)
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


def stop(*_: Any) -> None:
    """Ends as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    run(main)
