"""Runs the development server: TensorFlow Serving's REST interface and a page, for laptops and tests.

It is no production server: it neither batches requests nor loads new versions while it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask

from mmtoolkit.errors import InputError
from mmtoolkit.serving.application import JSON, MEGABYTES, SECONDS, TOO_LARGE, Application
from mmtoolkit.serving.loaded import ServedVersions
from mmtoolkit.serving.rest import error_body

LOCAL, THREADS = "127.0.0.1", 4
ORIGIN = re.compile(r"https?://[^/?#@\s]+")


class JsonErrorTask(ErrorTask):
    """Answers as JSON what waitress itself refuses, e.g. a body that is too large."""

    def execute(self) -> None:
        error = self.request.error
        too_large = TOO_LARGE.format(most=self.channel.adj.max_request_body_size)
        body = error_body(too_large if error.code == 413 else f"{error.reason}: {error.body}")
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", JSON))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class JsonChannel(HTTPChannel):
    """A connection whose errors are JSON."""

    error_task_class = JsonErrorTask


def origin_of(url: str) -> str:
    """Writes the origin of an address as browsers send it.

    Example:
        >>> origin_of("https://Photos.example:443/")
        'https://photos.example'

    Raises:
        InputError: It is no such address, or has a path.
    """
    origin = url.lower().removesuffix("/")
    origin = origin.removesuffix(":443" if origin.startswith("https") else ":80")
    if not ORIGIN.fullmatch(origin):
        raise InputError(f"--origin expects the address of a page, https://HOST[:PORT]. Received: {url!r}.")
    return origin


def make_server(
    models: Mapping[str, ServedVersions],
    *,
    host: str = LOCAL,
    port: int = 8501,
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
    origins: Iterable[str] = (),
) -> Any:
    """Opens a server on a port; `run()` serves until `close()`.

    Example:
        >>> server = make_server(load_models(Path("models")), port=0)
        >>> server.effective_port

    Args:
        models: Models by name.
        host: Address; this machine only by default.
        port: Port; 0 takes a free one.
        megabytes: Largest body; a larger one is refused before it is read.
        seconds: Longest time that a model may take for a request, and that a client may send nothing.
        origins: Addresses under which browsers see the page, behind proxies that do not pass on `Host`.

    Raises:
        InputError: The port is not available, or an origin is none.
    """
    named = {origin_of(url) for url in origins}
    sockets: dict[int, Any] = {}
    try:
        server = create_server(
            Application(models, seconds=seconds, megabytes=megabytes, origins=named),
            map=sockets,
            host=host,
            port=port,
            threads=THREADS,
            max_request_body_size=megabytes * 10**6,
            channel_timeout=seconds,
            cleanup_interval=max(1, round(seconds / 3)),
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise InputError(f"--port expects a free port. Received: {port} ({error.strerror}); name another.") from error
    for each in sockets.values():  # of every address that the host has, e.g. localhost
        if isinstance(each, BaseWSGIServer):
            each.channel_class = JsonChannel
    return server
