"""Text files are read to the letter, and errors carry the line a text editor shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.readers import Fault, tables
from mmtoolkit.readers.tables import csv_rows, json_objects, numbered_lines, read_text


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


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_columns_of_any_spreadsheet(tmp_path, delimiter):
    """Excel writes semicolons where a comma is in numbers; the other three signs are then part of a caption."""
    text = f'image{delimiter}caption\r\n1.jpg{delimiter}"a, b; c\t| d"\r\n'
    (row,) = csv_rows(table(tmp_path, text.encode()), required=("image", "caption"))
    assert row == (2, {"image": "1.jpg", "caption": "a, b; c\t| d"})


def test_commas_in_the_rows_do_not_count(tmp_path):
    path = table(tmp_path, b"image;caption\n1.jpg;a dog, running, far\n")
    assert list(csv_rows(path, required=("image",))) == [(2, {"image": "1.jpg", "caption": "a dog, running, far"})]


def test_carriage_returns_alone_end_lines_where_no_line_feed_does(tmp_path):
    assert list(numbered_lines(table(tmp_path, b"a\r\rb\r"))) == [(1, "a"), (3, "b")]
    assert list(numbered_lines(table(tmp_path, b"a\rb\nc\r\n"))) == [(1, "a\rb"), (2, "c")]
    assert list(csv_rows(table(tmp_path, b"image,x\r1.jpg,2\r"), required=("image",))) == [
        (2, {"image": "1.jpg", "x": "2"})
    ]
    with pytest.raises(InputError, match=r"table\.csv:3: expected UTF-8 text"):
        list(numbered_lines(table(tmp_path, b"a\rb\r\xff")))


def test_a_column_that_may_be_absent_is_not_to_be_misspelt(tmp_path):
    path = table(tmp_path, b"image,anwser,answerable\n1.jpg,red,1\n")
    with pytest.raises(InputError, match="expected a column 'answer'.*Rename 'anwser' to 'answer'"):
        list(csv_rows(path, required=("image",), optional=("answer",)))
    path = table(tmp_path, b"image,answerable,answer_type\n1.jpg,1,other\n")
    assert len(list(csv_rows(path, required=("image",), optional=("answer",)))) == 1


def test_a_short_row_ends_in_empty_fields(tmp_path):
    path = table(tmp_path, b"image,caption,split\n1.jpg,a dog\n")
    assert list(csv_rows(path, required=("image",))) == [(2, {"image": "1.jpg", "caption": "a dog", "split": ""})]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"image,captoin\n", 1, "column 'caption'. Received: 'image', 'captoin'. Rename 'captoin' to 'caption'."),
        (b"\nIMGAE;caption\n", 2, "column 'image'. Received: 'IMGAE', 'caption'. Rename 'IMGAE' to 'image'."),
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


def test_a_file_too_large_to_be_read_whole_is_told(tmp_path, monkeypatch):
    path = tmp_path / "captions.csv"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)  # sparse: it takes no space
    monkeypatch.setattr(tables, "MOST_BYTES", 10)
    with pytest.raises(Fault, match=f"{path}:1: expected a file of at most 0 MB. Received: a larger one. Split it."):
        read_text(path)
    (tmp_path / "short.csv").write_bytes(b"0123456789")
    assert read_text(tmp_path / "short.csv") == "0123456789"
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="it is no file but a pipe, a socket or a device"):
        read_text(tmp_path / "endless.csv")


def test_a_header_that_not_every_delimiter_reads(tmp_path: Path) -> None:
    """The carriage return is in quotes where a comma, and outside them where a semicolon is between the columns."""
    path = tmp_path / "captions.csv"
    path.write_bytes(b'image,caption,"no;te\r"\n1.jpg,a dog,x\n')
    rows = [row for _, row in csv_rows(path, required=("image", "caption"))]
    assert rows == [{"image": "1.jpg", "caption": "a dog", "no;te": "x"}]
    path.write_bytes(b"image,caption," + b"x" * 200_000 + b"\n1.jpg,a dog,x\n")
    with pytest.raises(InputError, match="captions.csv:1: expected a CSV row.* field larger than field limit"):
        list(csv_rows(path, required=("image", "caption")))
