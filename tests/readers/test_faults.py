"""What is wrong is raised, left out, or left out and written down, as `on_error` says."""

from __future__ import annotations

import json
import warnings

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import Fault, left_out, load_captions, read_captions, write_quarantine

TABLE = (
    "image,caption,split,id\n"
    "1.jpg,a dog,train,1\n"
    "1.jpg,,train,2\n"
    "2.jpg,a cat,trian,3\n"
    "강아지.jpg,a pup,train,4\n"
    '2.jpg,"a cat" says hello,train,5\n'
    "2.jpg,a cat, running,train,6\n"
    "2.jpg,a cat,valid,7\n"
    "2.jpg,a tabby,train,8\n"
    "2.jpg,a cat,valid,7\n"
    "3.jpg,un caf\xe9,train,9\n"
    "3.jpg,a tea,valid,10\n"
).encode()
BAD_TABLE = TABLE.replace("\xe9".encode(), b"\xe9")
FAULTS = [  # line, the picture, and how the reason begins
    (3, "1.jpg", "expected a caption of '1.jpg'"),
    (4, "2.jpg", "expected a split: train, valid"),
    (6, "", "expected a CSV row whose double quotes are closed"),
    (7, "", "expected 4 fields. Received: 5."),
    (10, "2.jpg", "expected every id once. Received: '7', also on line 8."),
    (11, "", "expected UTF-8 text. Received: the byte 0xe9."),
    (9, "2.jpg", "expected '2.jpg' in one split. Received: train here and valid on line 8."),
    (5, "강아지.jpg", "expected the picture '강아지.jpg' beside the file that names it"),
]
LEFT = [("1.jpg", ("a dog",), "train"), ("2.jpg", ("a cat",), "valid"), ("3.jpg", ("a tea",), "valid")]


@pytest.fixture
def bad(folder):
    return folder({"captions.csv": BAD_TABLE}, ["1.jpg", "2.jpg", "3.jpg"])


def summary(records):
    return [(record.image_id, record.captions, record.split) for record in records]


def test_skip_leaves_out_the_bad_rows_and_warns_once(bad):
    with pytest.warns(UserWarning) as caught:
        records = read_captions(bad, on_error="skip")
    assert summary(records) == LEFT
    (warning,) = caught
    lines = str(warning.message).splitlines()
    assert lines[0] == "8 rows or pictures are left out:"
    assert [
        line.startswith(f"  {bad}/captions.csv:{place}: ") for line, place in zip(lines[1:], (3, 4, 6), strict=False)
    ]
    assert lines[4:] == ["  and 5 more"]
    assert warning.filename == __file__


def test_quarantine_writes_every_fault_with_place_and_reason(bad, tmp_path):
    file = tmp_path / "quarantine"
    with pytest.warns(UserWarning, match="8 rows or pictures"):
        records = read_captions(bad, on_error="quarantine", quarantine=file)
    assert summary(records) == LEFT
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    places = [(f"{bad}/captions.csv:{line}", image, reason) for line, image, reason in FAULTS]
    assert [(row["source"], row["image"]) for row in rows[:-1]] == [(source, image) for source, image, _ in places[:-1]]
    assert [row["reason"].startswith(place[2]) for row, place in zip(rows, places[:-1], strict=False)] == [True] * 7
    source, image, reason = places[-1]  # all rows of a picture that is not there
    assert rows[-1]["image"] == image and rows[-1]["reason"].startswith(f"{source}: {reason}")
    assert set(rows[-1]) == {"image", "reason"}
    assert "강아지.jpg" in file.read_text(encoding="utf-8")


def test_fail_raises_the_first_fault(bad, refusal):
    assert refusal(bad).startswith("captions.csv:3: expected a caption of '1.jpg'")


@pytest.mark.parametrize("on_error", ["skip", "quarantine"])
def test_good_data_gives_the_same_records_in_silence(folder, tmp_path, on_error):
    root = folder({"captions.csv": "image,caption\n1.jpg,a dog\n"}, ["1.jpg"])
    file = tmp_path / "bad.jsonl" if on_error == "quarantine" else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_captions(root / "captions.csv", on_error=on_error, quarantine=file) == read_captions(root)
    assert file is None or file.read_bytes() == b""


@pytest.mark.parametrize("on_error", ["skip", "quarantine"])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,captoin\n1.jpg,a dog\n", "captions.csv:1: expected a column 'caption'."),
        ("\xffimage,caption\n1.jpg,a dog\n".encode("latin-1"), "captions.csv:1: expected UTF-8 text."),
        ('"image",caption"\n1.jpg,a dog\n', "captions.csv:1: expected a column 'caption'."),
        ('"image"x,caption\n1.jpg,a dog\n', "captions.csv:1: expected a CSV row whose double quotes"),
        ('image,caption\n1.jpg,a dog\n1.jpg,"a cat\n1.jpg,a cow\n', "captions.csv:3: expected a CSV row whose double"),
        ("image,caption\n", "captions.csv: expected at least one caption. Received: none. Add captions"),
        (
            "image,caption\n1.jpg,\n",
            "captions.csv: expected at least one caption. Received: none that can be used; the first of 1",
        ),
        (
            "image,caption\nx.jpg,a dog\n",
            "captions.csv: expected at least one caption. Received: none that can be used",
        ),
    ],
)
def test_what_cannot_be_left_out_fails(folder, tmp_path, refusal, on_error, table, message):
    """A header that says nothing, quotes that swallow rows, and data of which nothing stays."""
    root = folder({"captions.csv": table}, ["1.jpg"])
    options = {"on_error": on_error} | ({"quarantine": tmp_path / "bad"} if on_error == "quarantine" else {})
    assert refusal(root, **options).startswith(message)


def test_a_path_or_a_split_that_is_not_there_fails(bad, refusal):
    assert "captions.cvs" in refusal(bad / "captions.cvs", on_error="skip")
    assert "expected the split test" in refusal(bad, on_error="skip", splits=["test"])


def test_of_many_missing_pictures_each_is_a_fault_and_the_first_has_the_count(folder):
    table = "image,caption\n1.jpg,a dog\n2.JPG,b\n2.JPG,c\n3.jpg,d\n"
    records, faults = load_captions(folder({"captions.csv": table}, ["1.jpg", "2.jpg"]), on_error="skip")
    assert [record.image_id for record in records] == ["1.jpg"]
    assert [(fault.source.rpartition(":")[2], fault.image) for fault in faults] == [("3", "2.JPG"), ("5", "3.jpg")]
    assert "2 pictures are missing in all. Did you mean '2.jpg'" in faults[0].reason
    assert "Received: no such file. Add it" in faults[1].reason


@pytest.mark.parametrize(
    ("name", "content", "lines"),
    [
        (
            "captions.jsonl",
            '{"image": "1.jpg", "caption": "a"}\n{"image": \n[1]\n{"image": "1.jpg", "captions": ["b", ""]}\n',
            [2, 3, 4],
        ),
        ("Flickr8k.token.txt", "1.jpg#0\ta\n1.jpg#1 b\n1.jpg#2\tb\n1.jpg#2\tc\n", [2, 4]),
        ("captions.txt", "image,caption\n1.jpg,a\n1.jpg,\n1.jpg,b\n", [3]),
    ],
)
def test_every_form_goes_on_behind_a_bad_line(folder, name, content, lines):
    records, faults = load_captions(folder({name: content}, ["1.jpg"]), on_error="skip")
    assert [record.captions for record in records] == [("a", "b")]
    assert [int(fault.source.rpartition(":")[2]) for fault in faults] == lines


def test_two_files_whose_names_differ_in_form_only_are_not_one_id(folder, refusal):
    """The composed and the decomposed name of one word, both on the disk."""
    table = "image,caption\n\uac00.jpg,a\n\u1100\u1161.jpg,b\n"
    root = folder({"captions.csv": table}, ["\uac00.jpg", "\u1100\u1161.jpg"])
    if len(list(root.glob("*.jpg"))) == 2:  # macOS has one file for both
        assert refusal(root).startswith("captions.csv:3: expected every picture's id once.")


def test_a_record_says_where_it_stands(folder):
    root = folder({"captions.csv": "image,caption\n2.jpg,a\n1.jpg,b\n2.jpg,c\n"}, ["1.jpg", "2.jpg"])
    assert [record.source for record in read_captions(root)] == [f"{root}/captions.csv:2", f"{root}/captions.csv:3"]


def test_a_name_that_is_not_unicode_can_be_written_down(tmp_path):
    write_quarantine(tmp_path / "bad.jsonl", [Fault("a.csv:2", "wrong", "caf\udce9.jpg")])
    assert json.loads((tmp_path / "bad.jsonl").read_text(encoding="utf-8"))["image"] == "caf\udce9.jpg"


@pytest.mark.parametrize(("count", "last"), [(1, "a:0: b"), (3, "a:2: b"), (4, "and 1 more")])
def test_few_faults_are_told_in_full(count, last):
    text = left_out([Fault(f"a:{number}", "b") for number in range(count)])
    assert text.splitlines()[-1].strip() == last
    assert len(text.splitlines()) == min(count, 4) + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "skipp"}, "Did you mean 'skip'"),
        ({"on_error": "quarantine"}, "expected a file `quarantine`"),
        ({"on_error": "skip", "quarantine": "bad.jsonl"}, "expected a file `quarantine`"),
    ],
)
def test_a_policy_that_makes_no_sense(bad, options, message):
    with pytest.raises(InputError, match=message):
        read_captions(bad, **options)
