"""Captions pictures, or the regions of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, overload

import keras
import numpy as np
from keras import ops

from mmtoolkit.decoding import BeamSearch, Search, search_config, search_from_config
from mmtoolkit.errors import InputError
from mmtoolkit.layers import AttentionDecoder, Memory
from mmtoolkit.layers.memory import memory_of
from mmtoolkit.models.image_arguments import Picture, list_images, one_of_list
from mmtoolkit.models.image_inputs import ImageInputs
from mmtoolkit.models.look import Look, caption_views
from mmtoolkit.models.model import revived
from mmtoolkit.models.outputs import Caption
from mmtoolkit.models.preset_config import check_names
from mmtoolkit.text import END, PAD, START, TextCodec
from mmtoolkit.vision import ExtractorKey, ImageSource


@keras.saving.register_keras_serializable("mmtoolkit")
class Captioner(ImageInputs):
    """Captions a picture with an attention decoder over its regions.

    Example:
        >>> own = Captioner(codec, encoder="small", image_size=64, cell="lstm", units=32)
        >>> own.compile("adam", loss=mm.token_loss())
        >>> history = own.fit(mm.caption_dataset(records[:2], codec, features=mm.Pictures(64)), shuffle=False)
        >>> captions = own.generate(["a.jpg", "b.jpg"])      # of words at random, after a single step
        >>> len(captions)
        2

    Inputs: `{"regions": <float>[batch, regions, features], "tokens": <int32>[batch, time]}`, or `"images"`
    `<uint8>[batch, size, size, 3]` in place of the regions where the encoder is a part of the model. With
    `"image_index" <int32>[batch]`, the index of each caption's picture, captions can share pictures.
    Output: logits `<float32>[batch, time, vocabulary]`.

    Args:
        codec: Codec of the captions.
        encoder: The name of a network of `keras.applications`, e.g. `"vgg19"`: the input is its stored regions;
            `"small"`: a small CNN is trained with the decoder; or a Keras layer or model of your own, which reads
            pixels from 0 to 255 and is trained unless its `trainable` is False (`VisualEncoder`).
        extractor: Key of what extracted the stored regions, with which `generate` extracts those of other files.
        image_size: Side of the square pictures.
        regions: Shape of stored regions that no extractor describes, `[regions, features]` or `[rows, columns,
            features]`; that of the first batch by default.
        filters: Channels after each convolution of the small CNN, and `kernels` their sides (`SmallCNN`).
        crop: Largest share of the sides of a picture that is cut off while training (`RegionCrop`).
        pool: Squares of `pool` x `pool` regions are max-pooled to one (`RegionPool`).
        region_units: Width that regions are projected to (`VisualEncoder`).
        attention_penalty: Weight of the penalty that brings the weights of each region to a sum of about 1.
        decoding: The default search.
        max_length: Longest caption in tokens, END included.
        decoder: Options of `AttentionDecoder` (`cell`, `units`, `embedding_dim`, `dropout`, …).

    Source: Xu et al., "Show, Attend and Tell", 2015; the penalty is equation 14, averaged over the regions.
    """

    passes_on: ClassVar[tuple[type, ...]] = (AttentionDecoder,)

    def __init__(
        self,
        codec: TextCodec,
        *,
        encoder: str | keras.layers.Layer | Mapping[str, Any] = "vgg19",
        extractor: ExtractorKey | Mapping[str, Any] | None = None,
        image_size: int = 224,
        regions: Sequence[int] | None = None,
        filters: Sequence[int] = (16, 32, 64, 128),
        kernels: Sequence[int] | None = None,
        crop: float = 0.0,
        pool: int = 1,
        region_units: int | None = None,
        attention_penalty: float = 1.0,
        decoding: Search | str | Mapping[str, Any] = BeamSearch(),  # noqa: B008  # frozen
        max_length: int = 25,
        name: str = "captioner",
        dtype: Any = None,
        **decoder: Any,
    ) -> None:
        check_names(decoder, AttentionDecoder, "Captioner")
        vision: dict[str, Any] = {"encoder": encoder, "extractor": extractor, "image_size": image_size}
        vision |= {"regions": regions, "filters": filters, "kernels": kernels, "crop": crop, "pool": pool}
        vision |= {"region_units": region_units}
        super().__init__(**vision, name=name, dtype=dtype)
        self.codec, self.attention_penalty, self.max_length, self.card = codec, attention_penalty, max_length, {}
        self.decoding = search_from_config(decoding)
        self.decoder = AttentionDecoder(len(codec.vocabulary), name="decoder", dtype=self.dtype_policy, **decoder)

    def build(self, input_shape: Any) -> None:
        self.decoder.build(input_shape["tokens"], Memory(None, self.build_encoder(input_shape)))

    def input_shapes(self) -> dict[str, tuple[int | None, ...]]:
        return {**self.image_shapes(), "tokens": (None, None)}

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        tokens, attention = inputs["tokens"], self.decoder.attention
        draws = attention.draw(tokens) if training and self.decoder.attention_name == "hard" else None
        logits, attention_weights = self.teacher_forced(inputs, training=training, draws=draws)
        real = ops.cast(ops.logical_and(tokens != PAD, tokens != END), "float32")  # after END comes padding
        if training and self.attention_penalty and attention_weights is not None:
            attended = ops.sum(attention_weights * ops.expand_dims(real, -1), axis=1)  # [batch, regions]
            self.add_loss(self.attention_penalty * ops.mean(ops.square(1.0 - attended)))
        if draws is not None:
            likelihood = log_likelihood(tokens, logits, real)
            self.add_loss(attention.reinforce_loss(likelihood, attention_weights, draws, real))
        return logits

    def teacher_forced(
        self, inputs: Mapping[str, Any], training: bool | None = None, draws: Any = None
    ) -> tuple[Any, Any]:
        """Runs teacher forcing: logits `[batch, time, vocabulary]`, attention weights `[batch, time, regions]`."""
        memory = self.decoder.prepare(self.regions(inputs, training), training=training)
        memory = memory_of(memory, inputs.get("image_index"), draws)
        return self.decoder(inputs["tokens"], memory, training=training)

    def search(
        self, inputs: Mapping[str, Any], decoding: Search | None = None, *, fused: bool = False
    ) -> tuple[Any, Any]:
        """Searches for sentences: ids `<int32>[batch, n_best, max_length]` and scores `<float32>[batch, n_best]`.

        With the input `"uniforms"`, a `Sample` uses those as its random numbers.
        """
        memory = self.decoder.prepare(self.regions(inputs))
        memory = self.decoder.fused(memory) if fused else memory
        drawn = {"uniforms": inputs["uniforms"]} if "uniforms" in inputs else {}
        return (decoding or self.decoding)(
            lambda tokens, state: self.decoder.step(tokens, state, memory),
            self.decoder.initial_state(memory),
            start=START,
            end=END,
            max_length=self.max_length,
            **drawn,
        )

    def decode(self, inputs: Mapping[str, Any], decoding: Search | None = None) -> list[list[Caption]]:
        """Decodes the captions of a batch of prepared images, best first."""
        return [[Caption(*each) for each in row] for row in self.sentences(inputs, decoding, self.codec)]

    @overload
    def generate(
        self,
        images: str | os.PathLike[str] | bytes | np.ndarray,
        *,
        decoding: Search | str | None = None,
        n_best: int | None = None,
        source: ImageSource | None = None,
        batch_size: int = 32,
    ) -> Any: ...
    @overload
    def generate(
        self,
        images: Iterable[Picture],
        *,
        decoding: Search | str | None = None,
        n_best: None = None,
        source: ImageSource | None = None,
        batch_size: int = 32,
    ) -> list[str]: ...
    @overload
    def generate(
        self,
        images: Iterable[Picture],
        *,
        decoding: Search | str | None = None,
        n_best: int,
        source: ImageSource | None = None,
        batch_size: int = 32,
    ) -> list[list[str]]: ...
    def generate(
        self,
        images: Any,
        *,
        decoding: Search | str | None = None,
        n_best: int | None = None,
        source: ImageSource | None = None,
        batch_size: int = 32,
    ) -> Any:
        """Generates the best caption of each picture.

        Example:
            >>> captioner = Captioner.from_preset("shapes_demo")
            >>> captioner.generate("a.jpg")
            'a purple triangle is to the left of a red square'
            >>> len(captioner.generate(["a.jpg", "b.jpg"], n_best=3)[1])
            3

        Args:
            images: A picture or several, as of `list_images`: a path, bytes, a Pillow picture, an array, a folder, or a
                list or dataset of them.
            decoding: A search in place of the default one, or its name: `"greedy"`, `"beam"` or `"sample"`.
            n_best: Number of captions of each picture, best first.
            source: Source of prepared pictures, e.g. a `FeatureStore`; by default the files are read.
            batch_size: Pictures per batch.

        Returns:
            A caption, or with `n_best` a list of them, for a picture alone; a list of these for several.

        Raises:
            InputError: A picture cannot be read, or the weights of its extractor are not in the cache.
        """
        pictures, alone = list_images(images)
        search = self.searching(decoding, n_best)
        source, captions = source or self.image_source(), list[Any]()
        for start in range(0, len(pictures), batch_size):
            inputs = {source.input_name: source.read(pictures[start : start + batch_size])}
            found = [[caption.text for caption in row] for row in self.decode(inputs, search)]
            captions += found if n_best else [row[0] for row in found]
        return captions[0] if alone else captions

    def look(self, image: Picture, *, decoding: Search | str | None = None) -> Look:
        """Captions a picture, with what the caption's words attend to; a notebook shows it.

        Example:
            >>> look = captioner.look("a.jpg")
            >>> look.text, look.attention.shape[1:]
            ('a purple triangle is to the left of a red square', (8, 8))

        Raises:
            InputError: The picture cannot be read, or there are several.
        """
        pictures, _ = list_images(image)
        source = self.image_source()
        inputs = {source.input_name: source.read(one_of_list(pictures))}
        ((best, *_),) = self.decode(inputs, self.searching(decoding))
        return Look(best.text, best.score, caption_views(self, inputs, pictures, [best.text])[0])

    @property
    def has_attention(self) -> bool:
        """Returns whether it attends to regions for each word, so that its attention can be drawn."""
        return self.decoder.attention is not None

    def attention_weights(self, inputs: Mapping[str, Any], captions: Sequence[str]) -> list[np.ndarray]:
        """Computes the attention weights of each word of given captions.

        Returns:
            A `<float32>[words, regions]` per picture, row i for word i.

        Raises:
            InputError: The model has no attention.
        """
        if not self.has_attention:
            raise InputError(
                "Only a captioner with attention has attention weights. Received: one with "
                f"attention={self.decoder.attention_name!r}; leave the picture of its attention out."
            )
        tokens = self.codec.encode_batch(captions)
        _, attention_weights = self.teacher_forced({**inputs, "tokens": tokens})
        words = (tokens != PAD).sum(axis=1) - 2  # without START and END
        return [row[:count] for row, count in zip(ops.convert_to_numpy(attention_weights), words, strict=True)]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Captioner:
        return cls(**{**config, "codec": revived(config["codec"])})

    def get_config(self) -> dict[str, Any]:
        decoder = self.decoder.get_config()
        for key in ("name", "trainable", "dtype", "vocabulary_size"):
            decoder.pop(key, None)
        return {
            "codec": self.codec,
            **self.image_config(),
            "attention_penalty": self.attention_penalty,
            "decoding": search_config(self.decoding),
            "max_length": self.max_length,
            "dtype": self.dtype_policy.name,
            **decoder,
        }


def log_likelihood(tokens: Any, logits: Any, real: Any) -> Any:
    """Computes the log-probability of captions from the tokens read and the logits of each next: `<float32>[batch]`.

    Args:
        tokens: `<int32>[batch, time]`; the longest captions of a batch come without their END.
        logits: `<float32>[batch, time, vocabulary]`.
        real: `<float32>[batch, time]`, 1.0 for the steps that predict a token.
    """
    following = ops.concatenate([tokens[:, 1:], ops.full_like(tokens[:, :1], PAD)], axis=1)
    following = ops.where(following == PAD, END, following)
    logs = ops.take_along_axis(ops.log_softmax(ops.stop_gradient(logits)), ops.expand_dims(following, -1), axis=-1)
    return ops.sum(real * logs[..., 0], axis=1)
