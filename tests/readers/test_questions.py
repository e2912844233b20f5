"""Questions about pictures in each published form, and in one's own tables; what is wrong is named with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmtoolkit.errors import InputError
from mmtoolkit.readers import load_asked, load_questions, read_questions, split

QUESTIONS = "v2_OpenEnded_mscoco_train2014_questions.json"
ANNOTATIONS = "v2_mscoco_train2014_annotations.json"
PICTURES = ("train2014/COCO_train2014_000000000009.jpg", "train2014/COCO_train2014_000000000025.jpg")


def official() -> dict[str, Any]:
    """Two questions of VQA v2, with two annotators each."""
    asked = [
        {"image_id": 9, "question": "What is it?", "question_id": 9000},
        {"image_id": 25, "question": "Is it red?", "question_id": 25000},
    ]
    given = [
        {
            "question_id": item["question_id"],
            "image_id": item["image_id"],
            "question_type": "what is",
            "answer_type": "other",
            "multiple_choice_answer": "dog",
            "answers": [{"answer": text, "answer_confidence": "yes", "answer_id": n} for n, text in enumerate(texts)],
        }
        for item, texts in zip(asked, (["dog\n", "a\tdog"], ["no", "yes"]), strict=True)
    ]
    head = {"data_type": "mscoco", "data_subtype": "train2014"}
    return {QUESTIONS: {**head, "questions": asked}, ANNOTATIONS: {**head, "annotations": given}}


@pytest.fixture
def refused() -> Callable[..., str]:
    """`refused(path)`: the one line that `read_questions` raises, with the path of the data taken out."""

    def read(path: Path, **options: Any) -> str:
        with pytest.raises(InputError) as caught:
            read_questions(path, **options)
        message = str(caught.value).replace(f"{path}/", "")
        assert "\n" not in message and "Received: " in message
        return message

    return read


def test_official_vqa(folder: Any) -> None:
    first, second = read_questions(folder(official(), PICTURES))
    assert (first.image_id, first.question, first.question_id) == ("9", "What is it?", "9000")
    assert first.answers == ("dog", "a dog")  # a line end and a tab are blanks to the official evaluator
    assert (first.question_type, first.answer_type, first.split) == ("what is", "other", "train")
    assert second.answers == ("no", "yes") and second.image.name == "COCO_train2014_000000000025.jpg"


@pytest.mark.parametrize("places", [("questions/", "annotations/", ""), ("", "annotations/", "images/")])
def test_official_files_in_folders_of_their_own(folder: Any, places: tuple[str, str, str]) -> None:
    files = official()
    moved = {places[0] + QUESTIONS: files[QUESTIONS], places[1] + ANNOTATIONS: files[ANNOTATIONS]}
    root = folder(moved, [places[2] + picture for picture in PICTURES])
    assert [record.question_id for record in read_questions(root)] == ["9000", "25000"]
    assert len(read_questions(root / (places[0] + QUESTIONS))) == 2


def test_version_one_and_abstract_scenes(folder: Any) -> None:
    files = official()
    names = {QUESTIONS: "OpenEnded_abstract_v002_val2015_questions.json"}
    names[ANNOTATIONS] = "abstract_v002_val2015_annotations.json"
    content = {
        names[name]: {**value, "data_type": "abstract_v002", "data_subtype": "val2015"} for name, value in files.items()
    }
    pictures = [f"val2015/abstract_v002_val2015_{number:012d}.png" for number in (9, 25)]
    assert [record.split for record in read_questions(folder(content, pictures))] == ["valid", "valid"]


@pytest.mark.parametrize("subset", ["test2015", "test-dev2015"])
def test_questions_whose_answers_are_secret(folder: Any, subset: str) -> None:
    content = {**official()[QUESTIONS], "data_subtype": subset}
    pictures = [f"test2015/COCO_test2015_{number:012d}.jpg" for number in (9, 25)]
    records = read_questions(folder({f"v2_OpenEnded_mscoco_{subset}_questions.json": content}, pictures))
    assert [(record.answers, record.split) for record in records] == [((), "test")] * 2


def test_annotations_must_be_there(folder: Any, refused: Any) -> None:
    message = refused(folder({QUESTIONS: official()[QUESTIONS]}, PICTURES))
    assert message.startswith(f"{QUESTIONS}: expected its annotations {ANNOTATIONS} beside it")


def test_annotations_of_a_missing_question(folder: Any, refused: Any) -> None:
    files = official()
    files[QUESTIONS]["questions"].pop()
    told = f"{ANNOTATIONS}:annotations[1]: expected the question 25000 in {QUESTIONS}. Received: none."
    assert refused(folder(files, PICTURES)).startswith(told)
    records, (fault,) = load_questions(folder(files), on_error="skip")
    assert len(records) == 1 and "25000" in str(fault)


def test_a_question_without_annotations(folder: Any, refused: Any) -> None:
    files = official()
    files[ANNOTATIONS]["annotations"].pop(0)
    told = f"{QUESTIONS}:questions[0]: expected answers to question 9000. Received: none."
    assert refused(folder(files, PICTURES)).startswith(told)


def test_a_question_answered_twice(folder: Any, refused: Any) -> None:
    files = official()
    files[ANNOTATIONS]["annotations"].append(files[ANNOTATIONS]["annotations"][0])
    assert f"{ANNOTATIONS}:annotations[2]: expected every question once" in refused(folder(files, PICTURES))


def test_an_image_id_without_an_image(folder: Any, refused: Any) -> None:
    message = refused(folder(official(), PICTURES[:1]))
    assert message.startswith(f"{QUESTIONS}:questions[1]: expected the picture 'COCO_train2014_000000000025.jpg'")
    assert "train2014/" in message and "Did you mean" not in message  # another number is no misspelling


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"question": 7}, "questions[0]: expected 'question' to be a string. Received: 7."),
        ({"question": " "}, "questions[0]: expected a question about 'COCO_train2014_000000000009.jpg'. Received: an"),
        ({"image_id": None}, "questions[0]: expected 'image_id' to be a whole number or a string. Received: None."),
    ],
)
def test_wrong_fields_are_named(folder: Any, refused: Any, change: dict[str, Any], told: str) -> None:
    files = official()
    files[QUESTIONS]["questions"][0] |= change
    assert told in refused(folder(files, PICTURES))


def test_an_id_twice(folder: Any, refused: Any) -> None:
    """Of two official questions with one id the second finds its answers taken; in a table it is said."""
    files = official()
    files[QUESTIONS]["questions"][0]["question_id"] = 25000
    assert "questions[1]: expected answers to question 25000" in refused(folder(files, PICTURES))
    table = "image,question,answer,id\n1.jpg,what?,dog,7\n1.jpg,which?,cat,7\n"
    root = folder({"mine/questions.csv": table}, ["mine/1.jpg"]) / "mine"
    assert "questions.csv:3: expected every id once. Received: '7', also on line 2" in refused(root)


def test_an_answer_left_blank_by_some_is_kept(folder: Any) -> None:
    files = official()
    files[ANNOTATIONS]["annotations"][0]["answers"][1]["answer"] = " "
    assert read_questions(folder(files, PICTURES))[0].answers == ("dog", "")


def test_half_a_character_is_refused_in_any_answer(folder: Any, refused: Any) -> None:
    line = json.dumps({"image": "1.jpg", "question": "what?", "answers": ["dog", "\ud83d dogs"]})
    assert "half of one, '\\ud83d'" in refused(folder({"questions.jsonl": line + "\n"}, ["1.jpg"]))


def test_one_picture_under_two_names_is_one(folder: Any) -> None:
    """Else it could be in two splits."""
    table = "image,question,answer\n1.jpg,what?,dog\n./1.jpg,which?,cat\nimages/../1.jpg,who?,me\n"
    assert {record.image_id for record in read_questions(folder({"questions.csv": table}, ["1.jpg"]))} == {"1.jpg"}


def test_the_questions_of_test_dev_are_among_those_of_test(folder: Any) -> None:
    content = {**official()[QUESTIONS], "data_subtype": "test2015"}
    names = ("v2_OpenEnded_mscoco_test2015_questions.json", "v2_OpenEnded_mscoco_test-dev2015_questions.json")
    dev = {**content, "questions": content["questions"][:1], "data_subtype": "test-dev2015"}
    root = folder(
        dict(zip(names, (content, dev), strict=True)), [f"test2015/COCO_test2015_{n:012d}.jpg" for n in (9, 25)]
    )
    assert [record.question_id for record in read_questions(root)] == ["9000", "25000"]
    assert [record.question_id for record in read_questions(root / names[1])] == ["9000"]


def easy(rows: list[Any]) -> str:
    return json.dumps(rows)


def test_easy_vqa_with_both_splits_and_with_one(folder: Any) -> None:
    train, test = easy([["what is it?", "red", 0], ["is it red?", "yes", 0]]), easy([["what is it?", "blue", 0]])
    root = folder(
        {"train/questions.json": train, "test/questions.json": test}, ["train/images/0.png", "test/images/0.png"]
    )
    records = read_questions(root)
    assert sorted((record.split, record.image_id, record.answers) for record in records) == [
        ("test", "test/0", ("blue",)),
        ("train", "train/0", ("red",)),
        ("train", "train/0", ("yes",)),
    ]
    assert len({record.question_id for record in records}) == 3
    assert [record.split for record in read_questions(root / "test")] == ["test"]
    assert [record.split for record in read_questions(root, splits=["test"])] == ["test"]
    (root / "train" / "questions.json").unlink()
    assert [record.split for record in read_questions(root)] == ["test"]


@pytest.mark.parametrize("row", [["what is it?", "red"], ["what?", "red", "0"], {"question": "what?"}, ["what?", 1, 0]])
def test_easy_vqa_rows_of_another_form(folder: Any, refused: Any, row: Any) -> None:
    root = folder({"train/questions.json": easy([["what is it?", "red", 0], row])}, ["train/images/0.png"])
    assert refused(root).startswith("train/questions.json[1]: expected [question, answer, image id]. Received: ")


DAQUAR = """what is on the desk in the image3 ?
book, scissor
how many chairs are there in this image5 ?
2
what is at the left side of the image3 close to the wall ?
lamp
"""


@pytest.mark.parametrize(
    ("name", "split_of"),
    [
        ("qa_train.txt", "train"),
        ("qa_test.txt", "test"),
        ("qa.894.raw.train.txt", "train"),
        ("qa.37.raw.test.txt", "test"),
    ],
)
def test_daquar(folder: Any, name: str, split_of: str) -> None:
    records = read_questions(folder({name: DAQUAR}, ["images/image3.jpg", "images/image5.png"]))
    assert [record.question for record in records] == [
        "what is on the desk?",
        "how many chairs are there?",
        "what is at the left side of the image close to the wall?",
    ]
    assert [record.answers for record in records] == [("book, scissor",), ("2",), ("lamp",)]
    assert [record.image_id for record in records] == ["image3", "image5", "image3"]
    assert {record.split for record in records} == {split_of}
    assert records[1].source.endswith(f"{name}:3")


def test_daquar_with_both_splits(folder: Any) -> None:
    root = folder({"qa_train.txt": DAQUAR, "qa_test.txt": DAQUAR}, ["images/image3.jpg", "images/image5.jpg"])
    assert [record.split for record in read_questions(root)] == ["test"] * 3 + ["train"] * 3


def test_daquar_lines_out_of_step(folder: Any) -> None:
    text = "stray answer\n" + DAQUAR.replace("2\n", "", 1) + "what is it in the image5 ?\n"
    records, faults = load_questions(folder({"qa_train.txt": text}, ["images/image3.jpg"]), on_error="skip")
    assert [record.answers for record in records] == [("book, scissor",), ("lamp",)]
    reasons = [str(fault).rpartition("/")[2] for fault in faults]
    assert reasons[0].startswith(
        "qa_train.txt:1: expected a question that names its picture, e.g. 'image3'. Received: 's"
    )
    assert reasons[1].startswith("qa_train.txt:4: expected an answer on the next line. Received: a question.")
    assert reasons[2].startswith("qa_train.txt:7: expected an answer on the next line. Received: the end of the file.")


def test_tables(folder: Any) -> None:
    root = folder({"questions.csv": "image,question,answer,split\n1.jpg,what is it?,a dog,val\n"}, ["1.jpg"])
    (record,) = read_questions(root)
    assert (record.question, record.answers, record.split, record.question_id) == (
        *("what is it?", ("a dog",), "valid", "questions.csv:2"),
    )


def test_json_lines(folder: Any) -> None:
    lines = [
        {"image": "1.jpg", "question": "무엇인가요?", "answer": "개", "id": 7},
        {"image": "1.jpg", "question": "what?", "answers": ["dog", "puppy"]},
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    first, second = read_questions(folder({"mine.jsonl": text}, ["images/1.jpg"]))
    assert (first.question, first.answers, first.question_id) == ("무엇인가요?", ("개",), "7")
    assert (second.answers, second.question_id) == (("dog", "puppy"), "mine.jsonl:2")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "questions.csv",
            "image,question,anwser\n1.jpg,what?,x\n",
            "questions.csv:1: expected a column 'answer'. Received: 'image', 'question', 'anwser'. Rename 'anwser'",
        ),
        (
            "questions.csv",
            "image,question,answer1,answer2\n1.jpg,what?,x,y\n",
            "questions.csv:1: expected a column 'answer'.",
        ),
        ("questions.csv", "image,question,answer\n1.jpg,,dog\n", "questions.csv:2: expected a question about '1.jpg'"),
        (
            "questions.csv",
            "image,question,answer\n1.jpg,what?,\n",
            "questions.csv:2: expected an answer to a question about '1.jpg'. Received: an empty one.",
        ),
        ("questions.csv", "image,question,answer\n9.jpg,what?,x\n", "questions.csv:2: expected the picture '9.jpg'"),
        ("questions.csv", "image,question,answer\n", "expected at least one question. Received: none."),
        ("questions.csv", "image,question,answer,split\n1.jpg,what?,x,tset\n", "Did you mean 'test'"),
        (
            "questions.jsonl",
            '{"image": "1.jpg", "question": "what?", "answer": "x"}\n{"image": "1.jpg", "question": "what?"}\n',
            "questions.jsonl:2: expected a field 'answer', a string. Received: 'image', 'question'. Correct the line.",
        ),
        ("questions.jsonl", '{"image": "1.jpg", "question": "what?", "anwser": "x"}\n', "Did you mean 'anwser'?"),
        ("questions.jsonl", '{"image": "1.jpg", "question": 3, "answer": "x"}\n', "expected 'question' to be a string"),
        ("questions.jsonl", '{"image": "1.jpg", "question": "?", "answers": []}\n', "expected 'answers' to be a list"),
        (QUESTIONS, '{"data": []}', "expected a field 'questions', a list"),
        ("a.txt", "what is it?\nx\n", "expected questions.csv, questions.jsonl"),
    ],
)
def test_bad_data_is_named_with_file_and_line(folder: Any, refused: Any, name: str, text: str, told: str) -> None:
    assert told in refused(folder({name: text}, ["1.jpg"]))


def test_two_data_sets_in_one_folder(folder: Any, refused: Any) -> None:
    content = official()[QUESTIONS]
    root = folder({QUESTIONS: content, QUESTIONS.removeprefix("v2_"): content})
    assert "expected one data set of questions" in refused(root)


def test_bad_rows_are_left_out_and_written_down(folder: Any, tmp_path: Path) -> None:
    root = folder({"questions.csv": "image,question,answer\n1.jpg,what?,dog\n2.jpg,what?,cat\n"}, ["1.jpg"])
    file = tmp_path / "bad.jsonl"
    with pytest.warns(UserWarning, match="1 row or picture is left out"):
        records = read_questions(root, on_error="quarantine", quarantine=file)
    assert [record.image_id for record in records] == ["1.jpg"]
    assert json.loads(file.read_text())["image"] == "2.jpg"


def test_the_real_sets(shared: Path) -> None:
    """Their published counts; and a fifth of the pictures is held out where no split but train is there."""
    easy_vqa, daquar = (read_questions(shared / "data" / name) for name in ("easy_vqa", "daquar"))
    assert (len(easy_vqa), len({record.image_id for record in easy_vqa})) == (38_575, 4_000)
    assert len({record.answers for record in easy_vqa}) == 13
    assert (len(daquar), len({record.image_id for record in daquar})) == (6_795, 794)  # one of 795 has no question
    assert not any("image3" in record.question for record in daquar)
    for records, pictures in ((easy_vqa, 4_000), (daquar, 794)):
        parts = split(records, valid_share=0.2)
        assert not parts.test and len({record.image_id for record in parts.valid}) == round(pictures / 5)
        assert not {record.image_id for record in parts.valid} & {record.image_id for record in parts.train}


def test_all_that_is_asked_is_loaded_without_pictures(tmp_path: Path) -> None:
    """Of one split or of all; a row that cannot be read is a fault."""
    rows = ["image,question,answer,split,id", "1.png,what?,a,train,1", "2.png,who?,b,dev,2", "3.png,,c,train,3"]
    (tmp_path / "questions.csv").write_text("\n".join(rows) + "\n")
    records, faults = load_asked(tmp_path)
    assert [(record.id, record.question, record.split) for record in records] == [
        ("1", "what?", "train"),
        ("2", "who?", "valid"),
    ]
    assert [fault.source for fault in faults] == [f"{tmp_path / 'questions.csv'}:4"]
    assert [record.id for record in load_asked(tmp_path, splits=("val",)).records] == ["2"]
