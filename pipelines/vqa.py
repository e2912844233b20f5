"""Trains a question-answerer on pictures with questions and answers, and evaluates it."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.cli.options import Data, Fitting, HeldOut, Recurrent, Run, Vision, Words
from mmtoolkit.cli.ranges import Count, Positive, Share
from mmtoolkit.pipelines.answering import ONE_HOT, settle, tell_baselines
from mmtoolkit.pipelines.learning import (
    EMBEDDINGS,
    SMALL_SIDE,
    VisionSetup,
    check_embeddings,
    choose_vision,
    finish,
    fit,
    started_at_vgg19,
    tell_vocabulary,
    told_how_to_go_on,
    trainable,
    word_vectors,
)
from mmtoolkit.pipelines.out_of_distribution import fit_distribution, out_of_distribution
from mmtoolkit.pipelines.runs import begin, checkpoint_in, claim, digest, is_finished, resolved, start_deterministic
from mmtoolkit.pipelines.seeing import TWIN, image_source, readable, tell_left_out
from mmtoolkit.readers import Fault, OnError, Splits, load_questions
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

NO_VISION = VisionSetup("small", "float32", None, SMALL_SIDE)  # of a model that sees nothing
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
        fusion: attention looks at the regions that the question asks for; product and concat join it with their mean.
        hops: Looks of the attention, each with what the one before has seen.
        question_only: Train the twin that reads the questions only.
        no_twin: Do not also train that twin, with the same settings, for the report.
        cell: Recurrent cell of the question encoder and of the head generate.
        layers: Cells of the question encoder one above the other.
        forwards_only: Read the question forwards, not backwards as well.
        units: Width of the recurrent state and of the layers behind it.
        embeddings: How the word vectors start: cbow or skip-gram on the training questions, centred; random; one-hot;
            or a file of vectors, as they are (whose width is then the embedding_dim).
        answers: The head classify chooses among so many most frequent answers, 1000 by default.
        dropout: Share of word vectors, regions' features and joint features dropped while training; by default 0.5,
            and 0 where the small CNN looks at pictures.
        crop: Of the sides of a photo at most so much is cut off while training; by default 0.5, and 0 where the small
            CNN looks at pictures.
        pool: Squares of so many regions on each side become one, of each feature the largest.
        lookahead: Go on from the averages after each epoch: bears a higher rate, and learns better from few questions.
    """

    head: Literal["classify", "generate"] = "classify"
    fusion: Literal["attention", "product", "concat"] = "attention"
    hops: Literal[1, 2] = 1
    question_only: bool = False
    no_twin: bool = False
    cell: Literal["lstm", "gru"] = "lstm"
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
        """Refuses options that make no sense, before any work is done.

        Raises:
            mm.InputError: One is out of its range, or two contradict each other.
        """
        super().check()
        if self.layer == "fc2" and self.fusion == "attention":
            raise mm.InputError(
                "--layer fc2 gives one vector, in which there is nowhere to look. Received: --fusion attention; "
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

    Writes OUT/preset, OUT/report.json and OUT/config.yaml, which --config reads; OUT/samples shows answers and
    attention after each epoch, and OUT/logs the curves (tensorboard --logdir OUT/logs). The report compares with the
    most frequent answers, the pictures of other questions, and a twin of the model that reads the questions only.
    """
    data, out, on_error = options.data, options.out, options.on_error
    settings = resolved(options)
    if options.resume and is_finished(out, settings):
        return 0
    claim(out, overwrite=options.overwrite or options.resume)
    start_tensorflow()
    started = time.perf_counter()
    if options.deterministic:
        start_deterministic()
    splits, faults = train_and_valid(data, options.seed, options.valid_share, on_error, options.exclude)
    images = list(dict.fromkeys(record.image for record in splits.train))
    vision = NO_VISION if options.question_only else choose_vision(settings, images)
    settings |= {"encoder": vision.encoder, "precision": vision.precision}
    settle(settings, vision)
    records = [record for part in splits for record in part]
    source, unreadable = None, list[Fault]()
    if not options.question_only:
        place = options.features
        source, unreadable = image_source(vision.key, vision.image_size, records, features=place, on_error=on_error)
    faults += unreadable
    tell_left_out(faults)
    splits = trainable(Splits(*(readable(part, unreadable) for part in splits)), data, unreadable)
    prepared = time.perf_counter()
    card = card_of(data, records, splits, options.seed, options.valid_share)
    model = new_answerer(splits.train, vision, settings, question_only=options.question_only)
    begin(out, settings, faults, keep=options.resume and checkpoint_in(out).is_file())
    with told_how_to_go_on(out):
        best, report = train(model, splits, source=source, out=out, options=settings, card=card)
    tell_baselines(report)
    report |= {"left_out": len(faults)}
    report["seconds"] = {"features": round(prepared - started), "total": round(time.perf_counter() - started)}
    finish(out, report, best, splits, source)
    return 0


def train_and_valid(
    data: Path, seed: int, valid_share: float, on_error: OnError, exclude: Path | None
) -> tuple[Splits[mm.QuestionRecord], list[Fault]]:
    """The records of a data set that have answers, and what is left out of it."""
    records, faults = load_questions(data, on_error=on_error, exclude=exclude)
    answered = [record for record in records if record.answers]
    if not answered:
        raise mm.InputError(f"Training needs answers. Received: {data}, whose questions have none; name another split.")
    return trainable(mm.split(answered, seed=seed, valid_share=valid_share), data), faults


def card_of(
    data: Path, records: list[mm.QuestionRecord], splits: Splits[mm.QuestionRecord], seed: int, valid_share: float
) -> dict[str, Any]:
    """Where the model comes from, and the most frequent answers, which reports compare with."""
    from mmtoolkit.evaluation import most_frequent_answers

    return {
        "data": str(data),
        "data_sha256": digest(records),
        "command": "mmtoolkit vqa",
        "seed": seed,
        "valid_share": valid_share,
        "usual_answers": most_frequent_answers(splits.train),
    }


def new_answerer(
    records: list[mm.QuestionRecord], vision: VisionSetup, options: dict[str, Any], *, question_only: bool
) -> mm.VisualQA:
    """A question-answerer for the words and the answers of these records, with word2vec vectors of the questions."""
    import keras
    import numpy as np

    from mmtoolkit.text import SPECIAL

    keras.utils.set_random_seed(options["seed"])  # the twin must not depend on when the model's training was stopped
    questions, answers = [record.question for record in records], [a for record in records for a in record.answers]
    codec = mm.TextCodec.fit(questions, min_count=options["min_count"])
    if options["head"] == "classify":
        answers_codec = mm.TextCodec.fit(answers, level="whole", max_size=options["answers"] + len(SPECIAL))
        tell(f"answers: {len(answers_codec.vocabulary) - len(SPECIAL)}")
    else:
        answers_codec = mm.TextCodec.fit(answers, level="answer", min_count=options["min_count"])
    tell_vocabulary(codec, questions, options["min_count"])
    if options["embeddings"] == ONE_HOT:
        table = np.eye(len(codec.vocabulary), dtype=np.float32)
    else:
        shape = {"dim": options["embedding_dim"], "seed": options["seed"]}
        table = word_vectors(options["embeddings"], codec, questions, **shape)
    width = {} if table is None else {"embedding_dim": table.shape[1]}
    model = mm.VisualQA(
        codec,
        answers_codec,
        question_only=question_only,
        encoder=vision.encoder,
        extractor=vision.key,
        image_size=vision.image_size,
        embeddings=table,
        bidirectional=not options["forwards_only"],
        dtype=vision.dtype,
        **{name: options[name] for name in MODEL} | width | ({"crop": 0.0, "pool": 1} if question_only else {}),
    )
    return started_at_vgg19(model)


def train(
    model: mm.VisualQA,
    splits: Splits[mm.QuestionRecord],
    *,
    source: ImageSource | None,
    out: Path,
    options: dict[str, Any],
    card: dict[str, Any],
) -> tuple[mm.VisualQA, dict[str, Any]]:
    """Fits the model and its twin, keeps the best of each in OUT/preset, and reports on the validation split."""
    best, trained = fitted(model, splits, source, out, options, card)
    fit_distribution(best, splits, source, out / "preset", seed=options["seed"])
    twin = None
    if not options["no_twin"] and not model.question_only:
        tell("the twin that reads the questions only:")
        question_only = new_answerer(
            splits.train, NO_VISION._replace(precision=options["precision"]), options, question_only=True
        )
        twin, _ = fitted(question_only, splits, None, out / TWIN, options, card)
        kept = out / "preset" / TWIN
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(out / TWIN / "preset", kept)
    report = mm.evaluate_answers(best, splits.valid, source=source, twin=twin, seed=options["seed"])
    if splits.test:
        test = mm.evaluate_answers(best, splits.test, source=source, twin=twin, seed=options["seed"])
        test |= out_of_distribution(best, splits.test, source)
        parts = ("scores", "intervals", "baselines", "gains", "unlike")
        report |= {f"test_{part}": test[part] for part in parts if part in test}
    shutil.rmtree(out / TWIN, ignore_errors=True)
    return best, report | {"split": "valid", "epoch": trained.epoch, "history": trained.history, "options": options}


def fitted(
    model: mm.VisualQA,
    splits: Splits[mm.QuestionRecord],
    source: ImageSource | None,
    out: Path,
    options: dict[str, Any],
    card: dict[str, Any],
) -> tuple[mm.VisualQA, Any]:
    """The best state of a model, and its training."""
    seen = None if model.question_only else source
    trained = fit(model, splits, source=seen, out=out, options=options, card=card)
    return mm.VisualQA.from_preset(out / "preset"), trained


if __name__ == "__main__":
    run(main)
