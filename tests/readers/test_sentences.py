"""Sentences from captions data sets and text files, and how a folder of the one is told from the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from mmtoolkit.errors import InputError
from mmtoolkit.readers import read_sentences


def folder(path: Path, files: dict[str, str]) -> Path:
    """Writes files; each picture is one pixel."""
    for name, content in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jpg"):
            Image.new("RGB", (1, 1)).save(place)
        else:
            place.write_text(content, encoding="utf-8")
    return path


PICTURES = {"1.jpg": "", "2.jpg": "", "3.jpg": ""}


def test_of_captions_with_splits_the_training_ones_are_read(tmp_path: Path) -> None:
    rows = "image,caption,split\n1.jpg,A dog .,train\n1.jpg,a pup,train\n2.jpg,a cat,dev\n3.jpg,a cow,test\n"
    data = folder(tmp_path, {"captions.csv": rows, **PICTURES})
    assert read_sentences(data) == read_sentences(str(data / "captions.csv")) == ["A dog .", "a pup"]


def test_of_captions_without_splits_all_are_read(tmp_path: Path) -> None:
    rows = "1.jpg#0\ta dog\n1.jpg#1\ta pup\n2.jpg#0\ta cat\n"
    data = folder(tmp_path, {"Flickr8k.token.txt": rows, "readme.txt": "Read me.\n", **PICTURES})
    assert read_sentences(data) == read_sentences(data / "Flickr8k.token.txt") == ["a dog", "a pup", "a cat"]


def test_captions_without_a_training_split_are_an_error(tmp_path: Path) -> None:
    data = folder(tmp_path, {"captions.csv": "image,caption,split\n1.jpg,a dog,test\n", **PICTURES})
    with pytest.raises(InputError, match="expected a training split. Received: only others"):
        read_sentences(data)


@pytest.mark.parametrize("name", ["book.txt", "train.ko", "text", "reviews.tsv"])
def test_another_file_is_text_with_a_sentence_a_line(tmp_path: Path, name: str) -> None:
    data = folder(tmp_path, {name: "\ufeffA dog runs.\r\n\n  개가 달린다 \nimage,caption\n1.jpg#0\ta dog\n"})
    assert read_sentences(data / name) == ["A dog runs.", "개가 달린다", "image,caption", "1.jpg#0\ta dog"]


def test_a_text_file_that_looks_like_captions_is_read_as_such(tmp_path: Path) -> None:
    data = folder(tmp_path, {"mine.txt": "image,caption\n1.jpg,a dog, running\n", **PICTURES})
    assert read_sentences(data / "mine.txt") == ["a dog, running"]


def test_the_texts_in_and_below_a_folder_are_read_in_order(tmp_path: Path) -> None:
    files = {"b.txt": "b1\nb2\n", "a/z.TXT": "az\n", "c.md": "no\n", ".d.txt": "no\n", ".e/f.txt": "no\n"}
    assert read_sentences(folder(tmp_path, files)) == ["az", "b1", "b2"]


@pytest.mark.parametrize("name", ["captions.txt", "results.token", "notes.json", "rows.csv", "rows.jsonl"])
def test_a_folder_with_a_captions_file_is_no_folder_of_texts(tmp_path: Path, name: str) -> None:
    """What the captions reader finds wrong with it is said, rather than reading the other texts without it."""
    data = folder(tmp_path, {name: "what\n", "book.txt": "A dog runs.\n"})
    with pytest.raises(InputError, match=re.escape(str(data))):
        read_sentences(data)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": " \n"}, "expected text in a.txt. Received: none"),
        ({"a.md": "a dog\n"}, "expected captions or .txt files. Received: none"),
        (PICTURES, "expected captions or .txt files. Received: none"),
    ],
)
def test_a_folder_without_sentences_is_an_error(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_sentences(folder(tmp_path, files))


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a dog\n\xff\xfe\n")
    with pytest.raises(InputError, match="a.txt:2: expected UTF-8 text"):
        read_sentences(tmp_path)
    with pytest.raises(InputError, match="expected an existing file or folder"):
        read_sentences(tmp_path / "none")
