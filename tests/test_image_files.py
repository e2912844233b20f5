"""Which pictures are opened, by whom, and how much memory one may take."""

from __future__ import annotations

import ast
import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from mmtoolkit.doctor.pictures import inspect_picture
from mmtoolkit.image_files import MOST_BYTES, MOST_OF_JPEG2000, MOST_PIXELS, TooLargeError, open_picture, to_rgb

ROOT = Path(__file__).resolve().parent.parent
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
SIDE = 13_300  # pixels: just below where Pillow itself refuses a square


def opening(tree: ast.AST) -> list[int]:
    """The lines that open a picture with Pillow or Keras, by any name that the module gives to these."""
    modules, openers, lines = set(), {"load_img"}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("PIL", "PIL.Image", "PIL.ImageFile"):
            for alias in node.names:
                named = alias.asname or alias.name
                (modules if alias.name in ("Image", "ImageFile") else openers).add(named)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="open" | "Parser") if name in modules:
                lines.append(node.lineno)
            case ast.Attribute(value=ast.Attribute(attr="Image"), attr="open") | ast.Attribute(attr="load_img"):
                lines.append(node.lineno)
            case ast.Name(id=name) if name in openers & {"open", "load_img", "Parser"}:
                lines.append(node.lineno)
    return lines


def test_pictures_are_opened_in_one_place() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): lines
        for folder in ("mmtoolkit", "pipelines")
        for path in (ROOT / folder).rglob("*.py")
        if (lines := opening(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert list(found) == ["mmtoolkit/image_files.py"] and len(found["mmtoolkit/image_files.py"]) == 1


@pytest.mark.parametrize(
    "code",
    [
        "from PIL import Image\nImage.open('a')",
        "from PIL import Image as I\nI.open('a')",
        "import PIL.Image\nPIL.Image.open('a')",
        "from PIL.Image import open\nopen('a')",
        "from PIL import ImageFile\nImageFile.Parser()",
        "keras.utils.load_img('a')",
    ],
)
def test_another_way_to_open_a_picture_would_be_found(code: str) -> None:
    assert opening(ast.parse(code)) == [len(code.splitlines())]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Ghostscript is a shell script")
def test_no_picture_starts_ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, fake, photo = tmp_path / "log", tmp_path / "bin" / "gs", tmp_path / "photo.jpg"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {log}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # it looks once
    photo.write_bytes(EPS)
    with pytest.raises(OSError, match="no known picture format"):
        open_picture(photo)
    assert inspect_picture(photo).oddities[0][0] == "unreadable"
    assert not log.exists()
    with pytest.raises(OSError), Image.open(photo) as picture:
        picture.load()
    assert log.exists()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """Opening a pipe without a writer would never return."""
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
        (tmp_path / "device.png").symlink_to("/dev/zero")
        for name in ("pipe.png", "socket.png", "device.png"):
            with pytest.raises(OSError, match="it is no file but a pipe, a socket or a device"):
                open_picture(tmp_path / name)
            ((kind, sentence),) = inspect_picture(tmp_path / name).oddities
            assert kind == "unreadable" and "a pipe, a socket or a device" in sentence
    with pytest.raises(IsADirectoryError):
        open_picture(tmp_path)
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(OSError, match="more than 536 MB"):
        open_picture(tmp_path / "sparse.png")


def webp(side: int) -> bytes:
    """40 bytes that claim to be a square, lossless WebP."""
    pixels = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14 | 1 << 28) + bytes(15)
    data = b"WEBPVP8L" + struct.pack("<I", len(pixels)) + pixels
    return b"RIFF" + struct.pack("<I", len(data)) + data


def zeros(count: int) -> bytes:
    """So many zeros, deflated."""
    packer, block = zlib.compressobj(1), bytes(2**24)
    parts = [packer.compress(block[: min(len(block), count - start)]) for start in range(0, count, len(block))]
    return b"".join(parts) + packer.flush()


def png(side: int) -> bytes:
    """A square PNG of four channels, all zeros."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunks = chunk(b"IHDR", head), chunk(b"IDAT", zeros(side * (4 * side + 1))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(side: int) -> bytes:
    """A square TIFF of four channels, all zeros."""
    pixels = zeros(4 * side * side)
    depths = 8 + 2 + 12 * 9 + 4  # where the bits of each channel are
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 4, depths), (259, 3, 1, 8), (262, 3, 1, 2)]
    tags += [(273, 4, 1, depths + 8), (277, 3, 1, 4), (278, 4, 1, side), (279, 4, 1, len(pixels))]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + struct.pack("<4H", *[8] * 4) + pixels


def test_a_picture_that_says_too_much_is_told_how_much(tmp_path: Path) -> None:
    for name, content in {"a.webp": webp(SIDE), "b.webp": webp(16_384)}.items():
        (tmp_path / name).write_bytes(content)
    assert (tmp_path / "a.webp").stat().st_size == 40
    sentence = "more than 67 megapixels, or 65,535 pixels on a side: it has"
    with pytest.raises(TooLargeError, match=f"^{sentence} 13,300 x 13,300$"):
        open_picture(tmp_path / "a.webp")
    with pytest.raises(TooLargeError, match=f"^{sentence} 268,435,456$"):  # Pillow itself refuses it
        open_picture(tmp_path / "b.webp")
    assert inspect_picture(tmp_path / "a.webp").oddities == (
        ("huge", f"has {sentence} 13,300 x 13,300; make it smaller or leave it out"),
    )


def test_transparency_is_composed_as_the_graph_does_it() -> None:
    """Every colour with every opacity, by the formula of `decode_image`."""
    colour, opacity = np.meshgrid(np.arange(256), np.arange(256))
    pixels = np.stack([colour, 255 - colour, colour // 2, opacity], axis=-1)
    expected = 255 - ((255 - pixels[..., :3]) * pixels[..., 3:] + 127) // 255
    found = np.asarray(to_rgb(Image.fromarray(pixels.astype(np.uint8))))
    np.testing.assert_array_equal(found, expected)


MEASURE = """
import sys
from pathlib import Path
for name in sys.argv[2:]:
    try:
        if sys.argv[1] == "read":
            from mmtoolkit.vision import read_image
            read_image(Path(name), size=224)
        else:
            from mmtoolkit.doctor.pictures import inspect_picture
            from mmtoolkit.image_files import upright
            inspect_picture(Path(name))
            upright(Path(name), 160)
        print("read")
    except Exception as error:
        print(error)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


LARGEST = (
    ("b.png", "RGB", MOST_PIXELS),
    ("alpha.png", "RGBA", MOST_PIXELS),
    ("b.jpg", "RGB", MOST_PIXELS),
    ("b.webp", "RGB", 16_383**2 / 4),  # WebP has no longer sides
    ("b.tif", "RGB", MOST_PIXELS),
    ("alpha.tif", "RGBA", MOST_PIXELS),
    ("b.jp2", "RGB", MOST_OF_JPEG2000),
    ("b.avif", "RGB", MOST_PIXELS),
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc for the memory of a process")
@pytest.mark.parametrize(("how", "base"), [("read", 900), ("show", 200)])
def test_no_picture_takes_more_memory_than_it_may(how: str, base: int, tmp_path: Path) -> None:
    """In megabytes; the pictures that are too large take none, and the largest that are not a gigabyte and a half.

    `ru_maxrss` would begin with what the tests before took: a child inherits it from the process that starts it.
    """
    made = {"png": png, "tiff.png": tiff, "webp": webp}
    too_large = [tmp_path / f"a.{ending}" for ending in made]
    for path, write in zip(too_large, made.values(), strict=True):
        path.write_bytes(write(SIDE))
    largest = []
    for name, mode, pixels in LARGEST:
        side = int(pixels**0.5)
        largest.append(tmp_path / name)
        Image.new(mode, (side, side), 99 if mode == "L" else (9, 99, 200, 128)[: len(mode)]).save(largest[-1])
    for paths, limit, verdict in ((too_large, base, "67 megapixels"), *(([path], 1500, "read") for path in largest)):
        done = subprocess.run([sys.executable, "-c", MEASURE, how, *paths], capture_output=True, text=True, timeout=300)
        *lines, peak = done.stdout.splitlines()
        assert len(lines) == len(paths) and all(verdict in line for line in lines), done.stdout + done.stderr
        assert int(peak) < 1000 * limit, paths
