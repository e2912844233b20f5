"""Models: Keras models with `generate` and presets."""

from mmtoolkit.models.captioner import Caption, Captioner
from mmtoolkit.models.task import Task

__all__ = ["Caption", "Captioner", "Task"]
