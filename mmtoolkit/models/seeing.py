"""What the models that look at pictures share: the encoder, its options, and where prepared pictures come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from mmtoolkit.errors import InputError
from mmtoolkit.layers import RegionCrop, RegionPool, SmallCNN, VGG19Block5
from mmtoolkit.models.model import Model
from mmtoolkit.vision import ExtractorKey, ImageSource, LiveRegions, Pictures
from mmtoolkit.vision.image_distribution import ImageDistribution

ENCODERS = ("vgg19", "vgg19-block5", "small")
BATCH = 64  # pictures of which vectors are made at a time


class Seeing(Model):
    """A task that looks at the regions of a picture.

    Args:
        encoder: `"vgg19"`: stored regions come in; `"vgg19-block5"`: those before VGG19's last block come in, which
            is trained with the rest; `"small"`: a small CNN trained with the rest.
        extractor: What made the stored regions (`ExtractorKey`), so that pictures can be read from their files.
        image_size: Side of the square pictures.
        filters: Channels after each convolution of the small CNN.
        crop: Of the sides of a picture at most so much is cut off while training (`RegionCrop`).
        pool: Squares of `pool` x `pool` regions become one, the largest of each feature.

    Raises:
        InputError: There is no such encoder, or it does not fit the extractor.
    """

    def __init__(
        self,
        *,
        encoder: str,
        extractor: ExtractorKey | Mapping[str, Any] | None,
        image_size: int,
        filters: Sequence[int],
        crop: float,
        pool: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if encoder not in ENCODERS:
            raise InputError(f"A model's encoder is one of {', '.join(ENCODERS)}. Received: {encoder!r}.")
        self.encoder_name, self.image_size, self.filters = encoder, image_size, tuple(filters)
        self.extractor = ExtractorKey(**extractor) if isinstance(extractor, Mapping) else extractor
        if encoder == "vgg19-block5" and (self.extractor is None or self.extractor.layer != "block4_pool"):
            raise InputError(
                "The encoder vgg19-block5 reads the regions before its block: an extractor of block4_pool. "
                f"Received: {self.extractor}."
            )
        self.pool = RegionPool(pool, name="pool", dtype=self.dtype_policy)
        self.crop = RegionCrop(crop, name="crop", dtype=self.dtype_policy)
        self.encoder: Any = None
        if encoder == "small":
            self.encoder = SmallCNN(self.filters, name="encoder", dtype=self.dtype_policy)
        elif encoder == "vgg19-block5":
            self.encoder = VGG19Block5(name="encoder", dtype=self.dtype_policy)

    def build_encoder(self, input_shape: Mapping[str, Any]) -> tuple[int | None, ...]:
        """Builds what makes regions of pictures; returns their shape `[batch, regions, features]`."""
        (shape,) = (tuple(input_shape[name]) for name in self.picture_shapes())
        if self.encoder:
            self.encoder.build(shape)
            shape = self.encoder.compute_output_shape(shape)
        self.pool.build(shape)
        shape = self.pool.compute_output_shape(shape)
        self.crop.build(shape)
        return shape

    def picture_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """The shape of the picture input."""
        if self.encoder_name == "small":
            return {"images": (None, self.image_size, self.image_size, 3)}
        return {"regions": (None, *(self.extractor or ExtractorKey("random", "float32")).shape)}

    def regions_shape(self) -> tuple[int | None, ...]:
        """The shape of regions that stand in for pictures."""
        (shape,) = self.picture_shapes().values()
        return self.encoder.compute_output_shape(shape) if self.encoder_name == "small" else shape

    def regions(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """What is looked at: `<float>[batch, regions, features]`.

        A model with a small CNN takes `"regions"` as that gives them, too, in place of pictures.
        """
        if "encoded" in inputs:
            return self.crop(self.pool(inputs["encoded"]), training=training)
        (name,) = self.picture_shapes()
        ready = name not in inputs
        pictures = inputs["regions" if ready else name]
        regions = pictures if ready or not self.encoder else self.encoder(pictures, training=training)
        return self.crop(self.pool(regions), training=training)

    @property
    def uses_images(self) -> bool:
        return True

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the regions that attention weighs."""
        side = math.isqrt(self.pool.compute_output_shape(self.regions_shape())[1])
        return side, side

    @property
    def provenance(self) -> dict[str, Any]:
        weights = self.extractor.weights if self.extractor else None
        return {"vgg19_sha256": weights, "precision": self.compute_dtype}

    def encoded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not self.encoder or not self.uses_images:
            return dict(inputs)
        (name,) = self.picture_shapes()
        others = {key: value for key, value in inputs.items() if key != name}
        return {**others, "encoded": ops.convert_to_numpy(self.encoder(inputs[name], training=False))}

    def distances(self, inputs: Mapping[str, Any]) -> np.ndarray | None:
        if self.image_distribution is None or not self.uses_images:
            return None
        distances = self.image_distribution.distance(self.vector(inputs))
        return distances[inputs["image_index"]] if "image_index" in inputs else distances

    def vector(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """A picture as one vector of length 1, the direction of the mean of its regions: `<float32>[batch, features]`.

        Its length is left out: pictures with little in them, drawings say, have short ones, and would lie near all.

        Raises:
            InputError: The model sees no pictures.
        """
        regions = self.regions(inputs, training=False)
        if regions is None:
            raise InputError("A vector is made of a picture. Received: a model that reads questions alone.")
        mean = ops.convert_to_numpy(ops.mean(ops.cast(regions, "float32"), axis=1))
        return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    def vectors(self, images: Sequence[str | Path], *, source: ImageSource | None = None) -> np.ndarray:
        """The vectors of picture files: `<float32>[pictures, features]`.

        Args:
            images: Picture files.
            source: Where prepared pictures come from, a `FeatureStore` say; by default the files are read.

        Raises:
            InputError: There are none, one cannot be read, or the weights of VGG19 are not in the cache.
        """
        if not images:
            raise InputError("Expected pictures. Received: none; name some.")
        source, paths = source or self.image_source(), [Path(image) for image in images]
        parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
        return np.concatenate([self.vector({source.input_name: source.read(part)}) for part in parts])

    def fit_distribution(
        self, train: Sequence[str | Path], valid: Sequence[str | Path], *, source: ImageSource | None = None
    ) -> ImageDistribution:
        """Describes the pictures that it was trained on, so that it can say which others are unlike them.

        The description is a part of the preset that `save_preset` writes; trainings make it by themselves.

        Example:
            >>> captioner.fit_distribution(train, valid).save("runs/older/preset/seen_pictures.h5")

        Args:
            train: Picture files that it was trained on.
            valid: Picture files of the same kind that it was not trained on; they set the threshold.
            source: Where prepared pictures come from, a `FeatureStore` say; by default the files are read.

        Raises:
            InputError: There are fewer than 16 pictures, or one cannot be read.
        """
        found = (self.vectors(images, source=source) for images in (train, valid))
        self.image_distribution = ImageDistribution.fit(*found)
        return self.image_distribution

    def image_source(self) -> ImageSource:
        """Reads picture files as this model needs them."""
        small = self.encoder_name == "small"
        return Pictures(self.image_size, keep=False) if small else LiveRegions(self.extractor)

    def picture_config(self) -> dict[str, Any]:
        """The options named above, as JSON."""
        return {
            "encoder": self.encoder_name,
            "extractor": None if self.extractor is None else asdict(self.extractor),
            "image_size": self.image_size,
            "filters": list(self.filters),
            "crop": self.crop.share,
            "pool": self.pool.side,
        }
