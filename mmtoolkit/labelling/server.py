"""The server of the labelling page, for this machine only and for no other page in the browser."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mmtoolkit.errors import InputError
from mmtoolkit.labelling.replies import GET, POST, Fields, Labelling, NotFound, Reply, as_json

LOCAL = "127.0.0.1"
MAX_BYTES = 1_000_000  # bytes of a request
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


Replier = Callable[[Labelling, Fields], Reply]


class ForeignRequest(InputError):
    """A request that is not from the page."""


class LabelServer(ThreadingHTTPServer):
    """Serves one labelling on a local port until `shutdown`; `server_close` waits for saves in progress.

    Args:
        work: The labelling.
        port: 0 takes a free one.

    Raises:
        InputError: The port is in use, or not allowed.
    """

    daemon_threads = False
    allow_reuse_port = False

    def __init__(self, work: Labelling, port: int) -> None:
        self.work = work
        try:
            super().__init__((LOCAL, port), RequestHandler)
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            why = "one that another program uses" if taken else getattr(error, "strerror", None) or error
            message = f"--port expects a free port. Received: {port}, {why}; name another, or 0 for any free one."
            raise InputError(message) from error
        self.hosts = {f"{name}:{self.server_port}" for name in (LOCAL, "localhost")}

    @property
    def address(self) -> str:
        """The URL of the page."""
        return f"http://{LOCAL}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores connections that the browser has closed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RequestHandler(BaseHTTPRequestHandler):
    """Handles the requests of the page."""

    timeout = 2  # seconds: browsers open connections that they may never use, and the server's end waits for all
    server: LabelServer

    def do_GET(self) -> None:
        """Sends the requested page, picture or JSON."""
        place = urlsplit(self.path)
        self.send(self.reply(GET, place.path, lambda: dict(parse_qsl(place.query, keep_blank_values=True))))

    def do_POST(self) -> None:
        """Saves labels, or ends the labelling; the server shuts down after the reply."""
        place = urlsplit(self.path)
        reply = self.reply(POST, place.path, self.body)
        self.send(reply)
        if place.path == "/done" and reply.status == 200:
            self.server.shutdown()

    def reply(self, replies: Mapping[str, Replier], path: str, fields: Callable[[], Fields]) -> Reply:
        """Returns the reply to a request, or its error."""
        try:
            self.check_sender()
            if path not in replies:
                raise NotFound(f"expected one of {', '.join(replies)}. Received: {path:.200}.")
            return replies[path](self.server.work, fields())
        except InputError as error:
            status = {ForeignRequest: 403, NotFound: 404}.get(type(error), 400)
            return as_json({"error": str(error)}, status)
        except OSError as error:
            return as_json({"error": f"{error.strerror}: {error.filename}"}, 500)

    def check_sender(self) -> None:
        """Refuses requests to another name of this machine, and requests from other pages."""
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in self.server.hosts:
            raise ForeignRequest(f"expected a request to {self.server.address}. Received: one to {host!r:.200}.")
        if origin not in (None, f"http://{host}"):
            raise ForeignRequest(f"expected a request from {self.server.address}. Received: one from {origin!r:.200}.")
        if self.command == "POST" and self.headers.get_content_type() != "application/json":
            raise ForeignRequest(f"expected JSON. Received: {self.headers.get_content_type()}.")

    def body(self) -> Fields:
        """Returns the JSON object of the request."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BYTES:
            raise InputError(f"expected at most {MAX_BYTES} bytes. Received: {length or 'an unknown number'}.")
        try:
            fields = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise InputError(f"expected JSON. Received: {error}.") from error
        if not isinstance(fields, dict):
            raise InputError(f"expected one JSON object. Received: {type(fields).__name__}.")
        return fields

    def send(self, reply: Reply) -> None:
        """Sends a reply."""
        self.send_response(reply.status)
        for name, value in {**HEADERS, "Content-Type": reply.kind, "Content-Length": str(len(reply.content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, *words: Any) -> None:
        """Logs nothing: the terminal is for the person."""
