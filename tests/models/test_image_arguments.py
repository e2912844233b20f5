"""Pictures in every form that a person has them in give the same caption, and anything else one sentence."""

from __future__ import annotations

import http.server
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.models.image_arguments import list_images, pairs
from mmtoolkit.scenes import write_scenes
from mmtoolkit.vision import read_image


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = write_scenes(tmp_path_factory.mktemp("data") / "scenes", count=10, seed=0, size=64)
    return sorted((folder / "images").iterdir())


@pytest.fixture(scope="module")
def captioner() -> mm.Captioner:
    return mm.Captioner.from_preset("shapes_demo")


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def forms(path: Path) -> dict[str, Any]:
    """One picture in every form."""
    return {
        "text": str(path),
        "path": path,
        "bytes": path.read_bytes(),
        "Pillow": Image.open(path),
        "array": pixels(path),
        "floats": pixels(path).astype(np.float32),
        "opaque": np.dstack([pixels(path), np.full(pixels(path).shape[:2], 255, np.uint8)]),
        "tensor": tf.constant(pixels(path)),
        "NumPy text": np.array(str(path)),
    }


def test_one_picture_in_every_form_has_one_caption(captioner: mm.Captioner, scenes: list[Path]) -> None:
    source = captioner.image_source()
    (expected,) = captioner.decode({source.input_name: source.read(scenes[:1])})
    for form, image in forms(scenes[0]).items():
        assert captioner.generate(image) == expected[0].text, form
        assert captioner.generate([image]) == [expected[0].text], form


def test_several_pictures_in_every_form_have_a_list(captioner: mm.Captioner, scenes: list[Path]) -> None:
    expected = captioner.generate(scenes)
    arrays = np.stack([pixels(path) for path in scenes])
    dataset = tf.data.Dataset.from_tensor_slices
    names = [str(path) for path in scenes]
    for form, images in {
        "folder": scenes[0].parent,
        "arrays": arrays,
        "mixed": [scenes[0], str(scenes[1]), *arrays[2:]],
        "generator": (path for path in scenes),
        "dataset of arrays": dataset(arrays),
        "dataset of batches": dataset(arrays).batch(4),
        "dataset of names": dataset(names),
        "dataset of bytes": dataset([path.read_bytes() for path in scenes]),
        "with targets": dataset((arrays, np.arange(len(arrays)))),
        "NumPy names": np.array(names),
    }.items():
        assert captioner.generate(images, batch_size=3) == expected, form
    assert captioner.generate([]) == []


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (3, r"Expected a picture \(a path, .*Received: int"),
        (None, "Received: NoneType"),
        ({"images": []}, "Received: dict"),
        ([3], "Received: int"),
        (np.zeros((3, 64, 64), np.uint8), r"\[height, width, 3\]. Received: an array <uint8>\[3, 64, 64\]"),
        (np.zeros((0, 64, 3), np.uint8), r"<uint8>\[0, 64, 3\]"),
        (np.full((8, 8, 3), 0.5), "numbers from 0 to 255. Received: an array from 0.5 to 0.5; scale it"),
        (np.full((8, 8, 3), 256), "an array from 256 to 256"),
        (np.full((8, 8, 3), -1), "an array from -1 to -1"),
        (np.full((8, 8, 3), np.nan, np.float32), "an array from nan to nan"),
        (np.zeros((8, 8, 3), bool), r"<bool>\[8, 8, 3\]"),
        (b"no picture", "Received: bytes, which cannot be read"),
        ("nowhere.jpg", "Received: nowhere.jpg, which cannot be read"),
        ("https://example.org/a.jpg", r"Received: https://example.org/a.jpg; mmtoolkit.fetch_image"),
    ],
    ids=lambda value: str(value)[:20].split("\n")[0],
)
def test_anything_else_is_told_in_one_sentence(captioner: mm.Captioner, image: Any, message: str) -> None:
    with pytest.raises(mm.InputError, match=message) as caught:
        captioner.generate(image)
    assert "\n" not in str(caught.value)


def test_a_pillow_picture_is_turned_upright_and_stays_as_it_was(tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    picture.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as turned:
        np.testing.assert_array_equal(read_image(turned, size=16), read_image(tmp_path / "a.png", size=16))
        assert turned.size == (30, 20)


def test_sentences_can_be_asked_for_by_number_and_by_name(captioner: mm.Captioner, scenes: list[Path]) -> None:
    best = captioner.generate(scenes[:2], n_best=3)
    assert [len(row) for row in best] == [3, 3] and [row[0] for row in best] == captioner.generate(scenes[:2])
    assert captioner.generate(scenes[0], n_best=3) == best[0]
    assert captioner.generate(scenes[0], decoding="greedy") == captioner.generate(scenes[0], decoding=mm.Greedy())
    assert captioner.generate(scenes[0], decoding="beam", n_best=2) == captioner.generate(
        scenes[0], decoding=mm.BeamSearch(n_best=2), n_best=2
    )
    with pytest.raises(mm.InputError, match="Received: 'beem'. Did you mean 'beam'?"):
        captioner.generate(scenes[0], decoding="beem")
    with pytest.raises(mm.InputError, match="1 or more. Received: 0"):
        captioner.generate(scenes[0], n_best=0)


def test_questions_and_pictures_are_paired() -> None:
    one, two = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 2, 3), np.uint8)
    for images, questions, count, alone in ((one, "a?", 1, True), (one, ["a?", "b?"], 2, False), (two, "a?", 2, False)):
        found, asked, is_alone = pairs(images, questions)
        assert (len(found), len(asked), is_alone) == (count, count, alone)
    with pytest.raises(mm.InputError, match="Received: 2 pictures, 3 questions"):
        pairs(two, ["a?", "b?", "c?"])
    with pytest.raises(mm.InputError, match="Expected questions as texts. Received: int"):
        pairs(one, 3)
    assert list_images(one)[1] and not list_images([one])[1]


def test_a_look_is_a_caption_with_its_attention(captioner: mm.Captioner, scenes: list[Path], tmp_path: Path) -> None:
    look = captioner.look(scenes[0])
    source = captioner.image_source()
    inputs = {source.input_name: source.read(scenes[:1])}
    assert look.text == captioner.generate(scenes[0]) and f"{look!r}".startswith(f"Look({look.text!r}, score=-")
    (weights,) = captioner.attention_weights(inputs, [look.text])
    assert look.attention is not None
    np.testing.assert_allclose(look.attention.reshape(len(weights), -1), weights, atol=1e-6)
    look.save(tmp_path / "look.png")
    with Image.open(tmp_path / "look.png") as saved, Image.open(io.BytesIO(look._repr_png_())) as shown:
        assert saved.size == shown.size == look.picture.size
    figure = look.plot()
    assert figure.axes[0].images[0].get_array().shape == (*look.picture.size[::-1], 3)
    with pytest.raises(mm.InputError, match=r"NAME\.png. Received: \S+look\.txt"):
        look.save(tmp_path / "look.txt")
    with pytest.raises(mm.InputError, match="Expected one picture. Received: 10"):
        captioner.look(scenes[0].parent)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server of this machine: `/picture`, and `/endless` that never ends."""

    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/ftp":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1/a.jpg")
                self.end_headers()
                return
            if self.path == "/headers":
                ended.wait(20)
                return
            self.send_response(404 if self.path == "/missing" else 200)
            self.end_headers()
            while self.path == "/drip" and not ended.wait(0.05):
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
            if self.path == "/picture":
                self.wfile.write(b"bytes of a picture")
            while self.path == "/endless":
                try:
                    self.wfile.write(bytes(2**16))
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        ended.set()
        server.shutdown()


def test_a_download_is_bounded(address: str) -> None:
    assert mm.fetch_image(f"{address}/picture") == b"bytes of a picture"
    for place, options, message in (
        ("/endless", {"most": 2**20}, "it has more than 1 MB"),
        ("/endless", {"most": 2**40, "seconds": 0.2}, "it takes more than 0.2 seconds"),
        ("/missing", {}, "HTTP Error 404"),
    ):
        with pytest.raises(mm.InputError, match=f"Expected a picture at {address}{place}. Received: none .{message}"):
            mm.fetch_image(f"{address}{place}", **options)
    for place, message in (
        ("/drip", "it takes more than 0.5"),
        ("/headers", "it takes more than 0.5"),
        ("/ftp", "unknown url type"),
    ):
        begun = time.monotonic()
        with pytest.raises(mm.InputError, match=f"Received: none .*{message}"):
            mm.fetch_image(f"{address}{place}", seconds=0.5)
        assert time.monotonic() - begun < 10
    for wrong in ("ftp://example.org/a.jpg", "file:///etc/hostname", "a.jpg"):
        with pytest.raises(mm.InputError, match="Expected an address"):
            mm.fetch_image(wrong)
