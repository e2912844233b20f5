"""The codec: text to ids and back, the same in Python, in a graph, and after an export."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmtoolkit.errors import InputError
from mmtoolkit.text import END, START, UNK, TextCodec, Vocabulary
from mmtoolkit.text.codec import normalise

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CAPTIONS = ["A dog runs .", "A cat's ball, and two T-shirts", "고양이가 있다!", "Ein Äpfel fällt"]
# Letters of every script, but for the capitals of Unicode 14 (2021): TensorFlow's tables may be older.
NEW = {"\u2c2f", "\ua7c0", "\ua7d0", "\ua7d6", "\ua7d8"}
LETTERS = [
    chr(c) for c in range(0x10000) if unicodedata.category(chr(c)) in {"Lu", "Ll", "Lt", "Lo"} and chr(c) not in NEW
]


JOINERS = "\u200c\u200d"
# What Unicode calls soft hyphen, bidirectional controls, joints without width and deprecated format characters.
INVISIBLE = {chr(c) for c in (0xAD, 0x61C, 0xFEFF, *range(0x200E, 0x2010), *range(0x202A, 0x202F))} | {
    chr(c) for c in range(0x2060, 0x2070) if unicodedata.category(chr(c)) == "Cf"
}


def spaced(text: str) -> str:
    """White space and control characters as spaces, invisible signs left out."""
    seen = (c for c in text if c not in INVISIBLE)
    return "".join(" " if unicodedata.category(c) in {"Zs", "Zl", "Zp", "Cc"} else c for c in seen)


def normal(text: str, *, lower: bool) -> str:
    """What `normalise` must give, by Python's own Unicode tables."""
    text = unicodedata.normalize("NFC", spaced(text))
    text = unicodedata.normalize("NFC", text.lower()) if lower else text
    return " ".join(part for part in text.split(" ") if part)


def known(text: str) -> bool:
    """Whether Python knows all of its characters: tables of another Unicode version may say more."""
    return all(unicodedata.category(character) != "Cn" for character in text)


def clean(codec: TextCodec, text: str) -> str:
    return codec.clean(tf.constant([text])).numpy()[0].decode()


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT.filter(known))
@example("İstanbul\u0301 각 한국어 \t\n 🐶e\u0301")
@example("\0a\0b\x0b\x1f\x85\u2028 \u3000c")
@example("👩‍👩‍👧 \u200bنص\u202e \ufeff")
@example("ΑΣ ΣΑΣ. Σ")
@example("\r\n")
def test_any_text_at_char_level_comes_back_normalised(text: str) -> None:
    codec = TextCodec.fit([text, "x"], level="char", lower=False)
    ids = codec.encode(text)
    assert codec.decode(ids) == normal(text, lower=False)
    assert UNK not in ids
    assert (ids[0], ids[-1], len(ids)) == (START, END, len(normal(text, lower=False)) + 2)


@settings(max_examples=150, deadline=None)
@given(ANY_TEXT)
@example("a'b -c- 'd' e--f ’g’ '-' - '")
@example("a‑b ‐c")
@example("İ ß ẞ A\u0301-\u0301")
@example("\u200d👩\u200d👩 a\u200c-\u200d b\u00ad\u0301")
def test_any_text_at_word_level_comes_back_cleaned(text: str) -> None:
    codec = TextCodec.fit([text, "x"])
    cleaned = clean(codec, text)
    ids = codec.encode(text)
    assert codec.decode(ids) == cleaned
    assert UNK not in ids
    assert ids == [START, *codec.vocabulary.ids(cleaned.split(" ") if cleaned else []), END]
    assert clean(codec, cleaned) == cleaned
    assert all(unicodedata.category(c)[0] in "LMN" or c in f" '-{JOINERS}" for c in cleaned if known(c))
    assert not re.search(rf"(^| )['{JOINERS}-]|['{JOINERS}-]( |$)|  ", cleaned)


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from(LETTERS), max_size=40))
def test_all_scripts_are_lower_cased_as_by_python(text: str) -> None:
    assert normalise(tf.constant([text]), lower=True).numpy()[0].decode() == normal(text, lower=True)


def test_every_letter_of_the_first_plane_is_lower_cased_as_by_python() -> None:
    ours = normalise(tf.constant(LETTERS), lower=True).numpy()
    different = [
        letter
        for letter, text in zip(LETTERS, ours, strict=True)
        if text.decode() != unicodedata.normalize("NFC", unicodedata.normalize("NFC", letter).lower())
    ]
    assert len(LETTERS) > 40_000
    assert [unicodedata.name(letter) for letter in different] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("İSTANBUL", ["i̇stanbul"]),
        ("Straße STRASSE ẞ", ["straße", "strasse", "ß"]),
        ("ÄPFEL", ["äpfel"]),
        ("ΟΔΟΣ", ["οδος"]),
        ("МОСКВА", ["москва"]),
        ("\u1112\u1161\u11ab\u1100\u116e\u11a8", ["한국"]),  # conjoining jamo
        ("한국어 텍스트!", ["한국어", "텍스트"]),
        ("cafe\u0301", ["café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("It's the dogs' T-shirt - 'quoted'", ["it's", "the", "dogs", "t-shirt", "quoted"]),
        ("a man’s rock‑n‑roll", ["a", "man's", "rock-n-roll"]),
        ("3.5 m, 20%", ["3", "5", "m", "20"]),
        ("شکل\u200cها می\u200cشوند", ["شکل\u200cها", "می\u200cشوند"]),  # Persian writes these as one word each
        ("\u200cها\u200c \u200d", ["ها"]),  # at its ends a joiner joins nothing
        ("क्\u200dष", ["क्\u200dष"]),
        ("👩\u200d👩\u200d👧 family", ["family"]),
        ("hy\u00adphen\u00adated", ["hyphenated"]),
        ("\u202bنص\u202c \ufeffa\u2060b\u200f", ["نص", "ab"]),
        ("ខ្ញុំ\u200bទៅ", ["ខ្ញុំ", "ទៅ"]),  # Khmer marks the ends of words by a space without width
        ("-- ' - ''", []),
        ("", []),
        (" \t\u3000\n", []),
        ("!?", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert TextCodec.fit(CAPTIONS).split([text]) == [words]


def test_case_can_be_kept() -> None:
    codec = TextCodec.fit(["A dog", "a Dog"], lower=False)
    assert codec.vocabulary.tokens[4:] == ("A", "Dog", "a", "dog")


def test_the_docstring_tells_the_truth() -> None:
    codec = TextCodec.fit(["A dog runs .", "A cat runs ."], level="word")
    assert codec.encode("a dog runs") == [1, 4, 7, 5, 2]
    assert codec.decode([1, 4, 7, 5, 2]) == "a dog runs"


def test_unknown_words_become_unk_and_are_seen() -> None:
    codec = TextCodec.fit(CAPTIONS)
    assert codec.encode("a purple dog")[2] == UNK
    assert codec.decode(codec.encode("a purple dog")) == "a [UNK] dog"


@pytest.mark.parametrize("level", ["word", "char"])
def test_empty_text_is_start_and_end(level: str) -> None:
    codec = TextCodec.fit(CAPTIONS, level=level)
    assert codec.encode("") == [START, END]
    assert codec.decode([START, END]) == ""
    assert [ids.tolist() for ids in codec.encode_all(["", "  "])] == [[START, END]] * 2


def test_no_texts_give_no_rows() -> None:
    codec = TextCodec.fit(CAPTIONS)
    assert codec.encode_all([]) == [] == codec.split([])


def test_many_texts_at_once_equal_one_by_one() -> None:
    codec = TextCodec.fit(CAPTIONS)
    texts = [*CAPTIONS, "", "a bird"]
    assert [ids.tolist() for ids in codec.encode_all(texts)] == [codec.encode(text) for text in texts]
    assert codec.split(texts)[:2] == [["a", "dog", "runs"], ["a", "cat's", "ball", "and", "two", "t-shirts"]]


def test_decoding_stops_at_the_first_end() -> None:
    codec = TextCodec.fit(["a b c"])
    a, b, c = codec.vocabulary.ids(["a", "b", "c"])
    assert codec.decode([START, a, 0, b, END, c, END, 0]) == "a b"
    assert codec.decode([a, b]) == "a b"
    assert codec.decode_all(np.array([[a, END, b], [END, a, a], [c, b, a]])) == ["a", "", "c b a"]


def test_rare_words_are_left_out() -> None:
    codec = TextCodec.fit(["a b", "a b c", "a"], min_count=2)
    assert codec.vocabulary.tokens[4:] == ("a", "b")
    assert TextCodec.fit(["a b", "a b c", "a"], max_size=5).vocabulary.tokens[4:] == ("a",)


def test_fit_counts_as_a_vocabulary_does() -> None:
    codec = TextCodec.fit(iter(CAPTIONS * 2))
    assert codec.vocabulary == Vocabulary.count(codec.split(CAPTIONS * 2))


@pytest.mark.parametrize("level", ["word", "char"])
def test_the_graph_form_equals_the_eager_one(level: str) -> None:
    codec = TextCodec.fit(CAPTIONS, level=level)
    texts = [*CAPTIONS, "", "another dog"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def there_and_back(given: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        ids = codec.encode_tensor(given).to_tensor()
        return ids, codec.decode_tensor(ids)

    ids, decoded = there_and_back(tf.constant(texts))
    assert [row[row != 0].tolist() for row in ids.numpy()] == [codec.encode(text) for text in texts]
    assert [text.decode() for text in decoded.numpy()] == [codec.decode(codec.encode(text)) for text in texts]
    data = tf.data.Dataset.from_tensor_slices(texts).batch(4).map(codec.encode_tensor)
    assert [row for batch in data for row in batch.to_list()] == [codec.encode(text) for text in texts]


def test_an_exported_graph_with_the_tables_still_decodes(tmp_path: Path) -> None:
    codec = TextCodec.fit(CAPTIONS)
    module = tf.Module()
    module.tables = codec.tables
    module.encode = tf.function(
        lambda given: codec.encode_tensor(given).to_tensor(), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    module.decode = tf.function(codec.decode_tensor, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    tf.saved_model.save(module, str(tmp_path / "exported"))
    loaded = tf.saved_model.load(str(tmp_path / "exported"))
    ids = loaded.encode(tf.constant(["A DOG, runs!", "고양이가"]))
    assert ids.numpy()[0].tolist() == codec.encode("a dog runs")
    assert [text.decode() for text in loaded.decode(ids).numpy()] == ["a dog runs", "고양이가"]


@pytest.mark.parametrize("level", ["word", "char"])
@pytest.mark.parametrize("lower", [True, False])
def test_saved_and_loaded_it_is_the_same(level: str, lower: bool, tmp_path: Path) -> None:
    codec = TextCodec.fit([*CAPTIONS, "x\u2028y\\n\"z'", "😀\ufeff"], level=level, lower=lower)
    codec.save(tmp_path / "words")
    loaded = TextCodec.load(tmp_path / "words")
    assert loaded.vocabulary == codec.vocabulary
    assert (loaded.level, loaded.lower) == (level, lower)
    assert loaded.encode(CAPTIONS[1]) == codec.encode(CAPTIONS[1])
    assert sorted(path.name for path in (tmp_path / "words").iterdir()) == sorted(TextCodec.FILES)


def test_any_token_survives_a_save(tmp_path: Path) -> None:
    tokens = ("[PAD]", "[START]", "[END]", "[UNK]", "\n", "\r\n", "\u2028", "\x85", "", " ", '"', "\\", "각", "\0")
    TextCodec(Vocabulary(tokens), level="char", lower=False).save(tmp_path)
    assert TextCodec.load(tmp_path).vocabulary.tokens == tokens


def test_config_round_trip() -> None:
    codec = TextCodec.fit(CAPTIONS, level="char", lower=False)
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(codec)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == codec.get_config()
    assert again.encode("A dog") == codec.encode("A dog")


@pytest.mark.parametrize(("level", "meant"), [("words", "word"), ("chars", "char"), ("wrod", "word")])
def test_a_misspelt_level_names_the_near_one(level: str, meant: str) -> None:
    with pytest.raises(
        InputError, match=f"word, char, whole, answer, raw, prose. Received: '{level}'. Did you mean '{meant}'"
    ):
        TextCodec.fit(CAPTIONS, level=level)


def test_a_strange_level_names_all() -> None:
    with pytest.raises(InputError, match="one of word, char, whole, answer, raw, prose. Received: 'subtoken-9'.$"):
        TextCodec.fit(CAPTIONS, level="subtoken-9")


@pytest.mark.parametrize(("texts", "found"), [([], 0), (["", "..."], 0), (["a b"], 2)])
def test_nothing_to_fit_on_is_an_error(texts: list[str], found: int) -> None:
    with pytest.raises(InputError, match=f"min_count=2 times. Received: {found} different tokens"):
        TextCodec.fit(texts, min_count=2)


def test_without_tensorflow_text_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(InputError, match="tensorflow-text, which has wheels for Linux and macOS only.*Install it"):
        TextCodec.fit(CAPTIONS)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("vocabulary.txt", '"[PAD]"\n"[START]\n', r"vocabulary\.txt:2: expected JSON .*Received: '\"\[START\]'"),
        ("vocabulary.txt", '"[PAD]"\n5\n', r"vocabulary\.txt:2: expected a JSON string. Received: 5"),
        ("vocabulary.txt", '"a"\n', "A vocabulary begins with"),
        ("codec.json", '{"level": "word"}', r"codec\.json: expected the keys level and lower. Received: .*'word'"),
        ("codec.json", "[]", r"codec\.json: expected the keys level and lower. Received: \[\]"),
        ("codec.json", "{", r"codec\.json:1: expected JSON"),
        ("codec.json", '{"level": "wort", "lower": true}', "Did you mean 'word'"),
        ("codec.json", None, r"codec\.json cannot be read"),
        ("vocabulary.txt", None, r"vocabulary\.txt cannot be read"),
    ],
)
def test_a_damaged_folder_is_named_with_file_and_line(
    name: str, text: str | None, message: str, tmp_path: Path
) -> None:
    TextCodec.fit(CAPTIONS).save(tmp_path)
    (tmp_path / name).unlink() if text is None else (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        TextCodec.load(tmp_path)


def test_a_whole_data_set_is_counted() -> None:
    """The twelve words that come again; the 30,000 numbers that come once are left out."""
    captions = [f"A man number {i} in a red shirt is riding a bicycle down the street ." for i in range(30_000)]
    codec = TextCodec.fit(captions, min_count=2)
    assert len(codec.vocabulary) == 4 + 12


def test_a_whole_text_is_one_token() -> None:
    """The answers of a classifier: letter case and blanks apart, all of a text is its token; no text is none."""
    codec = TextCodec.fit(["Red, Blue", "red,  blue", "a dog", "3.5", ""], level="whole")
    assert codec.vocabulary.tokens[4:] == ("red, blue", "3.5", "a dog")
    assert codec.encode(" RED,\tblue ") == [START, 4, END] and codec.decode([START, 4, END]) == "red, blue"
    assert codec.encode("red blue") == [START, UNK, END] and codec.encode("") == [START, END]
    assert codec.decode_all(np.array([[5], [6]])) == ["3.5", "a dog"]


def test_written_answers_keep_their_punctuation() -> None:
    codec = TextCodec.fit(["night_stand, Book", "3.5", "is it?"], level="answer")
    assert set(codec.vocabulary.tokens[4:]) == {"night_stand", ",", "book", "3.5", "is", "it?"}
    for text in ("night_stand, book", "book, night_stand, 3.5", "is it?", "book,", ", book", ""):
        assert codec.decode(codec.encode(text)) == text
    assert codec.decode(codec.encode("BOOK ,,night_stand")) == "book, night_stand"


def test_a_batch_of_texts_is_padded_and_cut() -> None:
    codec = TextCodec.fit(["a b c"])
    np.testing.assert_array_equal(
        codec.encode_batch(["a b c", "", "b"]), [[1, 4, 5, 6, 2], [1, 2, 0, 0, 0], [1, 5, 2, 0, 0]]
    )
    np.testing.assert_array_equal(codec.encode_batch(["a b c", "b"], 2), [[1, 4, 5, 2], [1, 5, 2, 0]])
    assert codec.encode_batch([]).shape == (0, 0)
