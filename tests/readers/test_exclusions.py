"""Lists of what to leave out: rows and pictures, wherever the list was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import read_captions, read_questions, read_sentences

TABLE = "image,caption\n1.jpg,a dog\n1.jpg,a pup\nold/1.jpg,a cat\n2.jpg,a cow\n"
PICTURES = ["images/1.jpg", "images/old/1.jpg", "2.jpg"]
EASY = [["what is it?", "circle", 1], ["which colour?", "red", 1]]

Folder = Callable[..., Path]


def listed(path: Path, *lines: Any) -> Path:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ({"source": "captions.csv:3"}, ["a dog", "a cat", "a cow"]),
        ({"source": "elsewhere/captions.csv:3"}, ["a dog", "a pup", "a cat", "a cow"]),
        ({"source": "../captions.csv:3", "image": "1.jpg"}, ["a dog", "a cat", "a cow"]),
        ({"image": "1.jpg"}, ["a cat", "a cow"]),  # a name is the whole name
        ({"image": "old/1.jpg"}, ["a dog", "a pup", "a cow"]),
        ({"image": "images/1.jpg", "source": ""}, ["a cat", "a cow"]),  # a path is where it is
        ({"image": "../images/1.jpg"}, ["a cat", "a cow"]),
        ({"image": "elsewhere/1.jpg"}, ["a dog", "a pup", "a cat", "a cow"]),
        ({"image": "./2.jpg", "reason": "a line\u2028and another"}, ["a dog", "a pup", "a cat"]),
    ],
)
def test_a_list_names_rows_and_pictures(folder: Folder, line: dict[str, str], left: list[str]) -> None:
    data = folder({"captions.csv": TABLE}, PICTURES)
    for path in (data, data / "captions.csv"):
        listing = listed(data / "list.jsonl", line)
        if len(left) == 4:
            records = read_captions(path, exclude=listing)
        else:
            with pytest.warns(UserWarning, match="left out as --exclude asks"):
                records = read_captions(path, exclude=listing)
        assert [caption for record in records for caption in record.captions] == left


def test_pictures_of_the_same_name_are_told_apart_by_their_folders(folder: Folder) -> None:
    """easy-VQA has a 1.png in each split; its results call them train/1 and test/1."""
    data = folder(
        {"train/questions.json": EASY, "test/questions.json": EASY}, ["train/images/1.png", "test/images/1.png"]
    )
    with pytest.warns(UserWarning, match="2 rows or pictures are left out"):
        records = read_questions(data, exclude=listed(data / "list.jsonl", {"image": "train/images/1.png"}))
    assert {record.image_id for record in records} == {"test/1"}


def test_a_picture_whose_name_lacks_its_ending(folder: Folder) -> None:
    text = "what is on the desk in the image3 ?\nlamp\nwhat is red in the image4 ?\nbook\n"
    data = folder({"qa_train.txt": text}, ["images/image3.png", "images/image4.png"])
    for name in (f"{data}/images/image3.png", "image3"):
        with pytest.warns(UserWarning, match="1 row or picture is left out"):
            (record,) = read_questions(data, exclude=listed(data / "list.jsonl", {"image": name}))
        assert record.answers == ("book",)


@pytest.mark.parametrize("doubled", [False, True])
def test_what_a_quarantine_names_is_left_out_whole(folder: Folder, doubled: bool) -> None:
    """A picture that is not there, or has the id of another, with all of its rows."""
    annotations = [{"id": number, "image_id": image, "caption": "a dog"} for number, image in enumerate((1, 2, 2, 3))]
    images = [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}, {"id": 3, "file_name": "3.jpg"}]
    table = {"images": images, "annotations": annotations}
    files = {"annotations/captions_train2014.json": table}
    if doubled:
        files["annotations/captions_val2014.json"] = {**table, "annotations": [{**annotations[1], "id": 9}]}
    pictures = [f"{place}/{name}" for place in ("train2014", "val2014") for name in ("1.jpg", "3.jpg")]
    data = folder(files, [*pictures, *(["train2014/2.jpg", "val2014/2.jpg"] if doubled else [])])
    with pytest.warns(UserWarning, match="left out"):
        records = read_captions(data, on_error="quarantine", quarantine=data / "list.jsonl")
    with pytest.warns(UserWarning, match="left out as --exclude asks"):
        assert read_captions(data, exclude=data / "list.jsonl") == records


def test_sentences_leave_out_captions_and_nothing_else(folder: Folder, tmp_path: Path) -> None:
    data = folder({"captions.csv": TABLE, "book.txt": "a dog"}, PICTURES)
    listing = listed(tmp_path / "list.jsonl", {"image": "1.jpg"})
    with pytest.warns(UserWarning, match="2 rows or pictures are left out"):
        assert read_sentences(data / "captions.csv", exclude=listing) == ["a cat", "a cow"]
    with pytest.raises(InputError, match="--exclude is for captions. Received: .*book.txt"):
        read_sentences(data / "book.txt", exclude=listing)


@pytest.mark.parametrize("line", ['{"image": 7}', "{}", "1.jpg", "[]"])
def test_a_line_that_names_nothing_is_refused(folder: Folder, line: str) -> None:
    data = folder({"captions.csv": TABLE, "list.jsonl": '{"image": "2.jpg"}\n\n' + line}, PICTURES)
    with pytest.raises(InputError) as caught:
        read_captions(data, exclude=data / "list.jsonl")
    assert str(caught.value).startswith(f"{data}/list.jsonl:3: expected an object with 'source' (FILE:LINE) or 'image'")
    assert f"Received: {line}. Correct the line." in str(caught.value)


def test_a_list_that_is_not_there_is_refused(folder: Folder) -> None:
    data = folder({"captions.csv": TABLE}, PICTURES)
    with pytest.raises(InputError, match="--exclude expects a list in JSON Lines. Received: .*none.jsonl"):
        read_captions(data, exclude=data / "none.jsonl")
