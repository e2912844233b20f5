"""Runs the development server: TensorFlow Serving's REST interface and a page, for laptops and tests.

It is no production server: it neither batches requests nor loads new versions while it runs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask, ThreadedTaskDispatcher

from mmtoolkit.errors import InputError
from mmtoolkit.serving.application import HOST, JSON, MEGABYTES, SECONDS, TOO_LARGE, Application
from mmtoolkit.serving.loaded import ServedVersions
from mmtoolkit.serving.rest import error_body

LOCAL, THREADS = "127.0.0.1", 4
LOCAL_NAMES = {LOCAL, "localhost", "[::1]"}
CONNECTIONS = 100  # that wait for a request; a further one replaces the one of which nothing has come for longest
PATIENCE = 1.0  # seconds for which the server's end waits for replies
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
    """A connection whose errors are JSON, and which unfinished requests on others cannot keep out."""

    error_task_class = JsonErrorTask

    def __init__(self, server: Any, *arguments: Any, **options: Any) -> None:
        waiting = [
            each
            for each in list(server.active_channels.values())
            if not (each.requests or each.total_outbufs_len or each.will_close)
        ]
        if len(waiting) >= CONNECTIONS:
            min(waiting, key=lambda each: each.last_activity).will_close = True
        super().__init__(server, *arguments, **options)


class Workers(ThreadedTaskDispatcher):
    """The threads that answer requests."""

    def shutdown(self, cancel_pending: bool = True, timeout: float = PATIENCE) -> bool:
        """Ends the threads; a model that takes longer is not waited for."""
        return super().shutdown(cancel_pending, timeout)


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


def allowed_hosts(host: str, addresses: Iterable[str], origins: Collection[str]) -> set[str]:
    """Lists the names under which a server may be asked; none, that is any, where others reach it and none is given.

    A page from elsewhere can have its own name point to this machine (DNS rebinding), and browsers then take the server
    for the page's own. They still send that name.

    Args:
        host: The address that was asked for.
        addresses: Those that the server listens on.
        origins: Addresses of the page behind proxies.
    """
    if not (origins or all(ipaddress.ip_address(address).is_loopback for address in addresses)):
        return set()
    written = f"[{host}]" if ":" in host else host
    named = [HOST.match(origin.partition("://")[2]) for origin in origins]
    return {*LOCAL_NAMES, written.lower(), *(match[1] for match in named if match)}


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
        >>> server = make_server({}, port=0)      # the models: `load_models(Path("models"))`
        >>> int(server.effective_port) > 0
        True
        >>> server.close()

    Args:
        models: Models by name.
        host: Address; this machine only by default.
        port: Port; 0 takes a free one.
        megabytes: Largest body; a larger one is refused before it is read.
        seconds: Longest time that a model may take for a request, and that a client may send nothing.
        origins: Addresses under which browsers see the page. With one of them, or where only this machine reaches the
            server, it answers to these and its own names, whatever else a page makes point to it.

    Raises:
        InputError: The port is not available, or an origin is none.
    """
    named = {origin_of(url) for url in origins}
    sockets: dict[int, Any] = {}
    application, workers = Application(models, seconds=seconds, megabytes=megabytes, origins=named), Workers()
    try:
        server = create_server(
            application,
            map=sockets,
            _dispatcher=workers,
            host=host,
            port=port,
            connection_limit=2 * CONNECTIONS,
            max_request_body_size=megabytes * 10**6,
            channel_timeout=seconds,
            cleanup_interval=max(1, round(seconds / 3)),
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise InputError(f"--port expects a free port. Received: {port} ({error.strerror}); name another.") from error
    workers.set_thread_count(THREADS)
    listening = [each for each in sockets.values() if isinstance(each, BaseWSGIServer)]  # e.g. two for localhost
    for each in listening:
        each.channel_class = JsonChannel
    application.hosts = allowed_hosts(host, [each.effective_host for each in listening], named)
    return server
