"""Columns and fields are known by the names that data sets give them, and lists that are written as text are lists."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmtoolkit.readers.columns import listed, misspelt, spelling

TEXTS = ["a dog, running", "it's a pup", 'the sign says "stop"', "개가 [달린다]", "back\\slash"]


@pytest.mark.parametrize(
    ("names", "field", "found"),
    [
        (["image", "caption"], "image", "image"),
        (["Image", "CAPTION"], "caption", "CAPTION"),
        (["file_name", "text"], "image", "file_name"),
        (["File Name", " Text "], "caption", " Text "),
        (["imageId", "image_filename"], "image", "image_filename"),  # a file rather than its number
        (["imageId", "fullAnswer"], "image", "imageId"),
        (["caption", "captions"], "caption", "captions"),
        (["answer", "answers"], "answer", "answers"),
        (["fullAnswer", "answer_type"], "answer", None),
        (["questionId"], "id", "questionId"),
        (["set_name"], "split", "set_name"),
        ([], "image", None),
    ],
)
def test_the_spelling_of_a_field(names, field, found):
    assert spelling(names, field) == found


def test_a_known_name_is_no_misspelt_one():
    assert misspelt("answer", ["anwser", "answers", "answerable", "answer_type", "image"]) == ["anwser"]
    assert misspelt("caption", ["Captoin", "Image"]) == ["Captoin"]


@pytest.mark.parametrize(
    "written",
    [
        json.dumps(TEXTS),
        json.dumps(TEXTS, ensure_ascii=False),
        repr(TEXTS),
        f"  {TEXTS!r}\n",
        repr(tuple(TEXTS)),
        str(np.array(TEXTS, object)),  # what pandas writes of an array: without commas, in lines of 75 letters
        "{" + repr(TEXTS)[1:-1] + "}",
    ],
)
def test_a_list_in_any_notation(written):
    assert listed(written) == TEXTS


def test_the_annotators_of_vqa_in_a_cell():
    answers = [{"answer": "net", "answer_confidence": "maybe", "answer_id": 1}]
    assert listed(repr(answers)) == listed(json.dumps(answers)) == answers


@pytest.mark.parametrize(
    "text",
    [
        *("a dog", "", "book, scissor", "[CLS] a dog [SEP]", "[laughing]", '("stop" says the sign)', "{'a': 1}"),
        *("'a', 'b'", '"stop", "go"', "(a dog, running)"),
    ],
)
def test_any_other_text_is_no_list(text):
    assert listed(text) is None


@pytest.mark.parametrize(
    "text", ["['a', 'b'", "['a' ... 'z']", "['a', nan]", "[red, dark red]", "[]", '[""a"", ""b""]']
)
def test_a_list_that_cannot_be_read_is_not_taken_for_one_text(text):
    with pytest.raises(ValueError):
        listed(text)


def test_a_long_cell_takes_no_long_time():
    """Every pattern is linear: this one would not end otherwise."""
    with pytest.raises(ValueError):
        listed("['" + "a\\' " * 50_000)
    assert listed("[" * 50_000) is None
    assert listed("[" + "a," * 50_000) is None
