"""The development server: TensorFlow Serving's REST interface and a page, for laptops and tests.

It is not the production server: it neither batches requests nor loads new versions while it runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import waitress
import waitress.server

from mmtoolkit.errors import InputError
from mmtoolkit.serving.loaded import ServedModel
from mmtoolkit.serving.page import PAGE_HEADERS, served_page
from mmtoolkit.serving.rest import Refused, error_body, metadata, model_status, named, read_request, write_answer

LOCAL = "127.0.0.1"
MEGABYTES, SECONDS, THREADS = 32, 30, 4
PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?:predict")
ASKED = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?(/metadata)?")
REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    412: "Precondition Failed",
    429: "Too Many Requests",
    500: "Internal Server Error",
    504: "Gateway Timeout",
}

Environment = Mapping[str, Any]


class Served:
    """The answers to requests, as a WSGI application.

    Args:
        models: By name.
        seconds: How long a model may take over a request.
    """

    def __init__(self, models: Mapping[str, ServedModel], *, seconds: float = SECONDS) -> None:
        self.models, self.seconds = models, seconds

    def __call__(self, environment: Environment, start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            status, kind, body = 200, *self.answer(environment)
        except Refused as refused:
            status, kind, body = refused.status, "application/json", error_body(refused.message)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start(f"{status} {REASONS[status]}", headers + (PAGE_HEADERS if kind.startswith("text/html") else []))
        return [body]

    def answer(self, environment: Environment) -> tuple[str, bytes]:
        """The kind and body of an answer.

        Raises:
            Refused: The request is no good.
        """
        method, path = environment["REQUEST_METHOD"], environment.get("PATH_INFO", "")
        if path == "/" and method in ("GET", "HEAD"):
            return "text/html; charset=utf-8", served_page(self.models)
        if not path.startswith("/v1/"):
            raise Refused(404, f"Not found: {path:.200}")
        if method == "POST" and (match := PREDICT.fullmatch(path)):
            model = self.model(*match.groups())
            body = environment["wsgi.input"].read()
            signature, inputs, by_row = read_request(body, model.signatures)
            outputs = model.predict(signature, inputs, seconds=self.seconds)
            return "application/json", write_answer(outputs, by_row=by_row)
        if method == "GET" and (match := ASKED.fullmatch(path)):
            name, version, about = match.groups()
            model = self.model(name, version)
            told = metadata(model.name, model.version, model.signatures) if about else model_status(model.version)
            return "application/json", told
        raise Refused(400, f"Malformed request: {method} {path:.200}")

    def model(self, name: str, version: str | None) -> ServedModel:
        """The model that a path names.

        Raises:
            Refused: There is none.
        """
        model = self.models.get(name)
        if model is None:
            raise Refused(
                404, f"Servable not found for request: Latest({name}). There are: {named(list(self.models))}."
            )
        if version is not None and int(version) != model.version:
            raise Refused(404, f"Servable not found for request: Specific({name}, {version}).")
        return model


def make_server(
    models: Mapping[str, ServedModel],
    *,
    host: str = LOCAL,
    port: int = 8501,
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
) -> Any:
    """A server on a port; `run()` serves until `close()`.

    Example:
        >>> server = make_server(load_models(Path("models")), port=0)
        >>> server.effective_port

    Args:
        models: By name.
        host: Address; this machine only by default.
        port: 0 takes a free one.
        megabytes: Largest body; a larger one is refused before it is read.
        seconds: How long a model may take over a request, and a client over nothing.

    Raises:
        InputError: The port cannot be had.
    """
    try:
        return waitress.server.create_server(
            Served(models, seconds=seconds),
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
