"""The server: what it sends, whom it refuses, and that a kill loses nothing that it has answered for."""

from __future__ import annotations

import io
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.labelling import QUESTIONS, Proposal, Proposer
from tests.labelling.conftest import COLOURS, NAMES, fetch


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
        "names": list(NAMES),
        "labelled": ["2.jpg"],
        "proposes": False,
    }
    assert fetch(server.address + "item?image=2.jpg").json == {"labels": [["green"]], "fault": ""}
    summary = {"labelled": 1, "pictures": 4, "wanted": 20, "command": "mmtoolkit finetune"}
    assert fetch(server.address + "summary").json == summary


def test_what_is_saved_is_on_disk_before_the_answer(serve: Any, photos: Path) -> None:
    server = serve()
    assert post(server, "해변/4.jpg", [["노란색"]]).json == {"labelled": ["해변/4.jpg"]}
    assert post(server, "1.jpg", [["red"], ["crimson"]]).json == {"labelled": ["해변/4.jpg", "1.jpg"]}
    assert [record.captions for record in mm.read_captions(photos)] == [("노란색",), ("red", "crimson")]


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
    fault = "2.jpg: cannot be read (it is damaged, or no known picture); replace the file or leave it out"
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
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {place.netloc}\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


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
