"""Mutates the JSON of a tiny preset: each mutant loads, or is refused in one sentence; nothing else, and at once.

    python benchmarks/fuzz_presets.py [--mutations 10000] [--first 0] [--seed 0] [--keep FOLDER]

A mutant differs from the preset in one to three places of `config.json`, a codec's files or `card.json`: a value is
replaced by one that has broken loaders before, a key is removed, renamed or doubled, or bytes of the text are changed.
Every fourth preset has the sizes and SHA-256 of its files in the card; the others are as an older version wrote them.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.models import Captioner, Model
from mmtoolkit.presets import seal

JSON, TEXT = ("config.json", "card.json", "codecs/words/codec.json"), "codecs/words/vocabulary.txt"
DEEP: Any = []
for _ in range(150):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        3,
        7,
        25,
        255,
        10**6,
        10**9,
        2**31,
        2**63,
        10**400,
        0.5,
        -0.5,
        1e400,
        float("nan"),
    ),
    *(
        "",
        "a",
        "lstm",
        "words",
        "small",
        "vgg19",
        "float32",
        "random",
        "../x",
        "/etc/passwd",
        "\ud800",
        "\x00",
        "x" * 9999,
    ),
    *([], {}, [[]], {"name": "Greedy"}, {"name": "BeamSearch", "width": 10**6}, {"name": "Sample", "seed": None}, DEEP),
    *({"class_name": "Lambda", "config": {}}, {"class_name": "TextCodec", "config": {"tokens": []}}, [1, 2], ["words"]),
    {"weights": "0" * 64, "precision": "float32"},
)


def main(*, mutations: int = 10_000, first: int = 0, seed: int = 0, seconds: int = 10, keep: Path | None = None) -> int:
    """Loads mutants of a tiny preset and counts what becomes of them; the exit code is 1 if one of them broke out.

    Args:
        mutations: Number of mutants.
        first: Number of the first, so that several processes can share them.
        seed: Random seed; the mutant of a number is the same however many there are.
        seconds: Seconds that a mutant may take.
        keep: Folder for the mutants that broke out.
    """
    counts: Counter[str] = Counter()
    longest = 0.0
    signal.signal(signal.SIGALRM, hung)
    with tempfile.TemporaryDirectory() as folder:
        preset = tiny_preset(Path(folder) / "preset")
        older = {name: (preset / name).read_bytes() for name in (*JSON, TEXT)}
        seal(preset)
        sealed = {**older, JSON[1]: (preset / JSON[1]).read_bytes()}
        for number in range(first, first + mutations):
            contents = sealed if number % 4 == 3 else older
            mutant = mutated(contents, random.Random(f"{seed}-{number}"))
            for name, content in {**contents, **mutant}.items():
                (preset / name).write_bytes(content)
            started = time.perf_counter()
            signal.alarm(seconds)
            outcome = outcome_of(preset)
            signal.alarm(0)
            longest = max(longest, time.perf_counter() - started)
            counts[outcome.partition(":")[0]] += 1
            if not outcome.startswith(("loaded", "refused")):
                tell(f"{number}: {outcome}; {sorted(mutant)}")
                if keep:
                    shutil.copytree(preset, keep / str(number), dirs_exist_ok=True)
            if (number + 1) % 1000 == 0:
                tell(f"{number + 1}: {dict(counts)}, longest {longest:.1f} s")
    sys.stdout.write("".join(f"{name}\t{count}\n" for name, count in counts.most_common()))
    sys.stdout.write(f"longest\t{longest:.2f} s\n")
    return int(set(counts) - {"loaded", "refused"} != set())


def hung(*_: Any) -> None:
    """Ends a mutant that takes too long."""
    raise TimeoutError("it takes too long")


def tiny_preset(folder: Path) -> Path:
    """Writes an untrained captioner of some hundred numbers, as an older version would: without SHA-256."""
    sizes = {"units": 2, "attention_units": 2, "embedding_dim": 2, "filters": (2,), "image_size": 8}
    model = Captioner(mm.TextCodec.fit(["a red circle"]), encoder="small", **sizes)
    model.build(model.input_shapes())
    model.save_preset(folder)
    card = {"seed": 0, "data": "none", "valid_share": 0.1, "options": {"units": 2}}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def outcome_of(preset: Path) -> str:
    """Returns `loaded`, `refused`, or the exception that broke out."""
    try:
        Model.from_preset(preset)
    except mm.InputError as error:
        return "refused" if "\n" not in str(error) and len(str(error)) < 2000 else f"no sentence: {str(error)[:200]!r}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "loaded"


def mutated(contents: dict[str, bytes], draw: random.Random) -> dict[str, bytes]:
    """Makes the changed files of one mutant."""
    changed: dict[str, bytes] = {}
    for _ in range(draw.choice((1, 1, 2, 3))):
        name = draw.choice((*JSON, JSON[0], JSON[0], TEXT))
        content = changed.get(name, contents[name])
        if name == TEXT or draw.random() < 0.2:
            changed[name] = with_other_bytes(content, draw)
            continue
        try:
            tree = json.loads(content)
        except (ValueError, RecursionError):  # of a mutation before
            continue
        changed[name] = json.dumps(with_other_node(tree, draw)).encode()
    return changed


def with_other_bytes(content: bytes, draw: random.Random) -> bytes:
    """Changes, inserts, removes or repeats bytes at one place."""
    start = draw.randrange(len(content) + 1)
    end = min(len(content), start + draw.choice((0, 1, 1, 5, 50)))
    sign = draw.choice(
        (b"", b'"', b"[", b"{", b"\xff", b"\x00", b"9" * 5000, b"[" * 20_000, b'"\\ud800"', b"\n", b"e99")
    )
    return content[:start] + draw.choice((sign, content[start:end] * 2)) + content[end:]


def with_other_node(tree: Any, draw: random.Random) -> Any:
    """Replaces, removes, renames or moves one node of a JSON tree."""
    places = list(places_in(tree))
    if not places:
        return copied(draw.choice(VALUES))
    holder, key = draw.choice(places)
    how = draw.random()
    if how < 0.7:
        holder[key] = copied(draw.choice(VALUES))
    elif how < 0.8:
        del holder[key]
    elif how < 0.9 and isinstance(holder, dict):
        other = draw.choice(("codec", "name", "embeddings", "extractor", "kwargs", "trainable", f"{key} ", "units"))
        holder[other] = holder.pop(key)
    else:
        other_holder, other_key = draw.choice(places)
        holder[key] = copied(other_holder[other_key])
    return tree


def copied(tree: Any) -> Any:
    """Copies a JSON tree, so that a mutant shares nothing with the next."""
    return json.loads(json.dumps(tree))


def places_in(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each value of a JSON tree as its holder and its key, the outermost first."""
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            yield holder, key
            waiting.append(holder[key])


if __name__ == "__main__":
    run(main)
