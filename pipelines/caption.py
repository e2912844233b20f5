"""Trains a captioner on pictures with captions, and evaluates it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import run
from mmtoolkit.cli.options import Beam, Data, Fitting, Recurrent, Run, Vision, Words
from mmtoolkit.cli.ranges import Count, NotNegative, Share, Whole, at_least
from mmtoolkit.pipelines.learning import (
    EMBEDDINGS,
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
from mmtoolkit.pipelines.seeing import image_source, readable, tell_left_out
from mmtoolkit.readers import Fault, OnError, Splits, load_captions
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

DECODER = (
    *("attention", "cell", "layers", "units", "attention_units", "embedding_dim", "tie_output"),
    *("freeze_embeddings", "dropout", "word_dropout", "memory_dropout"),
)


@dataclass(frozen=True, kw_only=True)
class Options(Data, Vision, Recurrent, Words, Fitting, Beam, Run):
    """The options of `mmtoolkit caption`.

    Args:
        data: A folder of Flickr8k, Flickr30k or COCO captions, Karpathy's JSON, or a CSV or JSONL file (or its folder)
            with the columns image, caption[, split].
        attention: bahdanau; mean, the mean of all regions at every step; or none, that mean as the first thing read.
        layers: Cells one above the other: with 2, the lower one reads the words and attends, the upper one writes.
        tie_output: Write with the same word vectors that are read.
        dropout: Share of word vectors and outputs dropped while training.
        memory_dropout: Share of the picture's features dropped while training.
        attention_penalty: Weight of the penalty that makes every region be looked at.
        beam: Width of the default search.
        length_penalty: Power of the length by which log-probabilities are divided in the search.
        no_repeat_ngram: No run of so many words comes twice in a caption; 0 allows all.
        max_length: Longest caption written, in words, its end counted.
    """

    attention: Literal["bahdanau", "mean", "none"] = "bahdanau"
    tie_output: bool = False
    dropout: Share = 0.5
    memory_dropout: Share = 0.3
    attention_penalty: NotNegative = 1.0
    beam: Count = 5
    length_penalty: NotNegative = 0.7
    no_repeat_ngram: Whole = 3
    max_length: Annotated[int, at_least(2)] = 25

    def check(self) -> None:
        """Refuses options that make no sense, before any work is done.

        Raises:
            mm.InputError: One is out of its range, or two contradict each other.
        """
        super().check()
        if self.layer == "fc2" and self.attention == "bahdanau":
            raise mm.InputError(
                "--layer fc2 gives one vector, in which there is nowhere to look. Received: --attention bahdanau; "
                "add --attention mean or none."
            )
        check_embeddings(self.embeddings, EMBEDDINGS)


def main(options: Options) -> int:
    """Trains a captioner on pictures with captions, and evaluates it.

    Writes OUT/preset, OUT/report.json and OUT/config.yaml, which --config reads; OUT/samples shows captions and
    attention after each epoch, and OUT/logs the curves (tensorboard --logdir OUT/logs).
    """
    data, out, seed, on_error = options.data, options.out, options.seed, options.on_error
    settings = resolved(options)
    if options.resume and is_finished(out, settings):
        return 0
    claim(out, overwrite=options.overwrite or options.resume)
    start_tensorflow()

    started = time.perf_counter()
    if options.deterministic:
        start_deterministic()
    splits, faults = train_and_valid(data, seed, on_error, options.exclude)
    vision = choose_vision(settings, [record.image for record in splits.train])
    settings |= {"encoder": vision.encoder, "precision": vision.precision}
    records = [record for part in splits for record in part]
    card = {"data": str(data), "data_sha256": digest(records), "command": "mmtoolkit caption", "seed": seed}
    place = options.features
    source, unreadable = image_source(vision.key, vision.image_size, records, features=place, on_error=on_error)
    faults += unreadable
    tell_left_out(faults)
    splits = trainable(Splits(*(readable(part, unreadable) for part in splits)), data, unreadable)
    prepared = time.perf_counter()
    captioner = new_captioner(splits.train, vision, settings)
    begin(out, settings, faults, keep=options.resume and checkpoint_in(out).is_file())
    with told_how_to_go_on(out):
        best, report = train(captioner, splits, source=source, out=out, options=settings, card=card)
    report |= {"left_out": len(faults)}
    report["seconds"] = {"features": round(prepared - started), "total": round(time.perf_counter() - started)}
    finish(out, report, best, splits, source)
    return 0


def train_and_valid(
    data: Path, seed: int, on_error: OnError, exclude: Path | None
) -> tuple[Splits[mm.CaptionRecord], list[Fault]]:
    """The records of a data set and what is left out of it, with random numbers started."""
    import keras

    keras.utils.set_random_seed(seed)
    records, faults = load_captions(data, on_error=on_error, exclude=exclude)
    return trainable(mm.split(records, seed=seed), data), faults


def new_captioner(records: list[mm.CaptionRecord], vision: VisionSetup, options: dict[str, Any]) -> mm.Captioner:
    """A captioner for the words of these records, with word2vec vectors of them."""
    texts = mm.texts(records)
    codec = mm.TextCodec.fit(texts, min_count=options["min_count"])
    tell_vocabulary(codec, texts, options["min_count"])
    table = word_vectors(options["embeddings"], codec, texts, dim=options["embedding_dim"], seed=options["seed"])
    width = {} if table is None else {"embedding_dim": table.shape[1]}
    captioner = mm.Captioner(
        codec,
        encoder=vision.encoder,
        extractor=vision.key,
        image_size=vision.image_size,
        attention_penalty=options["attention_penalty"],
        decoding=mm.BeamSearch(
            width=options["beam"],
            length_penalty=options["length_penalty"],
            no_repeat_ngram=options["no_repeat_ngram"],
        ),
        max_length=options["max_length"],
        embeddings=table,
        dtype=vision.dtype,
        **{name: options[name] for name in DECODER} | width,
    )
    return started_at_vgg19(captioner)


def train(
    captioner: mm.Captioner,
    splits: Splits[mm.CaptionRecord],
    *,
    source: ImageSource,
    out: Path,
    options: dict[str, Any],
    card: dict[str, Any],
) -> tuple[mm.Captioner, dict[str, Any]]:
    """Fits the captioner, keeps the best one in OUT/preset, and reports that one's scores on the validation split."""
    history, epoch = fit(captioner, splits, source=source, out=out, options=options, card=card)
    best = mm.Captioner.from_preset(out / "preset")
    fit_distribution(best, splits, source, out / "preset", seed=options["seed"])
    report = mm.evaluate_captions(best, splits.valid, source=source, train_records=splits.train, seed=options["seed"])
    if splits.test:
        test = mm.evaluate_captions(best, splits.test, source=source, seed=options["seed"])
        test |= out_of_distribution(best, splits.test, source)
        report |= {f"test_{part}": test[part] for part in ("scores", "intervals", "unlike") if part in test}
    return best, report | {"split": "valid", "epoch": epoch, "history": history, "options": options}


if __name__ == "__main__":
    run(main)
