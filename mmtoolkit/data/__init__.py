"""Data sets: records to batches."""

from mmtoolkit.data.datasets import caption_dataset, question_dataset
from mmtoolkit.data.stages import batch_plan

__all__ = ["batch_plan", "caption_dataset", "question_dataset"]
