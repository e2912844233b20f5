"""Every form of captioned data gives the same records, and what is wrong is named with file and line."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import read_captions, split

TRAIN, DEV, TEST = (f"Flickr_8k.{name}Images.txt" for name in ("train", "dev", "test"))


def write(folder: Path, files: dict[str, str], *, pictures: tuple[str, ...] = ()) -> Path:
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    for name in pictures:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def flickr(folder: Path, *, images: str = "images", lists: tuple[str, ...] = (TRAIN, DEV)) -> Path:
    """Six pictures of two captions; train 0-2, dev 3-4, and 5 in no list and not on disk unless there are no lists."""
    token = "".join(f"{i}.jpg#{k}\tdog {i} , caption {k} .\n" for i in range(6) for k in range(2))
    named = {TRAIN: (0, 1, 2), DEV: (3, 4), TEST: (5,)}
    files = {"Flickr8k.token.txt": token}
    files |= {name: "".join(f"{i}.jpg\n" for i in named[name]) for name in lists}
    on_disk = [i for name in lists for i in named[name]] or range(6)
    return write(folder, files, pictures=tuple(f"{images}/{i}.jpg" for i in on_disk))


def summary(records):
    return [(record.image_id, record.captions, record.split) for record in records]


def fails(path: Path, message: str, **options) -> None:
    """The error begins with `message`, whose file stands in the folder of the data."""
    with pytest.raises(InputError) as caught:
        read_captions(path, **options)
    text = str(caught.value).replace(f"{path}/", "")
    assert text.startswith(message), text
    assert "Received: " in text
    assert "\n" not in text


# The forms that are read


@pytest.mark.parametrize("images", ["images", "Images", "Flicker8k_Dataset", "Flickr8k_Dataset", "."])
def test_a_flickr8k_folder(tmp_path, images):
    records = read_captions(flickr(tmp_path, images=images))
    assert [(record.image_id, record.split) for record in records] == [
        ("0.jpg", "train"),
        ("1.jpg", "train"),
        ("2.jpg", "train"),
        ("3.jpg", "valid"),
        ("4.jpg", "valid"),
    ]
    assert records[3].captions == ("dog 3 , caption 0 .", "dog 3 , caption 1 .")
    assert records[3].image == tmp_path / images / "3.jpg"


def test_a_flickr8k_folder_without_lists_has_no_splits(tmp_path):
    records = read_captions(str(flickr(tmp_path, lists=())))
    assert [record.split for record in records] == [None] * 6


def test_the_lemma_file_of_the_official_archive_is_not_mistaken_for_the_captions(tmp_path):
    flickr(tmp_path)
    write(tmp_path, {"Flickr8k.lemma.token.txt": "0.jpg#0\tdog be\n"})
    assert read_captions(tmp_path)[0].captions[0] == "dog 0 , caption 0 ."


def test_another_token_file_is_read_too(tmp_path):
    write(tmp_path, {"mine.token.txt": "a#b.jpg#0\ta dog\n"}, pictures=("a#b.jpg",))
    assert summary(read_captions(tmp_path)) == [("a#b.jpg", ("a dog",), None)]


@pytest.mark.parametrize("asked", [("valid",), ["dev"], "val"])
def test_only_the_pictures_of_the_kept_splits_need_exist(tmp_path, asked):
    flickr(tmp_path)
    for i in range(3):
        (tmp_path / "images" / f"{i}.jpg").unlink()
    assert [record.image_id for record in read_captions(tmp_path, splits=asked)] == ["3.jpg", "4.jpg"]
    fails(tmp_path, "Flickr8k.token.txt:1: expected the picture '0.jpg'")


def test_kaggle_captions_keep_their_commas_and_quotes(tmp_path):
    text = (
        "image,caption\r\n"
        "1.jpg,A dog , brown , runs .\r\n"
        '1.jpg,"A dog, ""Rex"", runs ."\r\n'
        '2.jpg,"Stop" says a sign , twice .\r\n'
        '2.jpg,"Stop","Go"\r\n'
        '2.jpg,A boy with a " ADHD " shirt\r\n'
    )
    write(tmp_path, {"captions.txt": text}, pictures=("Images/1.jpg", "Images/2.jpg"))
    assert summary(read_captions(tmp_path)) == [
        ("1.jpg", ("A dog , brown , runs .", 'A dog, "Rex", runs .'), None),
        ("2.jpg", ('"Stop" says a sign , twice .', '"Stop","Go"', 'A boy with a " ADHD " shirt'), None),
    ]


@pytest.mark.parametrize("name", ["captions.csv", "birds.csv"])
def test_a_csv_and_its_folder_are_the_same_data(tmp_path, name):
    text = '\ufeffimage,caption,split,id\n1.jpg,"a dog, running",train,7\n2.jpg,a cat,dev,8\n1.jpg,a pup,train,9\n'
    write(tmp_path, {name: text}, pictures=("1.jpg", "images/2.jpg"))
    records = read_captions(tmp_path)
    assert summary(records) == [("1.jpg", ("a dog, running", "a pup"), "train"), ("2.jpg", ("a cat",), "valid")]
    assert [record.image for record in records] == [tmp_path / "1.jpg", tmp_path / "images" / "2.jpg"]
    assert read_captions(tmp_path / name) == records


def test_json_lines(tmp_path):
    rows = [
        {"image": "1.jpg", "caption": "a dog", "split": "validation", "id": 1},
        {"image": "2.jpg", "captions": ["고양이", "a cat"], "split": "test", "id": "b"},
        {"image": "1.jpg", "captions": ["a pup"], "split": "val"},
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write(tmp_path, {"captions.jsonl": text}, pictures=("1.jpg", "2.jpg"))
    expected = [("1.jpg", ("a dog", "a pup"), "valid"), ("2.jpg", ("고양이", "a cat"), "test")]
    assert summary(read_captions(tmp_path)) == expected


def test_captions_is_preferred_to_other_tables(tmp_path):
    files = {"captions.csv": "image,caption\n1.jpg,a dog\n", "scores.csv": "a,b\n", "._captions.csv": "\0"}
    write(tmp_path, files, pictures=("1.jpg",))
    assert summary(read_captions(tmp_path)) == [("1.jpg", ("a dog",), None)]


def test_hangul_captions_and_decomposed_file_names(tmp_path):
    name = "강아지.jpg"
    stored = unicodedata.normalize("NFD", name)
    assert stored != name
    text = f"image,caption\n{name},개가 달린다\n{stored},갈색 개\n"
    write(tmp_path, {"captions.csv": text}, pictures=(f"images/{stored}",))
    assert summary(read_captions(tmp_path)) == [(name, ("개가 달린다", "갈색 개"), None)]


def test_two_spellings_of_a_path_are_one_picture(tmp_path):
    text = "image,caption\n1.jpg,a dog\n./1.jpg,a pup\nimages/1.jpg,a brown dog\n"
    write(tmp_path, {"captions.csv": text}, pictures=("images/1.jpg",))
    assert summary(read_captions(tmp_path)) == [("1.jpg", ("a dog", "a pup", "a brown dog"), None)]


def test_the_real_flickr8k(shared):
    records = read_captions(shared / "data" / "flickr8k")
    assert Counter(record.split for record in records) == {"train": 6000, "valid": 1000}
    assert {len(record.captions) for record in records} == {5}
    assert len({record.image for record in records}) == len({record.image_id for record in records}) == 7000
    assert records[0].captions[1] == "A girl going into a wooden building ."
    parts = split(records)
    assert tuple(map(len, parts)) == (6000, 1000, 0)
    assert not {record.image_id for record in parts.train} & {record.image_id for record in parts.valid}


def test_each_folder_is_listed_once(tmp_path, monkeypatch):
    from mmtoolkit.readers import images

    names = [f"{i}.jpg" for i in range(500)]
    text = "image,caption\n" + "".join(f"{name},a dog\n" for name in names)
    write(tmp_path, {"captions.csv": text}, pictures=tuple(f"images/{name}" for name in names))
    listed: list[str] = []
    files_in = images.files_in
    monkeypatch.setattr(images, "files_in", lambda folder: listed.append(folder) or files_in(folder))
    assert len(read_captions(tmp_path / "captions.csv")) == 500
    assert sorted(listed) == [str(tmp_path), str(tmp_path / "images")]


# What is wrong


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,caption\n1.jpg,a dog\n2.jpg,\n", "captions.csv:3: expected a caption of '2.jpg'"),
        (
            "image,caption\n1.jpg,a dog\n2.jpg,' \t'\n".replace("'", '"'),
            "captions.csv:3: expected a caption of '2.jpg'",
        ),
        ("image,caption\n1.jpg,a dog\n,a cat\n", "captions.csv:3: expected the name of a picture"),
        ("image,caption\n1.jpg,a dog\n3.jpg,a cat\n", "captions.csv:3: expected the picture '3.jpg'"),
        ("image,captoin\n1.jpg,a dog\n", "captions.csv:1: expected a column 'caption'. Received: 'image', 'captoin'."),
        ("image;captoin\n1.jpg;a dog\n", "captions.csv:1: expected a column 'caption'. Received: 'image', 'captoin'."),
        (
            "image,caption,id\n1.jpg,a,7\n2.jpg,b,8\n1.jpg,c,8\n",
            "captions.csv:4: expected every id once. Received: '8', also on line 3",
        ),
        ("image,caption,split\n1.jpg,a dog,trian\n", "captions.csv:2: expected a split: train"),
        (
            "image,caption,split\n1.jpg,a,train\n2.jpg,b,dev\n1.jpg,c,val\n",
            "captions.csv:4: expected '1.jpg' in one split",
        ),
        ("image,caption,split\n1.jpg,a,train\nimages/1.jpg,c,val\n", "captions.csv:3: expected 'images/1.jpg' in one"),
        ("image,caption,split\n1.jpg,a,train\n1.jpg,c,\n", "captions.csv:3: expected '1.jpg' in one split"),
        ("image,caption\n", "captions.csv: expected at least one caption"),
        ("", "captions.csv: expected at least one caption"),
    ],
)
def test_a_bad_csv(tmp_path, text, message):
    fails(write(tmp_path, {"captions.csv": text}, pictures=("images/1.jpg", "2.jpg")), message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image": "1.jpg", "caption": ', "captions.jsonl:2: expected one JSON object"),
        ('{"image": "1.jpg", "captoin": "a"}', "captions.jsonl:2: expected a field 'caption', a string."),
        ('{"image": "1.jpg", "caption": {"a": 1}}', "captions.jsonl:2: expected 'caption' to be a string."),
        ('{"image": "1.jpg", "caption": [7]}', "captions.jsonl:2: expected 'caption' to be a string."),
        ('{"image": "1.jpg", "captions": "a"}', "captions.jsonl:2: expected 'captions' to be a list of strings."),
        ('{"image": "1.jpg", "captions": []}', "captions.jsonl:2: expected 'captions' to be a list of strings."),
        ('{"image": "1.jpg", "captions": ["a", " "]}', "captions.jsonl:2: expected a caption of '1.jpg'"),
        ('{"caption": "a"}', "captions.jsonl:2: expected a field 'image', a string. Received: 'caption'."),
        ('{"image": "1.jpg", "caption": "a", "split": 1}', "captions.jsonl:2: expected 'split' to be a string."),
        ('{"image": "1.jpg", "caption": "a", "id": [1]}', "captions.jsonl:2: expected 'id' to be a string or"),
        ('{"image": "2.jpg", "caption": "a", "id": 5}', "captions.jsonl:2: expected every id once."),
    ],
)
def test_a_bad_json_line(tmp_path, line, message):
    text = '{"image": "1.jpg", "caption": "a dog", "id": "5"}\n' + line + "\n"
    fails(write(tmp_path, {"captions.jsonl": text}, pictures=("1.jpg",)), message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.jpg#1 a dog without a tab", "Flickr8k.token.txt:2: expected 'image.jpg#0<TAB>caption'"),
        ("1.jpg\ta dog without a number", "Flickr8k.token.txt:2: expected 'image.jpg#0<TAB>caption'"),
        ("1.jpg#one\ta dog", "Flickr8k.token.txt:2: expected 'image.jpg#0<TAB>caption'"),
        ("1.jpg#1\t ", "Flickr8k.token.txt:2: expected a caption of '1.jpg'"),
        ("1.jpg#0\ta pup", "Flickr8k.token.txt:2: expected every id once. Received: '1.jpg#0', also on line 1."),
    ],
)
def test_a_bad_token_line(tmp_path, line, message):
    text = f"1.jpg#0\ta dog\n{line}\n"
    fails(write(tmp_path, {"Flickr8k.token.txt": text}, pictures=("1.jpg",)), message)


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path):
    text = "image,caption\n1.jpg,a\n2.JPG,b\n2.JPG,c\n3.jpg,d\n4.jpg,e\n"
    write(tmp_path, {"captions.csv": text}, pictures=("1.jpg", "images/2.jpg"))
    fails(tmp_path, "captions.csv:3: expected the picture '2.JPG'")
    with pytest.raises(InputError, match=r"3 pictures are missing in all\. Did you mean '2.jpg'"):
        read_captions(tmp_path)


def test_captions_in_latin_1_name_the_line_of_the_first_bad_byte(tmp_path):
    text = "image,caption\n1.jpg,a dog\n2.jpg,un café\n3.jpg,un éléphant\n"
    (tmp_path / "captions.csv").write_bytes(text.encode("latin-1"))
    fails(tmp_path, "captions.csv:3: expected UTF-8 text. Received: the byte 0xe9.")


def test_a_listed_picture_without_captions(tmp_path):
    flickr(tmp_path)
    with (tmp_path / DEV).open("a") as file:
        file.write("\n8.jpg\n9.jpg\n")
    fails(tmp_path, f"{DEV}:4: expected captions of '8.jpg' in Flickr8k.token.txt. Received: none; 2 listed pictures")


def test_a_listed_picture_that_is_not_on_disk(tmp_path):
    (flickr(tmp_path) / "images" / "4.jpg").unlink()
    fails(tmp_path, "Flickr8k.token.txt:9: expected the picture '4.jpg'")


def test_a_picture_in_two_lists(tmp_path):
    flickr(tmp_path)
    write(tmp_path, {DEV: "3.jpg\n1.jpg\n"})
    fails(tmp_path, f"{DEV}:2: expected each picture in one split. Received: '1.jpg', also in {TRAIN}.")


def test_a_split_the_data_lacks(tmp_path):
    fails(
        flickr(tmp_path),
        "Flickr8k.token.txt: expected the split test. Received: a data set with train, valid.",
        splits=["test"],
    )


def test_a_split_of_data_without_any(tmp_path):
    write(tmp_path, {"captions.csv": "image,caption\n1.jpg,a dog\n"}, pictures=("1.jpg",))
    fails(tmp_path, "captions.csv: expected the split train. Received: a data set without splits.", splits=["train"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ["vaild"],
            "expected a split: train, valid (val, dev, validation) or test. Received: 'vaild'. Did you mean 'valid'",
        ),
        ([], "expected at least one split to keep."),
    ],
)
def test_a_split_that_is_none(tmp_path, asked, message):
    fails(flickr(tmp_path), message, splits=asked)


def test_a_path_that_does_not_exist(tmp_path):
    write(tmp_path, {}, pictures=("my_photos/1.jpg",))
    with pytest.raises(InputError, match=r"my_phots\. Did you mean 'my_photos'\?"):
        read_captions(tmp_path / "my_phots")


def test_a_file_of_another_kind(tmp_path):
    write(tmp_path, {"captions.xlsx": ""})
    with pytest.raises(InputError, match=r"in \.csv, \.json, \.jsonl, \.token or \.txt\. Received: .*captions\.xlsx"):
        read_captions(tmp_path / "captions.xlsx")


def test_a_folder_without_captions_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        InputError, match=r"Flickr8k\.token\.txt, captions\.txt, captions\.csv.*Received: no captions file"
    ):
        read_captions(write(tmp_path, {"notes.md": ""}))


@pytest.mark.parametrize("place", ["", "images/"])
def test_a_folder_of_pictures_without_captions_says_so(tmp_path, place):
    write(tmp_path, {}, pictures=(f"{place}1.jpg", f"{place}2.png"))
    with pytest.raises(InputError, match=r"Received: 2 picture\(s\) without captions\. Write captions\.csv"):
        read_captions(tmp_path)


@pytest.mark.parametrize(
    "names", [("captions.csv", "captions.jsonl"), ("a.csv", "b.csv"), ("a.token.txt", "b.token.txt")]
)
def test_two_captions_files_are_ambiguous(tmp_path, names):
    with pytest.raises(InputError, match=f"expected one captions file in .*Received: {', '.join(names)}"):
        read_captions(write(tmp_path, dict.fromkeys(names, "")))
