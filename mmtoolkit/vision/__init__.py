"""Decodes pictures, extracts and stores VGG19 regions, and provides the sources that feed models."""

from mmtoolkit.vision.feature_store import ExtractorKey, FeatureStore
from mmtoolkit.vision.images import decode_image, read_image
from mmtoolkit.vision.pictures import picture_view
from mmtoolkit.vision.setup import NO_VISION, VisionSetup, choose_vision
from mmtoolkit.vision.sources import (
    ImageSource,
    LiveRegions,
    Pictures,
    ReadImages,
    UnreadablePictures,
    block5_weights,
    decoded_pictures,
    extractor_key,
    has_weights,
    load_extractor,
    open_store,
    shared_pictures,
    stored_regions,
)
from mmtoolkit.vision.vgg import SIDES, VGG19Regions, choose_precision, vgg19_weights

__all__ = [
    "SIDES",
    "ExtractorKey",
    "FeatureStore",
    "NO_VISION",
    "ImageSource",
    "LiveRegions",
    "Pictures",
    "ReadImages",
    "UnreadablePictures",
    "VGG19Regions",
    "VisionSetup",
    "block5_weights",
    "choose_precision",
    "choose_vision",
    "decode_image",
    "decoded_pictures",
    "extractor_key",
    "has_weights",
    "load_extractor",
    "open_store",
    "picture_view",
    "read_image",
    "shared_pictures",
    "stored_regions",
    "vgg19_weights",
]
