"""The server of the labelling page, for this machine only and for no other page in the browser."""

from __future__ import annotations

import errno
import json
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from mmtoolkit.errors import InputError
from mmtoolkit.labelling.replies import GET, POST, Fields, Labelling, NotFound, Reply, as_json

LOCAL = "127.0.0.1"
MAX_BYTES = 1_000_000  # bytes of a request
LONGEST = 10.0  # seconds in which a request must have come
PATIENCE = 1.0  # seconds for which the server's end waits for replies
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


class Handling(NamedTuple):
    """A thread that handles a request: its connection, and when that was opened."""

    thread: Thread
    connection: socket.socket
    since: float


class LabelServer(ThreadingHTTPServer):
    """Serves one labelling on a local port until `shutdown`; `server_close` waits for saves in progress.

    It answers to whoever has its token, which is in the page's address: other users of the machine do not.

    Args:
        work: The labelling.
        port: 0 takes a free one.

    Raises:
        InputError: The port is in use, or not allowed.
    """

    allow_reuse_port = False

    def __init__(self, work: Labelling, port: int) -> None:
        self.work = work
        self.token = secrets.token_urlsafe()
        self.handlings: list[Handling] = []
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
        """The URL of the server, without its token."""
        return f"http://{LOCAL}:{self.server_port}/"

    @property
    def page(self) -> str:
        """The URL of the page, with the token."""
        return f"{self.address}?token={self.token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie with the token; browsers share cookies between ports."""
        return f"mmtoolkit-label-{self.server_port}"

    def admits(self, token: str) -> bool:
        """Checks a token, in a time that does not depend on how much of it is right."""
        return secrets.compare_digest(token.encode(errors="replace"), self.token.encode())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handles a request in a thread."""
        thread = Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self.handlings.append(Handling(thread, request, time.monotonic()))
        thread.start()

    def service_actions(self) -> None:
        """Ends, now and then, the requests that take too long to come."""
        self.handlings = [each for each in self.handlings if each.thread.is_alive()]
        self.stop_reading(time.monotonic() - LONGEST)

    def server_close(self) -> None:
        """Frees the port; a save in progress is completed, and its reply and others are sent if it takes no time."""
        self.stop_reading(time.monotonic())
        self.work.end()
        end = time.monotonic() + PATIENCE
        for each in self.handlings:
            each.thread.join(max(0.0, end - time.monotonic()))
        super().server_close()

    def stop_reading(self, before: float) -> None:
        """Reads nothing further from the connections opened before a time; their replies are still sent."""
        for each in self.handlings:
            if each.since <= before:
                with suppress(OSError):  # it has ended
                    each.connection.shutdown(socket.SHUT_RD)

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
        self.send(self.reply(GET, lambda query: query))

    def do_POST(self) -> None:
        """Saves labels, or ends the labelling; the server shuts down after the reply."""
        reply = self.reply(POST, lambda query: self.body())
        self.send(reply)
        if reply.status == 200 and self.target()[0] == "/done":
            self.server.shutdown()

    def reply(self, replies: Mapping[str, Replier], fields: Callable[[Fields], Fields]) -> Reply:
        """Returns the reply to a request, or its error; `fields` makes the request's fields of its query."""
        try:
            path, query = self.target()
            self.check_sender(query.get("token", ""))
            if path not in replies:
                raise NotFound(f"expected one of {', '.join(replies)}. Received: {path:.200}.")
            return replies[path](self.server.work, fields(query))
        except InputError as error:
            status = {ForeignRequest: 403, NotFound: 404}.get(type(error), 400)
            return as_json({"error": str(error)}, status)
        except OSError as error:
            return as_json({"error": f"{error.strerror}: {error.filename}"}, 500)

    def target(self) -> tuple[str, dict[str, str]]:
        """Returns the path and the query of the request."""
        try:
            place = urlsplit(self.path)
        except ValueError as error:  # http://[::1/start
            raise InputError(f"expected a path of this server. Received: {self.path!r:.200}.") from error
        return place.path, dict(parse_qsl(place.query, keep_blank_values=True))

    def check_sender(self, token: str) -> None:
        """Refuses requests to another name of this machine, from other pages, and from other users."""
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in self.server.hosts:
            raise ForeignRequest(f"expected a request to {self.server.address}. Received: one to {host!r:.200}.")
        if origin not in (None, f"http://{host}"):
            raise ForeignRequest(f"expected a request from {self.server.address}. Received: one from {origin!r:.200}.")
        cookies = dict(each.strip().partition("=")[::2] for each in self.headers.get("Cookie", "").split(";"))
        given = [token, cookies.get(self.server.cookie, "")]
        if not any(map(self.server.admits, given)):
            received = "another one" if any(given) else "none"
            raise ForeignRequest(
                f"expected the token of this labelling. Received: {received}; open the whole address that mmtoolkit "
                "label printed."
            )
        if self.command == "POST" and self.headers.get_content_type() != "application/json":
            raise ForeignRequest(f"expected JSON. Received: {self.headers.get_content_type()}.")

    def body(self) -> Fields:
        """Returns the JSON object of the request."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or len(length) > len(str(MAX_BYTES)) or int(length) > MAX_BYTES:
            raise InputError(f"expected at most {MAX_BYTES} bytes. Received: {length[:20] or 'an unknown number'}.")
        try:
            content = self.rfile.read(int(length))
        except TimeoutError:
            content = b""
        if len(content) < int(length):
            raise InputError(f"expected the {length} bytes that the request announces. Received: fewer; send it again.")
        try:
            fields = json.loads(content)
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
        if reply.kind.startswith("text/html"):  # the page's further requests have no token in their addresses
            token = f"{self.server.cookie}={self.server.token}"
            self.send_header("Set-Cookie", f"{token}; Path=/; HttpOnly; SameSite=Strict")
        self.end_headers()
        self.wfile.write(reply.content)

    def log_message(self, *words: Any) -> None:
        """Logs nothing: the terminal is for the person."""
