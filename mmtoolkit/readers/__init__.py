"""Files to records: captions, pictures, and the cut into train, valid and test."""

from mmtoolkit.readers.captions import read_captions
from mmtoolkit.readers.images import find_images
from mmtoolkit.readers.splits import Splits, split

__all__ = ["Splits", "find_images", "read_captions", "split"]
