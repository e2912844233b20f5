"""Data sets: records to batches."""

from mmtoolkit.data.datasets import ImageSource, caption_dataset
from mmtoolkit.data.stages import batch_plan

__all__ = ["ImageSource", "batch_plan", "caption_dataset"]
