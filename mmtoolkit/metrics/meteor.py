"""Runs METEOR on Java, from the jar of the package pycocoevalcap, of which nothing is imported."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from mmtoolkit.errors import InputError
from mmtoolkit.installation import install_command

PACKAGE, JAR = "pycocoevalcap", "meteor/meteor-1.5.jar"
# Decimal points and UTF-8, whatever the machine's locale; 2 GiB hold its table of paraphrases.
JAVA = ("-Xmx2G", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US")
ENGLISH = ("-", "-", "-stdio", "-l", "en", "-norm")  # coco-caption's settings


@dataclass(frozen=True, slots=True)
class Meteor:
    """A running METEOR process, which answers each line with a line.

    Args:
        questions: Its standard input.
        answers: Its standard output.
        complaints: Its standard error.
    """

    questions: IO[str]
    answers: IO[str]
    complaints: IO[bytes]

    def statistics(self, words: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, ...]:
        """Counts what one image adds to METEOR: lengths, matches of each kind, chunks."""
        self.ask("SCORE", *(" ".join(sentence).replace("|||", "") for sentence in (*references, words)))
        return tuple(self.answer())

    def scores(self, totals: Sequence[float]) -> dict[str, float]:
        """Computes METEOR of a corpus in percent from the sums of `statistics` over it."""
        self.ask("EVAL", " ".join(map(str, totals)))
        self.answer()  # of each entry, and these sums are the only one; then of all entries together
        (score,) = self.answer()
        return {"METEOR": 100 * score}

    def ask(self, *parts: str) -> None:
        """Writes a line."""
        with contextlib.suppress(BrokenPipeError):  # it has ended; `answer` raises the reason
            self.questions.write(" ||| ".join(parts) + "\n")
            self.questions.flush()

    def answer(self) -> list[float]:
        """Reads a line of numbers."""
        line = self.answers.readline()
        with contextlib.suppress(ValueError):
            if numbers := [float(number) for number in line.split()]:
                return numbers
        self.complaints.seek(0)
        output = self.complaints.read().decode(errors="replace").strip() or line.strip() or "nothing"
        raise InputError(
            f"METEOR expects Java 8 or later to run it. Received: {textwrap.shorten(output, 200)}; try `java -version`."
        )


@contextlib.contextmanager
def start_meteor() -> Iterator[Meteor]:
    """Starts METEOR 1.5 with coco-caption's settings for English, and stops it on exit.

    Example:
        With Java:
        >>> with start_meteor() as meteor:  # doctest: +SKIP
        ...     meteor.scores(meteor.statistics(["a", "dog", "runs"], [["a", "dog", "runs"]]))
        {'METEOR': 100.0}

    Raises:
        InputError: Java or the package is missing, or Java does not run METEOR.

    Source: Denkowski and Lavie 2014.
    """
    command = [find_java(), *JAVA, "-jar", str(find_jar()), *ENGLISH]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=complaints, encoding="utf-8", errors="replace"
        ) as process,
    ):
        questions, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
        try:
            yield Meteor(questions, answers, complaints)
        finally:
            process.kill()  # it holds nothing that could be lost; leaving Popen waits for its end
            with contextlib.suppress(BrokenPipeError):  # of what it has not read
                questions.close()


def find_jar() -> Path:
    """Returns the path of the jar, without importing its package, whose other parts download programs."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in spec.submodule_search_locations or () if spec else ():
        if (Path(folder) / JAR).is_file():
            return Path(folder) / JAR
    raise InputError(
        f"METEOR expects the package {PACKAGE}. Received: none with {JAR}; run {install_command('metrics-java')}."
    )


def find_java() -> str:
    """Returns the path of the command `java`."""
    java = shutil.which("java")
    if java is None:
        raise InputError("METEOR expects the command java. Received: none on the PATH; install Java 8 or later.")
    return java
