"""A clean data set of drawn scenes, and the same with one fault of each kind in it."""

from __future__ import annotations

import csv
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from once import Once
from PIL import Image

from mmtoolkit.scenes import write_scenes

PLANTED = {  # kind -> the picture or the row that has it
    "unreadable": "images/notes.jpg",
    "truncated": "images/cut.jpg",
    "unscaled": "images/map.tif",
    "dark": "images/scan.png",
    "wrong extension": "images/really_png.jpg",
    "cmyk": "images/print.jpg",
    "tiny": "images/tiny.png",
    "huge": "images/huge.png",
    "heic": "images/phone.heic",
    "duplicate": "images/twice.png",
    "near duplicate": "images/again.jpg",
    "near duplicate with other texts": "images/camera.jpg",
    "across splits": "images/leak.png",
    "no text": "images/nobody.png",
    "empty": "images/000001.png",
    "repeated": "images/000002.png",
    "unexpected script": "images/000003.png",
    "unexpected language": "images/000004.png",
    "very long": "images/000005.png",
}


@pytest.fixture(scope="session")
def clean(once: Once) -> Path:
    """Sixty drawn scenes with captions and questions."""
    return once("clean", partial(write_scenes, count=60, seed=3, size=96)).folder


@pytest.fixture(scope="session")
def planted(clean: Path, once: Once) -> Path:
    """The captions of the clean set with one fault of each kind."""
    return once("planted", partial(plant, clean)).folder


def plant(clean: Path, folder: Path) -> None:
    """Copies the clean set, and writes the faults in."""
    shutil.copytree(clean, folder)
    (folder / "questions.csv").unlink()
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    split = {row[0]: row[2] for row in rows[1:]}
    train = [name for name, its in split.items() if its == "train"]
    (held,) = [name for name, its in split.items() if its == "test"][:1]
    plant_pictures(folder, train, held)
    text = {row[0]: row[1] for row in rows}
    same = {"near duplicate": text[train[6]], "near duplicate with other texts": text[train[9]]}
    named = list(PLANTED)[: list(PLANTED).index("no text")]
    rows += [[PLANTED[kind], same.get(kind, f"a {kind} thing"), "train"] for kind in named]
    for kind, text in {
        "empty": "",
        "repeated": next(row[1] for row in rows if row[0] == PLANTED["repeated"]).upper() + " .",
        "unexpected script": "красный круг над синим квадратом",
        "unexpected language": "zwei blaue Quadrate stehen links neben einem Kreis",
        "very long": "a red circle and " * 20,
    }.items():
        rows.append([PLANTED[kind], text, split[PLANTED[kind]]])
    with (folder / "captions.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def plant_pictures(folder: Path, train: list[str], held: str) -> None:
    """Writes the pictures that are faulty, or doubles of those in `train` or of the `held` one."""
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif")
    noise = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
    photos = [Image.fromarray(each).resize((240, 240), Image.Resampling.BICUBIC) for each in noise]
    (folder / PLANTED["unreadable"]).write_text("no picture")
    photos[0].save(folder / PLANTED["truncated"], "JPEG")
    whole = (folder / PLANTED["truncated"]).read_bytes()
    (folder / PLANTED["truncated"]).write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.asarray(photos[6].convert("L"), np.float32)).save(folder / PLANTED["unscaled"])
    Image.fromarray(np.asarray(photos[7].convert("L"), np.uint16) << 4).save(folder / PLANTED["dark"])  # 12 bits of 16
    photos[1].save(folder / PLANTED["wrong extension"], "PNG")
    photos[2].convert("CMYK").save(folder / PLANTED["cmyk"], "JPEG")
    photos[3].resize((20, 20)).save(folder / PLANTED["tiny"])
    Image.new("1", (8000, 8000)).save(folder / PLANTED["huge"])
    pillow_heif.from_pillow(photos[4]).save(folder / PLANTED["heic"])
    shutil.copy(folder / train[5], folder / PLANTED["duplicate"])
    Image.open(folder / train[6]).convert("RGB").resize((120, 120)).save(folder / PLANTED["near duplicate"], quality=80)
    Image.open(folder / train[7]).convert("RGB").resize((110, 110)).save(
        folder / PLANTED["near duplicate with other texts"], quality=80
    )
    photos[8].save(folder / PLANTED["no text"])
    shutil.copy(folder / held, folder / PLANTED["across splits"])
