"""The server: what it sends, whom it refuses, and that a kill loses nothing that it has answered for."""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.labelling import QUESTIONS, Proposal, Proposer, replies
from mmtoolkit.labelling.server import PATIENCE
from tests.labelling.conftest import COLOURS, COOKIES, NAMES, fetch


def post(server: Any, image: str, labels: Any, **fields: Any) -> Any:
    body = {"table": server.work.table, "image": image, "labels": labels} | fields
    return fetch(server.address + "save", body)


# --- what it sends ---


def test_the_page_is_told_what_there_is(serve: Any, photos: Path) -> None:
    (photos / "captions.csv").write_text("image,caption\n2.jpg,green\nelsewhere.jpg,far\n")
    server = serve()
    start = fetch(server.address + "start").json
    assert start == {
        "table": server.work.table,
        "file": "captions.csv",
        "fields": ["caption"],
        "longest": 2000,
        "names": list(NAMES),
        "labelled": ["2.jpg"],
        "language": "en",
        "proposes": False,
    }
    assert fetch(server.address + "item?image=2.jpg").json == {"labels": [["green"]], "fault": ""}
    summary = {"labelled": 1, "pictures": 4, "wanted": 20, "command": "mmtoolkit finetune"}
    assert fetch(server.address + "summary").json == summary


def test_what_is_saved_is_on_disk_before_the_answer(serve: Any, photos: Path) -> None:
    server = serve()
    assert post(server, "해변/4.jpg", [["노란색"]]).json == {"labelled": ["해변/4.jpg"], "doubled": []}
    both = {"labelled": ["해변/4.jpg", "1.jpg"], "doubled": []}
    assert post(server, "1.jpg", [["red"], ["crimson"]]).json == both
    assert [record.captions for record in mm.read_captions(photos)] == [("노란색",), ("red", "crimson")]


def test_a_text_that_is_there_already_is_told(serve: Any) -> None:
    """Case, blanks and the last point make no other text; it is saved all the same."""
    server = serve()
    assert post(server, "1.jpg", [["A red  dog."], ["one dog"]]).json["doubled"] == []
    assert post(server, "2.jpg", [["a red dog"], ["two dogs"]]).json["doubled"] == [["a red dog", "1.jpg"]]
    assert post(server, "3.png", [["a cat"], ["a Cat ."]]).json["doubled"] == [["a Cat .", "3.png"]]
    assert fetch(server.address + "item?image=2.jpg").json["labels"] == [["a red dog"], ["two dogs"]]


def test_a_question_is_double_in_one_picture_only(serve: Any) -> None:
    server = serve(QUESTIONS)
    assert post(server, "1.jpg", [["what?", "red"]]).json["doubled"] == []
    assert post(server, "2.jpg", [["what?", "red"]]).json["doubled"] == []
    twice = [["what?", "red"], ["What?", "blue"]]
    assert post(server, "3.png", twice).json["doubled"] == [["What?", "3.png"]]


def test_small_pictures_are_small_and_one_that_cannot_be_read_is_grey(serve: Any, photos: Path) -> None:
    (photos / "3.png").write_bytes(b"no picture")
    address = serve().address
    small = Image.open(io.BytesIO(fetch(f"{address}picture?image=1.jpg&small=1").content))
    assert small.size == (96, 64) and np.abs(np.subtract(small.getpixel((48, 32)), COLOURS[0])).max() < 8
    assert Image.open(io.BytesIO(fetch(f"{address}picture?image=3.png&small=1").content)).getpixel((9, 9)) == (128,) * 3
    assert fetch(f"{address}picture?image=3.png").status == 415
    assert fetch(f"{address}picture?image=9.png&small=1").status == 404


def test_pictures_are_upright_and_bounded(serve: Any, photos: Path) -> None:
    """EXIF orientation 6: what is stored on the left is the top, so the red half is above."""
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((1000, 4000, 3), np.uint8)
    pixels[:, :2000], pixels[:, 2000:] = COLOURS[0], COLOURS[2]
    Image.fromarray(pixels).save(photos / "1.jpg", exif=exif)
    answer = fetch(serve().address + "picture?image=1.jpg")
    shown = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["Content-Type"], shown.format, shown.size) == ("image/jpeg", "JPEG", (400, 1600))
    assert np.abs(np.subtract(shown.getpixel((200, 400)), COLOURS[0])).max() < 8
    assert np.abs(np.subtract(shown.getpixel((200, 1200)), COLOURS[2])).max() < 8


def test_heic_is_turned_into_what_browsers_show(serve: Any, photos: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.new("RGB", (64, 64), COLOURS[1])).save(photos / "5.heic")
    shown = Image.open(io.BytesIO(fetch(serve().address + "picture?image=5.heic").content))
    assert shown.format == "JPEG" and np.abs(np.subtract(shown.getpixel((32, 32)), COLOURS[1])).max() < 12


def test_a_picture_that_cannot_be_read_is_told(serve: Any, photos: Path) -> None:
    (photos / "2.jpg").write_bytes((photos / "1.jpg").read_bytes()[:200])
    server = serve()
    fault = "2.jpg: cannot be read (damaged or cut off); replace the file or leave it out"
    assert fetch(server.address + "item?image=2.jpg").json == {"labels": [], "fault": fault}
    answer = fetch(server.address + "picture?image=2.jpg")
    assert (answer.status, answer.json) == (415, {"error": fault})
    (photos / "1.jpg").unlink()
    assert "cannot be read (No such file" in fetch(server.address + "item?image=1.jpg").json["fault"]
    assert fetch(server.address + "item?image=3.png").json["fault"] == ""


def test_a_picture_that_says_too_much_is_told_how_much(serve: Any, photos: Path) -> None:
    sides = (13_299 | 13_299 << 14 | 1 << 28).to_bytes(4, "little")  # a WebP of 40 bytes
    (photos / "3.png").write_bytes(b"RIFF\x20\0\0\0WEBPVP8L\x14\0\0\0\x2f" + sides + bytes(15))
    fault = fetch(f"{serve().address}item?image=3.png").json["fault"]
    assert "more than 67 megapixels, or 65,535 pixels on a side: it has 13,300 x 13,300" in fault
    assert "damaged" not in fault


def test_a_file_name_that_no_table_holds_is_told(serve: Any, photos: Path) -> None:
    (photos / "2.jpg").rename(photos / "2 .jpg ")
    (photos / "2 .jpg ").rename(photos / " 2.jpg")
    fault = fetch(serve().address + "item?image=%202.jpg").json["fault"]
    assert "expected a file name in Unicode without spaces around it" in fault


def test_every_page_forbids_other_sources(serve: Any) -> None:
    for path in ("", "start", "picture?image=1.jpg", "nothing"):
        headers = fetch(serve().address + path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; img-src 'self' data:;")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin" and headers["Cache-Control"] == "no-store"


# --- proposals ---


def test_a_model_never_keeps_the_page_waiting_and_looks_ahead(serve: Any, photos: Path) -> None:
    """The picture that is looked at goes first, then the next ones that have no label."""
    (photos / "captions.csv").write_text("image,caption\n3.png,blue\n")
    asked: list[str] = []
    go, idle = threading.Event(), threading.Event()

    def ask(name: str, question: str) -> Proposal:
        asked.append(name)
        if name == "해변/4.jpg":
            idle.set()
        go.wait(10)
        if name == "2.jpg":
            raise RuntimeError("too green\nfor words")
        return Proposal(((f"{name}{question}", None),))

    server = serve(proposer=Proposer(ask))
    assert fetch(server.address + "proposal?image=1.jpg").json == {"ready": False}
    assert fetch(server.address + "item?image=1.jpg").status == 200  # the model is still at it
    go.set()
    assert idle.wait(10)
    assert asked == ["1.jpg", "2.jpg", "해변/4.jpg"]
    made = fetch(server.address + "proposal?image=1.jpg").json
    assert made == {"ready": True, "texts": [["1.jpg", None]], "note": ""}
    assert fetch(server.address + "proposal?image=2.jpg").json == {"ready": True, "texts": [], "note": "too green"}
    assert asked.count("1.jpg") == 1


def test_a_later_wish_takes_the_place_of_earlier_ones() -> None:
    begun, go, asked = threading.Event(), threading.Event(), []

    def ask(name: str, question: str) -> Proposal:
        asked.append((name, question))
        begun.set()
        go.wait(10)
        return Proposal()

    proposer = Proposer(ask)
    proposer.want([("1", ""), ("2", ""), ("3", "")])
    assert begun.wait(10)
    proposer.want([("9", "why?"), ("1", "")])
    go.set()
    while proposer.want([("9", "why?")]) is None:
        pass
    proposer.close()
    assert asked == [("1", ""), ("9", "why?")] and not proposer.thread.is_alive()


def test_without_a_model_there_are_no_proposals(serve: Any) -> None:
    answer = fetch(serve().address + "proposal?image=1.jpg")
    assert (answer.status, answer.json["error"]) == (404, "expected a model. Received: none; start with --preset.")


# --- whom it refuses ---


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1", "127.0.0.1:1", "example.org:{port}", ""])
def test_another_host_is_refused(serve: Any, photos: Path, host: str) -> None:
    """A name that its owner points to 127.0.0.1 makes a page of theirs the same origin as this one."""
    server = serve()
    named = host.format(port=server.server_port)
    for path, body in (("start", None), ("picture?image=1.jpg", None), ("save", {"image": "1.jpg"})):
        answer = fetch(server.address + path, body, Host=named)
        assert answer.status == 403
        assert answer.json["error"] == f"expected a request to {server.address}. Received: one to {named!r}."
    assert not (photos / "captions.csv").exists()


@pytest.mark.parametrize("origin", ["http://example.org", "null", "http://127.0.0.1", "https://127.0.0.1:{port}"])
def test_another_origin_is_refused(serve: Any, photos: Path, origin: str) -> None:
    server = serve()
    named = origin.format(port=server.server_port)
    body = {"table": server.work.table, "image": "1.jpg", "labels": [["red"]]}
    for path in ("save", "done"):
        answer = fetch(server.address + path, body, Origin=named)
        assert answer.status == 403 and f"Received: one from {named!r}." in answer.json["error"]
    assert not (photos / "captions.csv").exists()
    for name in ("127.0.0.1", "localhost"):
        own = f"{name}:{server.server_port}"
        assert fetch(server.address + "save", body, Origin=f"http://{own}", Host=own).status == 200
    assert (photos / "captions.csv").exists()


ROUTES = ("", "start", "item?image=1.jpg", "picture?image=1.jpg", "proposal?image=1.jpg", "summary", "nothing")


@pytest.mark.parametrize("given", ["", "wrong", "cut", "another port's", "another labelling's"])
def test_other_users_of_the_machine_are_refused(serve: Any, photos: Path, given: str) -> None:
    """Whoever has not seen the printed address has no token, in the address or in the cookie."""
    server, other = serve(), serve(QUESTIONS)
    token = {"wrong": "x" * 43, "cut": server.token[:-1], "another labelling's": other.token}.get(given, "")
    cookie = other.cookie if given == "another port's" else server.cookie
    sent = f"a=b; {cookie}={server.token if given.startswith('another port') else token}"
    received = "another one" if token else "none"
    sentence = (
        f"expected the token of this labelling. Received: {received}; open the whole address that mmtoolkit label "
        "printed."
    )
    body = {"table": server.work.table, "image": "1.jpg", "labels": [["red"]]}
    for path, content in ((path, content) for content in (None, body) for path in (*ROUTES, "save", "done")):
        answers = [fetch(server.address + path, content, Cookie=sent)]
        if token:
            joint = "&" if "?" in path else "?"
            answers.append(fetch(f"{server.address}{path}{joint}token={token}", content, Cookie=""))
        for answer in answers:
            assert (answer.status, answer.json) == (403, {"error": sentence}), path
            assert "Set-Cookie" not in answer.headers
    assert not (photos / "captions.csv").exists()
    assert fetch(server.address + "start").status == 200  # it still runs


def test_the_page_brings_a_cookie_for_its_further_requests(serve: Any) -> None:
    server = serve()
    answer = fetch(server.page, Cookie="")
    cookie = f"mmtoolkit-label-{server.server_port}={server.token}"
    assert answer.headers["Set-Cookie"] == f"{cookie}; Path=/; HttpOnly; SameSite=Strict"
    assert (
        server.token not in server.address and len(server.token) >= 43 and server.token not in answer.content.decode()
    )
    for given in (cookie, f"a=b; {cookie}", f"{cookie};c", f"{cookie}; é=1"):
        assert fetch(server.address + "start", Cookie=given).status == 200
    assert fetch(f"{server.address}?token=old", Cookie=cookie).status == 200  # a page of before, loaded again


def test_what_a_form_of_another_page_can_send_is_refused(serve: Any, photos: Path) -> None:
    """A browser sends plain text anywhere without asking the server first."""
    server = serve()
    body = {"table": server.work.table, "image": "1.jpg", "labels": [["red"]]}
    assert fetch(server.address + "save", body, Content_Type="text/plain").status == 403
    assert not (photos / "captions.csv").exists()


def test_only_pictures_of_the_table_are_sent(serve: Any, photos: Path) -> None:
    (photos.parent / "secret.png").write_bytes((photos / "3.png").read_bytes())
    (photos / "notes.txt").write_text("mine")
    server = serve()
    for name in (
        "../secret.png",
        "해변/../../secret.png",
        str(photos / "1.jpg"),
        "notes.txt",
        "captions.csv",
        "",
        "해변",
    ):
        for path in ("picture", "item"):
            assert fetch(f"{server.address}{path}?image={quote(name)}").status == 404, name
        assert post(server, name, [["mine"]]).status == 404
    for path in ("1.jpg", "photos/1.jpg", "../secret.png", "%2e%2e/secret.png", "etc/passwd", "picture/../start"):
        assert raw(server.address, f"/{path}").startswith(b"HTTP/1.0 404"), path
    assert not (photos / "captions.csv").exists()


def raw(address: str, path: str) -> bytes:
    """What comes for a path that no client has tidied."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.0\r\nHost: {place.netloc}\r\nCookie: {COOKIES[place.netloc]}\r\n\r\n".encode()
        )
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "path", ["http://[::1/start", "//[", "/start?image=%ff%00", "*", "/\\..\\..", "/" + "x" * 60_000]
)
def test_a_strange_address_is_answered(serve: Any, capfd: pytest.CaptureFixture[str], path: str) -> None:
    answer = raw(serve().address, path)
    good = path.startswith("/start")
    assert answer.startswith((b"HTTP/1.0 200",) if good else (b"HTTP/1.0 400", b"HTTP/1.0 404"))
    assert good or b'{"error": "expected ' in answer
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("length", "closes", "message"),
    [
        ("100", True, "expected the 100 bytes that the request announces. Received: fewer; send it again."),
        ("100", False, "expected the 100 bytes that the request announces. Received: fewer; send it again."),
        ("-1", False, "expected at most 1000000 bytes. Received: -1."),
        ("9" * 5000, False, "expected at most 1000000 bytes. Received: 99999999999999999999."),
        ("x", False, "expected at most 1000000 bytes. Received: x."),
    ],
)
def test_a_body_that_does_not_come_is_answered(
    serve: Any,
    photos: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    length: str,
    closes: bool,
    message: str,
) -> None:
    monkeypatch.setattr("mmtoolkit.labelling.server.RequestHandler.timeout", 0.2)
    place = urlsplit(serve().address)
    head = f"POST /save HTTP/1.0\r\nHost: {place.netloc}\r\nCookie: {COOKIES[place.netloc]}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(head.encode() + b'{"image": "1.jpg"')
        if closes:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.0 400")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": message}
    assert capfd.readouterr().err == "" and not (photos / "captions.csv").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "expected JSON. Received: "),
        (b"[" * 100_000, "expected JSON. Received: "),
        (b"[]", "expected one JSON object. Received: list."),
        ({"image": "1.jpg", "labels": []}, "expected a page of this table. Received: one of another"),
        ({"image": "1.jpg", "table": "?", "labels": "red"}, "expected labels of 1 text(s) each. Received: 'red'."),
        ({"image": "1.jpg", "table": "?", "labels": [["a", "b"]]}, "expected labels of 1 text(s) each."),
        ({"image": "1.jpg", "table": "?", "labels": [[1]]}, "expected labels of 1 text(s) each."),
        ({"image": "1.jpg", "table": "?", "labels": [["\ud800"]]}, "expected whole Unicode characters."),
        ({"image": "1.jpg", "table": "?", "labels": [["a" * 900_000]]}, "expected a text of at most 2,000 characters."),
    ],
)
def test_what_is_no_label_is_refused(serve: Any, photos: Path, body: Any, message: str) -> None:
    server = serve()
    if isinstance(body, dict) and "table" in body:
        body = body | {"table": server.work.table}
    answer = fetch(server.address + "save", body)
    assert answer.status == 400 and answer.json["error"].startswith(message)
    assert not (photos / "captions.csv").exists()


def test_a_page_of_another_folder_writes_nothing_here(serve: Any, photos: Path) -> None:
    answer = post(serve(), "1.jpg", [["red"]], table=serve(QUESTIONS).work.table)
    assert answer.status == 400 and "load the page again" in answer.json["error"]
    assert not (photos / "captions.csv").exists()


def test_a_full_disk_is_told(serve: Any, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    assert post(server, "1.jpg", [["red"]]).status == 200

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = post(server, "1.jpg", [["crimson"]])
    error = f"No space left on device: {photos / 'captions.csv'}"
    assert (answer.status, answer.json) == (500, {"error": error})
    assert (photos / "captions.csv").read_text() == "image,caption\n1.jpg,red\n"


# --- its end ---


def test_a_port_in_use_is_one_sentence(serve: Any) -> None:
    port = serve().server_port
    with pytest.raises(mm.InputError) as caught:
        serve(port=port)
    expected = f"--port expects a free port. Received: {port}, one that another program uses; name another, or 0 for "
    assert str(caught.value) == expected + "any free one."


def test_the_end_ends_all_threads_and_frees_the_port(serve: Any, photos: Path) -> None:
    before = set(threading.enumerate())
    server = serve(proposer=Proposer(lambda name, question: Proposal()))
    (running,) = set(threading.enumerate()) - before - {server.work.proposer.thread}
    assert fetch(server.address + "done", {}).json == server.work.summary()._asdict()
    running.join(10)
    server.server_close()
    server.work.proposer.close()
    assert set(threading.enumerate()) <= before
    assert serve(port=server.server_port).server_port == server.server_port


def test_a_request_that_never_ends_keeps_nobody_waiting(
    serve: Any, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends a byte now and then never meets the time that a single byte may take."""
    monkeypatch.setattr("mmtoolkit.labelling.server.RequestHandler.timeout", 60)
    server = serve()
    place = urlsplit(server.address)
    post(server, "1.jpg", [["red"]])
    slow = [socket.create_connection((place.hostname, place.port), timeout=10) for _ in range(3)]
    for connection, start in zip(slow, (b"", b"GET /sta", b"POST /save HTTP/1.0\r\nHost: "), strict=True):
        connection.sendall(start)
    assert post(server, "2.jpg", [["green"]]).status == 200
    server.shutdown()
    server.server_close()
    assert not any(each.thread.is_alive() for each in server.handlings)
    for connection in slow:
        connection.close()


def test_a_picture_that_is_being_decoded_keeps_nobody_waiting(
    serve: Any, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()

    def decode(path: Path, side: int) -> Image.Image:
        begun.set()
        go.wait(60)
        raise OSError("late")

    monkeypatch.setattr(replies, "upright", decode)
    server = serve()
    asking = threading.Thread(target=fetch, args=(server.address + "picture?image=1.jpg",))
    asking.start()
    assert begun.wait(10)
    assert post(server, "2.jpg", [["green"]]).status == 200
    server.shutdown()
    before = time.monotonic()
    server.server_close()
    assert PATIENCE <= time.monotonic() - before < 10
    go.set()
    asking.join()


def test_the_end_completes_a_save_and_begins_none(serve: Any, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()

    def slowly(descriptor: int) -> None:
        begun.set()
        go.wait(60)

    monkeypatch.setattr("os.fsync", slowly)
    server = serve()
    answers: list[Any] = []
    saving = threading.Thread(target=lambda: answers.append(post(server, "1.jpg", [["red"]])))
    saving.start()
    assert begun.wait(10)
    ending = threading.Thread(target=lambda: (server.shutdown(), server.server_close()))
    ending.start()
    ending.join(0.2)
    assert ending.is_alive() and not (photos / "captions.csv").exists()
    go.set()
    ending.join(10)
    saving.join(10)
    assert [answer.status for answer in answers] == [200]
    assert (photos / "captions.csv").read_text() == "image,caption\n1.jpg,red\n"
    late = {"table": server.work.table, "image": "2.jpg", "labels": [["green"]]}
    with pytest.raises(mm.InputError, match="Received: one that has ended"):
        replies.save_reply(server.work, late)
    assert (photos / "captions.csv").read_text() == "image,caption\n1.jpg,red\n"


def test_a_request_must_come_in_time(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmtoolkit.labelling.server.RequestHandler.timeout", 60)
    place = urlsplit(serve().address)
    monkeypatch.setattr("mmtoolkit.labelling.server.LONGEST", 0.1)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.sendall(b"GET /sta")
        while chunk := connection.recv(65536):  # its end comes before the ten seconds
            assert b"HTTP/1.0 200" not in chunk


def test_one_picture_is_decoded_at_a_time(serve: Any, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    inside: list[Path] = []
    two = threading.Event()
    upright = replies.upright

    def watched(path: Path, side: int) -> Image.Image:
        inside.append(path)
        if len(inside) > 1:
            two.set()
        two.wait(0.2)
        inside.remove(path)
        return upright(path, side)

    monkeypatch.setattr(replies, "upright", watched)
    asked = [f"{server.address}picture?image={name}" for name in ("1.jpg", "2.jpg", "3.png")]
    threads = [threading.Thread(target=fetch, args=(address,)) for address in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not two.is_set()


def test_a_picture_that_claims_too_much_is_not_decoded(serve: Any, photos: Path) -> None:
    Image.new("1", (70_000, 1)).save(photos / "3.png")
    fault = fetch(serve().address + "item?image=3.png").json["fault"]
    why = "more than 67 megapixels, or 65,535 pixels on a side: it has 70,000 x 1"
    assert fault == f"3.png: cannot be read ({why}); replace the file or leave it out"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of Unix")
def test_a_picture_that_becomes_a_pipe_is_not_opened(serve: Any, photos: Path) -> None:
    server = serve()
    (photos / "3.png").unlink()
    os.mkfifo(photos / "3.png")
    fault = fetch(server.address + "item?image=3.png").json["fault"]
    assert (
        fault
        == "3.png: cannot be read (it is no file but a pipe, a socket or a device); replace the file or leave it out"
    )


def test_saves_at_once_are_all_kept(serve: Any, photos: Path) -> None:
    server = serve()
    saving = [threading.Thread(target=post, args=(server, name, [[f"{name} {n}"]])) for n in range(5) for name in NAMES]
    for thread in saving:
        thread.start()
    for thread in saving:
        thread.join()
    found = {record.image_id: record.captions for record in mm.read_captions(photos)}
    assert set(found) == set(NAMES)
    assert all(len(texts) == 1 and texts[0].startswith(name) for name, texts in found.items())


@pytest.mark.slow
def test_a_kill_in_the_midst_loses_nothing_that_was_answered(label: Any, photos: Path) -> None:
    """The last save may or may not have come through; the table is whole all the same."""
    job = label(photos, "--port", 0)
    table = fetch(job.address + "start").json["table"]
    answered: list[int] = []
    enough = threading.Event()

    def save_on() -> None:
        try:
            for number in range(100_000):
                body = {"table": table, "image": NAMES[number % 4], "labels": [[f"number {number}"], ["한 줄, " * 50]]}
                if fetch(job.address + "save", body).status == 200:
                    answered.append(number)
                if number == 60:
                    enough.set()
        except OSError:  # it is gone
            enough.set()

    saving = threading.Thread(target=save_on)
    saving.start()
    assert enough.wait(60)
    job.process.kill()
    saving.join()
    last = answered[-1]
    assert last >= 60
    found = {record.image_id: record.captions[0] for record in mm.read_captions(photos)}
    kept = {NAMES[number % 4]: number for number in range(last - 3, last + 1)}
    unanswered = {NAMES[(last + 1) % 4]: last + 1}
    for name, number in kept.items():
        assert found[name] in {f"number {number}", f"number {(kept | unanswered)[name]}"}
    again = label(photos, "--port", 0)
    assert fetch(again.address + "start").json["labelled"] == list(NAMES)


@pytest.mark.slow
def test_a_second_server_of_one_table_is_refused(label: Any, photos: Path) -> None:
    """Each read, changed and replaced the table in turns: of 100 labels that were answered for, 21 were lost."""
    first = label(photos, "--port", 0)
    second = label(photos, "--port", 0)
    assert second.process.wait(60) == 2
    expected = f"error: Expected {photos / 'captions.csv'} to be free. Received: process {first.process.pid} on "
    assert second.page.startswith(expected) and ", which labels since 20" in second.page
    table = fetch(first.address + "start").json["table"]
    for name in NAMES:
        assert fetch(first.address + "save", {"table": table, "image": name, "labels": [["a"]]}).status == 200
    first.process.kill()
    first.process.wait()
    left = photos / f".captions.csv.{first.process.pid}.0123abcd.part"
    left.touch()
    third = label(photos, "--port", 0)  # the killed one keeps nothing, and leaves nothing
    assert fetch(third.address + "start").json["labelled"] == list(NAMES)
    assert not left.exists()
