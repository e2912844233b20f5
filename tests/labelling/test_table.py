"""The table of labels: what its readers take, what of it stays, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import mmtoolkit as mm
from mmtoolkit.labelling import CAPTIONS, QUESTIONS, Form, Sheet, hold, labels, open_sheet, save, unfinished

# What is typed, and what its readers give back
TEXTS = {
    "a dog, running": "a dog, running",
    'the sign says "stop"': 'the sign says "stop"',
    '"stop"': '"stop"',
    "개가 해변을 달린다": "개가 해변을 달린다",
    "  a dog\n\truns\r\nfast ": "a dog runs fast",
    "one\u2028two": "one two",
    "=1+1; it's 50% | #1": "=1+1; it's 50% | #1",
    "a dog 😀": "a dog 😀",
}


def sheet_of(photos: Path, form: Form = CAPTIONS) -> Sheet:
    return open_sheet(photos / form.name, form, mm.find_images([photos]))


def test_captions_are_read_back_as_they_were_typed(photos: Path) -> None:
    sheet = sheet_of(photos)
    typed = list(TEXTS)
    save(sheet, "1.jpg", [[text] for text in typed[:3]])
    save(sheet, "해변/4.jpg", [[text] for text in typed[3:]])
    records = {record.image_id: record for record in mm.read_captions(photos)}
    assert records["1.jpg"].captions == tuple(TEXTS[text] for text in typed[:3])
    assert records["해변/4.jpg"].captions == tuple(TEXTS[text] for text in typed[3:])
    assert records["해변/4.jpg"].image == photos / "해변" / "4.jpg"
    assert set(records) == {"1.jpg", "해변/4.jpg"}
    assert labels(sheet) == {name: [(text,) for text in records[name].captions] for name in records}


def test_questions_are_read_back_as_they_were_typed(photos: Path) -> None:
    sheet = sheet_of(photos, QUESTIONS)
    save(sheet, "2.jpg", [[text, text[::-1]] for text in TEXTS])
    records = mm.read_questions(photos)
    assert [record.question for record in records] == list(TEXTS.values())
    assert [record.answers for record in records] == [(" ".join(text[::-1].split()),) for text in TEXTS]


def test_all_else_in_a_table_stays(photos: Path) -> None:
    """Other columns, rows of other pictures, their order, and the mark that Excel wants."""
    table = photos / "captions.csv"
    table.write_bytes(
        "\ufeffid,image,author,caption,split\n"
        "a,elsewhere.jpg,Kim,an unseen one,train\n"
        'b,1.jpg,Lee,"old, one",valid\n'
        "c,1.jpg,Park,old two,valid\n"
        "d,2.jpg,,stays,train\n".encode()
    )
    sheet = sheet_of(photos)
    assert labels(sheet) == {"1.jpg": [("old, one",), ("old two",)], "2.jpg": [("stays",)]}
    save(sheet, "1.jpg", [["old two"], ["new"], ["newest"]])  # one kept, one in the place of another, one more
    save(sheet, "3.png", [["blue"]])
    assert table.read_bytes().decode() == (
        "\ufeffid,image,author,caption,split\n"
        "a,elsewhere.jpg,Kim,an unseen one,train\n"
        "c,1.jpg,Park,old two,valid\n"
        "b,1.jpg,Lee,new,valid\n"
        ",1.jpg,,newest,valid\n"
        "d,2.jpg,,stays,train\n"
        ",3.png,,blue,\n"
    )


def test_the_columns_of_another_program_stay_as_they_are(photos: Path) -> None:
    """Semicolons, capitals and other names, and no mark where there was none."""
    table = photos / "captions.csv"
    table.write_bytes("File_Name;Split;Text;Bemerkung\n1.jpg;train;old, one;가\n".encode())
    sheet = sheet_of(photos)
    assert labels(sheet) == {"1.jpg": [("old, one",)]}
    save(sheet, "1.jpg", [["a; b"], ["new"]])
    save(sheet, "2.jpg", [["green"]])
    expected = 'File_Name;Split;Text;Bemerkung\n1.jpg;train;"a; b";가\n1.jpg;train;new;\n2.jpg;;green;\n'
    assert table.read_bytes().decode() == expected


def test_a_new_table_gets_the_mark_of_excel_with_its_first_hangul(photos: Path) -> None:
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["a dog"]])
    assert sheet.path.read_bytes() == b"image,caption\n1.jpg,a dog\n"
    save(sheet, "1.jpg", [["개"]])
    assert sheet.path.read_bytes().decode() == "\ufeffimage,caption\n1.jpg,개\n"
    save(sheet, "1.jpg", [["a dog"]])
    assert sheet.path.read_bytes().decode() == "\ufeffimage,caption\n1.jpg,a dog\n"
    assert labels(sheet) == {"1.jpg": [("a dog",)]}


def test_a_caption_without_words_is_none(photos: Path) -> None:
    (photos / "captions.csv").write_text("image,caption\n1.jpg,-\n2.jpg,a dog\n")
    sheet = sheet_of(photos)
    assert labels(sheet) == {"2.jpg": [("a dog",)]} and unfinished(sheet) == 1
    save(sheet, "1.jpg", [["😀"], ["a cat"]])
    assert [record.captions for record in mm.read_captions(photos)] == [("a cat",), ("a dog",)]


def test_a_picture_keeps_the_name_that_the_table_has_for_it(photos: Path) -> None:
    """Readers also look in images/."""
    (photos / "images").mkdir()
    (photos / "3.png").rename(photos / "images" / "5.png")
    (photos / "captions.csv").write_text("image,caption\n5.png,blue\n")
    sheet = sheet_of(photos)
    assert labels(sheet) == {"images/5.png": [("blue",)]}
    save(sheet, "images/5.png", [["blue"], ["very blue"]])
    assert (photos / "captions.csv").read_text() == "image,caption\n5.png,blue\n5.png,very blue\n"


def test_a_table_elsewhere_names_the_pictures_from_there(photos: Path, tmp_path: Path) -> None:
    target = tmp_path / "tables" / "mine.csv"
    target.parent.mkdir()
    sheet = open_sheet(target, CAPTIONS, mm.find_images([photos]))
    save(sheet, "../photos/1.jpg", [["red"]])
    (record,) = mm.read_captions(target)
    assert record.captions == ("red",) and record.image.resolve() == (photos / "1.jpg").resolve()


def test_what_is_emptied_is_no_longer_labelled(photos: Path) -> None:
    sheet = sheet_of(photos, QUESTIONS)
    save(sheet, "1.jpg", [["", "red"], ["which colour?", " \n"]])
    assert not sheet.path.exists()  # a table without rows is one that readers refuse
    save(sheet, "1.jpg", [["which colour?", "red"]])
    save(sheet, "2.jpg", [["which colour?", "green"]])
    save(sheet, "1.jpg", [["which colour?", ""]])
    assert sheet.path.read_text() == "image,question,answer\n2.jpg,which colour?,green\n"


def test_rows_prepared_without_text_wait_for_it(photos: Path) -> None:
    (photos / "captions.csv").write_text("image,caption,split\n1.jpg,,train\n2.jpg,,test\n")
    sheet = sheet_of(photos)
    assert labels(sheet) == {} and unfinished(sheet) == 2
    save(sheet, "2.jpg", [["green"]])
    assert sheet.path.read_text() == "image,caption,split\n1.jpg,,train\n2.jpg,green,test\n"
    assert unfinished(sheet) == 1


def test_what_another_program_writes_meanwhile_stays(photos: Path) -> None:
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["red"]])
    with sheet.path.open("a") as file:
        file.write("2.jpg,by hand\n")
    save(sheet, "1.jpg", [["crimson"]])
    assert sheet.path.read_text() == "image,caption\n1.jpg,crimson\n2.jpg,by hand\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title,caption\n", ":1: expected a column 'image'"),
        ("image,captoin\n1.jpg,a\n", "Rename 'captoin' to 'caption'"),
        ("image;captoin\n1.jpg;a\n", ":1: expected a column 'caption'"),
        ("image,caption\n1.jpg,red, or so\n", ":2: expected 2 fields. Received: 3."),
        ('image,caption\n1.jpg,"red\n2.jpg,b\n', "double quotes are closed"),
    ],
)
def test_a_table_that_readers_refuse_is_left_alone(photos: Path, content: str, message: str) -> None:
    table = photos / "captions.csv"
    table.write_text(content)
    with pytest.raises(mm.InputError) as caught:
        sheet_of(photos)
    assert str(caught.value).startswith(str(table)) and message in str(caught.value)
    assert table.read_text() == content


def test_a_table_spoilt_meanwhile_is_left_alone(photos: Path) -> None:
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["red"]])
    sheet.path.write_text("nothing\n")
    with pytest.raises(mm.InputError, match="expected a column 'image'"):
        save(sheet, "1.jpg", [["crimson"]])
    assert sheet.path.read_text() == "nothing\n"


def test_half_characters_and_names_that_no_table_holds_are_refused(photos: Path) -> None:
    (photos / " 6.jpg").write_bytes((photos / "1.jpg").read_bytes())
    sheet = sheet_of(photos)
    with pytest.raises(mm.InputError, match=r"whole Unicode characters\. Received: half of one"):
        save(sheet, "1.jpg", [["a \ud800"]])
    with pytest.raises(mm.InputError, match=r"Received: ' 6\.jpg'; rename the picture"):
        save(sheet, " 6.jpg", [["red"]])
    assert not sheet.path.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 2001, "expected a text of at most 2,000 characters. Received: 2,001; shorten it."),
        ("개" * 900_000, "expected a text of at most 2,000 characters. Received: 900,000; shorten it."),
        ("<start> a dog <end>", "Received: '<start>' and '<end>'; delete them."),
        ("['a dog', 'a pup']", "expected one text. Received: ['a dog', 'a pup'], a list; "),
    ],
)
def test_a_text_that_readers_would_not_return_is_refused(photos: Path, text: str, message: str) -> None:
    sheet = sheet_of(photos, QUESTIONS)
    save(sheet, "1.jpg", [["which colour?", "x" * 2000]])
    before = sheet.path.read_bytes()
    for label in ([text, "red"], ["which colour?", text]):
        with pytest.raises(mm.InputError) as caught:
            save(sheet, "2.jpg", [label])
        assert message in str(caught.value) and sheet.path.read_bytes() == before
    assert labels(sheet) == {"1.jpg": [("which colour?", "x" * 2000)]}


def test_a_text_that_another_program_wrote_stays(photos: Path) -> None:
    """A list of captions in one cell, as some data sets have it, and one of more than 2,000 characters."""
    long = "word " * 600 + "end"
    table = f"image,caption\n1.jpg,\"['a dog', 'a pup']\"\n1.jpg,{long}\n"
    (photos / "captions.csv").write_text(table)
    save(sheet_of(photos), "1.jpg", [["['a dog', 'a pup']"], [long], ["new"]])
    assert (photos / "captions.csv").read_text() == table + "1.jpg,new\n"


def test_a_carriage_return_in_a_cell_stays_in_it(photos: Path) -> None:
    """Spreadsheets write one for a line break in a cell; `1.jpg` was saved twice when it split the row of `2.jpg`."""
    (photos / "3.png").rename(photos / "a\rb.png")
    (photos / "captions.csv").write_bytes(b'image,caption,note\n2.jpg,green,"first\rsecond"\n')
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["red"]])
    save(sheet, "a\rb.png", [["blue"]])
    save(sheet, "1.jpg", [["crimson"]])
    expected = b'image,caption,note\n2.jpg,green,"first\rsecond"\n1.jpg,crimson,\n"a\rb.png",blue,\n'
    assert sheet.path.read_bytes() == expected
    assert labels(sheet) == {"2.jpg": [("green",)], "1.jpg": [("crimson",)], "a\rb.png": [("blue",)]}


def test_what_cannot_be_read_again_is_not_written(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that does not quote: the table's own reader refuses its bytes, or returns other rows of them."""
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["red"]])

    def unquoted(rows: Sequence[Sequence[str]], delimiter: str) -> bytes:
        return "".join(f"{delimiter.join(row)}\n" for row in rows).encode()

    monkeypatch.setattr("mmtoolkit.labelling.table.csv_bytes", unquoted)
    for text, message in (("a, b", "expected 2 fields. Received: 3"), ('"b"', "labels that are read as they are")):
        with pytest.raises(mm.InputError, match=message) as caught:
            save(sheet, "2.jpg", [[text]])
        assert str(caught.value).endswith(f"{sheet.path} is kept.")
        assert sheet.path.read_text() == "image,caption\n1.jpg,red\n"


def test_a_row_with_empty_fields_too_many_is_edited(photos: Path) -> None:
    (photos / "captions.csv").write_text("image,caption\n1.jpg,red,,\n")
    save(sheet_of(photos), "1.jpg", [["crimson"]])
    assert (photos / "captions.csv").read_text() == "image,caption\n1.jpg,crimson\n"


def test_links_that_lead_nowhere_are_passed_over(photos: Path) -> None:
    (photos / "loop").symlink_to("loop")
    (photos / "5.png").symlink_to("5.png")
    (photos / "6.png").symlink_to("nowhere.png")
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["red"]])
    assert labels(sheet) == {"1.jpg": [("red",)]}
    assert [record.captions for record in mm.read_captions(photos)] == [("red",)]


def test_a_linked_table_is_written_where_it_is(photos: Path, tmp_path: Path) -> None:
    """Its pictures are still named from the link's folder, where readers look for them."""
    linked = tmp_path / "tables" / "mine.csv"
    linked.parent.mkdir()
    linked.write_text("image,caption\n1.jpg,red\n")
    linked.chmod(0o664)
    (photos / "captions.csv").symlink_to(linked)
    save(sheet_of(photos), "2.jpg", [["green"]])
    assert (photos / "captions.csv").readlink() == linked
    assert linked.read_text() == "image,caption\n1.jpg,red\n2.jpg,green\n"
    assert linked.stat().st_mode & 0o777 == 0o664
    assert [record.captions for record in mm.read_captions(photos)] == [("red",), ("green",)]


def test_a_link_to_no_file_writes_none_elsewhere(photos: Path, tmp_path: Path) -> None:
    """A folder of a stranger's must not choose where a new file appears."""
    (photos / "captions.csv").symlink_to(tmp_path / "profile")
    save(sheet_of(photos), "1.jpg", [["red"]])
    assert not (tmp_path / "profile").exists()
    assert (photos / "captions.csv").read_text() == "image,caption\n1.jpg,red\n"


def test_a_table_is_held_by_one(photos: Path, tmp_path: Path) -> None:
    """Also through a link; what a killed process left is deleted."""
    linked = tmp_path / "mine.csv"
    linked.write_text("image,caption\n")
    (photos / "captions.csv").symlink_to(linked)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".mine.csv.{ended.pid}.part").touch()
    through, direct = sheet_of(photos), open_sheet(linked, CAPTIONS, mm.find_images([photos]))
    with hold(through):
        expected = rf"Expected {linked} to be free\. Received: process {os.getpid()} on \S+, which labels since 20"
        with pytest.raises(mm.InputError, match=expected), hold(direct):
            pass
        with hold(sheet_of(photos, QUESTIONS)):
            save(through, "1.jpg", [["red"]])
    with hold(direct):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "mine.csv"}
    assert linked.read_text() == "image,caption\n1.jpg,red\n"


def test_a_folder_that_cannot_be_written_is_refused_at_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(target: Path, doing: str) -> None:
        raise PermissionError(13, "Permission denied", str(target.with_name(".captions.csv.lock")))

    monkeypatch.setattr("mmtoolkit.labelling.table.locked", refused)
    with pytest.raises(mm.InputError) as caught, hold(sheet_of(photos)):
        pass
    assert str(caught.value) == (
        f"expected a table in a folder that can be written. Received: {photos / 'captions.csv'} (Permission denied); "
        "name another with --out."
    )


def test_a_full_disk_leaves_the_old_table(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = sheet_of(photos)
    save(sheet, "1.jpg", [["red"]])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(sheet, "1.jpg", [["crimson"]])
    assert sheet.path.read_text() == "image,caption\n1.jpg,red\n"
    assert {path.name for path in photos.iterdir()} == {"captions.csv", "1.jpg", "2.jpg", "3.png", "해변"}
