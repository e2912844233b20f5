"""mmtoolkit: pictures and sentences in, captions and answers out, on Keras.

The public names are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "InputError": "errors",
    "CaptionRecord": "records",
    "QuestionRecord": "records",
    "texts": "records",
    "read_captions": "readers",
    "read_questions": "readers",
    "read_sentences": "readers",
    "split": "readers",
    "find_images": "readers",
    "TextCodec": "text",
    "Vocabulary": "text",
    "train_word2vec": "text",
    "train_vectors": "text",
    "align_vectors": "text",
    "centred": "text",
    "load_vectors": "text",
    "save_vectors": "text",
    "VGG19Regions": "vision",
    "FeatureStore": "vision",
    "Pictures": "vision",
    "extractor_key": "vision",
    "caption_dataset": "data",
    "question_dataset": "data",
    "batch_plan": "data",
    "Greedy": "decoding",
    "BeamSearch": "decoding",
    "Sample": "decoding",
    "token_loss": "losses",
    "Caption": "models",
    "Captioner": "models",
    "Answer": "models",
    "VisualQA": "models",
    "score_captions": "metrics",
    "confidence_intervals": "metrics",
    "unique_share": "metrics",
    "evaluate": "evaluation",
    "predict": "evaluation",
    "versions": "evaluation",
    "DecodedValidation": "training",
    "Checkpoints": "training",
    "Recipe": "training",
    "fit": "training",
    "fine_tune": "training",
    "captioning": "tasks",
    "question_answering": "tasks",
    "task_of": "tasks",
    "Model": "models",
    "load": "models",
    "adam": "training",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mmtoolkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"mmtoolkit.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
