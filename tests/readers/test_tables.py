"""Text files are read to the letter, and errors carry the line a text editor shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers.tables import csv_rows, did_you_mean, json_objects, numbered_lines


def table(folder: Path, content: bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content)
    return path


def test_only_a_line_feed_ends_a_line(tmp_path):
    path = table(tmp_path, "a\u2028b\x85c\r\n\n  \nd\x0ce".encode())
    assert list(numbered_lines(path)) == [(1, "a\u2028b\x85c"), (4, "d\x0ce")]


def test_a_row_has_the_number_of_its_first_line(tmp_path):
    path = table(tmp_path, b'image,caption\r\n\r\n1.jpg,"a dog,\r\nrunning"\r\n2.jpg,"a ""big"" cat"\r\n')
    rows = list(csv_rows(path, required=("image", "caption")))
    assert rows == [
        (3, {"image": "1.jpg", "caption": "a dog,\r\nrunning"}),
        (5, {"image": "2.jpg", "caption": 'a "big" cat'}),
    ]


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path):
    path = table(tmp_path, b"\xef\xbb\xbfimage, caption\n1.jpg, a dog\n")
    assert list(csv_rows(path, required=("image", "caption"))) == [(2, {"image": "1.jpg", "caption": "a dog"})]


def test_a_short_row_ends_in_empty_fields(tmp_path):
    path = table(tmp_path, b"image,caption,split\n1.jpg,a dog\n")
    assert list(csv_rows(path, required=("image",))) == [(2, {"image": "1.jpg", "caption": "a dog", "split": ""})]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"image,captoin\n", 1, "column 'caption'. Received: 'image', 'captoin'. Rename 'captoin' to 'caption'."),
        (b"\nIMAGE,caption\n", 2, "column 'image'. Received: 'IMAGE', 'caption'. Rename 'IMAGE' to 'image'."),
        (b"image,caption,caption\n", 1, "every column once"),
        (b"image,caption\n1.jpg,a dog\n2.jpg,a dog, running\n", 3, "expected 2 fields. Received: 3."),
        (b'image,caption\n1.jpg,a dog\n2.jpg,"a cat\n3.jpg,a cow\n', 3, "double quotes"),
        (b"image,caption\n1.jpg,a dog\n2.jpg,un caf\xe9\n", 3, "UTF-8 text. Received: the byte 0xe9."),
        (b"\xef\xbb\xbfimage,caption\n\n\xff", 3, "the byte 0xff"),
        ("image,caption\n1.jpg,개\n".encode("utf-16"), 1, "the byte 0xff"),
    ],
)
def test_a_bad_table_is_named_with_its_line(tmp_path, content, line, words):
    with pytest.raises(InputError) as caught:
        list(csv_rows(table(tmp_path, content), required=("image", "caption")))
    assert str(caught.value).startswith(f"{tmp_path / 'table.csv'}:{line}: expected ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"), [('{"image": ', "one JSON object"), ('["1.jpg", "a dog"]', "one JSON object")]
)
def test_a_line_that_is_no_json_object_is_named(tmp_path, line, words):
    path = tmp_path / "table.jsonl"
    path.write_text('{"image": "1.jpg"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"table.jsonl:2: .*{words}"):
        list(json_objects(path))


def test_near_offers_like_names_only():
    assert did_you_mean("Capton", ["image", "caption"]) == " Did you mean 'caption'?"
    assert did_you_mean("zzz", ["image", "caption"]) == ""
