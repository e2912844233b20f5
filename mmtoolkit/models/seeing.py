"""What the models that look at pictures share: the encoder, its options, and where prepared pictures come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mmtoolkit.errors import InputError
from mmtoolkit.layers import RegionCrop, RegionPool, SmallCNN, VGG19Block5
from mmtoolkit.models.task import Task
from mmtoolkit.vision import ExtractorKey, ImageSource, LiveRegions, Pictures

ENCODERS = ("vgg19", "vgg19-block5", "small")


class Seeing(Task):
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

    def regions(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """What is looked at: `<float>[batch, regions, features]`."""
        (pictures,) = (inputs[name] for name in self.picture_shapes())
        regions = self.encoder(pictures, training=training) if self.encoder else pictures
        return self.crop(self.pool(regions), training=training)

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
