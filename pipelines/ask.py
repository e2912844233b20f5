"""Asks a served model about pictures."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tyro

import mmtoolkit as mm
from mmtoolkit.pipelines.command import run, start_tensorflow, tell
from mmtoolkit.serving.client import Client, GrpcClient, RestClient, Told

BATCH = 16


def main(
    url: tyro.conf.Positional[str],
    images: tyro.conf.Positional[list[Path]],
    *,
    question: str | None = None,
    timeout: float = 60.0,
    retries: int = 3,
    json: bool = False,
) -> int:
    """Asks a served model about pictures.

    Prints a line INPUT<TAB>CAPTION for each picture; with a question, lines INPUT<TAB>ANSWER<TAB>PROBABILITY. The exit
    code is 1 where a picture could not be read.

    Args:
        url: The model, http://localhost:8501/v1/models/NAME; over gRPC, grpc://localhost:8500/NAME.
        images: Picture files, or folders of them.
        question: For a model that answers questions.
        timeout: Seconds that a request may take.
        retries: Tries after the first, where the server cannot be reached or is busy.
        json: Print one JSON object in place of the lines.
    """
    if timeout <= 0 or retries < 0:
        raise mm.InputError(f"--timeout is above 0 and --retries 0 or more. Received: {timeout}, {retries}.")
    client, paths = client_for(url, timeout, retries), mm.find_images(images)
    told: list[Told] = []
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        found = client.ask(batch, [question] * len(batch) if question is not None else ())
        told += found
        if not json:
            show(batch, found)
    if json:
        results = [as_json(path, each) for path, each in zip(paths, told, strict=True)]
        print(json_format.dumps({"results": results}, indent=1, ensure_ascii=False))
    return 0 if all(each.status == "ok" for each in told) else 1


def client_for(url: str, timeout: float, retries: int) -> Client:
    """The client that a URL asks for."""
    if not url.startswith("grpc://"):
        return RestClient(url, timeout=timeout, retries=retries)
    target, _, model = url.removeprefix("grpc://").partition("/")
    if not target or not model or "/" in model:
        raise mm.InputError(f"Expected grpc://HOST:PORT/NAME. Received: {url!r}.")
    start_tensorflow()
    return GrpcClient(target, model, timeout=timeout, retries=retries)


def show(paths: Sequence[Path], told: Sequence[Told]) -> None:
    """Prints what was said of each picture."""
    for path, each in zip(paths, told, strict=True):
        if each.status != "ok":
            tell(f"error: {path}: {each.status}")
        elif each.others:
            for text, share in ((each.text, each.score), *each.others):
                print(f"{path}\t{text}\t{share:.3f}", flush=True)
        else:
            print(f"{path}\t{each.text}", flush=True)


def as_json(path: Path, told: Told) -> dict[str, Any]:
    """What was said of a picture, as JSON."""
    others = [{"text": text, "score": share} for text, share in told.others]
    return {"image": str(path), "text": told.text, "score": told.score, "status": told.status, "others": others}


if __name__ == "__main__":
    run(main)
