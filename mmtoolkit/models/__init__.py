"""Keras models with presets, which `decode` their outputs to text."""

from mmtoolkit.models.captioner import Captioner
from mmtoolkit.models.image_inputs import ImageInputs
from mmtoolkit.models.language_model import LanguageModel
from mmtoolkit.models.loading import load, start_at_weights
from mmtoolkit.models.look import Look
from mmtoolkit.models.model import Model
from mmtoolkit.models.outputs import Answer, Caption, Continuation
from mmtoolkit.models.visual_qa import VisualQA

__all__ = [
    "Answer",
    "Caption",
    "Captioner",
    "Continuation",
    "ImageInputs",
    "LanguageModel",
    "Look",
    "Model",
    "VisualQA",
    "load",
    "start_at_weights",
]
