"""Text to ids and back, by the same graph code in a data set, in Python and in a served model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmtoolkit.errors import InputError
from mmtoolkit.text.vocabulary import END, PAD, SPECIAL, START, UNK, Vocabulary

LEVELS = ("word", "char")


def normalise(texts: tf.Tensor, *, lower: bool) -> tf.Tensor:
    """Unicode NFC, optionally lower case in every script, white space runs made one space.

    Example:
        >>> normalise(tf.constant(["  Ein  ÄPFEL "]), lower=True)
        ['ein äpfel']

    Args:
        texts: `<string>[...]`, UTF-8.
    """
    import tensorflow_text as tf_text

    texts = tf_text.normalize_utf8(texts, "NFC")
    if lower:
        texts = tf.strings.lower(texts, encoding="utf-8")
        texts = tf_text.normalize_utf8(texts, "NFC")  # lower-casing İ leaves a combining dot behind
    return tf.strings.strip(tf.strings.regex_replace(texts, r"[\s\pZ]+", " "))


def only_words(texts: tf.Tensor) -> tf.Tensor:
    """Drops punctuation: what is left are letters, marks, digits, and the - and ' inside words.

    Example:
        >>> only_words(tf.constant(['a man\\'s t-shirt says "hi" .']))
        ["a man's t-shirt says hi"]
    """
    texts = tf.strings.regex_replace(texts, "[’ʼ]", "'")
    texts = tf.strings.regex_replace(texts, r"[^\pL\pM\pN'\-]+", " ")
    texts = tf.strings.regex_replace(texts, r"(^|\s)['\-]+", " ")
    texts = tf.strings.regex_replace(texts, r"['\-]+(\s|$)", " ")
    return tf.strings.strip(tf.strings.regex_replace(texts, r"\s+", " "))


@keras.saving.register_keras_serializable("mmtoolkit")
class TextCodec:
    """Turns text into ids and back, for one level of tokens and one vocabulary.

    Example:
        >>> codec = TextCodec.fit(["A dog runs .", "A cat runs ."], level="word")
        >>> codec.encode("a dog runs")
        [1, 4, 7, 5, 2]
        >>> codec.decode([1, 4, 7, 5, 2])
        'a dog runs'

    Args:
        vocabulary: The tokens.
        level: `"word"` (split at white space, without punctuation) or `"char"` (every code point).
        lower: Whether to lower the case.

    Raises:
        InputError: `level` is not one of those.
    """

    FILES = ("codec.json", "vocabulary.txt")

    def __init__(self, vocabulary: Vocabulary, *, level: str = "word", lower: bool = True) -> None:
        if level not in LEVELS:
            raise InputError(f"A codec's level is one of {', '.join(LEVELS)}. Received: {level!r}.")
        self.vocabulary, self.level, self.lower = vocabulary, level, lower
        with tf.init_scope():
            self.tables = CodecTables(vocabulary)

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        level: str = "word",
        lower: bool = True,
        min_count: int = 1,
        max_size: int | None = None,
    ) -> TextCodec:
        """Counts the tokens of the texts; see `Vocabulary.count` for `min_count` and `max_size`."""
        empty = cls(Vocabulary(SPECIAL), level=level, lower=lower)
        sentences = empty.split(list(texts))
        return cls(Vocabulary.count(sentences, min_count=min_count, max_size=max_size), level=level, lower=lower)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of each text, without START and END and before any becomes UNK."""
        tokens = self.tokens(tf.constant(list(texts), tf.string, shape=(len(texts),)))
        return [[token.decode() for token in row] for row in tokens.to_list()]

    def clean(self, texts: tf.Tensor) -> tf.Tensor:
        """The normalised form of `<string>[batch]`: what `decode(encode(text))` gives back."""
        texts = normalise(texts, lower=self.lower)
        return only_words(texts) if self.level == "word" else texts

    def tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Token strings of `<string>[batch]`, ragged."""
        texts = self.clean(texts)
        if self.level == "word":
            return tf.strings.split(texts, " ") if texts.shape.rank else tf.strings.split(texts[None], " ")
        return tf.strings.unicode_split(texts, "UTF-8")

    def encode_tensor(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Graph form: `<string>[batch]` to ragged `<int32>[batch, (length)]` with START and END."""
        ids = tf.ragged.map_flat_values(self.tables.to_id.lookup, self.tokens(texts))
        rows = tf.shape(texts)[0]
        edge = tf.ones((rows, 1), tf.int32)
        return tf.concat([edge * START, tf.cast(ids, tf.int32), edge * END], axis=1)

    def decode_tensor(self, ids: tf.Tensor) -> tf.Tensor:
        """Graph form: `<int>[batch, time]`, read up to the first END, to `<string>[batch]`."""
        before_end = tf.cumsum(tf.cast(tf.equal(ids, END), tf.int32), axis=1) == 0
        shown = before_end & tf.not_equal(ids, PAD) & tf.not_equal(ids, START)
        words = tf.gather(self.tables.to_token, tf.ragged.boolean_mask(ids, shown))
        return tf.strings.reduce_join(words, axis=1, separator=" " if self.level == "word" else "")

    def encode(self, text: str) -> list[int]:
        """One text to ids with START and END."""
        return self.encode_tensor(tf.constant([text]))[0].numpy().tolist()

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Many texts at once: a list of `<int32>[length]`."""
        ragged = self.encode_tensor(tf.constant(list(texts), tf.string, shape=(len(texts),)))
        return np.split(ragged.flat_values.numpy(), ragged.row_splits.numpy()[1:-1])

    def decode(self, ids: Sequence[int]) -> str:
        """Ids, read up to the first END, to text."""
        return self.decode_tensor(tf.constant([list(ids)], tf.int32))[0].numpy().decode()

    def decode_all(self, ids: np.ndarray) -> list[str]:
        """Many rows at once: `<int>[batch, time]` to texts."""
        return [text.decode() for text in self.decode_tensor(tf.constant(ids, tf.int32)).numpy()]

    def get_config(self) -> dict[str, Any]:
        return {"tokens": list(self.vocabulary.tokens), "level": self.level, "lower": self.lower}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextCodec:
        return cls(Vocabulary(tuple(config["tokens"])), level=config["level"], lower=config["lower"])

    def save(self, folder: Path) -> None:
        """Writes `codec.json` and `vocabulary.txt` (a JSON string per line: a token may be a line break)."""
        folder.mkdir(parents=True, exist_ok=True)
        settings = {"level": self.level, "lower": self.lower}
        (folder / "codec.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        lines = [json.dumps(token, ensure_ascii=False) for token in self.vocabulary.tokens]
        (folder / "vocabulary.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TextCodec:
        """Reads what `save` wrote."""
        settings = json.loads((folder / "codec.json").read_text(encoding="utf-8"))
        lines = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
        return cls(Vocabulary(tuple(json.loads(line) for line in lines if line)), **settings)


class CodecTables(tf.Module):
    """The lookup tables of a codec, in a form that an export can track."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        tokens = tf.constant(vocabulary.tokens)
        start = tf.lookup.KeyValueTensorInitializer(tokens, tf.range(len(vocabulary), dtype=tf.int32))
        self.to_id = tf.lookup.StaticHashTable(start, default_value=UNK)
        self.to_token = tokens
