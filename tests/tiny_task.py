"""A task of its own, no line of which is in the library: the colour of a plain image, by a lookup table.

Whoever wonders what a new task needs finds it here: record, reader, metric, model, task.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image

import mmtoolkit as mm
from mmtoolkit.data import batch_plan, in_batches
from mmtoolkit.decoding import best_of, search_config, search_from_config
from mmtoolkit.labelling import Form
from mmtoolkit.models import Model
from mmtoolkit.readers import Fault
from mmtoolkit.serving.client import strings
from mmtoolkit.serving.golden import Golden, ok, with_unreadable_rows
from mmtoolkit.serving.signatures import IMAGES, Signature, image_inputs, readable, sentences
from mmtoolkit.task import Evaluation, Grades, Metric, PictureView, Section, Task, View
from mmtoolkit.text import SPECIAL
from mmtoolkit.vision import Pictures, read_image

SIDE = 8
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}


@dataclass(frozen=True)
class ColourRecord:
    """One image with the name of its colour."""

    image: Path
    name: str
    colour: str = ""
    split: str | None = None
    source: str = ""
    noun: ClassVar[str] = "colour"
    input: ClassVar[str] = ""

    @property
    def id(self) -> str:
        return self.name

    @property
    def group(self) -> str:
        return self.name

    @property
    def image_id(self) -> str:
        return self.name

    @property
    def references(self) -> tuple[str, ...]:
        return (self.colour,) if self.colour else ()

    @property
    def texts(self) -> tuple[tuple[str, str], ...]:
        return ((self.colour, self.source),)

    @property
    def content(self) -> tuple[Any, ...]:
        return self.name, self.colour


def write_colours(folder: Path, names: Sequence[str] = tuple(COLOURS), count: int = 6) -> Path:
    """Writes so many images of each colour and `colours.csv`, split."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(count):
        for name in names:
            image = f"images/{name}-{number}.png"
            pixels = np.clip(np.array(COLOURS.get(name, (0, 0, 0))) - 9 * number, 0, 255).astype(np.uint8)
            Image.fromarray(np.broadcast_to(pixels, (16, 16, 3)).copy()).save(folder / image)
            rows.append((image, name, ("valid", "test", *["train"] * count)[number]))
    with (folder / "colours.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("image", "colour", "split"), *rows])
    return folder


class ErrorRate(Metric):
    """The percentage of wrong outputs, of which less is better."""

    names = ("error rate",)
    columns = ("images", "error rate")
    row_scores = ("error rate",)

    def statistics(self, outputs: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> Any:
        return {key: (1.0, float(outputs[key] not in references[key])) for key in references}

    def scores(self, sums: Sequence[float]) -> dict[str, float]:
        return {"error rate": 100 * sums[1] / sums[0]}

    def better(self, name: str) -> Any:
        return "lower"

    def digits(self, name: str) -> int:
        return 1


@keras.saving.register_keras_serializable("mmtoolkit")
class ColourTable(Model):
    """Looks up the logits of the colours by which of the three channels are bright."""

    uses_images = True
    has_attention = False
    image_size = SIDE
    grid = (1, 1)

    def __init__(self, codec: mm.TextCodec, *, decoding: Any = mm.Greedy(), max_length: int = 1, **kwargs: Any) -> None:  # noqa: B008
        super().__init__(**kwargs)
        self.codec, self.decoding, self.max_length = codec, search_from_config(decoding), max_length
        self.card: dict[str, Any] = {}

    def build(self, input_shape: Any = None) -> None:
        self.table = self.add_weight(shape=(8, len(self.codec.vocabulary) - len(SPECIAL)), name="table")
        self.built = True

    def input_shapes(self) -> dict[str, Any]:
        return {"images": (None, SIDE, SIDE, 3)}

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        bright = ops.cast(ops.mean(ops.cast(inputs["images"], "float32"), axis=(1, 2)) > 100, "int32")
        return ops.take(ops.convert_to_tensor(self.table), ops.sum(bright * ops.array([4, 2, 1]), axis=-1), axis=0)

    def search(self, inputs: Mapping[str, Any], decoding: Any = None, *, fused: bool = False) -> Any:
        count = min(getattr(decoding or self.decoding, "n_best", 1), self.table.shape[1])
        scores, chosen = ops.top_k(ops.log_softmax(self(inputs)), count)
        return ops.expand_dims(ops.cast(chosen, "int32") + len(SPECIAL), -1), scores

    def decode(self, inputs: Mapping[str, Any], decoding: Any = None) -> list[list[mm.Caption]]:
        return [[mm.Caption(*best) for best in row] for row in self.sentences(inputs, decoding, self.codec)]

    def image_source(self) -> Pictures:
        return Pictures(SIDE, keep=False)

    def get_config(self) -> dict[str, Any]:
        return {"codec": self.codec, "decoding": search_config(self.decoding), "max_length": self.max_length}


class Colours(Task[ColourRecord]):
    """Names the colour of an image."""

    name = "colours"
    model_class = "ColourTable"
    noun = "colour"
    record_noun = "colour"
    unit = "images"
    form = Form("colours.csv", ("colour",))
    metric: ClassVar[ErrorRate] = ErrorRate()
    grades = ("right", "wrong")

    def files(self, folder: Path) -> list[Path]:
        if not (folder / "colours.csv").is_file():
            raise mm.InputError(f"expected colours.csv. Received: {folder} without it.")
        return [folder / "colours.csv"]

    def load(
        self, path: Path, *, splits: Iterable[str] | None = None, on_error: str = "fail", exclude: Path | None = None
    ) -> tuple[list[ColourRecord], list[Fault]]:
        (table,) = self.files(path) if path.is_dir() else [path]
        with table.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
        records = [
            ColourRecord(
                table.parent / row["image"], row["image"], row["colour"], row.get("split") or None, f"{table}:{number}"
            )
            for number, row in enumerate(rows, start=2)
        ]
        return [record for record in records if splits is None or record.split in splits], []

    def example(self, image: Any, text: str = "") -> ColourRecord:
        return ColourRecord(image, str(image))

    def texts(self, records: Sequence[ColourRecord]) -> dict[str, list[str]]:
        return {"words": [record.colour for record in records]}

    def inputs(self, model: Any, examples: Sequence[ColourRecord], source: Any) -> dict[str, Any]:
        return {source.input_name: source.read([example.image for example in examples])}

    def dataset(self, model: Any, records: Sequence[ColourRecord], source: Any, **order: Any) -> Any:
        ids = [int(row[1]) - len(SPECIAL) for row in model.codec.encode_all([record.colour for record in records])]
        width = len(model.codec.vocabulary) - len(SPECIAL)

        def read(chosen: np.ndarray) -> Any:
            targets = np.eye(width, dtype=np.float32)[[ids[index] for index in chosen]]
            return self.inputs(model, [records[index] for index in chosen], source), targets, np.ones(len(chosen), "f4")

        images = {source.input_name: tf.TensorSpec((None, *source.shape), source.dtype)}
        specs = images, tf.TensorSpec((None, width), tf.float32), tf.TensorSpec((None,), tf.float32)
        plan = partial(batch_plan, np.zeros(len(records), int), batch_size=order["batch_size"], seed=order["seed"])
        return in_batches(read, specs, plan, epoch=order["epoch"], step=order["step"])

    def loss(self, model: Any, label_smoothing: float) -> Any:
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)

    def search(self, model: Any, n_best: int = 1) -> Any:
        return model.decoding if n_best == 1 else best_of(model.decoding, n_best)

    def fit_baselines(self, train: Sequence[ColourRecord]) -> dict[str, Any]:
        return {"first": train[0].colour}

    def baselines(self, evaluation: Evaluation) -> dict[str, Any]:
        first = evaluation.model.baselines.get("first", "")
        return {"first colour": dict.fromkeys(evaluation.outputs, first)}

    def grade(self, evaluation: Evaluation) -> Grades:
        return Grades({key: self.grades[int(row[1])] for key, row in evaluation.statistics.items()})

    def details(self, evaluation: Evaluation) -> dict[str, Any]:
        return {"different_colours": len(set(evaluation.outputs.values()))}

    def sections(self, report: Mapping[str, Any]) -> list[Section]:
        return [Section("Colours", [["different colours"], [str(report["different_colours"])]])]

    def views(self, model: Any, examples: Sequence[ColourRecord], outputs: Sequence[str], source: Any) -> list[View]:
        images = [read_image(example.image, size=32) for example in examples]
        return [
            PictureView(image, [output], np.ones((1, 1, 1), np.float32))
            for image, output in zip(images, outputs, strict=True)
        ]

    def signatures(self, model: Any, extractor: Any, *, n_best: int, sample: Any) -> dict[str, Signature]:
        images = image_inputs(model, extractor)

        def serving_default(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            inputs, status = images(image_bytes)
            found = sentences(model.codec, *model.search(inputs))
            return readable({"colour": found["caption"][:, 0], "score": found["score"][:, 0]}, status)

        return {"serving_default": Signature((IMAGES,), serving_default)}

    def golden(self, model: Any, probes: Any, **options: Any) -> Iterator[Golden]:
        pictures = list(probes.images[:3])
        for count in (1, 3):
            examples = [self.example(path) for path in probes.files(pictures[:count])]
            outputs = [row[0] for row in model.decode(self.inputs(model, examples, probes.source))]
            colours, scores = strings([best.text for best in outputs]), np.array([best.score for best in outputs], "f4")
            answer = {"colour": colours, "score": scores, "status": ok(count)}
            others = [[(best.text, best.score)] for best in outputs]
            given = {"image_bytes": strings(pictures[:count])}
            yield Golden("serving_default", given, answer, others, {"colour": "score"})
        alone = {name: value[:1] for name, value in answer.items()}
        yield from with_unreadable_rows("serving_default", pictures, {}, alone, others[:1], {"colour": "score"})


colours = Colours()


def new_model(records: Sequence[ColourRecord]) -> ColourTable:
    """A table that knows nothing yet."""
    keras.utils.set_random_seed(0)
    model = ColourTable(mm.TextCodec.fit([record.colour for record in records], level="whole"))
    model.build()
    return model
