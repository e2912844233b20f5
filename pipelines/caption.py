"""Trains a captioner on pictures with captions, and evaluates it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmtoolkit as mm
from mmtoolkit.pipelines.command import run, start_tensorflow
from mmtoolkit.pipelines.learning import (
    EMBEDDINGS,
    VisionSetup,
    check_options,
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

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

LEAST = {
    **dict.fromkeys(["epochs", "batch_size", "units", "attention_units", "embedding_dim", "min_count", "beam"], 1),
    **dict.fromkeys(["patience", "attention_penalty", "length_penalty", "no_repeat_ngram", "checkpoint_every"], 0),
    "max_length": 2,
}
SHARES = ("dropout", "word_dropout", "memory_dropout", "label_smoothing", "averaging")
DECODER = (
    *("attention", "cell", "layers", "units", "attention_units", "embedding_dim", "tie_output"),
    *("freeze_embeddings", "dropout", "word_dropout", "memory_dropout"),
)


def main(
    *,
    data: Path,
    out: Path,
    vgg19_weights: str | None = None,
    encoder: Literal["auto", "vgg19", "vgg19-block5", "small"] = "auto",
    layer: Literal["block5_conv4", "block5_pool", "fc2"] = "block5_conv4",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    features: Path | None = None,
    attention: Literal["bahdanau", "mean", "none"] = "bahdanau",
    cell: Literal["lstm", "gru", "vanilla"] = "lstm",
    layers: Literal[1, 2] = 1,
    units: int = 512,
    attention_units: int = 256,
    embedding_dim: int = 300,
    tie_output: bool = False,
    embeddings: str = "cbow",
    freeze_embeddings: bool = False,
    min_count: int = 5,
    dropout: float = 0.5,
    word_dropout: float = 0.15,
    memory_dropout: float = 0.3,
    label_smoothing: float = 0.1,
    attention_penalty: float = 1.0,
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 8e-4,
    averaging: float = 0.999,
    patience: int = 5,
    beam: int = 5,
    length_penalty: float = 0.7,
    no_repeat_ngram: int = 3,
    max_length: int = 25,
    seed: int = 0,
    on_error: OnError = "fail",
    exclude: Path | None = None,
    deterministic: bool = False,
    checkpoint_every: int = 200,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Trains a captioner on pictures with captions, and evaluates it.

    Writes OUT/preset, OUT/report.json and OUT/config.yaml, which --config reads; OUT/samples shows captions and
    attention after each epoch, and OUT/logs the curves (tensorboard --logdir OUT/logs).

    Args:
        data: A folder of Flickr8k, Flickr30k or COCO captions, Karpathy's JSON, or a CSV or JSONL file (or its folder)
            with the columns image, caption[, split].
        out: Folder of the run.
        vgg19_weights: imagenet, the path of a weights file, or random.
        encoder: What looks at the pictures; vgg19-block5 trains the last block of VGG19 along, auto takes the small CNN
            for pictures under 128 pixels.
        layer: Of VGG19: block5_conv4 gives 196 regions, block5_pool as many of a picture twice as large, which show
            smaller things and take four times as long, fc2 one vector (weights with the top).
        precision: Of all layers; auto is bfloat16 for VGG19 and the decoder over it where the processor has it.
        features: Folder of the feature store; in the cache by default.
        attention: bahdanau; mean, the mean of all regions at every step; or none, that mean as the first thing read.
        cell: Recurrent cell of the decoder.
        layers: Cells one above the other: with 2, the lower one reads the words and attends, the upper one writes.
        units: Width of the recurrent state.
        attention_units: Width in which state and regions are compared.
        embedding_dim: Width of the word vectors.
        tie_output: Write with the same word vectors that are read.
        embeddings: How the word vectors start: cbow or skip-gram on the training captions, centred; random; or a file
            of vectors, as they are (whose width is then the embedding_dim).
        freeze_embeddings: Leave the word vectors as they start.
        min_count: Words that occur less often become unknown.
        dropout: Share of word vectors and outputs dropped while training.
        word_dropout: Share of the words read that are dropped whole while training.
        memory_dropout: Share of the picture's features dropped while training.
        label_smoothing: Probability moved from the right word to all words.
        attention_penalty: Weight of the penalty that makes every region be looked at.
        epochs: Passes over the training captions.
        batch_size: Captions a step.
        learning_rate: Highest rate of Adam.
        averaging: Share of the averaged weights kept at each step; 0 switches averaging off.
        patience: Epochs without a better validation score before training stops.
        beam: Width of the default search.
        length_penalty: Power of the length by which log-probabilities are divided in the search.
        no_repeat_ngram: No run of so many words comes twice in a caption; 0 allows all.
        max_length: Longest caption written, in words, its end counted.
        seed: Start of all random numbers.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in OUT/quarantine.jsonl.
        exclude: A list of rows and pictures to leave out, as doctor --quarantine writes it.
        deterministic: Give the same weights at every run, to the bit, at some cost in time.
        checkpoint_every: Steps between two checkpoints within an epoch, in OUT/checkpoints; 0 writes after epochs only.
        resume: Go on from the checkpoint in OUT; without one, start.
        overwrite: Replace the run that is already in OUT.
    """
    options = resolved(locals())
    check_all(options)
    if resume and is_finished(out, options):
        return 0
    claim(out, overwrite=overwrite or resume)
    start_tensorflow()

    started = time.perf_counter()
    if deterministic:
        start_deterministic()
    splits, faults = train_and_valid(data, seed, on_error, exclude)
    vision = choose_vision(options, [record.image for record in splits.train])
    options |= {"encoder": vision.encoder, "precision": vision.precision}
    records = [record for part in splits for record in part]
    card = {"data": str(data), "data_sha256": digest(records), "command": "mmtoolkit caption", "seed": seed}
    source, unreadable = image_source(vision.key, vision.image_size, records, features=features, on_error=on_error)
    faults += unreadable
    tell_left_out(faults)
    splits = trainable(Splits(*(readable(part, unreadable) for part in splits)), data, unreadable)
    prepared = time.perf_counter()
    captioner = new_captioner(splits.train, vision, options)
    begin(out, options, faults, keep=resume and checkpoint_in(out).is_file())
    with told_how_to_go_on(out):
        best, report = train(captioner, splits, source=source, out=out, options=options, card=card)
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


def check_all(options: dict[str, Any]) -> None:
    """Refuses options that make no sense, before any work is done.

    Raises:
        mm.InputError: One is out of its range, or two contradict each other.
    """
    if options["layer"] == "fc2" and options["attention"] == "bahdanau":
        raise mm.InputError(
            "--layer fc2 gives one vector, in which there is nowhere to look. Received: --attention bahdanau; "
            "add --attention mean or none."
        )
    check_options(options, least=LEAST, shares=SHARES, embeddings=EMBEDDINGS)


if __name__ == "__main__":
    run(main)
