"""Every layer and every model, listed once.

Whoever adds a layer or a model adds a line to CASES: a test compares the table with what the package holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.trainers import trainer

from mmtoolkit.layers import (
    AttentionDecoder,
    BahdanauAttention,
    CoupledLSTMCell,
    DepthGatedLSTMCell,
    Fusion,
    GRUCell,
    GRULectureCell,
    HardAttention,
    JordanCell,
    LSTMCell,
    PeepholeLSTMCell,
    RegionCrop,
    RegionPool,
    RNNCell,
    SequenceEncoder,
    SmallCNN,
    TokenEmbedding,
    TrainableBlock,
    VanillaCell,
    VisualEncoder,
)
from mmtoolkit.models import Captioner, LanguageModel, VisualQA
from mmtoolkit.text import TextCodec

BATCH, REGIONS, FEATURES, UNITS, TIME, SIZE = 2, 5, 3, 4, 3, 9
CODEC = TextCodec.fit(["a b c d e"])  # nine tokens with the special ones
ANSWERS = TextCodec.fit(["red", "blue", "a dog"], level="whole")
SIZES = {"units": UNITS, "embedding_dim": 6, "attention_units": 7, "dropout": 0.0}


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


TOKENS = np.array([[1, 4, 5], [1, 7, 7]], "int32")
VALUES = floats(BATCH, REGIONS, FEATURES)
BLOCK = "mobilenetv3small-expanded_conv_7_add@64"
KEY = {"weights": "random", "precision": "float32", "network": BLOCK}
BEFORE = floats(BATCH, 16, 48, seed=1)
IMAGES = np.random.default_rng(0).integers(0, 256, (BATCH, 16, 16, 3)).astype("uint8")
PREFIXES = np.array([[True, True, True, True, True], [True, True, False, False, False]])
QUESTIONS = np.array([[1, 4, 5, 2], [1, 8, 2, 0]], "int32")
MASK = np.array([[True, True, False, True, False], [True, False, True, True, True]])


READY: dict[tuple[Any, ...], Any] = {}


@dataclass(frozen=True)
class Case:
    """One layer or model: how to make it, what to feed it, and how to call it."""

    name: str
    kind: type[keras.layers.Layer]
    make: Callable[..., Any]
    inputs: dict[str, np.ndarray]
    call: Callable[[Any, dict[str, Any]], Any]

    def run(self, layer: Any, inputs: dict[str, Any] | None = None) -> list[Any]:
        """All outputs as a flat list."""
        outputs = keras.tree.flatten(self.call(layer, self.inputs if inputs is None else inputs))
        return [output for output in outputs if output is not None]

    def ready(self, **options: Any) -> Any:
        """Built, with no weight at a special value; the same for all tests, none of which changes it."""
        key = (self.name, *sorted(options.items()))
        if key not in READY:
            READY[key] = self.fresh(**options)
        return READY[key]

    def fresh(self, seed: int = 3, **options: Any) -> Any:
        """As `ready`, for a test that changes it."""
        layer = self.make(**options)
        self.run(layer)
        for index, weight in enumerate(layer.trainable_weights):
            scale = min(0.5, np.prod(weight.shape[:-1]) ** -0.5)
            scale /= 0.05 if weight.name.startswith("weight_") else 1.0  # kept divided by it
            weight.assign(scale * floats(*weight.shape, seed=100 * seed + index))
        return layer


def decoder(name: str, **options: Any) -> Case:
    return Case(
        name,
        AttentionDecoder,
        lambda **more: AttentionDecoder(SIZE, **{**SIZES, **options, **more}),
        {"tokens": TOKENS, "values": VALUES},
        lambda layer, inputs: layer(inputs["tokens"], layer.prepare(inputs["values"])),
    )


def language_model(name: str, **options: Any) -> Case:
    make = lambda **more: AttentionDecoder(SIZE, **{**SIZES, "attention": "none", **options, **more})  # noqa: E731
    return Case(name, AttentionDecoder, make, {"tokens": TOKENS}, lambda layer, inputs: layer(inputs["tokens"]))


def text_model(name: str, **options: Any) -> Case:
    sizes = {"units": UNITS, "embedding_dim": 6, "dropout": 0.0}
    make = lambda **more: LanguageModel(CODEC, **{**sizes, **options, **more})  # noqa: E731
    return Case(name, LanguageModel, make, {"tokens": TOKENS}, lambda model, given: model(given))


def captioner(name: str, inputs: dict[str, np.ndarray], **options: Any) -> Case:
    make = lambda **more: Captioner(CODEC, **{**SIZES, **options, **more})  # noqa: E731
    return Case(name, Captioner, make, {"tokens": TOKENS, **inputs}, lambda model, given: model(given))


def encoder(name: str, **options: Any) -> Case:
    return Case(
        name,
        SequenceEncoder,
        lambda **more: SequenceEncoder(UNITS, **{**options, **more}),
        {"vectors": VALUES, "mask": PREFIXES},
        lambda layer, inputs: layer(inputs["vectors"], inputs["mask"]),
    )


def fusion(kind: str, **options: Any) -> Case:
    return Case(
        f"fusion: {kind}, {options or 'plain'}",
        Fusion,
        lambda **more: Fusion(kind, units=UNITS, **{**options, **more}),
        {"question": floats(BATCH, 6), "regions": VALUES},
        lambda layer, inputs: layer(inputs["question"], None if layer.question_only else inputs["regions"]),
    )


def answerer(name: str, inputs: dict[str, np.ndarray], answers: TextCodec = ANSWERS, **options: Any) -> Case:
    make = lambda **more: VisualQA(CODEC, answers, **{**SIZES, **options, **more})  # noqa: E731
    words = {"tokens": TOKENS} if options.get("head") == "generate" else {}
    given = {"question": QUESTIONS, **words, **inputs}
    return Case(name, VisualQA, make, given, lambda model, given: model(given))


def visual_encoder(name: str, images: np.ndarray, **options: Any) -> Case:
    return Case(
        name,
        VisualEncoder,
        lambda **more: VisualEncoder(**{**options, **more}),
        {"images": images},
        lambda layer, inputs: layer(inputs["images"]),
    )


def cell(kind: type, gates: int, states: int, *, over: bool = False) -> Case:
    inputs = {"projection": floats(BATCH, gates * UNITS), "state": floats(states, BATCH, UNITS, seed=1)}

    def call(layer: Any, given: Any) -> Any:
        state = tuple(given["state"][i] for i in range(states))
        return layer(given["projection"], state, below=state if over else None)

    return Case(kind.__name__, kind, lambda **more: kind(UNITS, **more), inputs, call)


DECODERS = [
    decoder("decoder: lstm"),
    decoder("decoder: lstm, plain", word_in_query=False, mean_input=False, gated_context="none", deep_output=False),
    decoder("decoder: gru", cell="gru"),
    decoder("decoder: gru, tied", cell="gru", gated_context="scalar", tie_output=True),
    decoder("decoder: lstm, frozen words", freeze_embeddings=True, embeddings=floats(SIZE, 6)),
    decoder("decoder: lstm, two layers", layers=2),
    decoder("decoder: gru, two layers", cell="gru", layers=2, gated_context="none"),
    decoder("decoder: vanilla, mean", cell="vanilla", attention="mean"),
    decoder("decoder: lstm, mean, two layers", attention="mean", layers=2, deep_output=False),
    decoder("decoder: lstm, none", attention="none"),
    decoder("decoder: gru, none, two layers", cell="gru", attention="none", layers=2, tie_output=True),
    decoder("decoder: lstm, three layers", layers=3, gated_context="scalar"),
    decoder("decoder: lstm, hard", attention="hard"),
]
LANGUAGE_MODELS = [
    language_model("decoder: lstm, no memory"),
    language_model("decoder: gru, no memory, three layers", cell="gru", layers=3),
]
CAPTIONERS = [
    captioner("captioner: regions", {"regions": VALUES}),
    captioner("captioner: regions, none", {"regions": VALUES}, attention="none", layers=2),
    captioner("captioner: last block", {"regions": BEFORE}, encoder="mobilenetv3small-block", extractor=KEY),
    captioner("captioner: images, gru", {"images": IMAGES}, encoder="small", image_size=16, cell="gru"),
]
ANSWERERS = [
    answerer("answers: regions, attention", {"regions": VALUES}, hops=2),
    answerer("answers: regions, product", {"regions": VALUES}, fusion="product", cell="gru", bidirectional=True),
    answerer("answers: images, concat", {"images": IMAGES}, fusion="concat", encoder="small", image_size=16, layers=2),
    answerer(
        "answers: last block", {"regions": BEFORE}, encoder="mobilenetv3small-block", extractor=KEY, fusion="product"
    ),
    answerer("answers: one vector", {"regions": VALUES[:, :1]}, fusion="product"),
    answerer("answers: written", {"regions": VALUES}, CODEC, head="generate"),
    answerer("answers: questions only", {}, question_only=True),
    answerer("answers: written, questions only", {}, CODEC, head="generate", question_only=True, fusion="product"),
]
TEXT_MODELS = [text_model("language model"), text_model("language model: gru, tied", cell="gru", tie_output=True)]
CASES = [
    Case(
        "attention",
        BahdanauAttention,
        lambda **more: BahdanauAttention(UNITS, **more),
        {"query": floats(BATCH, 6), "values": VALUES},
        lambda layer, inputs: layer(inputs["query"], layer.prepare(inputs["values"])),
    ),
    Case(
        "hard attention",
        HardAttention,
        lambda **more: HardAttention(UNITS, **more),
        {"query": floats(BATCH, 6), "values": VALUES},
        lambda layer, inputs: layer(inputs["query"], layer.prepare(inputs["values"])),
    ),
    cell(LSTMCell, 4, 2),
    cell(GRUCell, 3, 1),
    cell(VanillaCell, 1, 1),
    cell(PeepholeLSTMCell, 4, 2),
    cell(CoupledLSTMCell, 3, 2),
    cell(DepthGatedLSTMCell, 5, 2, over=True),
    cell(GRULectureCell, 3, 1),
    cell(JordanCell, 1, 1),
    Case(
        "keras cell",
        RNNCell,
        lambda dtype=None: RNNCell(LSTMCell(UNITS, dtype=dtype)),
        {"inputs": floats(BATCH, 6), "state": floats(2, BATCH, UNITS, seed=1)},
        lambda layer, given: layer(given["inputs"], [given["state"][i] for i in range(2)]),
    ),
    Case(
        "embedding",
        TokenEmbedding,
        lambda **more: TokenEmbedding(SIZE, UNITS, **more),
        {"tokens": TOKENS},
        lambda layer, inputs: layer(inputs["tokens"]),
    ),
    Case(
        "cnn",
        SmallCNN,
        lambda **more: SmallCNN((4, 5, 6), **more),
        {"images": IMAGES},
        lambda layer, inputs: layer(inputs["images"]),
    ),
    Case(
        "crop",
        RegionCrop,
        lambda **more: RegionCrop(0.5, seed=1, **more),
        {"regions": floats(BATCH, 9, FEATURES)},
        lambda layer, inputs: layer(inputs["regions"]),
    ),
    Case(
        "pool",
        RegionPool,
        lambda **more: RegionPool(3, **more),
        {"regions": floats(BATCH, 9, FEATURES)},
        lambda layer, inputs: layer(inputs["regions"]),
    ),
    Case(
        "last block",
        TrainableBlock,
        lambda **more: TrainableBlock(BLOCK, **more),
        {"regions": BEFORE},
        lambda layer, inputs: layer(inputs["regions"]),
    ),
    visual_encoder("visual encoder: small", IMAGES, kind="small", filters=(4, 5, 6), pool=2),
    visual_encoder("visual encoder: last block", BEFORE, kind="mobilenetv3small-block", start=BLOCK),
    encoder("encoder: lstm"),
    encoder("encoder: gru, two layers, both ways", cell="gru", layers=2, bidirectional=True),
    encoder("encoder: vanilla, three layers", cell="vanilla", layers=3),
    fusion("product"),
    fusion("concat"),
    fusion("attention"),
    fusion("attention", hops=2, attention_units=7),
    fusion("product", question_only=True),
    *DECODERS,
    *LANGUAGE_MODELS,
    *TEXT_MODELS,
    *CAPTIONERS,
    *ANSWERERS,
]


# One case of each layer that XLA compiles; models are compiled in test_training, other forms of decoders in
# layers/test_deferred.
COMPILED = [
    *{case.kind: case for case in CASES if case.kind not in (Captioner, VisualQA, AttentionDecoder)}.values(),
    *(case for case in DECODERS if case.name == "decoder: lstm, three layers"),
    *LANGUAGE_MODELS[:1],
]


def forced_auto_jit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has Keras choose `jit_compile` as it does where there is a GPU."""
    monkeypatch.setattr(trainer.Trainer, "_resolve_auto_jit_compile", trainer.model_supports_jit)
