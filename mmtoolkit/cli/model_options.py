"""The options of a new model that jobs share: its image encoder, its words, its recurrent part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmtoolkit.cli.options import Group, Store
from mmtoolkit.cli.ranges import Count, Share, Side
from mmtoolkit.errors import InputError, did_you_mean

EMBEDDINGS = ("cbow", "skip-gram", "random")
CellName = Literal[  # of layers.cells, which imports Keras; vanilla, which older commands have, is rnn
    "lstm",
    "gru",
    "rnn",
    "rnn_relu",
    "rnn_sigmoid",
    "peephole",
    "peephole_diagonal",
    "coupled",
    "gru_lecture",
    "depth_gated",
    "jordan",
    "vanilla",
]


@dataclass(frozen=True, kw_only=True)
class Encoder(Store):
    """An image encoder whose regions are stored: its weights, its layer, its precision.

    Args:
        encoder_weights: imagenet, the path of a weights file, or random.
        layer: Layer of the encoder, by default its last map. Of VGG19 that is block5_conv4 with 196 regions;
            block5_pool gives as many of a picture twice as large, which shows smaller things and takes four times as
            long; fc2 one vector (weights with the top).
        image_size: Side of the square pictures in pixels; by default that of the encoder.
        precision: Precision of all layers; auto is bfloat16 for a stored encoder and what follows it where the
            processor has it.
    """

    encoder_weights: str | None = None
    layer: str | None = None
    image_size: Side | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Vision(Encoder):
    """The image encoder of a new model.

    Args:
        encoder: Image encoder: small, which is trained along; efficientnet-lite2, or the name of a network of
            keras.applications (vgg19, resnet50, efficientnetv2-b0), with -block to train its last block too
            (vgg19-block5); auto takes small for pictures under 128 pixels, else vgg19.
    """

    encoder: str = "auto"

    def check(self) -> None:
        """Checks that weights and layer are for this encoder."""
        super().check()
        if self.encoder == "small" and self.encoder_weights is not None:
            raise InputError(
                "--encoder-weights is for an encoder like vgg19. Received: --encoder small; leave one of them out."
            )
        if self.layer and (self.encoder == "small" or self.encoder.endswith(("-block", "-block5"))):
            raise InputError(
                f"--layer {self.layer} is for an encoder like vgg19. Received: --encoder {self.encoder}; "
                "leave one of them out."
            )


@dataclass(frozen=True, kw_only=True)
class Words(Group):
    """The words of a new model.

    Args:
        embedding_dim: Width of the word vectors.
        embeddings: How the word vectors start: cbow or skip-gram on the training texts, centred; random; or a file of
            vectors, as they are (whose width is then the embedding_dim).
        freeze_embeddings: Leave the word vectors as they start.
        level: What the texts are split into: words, or characters where a script has no spaces between words.
        min_count: Words that occur less often become unknown.
        word_dropout: Share of the input words dropped as a whole while training.
    """

    embedding_dim: Count = 300
    embeddings: str = "cbow"
    freeze_embeddings: bool = False
    level: Literal["word", "char"] = "word"
    min_count: Count = 5
    word_dropout: Share = 0.15


@dataclass(frozen=True, kw_only=True)
class Cells(Group):
    """The recurrent cells of a new model.

    Args:
        cell: Recurrent cell; mmtoolkit.layers.cells has the equations of each.
        layers: Number of stacked cells.
        units: Width of the recurrent state.
    """

    cell: CellName = "lstm"
    layers: Literal[1, 2, 3, 4, 5, 6, 7, 8] = 1
    units: Count = 512


@dataclass(frozen=True, kw_only=True)
class Recurrent(Cells):
    """The recurrent part of a new model with attention.

    Args:
        attention_units: Width of the vectors in which attention compares query and regions.
    """

    attention_units: Count = 256


@dataclass(frozen=True, kw_only=True)
class Compared(Group):
    """Cells with new weights that are compared.

    Args:
        cells: Cells with new weights that are compared; mmtoolkit.layers.cells has the equations of each.
        length: Steps of the sequences.
        units: Width of the state.
    """

    cells: tuple[CellName, ...] = ("rnn", "gru", "lstm")
    length: Count = 100
    units: Count = 64


def check_embeddings(embeddings: str, names: Sequence[str]) -> None:
    """Checks that the value of `--embeddings` is one of some names or a file."""
    if embeddings not in names and not Path(embeddings).is_file():
        raise InputError(
            f"--embeddings expects {', '.join(names)} or a file of word vectors. Received: "
            f"{embeddings!r}, which is none of them.{did_you_mean(embeddings, names)}"
        )
