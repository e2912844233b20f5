"""The captioner: pictures (or their regions) in, sentences out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from mmtoolkit.decoding import IMPOSSIBLE, BeamSearch, Search
from mmtoolkit.errors import InputError
from mmtoolkit.layers import DIRECT, AttentionDecoder, Memory, SmallCNN
from mmtoolkit.models.task import Task, search_config, search_from_config
from mmtoolkit.text import END, PAD, START, TextCodec
from mmtoolkit.vision import ExtractorKey, ImageSource, LiveRegions, Pictures

ENCODERS = ("vgg19", "small")


class Caption(NamedTuple):
    """A written sentence.

    Args:
        text: The sentence.
        score: What the search compared: log-probability over length to the power of the length penalty.
    """

    text: str
    score: float


@keras.saving.register_keras_serializable("mmtoolkit")
class Captioner(Task):
    """An attention decoder over the regions of a picture.

    Example:
        >>> captioner = Captioner(codec, cell="lstm", units=512)
        >>> captioner.compile("adam", loss=token_loss())
        >>> captioner.fit(caption_dataset(records, codec, features=store))
        >>> captioner.generate(["a.jpg", "b.jpg"])
        ['a dog runs', 'two children play']

    Inputs: `{"regions": <float>[batch, regions, features], "tokens": <int32>[batch, time]}`, or `"images"`
    `<uint8>[batch, size, size, 3]` in place of the regions where the encoder is a part of the model.
    Output: logits `<float32>[batch, time, vocabulary]`.

    Args:
        codec: The words it reads and writes.
        encoder: `"vgg19"`: stored regions come in; `"small"`: a small CNN trained with the decoder.
        extractor: What made the stored regions (`ExtractorKey`), so that `generate` can make them from a file.
        image_size: Side of the square pictures.
        filters: Channels after each convolution of the small CNN.
        attention_penalty: Weight of the penalty that makes every region be looked at about once.
        decoding: The default search.
        max_length: Longest caption in tokens, END included.
        decoder: Options of `AttentionDecoder` (`cell`, `units`, `embedding_dim`, `dropout`, …).

    Source: Xu et al., "Show, Attend and Tell", 2015; the penalty is equation 14, averaged over the regions.
    """

    def __init__(
        self,
        codec: TextCodec,
        *,
        encoder: str = "vgg19",
        extractor: ExtractorKey | Mapping[str, Any] | None = None,
        image_size: int = 224,
        filters: Sequence[int] = (16, 32, 64, 128),
        attention_penalty: float = 1.0,
        decoding: Search | Mapping[str, Any] = BeamSearch(),  # noqa: B008  # frozen
        max_length: int = 25,
        name: str = "captioner",
        dtype: Any = None,
        **decoder: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if encoder not in ENCODERS:
            raise InputError(f"A captioner's encoder is one of {', '.join(ENCODERS)}. Received: {encoder!r}.")
        self.codec, self.encoder_name, self.image_size = codec, encoder, image_size
        self.extractor = ExtractorKey(**extractor) if isinstance(extractor, Mapping) else extractor
        self.filters = tuple(filters)
        self.attention_penalty, self.max_length, self.card = attention_penalty, max_length, {}
        self.decoding = search_from_config(decoding)
        self.encoder = SmallCNN(self.filters, name="encoder", dtype=self.dtype_policy) if encoder == "small" else None
        self.decoder = AttentionDecoder(len(codec.vocabulary), name="decoder", dtype=self.dtype_policy, **decoder)

    def build(self, input_shape: Any) -> None:
        if self.encoder:
            self.encoder.build(input_shape["images"])
            regions = self.encoder.compute_output_shape(input_shape["images"])
        else:
            regions = input_shape["regions"]
        self.decoder.build(input_shape["tokens"], Memory(None, tuple(regions)))
        self.built = True

    def input_shapes(self) -> dict[str, tuple[int | None, ...]]:
        pictures: dict[str, tuple[int | None, ...]] = (
            {"images": (None, self.image_size, self.image_size, 3)}
            if self.encoder
            else {"regions": (None, *(self.extractor or ExtractorKey("random", "float32")).shape)}
        )
        return {**pictures, "tokens": (None, None)}

    def regions(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        """What the decoder attends to: `<float>[batch, regions, features]`."""
        return self.encoder(inputs["images"], training=training) if self.encoder else inputs["regions"]

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        logits, alignments = self.teach(inputs, training=training)
        if training and self.attention_penalty and alignments is not None:
            tokens = inputs["tokens"]  # what END is followed by is padding: no step of the caption
            real = ops.cast(ops.logical_and(tokens != PAD, tokens != END), "float32")
            looked_at = ops.sum(alignments * ops.expand_dims(real, -1), axis=1)  # [batch, regions]
            self.add_loss(self.attention_penalty * ops.mean(ops.square(1.0 - looked_at)))
        return logits

    def teach(self, inputs: Mapping[str, Any], training: bool | None = None) -> tuple[Any, Any]:
        """Teacher forcing: the logits `[batch, time, vocabulary]` and the alignments `[batch, time, regions]`."""
        memory = self.decoder.prepare(self.regions(inputs, training), training=training)
        return self.decoder(inputs["tokens"], memory, training=training)

    def search(
        self, inputs: Mapping[str, Any], decoding: Search | None = None, *, fused: bool = False
    ) -> tuple[Any, Any]:
        """Searches sentences: ids `<int32>[batch, n_best, max_length]` and scores `<float32>[batch, n_best]`."""
        memory = self.decoder.prepare(self.regions(inputs))
        loop = self.decoder.fused(memory) if fused else DIRECT
        return (decoding or self.decoding)(
            lambda tokens, state: self.decoder.step(tokens, state, memory, loop=loop),
            self.decoder.initial_state(memory),
            start=START,
            end=END,
            max_length=self.max_length,
        )

    def write(self, inputs: Mapping[str, Any], decoding: Search | None = None) -> list[list[Caption]]:
        """The captions of a batch of prepared pictures, best first."""
        ids, scores = self.searched(inputs, decoding)
        texts = np.reshape(self.codec.decode_all(ids.reshape(-1, ids.shape[-1])), scores.shape)
        return [
            [Caption(str(text), float(score)) for text, score in zip(*row, strict=True) if score > IMPOSSIBLE]
            for row in zip(texts, scores, strict=True)
        ]

    def generate(
        self,
        images: Sequence[str | Path],
        *,
        decoding: Search | None = None,
        source: ImageSource | None = None,
        batch_size: int = 32,
    ) -> list[str]:
        """The best caption of each picture file.

        Args:
            images: Picture files.
            decoding: A search in place of the default one.
            source: Where prepared pictures come from, a `FeatureStore` say; by default the files are read.
            batch_size: Pictures at a time.

        Raises:
            InputError: A picture cannot be read, or the weights of VGG19 are not in the cache.
        """
        source, paths, captions = source or self.image_source(), [Path(image) for image in images], []
        for start in range(0, len(paths), batch_size):
            inputs = {source.input_name: source.read(paths[start : start + batch_size])}
            captions += [best[0].text for best in self.write(inputs, decoding)]
        return captions

    def attend(self, inputs: Mapping[str, Any], captions: Sequence[str]) -> list[np.ndarray]:
        """Where the model looks while it writes each word of finished captions.

        Returns:
            A `<float32>[words, regions]` per picture, row i for word i.

        Raises:
            InputError: The model has no attention.
        """
        if not self.decoder.attention:
            raise InputError(
                "Only a captioner with attention looks somewhere for each word. Received: one with "
                f"attention={self.decoder.attention_name!r}; leave the picture of its attention out."
            )
        ids = self.codec.encode_all(captions)
        tokens = np.full((len(ids), max(len(row) for row in ids)), PAD, np.int32)
        for row, caption in zip(tokens, ids, strict=True):
            row[: len(caption)] = caption
        _, alignments = self.teach({**inputs, "tokens": tokens})
        return [row[: len(i) - 2] for row, i in zip(ops.convert_to_numpy(alignments), ids, strict=True)]

    def image_source(self) -> ImageSource:
        """Reads picture files as this model needs them."""
        return Pictures(self.image_size, keep=False) if self.encoder else LiveRegions(self.extractor)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Captioner:
        codec = config["codec"]
        codec = keras.saving.deserialize_keras_object(codec) if isinstance(codec, Mapping) else codec
        return cls(**{**config, "codec": codec})

    def get_config(self) -> dict[str, Any]:
        decoder = self.decoder.get_config()
        for key in ("name", "trainable", "dtype", "vocabulary_size"):
            decoder.pop(key, None)
        return {
            "codec": self.codec,
            "encoder": self.encoder_name,
            "extractor": None if self.extractor is None else asdict(self.extractor),
            "image_size": self.image_size,
            "filters": list(self.filters),
            "attention_penalty": self.attention_penalty,
            "decoding": search_config(self.decoding),
            "max_length": self.max_length,
            "dtype": self.dtype_policy.name,
            **decoder,
        }
