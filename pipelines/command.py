"""What every command shares: options from `main`'s signature, exit codes, one-line errors."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import itertools
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

from mmtoolkit.errors import InputError
from mmtoolkit.machine import suited
from mmtoolkit.pipelines.config import expand_config

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

Job = Callable[..., int | None]
EXPECTED = {int: "a whole number", float: "a number", str: "a word", Path: "a path"}


def run(main: Job, *, argv: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Parses the command line with `main`'s signature, runs it, and exits.

    Exit codes: 0 fine, 1 some input failed or a training was lost, 2 wrong usage, 130 interrupted.

    Args:
        main: The job; its keyword parameters are the options, its docstring the help, its result the exit code.
        argv: The arguments, without the program's name; `sys.argv[1:]` by default.
        prog: The name shown in the help.
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    raise SystemExit(exit_code(lambda: call(main, typed, prog)))


def call(main: Job, typed: Sequence[str], prog: str | None = None) -> int | None:
    """Calls `main` with the options of `--config` and those typed; wrong usage exits with code 2."""
    words = expand_config(main, list(typed))
    about = (inspect.getdoc(main) or "").partition("\nArgs:")[0].strip()
    about += "\n\n--config FILE.yaml takes options from a file; what is typed wins."
    told, options = io.StringIO(), (tyro.conf.FlagCreatePairsOff,)
    try:
        with contextlib.redirect_stderr(told):
            work = tyro.cli(explained(main), args=words, prog=prog, description=about, config=options)
    except SystemExit as stopped:
        if stopped.code == 2:
            raise InputError(unboxed(told.getvalue())) from None
        raise
    return work()


def unboxed(told: str) -> str:
    """What tyro says in a box, as one line: the complaint, and the options it thinks were meant.

    Example:
        >>> unboxed("╭─ Value error ─╮\\n│ Error parsing --epochs: expected a whole number. │\\n╰───╯\\n")
        'Error parsing --epochs: expected a whole number.'
        >>> unboxed(" Value error\\n -------- \\n  Error parsing --epochs: expected a whole number.\\n  -------\\n")
        'Error parsing --epochs: expected a whole number.'
    """
    lines = [line.strip("│ ") for line in told.splitlines()]
    rules = ("╭", "╰", "──", "---")  # the last one where the terminal knows ASCII only, below the title
    inside = itertools.dropwhile(lambda line: not line.startswith(rules), filter(None, lines))
    parts = [list(part) for rule, part in itertools.groupby(inside, lambda line: line.startswith(rules)) if not rule]
    kept = [part for part in parts if not part[0].startswith("Argument helptext")]
    return " ".join(line for part in kept for line in part) or told.strip()


def explained(main: Job) -> Callable[..., Callable[[], int | None]]:
    """The job as tyro shall see it, ready to be called; help and errors read well: `INT` for `{None}|INT`, say."""

    def job(*arguments: Any, **options: Any) -> Callable[[], int | None]:
        return functools.partial(main, *arguments, **options)

    signature, hints = inspect.signature(main, eval_str=True), get_type_hints(main, include_extras=True)
    for name, option in signature.parameters.items():
        if option.default in (None, ()) or option.kind is option.POSITIONAL_OR_KEYWORD:
            hints[name] = Annotated[hints[name], tyro.conf.arg(help_behavior_hint="")]
        if parser := words_parser(option.annotation):
            hints[name] = Annotated[hints[name], parser]
    job.__annotations__, job.__doc__ = hints, re.sub(r"\n {8}(?=\S)", " ", inspect.getdoc(main) or "")
    parameters = [option.replace(annotation=hints[name]) for name, option in signature.parameters.items()]
    job.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return job


def words_parser(kind: Any) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """How words become a number, or a value that need not be given; `None` where tyro's own way reads well.

    Example:
        >>> words_parser(int | None).metavar, words_parser(tuple[str, str] | None).metavar, words_parser(list[str])
        ('INT', 'STR STR', None)
        >>> words_parser(float).instance_from_str(["two"])
        Traceback (most recent call last):
        ValueError: expected a number. Received: 'two'.
    """
    given = [part for part in get_args(kind) if part is not type(None)] if type(None) in get_args(kind) else [kind]
    types = get_args(given[0]) if get_origin(given[0]) is tuple else tuple(given)
    if not set(types) <= set(EXPECTED) or kind in (str, Path):
        return None

    def parse(words: list[str]) -> Any:
        values: list[Any] = []
        if words == ["None"] and type(None) in get_args(kind):  # a null in a config
            return None
        for part, word in zip(types, words, strict=True):
            try:
                values.append(part(word))
                if part is float and not math.isfinite(values[-1]):
                    raise ValueError
            except ValueError:
                raise ValueError(f"expected {EXPECTED[part]}. Received: {word!r}.") from None
        return tuple(values) if get_origin(given[0]) is tuple else values[0]

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=len(types),
        metavar=" ".join(part.__name__.upper() for part in types),
        instance_from_str=parse,
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(part) for part in (value if isinstance(value, tuple) else (value,))],
    )


def exit_code(job: Callable[[], int | None]) -> int:
    """Runs a job; what a person can mend becomes one line on stderr and an exit code."""
    if hasattr(sys.stdout, "reconfigure"):  # a name that the terminal cannot show must not end the job
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = job() or 0
        sys.stdout.flush()
        return code
    except InputError as error:
        return fail(str(error), 2)
    except BrokenPipeError:  # the reader of stdout, `head` say, has gone: nothing to tell anybody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder without permission
        return fail(sentence(error), 1)
    except FloatingPointError as error:  # a training that is lost
        return fail(str(error), 1)
    except KeyboardInterrupt:
        return fail("interrupted", 130)
    except Exception as error:
        if type(error).__name__ != "ResourceExhaustedError":  # of TensorFlow, which not every job loads
            raise
        return fail("the memory does not suffice; ask for less at a time (--beam, --batch-size, --units)", 1)


def check_seed(seed: int | None) -> None:
    """Refuses a start of random numbers that Keras does not take.

    Raises:
        InputError: It is below 0 or needs more than 32 bits.
    """
    if seed is not None and not 0 <= seed < 2**32:
        raise InputError(f"--seed expects a whole number from 0 to 4,294,967,295. Received: {seed}.")


def check_target(option: str, path: Path | None, *, overwrite: bool, ending: str = "") -> None:
    """Refuses, before any work, a file that the result cannot be written to or that would be lost.

    Raises:
        InputError: It is a folder, lies in a file, has another ending, or is there already and `overwrite` is off.
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


def start_tensorflow() -> None:
    """Loads TensorFlow with the settings that suit the machine, without its start-up notes, which drown other lines.

    They are written below Python, before the log level counts, so the file descriptor itself is turned away meanwhile.
    Whoever sets `TF_CPP_MIN_LOG_LEVEL` sees what they asked for. What fails still raises.
    """
    os.environ.update(suited(os.environ))
    if LOG_LEVEL in os.environ:
        return
    os.environ[LOG_LEVEL] = "3"
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow

        tensorflow.constant(0)  # looks for devices
        tensorflow.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def tell(message: str) -> None:
    """Prints a note or a warning on stderr: stdout is for results."""
    print(message, file=sys.stderr, flush=True)


def scores_text(scores: Mapping[str, float]) -> str:
    """A line NAME<TAB>SCORE for each score.

    Example:
        >>> scores_text({"BLEU-4": 21.456, "CIDEr": 0.51234})
        'BLEU-4\\t21.46\\nCIDEr\\t0.512'
    """
    return "\n".join(f"{name}\t{score:.{3 if name == 'CIDEr' else 2}f}" for name, score in scores.items())


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table whose columns stand below each other.

    Example:
        >>> aligned([["words", "known"], ["1", "100 %"]])
        ['words  known', '1      100 %']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def progress_bar(label: str, width: int = 30) -> Callable[[int, int], None]:
    """A bar on stderr, redrawn in place on a terminal and a line every tenth of the way elsewhere."""
    started, shown = time.monotonic(), [-1]

    def show(done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        rate = done / max(1e-9, time.monotonic() - started)
        line = f"{label} {'#' * (width * done // max(1, total)):<{width}} {done}/{total} {rate:.1f}/s"
        if sys.stderr.isatty():
            print(f"\r{line}", end="\n" if done >= total else "", file=sys.stderr, flush=True)
        elif tenth != shown[0]:
            shown[0] = tenth
            tell(line)

    return show


@contextlib.contextmanager
def keras_bar() -> Iterator[None]:
    """Turns Keras' progress bar, all that `fit` prints, to stderr; its line is ended where an error ends `fit`."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        except BaseException:
            tell("")
            raise


def fail(message: str, code: int) -> int:
    """Prints one line on stderr, below an unfinished progress bar, and returns the exit code."""
    start = "\n" if sys.stderr.isatty() else ""
    print(f"{start}error: {message}", file=sys.stderr)
    return code


def sentence(error: OSError) -> str:
    """Says in one line what the system refused, and on which file.

    Example:
        >>> sentence(OSError(28, "No space left on device", "runs/a/report.json"))
        'No space left on device: runs/a/report.json'
    """
    reason = os.strerror(error.errno) if error.errno else (str(error) or type(error).__name__).splitlines()[0]
    return f"{reason}: {error.filename}" if error.filename is not None else reason
