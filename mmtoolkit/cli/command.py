"""What every command shares: its options, exit codes, one-line errors."""

from __future__ import annotations

import contextlib
import errno
import inspect
import io
import itertools
import os
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

import tyro

from mmtoolkit.cli.arguments import Job, arguments_of, assembled
from mmtoolkit.cli.config import expand_config
from mmtoolkit.errors import InputError, first_line
from mmtoolkit.task import Metric

LINES = "\n\t"  # what a message or a table may have
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def run(main: Job, *, argv: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Parses the command line of a job, runs it, and exits.

    Exit codes: 0 fine, 1 some input failed or a training was lost, 2 wrong usage, 130 interrupted.

    Args:
        main: The job. What it takes, one frozen dataclass or keywords, are the options; its docstring is the help, its
            result the exit code.
        argv: The arguments, without the program's name; `sys.argv[1:]` by default.
        prog: The name shown in the help.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    raise SystemExit(exit_code(lambda: call(main, typed, prog)))


def call(main: Job, typed: Sequence[str], prog: str | None = None) -> int | None:
    """Calls `main` with the options of `--config` and those typed; wrong usage raises `InputError`."""
    arguments = arguments_of(main)
    words = expand_config({argument.name: argument.default for argument in arguments}, list(typed))
    about = (inspect.getdoc(main) or "").partition("\nArgs:")[0].strip()
    about += "\n\n--config FILE.yaml takes options from a file; what is typed wins."
    complaint, options = io.StringIO(), (tyro.conf.FlagCreatePairsOff,)
    try:
        with contextlib.redirect_stderr(complaint):
            work = tyro.cli(assembled(main, arguments), args=words, prog=prog, description=about, config=options)
    except SystemExit as stopped:
        if stopped.code == 2:
            raise InputError(unboxed(complaint.getvalue())) from None
        raise
    with contextlib.redirect_stdout(cast(Any, Shown(sys.stdout))):
        return work()


class Shown:
    """A stream of text on which control characters of names and texts are shown; the terminal does not obey them."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Writes text with its line breaks and tabs."""
        return self.stream.write(shown(text, keep=LINES))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def shown(text: str, *, keep: str = "") -> str:
    """Escapes the characters by which a text moves the cursor, forges a line or turns others around.

    They are those below U+0020 and from U+007F to U+009F, the separators of lines, and what sets the direction of
    writing. Those above U+0020 become escapes that JSON reads too.

    Example:
        >>> shown("1.jpg\\n2.jpg\\x1b[2J")
        '1.jpg\\\\x0a2.jpg\\\\x1b[2J'

    Args:
        text: The text.
        keep: Characters that stay.
    """
    return CONTROLS.sub(lambda match: match[0] if match[0] in keep else escaped(ord(match[0])), text)


def escaped(code: int) -> str:
    """Returns a character as Python writes it in a string."""
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


def unboxed(box: str) -> str:
    """Joins the lines of tyro's box: the complaint, and the options that may have been meant.

    Example:
        >>> unboxed("╭─ Value error ─╮\\n│ Error parsing --epochs: expected a whole number. │\\n╰───╯\\n")
        'Error parsing --epochs: expected a whole number.'
        >>> unboxed(" Value error\\n -------- \\n  Error parsing --epochs: expected a whole number.\\n  -------\\n")
        'Error parsing --epochs: expected a whole number.'
    """
    lines = [line.strip("│ ") for line in box.splitlines()]
    rules = ("╭", "╰", "──", "---")  # the last one where the terminal knows ASCII only, below the title
    inside = itertools.dropwhile(lambda line: not line.startswith(rules), filter(None, lines))
    parts = [list(part) for rule, part in itertools.groupby(inside, lambda line: line.startswith(rules)) if not rule]
    kept = [part for part in parts if not part[0].startswith("Argument helptext")]
    return " ".join(line for part in kept for line in part) or box.strip()


def exit_code(job: Callable[[], int | None]) -> int:
    """Runs a job; what a person can mend becomes one line on stderr and an exit code."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {shown(f'{message}', keep=LINES)}\n"  # type: ignore[assignment]
    if hasattr(sys.stdout, "reconfigure"):  # a name that the terminal cannot show must not end the job
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = job() or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        return fail(str(error), 2)
    except BrokenPipeError:  # the reader of stdout has ended, e.g. `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder without permission
        return fail(sentence(error), 1)
    except FloatingPointError as error:  # a training that is lost
        return fail(str(error), 1)
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    except RecursionError:
        return fail("an input is nested too deeply to be read; give a flatter one", 1)
    except Exception as error:
        # The latter of TensorFlow, which not every job loads.
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        if (full := os.strerror(errno.ENOSPC)) in str(error):
            return fail(full, 1)
        return fail("the memory does not suffice; ask for less at a time (--beam, --batch-size, --units)", 1)


def check_target(option: str, path: Path | None, *, overwrite: bool, ending: str = "") -> None:
    """Checks, before any work, that a result can be written to a file and replaces nothing by mistake.

    Raises:
        InputError: It is a folder, lies in a file, has another ending, or is there already and `overwrite` is off.
        OSError: Nothing can be written there.
    """
    if path is None:
        return
    if path.is_dir() or not path.name.lower().endswith(ending):
        kind, folder = (f" whose name ends in {ending}" if ending else ""), (", a folder" if path.is_dir() else "")
        raise InputError(f"{option} expects a file{kind}. Received: {path}{folder}; name another.")
    for parent in path.parents:
        if parent.exists() and not parent.is_dir():
            raise InputError(f"{option} expects a file in a folder. Received: {path}; {parent} is a file.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} is there already; add --overwrite to replace it, or name another {option}.")
    check_writable(path)


def check_writable(path: Path) -> None:
    """Checks, before any work, that a file can be written to a path, whose folders may not be there yet.

    Raises:
        OSError: E.g. the file system is read-only; it names the path.
    """
    try:
        with tempfile.TemporaryFile(dir=next(parent for parent in path.parents if parent.is_dir())):
            pass
    except OSError as error:
        error.filename = str(path)
        raise


def tell(message: str) -> None:
    """Prints a note or a warning on stderr: stdout is for results."""
    sys.stderr.write(f"{shown(message, keep=LINES)}\n")
    sys.stderr.flush()


def warn(message: str) -> None:
    """Prints a warning on stderr."""
    tell(f"warning: {message}")


def scores_text(metric: Metric, scores: Mapping[str, float]) -> str:
    """Formats a line NAME<TAB>SCORE for each score, with the metric's digits."""
    return "\n".join(f"{name}\t{metric.printed(name, score)}" for name, score in scores.items())


def print_report(metric: Metric, report: Mapping[str, Any], out: Path) -> None:
    """Prints the validation scores of a training, and on stderr its test scores and the path of its preset."""
    tell("on the valid split:")
    sys.stdout.write(f"{scores_text(metric, report['scores'])}\n")
    if "test_scores" in report:
        tell("on the test split:\n" + scores_text(metric, report["test_scores"]))
    tell(f"preset: {out / 'preset'}")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pads the cells of a table so that its columns align; control characters in them are shown.

    Example:
        >>> aligned([["words", "known"], ["1", "100 %"]])
        ['words  known', '1      100 %']
    """
    cells = [list(map(shown, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def progress_bar(label: str, width: int = 30) -> Callable[[int, int], None]:
    """Creates a bar on stderr, redrawn in place on a terminal and a line every tenth of the way elsewhere."""
    started, shown = time.monotonic(), [-1]

    def show(done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        rate = done / max(1e-9, time.monotonic() - started)
        line = f"{label} {'#' * (width * done // max(1, total)):<{width}} {done}/{total} {rate:.1f}/s"
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}" + ("\n" if done >= total else ""))
            sys.stderr.flush()
        elif tenth != shown[0]:
            shown[0] = tenth
            tell(line)

    return show


@contextlib.contextmanager
def keras_bar() -> Iterator[None]:
    """Redirects Keras' progress bar, all that `fit` prints, to stderr; its line is ended where an error ends `fit`."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        except BaseException:
            tell("")
            raise


def fail(message: str, code: int) -> int:
    """Prints one line on stderr, below an unfinished progress bar, and returns the exit code."""
    start = "\n" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{start}error: {shown(message)}\n")
    return code


def sentence(error: OSError) -> str:
    """Formats an error of the operating system in one line, with its file.

    Example:
        >>> sentence(OSError(28, "No space left on device", "runs/a/report.json"))
        'No space left on device: runs/a/report.json'
    """
    if error.errno and error.errno != errno.EINVAL:  # whose text, "Invalid argument", says nothing
        reason = os.strerror(error.errno)
    else:
        reason = error.strerror or first_line(error)
    return f"{reason}: {error.filename}" if error.filename is not None else reason
