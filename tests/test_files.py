"""Files are there whole, or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from mmtoolkit.files import (
    append_whole,
    csv_bytes,
    read_whole,
    sweep,
    unfinished,
    write_atomically,
    write_folder_atomically,
    write_json,
)


def test_a_file_is_replaced_in_one_move(tmp_path: Path) -> None:
    target = tmp_path / "words.txt"
    target.write_text("a cat")

    def save(file: BinaryIO) -> None:
        file.write(b"a dog")
        file.flush()
        assert target.read_text() == "a cat"  # the old content stays until the new one is complete

    write_atomically(target, save)
    assert target.read_bytes() == b"a dog"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path: Path) -> None:
    target = tmp_path / "words.txt"
    target.write_text("a cat")

    def save(file: BinaryIO) -> None:
        file.write(b"a d")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as caught:
        write_atomically(target, save)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(target))
    assert target.read_text() == "a cat"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of Unix")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_replaced_file_keeps_its_mode_from_the_first_byte(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "words.txt"
    target.write_text("a cat")
    target.chmod(mode)
    modes: list[int] = []

    def save(file: BinaryIO) -> None:
        modes.append(os.fstat(file.fileno()).st_mode & 0o777)
        file.write(b"a dog")

    write_atomically(target, save)
    assert modes == [mode] and target.stat().st_mode & 0o777 == mode
    assert target.read_bytes() == b"a dog"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "words.txt"
    target.write_text("a cat")
    os.chown(target, 1234, 2345)
    write_atomically(target, lambda file: file.write(b"a dog"))
    assert (target.stat().st_uid, target.stat().st_gid, target.read_text()) == (1234, 2345, "a dog")


def test_an_owner_that_may_not_be_kept_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "words.txt"
    target.write_text("a cat")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.chown", refuse, raising=False)
    write_atomically(target, lambda file: file.write(b"a dog"))
    assert target.read_text() == "a dog" and list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left = [".a.csv.7.part", ".a.csv.7.00ff00ff.part"]
    others = [".b.csv.7.part", ".a.csv.b.7.part", "a.csv.7.part", "a.csv", ".a.csv.lock"]
    for name in (*left, *others):
        (tmp_path / name).touch()
    sweep(tmp_path, "a.csv", idle=0)
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_two_writers_at_once_use_files_of_their_own(tmp_path: Path) -> None:
    """One writes while the other's file is open; a number of the process alone would name the same one."""
    target = tmp_path / "words.txt"

    def save(file: BinaryIO) -> None:
        file.write(b"a dog")
        write_atomically(target, lambda other: other.write(b"a cat"))
        assert target.read_bytes() == b"a cat"

    write_atomically(target, save)
    assert target.read_bytes() == b"a dog" and list(tmp_path.iterdir()) == [target]


def test_json_keeps_hangul_readable_and_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {"scores": {"BLEU-4": 1.5}, "caption": "빨간 원"})
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert "빨간 원" in text
    assert list(json.loads(text)) == ["scores", "caption"]


@pytest.mark.parametrize("empty", [False, True])
def test_a_folder_appears_when_it_is_complete_or_not_at_all(tmp_path: Path, empty: bool) -> None:
    target = tmp_path / "scenes"
    if empty:
        target.mkdir()
    with pytest.raises(OSError, match="No space left"), write_folder_atomically(target) as folder:
        (folder / "a.txt").write_text("a dog")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [path.name for path in tmp_path.rglob("*")] == ["scenes"] * empty
    with write_folder_atomically(target) as folder:
        (folder / "a.txt").write_text("a dog")
        assert not (target / "a.txt").exists()
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["scenes", "scenes/a.txt"]


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_table_has_the_mark_that_excel_needs_and_only_then(delimiter: str) -> None:
    rows = [("image", "caption"), ("1.jpg", "a dog; running, far")]
    plain = csv_bytes(rows, delimiter=delimiter)
    assert plain.startswith(f"image{delimiter}caption\n1.jpg{delimiter}".encode())
    korean = csv_bytes([*rows, ("해변.jpg", "개")], delimiter=delimiter)
    assert korean == b"\xef\xbb\xbf" + plain + f"해변.jpg{delimiter}개\n".encode()
    assert list(csv.reader(io.StringIO(korean.decode("utf-8-sig")), delimiter=delimiter))[1] == [*rows[1]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_line_ends_of_all_kinds_stay_in_their_field(delimiter: str) -> None:
    rows = [["image", "note"], ["a\rb.png", "one\r\ntwo"], ['c".png', "one\ntwo"], ["d.png", "\r"]]
    table = csv_bytes(rows, delimiter=delimiter)
    assert table.startswith(f'image{delimiter}note\n"a\rb.png"{delimiter}"one\r\ntwo"\n'.encode())
    assert list(csv.reader(io.StringIO(table.decode(), newline=""), delimiter=delimiter)) == rows


def test_json_holds_names_that_are_not_unicode(tmp_path: Path) -> None:
    write_json(tmp_path / "report.json", {"data": "caf\udce9/빨간"})
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == {"data": "caf\udce9/빨간"}


def test_rows_are_appended_whole_or_not_at_all(tmp_path: Path) -> None:
    """The limit of a file's size stands for a disk that is full after a part of a row."""
    resource = pytest.importorskip("resource")
    target = tmp_path / "rows.csv"
    append_whole(target, b"a,a dog\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12, hard))
    try:
        with pytest.raises(OSError, match="No space left") as caught:
            append_whole(target, b"b,a cat\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(target) and target.read_bytes() == b"a,a dog\n"
    append_whole(target, b"b,a cat\n")
    assert target.read_bytes() == b"a,a dog\nb,a cat\n"


def test_halves_of_killed_processes_are_swept(tmp_path: Path) -> None:
    for name in (".a.png.7.part", ".b.csv.7.part", "a.png", ".png"):
        (tmp_path / name).touch()
    sweep(tmp_path, "*.png", idle=0)
    assert {path.name for path in tmp_path.iterdir()} == {".b.csv.7.part", "a.png", ".png"}


def test_a_file_that_has_just_got_its_name_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = unfinished(tmp_path / "a.npy"), unfinished(tmp_path / "a.npy")
    assert old != new  # two threads of one process write the same file
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    listed = [tmp_path / ".gone.npy.1.part", *tmp_path.glob(".*.part*")]
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter(listed))
    sweep(tmp_path)
    assert not old.exists() and new.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices of Unix")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A pipe would be waited for, a device never ends; only those that a person names in /dev are read."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("pipe.csv", "zero.csv"):
        with pytest.raises(OSError, match="it is no file but a pipe, a socket or a device"):
            read_whole(tmp_path / name, most=10)
    with pytest.raises(IsADirectoryError):
        read_whole(tmp_path, most=10)
    assert read_whole(Path("/dev/null"), most=10) == b""


def test_two_that_write_one_folder_do_not_touch_what_the_other_writes(tmp_path: Path) -> None:
    target = tmp_path / "preset"
    with write_folder_atomically(target, replace=True) as first:
        (first / "a").touch()
        with write_folder_atomically(target, replace=True) as second:
            (second / "b").touch()
        assert [path.name for path in target.iterdir()] == ["b"] and (first / "a").is_file()
    assert [path.name for path in target.iterdir()] == ["a"] and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("size", [0, 9, 10, 11])
def test_a_file_is_read_whole_or_not_at_all(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * size)
    if size <= 10:
        assert read_whole(path, most=10) == b"x" * size
    else:
        with pytest.raises(OSError, match="larger than") as caught:
            read_whole(path, most=10)
        assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(path))
