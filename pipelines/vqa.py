"""Trains a question-answerer on pictures with questions and answers, and evaluates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import keras_bar, print_report, progress_bar, run, tell, warn
from mmtoolkit.cli.model_options import EMBEDDINGS, CellName, Recurrent, Vision, Words, check_embeddings
from mmtoolkit.cli.options import Data, Fitting, HeldOut, Run, resolved
from mmtoolkit.cli.ranges import Count, Positive, Share
from mmtoolkit.run_folder import claimed
from mmtoolkit.scripts import level_warning
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Task

if TYPE_CHECKING:
    from mmtoolkit.vision import VisionSetup

ONE_HOT = "one-hot"
ANSWERS_KEPT = 1000
LONGEST: dict[str, dict[str, Any]] = {
    "word": {"max_question": 60, "max_length": 12},
    "char": {"max_question": 240, "max_length": 48},
}  # tokens
MODEL = (
    *("head", "fusion", "hops", "cell", "units", "layers", "attention_units", "embedding_dim"),
    *("freeze_embeddings", "dropout", "word_dropout", "crop", "pool"),
)


@dataclass(frozen=True, kw_only=True)
class Options(Data, HeldOut, Vision, Recurrent, Words, Fitting, Run):
    """The options of `mmtoolkit vqa`.

    Args:
        data: A folder of VQA v1 or v2, easy-VQA or DAQUAR, or a CSV or JSONL file (or its folder) with the columns
            image, question, answer[, split].
        head: classify chooses among the most frequent answers, generate writes one word by word.
        fusion: attention queries the regions with the question; product and concat join it with their mean.
        hops: Number of attention hops, each queried with the result of the one before.
        question_only: Train the question-only baseline alone.
        no_twin: Do not also train the question-only baseline, with the same settings, for the report.
        cell: Recurrent cell of the question encoder and of the head generate.
        layers: Number of stacked cells of the question encoder.
        forwards_only: Read the question forwards only, not in both directions.
        units: Width of the recurrent state and of the layers behind it.
        embeddings: How the word vectors start: cbow or skip-gram on the training questions, centred; random; one-hot;
            or a file of vectors, as they are (whose width is then the embedding_dim).
        answers: Number of most frequent answers that the head classify chooses among, 1000 by default.
        dropout: Share of word vectors, regions' features and joint features dropped while training; by default 0.5,
            and 0 with the small CNN.
        crop: Largest share of the sides of a photo that is cropped while training; by default 0.5, and 0 with the small
            CNN.
        pool: Side of the squares of regions that are max-pooled into one.
        lookahead: Continue from the averages after each epoch: allows a higher rate, and learns better from few
            questions.
    """

    head: Literal["classify", "generate"] = "classify"
    fusion: Literal["attention", "product", "concat"] = "attention"
    hops: Literal[1, 2] = 1
    question_only: bool = False
    no_twin: bool = False
    cell: CellName = "lstm"
    forwards_only: bool = False
    units: Count = 256
    min_count: Count = 1
    answers: Count | None = None
    dropout: Share | None = None
    crop: Share | None = None
    pool: Count = 1
    word_dropout: Share = 0.0
    label_smoothing: Share = 0.0
    epochs: Count = 20
    learning_rate: Positive = 2e-3
    averaging: Share = 0.99
    lookahead: bool = False

    def check(self) -> None:
        """Checks each option, and that none contradicts another."""
        super().check()
        if self.layer == "fc2" and self.fusion == "attention":
            raise mm.InputError(
                "--layer fc2 gives one vector, which leaves attention no choice. Received: --fusion attention; "
                "add --fusion product or concat."
            )
        if self.hops > 1 and self.fusion != "attention":
            raise mm.InputError(
                f"--hops is for --fusion attention. Received: --hops 2, --fusion {self.fusion}; leave one out."
            )
        if self.answers is not None and self.head == "generate":
            raise mm.InputError(
                f"--answers is for --head classify. Received: --answers {self.answers}, --head generate; leave one out."
            )
        if self.question_only and (self.crop is not None or self.pool > 1):
            raise mm.InputError("--crop and --pool are for pictures. Received: --question-only; leave them out.")
        if self.layer == "fc2" and self.crop:
            raise mm.InputError("--crop is for regions. Received: --layer fc2, one vector; leave it out.")
        if self.lookahead and not self.averaging:
            raise mm.InputError("--lookahead goes back to averages. Received: --averaging 0; leave one of them out.")
        if self.embeddings == ONE_HOT and self.head == "generate":
            raise mm.InputError(
                "--embeddings one-hot is for --head classify. Received: --head generate; leave one out."
            )
        check_embeddings(self.embeddings, (*EMBEDDINGS, ONE_HOT))


def main(options: Options) -> int:
    """Trains a question-answerer on pictures with questions and answers, and evaluates it.

    Writes OUT/preset, OUT/report.json and OUT/config.yaml, which --config reads; OUT/samples holds answers and
    attention after each epoch, and OUT/logs the curves (tensorboard --logdir OUT/logs). The report compares with the
    most frequent answers, the pictures of other questions, and a question-only baseline.
    """
    task, settings = mm.question_answering, resolved(options)
    with claimed(
        options.out,
        settings,
        resume=options.resume,
        overwrite=options.overwrite,
        companions=task.companions,
        tell=tell,
    ) as out:
        start_tensorflow()
        from mmtoolkit.training.job import check_finished

        if out is None:
            check_finished(task, options, valid_share=options.valid_share)
            tell(f"nothing to resume: the run in {options.out} is finished")
            return 0
        report = trained(task, options, settings, out)
    tell_baselines(report)
    print_report(task.metric, report, options.out)
    return 0


def trained(task: Task[Any], options: Options, settings: dict[str, Any], out: Path) -> dict[str, Any]:
    """Trains in a folder; returns the report."""
    from mmtoolkit.training.job import Blueprint, Screen, train

    question_only = partial(new_answerer, question_only=True)
    blueprint = Blueprint(
        question_only if options.question_only else new_answerer,
        settle=settle,
        images=not options.question_only,
        companions={} if options.no_twin or options.question_only else {"question_only": question_only},
    )
    return train(
        task,
        blueprint,
        options=options,
        settings=settings,
        out=out,
        command="mmtoolkit vqa",
        valid_share=options.valid_share,
        screen=Screen(tell, progress_bar, keras_bar),
    )


def settle(settings: dict[str, Any], vision: VisionSetup) -> None:
    """Fills in options that were left open, and checks that `--pool` divides the regions."""
    small, question_only = vision.encoder == "small", settings["question_only"]
    grid = vision.key.backbone.shape[0] if vision.key else vision.image_size // 8
    usual: dict[str, Any] = {"dropout": 0.0 if small and not question_only else 0.5}
    usual["crop"] = 0.0 if small or question_only or grid == 1 else 0.5
    if settings["head"] == "classify":
        usual["answers"] = ANSWERS_KEPT
    settings |= {name: value for name, value in usual.items() if settings[name] is None}
    if grid % settings["pool"]:
        raise mm.InputError(
            f"--pool expects a number that divides the {grid} x {grid} regions of a picture. "
            f"Received: {settings['pool']}; give another or leave it out."
        )


def new_answerer(
    records: Sequence[mm.QuestionRecord],
    vision: VisionSetup,
    settings: Mapping[str, Any],
    *,
    question_only: bool = False,
) -> mm.VisualQA:
    """Makes a question-answerer with the words and answers of some records and word vectors trained on them."""
    import keras

    from mmtoolkit.models import start_at_weights
    from mmtoolkit.text import SPECIAL, vocabulary_summary, word_table

    keras.utils.set_random_seed(settings["seed"])  # a baseline must not depend on when the model's training was stopped
    texts = mm.question_answering.texts(records)
    questions, answers, min_count = texts["words"], texts["answers"], settings["min_count"]
    level = settings["level"]
    if warning := level_warning(questions, level):
        warn(warning)
    codec = mm.TextCodec.fit(questions, level=level, min_count=min_count)
    if settings["head"] == "classify":
        answers_codec = mm.TextCodec.fit(answers, level="whole", max_size=settings["answers"] + len(SPECIAL))
        tell(f"answers: {len(answers_codec.vocabulary) - len(SPECIAL)}")
    else:
        written = "char" if level == "char" else "answer"
        answers_codec = mm.TextCodec.fit(answers, level=written, min_count=min_count)
    tell(vocabulary_summary(codec, questions, min_count))
    shape = {"dim": settings["embedding_dim"], "seed": settings["seed"]}
    table = word_table(settings["embeddings"], codec, questions, tell=tell, **shape)
    width = {} if table is None else {"embedding_dim": table.shape[1]}
    model = mm.VisualQA(
        codec,
        answers_codec,
        question_only=question_only,
        encoder=vision.encoder,
        extractor=vision.key,
        image_size=vision.image_size,
        embeddings=table,
        bidirectional=not settings["forwards_only"],
        dtype=vision.dtype,
        **LONGEST[level],
        **{name: settings[name] for name in MODEL} | width | ({"crop": 0.0, "pool": 1} if question_only else {}),
    )
    return start_at_weights(model)


def tell_baselines(report: Mapping[str, Any]) -> None:
    """Prints the accuracy of the baselines, and the model's gain over those that show what the picture adds."""
    for name, scores in report["baselines"].items():
        points = report["gains"].get(name)
        gain = ""
        if points:
            by, (low, high) = points["scores"]["accuracy"], points["intervals"]["accuracy"]
            where = f"{abs(by):.1f} points {'below' if by < 0 else 'above'}"
            gain = f"; the model is {where} (difference {low:+.1f} to {high:+.1f})"
        tell(f"{name}: accuracy {scores['accuracy']:.2f}{gain}")


if __name__ == "__main__":
    run(main)
