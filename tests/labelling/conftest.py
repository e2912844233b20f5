"""A folder of small pictures, a server of a labelling of them, and a way to ask it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.labelling import CAPTIONS, Form, Labelling, LabelServer, Proposer, Summary, open_sheet

NAMES = ("1.jpg", "2.jpg", "3.png", "해변/4.jpg")
COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 200), (230, 200, 40))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures, one of them in a subfolder."""
    folder = tmp_path / "photos"
    for name, colour in zip(NAMES, COLOURS, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (96, 64), colour).save(folder / name)
    return folder


class Answer(NamedTuple):
    """What a server sends."""

    status: int
    headers: Any
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


COOKIES: dict[str, str] = {}  # of each host and port, as a browser keeps them


def fetch(address: str, body: Any = None, **headers: str) -> Answer:
    """Gets an address, or posts JSON (bytes as they are) to it, with the cookie of its page."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Cookie": COOKIES.get(urlsplit(address).netloc, "")}
    sent |= {} if data is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(address, data, sent | {name.replace("_", "-"): headers[name] for name in headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def visit(page: str) -> str:
    """Opens a page, keeps its cookie, and returns the address of its server."""
    answer = fetch(page)
    assert answer.status == 200
    COOKIES[urlsplit(page).netloc] = answer.headers["Set-Cookie"].partition(";")[0]
    return page.partition("?")[0]


Serve = Callable[..., LabelServer]


@pytest.fixture
def serve(photos: Path) -> Iterator[Serve]:
    """`serve()`: a server of `photos` in a thread; `form` and `proposer` may be given."""
    running: list[tuple[LabelServer, threading.Thread]] = []

    def start(form: Form = CAPTIONS, proposer: Proposer | None = None, port: int = 0) -> LabelServer:
        sheet = open_sheet(photos / form.name, form, mm.find_images([photos]))

        def finish(labelled: int) -> Summary:
            return Summary(labelled, len(sheet.pictures), 20, "mmtoolkit finetune" if labelled else "")

        server = LabelServer(Labelling(sheet, "photos", finish, proposer), port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        COOKIES[urlsplit(server.address).netloc] = f"{server.cookie}={server.token}"
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
        if server.work.proposer:
            server.work.proposer.close()


class Job(NamedTuple):
    """A running `mmtoolkit label`, its page, and the address of its server; or what it said in place of them."""

    process: subprocess.Popen[str]
    page: str
    address: str


@pytest.fixture
def label() -> Iterator[Callable[..., Job]]:
    """`label(photos)`: starts the job in a process of its own."""
    jobs: list[Job] = []

    def start(*words: object) -> Job:
        command = [sys.executable, "-m", "mmtoolkit.pipelines", "label", "--no-browser", *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = process.stderr.readline()  # type: ignore[union-attr]
        found = re.search(r"http://\S+", line)
        page = found[0] if found else line
        jobs.append(Job(process, page, visit(page) if found else page))
        return jobs[-1]

    yield start
    for job in jobs:
        job.process.kill()
        job.process.communicate()
