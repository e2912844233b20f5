"""Ranges of options: what they take, to the edge, and that an option has one range wherever it is."""

from __future__ import annotations

import importlib
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import pytest

from mmtoolkit.cli import model_options, options, ranges
from mmtoolkit.cli.arguments import helps_in, options_class
from mmtoolkit.errors import InputError
from mmtoolkit.pipelines import __main__ as entry

JOBS = tuple(entry.jobs(Path(entry.__file__).parent))
# The longest caption counts its end, a shipped model's may not; doctor cuts by any seed, of what it does not train on.
SEVERAL_RANGES = {"max_length", "seed"}


@dataclass(frozen=True, kw_only=True)
class Numbers(options.Group):
    count: ranges.Count = 1
    whole: ranges.Whole = 0
    weight: ranges.NotNegative = 0.0
    share: ranges.Share = 0.0
    rate: ranges.Positive = 1.0
    probability: ranges.Probability | None = None
    seed: ranges.Seed | None = None
    port: ranges.Port = 0
    at_least_two: Annotated[int, ranges.at_least(2)] = 2
    several: ranges.Count | Literal["all"] = 1


@pytest.mark.parametrize(
    ("name", "taken", "refused", "expected"),
    [
        ("count", [1, 10**12], [0, -1], "1 or more"),
        ("whole", [0, 7], [-1], "0 or more"),
        ("weight", [0.0, 0.5], [-1e-9, math.nan], "0 or more"),
        ("share", [0.0, 0.999], [1.0, -0.1, math.nan], "a share from 0 to below 1"),
        ("rate", [1e-12, 7.0], [0.0, -1.0, math.nan], "more than 0"),
        ("probability", [None, 1e-9, 1.0], [0.0, 1.0001], "more than 0 and at most 1"),
        ("seed", [None, 0, 2**32 - 1], [-1, 2**32], "a whole number from 0 to 4,294,967,295"),
        ("port", [0, 65535], [-1, 65536], "a number from 0 to 65535"),
        ("at_least_two", [2], [1], "2 or more"),
        ("several", [1, "all"], [0], "1 or more"),
    ],
)
def test_a_range_holds_to_its_edges(name: str, taken: list[Any], refused: list[Any], expected: str) -> None:
    for value in taken:
        assert getattr(Numbers(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(InputError) as caught:
            Numbers(**{name: value})
        assert str(caught.value) == f"--{name.replace('_', '-')} expects {expected}. Received: {value}."


@dataclass(frozen=True, kw_only=True)
class Texts(options.Group):
    question: str | None = None
    preset: str = "shapes_demo"
    words: tuple[str, ...] = ()
    three: tuple[str, str, str] | None = None
    data: Path | None = None


KOREAN = "강아지?".encode("cp949").decode("utf-8", "surrogateescape")  # as a terminal in CP949 gives it


@pytest.mark.parametrize("text", [KOREAN, "\ud800"])
@pytest.mark.parametrize("name", ["question", "preset", "words", "three"])
def test_text_that_is_not_utf8_is_refused(name: str, text: str) -> None:
    values = {"words": ("a", text), "three": ("a", "b", text)}
    with pytest.raises(InputError, match=f"^--{name} expects text in UTF-8. Received: '.*ud.*'; set the terminal"):
        Texts(**{name: values.get(name, text)})


def test_a_path_may_have_any_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So may a name that is the path of a preset or of word vectors."""
    monkeypatch.chdir(tmp_path)
    Path(KOREAN).mkdir()
    assert Texts(preset=KOREAN, data=Path(KOREAN), question="강아지?", words=("é", "👍🏽")).preset == KOREAN


def test_options_are_checked_in_every_base() -> None:
    """Contradictions of a group are refused wherever it stands among the bases, ranges before them."""

    @dataclass(frozen=True, kw_only=True)
    class First(model_options.Vision, options.Fitting): ...

    @dataclass(frozen=True, kw_only=True)
    class Last(options.Fitting, model_options.Vision): ...

    for kind in (First, Last):
        with pytest.raises(InputError, match="--encoder-weights is for an encoder like vgg19"):
            kind(encoder="small", encoder_weights="imagenet")
        with pytest.raises(InputError, match="--epochs expects 1 or more"):
            kind(encoder="small", encoder_weights="imagenet", epochs=0)


def classes() -> dict[type, str]:
    """The options of every job, and their groups, with the first job that has each."""
    found: dict[type, str] = {}
    for job in JOBS:
        owner = options_class(importlib.import_module(f"mmtoolkit.pipelines.{job.replace('-', '_')}").main)
        assert owner is not None, f"{job} takes no dataclass"
        found |= {base: job for base in owner.__mro__[:-1] if base not in found}
    return found


def test_no_help_is_written_twice() -> None:
    places = defaultdict(list)
    for owner in classes():
        for name, text in helps_in(owner.__doc__).items():
            places[text].append(f"{owner.__module__}.{owner.__qualname__}.{name}")
    assert len(places) > 80
    assert [where for where in places.values() if len(where) > 1] == []


def test_an_option_has_one_range_in_all_jobs() -> None:
    expected = defaultdict(set)
    for owner in classes():
        for name, hint in get_type_hints(owner, include_extras=True).items():
            expected[name].add(tuple(bounds.expected for bounds in ranges.ranges_in(hint)))
    assert expected["epochs"] == {("1 or more",)} and expected["dropout"] == {("a share from 0 to below 1",)}
    assert {name for name, kinds in expected.items() if len(kinds) > 1} == SEVERAL_RANGES
