"""The options of a new model that jobs share: its image encoder, its words, its recurrent part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmtoolkit.cli.options import Group, Store
from mmtoolkit.cli.ranges import Count, Share
from mmtoolkit.errors import InputError
from mmtoolkit.readers.tables import did_you_mean

EMBEDDINGS = ("cbow", "skip-gram", "random")


@dataclass(frozen=True, kw_only=True)
class VGG19(Store):
    """VGG19: its weights, its layer, its precision.

    Args:
        vgg19_weights: imagenet, the path of a weights file, or random.
        layer: Layer of VGG19: block5_conv4 gives 196 regions; block5_pool as many of a picture twice as large, which
            shows smaller things and takes four times as long; fc2 one vector (weights with the top).
        precision: Precision of all layers; auto is bfloat16 for VGG19 and what follows it where the processor has it.
    """

    vgg19_weights: str | None = None
    layer: Literal["block5_conv4", "block5_pool", "fc2"] = "block5_conv4"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Vision(VGG19):
    """The image encoder of a new model.

    Args:
        encoder: Image encoder; vgg19-block5 also trains the last block of VGG19, auto takes the small CNN for pictures
            under 128 pixels.
    """

    encoder: Literal["auto", "vgg19", "vgg19-block5", "small"] = "auto"

    def check(self) -> None:
        """Checks that weights and layer are for this encoder."""
        super().check()
        if self.encoder == "small" and self.vgg19_weights is not None:
            raise InputError(
                "--vgg19-weights is for --encoder vgg19. Received: --encoder small; leave one of them out."
            )
        if self.layer != "block5_conv4" and self.encoder in ("small", "vgg19-block5"):
            raise InputError(
                f"--layer {self.layer} is for --encoder vgg19. Received: --encoder {self.encoder}; "
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
class Recurrent(Group):
    """The recurrent part of a new model.

    Args:
        cell: Recurrent cell.
        layers: Number of stacked cells.
        units: Width of the recurrent state.
        attention_units: Width of the vectors in which attention compares query and regions.
    """

    cell: Literal["lstm", "gru", "vanilla"] = "lstm"
    layers: Literal[1, 2] = 1
    units: Count = 512
    attention_units: Count = 256


def check_embeddings(embeddings: str, names: Sequence[str]) -> None:
    """Checks that the value of `--embeddings` is one of some names or a file."""
    if embeddings not in names and not Path(embeddings).is_file():
        raise InputError(
            f"--embeddings expects {', '.join(names)} or a file of word vectors. Received: "
            f"{embeddings!r}, which is none of them.{did_you_mean(embeddings, names)}"
        )
