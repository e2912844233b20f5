"""The table beside a report: it is read back as it was, and says where it is damaged."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.reports import read_rows, write_rows

ROWS = [
    {"image_id": "a, b.jpg", "caption": 'a "red" dog,\nrunning', "group": "right", "CIDEr": 0.1 + 0.2},
    {"image_id": "개.jpg", "caption": "두 사람", "group": "unrelated", "CIDEr": 0.0},
]


def test_rows_come_back_to_the_last_digit(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.csv", ROWS)
    assert read_rows(tmp_path / "r.csv", ["CIDEr", "words"]) == ROWS
    assert (tmp_path / "r.csv").read_bytes().startswith(b"\xef\xbb\xbfimage_id,caption")  # for spreadsheets


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    """A spreadsheet runs what begins with one of six characters; numbers stay numbers, and all is read as it was."""
    texts = ["=cmd|' /C calc'!A0", "+1", "-2", "@SUM(1)", "\tx", "'=1", "''=1", "'quoted'", "a = b", ""]
    rows = [{"input": text, "CIDEr": -0.5} for text in texts]
    write_rows(tmp_path / "r.csv", rows)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [row for row in csv.reader(file)][1:]
    assert not [cell for cell, _ in cells if cell[:1] in tuple("=+-@\t\r")]
    assert [number for _, number in cells] == ["-0.5"] * len(texts)
    assert read_rows(tmp_path / "r.csv", ["CIDEr"]) == rows


def test_half_a_character_spoils_no_table(tmp_path: Path) -> None:
    write_rows(tmp_path / "r.csv", [{"image_id": "x\udcff.jpg", "CIDEr": 1}])
    assert read_rows(tmp_path / "r.csv", [])[0]["image_id"] == "x?.jpg"


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    file = tmp_path / "r.csv"
    with pytest.raises(InputError, match=r"Received: .*r\.csv, which cannot be read"):
        read_rows(file, [])
    file.write_text("image_id,CIDEr\na,0.5\nb,much\n")
    with pytest.raises(InputError, match=r"r\.csv:3: expected a number as 'CIDEr'. Received: 'much'"):
        read_rows(file, ["CIDEr"])
    file.write_text("image_id,CIDEr\na\n")
    with pytest.raises(InputError, match=r"r\.csv:2: .* Received: None"):
        read_rows(file, ["CIDEr"])
