"""Asks a served model about pictures."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

import mmtoolkit as mm
from mmtoolkit.cli.command import run, shown, tell, warn
from mmtoolkit.cli.options import Printing
from mmtoolkit.cli.ranges import Count, Positive, Whole
from mmtoolkit.serving.client import BATCH, Client, GrpcClient, Prediction, RestClient
from mmtoolkit.startup import start_tensorflow

Name = Path | str | None  # of a picture, or the question where there is none


@dataclass(frozen=True, kw_only=True)
class Options(Printing):
    """The options of `mmtoolkit ask`.

    Args:
        url: The model, http://localhost:8501/v1/models/NAME; over gRPC, grpc://localhost:8500/NAME.
        images: Picture files, or folders of them; none for a model that reads questions alone.
        question: For a model that answers questions.
        batch_size: Pictures of a request, at most the server's max_batch_size.
        timeout: Seconds to wait for the server.
        retries: Tries after the first, where the server cannot be reached or is busy.
    """

    url: tyro.conf.Positional[str]
    images: tyro.conf.Positional[list[Path]]
    question: str | None = None
    batch_size: Count = BATCH
    timeout: Positive = 60.0
    retries: Whole = 3


def main(options: Options) -> int:
    """Asks a served model about pictures.

    Prints a line INPUT<TAB>CAPTION for each picture; with a question, lines INPUT<TAB>ANSWER<TAB>PROBABILITY. The exit
    code is 1 where a picture could not be read.
    """
    images, question = options.images, options.question
    client = client_for(options.url, options.timeout, options.retries)
    pictures = mm.find_images(images, warn=warn) if images or question is None else []
    names: Sequence[Name] = pictures or [question]
    questions = [question] * len(names) if question is not None else ()
    predictions: list[tuple[Name, Prediction]] = []
    for name, each in zip(names, client.stream(pictures, questions, batch_size=options.batch_size), strict=True):
        predictions.append((name, each))
        if not options.json:
            show(name, each)
    if options.json:
        results = [as_json(name, each) for name, each in predictions]
        print(json_format.dumps({"results": results}, indent=1, ensure_ascii=False))
    return 0 if all(each.status == "ok" for _, each in predictions) else 1


def client_for(url: str, timeout: float, retries: int) -> Client:
    """Makes the client for a URL."""
    if not url.startswith("grpc://"):
        return RestClient(url, timeout=timeout, retries=retries)
    target, _, model = url.removeprefix("grpc://").partition("/")
    if not target or not model or "/" in model:
        raise mm.InputError(f"Expected grpc://HOST:PORT/NAME. Received: {url!r}.")
    start_tensorflow()
    return GrpcClient(target, model, timeout=timeout, retries=retries)


def show(name: Name, each: Prediction) -> None:
    """Prints the prediction for a picture."""
    if each.status != "ok":
        tell(shown(f"error: {name}: {each.status}"))
    elif each.others:
        for text, share in ((each.text, each.score), *each.others):
            print(f"{shown(str(name))}\t{shown(text)}\t{share:.3f}", flush=True)
    else:
        print(f"{shown(str(name))}\t{shown(each.text)}", flush=True)


def as_json(name: Name, prediction: Prediction) -> dict[str, Any]:
    """Returns the prediction for a picture as JSON."""
    others = [{"text": text, "score": share} for text, share in prediction.others]
    own = {"text": prediction.text, "score": prediction.score, "status": prediction.status}
    return {"image": str(name), **own, "others": others}


if __name__ == "__main__":
    run(main)
