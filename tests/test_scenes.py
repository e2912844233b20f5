"""Every sentence is read back by patterns written here, and every picture is measured pixel by pixel."""

from __future__ import annotations

import csv
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.scenes import (
    NEW_COLOURS,
    NEW_KINDS,
    Scene,
    Shape,
    captions,
    draw_scene,
    files,
    questions,
    sample_scene,
    write_scenes,
)

COLOURS = {
    "red": "빨간색",
    "blue": "파란색",
    "green": "초록색",
    "yellow": "노란색",
    "purple": "보라색",
    "orange": "주황색",
}
KINDS = {"circle": "동그라미", "square": "네모", "triangle": "세모", "star": "별"}
SIZES = {"small": "작은", "large": "큰"}
# (column, row) of every place, in both languages
PLACES = {
    ("in the top left corner", "왼쪽 위 모서리"): (0, 0),
    ("at the top", "위쪽"): (1, 0),
    ("in the top right corner", "오른쪽 위 모서리"): (2, 0),
    ("on the left", "왼쪽"): (0, 1),
    ("in the middle", "가운데"): (1, 1),
    ("on the right", "오른쪽"): (2, 1),
    ("in the bottom left corner", "왼쪽 아래 모서리"): (0, 2),
    ("at the bottom", "아래쪽"): (1, 2),
    ("in the bottom right corner", "오른쪽 아래 모서리"): (2, 2),
}
ENGLISH = re.compile(
    rf"(?P<count>an?|the|two|three) (?:(?P<size>{'|'.join(SIZES)}) )?(?P<colour>{'|'.join(COLOURS)}) "
    rf"(?P<kind>{'|'.join(KINDS)})(?P<plural>s?)\b"
)
HANGUL = re.compile(
    rf"(?:(?P<size>{'|'.join(SIZES.values())}) )?(?P<colour>{'|'.join(COLOURS.values())}) "
    rf"(?P<kind>{'|'.join(KINDS.values())})(?: (?P<count>한|두|세) 개)?"
    rf"(?P<particle>이|가|은|는|을|를|과|와)?(?![가-힣])"
)
NUMBERS = {"a": 1, "an": 1, "the": 1, "two": 2, "three": 3, None: 1, "한": 1, "두": 2, "세": 3}
BACK = {korean: english for table in (COLOURS, KINDS, SIZES) for english, korean in table.items()}
RELATIONS = {
    "is above": lambda a, b: a.row < b.row,
    "is below": lambda a, b: a.row > b.row,
    "is to the left of": lambda a, b: a.column < b.column,
    "is to the right of": lambda a, b: a.column > b.column,
}
SCENES = [sample_scene(random.Random(f"scene {number}")) for number in range(400)]
# Forms that the sampler does not draw, but that a person may build
ODD_SCENES = [
    Scene((Shape("star", "red", 0, 0, "small"), Shape("circle", "orange", 2, 1, "large"))),
    Scene((Shape("star", "red", 2, 0, "small"), Shape("circle", "orange", 0, 1, "large"))),
    Scene((Shape("star", "red", 2, 0, "small"), Shape("star", "red", 0, 1, "large"))),
    Scene(tuple(Shape(kind, "blue", 1, row, "large") for row, kind in enumerate(("star", "circle", "square")))),
]


def named(match: re.Match[str], scene: Scene) -> list[Shape]:
    """The shapes a phrase names, once its number, size, article and plural are found to be right."""
    colour, kind, size = (BACK.get(match[name], match[name]) for name in ("colour", "kind", "size"))
    shapes = [shape for shape in scene.shapes if (shape.colour, shape.kind) == (colour, kind)]
    assert len(shapes) == NUMBERS[match["count"]]
    assert size is None or {shape.size for shape in shapes} == {size}
    return shapes


def check_english(caption: str, scene: Scene) -> None:
    phrases = list(ENGLISH.finditer(caption))
    groups = [named(phrase, scene) for phrase in phrases]
    assert sorted(map(repr, sum(groups, []))) == sorted(map(repr, scene.shapes))  # everything, and nothing twice
    for phrase, group in zip(phrases, groups, strict=True):
        assert phrase["plural"] == ("s" if len(group) > 1 else "")
        if phrase["count"] in {"a", "an"}:
            assert (phrase["count"] == "an") == (phrase[0].split()[1][0] in "aeiou")
    rest = ENGLISH.sub("X", caption)
    if place := re.fullmatch(r"(?:there is |a picture of )?X(?: is)? ((?:in|on|at) .+)", rest):
        (shape,) = scene.shapes
        assert {english: cell for (english, _), cell in PLACES.items()}[place[1]] == (shape.column, shape.row)
    elif relation := re.fullmatch(r"(?:there is )?X (?:is )?(above|below|to the (?:left|right) of) X", rest):
        assert RELATIONS[f"is {relation[1]}"](groups[0][0], groups[1][0])
    else:
        assert re.fullmatch(r"(the picture shows |a picture of )?X( and X)*", rest), caption


def check_korean(caption: str, scene: Scene) -> None:
    phrases = list(HANGUL.finditer(caption))
    groups = [named(phrase, scene) for phrase in phrases]
    assert sorted(map(repr, sum(groups, []))) == sorted(map(repr, scene.shapes))
    for phrase in phrases:  # 별 alone ends in a consonant
        ends_in_consonant = phrase["kind"] == "별" and phrase["count"] is None
        assert phrase["particle"] is None or phrase["particle"] in ("이은을과" if ends_in_consonant else "가는를와")
    rest = HANGUL.sub(lambda phrase: "X" + (phrase["particle"] or ""), caption)
    places = "|".join(sorted((korean for _, korean in PLACES), key=len, reverse=True))
    if place := re.fullmatch(
        rf"({places})에(?: 있는 X| X[이가] 있다| X[을를] 그린 그림)|X[이가] ({places})에 있다", rest
    ):
        (shape,) = scene.shapes
        cells = {korean: cell for (_, korean), cell in PLACES.items()}
        assert cells[place[1] or place[2]] == (shape.column, shape.row)
    elif relation := re.fullmatch(r"(?:X[이가은는] X|X) (위쪽|아래쪽|왼쪽|오른쪽)에(?: X[이가])? 있다", rest):
        # "A가 B 위쪽에 있다" and "B 위쪽에 A가 있다": A is the one with the particle
        first = next(index for index, phrase in enumerate(phrases) if phrase["particle"])
        word = dict(zip(("위쪽", "아래쪽", "왼쪽", "오른쪽"), RELATIONS.values(), strict=True))[relation[1]]
        assert word(groups[first][0], groups[1 - first][0])
    else:
        assert re.fullmatch(
            r"X(?:[과와] X)*|그림에 X(?:[과와] X)*[이가] 보인다|X(?:[과와] X)*[을를] 그린 그림", rest
        ), caption


@pytest.mark.parametrize(("language", "check"), [("en", check_english), ("ko", check_korean)])
def test_every_caption_is_true_and_complete(language, check):
    for number, scene in enumerate(SCENES + ODD_SCENES):
        written = captions(scene, language=language, seed=number)
        assert len(set(written)) == len(written) == 3
        for caption in written:
            check(caption, scene)


@pytest.mark.parametrize(
    ("check", "lie"),
    [
        (check_english, "a red star is below an orange circle"),
        (check_english, "a red star is above an blue circle"),
        (check_english, "a large red star is above an orange circle"),
        (check_english, "two red stars and an orange circle"),
        (check_korean, "빨간색 별이 주황색 동그라미 아래쪽에 있다"),
        (check_korean, "빨간색 별가 주황색 동그라미 위쪽에 있다"),
    ],
)
def test_the_checks_themselves_notice_a_lie(check, lie):
    with pytest.raises(AssertionError):
        check(lie, ODD_SCENES[0])


def test_first_caption_is_canonical_and_the_seed_chooses_the_rest():
    pair = Scene((Shape("square", "blue", 0, 2, "small"), Shape("circle", "red", 0, 0, "large")))
    written = [captions(pair, seed=seed) for seed in range(30)]
    assert {first for first, *_ in written} == {"a red circle is above a blue square"}
    assert len({paraphrase for _, *others in written for paraphrase in others}) == 4
    assert captions(pair, seed=5) == captions(pair, seed=5)
    assert captions(pair, language="ko", seed=0)[0] == "빨간색 동그라미가 파란색 네모 위쪽에 있다"
    star = Scene((Shape("star", "yellow", 0, 0, "large"),))
    assert captions(star, seed=0)[0] == "a large yellow star in the top left corner"
    two = Scene((Shape("triangle", "green", 0, 0, "large"), Shape("triangle", "green", 1, 2, "small")))
    assert captions(two, seed=0)[0] == "two green triangles"
    assert captions(two, language="ko", seed=0)[0] == "초록색 세모 두 개"


def test_vocabulary_is_small():
    for language in ("en", "ko"):
        words = {
            word
            for scene in SCENES
            for caption in captions(scene, language=language, seed=1)
            for word in caption.split()
        }
        assert 30 < len(words) <= 60, (language, len(words))


def test_sampler_draws_every_layout_kind_colour_size_and_cell():
    shapes = [shape for scene in SCENES for shape in scene.shapes]
    assert {shape.kind for shape in shapes} == set(KINDS)
    assert {shape.colour for shape in shapes} == set(COLOURS)
    assert {(shape.column, shape.row, shape.size) for shape in shapes} == {
        (column, row, size) for column in range(3) for row in range(3) for size in SIZES
    }
    layouts = Counter(
        tuple(sorted(Counter((shape.kind, shape.colour) for shape in scene.shapes).values())) for scene in SCENES
    )
    assert set(layouts) == {(1,), (1, 1), (2,), (3,), (1, 2)}
    for scene in SCENES:  # a pair is in one row or one column: one relation is plainly the right one
        if len(scene.shapes) == 2 and len({(shape.kind, shape.colour) for shape in scene.shapes}) == 2:
            first, second = scene.shapes
            assert (first.row == second.row) != (first.column == second.column)


def answer_english(question: str, scene: Scene) -> str:
    """Answers by looking at the shapes, with rules of its own."""
    shapes = scene.shapes
    if match := re.fullmatch(r"how many (\w+)s are there\?", question):
        return str(sum(match[1] in {"shape", shape.kind} for shape in shapes))
    if match := re.fullmatch(r"what colour is the (\w+)\?", question):
        (colour,) = {shape.colour for shape in shapes if shape.kind == match[1]}
        return colour
    if match := re.fullmatch(r"which shape is (\w+)\?", question):
        (kind,) = [shape.kind for shape in shapes if shape.colour == match[1]]
        return kind
    if match := re.fullmatch(r"is there (an?) (\w+) (\w+)\?", question):
        assert (match[1] == "an") == (match[2] == "orange")
        return "yes" if match.group(2, 3) in {(shape.colour, shape.kind) for shape in shapes} else "no"

    def only(colour: str, kind: str) -> Shape:
        (shape,) = [shape for shape in shapes if (shape.colour, shape.kind) == (colour, kind)]
        return shape

    if match := re.fullmatch(r"where is the (\w+) (\w+)\?", question):
        shape = only(match[1], match[2])
        return next(english for (english, _), cell in PLACES.items() if cell == (shape.column, shape.row))
    if match := re.fullmatch(r"is the (\w+) (\w+) large\?", question):
        return "yes" if only(match[1], match[2]).size == "large" else "no"
    if match := re.fullmatch(r"is the (\w+) (\w+) (above|to the left of) the (\w+) (\w+)\?", question):
        return "yes" if RELATIONS[f"is {match[3]}"](only(match[1], match[2]), only(match[4], match[5])) else "no"
    match = re.fullmatch(r"what is (.+) the (\w+) (\w+)\?", question)
    assert match, question
    other = only(match[2], match[3])
    (shape,) = [shape for shape in shapes if shape != other and RELATIONS[f"is {match[1]}"](shape, other)]
    return f"{shape.colour} {shape.kind}"


def translated(answer: str) -> str:
    """An English answer in Korean, word by word."""
    table = {**COLOURS, **KINDS, **SIZES, "yes": "예", "no": "아니요"} | dict(PLACES.keys())
    return table[answer] if answer in table else " ".join(table.get(word, word) for word in answer.split())


def test_every_answer_is_right_in_both_languages():
    for scene in SCENES + ODD_SCENES:
        english, korean = questions(scene), questions(scene, language="ko")
        assert len(dict(english)) == len(english) == len(korean) >= 4
        for (question, answer), (_, answer_korean) in zip(english, korean, strict=True):
            assert answer_english(question, scene) == answer, question
            assert answer_korean == translated(answer)


def test_korean_questions_read_naturally():
    scene = Scene((Shape("star", "red", 0, 0, "large"), Shape("circle", "blue", 2, 0, "small")))
    assert questions(scene, language="ko") == (
        ("도형이 몇 개 있나요?", "2"),
        ("별은 몇 개 있나요?", "1"),
        ("별은 무슨 색인가요?", "빨간색"),
        ("빨간색 도형은 무엇인가요?", "별"),
        ("빨간색 별이 있나요?", "예"),
        ("파란색 별이 있나요?", "아니요"),
        ("빨간색 별은 어디에 있나요?", "왼쪽 위 모서리"),
        ("빨간색 별은 큰가요?", "예"),
        ("빨간색 별은 파란색 동그라미 왼쪽에 있나요?", "예"),
        ("파란색 동그라미는 빨간색 별 왼쪽에 있나요?", "아니요"),
        ("파란색 동그라미 왼쪽에 무엇이 있나요?", "빨간색 별"),
        ("빨간색 별 오른쪽에 무엇이 있나요?", "파란색 동그라미"),
    )


def test_yes_and_no_cannot_be_told_from_the_question_alone():
    answers = Counter(
        pair for scene in SCENES for pair in questions(scene) if re.match("is the .+ (above|left)", pair[0])
    )
    counts = Counter(answer for (_, answer) in answers.elements())
    assert counts["yes"] == counts["no"] > 100


def hue(name: str, pixel: np.ndarray) -> bool:
    """Whether a pixel has the named colour, by plain thresholds on red, green and blue."""
    red, green, blue = (int(value) for value in pixel)
    return {
        "red": red > 180 and green < 80 and blue < 80,
        "blue": blue > 180 and red < 80 and green < 120,
        "green": green > 130 and red < 80 and blue < 110,
        "yellow": red > 220 and green > 180 and blue < 80,
        "purple": 100 < red < 170 and green < 90 and blue > 150,
        "orange": red > 220 and 100 < green < 160 and blue < 60,
        "background": min(red, green, blue) > 240,
    }[name]


@pytest.mark.parametrize("size", [64, 96])
def test_picture_has_each_colour_at_its_place_and_nothing_elsewhere(size):
    for scene in SCENES[:60] + ODD_SCENES:
        pixels = np.asarray(draw_scene(scene, size=size))
        assert pixels.shape == (size, size, 3)
        expected = {(shape.column, shape.row): shape.colour for shape in scene.shapes}
        for column in range(3):
            for row in range(3):
                at = pixels[int((row + 0.5) * size / 3), int((column + 0.5) * size / 3)]
                assert hue(expected.get((column, row), "background"), at), (scene, column, row, at)


def test_kinds_and_sizes_have_their_outlines():
    """The share of the bounding box that is filled tells the kind; its side tells the size."""
    share = {"circle": (0.74, 0.82), "square": (0.93, 1.0), "triangle": (0.45, 0.56), "star": (0.25, 0.42)}
    for kind, (least, most) in share.items():
        sides = {}
        for size in SIZES:
            picture = draw_scene(Scene((Shape(kind, "blue", 1, 1, size),)), size=288)
            filled = np.asarray(picture.convert("L")) < 150
            rows, columns = np.nonzero(filled)
            sides[size] = columns.max() - columns.min() + 1
            box = sides[size] * (rows.max() - rows.min() + 1)
            assert least <= filled.sum() / box <= most, (kind, size, filled.sum() / box)
            assert 96 <= columns.min() < columns.max() < 192  # inside its cell
            assert 96 <= rows.min() < rows.max() < 192
        assert sides["large"] > 1.7 * sides["small"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_written_set_is_split_by_image_and_holds_no_picture_twice(tmp_path):
    folder = write_scenes(tmp_path / "set", count=600, seed=3, size=48)  # more than 432, the scenes of one shape
    rows = read(folder / "captions.csv")
    assert list(rows[0]) == ["image", "caption", "split"]
    splits = {row["image"]: row["split"] for row in rows}
    assert Counter(splits.values()) == {"train": 480, "valid": 60, "test": 60}
    assert len(set(contents(folder / "images").values())) == 600
    assert sorted(splits) == [f"images/{number:06d}.png" for number in range(1, 601)]
    assert all((folder / image).is_file() for image in splits)
    assert all(splits[row["image"]] == row["split"] for row in rows + read(folder / "questions.csv"))
    assert Image.open(folder / "images/000001.png").size == (48, 48)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_rows_belong_to_their_pictures(tmp_path, monkeypatch):
    drawn: list[Scene] = []
    monkeypatch.setattr(
        files, "draw_scene", lambda scene, *, size: (drawn.append(scene), draw_scene(scene, size=size))[1]
    )
    folder = write_scenes(tmp_path / "set", count=30, seed=1)
    for row in read(folder / "captions.csv"):
        check_english(row["caption"], drawn[int(row["image"][7:13]) - 1])
    for row in read(folder / "questions.csv"):
        assert answer_english(row["question"], drawn[int(row["image"][7:13]) - 1]) == row["answer"]


def test_same_seed_same_bytes_and_same_pictures_in_both_languages(tmp_path):
    english, again = (contents(write_scenes(tmp_path / name, count=20, seed=7)) for name in ("a", "b"))
    korean = contents(write_scenes(tmp_path / "c", count=20, seed=7, language="ko"))
    other = contents(write_scenes(tmp_path / "d", count=20, seed=8))
    assert english == again
    assert {name for name in english if english[name] != korean[name]} == {
        "captions.csv",
        "questions.csv",
        "shapes.csv",
    }
    assert [row["split"] for row in read(tmp_path / "a/captions.csv")] == [
        row["split"] for row in read(tmp_path / "c/captions.csv")
    ]
    assert english["images/000001.png"] != other["images/000001.png"]


def test_an_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    calls = iter(range(5))

    def full_disk(scene, *, size):
        if next(calls) == 4:
            raise OSError(28, "No space left on device")
        return draw_scene(scene, size=size)

    monkeypatch.setattr(files, "draw_scene", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_scenes(tmp_path / "set", count=20, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_used_and_a_full_one_is_kept(tmp_path):
    (tmp_path / "set").mkdir()
    write_scenes(tmp_path / "set", count=10, seed=0)
    before = contents(tmp_path / "set")
    with pytest.raises(InputError, match="new or empty folder. Received: .*set"):
        write_scenes(tmp_path / "set", count=10, seed=1)
    assert contents(tmp_path / "set") == before


def test_shapes_are_kept_in_reading_order():
    first, second = Shape("star", "red", 2, 0, "small"), Shape("circle", "blue", 0, 1, "large")
    assert Scene((second, first)) == Scene((first, second))
    assert Scene((second, first)).shapes == (first, second)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: Shape("cirle", "red", 0, 0, "small"), r"kind .*\(circle\). Received: 'cirle'"),
        (lambda folder: Shape("star", "pink", 0, 0, "small"), "colour .*Received: 'pink'"),
        (lambda folder: Shape("star", "red", 0, 0, "huge"), "size .*Received: 'huge'"),
        (lambda folder: Shape("star", "red", 3, 0, "small"), "Received: column 3, row 0"),
        (lambda folder: Scene(()), "one to three shapes"),
        (lambda folder: Scene((Shape("star", "red", 0, 0, "small"),) * 2), "different cells"),
        (lambda folder: captions(SCENES[0], language="fr", seed=0), "language .*Received: 'fr'"),
        (lambda folder: questions(SCENES[0], language="fr"), "language .*Received: 'fr'"),
        (lambda folder: draw_scene(SCENES[0], size=8), "24 pixels or more. Received: 8"),
        (lambda folder: write_scenes(folder / "set", count=9, seed=0), "count must be 10 .*Received: 9"),
        (lambda folder: write_scenes(folder / "set", count=100_001, seed=0), "100,000. Received: 100001"),
    ],
)
def test_bad_input_is_named(call, message, tmp_path):
    with pytest.raises(InputError, match=message):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", ["en", "ko"])
def test_scenes_of_a_new_kind_have_only_what_is_asked_for(tmp_path: Path, language: str) -> None:
    new = {"kinds": NEW_KINDS, "colours": NEW_COLOURS}
    folder = write_scenes(tmp_path / "new", count=20, seed=1, language=language, size=32, **new)  # type: ignore[arg-type]
    text = (folder / "captions.csv").read_text(encoding="utf-8") + (folder / "questions.csv").read_text(
        encoding="utf-8"
    )
    old = [word for pair in (*KINDS.items(), *COLOURS.items()) for word in pair]
    found = set(re.findall(r"[a-z]+|[가-힣]+", text))
    assert not found.intersection(old)
    names = {"en": {"hexagon", "diamond", "cyan", "brown", "black"}, "ko": {"청록색", "갈색", "검은색"}}
    assert names[language] <= found
