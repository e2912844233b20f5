"""`--config FILE.yaml`: options of a job from a file; what is typed wins."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mmtoolkit.errors import InputError
from mmtoolkit.files import read_short_text

DEEPEST = 3  # lists and mappings within each other: options are a mapping, some of lists


def expand_config(defaults: Mapping[str, Any], typed: list[str]) -> list[str]:
    """Replaces `--config FILE.yaml` by the options in that file which were not typed as well.

    Raises:
        InputError: The file is missing, is not a YAML mapping, or names an option that the job does not have.
    """
    path, typed = take_config(typed)
    if path is None:
        return typed
    named = read_config(path)
    check_names(named, defaults, path)
    kept = {name: value for name, value in named.items() if not is_typed(name, typed)}
    # Behind the typed words: a list option in front of them would swallow the files that follow it.
    return typed + option_words(kept, defaults, path)


def read_config(path: Path, option: str = "--config") -> dict[str, Any]:
    """Reads the options in a YAML file, with underscores in their names.

    Raises:
        InputError: The file is missing, or is not a YAML mapping; the message names the option that it was given to.
    """
    try:
        text = read_short_text(path)
        check_plain(text)
        options = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{option} expects a readable YAML file. Received: {path} ({reason}).") from error
    if not isinstance(options, dict):
        raise InputError(f"{option} expects a mapping of option names to values. Received: {path}.")
    return {str(name).replace("-", "_"): value for name, value in options.items()}


def check_plain(text: str) -> None:
    """Checks that YAML has no aliases, which may stand for more than a memory holds, and is no deeper than options are.

    Raises:
        ValueError: It has, or is.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"it has the alias *{event.anchor}; write the value there")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")


def is_typed(name: str, typed: Sequence[str]) -> bool:
    """Returns whether an option is among the typed words, in any of its spellings.

    Example:
        >>> is_typed("batch_size", ["--batch-size=8"]), is_typed("shuffle", ["--no-shuffle"]), is_typed("seed", [])
        (True, True, False)
    """
    spelt = {word.split("=")[0].replace("_", "-") for word in typed}
    option = name.replace("_", "-")
    return f"--{option}" in spelt or f"--no-{option}" in spelt


def take_config(typed: list[str]) -> tuple[Path | None, list[str]]:
    """Removes `--config FILE` or `--config=FILE` from the typed words, and returns the file and the others.

    Example:
        >>> take_config(["a.jpg", "--config", "c.yaml", "--beam", "3"])
        (PosixPath('c.yaml'), ['a.jpg', '--beam', '3'])
    """
    at = next((at for at, word in enumerate(typed) if word.split("=")[0] == "--config"), None)
    if at is None:
        return None, typed
    name, equals, value = typed[at].partition("=")
    if equals and value:
        return Path(value), typed[:at] + typed[at + 1 :]
    if equals or at + 1 == len(typed):
        raise InputError("--config needs a YAML file. Received: nothing after --config.")
    return Path(typed[at + 1]), typed[:at] + typed[at + 2 :]


def check_names(options: Mapping[str, Any], defaults: Mapping[str, Any], path: Path) -> None:
    """Checks that the job has each option, and that each value is a word or a list of words."""
    for name, value in options.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, defaults, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"{path}: expected an option of this job ({', '.join(sorted(defaults))}). Received: {name!r}.{meant}"
            )
        if isinstance(value, dict):
            raise InputError(f"{path}: expected a value or a list of values for {name!r}. Received: a mapping.")


OPTION = re.compile("--?[A-Za-z]")


def option_words(options: Mapping[str, Any], defaults: Mapping[str, Any], path: Path | str = "--config") -> list[str]:
    """Formats options as command-line words; those at their default are left out.

    Example:
        >>> defaults = {"batch_size": 32, "overwrite": False, "shuffle": True, "seed": None, "references": ()}
        >>> option_words({"batch_size": 64, "overwrite": True, "shuffle": False, "seed": None}, defaults)
        ['--batch-size=64', '--overwrite', '--no-shuffle']
        >>> option_words({"references": ["a", "b"]}, defaults)
        ['--references', 'a', 'b']
    """
    words: list[str] = []
    for name, value in options.items():
        option, default = name.replace("_", "-"), defaults[name]
        if value == default and type(value) is type(default):
            continue
        if isinstance(value, bool) and isinstance(default, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, list):
            if smuggled := next((each for each in value if OPTION.match(f"{each}")), None):
                raise InputError(f"{path}: expected values for {option}. Received: {smuggled}, an option.")
            words += [f"--{option}", *map(str, value)]
        else:
            words.append(f"--{option}={value}")
    return words
