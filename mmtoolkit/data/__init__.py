"""Turns records into data sets of batches, and makes the sources of their images."""

from mmtoolkit.data.datasets import caption_dataset, in_batches, question_dataset
from mmtoolkit.data.image_sources import image_source, source_for
from mmtoolkit.data.stages import batch_plan

__all__ = ["batch_plan", "caption_dataset", "image_source", "in_batches", "question_dataset", "source_for"]
