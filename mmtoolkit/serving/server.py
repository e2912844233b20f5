"""Runs the development server: TensorFlow Serving's REST interface and a page, for laptops and tests.

It is no production server: it neither batches requests nor loads new versions while it runs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import waitress
import waitress.server

from mmtoolkit.errors import InputError
from mmtoolkit.serving.demo_html import PAGE_HEADERS, served_page
from mmtoolkit.serving.loaded import ServedModel
from mmtoolkit.serving.rest import Refused, dump, metadata, model_status, read_request, write_answer

LOCAL = "127.0.0.1"
MEGABYTES, SECONDS, THREADS = 32, 30, 4
MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d{1,19}))?"
PREDICT = re.compile(MODEL + ":predict")
ASKED = re.compile(MODEL + "(/metadata)?")
CLOSED = 499  # TF Serving's status if the client closed the connection; the standard has no name for it

NO_SERVABLE = (
    "Servable not found for request: Latest({name})",
    "Servable not found for request: Specific({name}, {version})",
)
NO_STATUS = ("Could not find any versions of model {name}", "Could not find version {version} of model {name}")

Environment = Mapping[str, Any]


class Application:
    """WSGI application that answers requests with models; `seconds` limits the time of each request."""

    def __init__(self, models: Mapping[str, ServedModel], *, seconds: float = SECONDS) -> None:
        self.models, self.seconds = models, seconds

    def __call__(self, environment: Environment, start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, kind, body = 200, *self.answer(environment)
        except Refused as refused:
            status, kind, body = refused.status, "application/json", dump({"error": refused.message})
        except Exception as error:  # one request must not end without an answer that its client can read
            logging.getLogger(__name__).exception("a request failed")
            status, kind, body = 500, "application/json", dump({"error": f"{type(error).__name__}: {error}"})
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        phrase = "Client Closed Request" if status == CLOSED else HTTPStatus(status).phrase
        start(f"{status} {phrase}", headers + (PAGE_HEADERS if kind.startswith("text/html") else []))
        return [] if environment["REQUEST_METHOD"] == "HEAD" else [body]

    def answer(self, environment: Environment) -> tuple[str, bytes]:
        """Returns the content type and the body of the reply to a valid request; refuses others."""
        method, path = environment["REQUEST_METHOD"], environment.get("PATH_INFO", "")
        path = path.encode("latin-1").decode(errors="replace")  # PEP 3333 has the bytes of UTF-8 as characters
        if path == "/" and method in ("GET", "HEAD"):
            return "text/html; charset=utf-8", served_page(self.models)
        if not path.startswith("/v1/"):
            raise Refused(404, f"Not found: {path:.200}")
        origin = environment.get("HTTP_ORIGIN")
        if origin and urlsplit(origin).netloc != environment.get("HTTP_HOST"):
            raise Refused(403, f"Expected a request from this server's own page. Received: one from {origin:.200}.")
        if method == "POST" and (match := PREDICT.fullmatch(path)):
            model = self.model(*match.groups())
            body = environment["wsgi.input"].read()
            signature, inputs, by_row = read_request(body, model.signatures)
            outputs = model.predict(signature, inputs, seconds=self.seconds)
            return "application/json", write_answer(outputs, by_row=by_row)
        if method == "GET" and (match := ASKED.fullmatch(path)):
            name, version, about = match.groups()
            if about:
                model = self.model(name, version)
                return "application/json", metadata(model.name, model.version, model.signatures)
            return "application/json", model_status(self.model(name, version, missing=NO_STATUS).version)
        raise Refused(400, f"Malformed request: {method} {path:.200}")

    def model(self, name: str, version: str | None, *, missing: tuple[str, str] = NO_SERVABLE) -> ServedModel:
        """Finds the model that a path names; `missing` has the errors for an unknown model and an unknown version."""
        model = self.models.get(name)
        if model is None or (version is not None and int(version) != model.version):
            raise Refused(404, missing[version is not None].format(name=name, version=version))
        return model


def make_server(
    models: Mapping[str, ServedModel],
    *,
    host: str = LOCAL,
    port: int = 8501,
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
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

    Raises:
        InputError: The port is not available.
    """
    try:
        return waitress.server.create_server(
            Application(models, seconds=seconds),
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
