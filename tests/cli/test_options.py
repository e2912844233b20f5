"""The options of all jobs, compared with a recorded list, so that none changes unnoticed.

`python tests/cli/test_options.py` records them anew, where a change is wanted.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import inspect
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import tyro

from mmtoolkit.cli import command
from mmtoolkit.cli.options import Group
from mmtoolkit.pipelines import __main__ as entry

RECORDED = Path(__file__).with_name("options.json")
JOBS = tuple(entry.jobs(Path(entry.__file__).parent))
WORDS = {"PATH": "there", "STR": "word"}


def main_of(job: str) -> Callable[..., Any]:
    return importlib.import_module(f"mmtoolkit.pipelines.{job.replace('-', '_')}").main


def actions_of(main: Callable[..., Any]) -> list[argparse.Action]:
    """The arguments of the parser that the command line of a job is given to."""
    parsers: list[argparse.ArgumentParser] = []

    def keep(job: Callable[..., Any], **options: Any) -> Callable[[], int]:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            parsers.append(tyro.extras.get_parser(job, config=options["config"]))
        return lambda: 0

    with mock.patch.object(tyro, "cli", keep):
        command.call(main, [])
    return [action for action in parsers[0]._actions if action.dest != "help"]


def values_of(main: Callable[..., Any], words: list[str]) -> dict[str, Any]:
    """The values that a job is called with for some words, each option by its name."""
    found: dict[str, Any] = {}

    @functools.wraps(main)
    def job(*arguments: Any, **options: Any) -> int:
        given = inspect.signature(main).bind(*arguments, **options)
        given.apply_defaults()
        found.update(each for name, value in given.arguments.items() for each in leaves(name, value))
        return 0

    with mock.patch.object(Group, "__post_init__"):  # the fewest words may make no sense together
        command.call(job, words)
    return found


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value by its name, or those of a dataclass by theirs."""
    if not dataclasses.is_dataclass(value):
        yield name, value
        return
    for field in dataclasses.fields(value):
        yield from leaves(field.name, getattr(value, field.name))


def options_of(job: str) -> dict[str, dict[str, Any]]:
    """Every option of a job: its kind, how many words it takes, its place among the others, and its default."""
    main = main_of(job)
    actions = {action.dest.replace("-", "_"): action for action in actions_of(main)}
    places = [name for name, action in actions.items() if not action.option_strings]
    needed = [name for name, action in actions.items() if action.required or name in places]
    words = [word for name in needed for word in (*actions[name].option_strings, filler(actions[name]))]
    defaults = values_of(main, words)
    assert set(defaults) == set(actions)
    found: dict[str, dict[str, Any]] = {}
    for name, action in sorted(actions.items()):
        found[name] = {"kind": action.metavar or "flag", "words": action.nargs}  # choices are in the metavar
        if name in places:
            found[name]["place"] = places.index(name)
        found[name] |= {"required": action.required} if name in needed else {"default": defaults[name]}
    return found


def filler(action: argparse.Action) -> str:
    """A word for an option that must be given."""
    return WORDS[str(action.metavar).strip("[]").split()[0]]


def as_text(options: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The list as JSON, an option a line."""
    parts = []
    for job, named in options.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(about, default=str)}" for name, about in named.items()]
        parts.append(f"{json.dumps(job)}: {{\n" + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def test_every_job_is_recorded() -> None:
    assert set(json.loads(RECORDED.read_text(encoding="utf-8"))) == set(JOBS)


@pytest.mark.parametrize("job", JOBS)
def test_the_options_of_a_job_are_the_recorded_ones(job: str) -> None:
    """Compared as text: 1, 1.0 and true are the same number in Python."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))[job]
    assert as_text({job: options_of(job)}).splitlines() == as_text({job: recorded}).splitlines()


if __name__ == "__main__":
    RECORDED.write_text(as_text({job: options_of(job) for job in JOBS}), encoding="utf-8")
