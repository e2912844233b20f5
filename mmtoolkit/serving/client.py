"""Asks a served model, over REST or gRPC: the development server or TensorFlow's own."""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import urllib3

from mmtoolkit.errors import InputError
from mmtoolkit.image_files import read_picture
from mmtoolkit.installation import install_command

AGAIN = (429, 502, 503, 504)  # status of a server that may soon recover
BATCH, BYTES = 16, 10**7  # rows of a request, and bytes of its pictures, which a few photos of a telephone have
MOST_REPLY = 2**26  # bytes, unpacked
CONNECTIONS = 32  # kept open, for as many threads
PAUSE = 0.3  # seconds before the second try; twice as long before each further one
PLACE = re.compile(r"(/.*)?/v1/models/[^/:]+(/versions/\d+|/labels/[^/:]+)?")

Picture = str | Path | bytes


class Prediction(NamedTuple):
    """Prediction of a served model for one picture.

    Args:
        text: The caption, or the likeliest answer; empty if the picture could not be read.
        score: Score of the caption, or probability of the answer.
        status: `"ok"`, or why there is no text: `"empty"`, `"too large"`, `"unreadable"`.
        others: Further answers with their probabilities, the likeliest first.
    """

    text: str
    score: float
    status: str
    others: tuple[tuple[str, float], ...] = ()


class Client(ABC):
    """Base of the clients: pictures in, sentences out."""

    @abstractmethod
    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Computes the outputs of a signature by name; strings are bytes, in and out.

        Raises:
            InputError: The server cannot be reached or returns an error, which is in the message.
        """

    def ask(
        self, pictures: Sequence[Picture], questions: Sequence[str] = (), *, batch_size: int = BATCH
    ) -> list[Prediction]:
        """Returns the caption of each picture, or the answer to its question.

        Example:
            Of a running server:
            >>> RestClient("http://localhost:8501/v1/models/shapes").ask([Path("a.jpg")])  # doctest: +SKIP
            [Prediction(text='a purple triangle is to the left of a red square', score=-0.31, status='ok', others=())]

        Args:
            pictures: Files, or bytes; none for a model that reads questions alone.
            questions: One for each picture, for a model that answers questions.
            batch_size: Most rows of a request, at most the server's `max_batch_size`; more are asked in several.

        Raises:
            InputError: A file cannot be read, the server does not answer, or its model has other outputs.
        """
        return list(self.stream(pictures, questions, batch_size=batch_size))

    def stream(
        self, pictures: Sequence[Picture], questions: Sequence[str] = (), *, batch_size: int = BATCH
    ) -> Iterator[Prediction]:
        """Yields what `ask` returns, those of each request when it is answered."""
        if pictures and questions and len(pictures) != len(questions):
            given = f"{len(pictures)} pictures and {len(questions)} questions"
            raise InputError(f"Expected a question for each picture. Received: {given}.")
        for inputs in requests(pictures, questions, batch_size=batch_size):
            outputs = self.predict("serving_default", inputs)
            try:
                found = predictions(outputs, answers=bool(questions))
            except InputError:
                raise
            except (ValueError, TypeError, AttributeError) as error:
                raise InputError(f"Expected texts with their scores and status. Received: others ({error}).") from error
            if len(found) != (rows := len(next(iter(inputs.values())))):
                raise InputError(f"Expected {rows} rows, as many as were asked. Received: {len(found)}.")
            yield from found


def requests(
    pictures: Sequence[Picture], questions: Sequence[str], *, batch_size: int
) -> Iterator[dict[str, np.ndarray]]:
    """Cuts pictures and their questions into the inputs of requests of `batch_size` rows and `BYTES` bytes at most."""
    if batch_size < 1:
        raise InputError(f"batch_size expects 1 or more. Received: {batch_size}.")
    if not pictures:
        starts = range(0, len(questions), batch_size)
        yield from ({"question": strings(questions[start : start + batch_size])} for start in starts)
        return
    start, batch, size = 0, list[bytes](), 0
    for number, picture in enumerate([*pictures, None]):
        data = b"" if picture is None else picture_bytes(picture)
        if batch and (picture is None or len(batch) == batch_size or size + len(data) > BYTES):
            inputs = {"image_bytes": strings(batch)}
            yield {**inputs, "question": strings(questions[start:number])} if questions else inputs
            start, batch, size = number, [], 0
        batch.append(data)
        size += len(data)


def predictions(outputs: Mapping[str, np.ndarray], *, answers: bool) -> list[Prediction]:
    """Makes the predictions of the outputs of one request.

    Raises:
        InputError: They are of another model.
    """
    text = next((name for name, value in outputs.items() if name != "status" and is_text(value)), "caption")
    wanted = {"answers", "probabilities", "status"} if answers else {text, "score", "status"}
    if not wanted <= set(outputs):
        raise InputError(
            f"Expected a model that gives {sorted(wanted)}. Received: {sorted(outputs)}; ask another, "
            f"{'without questions' if answers else 'or this one with questions'}."
        )
    statuses = [status.decode() for status in outputs["status"]]
    if not answers:
        texts, scores = [value.decode() for value in outputs[text]], outputs["score"]
        return [
            Prediction(best, float(score), status) for best, score, status in zip(texts, scores, statuses, strict=True)
        ]
    rows = zip(outputs["answers"], outputs["probabilities"], statuses, strict=True)
    return [answer_prediction(texts, shares, status) for texts, shares, status in rows]


def is_text(value: np.ndarray) -> bool:
    """Returns whether an output is one string for each row."""
    return value.ndim == 1 and all(isinstance(each, bytes) for each in value)


def answer_prediction(texts: np.ndarray, shares: np.ndarray, status: str) -> Prediction:
    """Makes a prediction of the answers to one question."""
    pairs = [(text.decode(), float(share)) for text, share in zip(texts, shares, strict=True) if text]
    first = pairs[0] if pairs else ("", 0.0)
    return Prediction(first[0], first[1], status, tuple(pairs[1:]))


def picture_bytes(picture: Picture) -> bytes:
    """Returns the bytes of a picture, read if it is a file.

    Raises:
        InputError: The file cannot be read.
    """
    if isinstance(picture, bytes):
        return picture
    try:
        return read_picture(Path(picture))
    except OSError as error:
        raise InputError(f"Expected a picture file. Received: {picture} ({error.strerror}).") from error


def strings(texts: Sequence[bytes | str]) -> np.ndarray:
    """Converts texts to an array of bytes."""
    array = np.empty(len(texts), object)
    array[:] = [text.encode() if isinstance(text, str) else text for text in texts]
    return array


class RestClient(Client):
    """Asks a served model over REST.

    Example:
        >>> client = RestClient("http://localhost:8501/v1/models/shapes")

    Args:
        url: The model, `http://HOST:PORT/v1/models/NAME`, a version of it with `/versions/N` or `/labels/LABEL`; the
            path before `/v1` is a gateway's.
        timeout: Seconds to wait for data from the server.
        retries: Further tries if the server cannot be reached or is busy; one that is only slow is not asked again.

    Raises:
        InputError: `url` is not the URL of a model.
    """

    def __init__(self, url: str, *, timeout: float = 60.0, retries: int = 3) -> None:
        parts = urlsplit(url)
        is_place = PLACE.fullmatch(parts.path.rstrip("/")) and not parts.query and not parts.fragment
        if parts.scheme not in ("http", "https") or not parts.netloc or not is_place:
            raise InputError(f"Expected a model's URL, http://localhost:8501/v1/models/NAME. Received: {url!r}.")
        self.url = url.rstrip("/")
        tries = urllib3.Retry(
            retries,
            read=0,
            status_forcelist=AGAIN,
            allowed_methods=None,
            backoff_factor=PAUSE,
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        self.pool = urllib3.PoolManager(maxsize=CONNECTIONS, retries=tries, timeout=timeout)

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        columns = {name: as_json(value) for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns})
        outputs = self.send("POST", f"{self.url}:predict", body).get("outputs")
        if not isinstance(outputs, dict):
            raise InputError(f"{self.url} has no named outputs; ask a model that mmtoolkit export wrote.")
        try:
            return {name: from_json(value) for name, value in outputs.items()}
        except ValueError as error:
            raise InputError(f"{self.url} answered with other than arrays of numbers or texts ({error}).") from error

    def metadata(self) -> dict[str, Any]:
        """Fetches the model's signatures from the server.

        Raises:
            InputError: The server does not answer.
        """
        try:
            return self.send("GET", f"{self.url}/metadata")["metadata"]["signature_def"]["signature_def"]
        except (KeyError, TypeError) as error:
            raise InputError(f"{self.url} has no signatures in its metadata; is it a server of models?") from error

    def send(self, method: str, url: str, body: str | None = None) -> dict[str, Any]:
        """Sends a request and returns the JSON object of the reply."""
        try:
            headers = {"Content-Type": "application/json"}
            reply = self.pool.request(method, url, body=body, headers=headers, preload_content=False)
            data = reply.read(MOST_REPLY + 1)
            reply.close() if len(data) > MOST_REPLY else reply.release_conn()
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise InputError(f"{self.url} cannot be reached ({cause(reason)}); is the server running?") from error
        if len(data) > MOST_REPLY:
            raise InputError(f"{self.url} answered with more than {MOST_REPLY // 10**6} MB; ask for fewer at a time.")
        try:
            content = json.loads(data)
        except (ValueError, RecursionError):
            content = None
        if reply.status == 200 and isinstance(content, dict):
            return content
        message = str(content.get("error") or "")[:1000] if isinstance(content, dict) else ""
        raise InputError(f"{self.url} answered {reply.status}: {message or data[:200].decode(errors='replace')}")


def cause(reason: object) -> str:
    """Extracts why a connection failed from a message of urllib3, without the objects before it."""
    return str(reason).rpartition("): ")[2].rpartition(">: ")[2]


def as_json(value: np.ndarray) -> Any:
    """Converts an array to the JSON of the REST interface."""
    if value.dtype != object:
        return value.tolist()
    return [{"b64": base64.b64encode(text).decode()} for text in value]


def from_json(value: Any) -> np.ndarray:
    """Converts JSON of the REST interface to an array; strings become bytes."""
    array = np.array(value)
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind != "U":
        raise ValueError(f"these are {array.dtype}")
    return strings(array.reshape(-1).tolist()).reshape(array.shape)


class GrpcClient(Client):
    """Asks a served model over gRPC, which sends pictures without base64.

    Example:
        >>> client = GrpcClient("localhost:8500", "shapes")

    Args:
        target: `HOST:PORT`.
        model: Name of the model on the server.
        version: Version of the model, by default the newest.
        timeout: Seconds that all tries of a request may take together.
        retries: Further tries if the server cannot be reached, at most 4.

    Raises:
        InputError: tensorflow-serving-api is not installed.
    """

    def __init__(
        self, target: str, model: str, *, version: int | None = None, timeout: float = 60.0, retries: int = 3
    ) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as error:
            raise InputError(
                f"gRPC needs the package tensorflow-serving-api. Received: {error}; "
                f"install it with {install_command('serving')}, or ask over REST."
            ) from error
        self.target, self.model, self.version, self.timeout = target, model, version, timeout
        policy = {
            "maxAttempts": 1 + max(1, min(retries, 4)),
            "initialBackoff": f"{PAUSE}s",
            "maxBackoff": "5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        }
        config = json.dumps({"methodConfig": [{"name": [{}], **({"retryPolicy": policy} if retries else {})}]})
        self.channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.service_config", config),
                ("grpc.max_receive_message_length", MOST_REPLY),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self.service = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self.model, signature
        if self.version is not None:
            request.model_spec.version.value = self.version
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        try:
            reply = self.service.Predict(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise InputError(f"{self.target} answered {error.code().name}: {error.details()}") from error  # type: ignore[attr-defined]
        return {name: tf.make_ndarray(value) for name, value in reply.outputs.items()}
