"""COCO captions and Karpathy's JSON give the records that the data has as a table, and each fault has its place."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mmtoolkit.readers import load_captions, read_captions

TRAIN = {
    "info": {"year": 2014},
    "images": [
        {"id": 9, "file_name": "COCO_train2014_000000000009.jpg", "height": 480, "license": 3},
        {"id": 25, "file_name": "COCO_train2014_000000000025.jpg"},
    ],
    "annotations": [
        {"image_id": 25, "id": 1, "caption": "A giraffe eats leaves."},
        {"image_id": 9, "id": 2, "caption": "Food in boxes.\n"},
        {"image_id": 25, "id": 3, "caption": "두 마리의 기린"},
    ],
}
VALID = {
    "images": [{"id": 42, "file_name": "COCO_val2014_000000000042.jpg"}],
    "annotations": [{"image_id": 42, "id": 4, "caption": "A shoe rack."}],
}
COCO = {"annotations/captions_train2014.json": TRAIN, "annotations/captions_val2014.json": VALID}
COCO_PICTURES = [
    "train2014/COCO_train2014_000000000009.jpg",
    "train2014/COCO_train2014_000000000025.jpg",
    "val2014/COCO_val2014_000000000042.jpg",
]
COCO_RECORDS = [
    ("25", ("A giraffe eats leaves.", "두 마리의 기린"), "train"),
    ("9", ("Food in boxes.",), "train"),
    ("42", ("A shoe rack.",), "valid"),
]

KARPATHY = {
    "dataset": "flickr8k",
    "images": [
        {
            "filename": "1.jpg",
            "imgid": 0,
            "split": "train",
            "sentids": [0, 1],
            "sentences": [
                {"raw": "A dog runs .", "sentid": 0, "imgid": 0, "tokens": ["a", "dog", "runs"]},
                {"raw": "A pup .", "sentid": 1},
            ],
        },
        {"filename": "2.jpg", "split": "val", "sentences": [{"raw": "A cat .", "sentid": 2}]},
        {"filename": "3.jpg", "split": "test", "sentences": [{"raw": "A cow .", "sentid": 3}]},
        {"filename": "4.jpg", "split": "restval", "sentences": [{"raw": "A hen .", "sentid": 4}]},
    ],
}
KARPATHY_RECORDS = [
    ("1.jpg", ("A dog runs .", "A pup ."), "train"),
    ("2.jpg", ("A cat .",), "valid"),
    ("3.jpg", ("A cow .",), "test"),
    ("4.jpg", ("A hen .",), "train"),
]


def summary(records):
    return [(record.image_id, record.captions, record.split) for record in records]


def changed(content: Any, *path: Any, value: Any = None) -> Any:
    """A copy in which the value at a path is another one, or gone."""
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return content


# COCO


def test_a_coco_folder_has_the_splits_of_its_files(folder):
    records = read_captions(folder(COCO, COCO_PICTURES))
    assert summary(records) == COCO_RECORDS
    assert [record.image.parent.name for record in records] == ["train2014", "train2014", "val2014"]
    assert all(record.image.is_file() for record in records)


def test_the_folder_of_the_annotations_and_the_folder_above_are_the_same_data(folder):
    root = folder(COCO, COCO_PICTURES)
    assert read_captions(root / "annotations") == read_captions(root)


def test_a_coco_file_named_from_its_own_folder(folder, monkeypatch):
    monkeypatch.chdir(folder(COCO, COCO_PICTURES) / "annotations")
    (record,) = read_captions("captions_val2014.json")
    assert (record.image_id, record.image.is_file()) == ("42", True)


@pytest.mark.parametrize(("year", "split"), [("2014", "val"), ("2017", "val"), ("2017", "train"), ("", "test")])
def test_one_coco_file_alone(folder, year, split):
    name = f"captions_{split}{year}.json"
    root = folder({f"annotations/{name}": VALID}, [f"{split}{year}/COCO_val2014_000000000042.jpg"])
    project = {"val": "valid"}.get(split, split)
    assert summary(read_captions(root)) == [("42", ("A shoe rack.",), project)]
    assert read_captions(root / "annotations" / name) == read_captions(root)


@pytest.mark.parametrize("place", ["val2014/", "images/val2014/", "images/", ""])
@pytest.mark.parametrize("file", ["annotations/captions_val2014.json", "captions_val2014.json"])
def test_the_places_of_coco_pictures(folder, place, file):
    root = folder({file: VALID}, [f"{place}COCO_val2014_000000000042.jpg"])
    (record,) = read_captions(root / file)
    assert record.image == root / place / "COCO_val2014_000000000042.jpg"


def test_each_coco_file_looks_in_its_own_folder_first(folder):
    """Two splits whose pictures have the same names are not mixed up."""
    train, valid = (changed(VALID, "images", 0, "file_name", value="1.jpg") for _ in range(2))
    train["images"][0]["id"] = train["annotations"][0]["image_id"] = 7
    files = {"annotations/captions_train2017.json": train, "annotations/captions_val2017.json": valid}
    records = read_captions(folder(files, ["train2017/1.jpg", "val2017/1.jpg"]))
    assert [(record.image_id, record.image.parent.name) for record in records] == [
        ("7", "train2017"),
        ("42", "val2017"),
    ]


def test_a_coco_file_of_another_name_has_no_split(folder):
    root = folder({"mine.json": VALID}, COCO_PICTURES)
    assert [record.split for record in read_captions(root / "mine.json")] == [None]


def test_only_the_pictures_of_the_kept_split_need_exist(folder):
    root = folder(COCO, COCO_PICTURES[2:])
    assert summary(read_captions(root, splits=["valid"])) == COCO_RECORDS[2:]


def test_coco_of_two_years_is_ambiguous(folder, refusal):
    root = folder({**COCO, "annotations/captions_val2017.json": VALID}, COCO_PICTURES)
    assert "expected one captions file" in refusal(root)
    assert "annotations/captions_val2014.json, annotations/captions_val2017.json" in refusal(root)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("images", 0, "id"), None, "images[0]: expected a field 'id', a whole number or a string."),
        (("images", 0, "id"), True, "images[0]: expected 'id' to be a whole number or a string. Received: True."),
        (("images", 0, "file_name"), 9, "images[0]: expected 'file_name' to be a string. Received: 9."),
        (("images", 1), [], "images[1]: expected an object. Received: []"),
        (("images", 1, "id"), 9, "images[1]: expected every id once. Received: '9', also in "),
        (
            ("annotations", 2, "image_id"),
            26,
            "annotations[2]: expected the id of one of the images. Received: image_id 26",
        ),
        (
            ("annotations", 2, "image_id"),
            None,
            "annotations[2]: expected a field 'image_id', a whole number or a string.",
        ),
        (("annotations", 1, "caption"), None, "annotations[1]: expected a field 'caption', a string."),
        (("annotations", 1, "caption"), ["a"], "annotations[1]: expected 'caption' to be a string. Received: ['a']."),
        (
            ("annotations", 1, "caption"),
            " \n",
            "annotations[1]: expected a caption of 'COCO_train2014_000000000009.jpg'",
        ),
        (("annotations", 1, "caption"), "a \ud83d", "annotations[1]: expected whole Unicode characters."),
        (("annotations", 1, "id"), 1, "annotations[1]: expected every id once. Received: '1', also in "),
        (("annotations", 1), "a", "annotations[1]: expected an object. Received: 'a'"),
        (
            ("annotations", 1),
            None,
            "images[0]: expected captions of 'COCO_train2014_000000000009.jpg'. Received: none.",
        ),
        (
            ("images", 1, "file_name"),
            "x.jpg",
            "annotations[0]: expected the picture 'x.jpg' beside the file that names it or in train",
        ),
    ],
)
def test_a_fault_in_a_coco_file(folder, refusal, path, value, message):
    """It is raised with its place; or it is left out, and the rest is read."""
    name = "annotations/captions_train2014.json"
    root = folder({**COCO, name: changed(TRAIN, *path, value=value)}, COCO_PICTURES)
    assert refusal(root).startswith(f"{name}:{message}")
    records, faults = load_captions(root, on_error="skip")
    assert any(str(fault).startswith(f"{root}/{name}:{message}") for fault in faults)
    assert "42" in {record.image_id for record in records} <= {"9", "25", "42"}


def test_a_picture_under_two_coco_ids(folder, refusal):
    content = changed(TRAIN, "images", 1, "file_name", value=TRAIN["images"][0]["file_name"])
    root = folder({"captions_train2014.json": content}, COCO_PICTURES)
    assert refusal(root).startswith("captions_train2014.json:annotations[1]: expected one id of 'COCO_train2014_")


def test_one_coco_id_for_two_pictures_of_two_files(folder, refusal):
    valid = changed(VALID, "images", 0, "id", value=9)
    valid["annotations"][0]["image_id"] = 9
    root = folder({**COCO, "annotations/captions_val2014.json": valid}, COCO_PICTURES)
    assert refusal(root).startswith(
        "annotations/captions_val2014.json:annotations[0]: expected every picture's id once."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"images": [],\n "annotations": [}',
            "captions_val2014.json:2: expected JSON. Received: Expecting value, at column 18",
        ),
        ('{"images": [', "captions_val2014.json:1: expected JSON."),
        (
            b'{"images": [],\n\n "annotations": ["\xff"]}',
            "captions_val2014.json:3: expected UTF-8 text. Received: the byte 0xff.",
        ),
        ("[" * 100_000, "captions_val2014.json:1: expected JSON."),
        ([VALID], "captions_val2014.json: expected an object with 'images'."),
        (
            {"imagse": [], "annotations": []},
            "captions_val2014.json: expected a field 'images', a list. Received: 'imagse', 'annotations'. Did you mean",
        ),
        (
            {"images": [], "annotations": {}},
            "captions_val2014.json: expected 'annotations' to be a list. Received: {}.",
        ),
        ({"images": [], "annotations": []}, "captions_val2014.json: expected at least one caption."),
    ],
)
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_coco_file_that_is_none(folder, refusal, content, message, on_error):
    """It is refused whatever the policy is."""
    assert refusal(folder({"captions_val2014.json": content}), on_error=on_error).startswith(message)


# Karpathy


@pytest.mark.parametrize("place", ["", "images/", "Flicker8k_Dataset/", "flickr30k-images/", "flickr30k_images/"])
@pytest.mark.parametrize("name", ["dataset_flickr8k.json", "dataset_flickr30k.json"])
def test_a_karpathy_file_and_its_folder_are_the_same_data(folder, name, place):
    root = folder({name: KARPATHY}, [f"{place}{number}.jpg" for number in (1, 2, 3, 4)])
    records = read_captions(root)
    assert summary(records) == KARPATHY_RECORDS
    assert records[1].image == root / place / "2.jpg"
    assert read_captions(root / name) == records


@pytest.mark.parametrize("pictures", [COCO_PICTURES, [f"images/{name.split('/')[1]}" for name in COCO_PICTURES]])
def test_karpathy_on_coco_gives_the_ids_of_coco(folder, pictures):
    """In `filepath`, or elsewhere by their names; the records are those of COCO's own files, but for the splits."""
    images = [
        {
            "filepath": place.split("/")[0],
            "filename": place.split("/")[1],
            "cocoid": int(place[-6:-4]),
            "split": "restval",
        }
        | {"sentences": [{"raw": caption, "sentid": 10 * number + k} for k, caption in enumerate(captions)]}
        for number, (place, captions) in enumerate(zip(COCO_PICTURES, (["a"], ["b", "c"], ["d"]), strict=True))
    ]
    records = read_captions(folder({"dataset_coco.json": {"images": images}}, pictures))
    assert summary(records) == [("9", ("a",), "train"), ("25", ("b", "c"), "train"), ("42", ("d",), "train")]
    assert [record.image.as_posix().endswith(place) for record, place in zip(records, pictures, strict=True)] == [
        True
    ] * 3


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            ("images", 1, "filename"),
            None,
            "images[1]: expected a field 'filename', a string. Received: 'split', 'sentences'.",
        ),
        (("images", 1, "filename"), 2, "images[1]: expected 'filename' to be a string."),
        (("images", 1, "filename"), "1.jpg", "images[1]: expected every picture once. Received: '1.jpg', also in "),
        (("images", 1, "filename"), " ", "images[1].sentences[0]: expected the name of a picture."),
        (("images", 1, "filename"), "x.jpg", "images[1].sentences[0]: expected the picture 'x.jpg'"),
        (("images", 1, "filepath"), 3, "images[1]: expected 'filepath' to be a string."),
        (("images", 1, "split"), None, "images[1]: expected a field 'split', a string."),
        (("images", 1, "split"), "vla", "images[1].sentences[0]: expected a split: train, valid"),
        (("images", 1, "sentences"), None, "images[1]: expected a field 'sentences', a list."),
        (("images", 1, "sentences"), [], "images[1]: expected captions of '2.jpg'. Received: none."),
        (("images", 1), 7, "images[1]: expected an object. Received: 7."),
        (("images", 0, "sentences", 1, "raw"), None, "images[0].sentences[1]: expected a field 'raw', a string."),
        (("images", 0, "sentences", 1, "raw"), "\t", "images[0].sentences[1]: expected a caption of '1.jpg'."),
        (("images", 0, "sentences", 1), "a", "images[0].sentences[1]: expected an object."),
        (("images", 0, "sentences", 1, "sentid"), 0, "images[0].sentences[1]: expected every id once. Received: '0'"),
    ],
)
def test_a_fault_in_a_karpathy_file(folder, refusal, path, value, message):
    """It is raised with its place; or it alone is left out."""
    pictures = [f"{number}.jpg" for number in (1, 2, 3, 4)]
    root = folder({"dataset_flickr8k.json": changed(KARPATHY, *path, value=value)}, pictures)
    assert refusal(root).startswith(f"dataset_flickr8k.json:{message}")
    records, (fault,) = load_captions(root, on_error="skip")
    assert str(fault).startswith(f"{root}/dataset_flickr8k.json:{message}")
    left = [KARPATHY_RECORDS[0], *KARPATHY_RECORDS[2:]]
    if path[1] == 0:
        left = [("1.jpg", ("A dog runs .",), "train"), *KARPATHY_RECORDS[1:]]
    assert summary(records) == left


def test_the_three_files_of_karpathys_archive_are_ambiguous(folder, refusal):
    names = ("dataset_coco.json", "dataset_flickr30k.json", "dataset_flickr8k.json")
    assert ", ".join(names) in refusal(folder(dict.fromkeys(names, KARPATHY)))
