"""The captioner: pictures (or their regions) in, sentences out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from mmtoolkit.layers import AttentionDecoder, Memory
from mmtoolkit.layers.image_encoder import SmallCNN
from mmtoolkit.text import PAD, TextCodec


@keras.saving.register_keras_serializable("mmtoolkit")
class Captioner(keras.Model):
    """An attention decoder over the regions of a picture.

    Example:
        >>> captioner = Captioner(codec, cell="lstm", units=512)
        >>> captioner.compile("adam", loss=token_loss())
        >>> captioner.fit(caption_dataset(records, codec, features=store))

    Inputs: `{"regions": <float>[batch, regions, features], "tokens": <int32>[batch, time]}`, or `"images"`
    `<uint8>[batch, size, size, 3]` in place of the regions where the encoder is a part of the model.
    Output: logits `<float32>[batch, time, vocabulary]`.

    Args:
        codec: The words it reads and writes.
        encoder: `"vgg19"`: stored regions come in; `"small"`: a small CNN trained with the decoder.
        image_size: Side of the square pictures.
        attention_penalty: Weight of the penalty that makes every region be looked at about once.
        decoder: Options of `AttentionDecoder` (`cell`, `units`, `embedding_dim`, `dropout`, …).

    Source: Xu et al., "Show, Attend and Tell", 2015; the penalty is equation 14.
    """

    def __init__(
        self,
        codec: TextCodec,
        *,
        encoder: str = "vgg19",
        image_size: int = 224,
        attention_penalty: float = 1.0,
        name: str = "captioner",
        dtype: Any = None,
        **decoder: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.codec, self.encoder_name, self.image_size = codec, encoder, image_size
        self.attention_penalty = attention_penalty
        self.encoder = SmallCNN(name="encoder", dtype=self.dtype_policy) if encoder == "small" else None
        self.decoder = AttentionDecoder(len(codec.vocabulary), name="decoder", dtype=self.dtype_policy, **decoder)

    def build(self, input_shape: Any) -> None:
        if self.encoder:
            self.encoder.build(input_shape["images"])
            regions = self.encoder.compute_output_shape(input_shape["images"])
        else:
            regions = input_shape["regions"]
        self.decoder.build(input_shape["tokens"], Memory(None, tuple(regions)))
        self.built = True

    def regions(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        """What the decoder attends to: `<float>[batch, regions, features]`."""
        return self.encoder(inputs["images"], training=training) if self.encoder else inputs["regions"]

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> Any:
        logits, alignments = self.forced(inputs, training=training)
        if training and self.attention_penalty:
            real = ops.cast(ops.not_equal(inputs["tokens"], PAD), "float32")
            looked_at = ops.sum(alignments * ops.expand_dims(real, -1), axis=1)  # [batch, regions]
            self.add_loss(self.attention_penalty * ops.mean(ops.square(1.0 - looked_at)))
        return logits

    def forced(self, inputs: dict[str, Any], training: bool | None = None) -> tuple[Any, Any]:
        """Teacher forcing: logits and alignments."""
        memory = self.decoder.prepare(self.regions(inputs, training), training=training)
        return self.decoder(inputs["tokens"], memory, training=training)

    def search(self, inputs: dict[str, Any], decoding: Callable[..., Any], *, max_length: int) -> tuple[Any, Any]:
        """Runs a search on prepared pictures: ids `<int32>[batch, n_best, max_length]` and their scores."""
        from mmtoolkit.text import END, START

        memory = self.decoder.prepare(self.regions(inputs))
        state = self.decoder.initial_state(memory)
        return decoding(
            lambda tokens, state: self.decoder.step(tokens, state, memory),
            state,
            start=START,
            end=END,
            max_length=max_length,
        )
