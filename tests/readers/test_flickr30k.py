"""Flickr30k as published and in Kaggle's form, with and without split lists."""

from __future__ import annotations

import pytest

from mmtoolkit.readers import load_captions, read_captions

TOKEN = "".join(f"{number}.jpg#{k}\tDog {number} | caption {k} .\n" for number in (11, 12, 13, 14) for k in range(2))
KAGGLE = "image_name| comment_number| comment\n" + TOKEN.replace(".jpg#", ".jpg| ").replace("\t", "| ")
LISTS = {"train.txt": "11\n12\n", "val.txt": "13\n"}
FORMS = {"results_20130124.token": TOKEN, "results.csv": KAGGLE}


def captions(number):
    return (f"Dog {number} | caption 0 .", f"Dog {number} | caption 1 .")


def pictures(place):
    return [f"{place}{number}.jpg" for number in (11, 12, 13, 14)]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "place", ["flickr30k-images", "flickr30k_images", "flickr30k_images/flickr30k_images", "images"]
)
def test_both_forms_and_their_folders_are_the_same_data(folder, name, place):
    root = folder({name: FORMS[name]}, pictures(f"{place}/"))
    records = read_captions(root)
    assert [(record.image_id, record.captions, record.split) for record in records] == [
        (f"{number}.jpg", captions(number), None) for number in (11, 12, 13, 14)
    ]
    assert records[0].image == root / place / "11.jpg"
    assert read_captions(root / name) == records


def test_the_folder_that_kaggles_archive_was_unpacked_in(folder):
    root = folder({"flickr30k_images/results.csv": KAGGLE}, pictures("flickr30k_images/flickr30k_images/"))
    assert [record.image_id for record in read_captions(root)] == ["11.jpg", "12.jpg", "13.jpg", "14.jpg"]


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_lists_name_pictures_with_or_without_their_ending(folder, name, ending):
    """The picture in no list is left out, and need not exist."""
    lists = {file: text.replace("\n", f"{ending}\n") for file, text in LISTS.items()}
    root = folder({name: FORMS[name], **lists}, pictures("flickr30k-images/")[:3])
    splits = {record.image_id: record.split for record in read_captions(root)}
    assert splits == {"11.jpg": "train", "12.jpg": "train", "13.jpg": "valid"}


def test_lists_of_other_forms_are_no_lists(folder):
    files = {"captions.csv": "image,caption\n11.jpg,a dog\n", "train.txt": "what to do before training\n"}
    assert [record.split for record in read_captions(folder(files, ["11.jpg"]))] == [None]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("12.jpg| 4   A dog runs across the grass .", "results.csv:4: expected 'image_name| comment_number| comment'."),
        ("12.jpg", "results.csv:4: expected 'image_name| comment_number| comment'. Received: '12.jpg'."),
        ("12.jpg| two| A dog .", "results.csv:4: expected 'image_name| comment_number| comment'."),
        ("12.jpg| 2| ", "results.csv:4: expected a caption of '12.jpg'."),
        ("12.jpg| 1| A dog .", "results.csv:6: expected every id once. Received: '12.jpg#1', also on line 4."),
        ("| 1| A dog .", "results.csv:4: expected the name of a picture."),
        (b"12.jpg| 2| Ein M\xe4dchen .", "results.csv:4: expected UTF-8 text. Received: the byte 0xe4."),
    ],
)
def test_a_fault_in_kaggles_form(folder, refusal, row, message):
    lines = [line.encode() for line in KAGGLE.splitlines()]
    lines.insert(3, row if isinstance(row, bytes) else row.encode())
    root = folder({"results.csv": b"\n".join(lines)}, pictures("flickr30k_images/"))
    assert refusal(root).startswith(message)
    records, (fault,) = load_captions(root, on_error="skip")
    assert str(fault).startswith(f"{root}/{message}")
    assert sum(len(record.captions) for record in records) == 8


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"val.txt": "13\n12\n"}, "val.txt:2: expected each picture in one split. Received: '12', also in train.txt."),
        ({"val.txt": "13\n15\n"}, "val.txt:2: expected captions of '15' in results_20130124.token. Received: none."),
        ({"val.txt": b"13\n\xff\n"}, "val.txt:2: expected UTF-8 text."),
    ],
)
def test_a_fault_in_a_list(folder, refusal, lists, message):
    root = folder({"results_20130124.token": TOKEN, **LISTS, **lists}, pictures("flickr30k-images/"))
    assert refusal(root).startswith(message)
    records, (fault,) = load_captions(root, on_error="skip")
    assert str(fault).startswith(f"{root}/{message}")
    assert [record.split for record in records] == ["train", "train", "valid"]
