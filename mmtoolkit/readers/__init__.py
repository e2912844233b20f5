"""Files to records: captions, pictures, and the cut into train, valid and test; what is wrong raises or is left out."""

from mmtoolkit.readers.captions import read_captions, usable_captions
from mmtoolkit.readers.faults import Fault, OnError, left_out, none_left, write_quarantine
from mmtoolkit.readers.images import find_images
from mmtoolkit.readers.splits import Splits, split

__all__ = [
    "Fault",
    "OnError",
    "Splits",
    "find_images",
    "left_out",
    "none_left",
    "read_captions",
    "split",
    "usable_captions",
    "write_quarantine",
]
