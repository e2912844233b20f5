"""Trains a captioner on pictures with captions, and evaluates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import keras_bar, print_report, progress_bar, run, tell, warn
from mmtoolkit.cli.model_options import EMBEDDINGS, Recurrent, Vision, Words, check_embeddings
from mmtoolkit.cli.options import Beam, Data, Fitting, Rewarding, Run, resolved
from mmtoolkit.cli.ranges import Count, NotNegative, Positive, Share, Whole, at_least
from mmtoolkit.readers.images import check_exists
from mmtoolkit.run_folder import claimed
from mmtoolkit.scripts import level_warning
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.vision import VisionSetup

WIDE, REGION_UNITS = 1000, 512  # features from which regions are projected, and to how many: as VGG19's have
USUAL = {"no_repeat_ngram": 3, "max_length": 25}
DECODER = (
    *("attention", "cell", "layers", "units", "attention_units", "embedding_dim", "tie_output"),
    *("freeze_embeddings", "dropout", "word_dropout", "memory_dropout"),
)


@dataclass(frozen=True, kw_only=True)
class Options(Data, Vision, Recurrent, Words, Fitting, Rewarding, Beam, Run):
    """The options of `mmtoolkit caption`.

    Args:
        data: A folder of Flickr8k, Flickr30k or COCO captions, Karpathy's JSON, or a CSV or JSONL file (or its folder)
            with the columns image, caption[, split].
        attention: bahdanau; hard, one region alone for each word; mean, the mean of all regions at every step; or none,
            that mean as the first input.
        layers: Number of stacked cells: with 2, the lower one reads the words and attends, the upper one predicts.
        tie_output: Share the word vectors of input and output.
        region_units: Width that the encoder's regions are projected to; 0 for none. By default 512 where they have more
            than 1,000 features.
        crop: Largest share of the sides of a picture's grid of regions that is cut off while training.
        mirror: Mirror half of the pictures while training; the features of the mirrored ones are stored too. Captions
            stay as they are: not for data whose captions tell left from right.
        dropout: Share of word vectors and outputs dropped while training.
        memory_dropout: Share of the picture's features dropped while training.
        encoder_epochs: Epochs in which the last block of the encoder is trained too, after the others.
        encoder_rate: Peak learning rate in these epochs; the block learns at a twentieth of it.
        texts: Sentences that are learnt before any picture is shown, e.g. captions of other pictures: a data set of
            captions, a text file, or a folder of such files.
        text_epochs: Passes over these sentences.
        teachers: Trained captioners, presets of one vocabulary and encoder: those of their captions that agree most
            with a picture's are learnt with them.
        consistency: Weight by which two predictions of a caption, with other values dropped, are brought together
            (R-Drop); 0 for none. A step takes up to twice as long.
        scheduled_sampling: Share of the words read that are the model's own at the end of the training.
        attention_penalty: Weight of the doubly stochastic penalty, by which every region is attended to.
        beam: Width of the default search.
        length_penalty: Power of the length by which log-probabilities are divided in the search.
        rerank: Order the sentences of the beam by how much they agree with each other, in CIDEr or BLEU (none); pays
            with a beam of 10 to 20.
        no_repeat_ngram: No run of so many words comes twice in a caption; 0 allows all. By default 3, and 0 with
            --level char.
        max_length: Longest caption read and written, in words, its end counted; longer ones are cut. By default 25, and
            100 characters with --level char.
    """

    attention: Literal["bahdanau", "hard", "mean", "none"] = "bahdanau"
    tie_output: bool = False
    region_units: Whole | None = None
    crop: Share = 0.0
    mirror: bool = False
    dropout: Share = 0.5
    memory_dropout: Share = 0.3
    texts: Path | None = None
    text_epochs: Count = 2
    teachers: tuple[str, ...] = ()
    consistency: NotNegative = 0.0
    scheduled_sampling: Share = 0.0
    attention_penalty: NotNegative = 1.0
    encoder_epochs: Whole = 0
    encoder_rate: Positive = 2e-4
    beam: Count = 5
    length_penalty: NotNegative = 0.7
    rerank: Literal["none", "cider", "bleu"] = "none"
    no_repeat_ngram: Whole | None = None
    max_length: Annotated[int, at_least(2)] | None = None

    def check(self) -> None:
        """Checks each option, and that none contradicts another."""
        super().check()
        if self.layer == "fc2" and self.attention in ("bahdanau", "hard"):
            raise mm.InputError(
                "--layer fc2 gives one vector, which leaves attention no choice. Received: --attention "
                f"{self.attention}; add --attention mean or none."
            )
        if self.reward != "none" and self.attention == "hard":
            raise mm.InputError(
                f"--reward {self.reward} is for captions, hard attention has a reward of its own. Received: both; "
                "leave one of them out."
            )
        if self.reward != "none" and self.tie_output:
            raise mm.InputError(
                f"--reward {self.reward} sharpens the output layer. Received: --tie-output, by which that is the word "
                "vectors; leave one of them out."
            )
        check_embeddings(self.embeddings, EMBEDDINGS)


def main(options: Options) -> int:
    """Trains a captioner on pictures with captions, and evaluates it.

    Writes OUT/preset, OUT/report.json and OUT/config.yaml, which --config reads; OUT/samples holds captions and
    attention after each epoch, and OUT/logs the curves (tensorboard --logdir OUT/logs).
    """
    task, settings = mm.captioning, resolved(options)
    with claimed(options.out, settings, resume=options.resume, overwrite=options.overwrite, tell=tell) as out:
        start_tensorflow()
        from mmtoolkit.training.job import Blueprint, Screen, check_finished, train

        if out is None:
            check_finished(task, options)
            tell(f"nothing to resume: the run in {options.out} is finished")
            return 0
        report = train(
            task,
            Blueprint(new_captioner, settle=settle, before=text_stages, objective=new_objective, stages=later_stages),
            options=options,
            settings=settings,
            out=out,
            command="mmtoolkit caption",
            screen=Screen(tell, progress_bar, keras_bar),
        )
    print_report(task.metric, report, options.out)
    return 0


def text_stages(splits: Any, settings: Mapping[str, Any]) -> list[Any]:
    """Makes the stage on texts alone, where there are some."""
    from mmtoolkit.readers import read_sentences
    from mmtoolkit.tasks.objectives import TextOnly, frozen
    from mmtoolkit.training import Phase, Recipe

    if settings["texts"] is None:
        return []
    objective = TextOnly(mm.captioning, read_sentences(settings["texts"]), like=splits.train[0])
    return [Phase("texts", objective, replace(Recipe.of(settings), epochs=settings["text_epochs"]), frozen)]


def new_objective(task: Any, splits: Any, source: Any, settings: Mapping[str, Any]) -> Any:
    """Makes what is minimised before there is a reward: the task's own loss, or a changed one."""
    from mmtoolkit.models.ensemble import CaptionerEnsemble
    from mmtoolkit.tasks.distillation import OfRecords, distilled
    from mmtoolkit.tasks.objectives import Consistency, ScheduledSampling

    objective, share, weight = task, settings["scheduled_sampling"], settings["consistency"]
    if settings["teachers"]:
        teacher = CaptionerEnsemble([mm.Captioner.from_preset(name) for name in settings["teachers"]])
        taught = distilled(splits.train, teacher, source, progress=progress_bar("captions of the teachers"))
        objective = OfRecords(objective, taught)
    if share:
        objective = ScheduledSampling(objective, share=share, epochs=settings["epochs"], seed=settings["seed"])
    return Consistency(objective, weight=weight) if weight else objective


def later_stages(splits: Any, settings: Mapping[str, Any]) -> list[Any]:
    """Makes the stages after the first: the encoder's last block is trained too, and captions are rewarded."""
    from mmtoolkit.models.vocabulary_extension import with_trainable_block
    from mmtoolkit.tasks.self_critical import reward_phase
    from mmtoolkit.training import Phase, Recipe

    stages = []
    if epochs := settings["encoder_epochs"]:
        recipe = replace(Recipe.of(settings), epochs=epochs, learning_rate=settings["encoder_rate"])
        stages.append(Phase("encoder", mm.captioning, recipe, with_trainable_block))
    return stages if settings["reward"] == "none" else [*stages, reward_phase(splits.train, settings)]


def settle(settings: dict[str, Any], vision: VisionSetup) -> None:
    """Fills in options that were left open, and checks that there is a block to train where that is asked for."""
    from mmtoolkit.backbones import trains_block

    if settings["encoder_epochs"]:
        if vision.key is None or trains_block(vision.encoder):
            raise mm.InputError(
                f"--encoder-epochs is for an encoder whose features are stored. Received: {vision.encoder}, which is "
                "trained from the start; leave the option out, or name another --encoder."
            )
        try:
            vision.key.backbone.before_last_block()
        except mm.InputError as error:
            raise mm.InputError(f"--encoder-epochs: {error}") from error
    if settings["texts"] is not None:
        check_exists(Path(settings["texts"]))
    if settings["teachers"]:
        check_teachers(settings["teachers"], vision)
    usual = {"no_repeat_ngram": 0, "max_length": 100} if settings["level"] == "char" else USUAL
    usual = {**usual, "region_units": REGION_UNITS if features_of(vision) > WIDE else 0}
    settings |= {name: value for name, value in usual.items() if settings[name] is None}


def features_of(vision: VisionSetup) -> int:
    """Returns the number of features of the regions that an encoder with stored features makes; 0 of another."""
    from mmtoolkit.backbones import Backbone, network_of, trains_block

    if vision.key is None:
        return 0
    whole = Backbone.named(network_of(vision.encoder), image_size=vision.image_size)
    return whole.shape[-1] if trains_block(vision.encoder) else vision.key.shape[1]


def check_teachers(names: Sequence[str], vision: VisionSetup) -> None:
    """Checks that presets can teach a captioner: one vocabulary, and its images."""
    from mmtoolkit.models.ensemble import CaptionerEnsemble

    teacher = CaptionerEnsemble([mm.Captioner.from_preset(name) for name in names])
    if (teacher.extractor, teacher.image_size) != (vision.key, vision.image_size):
        raise mm.InputError(
            f"--teachers expects captioners that read what this training does, {vision.key or 'pixels'} of "
            f"{vision.image_size} x {vision.image_size}. Received: one that reads {teacher.extractor or 'pixels'} of "
            f"{teacher.image_size}; give --encoder, --encoder-weights, --image-size and --precision as theirs."
        )


def new_captioner(
    records: Sequence[mm.CaptionRecord], vision: VisionSetup, settings: Mapping[str, Any]
) -> mm.Captioner:
    """Makes a captioner with the vocabulary of some records and word vectors trained on them."""
    from mmtoolkit.models import start_at_weights
    from mmtoolkit.text import length_warning, vocabulary_summary, word_table

    texts = mm.texts(records)
    if warning := level_warning(texts, settings["level"]):
        warn(warning)
    codec = mm.TextCodec.fit(texts, level=settings["level"], min_count=settings["min_count"])
    tell(vocabulary_summary(codec, texts, settings["min_count"]))
    if warning := length_warning(codec, texts, settings["max_length"]):
        warn(warning)
    shape = {"dim": settings["embedding_dim"], "seed": settings["seed"]}
    table = word_table(settings["embeddings"], codec, texts, tell=tell, **shape)
    width = {} if table is None else {"embedding_dim": table.shape[1]}
    decoding = mm.BeamSearch(
        width=settings["beam"],
        length_penalty=settings["length_penalty"],
        rerank=settings["rerank"],
        no_repeat_ngram=settings["no_repeat_ngram"],
    )
    captioner = mm.Captioner(
        codec,
        encoder=vision.encoder,
        extractor=vision.key,
        image_size=vision.image_size,
        attention_penalty=settings["attention_penalty"],
        decoding=decoding,
        max_length=settings["max_length"],
        crop=settings["crop"],
        region_units=settings["region_units"] or None,
        embeddings=table,
        dtype=vision.dtype,
        **{name: settings[name] for name in DECODER} | width,
    )
    return start_at_weights(captioner)


if __name__ == "__main__":
    run(main)
