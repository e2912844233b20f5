"""Checks the arguments in a preset's `config.json` before anything is built: the file is untrusted.

What a class takes, and of which type, its constructor says; the ranges and the choices of each name are listed here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmtoolkit.backbones import SIDES, Backbone, check_kind
from mmtoolkit.decoding import SEARCHES
from mmtoolkit.errors import InputError, did_you_mean, shortened
from mmtoolkit.layers.cells import CELLS, cell_named
from mmtoolkit.layers.forms import ATTENTIONS, GATES
from mmtoolkit.layers.fusion import FUSIONS
from mmtoolkit.layers.registered import DTYPES, is_data
from mmtoolkit.vision import ExtractorKey
from mmtoolkit.vision.digests import SHA256
from mmtoolkit.vision.extractor import VGG19_REGIONS

CHOICES: dict[str, tuple[str, ...]] = {
    "attention": ATTENTIONS,
    "dtype": DTYPES,
    "fusion": FUSIONS,
    "gated_context": GATES,
    "head": ("classify", "generate"),
    "precision": ("float32", "bfloat16"),
}
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("units", "embedding_dim", "attention_units", "region_units"), (1, 8192)),
    **dict.fromkeys(("dropout", "word_dropout", "memory_dropout", "crop"), (0.0, 1.0)),
    **{
        "filters": (1, 1024),
        "kernels": (1, 15),
        "regions": (1, 65_536),
        "layers": (1, 8),
        "hops": (1, 2),
        "image_size": (8, SIDES[1]),
        "pool": (1, 32),
    },
    **{"window": (1, 100_000), "max_length": (1, 1000), "max_question": (1, 10_000), "attention_penalty": (0.0, 1e6)},
    **{"width": (1, 256), "n_best": (1, 256), "groups": (1, 256), "min_length": (0, 1000), "no_repeat_ngram": (0, 64)},
    **{"length_penalty": (0.0, 100.0), "diversity": (0.0, 1e6), "temperature": (1e-6, 1e6), "top_p": (0.0, 1.0)},
    **{"top_k": (0, 2**31), "seed": (0, 2**63)},
}
CHECKED: dict[str, tuple[Callable[[str], Any], str]] = {  # what raises for a wrong name, and what is expected
    "cell": (
        cell_named,
        f"one of {', '.join(CELLS)}, or the name of a registered class, whose module is imported first,",
    ),
    "encoder": (check_kind, "small or the name of a network of keras.applications"),
    "network": (Backbone, "the name of a network of keras.applications and one of its layers"),
}
OWN = {"attention", "encoder"}  # can be layers of your own
ANY = (-(2**31), 2**31)  # of a number that only a class of another package has
MOST_COMPARED = 2**28  # numbers that a step of a beam compares with the regions of a picture
MOST_FILTERS, MOST_VALUES = 8, 2**23  # of the CNN, and of a layer of it for a picture: 512 x 512 in 32 channels
SLACK = 16


def check_arguments(path: Path, kind: type, given: Mapping[str, Any]) -> None:
    """Checks the arguments of a model in its preset.

    Args:
        path: The `config.json`, for errors.
        kind: The model's class.
        given: The arguments, without codecs: those are files of the preset.

    Raises:
        InputError: There is no such argument, or a value is of another type or out of its range.
    """
    for name, received, expected in faults(given, arguments_of(kind)):
        raise InputError(
            f"{path} does not describe a {kind.__name__}: expected {expected} for {shortened(name)}. Received: "
            f"{shortened(received)}; copy the whole directory again."
        )


def arguments_of(kind: type) -> dict[str, str]:
    """Returns the annotations of the arguments that a class and those whose arguments it passes on can have in JSON."""
    found: dict[str, str] = {}
    for taker in takers(kind):
        for name, argument in inspect.signature(vars(taker)["__init__"]).parameters.items():
            if argument.kind is argument.KEYWORD_ONLY and "np." not in str(argument.annotation):
                found[name] = str(argument.annotation)
    found.pop("name", None)
    return found


def takers(kind: type) -> Iterator[type]:
    """Yields a class, and those that get the further arguments of its constructor: bases, or what it is built of."""
    for each in kind.__mro__:
        if each.__module__.partition(".")[0] == "keras":
            return
        if "__init__" in vars(each):
            yield from (each, *vars(each).get("passes_on", ()))
            parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                return


def faults(given: Mapping[str, Any], annotations: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """Yields what is wrong with JSON values: name, value, and what was expected."""
    for name, value in given.items():
        if name not in annotations:
            yield name, value, f"one of the arguments {', '.join(sorted(annotations))}, not this name"
        elif name == "extractor" and isinstance(value, Mapping):
            yield from faults(value, ExtractorKey.__annotations__)
            yield from ((key, value, "both of them") for key in ("weights", "precision") if key not in value)
        elif name == "decoding":
            yield from search_faults(value)
        elif expected := mismatch(name, annotations[name], value):
            yield name, value, expected


def search_faults(value: Any) -> Iterator[tuple[str, Any, str]]:
    """Yields what is wrong with the JSON of a search."""
    name = value.get("name") if isinstance(value, Mapping) else None
    if isinstance(name, str) and name in SEARCHES:
        options = {key: option for key, option in value.items() if key != "name"}
        yield from faults(options, getattr(SEARCHES[name], "__annotations__", {}))
    else:
        yield "decoding", name if isinstance(value, Mapping) else value, f"the name {' or '.join(SEARCHES)} of a search"


def mismatch(name: str, annotation: str, value: Any) -> str:
    """Returns what was expected of a value, in words; nothing where it fits."""
    if value is None:
        return "" if "None" in annotation or annotation == "Any" else "a value"
    if name in OWN and isinstance(value, Mapping):
        own = value.get("config")
        fits = set(value) == {"class", "config"} and isinstance(value["class"], str) and (own is None or is_data(own))
        return "" if fits else "the registered class of a layer, and numbers, texts and lists as its arguments"
    if name in CHECKED:
        check, expected = CHECKED[name]
        try:
            return expected if not isinstance(value, str) or check(value) is None else ""
        except InputError:
            return expected
    if name in CHOICES:
        return "" if isinstance(value, str) and value in CHOICES[name] else f"one of {', '.join(CHOICES[name])}"
    if name == "weights":
        fits = isinstance(value, str) and (value == "random" or SHA256.fullmatch(value) is not None)
        return "" if fits else "random or the SHA-256 of a weights file, 64 hexadecimal digits"
    least, most = RANGES.get(name, ANY)
    if annotation.startswith("Sequence[int]"):
        fits = isinstance(value, list) and 0 < len(value) <= MOST_FILTERS
        fits = fits and all(type(each) is int and least <= each <= most for each in value)
        return "" if fits else f"a list of 1 to {MOST_FILTERS} whole numbers from {least} to {most}"
    if annotation.startswith("bool"):
        return "" if isinstance(value, bool) else "true or false"
    if annotation.startswith("int"):
        return "" if type(value) is int and least <= value <= most else f"a whole number from {least} to {most}"
    if annotation.startswith("float"):
        fits = type(value) in (int, float) and least <= value <= most  # as no NaN is
        return "" if fits else f"a number from {least:g} to {most:g}"
    if annotation.startswith("ExtractorKey"):
        return "one JSON object"
    return "" if isinstance(value, str | int | float) else "a text or a number"


def check_widths(path: Path, given: Mapping[str, Any], words: int, numbers: int) -> None:
    """Checks the widths of a model against the numbers in its weights file, before memory is taken for them.

    A model has matrices of about its largest width times its largest vocabulary, or its pixels; sixteen times as many
    numbers as its file has are more than any has.

    Args:
        path: The `config.json`, for errors.
        given: The checked arguments of the model.
        words: Tokens of its largest vocabulary.
        numbers: Numbers in its weights file.

    Raises:
        InputError: It would be many times as large as its file.
    """
    width = max(given.get("units", 1), given.get("embedding_dim", 1), given.get("region_units") or 1)
    if width * max(words, width) > SLACK * numbers:
        raise InputError(
            f"{path} describes a model of width {width:,} with {words:,} tokens. Received: a weights file of "
            f"{numbers:,} numbers, far too few; copy the whole directory again."
        )
    shape = given.get("regions") or extracted_shape(given)
    if shape and shape[-1] * max(width, given.get("attention_units", 1)) > SLACK * numbers:
        raise InputError(
            f"{path} describes regions of {shape[-1]:,} features. Received: a weights file of {numbers:,} numbers, far "
            "too few; copy the whole directory again."
        )
    small = given.get("encoder") == "small" and not given.get("question_only")
    filters, side = given.get("filters") or [1], given.get("image_size") or 1
    pixels = max(channels * (side >> place) ** 2 for place, channels in enumerate(filters))
    if small and pixels > MOST_VALUES:
        raise InputError(
            f"{path} describes a CNN of {pixels:,} values for a picture; expected at most {MOST_VALUES:,}: give a "
            "smaller image_size or fewer filters."
        )
    kernels = given.get("kernels") or [3] * len(filters)
    held = sum(a * b * side**2 for a, b, side in zip(filters, filters[1:], kernels[1:], strict=False))
    if small and held > SLACK * numbers:
        raise InputError(
            f"{path} describes a CNN of {held:,} weights. Received: a weights file of {numbers:,} numbers, far too "
            "few; copy the whole directory again."
        )
    decoding = given.get("decoding")
    beam = decoding.get("width", 1) if isinstance(decoding, Mapping) else 1
    count = math.prod(shape[:-1]) if shape else (side // 8) ** 2
    compared = count * max(beam * given.get("attention_units", 1), given.get("region_units") or 1)
    if compared > MOST_COMPARED:
        raise InputError(
            f"{path} describes attention of {compared:,} values for a picture; expected at most {MOST_COMPARED:,}: "
            "give a narrower beam, a smaller image_size or fewer attention_units."
        )


def extracted_shape(given: Mapping[str, Any]) -> tuple[int, ...]:
    """Returns rows, columns and features of the regions of a preset's extractor; nothing where it has none."""
    extractor = given.get("extractor")
    if not isinstance(extractor, Mapping) or given.get("question_only"):
        return ()
    return Backbone(extractor.get("network", VGG19_REGIONS)).shape


def check_names(given: Mapping[str, Any], taker: type, name: str) -> None:
    """Checks the names of arguments that a model passes on to one of its layers.

    Raises:
        TypeError: The layer has no argument of a name; similar ones are named.
    """
    known = list(inspect.signature(taker).parameters)
    for wrong in given.keys() - set(known):
        raise TypeError(f"{name} has no argument {wrong!r}.{did_you_mean(wrong, known)}")
