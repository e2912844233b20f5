"""What every command shares: options from `main`'s signature, `--config`, exit codes, one-line errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tyro
import yaml

from mmtoolkit.errors import InputError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up notes drown a command's own progress


def run(main: Callable[..., int | None], *, argv: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Parses the command line with `main`'s signature, runs it, and exits.

    Exit codes: 0 fine, 1 some input failed, 2 wrong usage, 130 interrupted.

    Args:
        main: The job; its keyword parameters are the options, its docstring the help, its result the exit code.
        argv: The arguments, without the program's name; `sys.argv[1:]` by default.
        prog: The name shown in the help.
    """
    try:
        arguments = expand_config(list(sys.argv[1:] if argv is None else argv))
        code = tyro.cli(main, args=arguments, prog=prog, config=(tyro.conf.FlagCreatePairsOff,))
    except InputError as error:
        code = fail(str(error), 2)
    except OSError as error:  # a full disk, a folder without permission
        code = fail(f"{error.strerror or error}: {error.filename or 'no file named'}", 1)
    except KeyboardInterrupt:
        code = fail("interrupted; what was finished is kept", 130)
    raise SystemExit(code or 0)


def fail(message: str, code: int) -> int:
    """Prints one line on stderr and returns the exit code."""
    print(f"error: {message}", file=sys.stderr)
    return code


def expand_config(arguments: list[str]) -> list[str]:
    """Puts the options of a `--config FILE.yaml` in front of the others, so that what is typed wins.

    Raises:
        InputError: The file is missing or is not a YAML mapping from option names to values.
    """
    if "--config" not in arguments:
        return arguments
    at = arguments.index("--config")
    if at + 1 == len(arguments):
        raise InputError("--config needs a YAML file. Received: nothing after --config.")
    path = Path(arguments[at + 1])
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"--config expects a readable YAML file. Received: {path} ({error}).") from error
    if not isinstance(options, dict):
        raise InputError(f"--config expects a mapping of option names to values. Received: {path}.")
    return option_words(options) + arguments[:at] + arguments[at + 2 :]


def option_words(options: dict[str, Any]) -> list[str]:
    """Writes a mapping as command-line words.

    Example:
        >>> option_words({"batch_size": 64, "overwrite": True, "seed": None, "references": ["a", "b"]})
        ['--batch-size', '64', '--overwrite', '--references', 'a', 'b']
    """
    words: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words += [str(item) for item in value] if isinstance(value, list) else [str(value)]
    return words
