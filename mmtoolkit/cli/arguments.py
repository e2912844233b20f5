"""The options of a job as a flat list: its keywords, or the fields of the one dataclass that it takes."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

Job = Callable[..., int | None]
EXPECTED = {int: "a whole number", float: "a number", str: "a word", Path: "a path"}


@dataclass(frozen=True)
class Argument:
    """One option of a job, by its Python name; one without a default must be given."""

    name: str
    kind: Any
    default: Any = MISSING
    help: str = ""
    positional: bool = False

    @property
    def hint(self) -> Any:
        """The type, annotated for tyro so that help and errors read well: `INT`, not `{None}|INT`."""
        silent = self.positional or self.default in (None, ())
        marks: list[Any] = [tyro.conf.arg(help=self.help or None, help_behavior_hint="" if silent else None)]
        if self.positional:
            marks.append(tyro.conf.Positional)
        if parser := words_parser(self.kind):
            marks.append(parser)
        return Annotated[(self.kind, *marks)]


def arguments_of(main: Job) -> list[Argument]:
    """Lists the options of a job.

    Those of a dataclass come as they are shown: first what must be given, then its own, then those of each base.

    Example:
        >>> def main(*, data: Path, epochs: int = 10) -> None:
        ...     '''Trains.
        ...
        ...     Args:
        ...         data: Where the pictures are.
        ...         epochs: Passes over them.
        ...     '''
        >>> [argument.help for argument in arguments_of(main)]
        ['Where the pictures are.', 'Passes over them.']
    """
    owner = options_class(main)
    described = owner or main
    kinds, marked = get_type_hints(described), get_type_hints(described, include_extras=True)
    defaults, helps = (fields_of(owner), helps_of(owner)) if owner else (keywords_of(main), helps_in(main.__doc__))
    return [
        Argument(
            name,
            kinds[name],
            default,
            helps.get(name, ""),
            positional=tyro.conf.Positional in getattr(marked[name], "__metadata__", ()),
        )
        for name, default in defaults.items()
    ]


def options_class(main: Job) -> type | None:
    """Returns the dataclass that is all that a job takes, or `None` where it takes keywords."""
    hints = get_type_hints(main)
    kinds = [hints.get(name) for name in inspect.signature(main).parameters]
    return kinds[0] if len(kinds) == 1 and isinstance(kinds[0], type) and dataclasses.is_dataclass(kinds[0]) else None


def keywords_of(main: Job) -> dict[str, Any]:
    """Returns the keywords of a function with their defaults."""
    parameters = inspect.signature(main).parameters.values()
    return {one.name: MISSING if one.default is one.empty else one.default for one in parameters}


def fields_of(owner: type) -> dict[str, Any]:
    """Returns the fields of a dataclass with their defaults: first what must be given, then class by class."""
    homes = {name: at for at, base in enumerate(owner.__mro__) for name in base.__dict__.get("__annotations__", {})}
    fields = sorted(dataclasses.fields(owner), key=lambda field: (field.default is not MISSING, homes[field.name]))
    return {field.name: field.default for field in fields}


def helps_of(owner: type) -> dict[str, str]:
    """Returns the help of each field of a dataclass, from the most derived class that documents it."""
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        found |= helps_in(base.__doc__)
    return found


def helps_in(docstring: str | None) -> dict[str, str]:
    """Parses the sentences under `Args:` of a docstring, by name.

    Example:
        >>> helps_in("Trains.\\n\\nArgs:\\n    units: Width of\\n        the state.\\n\\nRaises:\\n    Error: Never.")
        {'units': 'Width of the state.'}
    """
    section = re.search(r"^Args:\n((?: .*\n?|\n)+)", inspect.cleandoc(docstring or ""), re.MULTILINE)
    entries = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def assembled(main: Job, arguments: Sequence[Argument]) -> Callable[..., Callable[[], int | None]]:
    """Builds the function that tyro parses: it takes all options of a job and returns what runs the job with them."""
    owner = options_class(main)

    def job(**options: Any) -> Callable[[], int | None]:
        return lambda: main(owner(**options)) if owner else main(**options)

    parameters = [
        inspect.Parameter(
            argument.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if argument.default is MISSING else argument.default,
            annotation=argument.hint,
        )
        for argument in arguments
    ]
    job.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    job.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return job


def words_parser(kind: Any) -> tyro.constructors.PrimitiveConstructorSpec[Any] | None:
    """Returns the parser of numbers and of optional values; `None` where tyro's own errors read well.

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
