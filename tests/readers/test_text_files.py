"""Text files as passages: splits, boundaries of characters, and what is no text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mmtoolkit as mm
from mmtoolkit.readers import Fault, text_files
from mmtoolkit.readers.text_files import load_texts


def test_the_last_tenth_is_held_out(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{number:04d}\n" for number in range(2000)), encoding="utf-8")
    records, faults = load_texts(path)
    assert not faults
    train, valid = ("".join(r.text for r in records if r.split == name) for name in ("train", "valid"))
    assert len(train) == 9000 and valid.startswith("1800\n") and train + valid == path.read_text(encoding="utf-8")
    first = next(record for record in records if record.split == "valid")
    assert first.context.endswith("1799\n") and len(first.context) == 256
    assert (first.source, first.id) == (f"{path}:1801", "text.txt:9000")
    assert len({record.id for record in records}) == len(records)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet="aé한🙂\n\r ", min_size=120, max_size=300))
def test_no_character_is_cut(tmp_path: Path, text: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode() + b"x" * 120)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "BLOCK", 7)
        records, _ = load_texts(path)
    assert "".join(record.text for record in records) == text.replace("\r\n", "\n") + "x" * 120
    assert {record.split for record in records} == {"train", "valid"}


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"abcd\r\n" * 50)
    assert "".join(record.text for record in load_texts(path)[0]) == "abcd\n" * 50


def test_files_may_name_their_split(tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        (tmp_path / f"ptb.{name}.txt").write_text(f"{name} text\n" * 60, encoding="utf-8")
    records, _ = load_texts(tmp_path)
    for name in ("train", "valid", "test"):
        text = "".join(record.text for record in records if record.split == name)
        assert text == f"{name} text\n" * 60
    assert {record.split for record in load_texts(tmp_path, splits=["dev"])[0]} == {"valid"}


def test_without_a_file_to_validate_on_the_ends_of_the_others_are_taken(tmp_path: Path) -> None:
    """And a title that has such a word in it names no split."""
    for name in ("train", "test", "the-test-of-time"):
        (tmp_path / f"{name}.txt").write_text(f"{name} text\n" * 60, encoding="utf-8")
    splits = {record.document: set() for record in load_texts(tmp_path)[0]}
    for record in load_texts(tmp_path)[0]:
        splits[record.document].add(record.split)
    both = {"train", "valid"}
    assert splits == {"train.txt": both, "test.txt": {"test"}, "the-test-of-time.txt": both}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "text of 100 characters or more. Received: 0, besides white space"),
        (b"a", "text of 100 characters or more. Received: 1, besides white space"),
        (b" \n" * 500, "text of 100 characters or more. Received: 0, besides white space"),
        ("汉语文字".encode("gbk") * 40, "1: expected UTF-8 text. Received: the byte 0xba"),
        ("한국어 문장입니다.\n".encode("cp949") * 20, "1: expected UTF-8 text. Received: CP949. Convert it: iconv"),
        (b"good line\n" * 20 + b"bad \xff line\n" * 3, "21: expected UTF-8 text. Received: the byte 0xff"),
        (b"good line\n" * 20 + b"\x00", "21: expected text. Received: a zero byte"),
    ],
)
def test_what_is_no_text_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(mm.InputError, match=said.replace(".", r"\.")):
        load_texts(path)


def test_a_bad_file_is_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("good text\n" * 30, encoding="utf-8")
    (tmp_path / "odd.txt").write_bytes(b"\xff" * 200)
    records, faults = load_texts(tmp_path, on_error="skip")
    assert {record.document for record in records} == {"good.txt"}
    assert [type(fault) for fault in faults] == [Fault] and str(faults[0]).startswith(f"{tmp_path / 'odd.txt'}:1: ")


def test_a_folder_without_texts_is_said(tmp_path: Path) -> None:
    with pytest.raises(mm.InputError, match="Received: no .txt file"):
        load_texts(tmp_path)
