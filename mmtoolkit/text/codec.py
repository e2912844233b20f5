"""Converts text to ids and back, with the same graph code in a data set, in Python and in a served model."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmtoolkit.errors import InputError, shortened
from mmtoolkit.files import parse_json, read_short_text
from mmtoolkit.text.vocabulary import END, PAD, SPECIAL, START, UNK, Vocabulary

LEVELS = ("word", "char", "whole", "answer", "raw", "prose")
CLOSING = re.compile(r"[\n.,;:!?)\]}…]")  # before which prose has no space
KEPT = ("raw", "prose")  # levels that keep lines and punctuation
COUNTED = 2**18  # characters that are counted at once: each takes some fifty bytes meanwhile
# Signs without a glyph or a meaning: hyphens that break lines, marks of direction, joints of nothing.
INVISIBLE = r"[\x{AD}\x{61C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{206F}\x{FEFF}]+"
HALF = re.compile("[\ud800-\udfff]")  # of a character: no UTF-8 has it
JOINERS = r"\x{200C}\x{200D}"  # those of Persian, Urdu, Hindi and others: inside a word they belong to its spelling


def normalise(texts: tf.Tensor, *, lower: bool) -> tf.Tensor:
    """Normalises text: Unicode NFC, runs of white space and control characters to one space, optionally lower case.

    Soft hyphens and other invisible signs are removed, so that they split no word.

    Example:
        >>> normalise(tf.constant(["  Ein  ÄPFEL "]), lower=True).numpy()[0].decode()
        'ein äpfel'

    Args:
        texts: `<string>[...]`, UTF-8.
        lower: Whether to lower the case, in every script.

    Raises:
        InputError: tensorflow-text is not installed (it has no wheel for Windows).
    """
    try:
        import tensorflow_text as tf_text
    except ImportError as error:
        raise InputError(
            f"Text needs the package tensorflow-text, which has wheels for Linux and macOS only. Received: {error}. "
            "Install it with `pip install tensorflow-text`; on Windows use WSL."
        ) from error

    texts = tf.strings.regex_replace(texts, INVISIBLE, "")
    texts = tf.strings.regex_replace(texts, r"[\s\pZ\p{Cc}]+", " ")  # first: NFC would cut a text at a NUL
    texts = tf_text.normalize_utf8(texts, "NFC")
    if lower:
        texts = tf.strings.lower(texts, encoding="utf-8")
        texts = tf_text.normalize_utf8(texts, "NFC")  # a lower-case letter may compose with what follows
    return tf.strings.strip(texts)


def normalise_lines(texts: tf.Tensor, *, lower: bool) -> tf.Tensor:
    """Normalises text as `normalise` does, but keeps white space; a line ends with a line feed.

    Example:
        >>> normalise_lines(tf.constant(["Ein\\r\\n  Apfel"]), lower=False).numpy()[0].decode()
        'Ein\\n  Apfel'
    """
    import tensorflow_text as tf_text

    texts = tf.strings.regex_replace(texts, "\r\n?", "\n")
    texts = tf_text.normalize_utf8(tf.strings.regex_replace(texts, r"\x00", ""), "NFC")
    return tf_text.normalize_utf8(tf.strings.lower(texts, encoding="utf-8"), "NFC") if lower else texts


def strip_punctuation(texts: tf.Tensor) -> tf.Tensor:
    """Removes punctuation; letters, marks, digits, and the - and ' and joiners inside words stay.

    Example:
        >>> strip_punctuation(tf.constant(['a man\\'s t-shirt says "hi" .'])).numpy()[0].decode()
        "a man's t-shirt says hi"
    """
    texts = tf.strings.regex_replace(texts, "[’ʼ]", "'")
    texts = tf.strings.regex_replace(texts, "[‐‑]", "-")
    texts = tf.strings.regex_replace(texts, rf"[^\pL\pM\pN'\-{JOINERS}]+", " ")
    texts = tf.strings.regex_replace(texts, rf"(^|\s)['\-{JOINERS}]+", " ")
    texts = tf.strings.regex_replace(texts, rf"['\-{JOINERS}]+(\s|$)", " ")
    return tf.strings.strip(tf.strings.regex_replace(texts, r"\s+", " "))


@keras.saving.register_keras_serializable("mmtoolkit")
class TextCodec:
    """Converts text to ids and back, at one level of tokens and with one vocabulary.

    Example:
        >>> codec = TextCodec.fit(["A dog runs .", "A cat runs ."], level="word")
        >>> codec.encode("a dog runs")
        [1, 4, 7, 5, 2]
        >>> codec.decode([1, 4, 7, 5, 2])
        'a dog runs'

    Args:
        vocabulary: The tokens.
        level: `"word"` (split at white space, without punctuation), `"char"` (every code point), `"whole"` (a text is
            one token: the answers that a classifier chooses from), `"answer"` (split at white space, punctuation
            kept and commas apart: answers written word by word), `"raw"` (every code point, white space kept as it is)
            or `"prose"` (words, punctuation marks and line breaks).
        lower: Whether to lower the case.

    Raises:
        InputError: `level` is not one of those, or tensorflow-text is not installed.
    """

    FILES = ("codec.json", "vocabulary.txt")

    def __init__(self, vocabulary: Vocabulary, *, level: str = "word", lower: bool = True) -> None:
        if level not in LEVELS:
            near = difflib.get_close_matches(str(level), LEVELS)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"A codec's level is one of {', '.join(LEVELS)}. Received: {shortened(level)}.{meant}")
        self.vocabulary, self.level, self.lower = vocabulary, level, lower
        with tf.init_scope():
            self.tables = CodecTables(vocabulary)

    def __repr__(self) -> str:
        case = "lower-cased" if self.lower else "as written"
        return f"TextCodec({self.level} level, {case}, {self.vocabulary!r})"

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
        """Builds a codec with the tokens of texts; see `Vocabulary.count` for `min_count` and `max_size`.

        Raises:
            InputError: No token is frequent enough for a vocabulary.
        """
        empty = cls(Vocabulary(SPECIAL), level=level, lower=lower)
        counts: Counter[str] = Counter()
        for some in in_parts(texts, COUNTED):  # of a large text no more is in memory
            tokens, numbers = np.unique(
                empty.tokens(strings(some)).flat_values.numpy().astype(object), return_counts=True
            )
            counts.update(dict(zip((token.decode() for token in tokens), numbers.tolist(), strict=True)))
        vocabulary = Vocabulary.from_counts(counts, min_count=min_count, max_size=max_size)
        if len(vocabulary) == len(SPECIAL):
            raise InputError(
                f"A codec needs texts with some token that occurs at least min_count={min_count} times. "
                f"Received: {len(counts)} different tokens; give more texts or a smaller min_count."
            )
        return cls(vocabulary, level=level, lower=lower)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Splits each text into tokens, without START and END; unknown ones are kept as written."""
        tokens = self.tokens(strings(texts))
        return rows([token.decode() for token in tokens.flat_values.numpy().tolist()], tokens)

    def clean(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalises `<string>[batch]` to the text that `decode(encode(text))` returns if all tokens are known.

        Of the level `"prose"` that has single spaces besides, and none before the marks that close.
        """
        if self.level in KEPT:
            return normalise_lines(texts, lower=self.lower)
        texts = normalise(texts, lower=self.lower)
        if self.level == "answer":
            texts = tf.strings.strip(tf.strings.regex_replace(texts, r"\s*,[\s,]*", ", "))
        return strip_punctuation(texts) if self.level == "word" else texts

    def tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Splits `<string>[batch]` into a ragged tensor of tokens."""
        texts = self.clean(texts)
        if self.level == "prose":
            marks = tf.strings.regex_replace(texts, r"[^\pL\pM\pN'’\-\s]|\n", r" \0 ")
            words = tf.strings.split(tf.strings.regex_replace(marks, r"[^\S\n]+", " "), sep=" ")
            return tf.ragged.boolean_mask(words, words != "")
        if self.level in ("word", "answer"):
            return tf.strings.split(tf.strings.regex_replace(texts, ",", " , "))  # the words have no comma
        if self.level == "whole":
            return tf.RaggedTensor.from_row_lengths(tf.boolean_mask(texts, texts != ""), tf.cast(texts != "", tf.int64))
        return tf.strings.unicode_split(texts, "UTF-8")

    def encode_tensor(self, texts: tf.Tensor, max_length: int | None = None) -> tf.RaggedTensor:
        """Encodes `<string>[batch]` in a graph as ragged `<int32>[batch, (length)]` with START and END.

        Keeps the first `max_length` tokens of longer texts.
        """
        ids = tf.ragged.map_flat_values(self.tables.to_id.lookup, self.tokens(texts)[:, :max_length])
        edge = tf.ones((tf.shape(texts)[0], 1), tf.int32)
        return tf.concat([edge * START, tf.cast(ids, tf.int32), edge * END], axis=1)

    def decode_tensor(self, ids: tf.Tensor) -> tf.Tensor:
        """Decodes `<int>[batch, time]`, up to the first END, in a graph to `<string>[batch]`."""
        before_end = tf.cumsum(tf.cast(tf.equal(ids, END), tf.int32), axis=1) == 0
        shown = before_end & tf.not_equal(ids, PAD) & tf.not_equal(ids, START)
        words = tf.gather(self.tables.to_token, tf.ragged.boolean_mask(ids, shown))
        spaced = self.level in ("word", "answer", "prose")
        texts = tf.strings.reduce_join(words, axis=1, separator=" " if spaced else "")
        if self.level == "prose":
            texts = tf.strings.regex_replace(texts, r" ?\n ?", "\n")
            return tf.strings.regex_replace(texts, r" ([.,;:!?)\]}…])", r"\1")
        return tf.strings.regex_replace(texts, " ,", ",") if self.level == "answer" else texts

    def encode(self, text: str) -> list[int]:
        """Encodes one text as ids with START and END."""
        return self.encode_tensor(tf.constant([text]))[0].numpy().tolist()

    def encode_all(self, texts: Sequence[str], max_length: int | None = None) -> list[np.ndarray]:
        """Encodes texts as a list of `<int32>[length]`, longer ones cut to `max_length` tokens."""
        ids = self.encode_tensor(strings(texts), max_length)
        return rows(ids.flat_values.numpy(), ids)

    def encode_batch(self, texts: Sequence[str], max_length: int | None = None) -> np.ndarray:
        """Encodes texts as `<int32>[batch, time]`, padded on the right, longer ones cut to `max_length` tokens."""
        return padded(self.encode_all(texts, max_length))

    def decode(self, ids: Sequence[int]) -> str:
        """Decodes ids, up to the first END, to text."""
        return self.decode_tensor(tf.constant([list(ids)], tf.int32))[0].numpy().decode()

    def decode_all(self, ids: np.ndarray) -> list[str]:
        """Decodes `<int>[batch, time]` to texts."""
        return [text.decode() for text in self.decode_tensor(tf.constant(ids, tf.int32)).numpy()]

    def joined(self, before: str, after: str) -> str:
        """Joins a text and what is written after it, with a space where the level has words.

        Example:
            >>> codec.joined("a dog", "runs")
            'a dog runs'
        """
        spaced = self.level in ("word", "answer", "prose")
        apart = spaced and before and not before[-1].isspace() and after and not CLOSING.match(after)
        return f"{before} {after}" if apart else before + after

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
        """Loads the codec that `save` wrote.

        Raises:
            InputError: A file is missing or damaged; the message has its path and line.
        """
        ((_, settings),) = read_json(folder / "codec.json", whole=True)
        tokens = []
        for number, token in read_json(folder / "vocabulary.txt"):
            if not isinstance(token, str) or HALF.search(token):
                received = shortened(token)
                raise InputError(f"{folder / 'vocabulary.txt'}:{number}: expected a JSON string. Received: {received}.")
            tokens.append(token)
        if not isinstance(settings, dict) or set(settings) != {"level", "lower"}:
            received = shortened(settings)
            raise InputError(f"{folder / 'codec.json'}: expected the keys level and lower. Received: {received}.")
        if not isinstance(settings["level"], str) or not isinstance(settings["lower"], bool):
            received = shortened(settings)
            raise InputError(f"{folder / 'codec.json'}: expected a level and true or false. Received: {received}.")
        try:
            return cls(Vocabulary(tuple(tokens)), **settings)
        except InputError as error:
            raise InputError(f"The codec in {folder} is damaged: {error}") from error


def in_parts(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    """Yields texts in lists of at most so many characters, or of one longer text.

    Example:
        >>> list(in_parts(["abc", "de", "f"], 3))
        [['abc'], ['de', 'f']]
    """
    part, size = list[str](), 0
    for text in texts:
        if part and size + len(text) > most:
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part


def padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Pads rows of ids on the right to `<int32>[batch, time]`.

    Example:
        >>> padded([np.array([1, 5, 2]), np.array([1, 2])]).tolist()
        [[1, 5, 2], [1, 2, 0]]
    """
    ids = np.full((len(rows), max(map(len, rows), default=0)), PAD, np.int32)
    for place, row in zip(ids, rows, strict=True):
        place[: len(row)] = row
    return ids


def strings(texts: Sequence[str]) -> tf.Tensor:
    """Converts a list of strings, which may be empty, to `<string>[batch]`."""
    return tf.constant(list(texts), tf.string, shape=(len(texts),))


def rows(values: Any, ragged: tf.RaggedTensor) -> list[Any]:
    """Splits the flat values of a ragged tensor into its rows."""
    return [values[start:stop] for start, stop in itertools.pairwise(ragged.row_splits.numpy().tolist())]


def read_json(path: Path, *, whole: bool = False) -> list[tuple[int, Any]]:
    """Parses each line of a file, or the whole file, as JSON; returns line numbers and values."""
    try:
        text = read_short_text(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as UTF-8 text ({error}); copy the codec again.") from error
    values = []
    for number, part in enumerate([text] if whole else text.removesuffix("\n").split("\n"), start=1):
        try:
            values.append((number, parse_json(part)))
        except ValueError as error:
            raise InputError(f"{path}:{number}: expected JSON ({error}). Received: {part[:40]!r}.") from error
    return values


class CodecTables(tf.Module):
    """Lookup tables of a codec, in a `tf.Module` so that an export tracks them."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        tokens = tf.constant(vocabulary.tokens)
        start = tf.lookup.KeyValueTensorInitializer(tokens, tf.range(len(vocabulary), dtype=tf.int32))
        self.to_id = tf.lookup.StaticHashTable(start, default_value=UNK)
        self.to_token = tokens
