"""Answers the requests of TensorFlow Serving's REST interface, its metrics, and the page."""

from __future__ import annotations

import gzip
import logging
import re
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from mmtoolkit.serving import prometheus
from mmtoolkit.serving.demo_html import PAGE_HEADERS, served_page
from mmtoolkit.serving.loaded import ServedModel, ServedVersions
from mmtoolkit.serving.rest import Refused, error_body, metadata, model_status, read_request, write_answer

MEGABYTES, SECONDS = 32, 30
PLACE = re.compile(  # of a model: its name, its version or a label, and what is asked of it
    r"/v1/models/([^/:]+)(?:/versions/(\d{1,19})|/labels/([^/:]+))?(:predict|/metadata)?", re.IGNORECASE
)
HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]+)(?::\d*)?")  # the header: a name or an address, and a port
JSON = "application/json"
CLOSED = 499  # TF Serving's status if the client closed the connection; the standard has no name for it

TOO_LARGE = "A request has fewer than {most} bytes. Send fewer pictures at a time, or serve with more --megabytes."
NO_SERVABLE = (
    "Servable not found for request: Latest({name})",
    "Servable not found for request: Specific({name}, {version})",
)
NO_LABEL = "Unrecognized servable version label: {label}"
NO_STATUS = ("Could not find any versions of model {name}", "Could not find version {version} of model {name}")

Environment = Mapping[str, Any]


class Application:
    """WSGI application that answers requests with models.

    Args:
        models: Models by name.
        seconds: Longest time that a model may take for a request.
        megabytes: Largest body of a request, unpacked.
        origins: Origins of this server's page behind proxies that do not pass on `Host`.
        hosts: Names and addresses under which this server may be asked; any if there are none.
    """

    def __init__(
        self,
        models: Mapping[str, ServedVersions],
        *,
        seconds: float = SECONDS,
        megabytes: int = MEGABYTES,
        origins: Collection[str] = (),
        hosts: Collection[str] = (),
    ) -> None:
        self.models, self.seconds, self.megabytes, self.origins = models, seconds, megabytes, origins
        self.hosts = hosts
        self.metrics = prometheus.RequestMetrics()

    def __call__(self, environment: Environment, start: Callable[..., Any]) -> Iterable[bytes]:
        begun, method = time.perf_counter(), environment["REQUEST_METHOD"]
        path = environment.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")  # PEP 3333 has bytes so
        place = PLACE.fullmatch(path)
        try:
            status, kind, body = 200, *self.answer(environment, method, path, place)
        except Refused as refused:
            status, kind, body = refused.status, JSON, error_body(refused.message)
        except Exception as error:  # one request must not end without an answer that its client can read
            logging.getLogger(__name__).exception("a request failed")
            status, kind, body = 500, JSON, error_body(f"{type(error).__name__}: {error}")
        if place and place[1] in self.models:
            seconds = time.perf_counter() - begun
            self.metrics.record(place[1], status, seconds=seconds, predicted=method == "POST")
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        phrase = "Client Closed Request" if status == CLOSED else HTTPStatus(status).phrase
        start(f"{status} {phrase}", headers + (PAGE_HEADERS if kind.startswith("text/html") else []))
        return [] if method == "HEAD" else [body]

    def answer(
        self, environment: Environment, method: str, path: str, place: re.Match[str] | None
    ) -> tuple[str, bytes]:
        """Returns the content type and the body of the reply to a request.

        Args:
            environment: The request.
            method: Its method.
            path: Its path.
            place: The model that the path names, as `PLACE` matches it.

        Raises:
            Refused: The request is not valid.
        """
        self.check_host(environment)
        if path == "/" and method in ("GET", "HEAD"):
            return "text/html; charset=utf-8", served_page(self.models)
        if path == prometheus.PATH and method == "GET":
            return prometheus.KIND, self.metrics.text().encode()
        if not path.lower().startswith("/v1/"):
            raise Refused(404, f"Not found: {path:.200}")
        self.check_origin(environment)
        if place and (method, place[4]) == ("POST", ":predict"):
            model = self.model(place)
            signature, inputs, by_row = read_request(self.body(environment), model.signatures)
            return JSON, write_answer(model.predict(signature, inputs, seconds=self.seconds), by_row=by_row)
        if place and (method, place[4]) == ("GET", "/metadata"):
            model = self.model(place)
            return JSON, metadata(model.name, model.version, model.signatures)
        if place and (method, place[4]) == ("GET", None):
            model = self.model(place, missing=NO_STATUS)
            return JSON, model_status([model.version] if place[2] or place[3] else self.models[place[1]].models)
        raise Refused(400, f"Malformed request: {method} {path:.200}")

    def check_host(self, environment: Environment) -> None:
        """Refuses a request to another name of this machine, which a page elsewhere may have given to it."""
        host = environment.get("HTTP_HOST", "")
        match = HOST.fullmatch(host.lower())
        if self.hosts and (match is None or match[1] not in self.hosts):
            raise Refused(
                403,
                f"Expected a request to {', '.join(sorted(self.hosts))}. Received: one to {host!r:.200}; name the "
                "address of the page with --origin.",
            )

    def check_origin(self, environment: Environment) -> None:
        """Refuses a request that another page in a browser has made."""
        origin = environment.get("HTTP_ORIGIN")
        if origin and origin.partition("://")[2] != environment.get("HTTP_HOST") and origin not in self.origins:
            raise Refused(
                403,
                f"Expected a request from this server's own page. Received: one from {origin:.200}; a proxy in front "
                "of the page has to pass on the header Host, or its address is named with --origin.",
            )

    def body(self, environment: Environment) -> bytes:
        """Reads the body of a request, unpacked if it is packed by gzip.

        Raises:
            Refused: It is not what its header says, or too large when it is unpacked.
        """
        stream, most = environment["wsgi.input"], self.megabytes * 10**6
        if "gzip" not in environment.get("HTTP_CONTENT_ENCODING", "").lower():
            return stream.read()
        try:
            body = gzip.GzipFile(fileobj=stream).read(most)
        except (OSError, EOFError, zlib.error) as error:
            raise Refused(400, f"Expected a body in gzip, as its Content-Encoding says. Received: {error}.") from error
        if len(body) >= most:
            raise Refused(413, TOO_LARGE.format(most=most))
        return body

    def model(self, place: re.Match[str], *, missing: tuple[str, str] = NO_SERVABLE) -> ServedModel:
        """Finds the model that a path names.

        Args:
            place: Name, version and label; without the last two it is the newest version.
            missing: Messages for a missing model and a missing version.

        Raises:
            Refused: There is no such model, version or label.
        """
        name, version, label, _ = place.groups()
        served = self.models.get(name)
        if label is not None and (served is None or label not in served.labels):
            raise Refused(400, NO_LABEL.format(label=label))
        if served is None or (version is not None and int(version) not in served.models):
            raise Refused(404, missing[version is not None].format(name=name, version=version))
        if version is None and label is None:
            return served.newest
        return served.models[int(version) if label is None else served.labels[label]]
