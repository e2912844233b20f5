"""Golden requests: what a served model is asked before it ships, and what the preset itself answers."""

from __future__ import annotations

import base64
import io
import random
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mmtoolkit.decoding import Sample, Search
from mmtoolkit.models import Captioner, VisualQA
from mmtoolkit.scenes import draw_scene, sample_scene
from mmtoolkit.serving.client import strings
from mmtoolkit.serving.pictures import EMPTY, OK, STATUS, TOO_LARGE, UNREADABLE
from mmtoolkit.serving.signatures import ANSWERS, best_of, uniforms

GOLDEN = "golden.json"  # in assets.extra
TOLERANCE = {"float32": 1e-4, "bfloat16": 2e-2}  # of numbers; strings may differ within a tie of that size
SIDE, SCENES = 256, 8
ORIENTATION, TURNED = 0x0112, 6  # EXIF: to be turned right by a quarter
BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))
QUESTION = "how many circles are there?"

Values = dict[str, Any]  # by name: arrays, strings as objects of bytes


@dataclass(frozen=True)
class Golden:
    """A request and its answer.

    Args:
        signature: Which.
        inputs: Arrays by name, a row a picture; strings are bytes.
        outputs: As many rows.
        others: For each row the strings that are as good as those of the answer, each with its score.
    """

    signature: str
    inputs: Values
    outputs: Values
    others: list[list[tuple[str, float]]]

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        sides = {"inputs": self.inputs, "outputs": self.outputs}
        packed = {side: {name: pack(value) for name, value in values.items()} for side, values in sides.items()}
        return {"signature": self.signature, **packed, "others": self.others}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Golden:
        """From what `to_json` gave."""
        sides = [{name: unpack(value) for name, value in content[side].items()} for side in ("inputs", "outputs")]
        others = [[(text, score) for text, score in row] for row in content["others"]]
        return cls(content["signature"], sides[0], sides[1], others)


def pack(array: Any) -> dict[str, Any]:
    """An array as JSON: its type, its shape, and its bytes in base64, of each string apart."""
    array = np.asarray(array)
    if array.dtype.kind in "OSU":
        texts = [text.encode() if isinstance(text, str) else text for text in array.reshape(-1).tolist()]
        return {"dtype": "string", "shape": array.shape, "data": [base64.b64encode(text).decode() for text in texts]}
    return {"dtype": array.dtype.name, "shape": array.shape, "data": base64.b64encode(array.tobytes()).decode()}


def unpack(value: Mapping[str, Any]) -> np.ndarray:
    """The array that `pack` described; strings are bytes."""
    if value["dtype"] == "string":
        return strings(list(map(base64.b64decode, value["data"]))).reshape(value["shape"])
    return np.frombuffer(base64.b64decode(value["data"]), value["dtype"]).reshape(value["shape"])


def encoded(picture: Any, kind: str, **options: Any) -> bytes:
    """A picture's bytes in a format."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def turned() -> Any:
    """An EXIF block that says a picture lies on its side."""
    from PIL import Image

    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    return exif


def bomb(side: int = 30_000) -> bytes:
    """A small PNG that says it is huge."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def drawn_pictures() -> list[bytes]:
    """Scenes in several formats, one of them to be turned."""
    forms: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"quality": 90}),
        ("PNG", {}),
        ("JPEG", {"quality": 90, "exif": turned()}),
        ("WEBP", {"quality": 90}),
    ]
    scenes = [draw_scene(sample_scene(random.Random(seed)), size=SIDE) for seed in range(SCENES)]
    return [
        encoded(scene, kind, **options)
        for scene, (kind, options) in zip(scenes, forms * -(-SCENES // len(forms)), strict=False)
    ]


class Answering:
    """Answers as the preset does in Python, from the files of pictures.

    Args:
        model: The preset, as precise as the export.
        folder: Where the files of the pictures may lie.
    """

    def __init__(self, model: Captioner | VisualQA, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.source = None if getattr(model, "question_only", False) else model.image_source()

    def inputs(self, pictures: Sequence[bytes], questions: Sequence[str] = ()) -> dict[str, Any]:
        """The model's inputs."""
        found: dict[str, Any] = {}
        if self.source:
            paths = [self.folder / f"{number}" for number in range(len(pictures))]
            for path, data in zip(paths, pictures, strict=True):
                path.write_bytes(data)
            found[self.source.input_name] = self.source.read(paths)
        if questions:
            found["question"] = self.model.codec.encode_batch(questions, self.model.max_question)  # type: ignore[union-attr]
        return found


def golden_requests(model: Captioner | VisualQA, *, n_best: int, sample: Sample, precision: str) -> Iterator[Golden]:
    """Requests of one row and of three for each signature, some with pictures that cannot be read.

    Args:
        model: The preset, as precise as the export.
        n_best: As in `signatures_of`.
        sample: As in `signatures_of`.
        precision: A key of `TOLERANCE`.
    """
    with tempfile.TemporaryDirectory() as folder:
        preset = Answering(model, Path(folder))
        if isinstance(model, VisualQA):
            yield from asked(preset)
        else:
            yield from told(preset, n_best=n_best, sample=sample, tolerance=TOLERANCE[precision])


def told(preset: Answering, *, n_best: int, sample: Sample, tolerance: float) -> Iterator[Golden]:
    """The golden requests of a captioner."""
    captioner: Any = preset.model
    one, several = best_of(captioner.decoding, 1), best_of(captioner.decoding, n_best)
    wide = best_of(captioner.decoding, max(n_best, getattr(captioner.decoding, "width", 1)) + 2)
    pictures = decided(preset, wide, tolerance)
    others = candidates(preset, pictures, wide)
    for rows in (slice(0, 1), slice(0, 3)):
        batch, inputs = pictures[rows], preset.inputs(pictures[rows])
        best = [row[0] for row in captioner.sentences(inputs, one, captioner.codec)]
        answer = caption_values(captioner, best)
        yield Golden("serving_default", {"image_bytes": strings(batch)}, answer, others[rows])
        listed = captioner.sentences(inputs, several, captioner.codec)
        yield Golden("n_best", {"image_bytes": strings(batch)}, list_values(captioner, listed, n_best), others[rows])
        ready = regions(captioner, inputs)
        yield Golden("from_regions", {"regions": ready}, answer, others[rows])
        if captioner.has_attention:
            looks = np.zeros((len(batch), captioner.max_length, ready_regions(captioner)), np.float32)
            for place, seen in zip(looks, captioner.attention_weights(inputs, [text for text, _ in best]), strict=True):
                place[: len(seen)] = seen
            yield Golden("attention", {"image_bytes": strings(batch)}, {**answer, "attention": looks}, others[rows])
        seeds, drawn = draws(preset, batch, sample, tolerance)
        yield Golden("sample", {"image_bytes": strings(batch), "seed": seeds}, drawn, [[] for _ in batch])
    yield from with_bad_rows("serving_default", pictures, {}, caption_values(captioner, best[:1]), others[:1])


def asked(preset: Answering) -> Iterator[Golden]:
    """The golden requests of a question-answerer; one of the questions has no words."""
    model: Any = preset.model
    pictures, questions = drawn_pictures()[:3], [QUESTION, "", "is there a red square?"]
    for rows in (slice(0, 1), slice(0, 3)):
        inputs = preset.inputs(pictures[rows], questions[rows])
        wide = model.decode(inputs, model.best(2 * ANSWERS))
        answer = answer_values(model, [row[:ANSWERS] for row in wide])
        given: Values = {"question": strings(questions[rows])}
        if not model.question_only:
            given["image_bytes"] = strings(pictures[rows])
        others = [[(text, share) for text, share in row] for row in wide]
        yield Golden("serving_default", given, answer, others)
        if model.has_attention:
            looks = {**answer, "attention": model.attention_weights(inputs)}
            yield Golden("attention", given, looks, others)
    if not model.question_only:
        alone = {name: value[:1] for name, value in answer.items()}
        yield from with_bad_rows("serving_default", pictures, {"question": strings([QUESTION] * 3)}, alone, others[:1])


def with_bad_rows(
    signature: str, pictures: Sequence[bytes], given: Values, answer: Values, others: list[list[tuple[str, float]]]
) -> Iterator[Golden]:
    """The first picture among bytes that are none: its answer must be what it is alone, theirs empty with a status."""
    jpeg = pictures[0]
    for batch, status in (
        ([jpeg, b"", b"no picture"], [OK, EMPTY, UNREADABLE]),
        ([jpeg[: len(jpeg) // 2], bomb(), jpeg], [UNREADABLE, TOO_LARGE, OK]),
    ):
        outputs = {}
        for name, value in answer.items():
            blank = np.zeros_like(value) if value.dtype != object else np.full(value.shape, b"", object)
            rows = [value if found == OK else blank for found in status]
            outputs[name] = np.concatenate(rows)
        outputs["status"] = strings([STATUS[found] for found in status])
        listed = [others[0] if found == OK else [] for found in status]
        yield Golden(signature, {"image_bytes": strings(batch), **given}, outputs, listed)


def caption_values(captioner: Any, rows: Sequence[tuple[str, float]]) -> Values:
    """The outputs that say one caption a row."""
    found = list_values(captioner, [[row] for row in rows], 1)
    names = {"caption": "captions", "score": "scores", "tokens": "tokens"}
    return {**{name: found[many][:, 0] for name, many in names.items()}, "status": found["status"]}


def list_values(captioner: Any, rows: Sequence[Sequence[tuple[str, float]]], count: int) -> Values:
    """The outputs that say several captions a row; where there are fewer, nothing."""
    texts = np.full((len(rows), count), b"", object)
    scores = np.zeros((len(rows), count), np.float32)
    tokens = np.full((len(rows), count, captioner.max_length), b"", object)
    for place, row in enumerate(rows):
        for number, (text, score) in enumerate(row):
            (words,) = captioner.codec.split([text])
            texts[place, number], scores[place, number] = text.encode(), score
            tokens[place, number, : len(words)] = strings(words)
    return {"captions": texts, "scores": scores, "tokens": tokens, "status": strings([STATUS[OK]] * len(rows))}


def answer_values(model: Any, rows: Sequence[Sequence[tuple[str, float]]]) -> Values:
    """The outputs of a question-answerer."""
    count = min(ANSWERS, model.output_layer.units) if model.output_layer else ANSWERS
    texts, shares = np.full((len(rows), count), b"", object), np.zeros((len(rows), count), np.float32)
    for place, row in enumerate(rows):
        for number, (text, share) in enumerate(row):
            texts[place, number], shares[place, number] = text.encode(), share
    return {"answers": texts, "probabilities": shares, "status": strings([STATUS[OK]] * len(rows))}


def candidates(preset: Answering, pictures: Sequence[bytes], wide: Search) -> list[list[tuple[str, float]]]:
    """The best sentences of each picture, more than are asked for."""
    return preset.model.sentences(preset.inputs(pictures), wide, preset.model.codec)


def decided(preset: Answering, wide: Search, tolerance: float) -> list[bytes]:
    """Three drawn pictures: those first whose best caption no other comes near, so that rounding decides nothing."""
    pictures = drawn_pictures()
    rows = candidates(preset, pictures, wide)
    clear = [len(row) < 2 or row[0][1] - row[1][1] > 2 * tolerance for row in rows]
    order = sorted(range(len(pictures)), key=lambda place: not clear[place])
    chosen = [place for place in order if pictures[place].startswith(b"\xff\xd8")][:1]  # which can be cut in the midst
    return [pictures[place] for place in (chosen + [place for place in order if place not in chosen])[:3]]


def regions(captioner: Any, inputs: Mapping[str, Any]) -> np.ndarray:
    """What `from_regions` takes, `<float32>[batch, regions, features]`."""
    ready = captioner.encoder(inputs["images"]) if captioner.encoder_name == "small" else inputs["regions"]
    return np.asarray(ready, np.float32)


def ready_regions(captioner: Any) -> int:
    """How many regions the decoder looks at."""
    return captioner.pool.compute_output_shape(captioner.regions_shape())[1]


def draws(preset: Answering, pictures: Sequence[bytes], sample: Sample, tolerance: float) -> tuple[np.ndarray, Values]:
    """A seed for each picture whose draw a little rounding does not change, and what is drawn with it."""
    captioner: Any = preset.model
    seeds, found = [], []
    for picture in pictures:
        inputs = preset.inputs([picture])
        for seed in range(20):
            numbers = uniforms(tf.constant([seed]), captioner.max_length).numpy()
            shifted = [np.clip(numbers + shift, 0, BELOW_ONE) for shift in (0, -tolerance, tolerance)]
            told = [
                captioner.sentences({**inputs, "uniforms": drawn}, sample, captioner.codec)[0][0] for drawn in shifted
            ]
            if len({text for text, _ in told}) == 1:
                break
        seeds.append(seed)
        found.append(told[0])
    return np.array(seeds, np.int32), caption_values(captioner, found)
