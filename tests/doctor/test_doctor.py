"""The doctor finds what was planted, and nothing in clean data."""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

import mmtoolkit as mm
from mmtoolkit.doctor import examine, health_html, health_page
from mmtoolkit.doctor.duplicates import Owner, alike, duplicates, near_pairs, nearly_same
from mmtoolkit.doctor.findings import USABLE, Finding
from mmtoolkit.doctor.pictures import inspect_pictures
from mmtoolkit.doctor.texts import (
    Text,
    answer_table,
    foreign_script,
    foreign_words,
    text_findings,
    vocabulary_table,
    words_of,
)
from mmtoolkit.pipelines.doctor import all_records
from mmtoolkit.readers import load_captions, load_questions
from mmtoolkit.scenes import write_scenes
from tests.doctor.conftest import PLANTED


def test_every_planted_fault_is_found_and_nothing_else(planted: Path) -> None:
    records, faults = load_captions(planted, on_error="skip")
    health = examine(records, faults, folder=planted)
    assert {finding.kind: finding.image for finding in health.findings} == PLANTED
    assert len(health.findings) == len(PLANTED)
    assert health.exit_code == 2 and health.scores == {"errors": 5, "warnings": len(PLANTED) - 5}


def test_clean_data_has_nothing(clean: Path) -> None:
    for usable in (load_captions, load_questions):
        health = examine(*usable(clean), folder=clean)
        assert health.findings == [] and health.exit_code == 0


def test_what_is_listed_is_left_out(planted: Path, tmp_path: Path, capsys: Any) -> None:
    from mmtoolkit.pipelines import doctor

    listed = tmp_path / "out.jsonl"
    assert doctor.main(doctor.Options(data=planted, quarantine=listed, json=True)) == 2
    capsys.readouterr()
    assert doctor.main(doctor.Options(data=planted, exclude=listed, json=True)) == 1
    left = json.loads(capsys.readouterr().out)
    assert {finding["kind"] for finding in left["findings"]} == set(USABLE) - {"no spaces"}  # which is learnt from
    with pytest.warns(UserWarning, match="10 rows or pictures are left out"):
        records = mm.read_captions(planted, exclude=listed)
    assert len(records) == 67


def test_a_table_that_cannot_be_read_is_an_error(clean: Path, tmp_path: Path, capsys: Any) -> None:
    """Also where the other one can."""
    from mmtoolkit.pipelines import doctor

    folder = shutil.copytree(clean, tmp_path / "two")
    (folder / "captions.csv").write_bytes("image,caption\nimages/000001.png,un caf\xe9\n".encode("latin-1"))
    assert doctor.main(doctor.Options(data=folder, json=True)) == 2
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["kind"] == "unreadable table" and finding["source"].endswith("captions.csv")


def test_trees_find_all_that_a_comparison_of_all_pairs_finds() -> None:
    """Photos, and drawings on white whose parts differ by about what is allowed; of a group the first."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (30, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)
    photos = coarse[random.integers(0, 30, 60)] + random.integers(-40, 40, (60, 32, 32, 3))
    drawings = np.full((60, 32, 32, 3), 240)
    for drawing, (row, column), ink in zip(
        drawings, random.integers(0, 3, (60, 2)) * 8, random.integers(200, 240, 60), strict=True
    ):
        drawing[row : row + 8, column : column + 8] = ink
    small = np.concatenate([photos, drawings]).clip(0, 255).astype(np.uint8)
    free, expected = np.ones(len(small), bool), []
    for first in range(len(small)):
        if free[first]:
            others = [other for other in range(first + 1, len(small)) if free[other]]
            found = [other for other in others if alike(small[other][None], small[first])[0]]
            free[found] = False
            expected += [(first, other) for other in found]
    assert len({first for first, _ in expected}) > 20
    assert list(near_pairs(small)) == expected


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    """Pictures as full of detail as photos: rough at every size, as in 1/f noise, in three colours that go together."""
    random, side = np.random.default_rng(4), 256
    far = np.maximum(np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side))), 1 / side)
    waves = np.fft.fft2(random.normal(size=(40, 3, side, side))) / far
    layers = np.fft.ifft2(waves).real
    layers = layers[:, :1] + 0.4 * layers
    values = 128 + 45 * layers / layers.std(axis=(2, 3), keepdims=True)
    return [Image.fromarray(each.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)) for each in values]


def recompressed(photo: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=20)
    return Image.open(buffer)


CHANGES = {
    "recompressed": recompressed,
    "smaller": lambda photo: photo.resize((90, 70)),
    "larger": lambda photo: photo.resize((400, 400)),
    "cropped": lambda photo: photo.crop((8, 8, 248, 248)),
    "brighter": lambda photo: ImageEnhance.Brightness(photo).enhance(1.25),
    "darker": lambda photo: ImageEnhance.Brightness(photo).enhance(0.6),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_photo_is_a_near_duplicate_and_no_other_is(
    photos: list[Image.Image], change: str, tmp_path: Path
) -> None:
    """Of forty photos the last ten come again, changed."""
    pictures = [*photos, *map(CHANGES[change], photos[30:])]
    paths = [tmp_path / f"{number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    assert list(nearly_same(inspect_pictures(paths))) == list(zip(paths[30:40], paths[40:], strict=True))


def test_drawings_with_other_things_in_the_same_place_are_no_duplicates(tmp_path: Path) -> None:
    """Mostly empty pictures correlate; the shape and the colour decide."""
    shown = [("ellipse", "red"), ("rectangle", "red"), ("ellipse", "blue"), ("ellipse", "red")]
    paths = [tmp_path / f"{number}.jpg" for number in range(len(shown))]
    for path, (shape, colour) in zip(paths, shown, strict=True):
        picture = Image.new("RGB", (96, 96), "#fafaf7")
        getattr(ImageDraw.Draw(picture), shape)((30, 30, 54, 54), fill=colour)
        picture.save(path, quality=80 if path is paths[-1] else 95)
    assert list(nearly_same(inspect_pictures(paths))) == [(paths[0], paths[3])]


def test_doubles_across_splits(photos: list[Image.Image], tmp_path: Path) -> None:
    """The same file is an error; one that only looks so may be judged."""
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.jpg")]
    photos[0].save(paths[0])
    shutil.copy(paths[0], paths[1])
    photos[0].save(paths[2])
    own = frozenset({"a cat"})
    owners = {
        path: Owner(name, split, own) for path, name, split in zip(paths, "abc", ("train", "valid", None), strict=True)
    }
    found = [(each.kind, each.level, each.image, each.message) for each in duplicates(inspect_pictures(paths), owners)]
    assert found == [
        ("across splits", "error", "b", "is the same file as a; it is in valid, the other in train; keep one"),
        (
            "near duplicate across splits",
            "warning",
            "c",
            "looks nearly like a; it is in no split, the other in train; keep one",
        ),
    ]


def test_near_duplicates_whose_texts_differ_are_kept(photos: list[Image.Image], tmp_path: Path) -> None:
    """Frames of a fixed camera: told, but not left out."""
    paths = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for path in paths:
        photos[0].save(path)
    owners = {
        path: Owner(path.stem, "train", frozenset({text}))
        for path, text in zip(paths, ("a dog", "no dog"), strict=True)
    }
    (found,) = duplicates(inspect_pictures(paths), owners)
    assert found.usable and found.kind == "near duplicate with other texts"
    assert found.message == "looks nearly like a; keep both if the pictures differ"


def test_twenty_thousand_forms_are_one_group() -> None:
    """Each is compared with the first only: all pairs, two hundred millions, would take hours."""
    forms = np.full((20_000, 32, 32, 3), 255, np.uint8)
    forms[np.arange(20_000), np.arange(20_000) % 32, 5] = 200
    assert len(list(near_pairs(forms))) == 19_999


ENGLISH = [
    Text(f"{one} {thing} {does} near the {place}", "a.jpg", f"c:{number}")
    for number, (one, thing, does, place) in enumerate(
        itertools.product(("a", "one"), ("dog", "man", "bird"), ("runs", "sits"), ("field", "lake", "house"))
    )
]


def test_a_language_is_foreign_where_no_familiar_word_leads_to_it() -> None:
    """Also where several texts share it; not a text of rare words among familiar ones, nor one that is short."""
    strange = [
        Text("ein Hund läuft am See entlang", "b.jpg", "c:80"),
        Text("ein Mann sitzt am Haus und liest", "b.jpg", "c:81"),
    ]
    rare = Text("one man near the shimmering turquoise lagoon", "b.jpg", "c:82")
    led = Text("a shimmering turquoise lagoon gleams", "b.jpg", "c:83")  # familiar by the one before
    short = Text("Hund und See", "b.jpg", "c:84")
    texts = [*ENGLISH * 6, *strange, rare, led, short]
    assert [(each.kind, each.source) for each in foreign_words(texts)] == [
        ("unexpected language", "c:80"),
        ("unexpected language", "c:81"),
    ]


def test_few_texts_do_not_tell_a_language() -> None:
    others = [Text(f"Grandma's {n}th birthday cake and garden party, Seoul {n}", "a.jpg", f"c:{n}") for n in range(3)]
    assert foreign_words([*others, Text("sunset over Waikiki beach with Tom", "b.jpg", "c:9")]) == []


def test_a_script_is_foreign_where_most_letters_are_of_another() -> None:
    found = foreign_script(
        [*ENGLISH, Text("개가 the field", "c.jpg", "c:81"), Text("개가 TV 옆에서 달린다", "d.jpg", "c:82")]
    )
    assert [(each.kind, each.source) for each in found] == [("unexpected script", "c:82")]
    assert "Hangul letters, the others are in Latin" in found[0].message


def test_plain_words_around_every_text_are_told() -> None:
    texts = [Text(f"start a {colour} dog end", f"{colour}.jpg", f"a.csv:{colour}") for colour in "abcdef"]
    finding, *others = text_findings(texts)
    assert (finding.kind, finding.level, finding.source, len(others)) == ("marker", "error", "a.csv:a", 5)
    assert "every caption begins with 'start' and ends with 'end'" in finding.message
    assert not text_findings([*texts, Text("a dog", "g.jpg", "a.csv:g")])


def test_a_word_with_a_joiner_is_one() -> None:
    assert words_of("می\u200cشوند hy\u00adphen") == ["می\u200cشوند", "hyphen"]


def test_signs_without_a_word_are_empty_and_a_second_answer_is_told() -> None:
    asked = [("what is it?", "dog"), ("What is it ?", "a cat"), ("what is it", "Dog"), ("?!", "dog"), ("...", "dog")]
    places = ("zero", 1, 2, 3, 4)
    found = text_findings(
        [Text(one, "a.jpg", f"q:{n}", "question", two) for n, (one, two) in zip(places, asked, strict=True)]
    )
    assert [(each.kind, each.source) for each in found] == [
        ("empty", "q:3"),
        ("empty", "q:4"),
        ("repeated", "q:1"),
        ("repeated", "q:2"),
    ]
    assert found[2].message.endswith("already in q:zero, with the answer 'dog' in place of 'a cat'; keep one")
    assert found[3].message.endswith("already in q:zero; keep one")


def test_the_tables_by_hand() -> None:
    words = vocabulary_table(["a dog", "a cat", "a dog runs"], ["a dog flies"])
    assert words[1] == ["1 x", "4", "0.0 %", "33.3 %"]
    assert words[2] == ["2 x", "2", "28.6 %", "33.3 %"]
    assert answer_table(["2", "2", "red"], ["2", "red", "blue", "2"])[1:] == [
        ["1, always given", "50.0 %"],
        ["10", "75.0 %"],
    ]


def test_the_page_shows_doubles_side_by_side(planted: Path, tmp_path: Path) -> None:
    data = tmp_path / "A title & more"
    data.symlink_to(planted)
    health = examine(*load_captions(data, on_error="skip"), folder=data)
    page = health_page(health, data)
    doubles = re.findall(r"<li class=pair>(.*?)</li>", page)
    assert len(doubles) == 4 and all(double.count("<img ") == 2 for double in doubles)
    assert "A title &amp; more" in page and not re.search(r'(src|href)="(?!data:)', page)
    assert all(f"<h2>{kind}</h2>" in page for kind in PLANTED)


def test_the_page_names_a_picture_outside_of_the_data_and_does_not_embed_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for place in ("data/inside.png", "outside.png"):
        Image.new("RGB", (40, 40), "red").save(tmp_path / place)
    inside = Finding("cmyk", "odd", image="inside.png", path=tmp_path / "data" / "inside.png")
    outside = Finding("cmyk", "odd", image=str(tmp_path / "outside.png"), path=tmp_path / "outside.png")
    assert health_html.item(inside, tmp_path / "data").count("data:image/jpeg") == 1
    pair = replace(inside, other=tmp_path / "outside.png")
    assert health_html.item(pair, tmp_path / "data").count("data:image/jpeg") == 1
    shown = health_html.item(outside, tmp_path / "data")
    assert "data:image/jpeg" not in shown and f"{tmp_path}/outside.png" in shown


def test_a_text_beside_the_table_is_no_data(tmp_path: Path) -> None:
    """Language models read any text, and what the doctor examines are pictures."""
    write_scenes(tmp_path, count=10, seed=0)
    (tmp_path / "README.txt").write_text("These drawings were made by a program.\n" * 9, encoding="utf-8")
    records, faults = all_records(tmp_path, None)
    assert not faults and {type(record).__name__ for record in records} == {"CaptionRecord", "QuestionRecord"}
