"""Pictures: decoding, VGG19 regions, their store, and the sources that feed models."""

from mmtoolkit.vision.feature_store import ExtractorKey, FeatureStore
from mmtoolkit.vision.images import decode_image, read_image
from mmtoolkit.vision.sources import (
    ImageSource,
    LiveRegions,
    Pictures,
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
from mmtoolkit.vision.vgg import IMAGE_SIZE, SIDES, VGG19Regions, choose_precision, vgg19_weights

__all__ = [
    "IMAGE_SIZE",
    "SIDES",
    "ExtractorKey",
    "FeatureStore",
    "ImageSource",
    "LiveRegions",
    "Pictures",
    "UnreadablePictures",
    "VGG19Regions",
    "block5_weights",
    "choose_precision",
    "decode_image",
    "decoded_pictures",
    "extractor_key",
    "has_weights",
    "load_extractor",
    "open_store",
    "read_image",
    "shared_pictures",
    "stored_regions",
    "vgg19_weights",
]
