"""Verifies that an exported model returns in the server what the preset returns in Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmtoolkit.errors import InputError
from mmtoolkit.files import parse_json, read_whole
from mmtoolkit.serving.golden import GOLDEN, ROUNDED, TOLERANCE, Golden, pack, unpack
from mmtoolkit.serving.savedmodel import EXTRA, ServedSignature, foreign_ops, read_model, served_signatures

BATCHES = (1, 3)  # rows with which every signature is asked
TIMES = 5  # runs of a request; the first warms up
MOST_BYTES = 2**26  # of the golden requests
LONGEST = 1800  # seconds that all of them may take
RUNNER = Path(__file__).with_name("c_session.py")


@dataclass
class Verdict:
    """The result of verifying an exported model.

    Args:
        problems: Sentences, each with the signature and the input; none if the model is good.
        requests: Number of golden requests.
        megabytes: Size of the directory.
        load_seconds: Time to load the model.
        milliseconds: Median time of a request of one row, by signature.
        text_ops: Operations of tensorflow-text, which the stock server has and plain TensorFlow has not.
    """

    problems: list[str] = field(default_factory=list)
    requests: int = 0
    megabytes: float = 0.0
    load_seconds: float = 0.0
    milliseconds: dict[str, float] = field(default_factory=dict)
    text_ops: list[str] = field(default_factory=list)

    def as_json(self, folder: Path) -> dict[str, Any]:
        """Returns the verdict on a version as JSON."""
        return {"folder": str(folder), "good": not self.problems, **asdict(self)}

    def rows(self, folder: Path) -> list[list[str]]:
        """Returns the verdict on a version as the rows of a table."""
        bad = len(self.problems)
        rows = [[str(folder), f"{bad} differences" if bad else "answers as the preset does"]]
        rows += [["requests", str(self.requests)]]
        if self.megabytes:
            rows += [["size", f"{self.megabytes:.1f} MB"], ["load", f"{self.load_seconds:.1f} s"]]
        rows += [[name, f"{time:.0f} ms a row"] for name, time in sorted(self.milliseconds.items())]
        return rows + ([["of tensorflow-text", ", ".join(self.text_ops)]] if self.text_ops else [])


def verify(folder: Path) -> Verdict:
    """Checks the operations of a version, loads it without TensorFlow's Python, and replays its golden requests.

    A version with operations that exports do not have is not loaded: that alone runs a part of it.

    Example:
        Of an exported model:
        >>> verify(Path("models/shapes/1")).problems  # doctest: +SKIP
        []

    Args:
        folder: `DIR/<version>` that `export` wrote.

    Raises:
        InputError: It is no SavedModel, has operations that do more than compute, or has no golden requests.
    """
    model = read_model(folder)
    signatures, golden, tolerance = served_signatures(model), *read_golden(folder)
    refused, text = foreign_ops(model)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    verdict = Verdict(list(refused), len(golden), megabytes, text_ops=text)
    verdict.problems += unknown(golden, signatures)
    asked = [request for request in golden if fits(request, signatures)]
    replies = run(folder, [to_feed(request, signatures[request.signature]) for request in asked])
    if error := replies[0].get("error"):
        verdict.problems.append(f"the server would not load it: {error}")
        return verdict
    verdict.load_seconds = replies[0]["seconds"]
    for request, reply in zip(asked, replies[1:], strict=True):
        outputs = sorted(request.outputs)
        if error := reply.get("error"):
            verdict.problems.append(f"{named(request)}: {error}")
            continue
        found = dict(zip(outputs, map(unpack, reply["values"]), strict=True))
        verdict.problems += differences(request, found, tolerance)
        if rows(request) == 1:
            verdict.milliseconds[request.signature] = 1000 * float(np.median(reply["seconds"][1:]))
    verdict.problems += unasked(golden, signatures)
    return verdict


def replay(folder: Path, predict: Callable[[str, Mapping[str, np.ndarray]], Mapping[str, Any]]) -> Verdict:
    """Sends the golden requests to a live server.

    Args:
        folder: As for `verify`.
        predict: Returns the outputs of a signature for its inputs; raises `InputError` with the server's message.
    """
    golden, tolerance = read_golden(folder)
    verdict = Verdict(requests=len(golden))
    for request in golden:
        try:
            found = predict(request.signature, request.inputs)
        except InputError as error:
            verdict.problems.append(f"{named(request)}: {error}")
            continue
        verdict.problems += differences(request, found, tolerance)
    return verdict


def read_golden(folder: Path) -> tuple[list[Golden], float]:
    """Reads the golden requests of a version, and the tolerance of their numbers.

    Raises:
        InputError: There are none, they are damaged or too large, or their tolerance is none of an export's.
    """
    path = folder / EXTRA / GOLDEN
    try:
        content = parse_json(read_whole(path, most=MOST_BYTES).decode("utf-8"))
        if content["tolerance"] not in (*TOLERANCE.values(), ROUNDED):
            raise ValueError(f"its tolerance is {content['tolerance']!r:.50}")
        return [Golden.from_json(request) for request in content["requests"]], content["tolerance"]
    except FileNotFoundError as error:
        raise InputError(
            f"Expected a version that mmtoolkit export wrote, with golden requests. Received: {folder}, without "
            f"{EXTRA}/{GOLDEN}; export the preset again."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"{path} does not hold golden requests ({error}); export the preset again.") from error


def unasked(golden: Sequence[Golden], signatures: Mapping[str, ServedSignature]) -> Iterator[str]:
    """Lists the signatures without a golden request of one row or without one of several."""
    for name in signatures:
        found = sorted({rows(request) for request in golden if request.signature == name})
        if not set(BATCHES) <= set(found):
            yield f"signature {name}: its golden requests have {found or 'no'} rows, not {list(BATCHES)}; export again"


def unknown(golden: Sequence[Golden], signatures: Mapping[str, ServedSignature]) -> Iterator[str]:
    """Lists the golden requests whose signature, inputs or outputs the model does not have."""
    for name in dict.fromkeys(request.signature for request in golden):
        if name not in signatures:
            yield f"signature {name}: it is missing; there are {', '.join(signatures)}"
    for request in golden:
        if request.signature in signatures and not fits(request, signatures):
            there = signatures[request.signature]
            yield f"{named(request)}: its inputs are {sorted(there.inputs)}, its outputs {sorted(there.outputs)}"


def fits(request: Golden, signatures: Mapping[str, ServedSignature]) -> bool:
    """Checks whether the model has the request's signature with its inputs and outputs."""
    there = signatures.get(request.signature)
    return there is not None and set(request.inputs) == set(there.inputs) and set(request.outputs) <= set(there.outputs)


def to_feed(request: Golden, signature: ServedSignature) -> dict[str, Any]:
    """Converts a request to the JSON that `c_session.py` reads."""
    return {
        "feeds": {signature.inputs[name].tensor: pack(value) for name, value in request.inputs.items()},
        "fetches": [signature.outputs[name].tensor for name in sorted(request.outputs)],
        "times": TIMES if rows(request) == 1 else 1,
    }


def run(folder: Path, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Runs requests in a process that has TensorFlow's C library and none of its Python."""
    lines = "\n".join(map(json.dumps, requests))
    command = [sys.executable, str(RUNNER), str(folder)]
    try:
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return [{"error": f"its requests took longer than {LONGEST} seconds"}]
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    if not replies or ("error" not in replies[0] and len(replies) <= len(requests)):
        last = (done.stderr.strip() or "nothing was said").splitlines()[-1]
        return [{"error": f"the process ended with {done.returncode} ({last})"}]
    return replies


def rows(request: Golden) -> int:
    """Counts the rows of a request."""
    return len(next(iter(request.inputs.values())))


def named(request: Golden) -> str:
    """Describes a request for a message."""
    return f"signature {request.signature}, {rows(request)} rows of {', '.join(sorted(request.inputs))}"


def differences(request: Golden, found: Mapping[str, Any], tolerance: float) -> Iterator[str]:
    """Lists the differences between a reply and the preset's outputs.

    Numbers may differ by the tolerance. A string may be another one whose score in the preset is within the tolerance;
    its score may then differ by twice as much, and its tokens and attention weights are not compared.
    """
    tied = np.zeros(rows(request), bool)
    for name in sorted(request.outputs, key=lambda name: (name not in request.scored, name)):  # the sentences first
        expected, got = request.outputs[name], np.asarray(found.get(name))
        if got.shape != expected.shape:
            yield f"{named(request)}: {name} has the shape {list(got.shape)}, not {list(expected.shape)}"
            continue
        if (got.dtype == object) != (expected.dtype == object):
            yield f"{named(request)}: {name} has {'text' if got.dtype == object else 'numbers'}, not the other"
            continue
        for row in range(rows(request)):
            if expected.dtype != object:
                wrong = np.abs(got[row].astype(np.float64) - expected[row]).max(initial=0.0)
                limit = 2 * tolerance if tied[row] else tolerance
                if not wrong <= limit and not (tied[row] and name not in request.scored.values()):
                    yield f"{named(request)}, row {row}: {name} differs by {wrong:.2g}, more than {limit:g}"
            elif name in request.scored:
                ties = tied_texts(request, name, row, tolerance)
                texts = zip(np.ravel(got[row]), np.ravel(expected[row]), ties, strict=True)
                for text, wanted, good in texts:
                    if text != wanted and text.decode(errors="replace") in good:
                        tied[row] = True
                    elif text != wanted:
                        yield f"{named(request)}, row {row}: {name} is {shown(text)}, not {shown(wanted)}"
            elif np.any(got[row] != expected[row]) and not (tied[row] and expected.ndim > 1):
                yield f"{named(request)}, row {row}: {name} is {shown(got[row])}, not {shown(expected[row])}"


def tied_texts(request: Golden, name: str, row: int, tolerance: float) -> list[set[str]]:
    """Finds, for each string of a row, the others whose score in the preset is within the tolerance."""
    scores = np.ravel(request.outputs[request.scored[name]][row])
    return [{text for text, other in request.others[row] if abs(other - score) <= tolerance} for score in scores]


def shown(value: Any) -> str:
    """Shortens an array of strings for a message."""
    texts = [text.decode(errors="replace") for text in np.ravel(value).tolist()]
    return repr(" ".join(filter(None, texts))[:80])
