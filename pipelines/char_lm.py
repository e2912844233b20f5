"""Trains a language model on text, of characters or words, and evaluates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import keras_bar, print_report, progress_bar, run, tell
from mmtoolkit.cli.model_options import EMBEDDINGS, Cells, check_embeddings
from mmtoolkit.cli.options import Data, Fitting, Run, resolved
from mmtoolkit.cli.ranges import Count, Positive, Share
from mmtoolkit.run_folder import claimed
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.vision import VisionSetup

LEVELS = {"char": "raw", "word": "prose"}  # of the codec
MODEL = ("cell", "units", "layers", "freeze_embeddings", "tie_output", "dropout", "window")
VALID_SHARE = 0.1  # of each text, which the reader cuts off


@dataclass(frozen=True, kw_only=True)
class Options(Data, Cells, Fitting, Run):
    """The options of `mmtoolkit char-lm`.

    Args:
        data: A UTF-8 text file, or a folder of .txt files. The last tenth of each text is the validation split, unless
            files are named train.txt, valid.txt and test.txt.
        level: Predict characters, or words, punctuation marks and line breaks.
        min_count: Tokens that occur less often are unknown.
        embedding_dim: Width of the token vectors.
        embeddings: Token vectors to start from: random, or with --level word cbow, skip-gram or a file of word vectors.
        freeze_embeddings: Keep the token vectors as they start.
        tie_output: Share the token vectors of input and output.
        dropout: Share of the vectors, of the features between layers and of the outputs dropped while training.
        window: Tokens that gradients flow over: the state is carried from window to window, gradients are not.
        precision: Precision of the layers; auto is bfloat16 where the processor has it.
        batch_size: Stretches of the text that are read side by side.
    """

    level: Literal["char", "word"] = "char"
    min_count: Count = 1
    embedding_dim: Count = 128
    embeddings: str = "random"
    freeze_embeddings: bool = False
    tie_output: bool = False
    dropout: Share = 0.3
    window: Count = 128
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    learning_rate: Positive = 2e-3
    label_smoothing: Share = 0.0

    def check(self) -> None:
        """Checks each option, and that none contradicts another."""
        super().check()
        if self.exclude:
            raise mm.InputError("--exclude is for rows and pictures. Received: a language model; leave it out.")
        if self.level == "char" and self.embeddings != "random":
            raise mm.InputError(
                f"--embeddings {self.embeddings} is for --level word. Received: --level char; leave it out."
            )
        check_embeddings(self.embeddings, EMBEDDINGS)


def main(options: Options) -> int:
    """Trains a language model on text, of characters or words, and evaluates it.

    Writes OUT/preset, OUT/report.json and OUT/config.yaml, which --config reads; OUT/samples holds generated text after
    each epoch, and OUT/logs the curves (tensorboard --logdir OUT/logs). Gradients flow over --window tokens; the state
    is carried on, and starts anew where a text begins.
    """
    task, settings = mm.language_modelling, resolved(options)
    with claimed(options.out, settings, resume=options.resume, overwrite=options.overwrite, tell=tell) as out:
        start_tensorflow()
        from mmtoolkit.training.job import Blueprint, Screen, check_finished, train

        if out is None:
            check_finished(task, options, valid_share=VALID_SHARE)
            tell(f"nothing to resume: the run in {options.out} is finished")
            return 0
        report = train(
            task,
            Blueprint(new_model, images=False),
            options=options,
            settings=settings,
            out=out,
            command="mmtoolkit char-lm",
            valid_share=VALID_SHARE,
            screen=Screen(tell, progress_bar, keras_bar),
        )
    print_report(task.metric, report, options.out)
    return 0


def new_model(records: Sequence[mm.TextRecord], vision: VisionSetup, settings: Mapping[str, Any]) -> mm.LanguageModel:
    """Makes a language model with the tokens of some records and, for words, vectors trained on them."""
    from mmtoolkit.models import start_at_weights
    from mmtoolkit.text import word_table

    texts = mm.language_modelling.texts(records)["words"]
    codec = mm.TextCodec.fit(texts, level=LEVELS[settings["level"]], lower=False, min_count=settings["min_count"])
    tell(f"vocabulary: {len(codec.vocabulary)} tokens")
    shape = {"dim": settings["embedding_dim"], "seed": settings["seed"]}
    table = None
    if settings["embeddings"] != "random":
        table = word_table(settings["embeddings"], codec, [*texts], tell=tell, **shape)
    width = settings["embedding_dim"] if table is None else table.shape[1]
    model = mm.LanguageModel(
        codec,
        embedding_dim=width,
        embeddings=table,
        dtype=vision.dtype,
        **{name: settings[name] for name in MODEL},
    )
    return start_at_weights(model)


if __name__ == "__main__":
    run(main)
