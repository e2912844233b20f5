"""Pictures are found by ending, in a fixed order, and nothing is passed over in silence."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError, did_you_mean
from mmtoolkit.readers import find_images
from mmtoolkit.readers.images import picture_finder


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_folders_are_expanded_and_files_taken_as_given(tmp_path):
    touch(tmp_path, "album/b.JPG", "album/a/z.heic", "album/c.WebP", "album/notes.txt", "scan.tiff")
    touch(tmp_path, "album/._b.JPG", "album/.thumbnails/b.jpg")
    found = find_images([tmp_path / "scan.tiff", tmp_path / "album", str(tmp_path / "album" / "c.WebP")])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "scan.tiff",
        "album/a/z.heic",
        "album/b.JPG",
        "album/c.WebP",
        "album/c.WebP",
    ]


ENDINGS = (
    *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "gif", "bmp", "dib", "webp", "heic", "heif", "avif"),
    *("tif", "tiff", "jp2", "j2k", "jpx", "HEIF", "JFIF"),
)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_counts(tmp_path, ending):
    touch(tmp_path, f"a.{ending}")
    assert find_images([tmp_path]) == [tmp_path / f"a.{ending}"]


def test_a_folder_without_pictures_is_named(tmp_path):
    touch(tmp_path, "good/a.jpg", "empty/notes.txt")
    with pytest.raises(InputError, match=r"expected pictures .*empty, a folder without any"):
        find_images([tmp_path / "good", tmp_path / "empty"])


def test_what_is_passed_over_is_counted(tmp_path):
    touch(tmp_path, "a.jpg", "b/c.PSD", "b/d.psd", "e.svg", "README", "captions.csv", ".hidden.psd")
    told: list[str] = []
    assert find_images([tmp_path], warn=told.append) == [tmp_path / "a.jpg"]
    (line,) = told
    assert line == (
        f"in {tmp_path} 4 files are passed over, as their endings are of no picture: .psd 2, .svg 1, no ending 1"
    ) or line.endswith(".psd 2, no ending 1, .svg 1")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of Unix")
def test_a_pipe_with_the_name_of_a_picture_is_passed_over(tmp_path):
    """Whoever opened it would wait for ever; a link that leads nowhere is a picture that cannot be read."""
    (tmp_path / "1.png").touch()
    os.mkfifo(tmp_path / "2.png")
    (tmp_path / "3.png").symlink_to("3.png")
    told = []
    assert find_images([tmp_path], warn=told.append) == [tmp_path / "1.png", tmp_path / "3.png"]
    assert told == [f"in {tmp_path} 1 files are passed over, as their endings are of no picture: a pipe or a device 1"]


def test_another_number_is_no_misspelling():
    assert did_you_mean("000005.png", ["000040.png", "000035.png"]) == ""
    assert did_you_mean("000005.pgn", ["000005.png"]) == " Did you mean '000005.png'?"


def test_a_missing_path_lists_near_names(tmp_path):
    touch(tmp_path, "holiday.jpg")
    with pytest.raises(InputError, match=r"holidya.jpg\. Did you mean 'holiday.jpg'\?"):
        find_images([tmp_path / "holidya.jpg"])


def test_no_path_is_an_error():
    with pytest.raises(InputError, match="at least one picture"):
        find_images([])


def test_a_name_is_found_beside_the_file_before_images(tmp_path):
    touch(tmp_path, "both.jpg", "images/both.jpg", "images/one.jpg", "deep/er/two.jpg")
    find = picture_finder(tmp_path)
    assert find("both.jpg") == tmp_path / "both.jpg"
    assert find("one.jpg") == find("./images/one.jpg") == tmp_path / "images/one.jpg"
    assert find("deep/er/two.jpg") == tmp_path / "deep/er/two.jpg"
    assert find(str(tmp_path / "both.jpg")) == tmp_path / "both.jpg"
    assert find("deep") is None
    assert find("none.jpg") is None
    assert find("zero\0/byte.jpg") is None


@pytest.mark.parametrize(("on_disk", "asked"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_hangul_names_are_found_in_either_form(tmp_path, on_disk, asked):
    stored = unicodedata.normalize(on_disk, "사진/강아지.jpg")
    touch(tmp_path, stored)
    assert picture_finder(tmp_path)(unicodedata.normalize(asked, "사진/강아지.jpg")) == tmp_path / stored
