"""Golden requests: inputs that an exported model is verified with, and the outputs of the preset itself."""

from __future__ import annotations

import base64
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmtoolkit.decoding import Sample
from mmtoolkit.serving.client import strings
from mmtoolkit.serving.pictures import EMPTY, OK, STATUS, TOO_LARGE, UNREADABLE
from mmtoolkit.serving.probe_images import probe_images
from mmtoolkit.task import Task
from mmtoolkit.vision import ImageSource

GOLDEN = "golden.json"  # in assets.extra
# Of numbers, by precision; strings may differ within a tie of that size.
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}
# Of regions that deep networks with batch norms make: a runtime adds in another order, and where that tips the rounding
# to float16, a feature differs by 5e-4 of itself. VGG's few layers give the same to the bit.
ROUNDED = 2e-3

NUMBERS = ("float32", "int32", "int64")  # that signatures take and give

Values = dict[str, Any]  # by name: arrays, strings as objects of bytes


@dataclass(frozen=True)
class Golden:
    """A request and its expected outputs.

    Args:
        signature: Name of the signature.
        inputs: Arrays by name, a row a picture; strings are bytes.
        outputs: Arrays by name, with as many rows.
        others: For each row, further strings that the preset may return as well, each with its score.
        scored: For each output of strings, the output with their scores: strings tied in it count as equal.
    """

    signature: str
    inputs: Values
    outputs: Values
    others: list[list[tuple[str, float]]]
    scored: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Returns the request as JSON."""
        sides = {"inputs": self.inputs, "outputs": self.outputs}
        packed = {side: {name: pack(value) for name, value in values.items()} for side, values in sides.items()}
        return {"signature": self.signature, **packed, "others": self.others, "scored": dict(self.scored)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Golden:
        """Reads what `to_json` returned.

        Raises:
            ValueError: It is something else; also `KeyError`, `TypeError` or `AttributeError`.
        """
        sides = [{name: unpack(value) for name, value in content[side].items()} for side in ("inputs", "outputs")]
        others = [[(str(text), float(score)) for text, score in row] for row in content["others"]]
        scored = dict(content.get("scored", {}))
        lengths = {len(value) for side in sides for value in side.values()}
        if not sides[0] or lengths != {len(others)}:
            raise ValueError("its inputs, outputs and others have not as many rows as each other")
        pairs = [(sides[1][text], sides[1][score]) for text, score in scored.items() if text in sides[1]]
        if any(texts.shape != scores.shape for texts, scores in pairs):
            raise ValueError("its strings have not as many scores")
        return cls(str(content["signature"]), sides[0], sides[1], others, scored)


def pack(array: Any) -> dict[str, Any]:
    """Packs an array as JSON: its type, its shape, and its bytes in base64, of each string apart."""
    array = np.asarray(array)
    if array.dtype.kind in "OSU":
        texts = [text.encode() if isinstance(text, str) else text for text in array.reshape(-1).tolist()]
        return {"dtype": "string", "shape": array.shape, "data": [base64.b64encode(text).decode() for text in texts]}
    return {"dtype": array.dtype.name, "shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}


def unpack(value: Mapping[str, Any]) -> np.ndarray:
    """Reads the array that `pack` described; strings are bytes."""
    if value["dtype"] == "string":
        return strings(list(map(base64.b64decode, value["data"]))).reshape(value["shape"])
    if value["dtype"] not in NUMBERS:
        raise ValueError(f"numbers are one of {', '.join(NUMBERS)}, not {value['dtype']!r:.50}")
    return np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"])


@dataclass(frozen=True)
class Probes:
    """Images for golden requests, in bytes as a client sends them and in files as the preset reads them.

    Args:
        images: Encoded images in several formats.
        folder: Where their files are written.
        source: Where features or pixels come from; `None` for a model without images.
    """

    images: Sequence[bytes]
    folder: Path
    source: ImageSource | None

    def files(self, images: Sequence[bytes]) -> list[Path]:
        """Writes images to files and returns the paths."""
        paths = [self.folder / f"{zlib.crc32(data)}-{number}" for number, data in enumerate(images)]
        for path, data in zip(paths, images, strict=True):
            path.write_bytes(data)
        return paths


def golden_requests(task: Task[Any], model: Any, *, n_best: int, sample: Sample, precision: str) -> Iterator[Golden]:
    """Yields requests of one row and of three for each signature, some with images that cannot be read.

    `model` is the preset at the precision of the export, a key of `TOLERANCE`.
    """
    with tempfile.TemporaryDirectory() as folder:
        probes = Probes(probe_images(), Path(folder), model.image_source() if model.uses_images else None)
        yield from task.golden(model, probes, n_best=n_best, sample=sample, tolerance=tolerance_of(model, precision))


def tolerance_of(model: Any, precision: str) -> float:
    """Returns by how much the numbers of an export may differ from those of the preset."""
    deep = model.extractor is not None and not model.extractor.backbone.name.startswith("vgg")
    return max(TOLERANCE[precision], ROUNDED) if deep else TOLERANCE[precision]


def ok(rows: int) -> np.ndarray:
    """Returns the status `ok` for a number of rows."""
    return strings([STATUS[OK]] * rows)


def with_unreadable_rows(
    signature: str,
    images: Sequence[bytes],
    given: Values,
    answer: Values,
    others: list[list[tuple[str, float]]],
    scored: Mapping[str, str],
) -> Iterator[Golden]:
    """Yields requests that mix the first image with unreadable ones; only the first has outputs besides its status.

    Args:
        signature: The signature.
        images: Encoded images; the first one is a JPEG file.
        given: Further inputs of three rows.
        answer: The outputs for the first image alone, one row.
        others: As in `Golden`, one row.
        scored: As in `Golden`.
    """
    jpeg = images[0]
    for batch, statuses in (
        ([jpeg, b"", b"no picture"], [OK, EMPTY, UNREADABLE]),
        ([jpeg[: len(jpeg) // 2], bomb(), jpeg], [UNREADABLE, TOO_LARGE, OK]),
    ):
        outputs = {}
        for name, value in answer.items():
            blank = np.zeros_like(value) if value.dtype != object else np.full(value.shape, b"", object)
            outputs[name] = np.concatenate([value if status == OK else blank for status in statuses])
        outputs["status"] = strings([STATUS[status] for status in statuses])
        listed = [others[0] if status == OK else [] for status in statuses]
        yield Golden(signature, {"image_bytes": strings(batch), **given}, outputs, listed, scored)


def bomb(side: int = 30_000) -> bytes:
    """Makes a small PNG file whose header declares a huge image."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
