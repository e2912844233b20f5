"""Exports a trained model as one SavedModel directory that TF Serving serves unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mmtoolkit.decoding import Sample, Search, search_config
from mmtoolkit.errors import InputError
from mmtoolkit.evaluation import versions
from mmtoolkit.files import write_folder_atomically, write_json
from mmtoolkit.serving.golden import GOLDEN, TOLERANCE, Golden, golden_requests, tolerance_of
from mmtoolkit.serving.savedmodel import EXTRA, foreign_ops, read_model, served_signatures, versions_in
from mmtoolkit.serving.signatures import Signature
from mmtoolkit.serving.verify import Verdict, verify
from mmtoolkit.serving.warmup import write_warmup
from mmtoolkit.task import Task
from mmtoolkit.vision import RegionExtractor, load_extractor


@dataclass(frozen=True)
class Fixed:
    """Settings fixed at export, because requests have only pictures, questions and seeds.

    Args:
        precision: `"float32"`, or `"bfloat16"` for the extractor.
        decoding: The search; by default that of the preset.
        max_length: Longest sentence in tokens; by default that of the preset.
        n_best: Captions of the signature `n_best`.
        sample: How the signature `sample` draws.
    """

    precision: str = "float32"
    decoding: Search | None = None
    max_length: int | None = None
    n_best: int = 3
    sample: Sample = Sample()


class NotServable(InputError):
    """The exported model does not return in the server what the preset returns in Python; it was deleted."""


def export(
    task: Task[Any], model: Any, out: Path, *, fixed: Fixed = Fixed(), version: int | None = None
) -> tuple[Path, Verdict]:  # frozen
    """Exports a model as `out/<version>/`, a SavedModel for TF Serving, which appears only once it is verified.

    The task decides which signatures there are. Captioners get `serving_default` (`image_bytes <string>[batch]` to
    `caption <string>[batch]`, `score <float32>[batch]`, `tokens <string>[batch, time]`, `status <string>[batch]`),
    `n_best` (`captions`, `scores`), `sample` (with a `seed <int32>[batch]`), `from_regions`, and `attention`
    (`<float32>[batch, time, regions]` besides). Question-answerers get `serving_default` (`image_bytes` and `question`
    to `answers` and `probabilities`, the best five) and `attention`. A row whose image cannot be read has a `status`
    other than `"ok"` and nothing else.

    Example:
        In about a minute:
        >>> folder, verdict = export(mm.captioning, captioner, Path("models/shapes"))  # doctest: +SKIP
        >>> folder, verdict.problems  # doctest: +SKIP
        (PosixPath('models/shapes/1'), [])

    Args:
        task: The task of the model.
        model: A loaded preset.
        out: The model's directory, which the server watches.
        fixed: The settings that become part of the graph.
        version: By default one more than the newest there is.

    Returns:
        The directory of the version, and the verdict on it.

    Raises:
        InputError: The version is there already, the preset has nothing that the precision is for, or
            tensorflow-serving-api is not installed.
        NotServable: The exported model does not answer as the preset does.
    """
    ready = at_precision(model, fixed)
    extractor = served_extractor(ready)
    if extractor is None and fixed.precision != "float32":
        raise InputError(
            f"--precision is that of an encoder whose regions are stored. Received: {fixed.precision} for a preset "
            "without one; leave it out."
        )
    number = next_version(out) if version is None else version
    if (out / str(number)).exists():
        raise InputError(f"{out / str(number)} is there already; name another --version, or leave it out.")
    with write_folder_atomically(out / str(number)) as folder:  # a watching server never sees half a version
        signatures = task.signatures(ready, extractor, n_best=fixed.n_best, sample=fixed.sample)
        write_model(folder, ready, signatures)
        golden = golden_requests(task, ready, n_best=fixed.n_best, sample=fixed.sample, precision=fixed.precision)
        write_extra(folder, ready, fixed, list(golden))
        verdict = verify(folder)
        if verdict.problems:
            raise NotServable(f"the export is not what the preset is: {verdict.problems[0]}. Nothing was kept.")
    return out / str(number), verdict


def next_version(out: Path) -> int:
    """Returns one more than the newest version."""
    return max((int(folder.name) for folder in versions_in(out)), default=0) + 1


def at_precision(model: Any, fixed: Fixed) -> Any:
    """Copies a model for export: in float32, with its extractor at the given precision and with the given search.

    The decoder stays in float32: it is small beside the extractor, and its sums of log-probabilities need the digits.
    """
    if fixed.precision not in TOLERANCE:
        raise InputError(f"--precision is one of {', '.join(TOLERANCE)}. Received: {fixed.precision!r}.")
    extractor = {"extractor": replace(model.extractor, precision=fixed.precision)} if model.extractor else {}
    search = {"decoding": fixed.decoding or model.decoding, "max_length": fixed.max_length or model.max_length}
    copy = model.bare(dtype="float32", **search, **extractor)
    copy.card = model.card
    return copy


def served_extractor(model: Any) -> RegionExtractor | None:
    """Loads the extractor at its precision; `None` for a model with its own encoder or without images."""
    if model.extractor is None or not model.uses_images:
        return None
    return load_extractor(model.extractor).at_precision(model.extractor.precision)


def write_model(folder: Path, model: Any, signatures: Mapping[str, Signature]) -> None:
    """Writes a SavedModel with the given signatures, each weight once, those of a float16 preset in two bytes.

    Keras' own tracking is left out: with it a weight is stored twice, and a graph that holds a Keras model reloads in
    Python and fails in the server. Only the lookup tables must be tracked.
    """
    archive = keras.export.ExportArchive()
    for name in model.codec_names:
        archive.track(getattr(model, model.codec_attribute(name)).tables)
    halves = stored_halves(model)
    for name, signature in signatures.items():
        archive.add_endpoint(name, from_halves(signature.function, halves), input_signature=list(signature.inputs))
    plain = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    archive.write_out(str(folder), options=plain, verbose=False)


def stored_halves(model: Any) -> list[tuple[keras.Variable, tf.Variable]]:
    """Copies each weight of a model that float16 holds exactly, as of a preset saved so, to a variable of that type."""
    found = []
    for weight in model.variables:
        value = keras.ops.convert_to_numpy(weight)
        with np.errstate(over="ignore"):
            half = value.astype(np.float16)
        if value.dtype == np.float32 and np.array_equal(half, value):
            found.append((weight, tf.Variable(half, trainable=False, name=weight.name)))
    return found


def from_halves(
    function: Callable[..., Any], halves: Sequence[tuple[keras.Variable, tf.Variable]]
) -> Callable[..., Any]:
    """Makes a function compute with weights that it casts from float16 once a request, before any loop."""

    def call(*inputs: Any) -> Any:
        wide = [(weight, tf.cast(half, weight.dtype)) for weight, half in halves]
        with keras.StatelessScope(state_mapping=wide):
            return function(*inputs)

    return call


def write_extra(folder: Path, model: Any, fixed: Fixed, golden: Sequence[Golden]) -> None:
    """Writes the files beside the graph: golden requests, warm-up requests, and a card."""
    (folder / EXTRA).mkdir()
    tolerance = tolerance_of(model, fixed.precision)
    requests = [request.to_json() for request in golden]
    write_json(folder / EXTRA / GOLDEN, {"tolerance": tolerance, "requests": requests})
    write_warmup(folder, golden)
    graph = read_model(folder)
    signatures = served_signatures(graph)
    card = {
        "class": type(model).__name__,
        "precision": fixed.precision,
        "decoding": search_config(model.decoding),
        "max_length": model.max_length,
        "n_best": fixed.n_best,
        "sample": asdict(fixed.sample),
        "text_ops": foreign_ops(graph)[1],
        "signatures": {
            name: {
                side: {key: [tensor.dtype, list(tensor.shape)] for key, tensor in getattr(signature, side).items()}
                for side in ("inputs", "outputs")
            }
            for name, signature in signatures.items()
        },
        "versions": versions(),
        "preset": dict(model.card),
    }
    write_json(folder / EXTRA / "card.json", card)
