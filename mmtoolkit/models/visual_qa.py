"""Answers questions about pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from mmtoolkit.decoding import BeamSearch, Search, search_config, search_from_config
from mmtoolkit.errors import InputError
from mmtoolkit.layers import AttentionDecoder, Fusion, Memory, SequenceEncoder, TokenEmbedding
from mmtoolkit.layers.cell import Cell
from mmtoolkit.layers.memory import masked_mean, memory_of, normalise
from mmtoolkit.losses import TokenLoss
from mmtoolkit.models.image_arguments import Picture, Pictures, list_images, one_of_list, pairs
from mmtoolkit.models.image_inputs import ImageInputs
from mmtoolkit.models.look import Look, question_views
from mmtoolkit.models.model import revived
from mmtoolkit.models.outputs import Answer
from mmtoolkit.text import END, PAD, SPECIAL, START, TextCodec
from mmtoolkit.vision import ExtractorKey, ImageSource, shared_pictures

HEADS = ("classify", "generate")
OPTIONS = (
    *("head", "question_only", "units", "bidirectional", "embedding_dim", "freeze_embeddings", "dropout"),
    *("word_dropout", "max_length", "max_question"),
)


@keras.saving.register_keras_serializable("mmtoolkit")
class VisualQA(ImageInputs):
    """Answers questions about pictures: a question encoder, its fusion with a picture's regions, and a head.

    The fusion takes the encoder's last output, concatenated with the mean of the question's word vectors.

    Example:
        >>> own = VisualQA(codec, answers, encoder="small", image_size=64, units=32)
        >>> own.compile("adam", loss=own.answer_loss())
        >>> history = own.fit(mm.question_dataset(questions[:8], codec, answers, features=source), shuffle=False)
        >>> own.answer("a.jpg", "how many circles are there?").text in answers.vocabulary.tokens
        True

    Inputs: `{"regions": <float>[batch, regions, features], "question": <int32>[batch, time]}`, or `"images"`
    `<uint8>[batch, size, size, 3]` in place of the regions where the encoder is a part of the model; neither with
    `question_only`. With `"image_index" <int32>[batch]`, the index of each question's picture, questions can share
    pictures `[pictures, …]`. The head `"generate"` also reads `"tokens" <int32>[batch, time]`, the answer so far.
    Output: logits `<float32>[batch, answers]`, or `<float32>[batch, time, vocabulary]` of the head `"generate"`.

    Args:
        codec: Codec of the questions.
        answers_codec: Codec of the answers: of whole ones (level `"whole"`), or of the words of generated ones.
        head: `"classify"` chooses among the known answers, `"generate"` generates one with the attention decoder.
        fusion: `"product"`, `"concat"` or `"attention"`; see `Fusion`.
        hops: Number of attention steps, 1 or 2.
        question_only: Whether the model gets no picture, as a baseline for one that does.
        encoder: As for `Captioner`, with `extractor`, `image_size`, `regions`, `filters`, `kernels`, `crop` and `pool`.
        cell: Recurrent cell of the question encoder and of the decoder: a name of `cells.CELLS`.
        units: Width of the states, of the fusion's layers and of the hidden one.
        layers: Number of stacked cells of the question encoder.
        bidirectional: Whether the question is read backwards as well.
        attention_units: Width in which question and regions are compared.
        embedding_dim: Width of the word vectors.
        embeddings: `<float32>[words, embedding_dim]` to start the question's word vectors from.
        freeze_embeddings: Whether they are not trained.
        dropout: Share of word vectors and joint features dropped while training.
        word_dropout: Share of a question's words dropped whole while training.
        decoding: The default search of the head `"generate"`, a beam whose scores are log-probabilities.
        max_length: Longest generated answer in tokens, END included.
        max_question: Longer questions are cut to so many words.

    Raises:
        InputError: An option is out of its range, or does not fit another one.

    Source: Antol et al., "VQA: Visual Question Answering", 2015; Yang et al., "Stacked Attention Networks", 2016; the
        mean of the words: Zhou et al., "Simple Baseline for Visual Question Answering", 2015.
    """

    codec_names: ClassVar[tuple[str, ...]] = ("words", "answers")

    def __init__(
        self,
        codec: TextCodec,
        answers_codec: TextCodec,
        *,
        head: str = "classify",
        fusion: str = "attention",
        hops: int = 1,
        question_only: bool = False,
        encoder: str | keras.layers.Layer | Mapping[str, Any] = "vgg19",
        extractor: ExtractorKey | Mapping[str, Any] | None = None,
        image_size: int = 224,
        regions: Sequence[int] | None = None,
        filters: Sequence[int] = (16, 32, 64, 128),
        kernels: Sequence[int] | None = None,
        crop: float = 0.0,
        pool: int = 1,
        cell: str | type[Cell] = "lstm",
        units: int = 256,
        layers: int = 1,
        bidirectional: bool = True,
        attention_units: int = 256,
        embedding_dim: int = 300,
        embeddings: np.ndarray | None = None,
        freeze_embeddings: bool = False,
        dropout: float = 0.5,
        word_dropout: float = 0.0,
        decoding: Search | str | Mapping[str, Any] = BeamSearch(length_penalty=0.0, min_length=1),  # noqa: B008  # frozen
        max_length: int = 12,
        max_question: int = 60,
        name: str = "visual_qa",
        dtype: Any = None,
    ) -> None:
        vision: dict[str, Any] = {"encoder": encoder, "extractor": extractor, "image_size": image_size}
        vision |= {"regions": regions, "filters": filters, "kernels": kernels, "crop": crop, "pool": pool}
        super().__init__(**vision, uses_images=not question_only, name=name, dtype=dtype)
        if head not in HEADS:
            raise InputError(f"A question-answerer's head is one of {', '.join(HEADS)}. Received: {head!r}.")
        if (answers_codec.level == "whole") != (head == "classify"):
            raise InputError(
                "The head classify chooses among answers of the level whole, generate writes those of another one. "
                f"Received: head={head!r}, level={answers_codec.level!r}."
            )
        self.codec, self.answers_codec, self.head = codec, answers_codec, head
        self.question_only, self.units, self.bidirectional = question_only, units, bidirectional
        self.embedding_dim, self.freeze_embeddings = embedding_dim, freeze_embeddings
        self.dropout, self.word_dropout = dropout, word_dropout
        self.max_length, self.max_question, self.card = max_length, max_question, {}
        search = search_from_config(decoding)
        if not isinstance(search, BeamSearch) or search.length_penalty:
            raise InputError(
                "A question-answerer's decoding is a BeamSearch(length_penalty=0), whose scores are log-probabilities. "
                f"Received: {search}."
            )
        self.decoding: BeamSearch = search
        reads = {"cell": cell, "layers": layers, "bidirectional": bidirectional}
        joins = {"kind": fusion, "attention_units": attention_units, "hops": hops}
        self.make_layers(reads, joins, embeddings)

    def make_layers(self, reads: Mapping[str, Any], joins: Mapping[str, Any], embeddings: np.ndarray | None) -> None:
        """Creates the layers from words to answers, given the options of the reader and of the fusion."""
        codec, answers_codec, dropout = self.codec, self.answers_codec, self.dropout
        units, embedding_dim, question_only = self.units, self.embedding_dim, self.question_only
        same = {"dtype": self.dtype_policy}
        self.embedding = TokenEmbedding(len(codec.vocabulary), embedding_dim, table=embeddings, name="words", **same)
        self.embedding.trainable = not self.freeze_embeddings
        self.drop_words = keras.layers.Dropout(self.word_dropout, noise_shape=(None, None, 1), **same)
        self.drop_word_features = keras.layers.Dropout(dropout, **same)
        self.reader = SequenceEncoder(units, **reads, dropout=dropout, name="reader", **same)
        self.fusion = Fusion(**joins, units=units, dropout=dropout, question_only=question_only, name="fusion", **same)
        self.hidden_layer: Any = None
        self.output_layer: Any = None
        self.decoder: Any = None
        if self.head == "classify":
            # The output reads the joint vector, which needs few examples, and this layer's function of it: "is it red?"
            # is not linear.
            self.hidden_layer = keras.layers.Dense(units, activation="relu", name="hidden", **same)
            self.drop_hidden = keras.layers.Dropout(dropout, **same)
            self.output_layer = keras.layers.Dense(len(answers_codec.vocabulary) - len(SPECIAL), name="output", **same)
        else:
            self.decoder = AttentionDecoder(
                len(answers_codec.vocabulary),
                cell=reads["cell"],
                units=units,
                attention="none" if question_only else "bahdanau",
                attention_units=joins["attention_units"],
                embedding_dim=embedding_dim,
                dropout=dropout,
                name="decoder",
                **same,
            )

    def build(self, input_shape: Any) -> None:
        self.embedding.build(input_shape["question"])
        self.reader.build((None, None, self.embedding_dim))
        regions = self.build_encoder(input_shape)
        self.fusion.build((None, self.reader.width + self.embedding_dim), regions)
        if self.output_layer:
            self.hidden_layer.build((None, self.fusion.width))
            self.output_layer.build((None, self.units + self.fusion.width))
        else:
            memory = regions and Memory(None, regions)
            self.decoder.build(input_shape["tokens"], memory, (None, self.fusion.width))

    def codec_of(self, weight: keras.Variable) -> str:
        return "words" if weight is self.embedding.table else "answers"

    def input_shapes(self) -> dict[str, tuple[int | None, ...]]:
        pictures = {} if self.question_only else self.image_shapes()
        return {**pictures, "question": (None, None), **({"tokens": (None, None)} if self.decoder else {})}

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> Any:
        regions = self.regions(inputs, training)
        joint, _ = self.join(inputs, regions, training)
        if self.output_layer:
            return self.choose(joint, training)
        return self.decoder(inputs["tokens"], self.memory(inputs, regions, training), joint, training=training)[0]

    def memory(self, inputs: Mapping[str, Any], regions: Any, training: bool | None = None) -> Memory | None:
        """Returns the decoder's memory, or `None` for questions alone."""
        return memory_of(self.decoder.prepare(regions, training=training), inputs.get("image_index"))

    def join(self, inputs: Mapping[str, Any], regions: Any, training: bool | None = None) -> tuple[Any, Any]:
        """Fuses question and image to `<float>[batch, width]`, with the weights `[batch, hops, regions]` or `None`."""
        question, real = inputs["question"], inputs["question"] != PAD
        words = self.drop_words(ops.cast(normalise(self.embedding(question)), self.compute_dtype), training=training)
        words = self.drop_word_features(words, training=training)
        _, read = self.reader(words, real, training=training)
        asked = ops.concatenate([read, ops.cast(normalise(masked_mean(words, real)), self.compute_dtype)], axis=-1)
        return self.fusion(asked, regions, inputs.get("image_index"), training=training)

    def choose(self, joint: Any, training: bool | None = None) -> Any:
        """Computes the logits of the known answers: `<float32>[batch, answers]`."""
        hidden = self.drop_hidden(self.hidden_layer(joint), training=training)
        return ops.cast(self.output_layer(ops.concatenate([hidden, joint], axis=-1)), "float32")

    def search(
        self, inputs: Mapping[str, Any], decoding: Search | None = None, *, fused: bool = False
    ) -> tuple[Any, Any]:
        """Finds the likeliest answers: ids `<int32>[batch, n_best, time]` of `answers_codec` and log-probabilities.

        The head `"classify"` takes from the search its `n_best` alone; an answer is one id.
        """
        decoding, regions = decoding or self.decoding, self.regions(inputs)
        joint, _ = self.join(inputs, regions)
        if self.output_layer:
            log_probabilities = ops.log_softmax(self.choose(joint))
            count = min(getattr(decoding, "n_best", 1), self.output_layer.units)
            scores, chosen = ops.top_k(log_probabilities, count)
            return ops.expand_dims(ops.cast(chosen, "int32") + len(SPECIAL), -1), scores
        memory = self.memory(inputs, regions)
        memory = self.decoder.fused(memory) if fused else memory
        return decoding(
            lambda tokens, state: self.decoder.step(tokens, state, memory),
            self.decoder.initial_state(memory, joint),
            start=START,
            end=END,
            max_length=self.max_length,
        )

    def decode(self, inputs: Mapping[str, Any], decoding: Search | None = None) -> list[list[Answer]]:
        """Decodes the answers to a batch of prepared questions, best first."""
        sentences = self.sentences(inputs, decoding, self.answers_codec)
        return [[Answer(text, float(np.exp(score))) for text, score in row] for row in sentences]

    def inputs_for(
        self, images: Sequence[Any], questions: Sequence[str], source: ImageSource | None
    ) -> dict[str, np.ndarray]:
        """Makes the inputs of `decode` and `attention_weights` for questions about pictures."""
        asked = {"question": self.codec.encode_batch(questions, self.max_question)}
        return asked if self.question_only or not source else {**shared_pictures(source, images), **asked}

    def answer(
        self,
        images: Pictures,
        questions: str | Sequence[str],
        *,
        n_best: int | None = None,
        source: ImageSource | None = None,
        batch_size: int = 32,
    ) -> Any:
        """Answers questions about pictures.

        Example:
            >>> model.answer("a.jpg", "what colour is the triangle?").text
            'purple'

        Args:
            images: A picture or several, as of `list_images`. One picture alone is that of every question.
            questions: A question for each picture. One question alone is asked about every picture.
            n_best: Number of likeliest answers to each question.
            source: Source of prepared pictures, e.g. a `FeatureStore`; by default the files are read.
            batch_size: Questions per batch.

        Returns:
            An `Answer`, or with `n_best` a list of the best, to one question about one picture; a list for several.

        Raises:
            InputError: The numbers of pictures and questions differ, a picture cannot be read, or the weights of its
                extractor are not in the cache.
        """
        pictures, asked, alone = pairs(images, questions)
        if not self.question_only:
            source = source or self.image_source()
        answers = list[Any]()
        for start in range(0, len(pictures), batch_size):
            part = slice(start, start + batch_size)
            found = self.decode(self.inputs_for(pictures[part], asked[part], source), self.best(n_best or 1))
            answers += found if n_best else [row[0] for row in found]
        return answers[0] if alone else answers

    def look(self, image: Picture, question: str) -> Look:
        """Answers a question about a picture, with what each step of the attention is on; a notebook shows it.

        Raises:
            InputError: The picture cannot be read, or there are several.
        """
        pictures, _ = list_images(image)
        inputs = self.inputs_for(one_of_list(pictures), [question], None if self.question_only else self.image_source())
        ((best, *_),) = self.decode(inputs, self.best(1))
        return Look(best.text, best.score, question_views(self, inputs, pictures, [question], [best.text])[0])

    def best(self, n_best: int) -> Search:
        """Returns the default search, for `n_best` answers."""
        return replace(self.decoding, width=max(n_best, self.decoding.width), n_best=n_best)

    @property
    def has_attention(self) -> bool:
        """Returns whether it attends to regions, so that its attention can be drawn."""
        return self.fusion.kind == "attention" and not self.question_only

    def attention_weights(self, inputs: Mapping[str, Any]) -> np.ndarray:
        """Computes the attention weights of a question: `<float32>[batch, hops, regions]`.

        Raises:
            InputError: The model has no attention over regions.
        """
        if not self.has_attention:
            raise InputError(
                "Only a question-answerer with attention has attention weights. Received: one with "
                f"fusion={self.fusion.kind!r}, question_only={self.question_only}; leave the picture of it out."
            )
        return ops.convert_to_numpy(self.join(inputs, self.regions(inputs))[1])

    def answer_loss(self, label_smoothing: float = 0.0) -> keras.losses.Loss:
        """Makes the loss: the cross-entropy of the answers, summed with the weights of a data set."""
        if self.decoder:
            return TokenLoss(label_smoothing)
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing, reduction="sum", name="answer_loss"
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> VisualQA:
        return cls(**{**config, **{name: revived(config[name]) for name in ("codec", "answers_codec")}})

    def get_config(self) -> dict[str, Any]:
        named = {"cell": self.reader.cell_name, "layers": self.reader.layers, "fusion": self.fusion.kind}
        return {
            **{name: getattr(self, name) for name in ("codec", "answers_codec")},
            **self.image_config(),
            **{name: getattr(self, name) for name in OPTIONS},
            **named,
            **{name: getattr(self.fusion, name) for name in ("hops", "attention_units")},
            "decoding": search_config(self.decoding),
            "dtype": self.dtype_policy.name,
        }
