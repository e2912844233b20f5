"""Base class of models with images among their inputs: a visual encoder, and sources of prepared images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.backbones import LAYERS, Backbone, network_of, trains_block
from mmtoolkit.errors import InputError
from mmtoolkit.layers import VisualEncoder
from mmtoolkit.layers.registered import layer_config
from mmtoolkit.models.model import Model
from mmtoolkit.vision import ExtractorKey, ImageSource, LiveRegions, Pictures
from mmtoolkit.vision.image_distribution import ImageDistribution

BATCH = 64  # pictures whose vectors are computed at a time


class ImageInputs(Model):
    """Encodes the images among a model's inputs with a `VisualEncoder`.

    Args:
        encoder: Kind of the `VisualEncoder`: a name, or a layer of your own, which a preset keeps as JSON.
        extractor: Key of what extracted the stored regions, with which those of other files are extracted.
        image_size: Side of the square images.
        regions: Shape of stored regions that no extractor describes, `[regions, features]` or `[rows, columns,
            features]`; that of the first batch by default.
        filters: As of `VisualEncoder`, with `kernels`, `crop`, `pool` and `region_units`.
        uses_images: Whether there are images; without them there is no encoder.

    Raises:
        InputError: There is no such encoder, or it does not fit the extractor.
    """

    def __init__(
        self,
        *,
        encoder: str | keras.layers.Layer | Mapping[str, Any],
        extractor: ExtractorKey | Mapping[str, Any] | None,
        image_size: int,
        regions: Sequence[int] | None,
        filters: Sequence[int],
        kernels: Sequence[int] | None,
        crop: float,
        pool: int,
        region_units: int | None = None,
        uses_images: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.extractor = ExtractorKey(**extractor) if isinstance(extractor, Mapping) else extractor
        self.image_size, self.stored_shape = image_size, regions and tuple(regions)
        sides = kernels and list(kernels)
        self.encoder_options: dict[str, Any] = {"filters": list(filters), "kernels": sides, "crop": crop, "pool": pool}
        self.encoder_options |= {"region_units": region_units} if region_units else {}
        start = self.extractor.network if self.extractor else None
        grid = self.stored_shape[:2] if self.stored_shape and len(self.stored_shape) == 3 else None
        same: dict[str, Any] = {"name": "visual_encoder", "dtype": self.dtype_policy}
        self.encoder_name = "small"
        self.visual_encoder: Any = None
        if uses_images:
            if isinstance(encoder, str) and trains_block(encoder):
                check_block(encoder, self.extractor)
            self.visual_encoder = VisualEncoder(encoder, **self.encoder_options, start=start, grid=grid, **same)
            self.encoder_name = self.visual_encoder.kind

    @property
    def encoder(self) -> Any:
        """Returns the trained network of the visual encoder, if there is one; weights files have it under this name."""
        return self.visual_encoder.network if self.visual_encoder else None

    def build_encoder(self, input_shape: Mapping[str, Any]) -> tuple[int | None, ...] | None:
        """Builds the visual encoder; returns the shape of its regions, `[batch, regions, features]`."""
        if not self.visual_encoder:
            return None
        (shape,) = (tuple(input_shape[name]) for name in self.image_shapes())
        unknown = not self.visual_encoder.reads_pixels and not self.extractor and not self.stored_shape
        if unknown and None not in shape[1:]:
            self.stored_shape = shape[1:]
        self.visual_encoder.build(shape)
        return self.visual_encoder.compute_output_shape(shape)

    def image_shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Returns the name and the shape of the image input."""
        if not self.visual_encoder or self.visual_encoder.reads_pixels:
            return {"images": (None, self.image_size, self.image_size, 3)}
        if self.stored_shape:
            *grid, features = self.stored_shape
            return {"regions": (None, math.prod(grid), features)}
        if self.extractor:
            return {"regions": (None, *self.extractor.shape)}
        rows, columns, features = Backbone.named(network_of(self.encoder_name)).shape
        return {"regions": (None, rows * columns, features)}

    def regions_shape(self) -> tuple[int | None, ...]:
        """Returns the shape of the regions that can be an input in place of images."""
        (shape,) = self.image_shapes().values()
        return self.visual_encoder.encoded_shape(shape) if self.visual_encoder else shape

    def regions(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """Encodes the images among the inputs: `<float>[batch, regions, features]`, or `None` without images.

        A model with a small CNN also takes its outputs, as `"regions"`, in place of images.
        """
        if not self.visual_encoder:
            return None
        (name,) = self.image_shapes()
        if "encoded" in inputs or name not in inputs:
            return self.visual_encoder.pooled(inputs["encoded" if "encoded" in inputs else "regions"], training)
        return self.visual_encoder(inputs[name], training=training)

    @property
    def uses_images(self) -> bool:
        return self.visual_encoder is not None

    @property
    def grid(self) -> tuple[int, int]:
        """Returns the rows and columns of the regions that attention weighs."""
        (shape,) = self.image_shapes().values()
        rows, columns = self.visual_encoder.grid_of(shape) or (1, self.regions_shape()[1] or 1)
        pool = self.encoder_options["pool"]
        return rows // pool, columns // pool

    @property
    def provenance(self) -> dict[str, Any]:
        weights = self.extractor.weights if self.extractor else None
        return {"encoder_sha256": weights, "precision": self.compute_dtype}

    def encoded(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not self.encoder:
            return dict(inputs)
        (name,) = self.image_shapes()
        others = {key: value for key, value in inputs.items() if key != name}
        return {**others, "encoded": ops.convert_to_numpy(self.visual_encoder.encode(inputs[name], training=False))}

    def distances(self, inputs: Mapping[str, Any]) -> np.ndarray | None:
        if self.image_distribution is None or not self.uses_images:
            return None
        distances = self.image_distribution.distance(self.vector(inputs))
        return distances[inputs["image_index"]] if "image_index" in inputs else distances

    def vector(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """Computes the direction of each image's mean region, of length 1: `<float32>[batch, features]`.

        The length is dropped: with the short vectors of plain pictures, e.g. drawings, these would be near all others.

        Raises:
            InputError: The model takes no pictures.
        """
        regions = self.regions(inputs, training=False)
        if regions is None:
            raise InputError("A vector is made of a picture. Received: a model that reads questions alone.")
        mean = ops.convert_to_numpy(ops.mean(ops.cast(regions, "float32"), axis=1))
        return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), np.finfo(np.float32).tiny)

    def vectors(self, images: Sequence[str | Path], *, source: ImageSource | None = None) -> np.ndarray:
        """Computes the vectors of image files: `<float32>[images, features]`.

        Args:
            images: Picture files.
            source: Source of prepared pictures, e.g. a `FeatureStore`; by default the files are read.

        Raises:
            InputError: There are none, one cannot be read, or the weights of its extractor are not in the cache.
        """
        if not images:
            raise InputError("Expected pictures. Received: none; name some.")
        source, paths = source or self.image_source(), [Path(image) for image in images]
        parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
        return np.concatenate([self.vector({source.input_name: source.read(part)}) for part in parts])

    def fit_distribution(
        self, train: Sequence[str | Path], valid: Sequence[str | Path], *, source: ImageSource | None = None
    ) -> ImageDistribution:
        """Fits the distribution of the training pictures, by which out-of-distribution ones are detected.

        `save_preset` writes it as a part of the preset; a training fits it by itself.

        Example:
            >>> pictures = [record.image for record in records]
            >>> distribution = mm.load("shapes_demo").fit_distribution(pictures[:24], pictures[24:])
            >>> len(distribution.mean)
            128

        Args:
            train: Picture files that the model was trained on.
            valid: Picture files of the same kind that it was not trained on; they set the threshold.
            source: Source of prepared pictures, e.g. a `FeatureStore`; by default the files are read.

        Raises:
            InputError: There are fewer than 16 pictures, or one cannot be read.
        """
        vectors = (self.vectors(images, source=source) for images in (train, valid))
        self.image_distribution = ImageDistribution.fit(*vectors)
        return self.image_distribution

    def image_source(self) -> ImageSource:
        """Makes the source that reads picture files as this model takes them."""
        pixels = self.visual_encoder.reads_pixels
        return Pictures(self.image_size, keep=False) if pixels else LiveRegions(self.extractor)

    def image_config(self) -> dict[str, Any]:
        """Returns the constructor's options of vision as JSON."""
        extractor = self.extractor and asdict(self.extractor)
        kind = layer_config(self.encoder) if self.encoder_name == "own" else self.encoder_name
        shape = self.stored_shape and list(self.stored_shape)
        own = {"encoder": kind, "extractor": extractor, "image_size": self.image_size, "regions": shape}
        return {**own, **self.encoder_options}


def check_block(encoder: str, extractor: ExtractorKey | None) -> None:
    """Checks that an extractor ends where the block starts that an encoder trains."""
    start = extractor.backbone if extractor else None
    name = network_of(encoder)
    if start is None or start.name != name or start.layer in (None, LAYERS.get(name)):
        raise InputError(
            f"The encoder {encoder} reads the regions before its block: an extractor of "
            f"{Backbone.named(name).before_last_block().network}. Received: {extractor}."
        )
