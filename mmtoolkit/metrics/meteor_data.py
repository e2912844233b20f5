"""Reads the data of METEOR 1.5 for English, out of the package pycocoevalcap, of which nothing is imported."""

from __future__ import annotations

import gzip
import importlib.metadata
import importlib.util
import io
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

from mmtoolkit.errors import InputError, first_line
from mmtoolkit.installation import install_command

PACKAGE, JAR, TABLE = "pycocoevalcap", "meteor/meteor-1.5.jar", "meteor/data/paraphrase-en.gz"
STEMMER = "snowballstemmer"
PREFIXES, FUNCTION_WORDS = "nonbreaking/english.prefixes", "function/english.words"
EXCEPTIONS, SYNSETS = "synonym/english.exceptions", "synonym/english.synsets"

# WordNet's rules of inflection for nouns, verbs and adjectives, in the order in which they are tried.
ENDINGS = (
    *(
        ("s", ""),
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    *(("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    *(("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
)

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeteorData:
    """What METEOR knows of the words of some sentences.

    Args:
        function_words: The words that count less, of all English.
        stems: The stem of each word.
        synsets: The numbers of the WordNet synsets that each word is in, itself or by its base form.
        paraphrases: The paraphrases of each phrase, in the table's order.
        longest: The words of the longest phrase or paraphrase.
    """

    function_words: frozenset[str]
    stems: Mapping[str, str]
    synsets: Mapping[str, frozenset[int]]
    paraphrases: Mapping[Phrase, Sequence[Phrase]]
    longest: int


def load_prefixes() -> dict[str, bool]:
    """Loads the abbreviations that keep their full stop: `True` for those that keep it before a number only.

    Raises:
        InputError: As `load_data`.
    """
    with open_jar() as jar:
        fields = [line.split() for line in read_lines(jar, PREFIXES)]
    return {name: rest[:1] == ["#NUMERIC_ONLY#"] for name, *rest in filter(None, fields) if not name.startswith("#")}


def load_data(sentences: Iterable[Sequence[str]]) -> MeteorData:
    """Loads what the data says of the words of some sentences.

    Args:
        sentences: The words of each sentence, normalized.

    Raises:
        InputError: A package is not installed, or its files are not those of METEOR 1.5.
    """
    neighbours = {pair for words in sentences for pair in pairwise(["", *words])}
    words = {second for _, second in neighbours}
    stems = stem(words)
    with open_jar() as jar:
        function_words = frozenset(line.strip() for line in read_lines(jar, FUNCTION_WORDS))
        synsets = read_synsets(jar, words)
        paraphrases = read_paraphrases(find_file(TABLE), neighbours)
    phrases = chain(paraphrases, *paraphrases.values())
    return MeteorData(function_words, stems, synsets, paraphrases, max(map(len, phrases), default=0))


@contextmanager
def open_jar() -> Iterator[zipfile.ZipFile]:
    """Opens the jar to read from it, and names its folder where that fails.

    Raises:
        InputError: The package is not installed, or its files are not those of METEOR 1.5.
    """
    path = find_file(JAR)
    try:
        with zipfile.ZipFile(path) as jar:
            yield jar
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"METEOR expects the data of METEOR 1.5 in {path.parent}. Received: files that cannot be read"
            f" ({first_line(error)}); install {PACKAGE} again."
        ) from error


def find_file(name: str) -> Path:
    """Returns the path of a file of the package, without importing it: other parts of it download programs."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in spec.submodule_search_locations or () if spec else ():
        if (Path(folder) / name).is_file():
            return Path(folder) / name
    raise InputError(
        f"METEOR expects the package {PACKAGE}. Received: none with {name}; run {install_command('meteor')}."
    )


def read_lines(jar: zipfile.ZipFile, name: str) -> Iterator[str]:
    """Yields the lines of a text file in the jar."""
    with jar.open(name) as file:
        yield from io.TextIOWrapper(file, encoding="utf-8")


def stem(words: Iterable[str]) -> dict[str, str]:
    """Stems words with the Snowball stemmer for English, also known as Porter2.

    Raises:
        InputError: The package is not installed, or of version 3, some of whose stems are others.
    """
    try:
        version = importlib.metadata.version(STEMMER)
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    if not version.startswith(("1.", "2.")):
        raise InputError(
            f"METEOR expects the package {STEMMER}, version 1 or 2. Received: {version};"
            f" run {install_command('meteor')}."
        )
    from snowballstemmer.english_stemmer import EnglishStemmer

    stemmer = EnglishStemmer()
    return {word: stemmer.stemWord(word) for word in words}


def read_synsets(jar: zipfile.ZipFile, words: Iterable[str]) -> dict[str, frozenset[int]]:
    """Reads the synsets of each word: its own, and those of its base forms.

    The base forms are those of the list of exceptions, or else the first that a rule makes and WordNet has.
    """
    bases: dict[str, list[str]] = defaultdict(list)
    lines = read_lines(jar, EXCEPTIONS)
    for base, inflected in zip(lines, lines, strict=True):
        for word in inflected.split():
            bases[word].append(base.strip())
    candidates = {word: bases[word] if word in bases else base_forms(word) for word in words}
    wanted = {*candidates, *(form for forms in candidates.values() for form in forms)}
    lines = read_lines(jar, SYNSETS)
    pairs = ((name.strip(), numbers) for name, numbers in zip(lines, lines, strict=True))
    known = {name: frozenset(map(int, numbers.split())) for name, numbers in pairs if name in wanted}
    synsets = {}
    for word, forms in candidates.items():
        used = forms if word in bases else [form for form in forms if form in known][:1]
        synsets[word] = frozenset(chain.from_iterable(known.get(form, ()) for form in (word, *used)))
    return synsets


def base_forms(word: str) -> list[str]:
    """Returns the base forms that the rules of inflection make of a word, the first tried first.

    Example:
        >>> base_forms("dishes"), base_forms("glass")
        (['dishe', 'dish', 'dishe', 'dishe', 'dish'], [])
    """
    if word.endswith("ss") or len(word) <= 2:
        return []
    return [word.removesuffix(ending) + added for ending, added in ENDINGS if word.endswith(ending)]


def read_paraphrases(table: Path, neighbours: set[tuple[str, str]]) -> dict[Phrase, list[Phrase]]:
    """Reads the paraphrases both of whose sides may occur in sentences with these neighbouring words.

    The whole table has five million pairs, for which the jar takes a gigabyte; these are about one in two hundred.

    Args:
        table: Lines in threes: a probability, a phrase, a paraphrase of it.
        neighbours: Each two words that stand next to each other in a sentence; `""` before the first.
    """
    pairs = {(first.encode(errors="replace"), second.encode(errors="replace")) for first, second in neighbours}
    words = {second for _, second in pairs}

    def occurs(phrase: list[bytes]) -> bool:
        return words.issuperset(phrase) and pairs.issuperset(pairwise(phrase))

    def decode(phrase: list[bytes]) -> Phrase:
        return tuple(word.decode() for word in phrase)

    paraphrases: dict[Phrase, list[Phrase]] = defaultdict(list)
    last, used, key = b"", False, decode([])
    with gzip.open(table) as file, io.BufferedReader(file, 1 << 20) as lines:  # its iteration is in C
        for _, line, other in zip(lines, lines, lines, strict=True):
            if line != last:  # the pairs of a phrase follow each other
                last, phrase = line, line.split()
                used, key = occurs(phrase), decode(phrase)
            if used and occurs(paraphrase := other.split()):
                paraphrases[key].append(decode(paraphrase))
    return dict(paraphrases)
