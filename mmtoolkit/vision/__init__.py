"""Decodes pictures, extracts and stores features of their regions, and provides the sources that feed models."""

from mmtoolkit.vision.extractor import RegionExtractor
from mmtoolkit.vision.feature_store import ExtractorKey, FeatureStore
from mmtoolkit.vision.images import decode_image, read_image
from mmtoolkit.vision.mirroring import MirroredHalf
from mmtoolkit.vision.pictures import picture_view
from mmtoolkit.vision.setup import NO_VISION, VisionSetup, choose_vision
from mmtoolkit.vision.sources import (
    ImageSource,
    LiveRegions,
    Pictures,
    ReadImages,
    UnreadablePictures,
    block_weights,
    decoded_pictures,
    extractor_key,
    has_weights,
    load_extractor,
    open_store,
    shared_pictures,
    stored_regions,
)
from mmtoolkit.vision.weights import choose_precision, find_weights, kept_weights

__all__ = [
    "ExtractorKey",
    "FeatureStore",
    "NO_VISION",
    "ImageSource",
    "LiveRegions",
    "Pictures",
    "ReadImages",
    "UnreadablePictures",
    "MirroredHalf",
    "RegionExtractor",
    "VisionSetup",
    "block_weights",
    "choose_precision",
    "choose_vision",
    "decode_image",
    "decoded_pictures",
    "extractor_key",
    "has_weights",
    "kept_weights",
    "load_extractor",
    "open_store",
    "picture_view",
    "read_image",
    "shared_pictures",
    "stored_regions",
    "find_weights",
]
