"""Data of other tools is read where picture, text and answers are all there; else one sentence says what to write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import load_captions, load_questions, read_captions, read_questions


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def captions(path: Path) -> list[Any]:
    return [(record.image_id, record.captions, record.split) for record in read_captions(path)]


def questions(path: Path) -> list[Any]:
    return [(record.image.name, record.question, record.answers, record.split) for record in read_questions(path)]


def refused(read: Any, path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value).replace(f"{path}/", "").replace(f"{path}", "DATA")
    assert "Received: " in message and "\n" not in message
    return message


# Captions


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.jsonl", lines({"file_name": "1.jpg", "text": "a dog"}, {"file_name": "2.jpg", "text": "a cat"})),
        ("metadata.csv", "file_name,text\n1.jpg,a dog\n2.jpg,a cat\n"),
        ("captions.csv", "Image;Caption\r\n1.jpg;a dog\r\n2.jpg;a cat\r\n"),
        ("captions.csv", "image,caption\r1.jpg,a dog\r2.jpg,a cat\r"),
        ("captions.txt", "image,caption\r1.jpg,a dog\r2.jpg,a cat\r"),
        ("captions.txt", "Image;Caption\n1.jpg;a dog\n2.jpg;a cat\n"),
        ("captions.txt", '"image","caption"\n"1.jpg","a dog"\n"2.jpg","a cat"\n'),
        ("captions.txt", "image_name,comment_number,comment\n1.jpg,0,a dog\n2.jpg,0,a cat\n"),
        ("captions.token.txt", "1.jpg#0\ta dog\r2.jpg#0\ta cat\r"),
        ("results.csv", "image_name,comment_number,comment\n1.jpg,0,a dog\n2.jpg,0,a cat\n"),
        ("mine.json", [{"image": "1.jpg", "caption": "a dog"}, {"image": "2.jpg", "caption": ["a cat"]}]),  # BLIP
        ("mine.json", {"1.jpg": ["a dog"], "2.jpg": "a cat"}),
        ("mine.json", {"images": [{"file_name": "1.jpg", "caption": "a dog"}, {"file_name": "2", "caption": "a cat"}]}),
        ("METADATA.CSV", "file_name,text\n1.jpg,a dog\n2.jpg,a cat\n"),
        ("mine.json", {"data": [{"image_id": "1", "caption_str": "a dog"}, {"image_id": 2, "caption_str": "a cat"}]}),
        ("mine.json", {"annotations": [{"image_id": "1.jpg", "caption": "a dog"}, {"image": "2", "caption": "a cat"}]}),
    ],
)
def test_captions_of_other_tools(folder: Any, name: str, text: Any) -> None:
    root = folder({name: text}, ["1.jpg", "2.jpg"])
    expected = [(("a dog",), None), (("a cat",), None)]
    assert [(found, split) for _, found, split in captions(root)] == expected
    assert captions(root / name) == captions(root)


@pytest.mark.parametrize(
    "cell", ["['a dog', 'a pup']", '["a dog", "a pup"]', "['a dog' 'a pup']", "['a dog'\n 'a pup']"]
)
@pytest.mark.parametrize("column", ["caption", "captions"])
def test_a_list_in_a_cell_is_several_captions(folder: Any, cell: str, column: str) -> None:
    quoted = cell.replace('"', '""')
    root = folder({"captions.csv": f'image,{column}\n1.jpg,"{quoted}"\n'}, ["1.jpg"])
    assert captions(root) == [("1.jpg", ("a dog", "a pup"), None)]


def test_a_list_in_a_line_of_kaggles_form_and_in_json(folder: Any) -> None:
    line = {"image": "2.jpg", "caption": "['a cat', 'a kitten']"}
    root = folder({"a/captions.txt": "image,caption\n1.jpg,\"['a dog', 'a pup']\"\n"}, ["a/1.jpg"]) / "a"
    assert captions(root)[0][1] == ("a dog", "a pup")
    root = folder({"b/captions.jsonl": lines(line)}, ["b/2.jpg"]) / "b"
    assert captions(root)[0][1] == ("a cat", "a kitten")


@pytest.mark.parametrize("cell", ["[a dog, a pup]", "['a dog', nan]", "['a dog' ... 'a pup']", "[]"])
def test_a_list_that_cannot_be_read_is_named(folder: Any, cell: str) -> None:
    message = refused(read_captions, folder({"captions.csv": f'image,caption\n1.jpg,"{cell}"\n'}, ["1.jpg"]))
    assert message.startswith('captions.csv:2: expected several captions as a list of quoted texts, ["a", "b"].')


def test_an_id_that_all_rows_of_a_picture_share_is_the_pictures(folder: Any) -> None:
    text = "image,caption,id\n1.jpg,a dog,0\n1.jpg,a pup,0\n2.jpg,a cat,1\n2.jpg,a kitten,1\n"
    expected = [("1.jpg", ("a dog", "a pup"), None), ("2.jpg", ("a cat", "a kitten"), None)]
    assert captions(folder({"captions.csv": text}, ["1.jpg", "2.jpg"])) == expected


def test_quoted_names_in_kaggles_form_may_have_commas_and_quotes(folder: Any) -> None:
    text = 'image,caption\n"beach, day 1 해변.jpg",a dog , brown\n"a ""b"".jpg",a cat\n'
    root = folder({"captions.txt": text}, ["Images/beach, day 1 해변.jpg", 'Images/a "b".jpg'])
    assert captions(root) == [("beach, day 1 해변.jpg", ("a dog , brown",), None), ('a "b".jpg', ("a cat",), None)]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (r"photos\holiday\1.jpg", "photos/holiday/1.jpg"),
        (r".\photos\1.jpg", "photos/1.jpg"),
        (r"photos\\1.jpg", "photos/1.jpg"),
        (r"C:\Users\me\data\photos\1.jpg", "photos/1.jpg"),
        ("/data/photos/1.jpg", "photos/1.jpg"),
        (r"sub\1.jpg", "images/sub/1.jpg"),
        (r"a\1.jpg", r"a\1.jpg"),  # a name that has one
    ],
)
def test_names_of_pictures_from_other_machines(folder: Any, name: str, place: str) -> None:
    root = folder({"captions.csv": f"image,caption\n{name},a dog\n"}, [place])
    assert [record.image for record in read_captions(root)] == [root / place]


def test_a_relative_folder_that_is_not_there_is_not_passed_over(folder: Any) -> None:
    root = folder({"captions.csv": "image,caption\na/1.jpg,a dog\n"}, ["1.jpg"])
    assert "expected the picture 'a/1.jpg'" in refused(read_captions, root)


def test_the_captions_are_one_folder_below_and_the_pictures_beside_that(folder: Any) -> None:
    files = {
        "Flickr_TextData/Flickr8k.token.txt": "1.jpg#0\ta dog\n2.jpg#0\ta cat\n",
        "Flickr_TextData/Flickr_8k.trainImages.txt": "1.jpg\n",
        "Flickr_TextData/Flickr_8k.testImages.txt": "2.jpg\n",
    }
    root = folder(files, ["Images/1.jpg", "Images/2.jpg"])
    assert captions(root) == [("1.jpg", ("a dog",), "train"), ("2.jpg", ("a cat",), "test")]
    assert captions(root / "Flickr_TextData") == captions(root)


def test_a_table_of_any_name_one_folder_below_is_named(folder: Any) -> None:
    root = folder({"text/birds.csv": "image,caption\n1.jpg,a hen\n"}, ["images/1.jpg"])
    assert "1 picture(s) without captions. Write captions.csv" in refused(read_captions, root)
    assert "or name one of text/birds.csv." in refused(read_captions, root)
    assert captions(root / "text" / "birds.csv") == [("1.jpg", ("a hen",), None)]


def test_captions_in_two_folders_below_are_ambiguous(folder: Any) -> None:
    root = folder({"a/captions.csv": "image,caption\n", "b/captions.csv": "image,caption\n"})
    assert "expected one captions file in DATA. Received: a/captions.csv, b/captions.csv." in refused(
        read_captions, root
    )


@pytest.mark.parametrize(
    "names",
    [
        ("train.csv", "val.csv", "test.csv"),
        ("my_train.csv", "my_validation.csv", "my_test.csv"),
        ("train/metadata.csv", "validation/metadata.csv", "test/metadata.csv"),
        ("train/captions.csv", "dev/captions.csv", "test/captions.csv"),
    ],
)
def test_files_whose_names_differ_in_the_split_are_one_data_set(folder: Any, names: tuple[str, ...]) -> None:
    files, pictures = {}, []
    for number, name in enumerate(names):
        files[name] = f"image,caption\n{number}.jpg,a dog\n"
        pictures.append(str(Path(name).parent / f"{number}.jpg"))
    root = folder(files, pictures)
    found = {image: split for image, _, split in captions(root)}
    assert found == {"0.jpg": "train", "1.jpg": "valid", "2.jpg": "test"}
    assert captions(root / names[0]) == [("0.jpg", ("a dog",), None)]  # alone it may be all there is


# Marks and placeholders


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("startseq a dog endseq", "'startseq' and 'endseq'"),
        ("<start> a dog <end>", "'<start>' and '<end>'"),
        ("<s>a dog</s>", "'<s>' and '</s>'"),
        ("[CLS] a dog [SEP]", "'[CLS]' and '[SEP]'"),
        ("<|startoftext|>a dog<|endoftext|>", "'<|startoftext|>' and '<|endoftext|>'"),
        ("<SOS> a dog . <EOS>", "'<SOS>' and '<EOS>'"),
        ("a dog <eos> .", "'<eos>'"),
        ("a dog <pad> <pad>", "'<pad>'"),
        ("bos a dog eos", "'bos' and 'eos'"),
        ("ssss a dog eeee", "'ssss' and 'eeee'"),
    ],
)
def test_marks_of_other_programs_are_named(folder: Any, text: str, marks: str) -> None:
    root = folder({"captions.csv": f"image,caption\n1.jpg,{text}\n"}, ["1.jpg"])
    message = refused(read_captions, root)
    assert message.startswith("captions.csv:2: expected a text without marks of its start and end. Received: ")
    assert f"Delete {marks} in the whole file" in message


@pytest.mark.parametrize(
    "text", ["a dog at the start", "start of a race to the end", "he stops", "[laughing]", "a < b > c"]
)
def test_words_that_are_no_marks(folder: Any, text: str) -> None:
    assert captions(folder({"captions.csv": f"image,caption\n1.jpg,{text}\n"}, ["1.jpg"]))[0][1] == (text,)


def test_marks_in_questions_and_answers(folder: Any) -> None:
    for row in ("<start> what? <end>,dog", "what?,startseq dog endseq"):
        root = folder({"questions.csv": f"image,question,answer\n1.jpg,{row}\n"}, ["1.jpg"])
        assert "questions.csv:2: expected a text without marks" in refused(read_questions, root)


@pytest.mark.parametrize("text", ["-", ".", "?", "...", "😀", "👩‍👩‍👧", "\u200c", "nan", "NaN", "N/A", "null", "TODO"])
def test_a_placeholder_is_no_caption(folder: Any, text: str) -> None:
    root = folder({"captions.csv": f"image,caption\n1.jpg,a dog\n2.jpg,{text}\n"}, ["1.jpg", "2.jpg"])
    assert refused(read_captions, root).startswith("captions.csv:3: expected a caption of '2.jpg' in words. Received: ")
    records, (fault,) = load_captions(root, on_error="skip")
    assert len(records) == 1 and fault.kind == "empty"


def test_answers_may_be_signs_and_captions_a_letter_or_a_digit(folder: Any) -> None:
    root = folder({"questions.csv": "image,question,answer\n1.jpg,which sign?,?\n1.jpg,how many?,none\n"}, ["1.jpg"])
    assert [answers for _, _, answers, _ in questions(root)] == [("?",), ("none",)]
    assert captions(folder({"captions.csv": "image,caption\n1.jpg,7 !\n"}, ["1.jpg"]))[0][1] == ("7 !",)


# Questions

ANSWERS = [{"answer": "접시", "answer_confidence": "yes"}, {"answer": "그릇", "answer_confidence": "no"}]


@pytest.mark.parametrize(
    ("name", "content", "picture"),
    [
        ("questions.json", [{"image": "1.jpg", "question": "what?", "answer": "접시"}], "1.jpg"),
        ("KVQA_annotations_train.json", [{"image": "1.jpg", "question": "what?", "answers": ANSWERS}], "images/1.jpg"),
        ("Annotations/train.json", [{"image": "1.jpg", "question": "what?", "answers": ANSWERS}], "train/1.jpg"),
        (
            "vqa_train.json",
            [{"question_id": 7, "image": "a/1.jpg", "question": "what?", "answer": ["접시"]}],
            "a/1.jpg",
        ),
        (
            "questions/CLEVR_train_questions.json",
            {
                "info": {},
                "questions": [{"image_filename": "1.png", "question": "what?", "answer": "접시", "image_index": 0}],
            },
            "images/train/1.png",
        ),
        (
            "TextVQA_0.5.1_train.json",
            {"dataset_type": "train", "data": [{"image_id": "0a1", "question": "what?", "answers": ["접시", "그릇"]}]},
            "train_images/0a1.jpg",
        ),
        (
            "train_balanced_questions.json",
            {"007": {"imageId": "2375429", "question": "what?", "answer": "접시", "fullAnswer": "It is."}},
            "images/2375429.jpg",
        ),
        (
            "VQA_RAD Dataset Public.json",
            [{"qid": 0, "image_name": "synpic1.jpg", "question": "what?", "answer": "접시", "question_type": "PRES"}],
            "VQA_RAD Image Folder/synpic1.jpg",
        ),
        (
            "slake.json",
            [{"qid": 1, "img_name": "x/1.jpg", "img_id": 1, "question": "what?", "answer": "접시"}],
            "imgs/x/1.jpg",
        ),
        ("data_train.csv", "question,answer,image_id\nwhat?,접시,image1\n", "images/image1.png"),  # DAQUAR's table
        ("path.csv", "image,question,answer\ntrain_0001,what?,접시\n", "images/train/train_0001.jpg"),  # PathVQA
        ("rad.csv", "Image Name;Question;Answer\n1.jpg;what?;접시\n", "1.jpg"),
        ("q.csv", "image_id,question,answer\n42,what?,접시\n", "train/COCO_train2014_000000000042.jpg"),
    ],
)
def test_questions_of_other_data_sets(folder: Any, name: str, content: Any, picture: str) -> None:
    root = folder({name: content}, [picture])
    ((image, question, answers, _),) = questions(root)
    assert (image, question, answers[0]) == (Path(picture).name, "what?", "접시")
    assert len(answers) == str(content).count("그릇") + 1
    assert questions(root / name) == questions(root)


def test_the_images_that_a_file_lists_are_those_of_its_questions(folder: Any) -> None:
    """An image_id is none of the name of a file then, though there is one."""
    listed = [{"id": 1, "file_name": "dog.jpg"}, {"id": 2, "file_name": "1.jpg"}]
    content = {"images": listed, "annotations": [{"id": 5, "image_id": 1, "question": "what?", "answer": "a dog"}]}
    root = folder({"mine.json": content}, ["images/1.jpg", "images/dog.jpg"])
    assert questions(root) == [("dog.jpg", "what?", ("a dog",), None)]


def test_lines_of_objects_in_a_json_file_are_told_their_ending(folder: Any) -> None:
    row = {"image": "1.jpg", "caption": "a dog", "question": "what?"}
    for read in (read_captions, read_questions):
        message = refused(read, folder({"mine.json": lines(row, row)}, ["1.jpg"]))
        assert message.startswith(
            "mine.json:2: expected JSON. Received: Extra data, at column 1. Let its name end in .j"
        )


def test_numbers_are_answers_and_ids_are_kept(folder: Any) -> None:
    content = [{"qid": 3, "image": "1.jpg", "question": "how many?", "answer": 2, "answer_type": "CLOSED"}]
    (record,) = read_questions(folder({"trainset.json": content}, ["1.jpg"]))
    assert (record.answers, record.question_id, record.answer_type) == (("2",), "3", "CLOSED")


def test_the_splits_of_several_files(folder: Any) -> None:
    def asked(number: int) -> list[Any]:
        return [{"image": f"{number}.jpg", "question": "what?", "answers": ANSWERS}]

    files = {f"KVQA_annotations_{name}.json": asked(number) for number, name in enumerate(("train", "val", "test"))}
    del files["KVQA_annotations_test.json"][0]["answers"]
    root = folder(files, [f"images/{number}.jpg" for number in range(3)])
    found = {image: (split, len(answers)) for image, _, answers, split in questions(root)}
    assert found == {"0.jpg": ("train", 2), "1.jpg": ("valid", 2), "2.jpg": ("test", 0)}


@pytest.mark.parametrize("column", ["answer", "answers", "Answers"])
@pytest.mark.parametrize(
    ("cell", "answers"),
    [
        ('["red", "dark red"]', ("red", "dark red")),
        ("['red' 'dark red']", ("red", "dark red")),
        ("[{'answer': 'red', 'answer_id': 1}, {'answer': 'red', 'answer_id': 2}]", ("red", "red")),
        ("[1, 2]", ("1", "2")),
        ("red", ("red",)),
        ("book, scissor", ("book, scissor",)),
    ],
)
def test_the_answers_of_several_people_in_a_cell(folder: Any, column: str, cell: str, answers: tuple[str, ...]) -> None:
    quoted = cell.replace('"', '""')
    root = folder({"questions.csv": f'image,question,{column}\n1.jpg,what?,"{quoted}"\n'}, ["1.jpg"])
    assert questions(root) == [("1.jpg", "what?", answers, None)]


def test_answers_in_brackets_without_quotes_are_named(folder: Any) -> None:
    root = folder({"questions.csv": 'image,question,answer\n1.jpg,what?,"[red, dark red]"\n'}, ["1.jpg"])
    assert "questions.csv:2: expected several answers as a list of quoted texts" in refused(read_questions, root)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("questions.csv", "image,question\n1.jpg,what?\n"),
        ("questions.csv", "image,question,answer,split\n1.jpg,what?,,test\n2.jpg,what?,x,train\n"),
        ("questions.jsonl", lines({"image": "1.jpg", "question": "what?"})),
        ("questions.jsonl", lines({"image": "1.jpg", "question": "what?", "answers": [], "split": "test"})),
        ("test.json", [{"image": "1.jpg", "question": "what?"}]),  # VizWiz
        ("questions.json", {"questions": [{"image_filename": "1.jpg", "question": "what?", "split": "test"}]}),  # CLEVR
    ],
)
def test_a_test_table_needs_no_answers(folder: Any, name: str, content: Any) -> None:
    record = read_questions(folder({name: content}, ["1.jpg", "2.jpg"]))[0]
    assert (record.image_id, record.question, record.answers) == ("1.jpg", "what?", ())


def test_an_answer_that_is_lacking_in_any_other_row_is_a_fault(folder: Any) -> None:
    text = "image,question,answer,split\n1.jpg,what?,x,train\n1.jpg,which?,,valid\n"
    records, (fault,) = load_questions(folder({"questions.csv": text}, ["1.jpg"]), on_error="skip")
    assert len(records) == 1 and "expected an answer to a question about '1.jpg'" in str(fault)


def test_multiple_choice_of_vqa_v1_has_the_same_annotations(folder: Any) -> None:
    questions_ = {
        "questions": [{"image_id": 9, "question": "what?", "question_id": 90, "multiple_choices": ["a", "b"]}]
    }
    answers = {"annotations": [{"question_id": 90, "answers": [{"answer": "a dog"}]}]}
    name = "MultipleChoice_mscoco_val2014_questions.json"
    files = {name: questions_, "mscoco_val2014_annotations.json": answers}
    root = folder(files, ["val2014/COCO_val2014_000000000009.jpg"])
    expected = [("COCO_val2014_000000000009.jpg", "what?", ("a dog",), "valid")]
    assert questions(root) == questions(root / name) == expected
    folder({name.replace("MultipleChoice", "OpenEnded"): {"questions": []}})
    assert "MultipleChoice" not in refused(read_questions, root)  # beside the open-ended ones, which are preferred


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("llava.json", [{"id": "1", "image": "1.jpg", "conversations": [{"from": "human", "value": "what?"}]}]),
        ("genome.json", [{"id": 1, "qas": [{"image_id": 1, "question": "what?", "answer": "a dog"}]}]),
        ("a_questions.json", {"questions": [{"question_id": 1, "text": "what?"}]}),
        ("mine.json", "7"),
    ],
)
def test_other_forms_are_told_what_to_write(folder: Any, name: str, content: Any) -> None:
    message = refused(read_questions, folder({name: content}, ["1.jpg"]) / name)
    assert "Add it" not in message and "_annotations.json" not in message
    assert "Write questions.jsonl with" in message


def test_a_name_without_an_ending_finds_the_one_picture_of_that_name(folder: Any) -> None:
    files = {"questions.csv": "image,question,answer\nimage1,what?,x\n"}
    assert questions(folder(files, ["images/image1.png", "images/image1.txt"]))[0][0] == "image1.png"
    assert "expected the picture 'image1'" in refused(read_questions, folder(files, ["images/image1.jpg"]))
