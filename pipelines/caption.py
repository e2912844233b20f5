"""Trains a captioner on pictures with captions, and evaluates it."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmtoolkit as mm
from mmtoolkit.files import write_json
from mmtoolkit.pipelines.captioning import image_source, readable, tell_left_out
from mmtoolkit.pipelines.command import check_seed, keras_bar, run, scores_text, start_tensorflow, tell
from mmtoolkit.pipelines.runs import (
    begin,
    checkpoint_in,
    claim,
    digest,
    forget_checkpoint,
    is_finished,
    lasting,
    resolved,
    start_deterministic,
)
from mmtoolkit.readers import Fault, OnError, Splits, usable_captions
from mmtoolkit.readers.tables import near

if TYPE_CHECKING:
    from mmtoolkit.vision import ExtractorKey, ImageSource

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
EMBEDDINGS = ("cbow", "skip-gram", "random")
SMALL_SIDE = 128  # pixels: smaller pictures go to the small CNN, unless weights are named


def main(
    *,
    data: Path,
    out: Path,
    vgg19_weights: str | None = None,
    encoder: Literal["auto", "vgg19", "small"] = "auto",
    layer: Literal["block5_conv4", "fc2"] = "block5_conv4",
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
        encoder: What looks at the pictures; auto takes the small CNN for pictures under 128 pixels.
        layer: Of VGG19: block5_conv4 gives 196 regions, fc2 one vector (weights with the top).
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
        deterministic: Give the same weights at every run, to the bit, at some cost in time.
        checkpoint_every: Steps between two checkpoints within an epoch, in OUT/checkpoints; 0 writes after epochs only.
        resume: Go on from the checkpoint in OUT; without one, start.
        overwrite: Replace the run that is already in OUT.
    """
    options = resolved(locals())
    check_options(options)
    if resume and is_finished(out, options):
        return 0
    claim(out, overwrite=overwrite or resume)
    start_tensorflow()
    from mmtoolkit.vision import IMAGE_SIZE, choose_precision

    started = time.perf_counter()
    if deterministic:
        start_deterministic()
    splits, faults = train_and_valid(data, seed, on_error)
    eyes = choose_encoder(encoder, vgg19_weights, splits.train)
    exact = choose_precision(precision) if eyes == "vgg19" or precision != "auto" else "float32"
    options |= {"encoder": eyes, "precision": exact}
    key = mm.extractor_key(vgg19_weights or "imagenet", precision=exact, layer=layer) if eyes == "vgg19" else None
    image_size = IMAGE_SIZE if key else picture_side(splits.train)
    records = [record for part in splits for record in part]
    card = {"data": str(data), "data_sha256": digest(records), "command": "mmtoolkit caption", "seed": seed}
    source, unreadable = image_source(key, image_size, records, features=features, on_error=on_error)
    faults += unreadable
    tell_left_out(faults)
    splits = trainable(Splits(*(readable(part, unreadable) for part in splits)), data, unreadable)
    prepared = time.perf_counter()
    captioner = new_captioner(splits.train, key, image_size, options)
    begin(out, options, faults, keep=resume and checkpoint_in(out).is_file())
    try:
        report = train(captioner, splits, source=source, out=out, options=options, card=card) | {
            "left_out": len(faults)
        }
    except KeyboardInterrupt:
        if checkpoint_in(out).is_file():
            tell("the same command with --resume goes on from the last checkpoint")
        raise
    report["seconds"] = {"features": round(prepared - started), "total": round(time.perf_counter() - started)}
    finish(out, report)
    return 0


def train_and_valid(data: Path, seed: int, on_error: OnError) -> tuple[Splits[mm.CaptionRecord], list[Fault]]:
    """The records of a data set and what is left out of it, with random numbers started."""
    import keras

    keras.utils.set_random_seed(seed)
    records, faults = usable_captions(data, on_error=on_error)
    return trainable(mm.split(records, seed=seed), data), faults


def trainable(
    splits: Splits[mm.CaptionRecord], data: Path, unreadable: Sequence[Fault] = ()
) -> Splits[mm.CaptionRecord]:
    """The same splits; raises where there is nothing to learn from or nothing to choose by."""
    if not splits.train or not splits.valid:
        why = f" but for {len(unreadable)} pictures that cannot be read" if unreadable else ""
        raise mm.InputError(f"Training needs a train and a valid split. Received: {data} without one of them{why}.")
    return splits


def new_captioner(
    records: list[mm.CaptionRecord], key: ExtractorKey | None, image_size: int, options: dict[str, Any]
) -> mm.Captioner:
    """A captioner for the words of these records, with word2vec vectors of them."""
    from mmtoolkit.text.vocabulary import SPECIAL

    codec = mm.TextCodec.fit(mm.texts(records), min_count=options["min_count"])
    rare = {word for words in codec.split(mm.texts(records)) for word in words}.difference(codec.vocabulary.tokens)
    rarer = f"rarer than --min-count {options['min_count']} and left out: {len(rare)}"
    tell(f"vocabulary: {len(codec.vocabulary) - len(SPECIAL)} words; {rarer}")
    table = word_vectors(options["embeddings"], codec, records, options["embedding_dim"], options["seed"])
    width = {} if table is None else {"embedding_dim": table.shape[1]}
    return mm.Captioner(
        codec,
        encoder=options["encoder"],
        extractor=key,
        image_size=image_size,
        attention_penalty=options["attention_penalty"],
        decoding=mm.BeamSearch(
            width=options["beam"],
            length_penalty=options["length_penalty"],
            no_repeat_ngram=options["no_repeat_ngram"],
        ),
        max_length=options["max_length"],
        embeddings=table,
        dtype="mixed_bfloat16" if options["precision"] == "bfloat16" else "float32",
        **{name: options[name] for name in DECODER} | width,
    )


def train(
    captioner: mm.Captioner,
    splits: Splits[mm.CaptionRecord],
    *,
    source: ImageSource,
    out: Path,
    options: dict[str, Any],
    card: dict[str, Any],
) -> dict[str, Any]:
    """Fits the captioner, keeps the best one in OUT/preset, and reports that one's scores on the validation split."""
    from mmtoolkit import watching
    from mmtoolkit.checkpoints import Position

    def data(at: Position) -> Any:
        return mm.caption_dataset(
            splits.train,
            captioner.codec,
            features=source,
            batch_size=options["batch_size"],
            seed=options["seed"],
            epoch=at.epoch,
            step=at.step,
        )

    captioner.build(captioner.input_shapes())
    steps, key = len(data(Position())), captioner.extractor
    optimizer = mm.adam(options["learning_rate"], steps=steps * options["epochs"], averaging=options["averaging"])
    captioner.compile(optimizer, loss=mm.token_loss(options["label_smoothing"]))
    extractor = {"vgg19_sha256": key.weights if key else None, "precision": options["precision"]}
    events, notes = watching.Events(out / "logs"), watching.AfterBar(tell)
    validation = mm.DecodedValidation(
        splits.valid,
        source,
        out / "preset",
        patience=options["patience"],
        card={**card, **extractor, "options": options, "versions": mm.versions()},
        watch=watching.SampleCaptions(splits.valid, source, out / "samples", events=events, tell=notes.add),
    )
    settings = {**lasting(options), **extractor, "train_sha256": digest(splits.train)}
    checkpoints = mm.Checkpoints(
        checkpoint_in(out), steps=steps, settings=settings, validation=validation, every=options["checkpoint_every"]
    )
    watched = [watching.StopAtNaN(out / "preset"), validation, watching.Curves(events, tell=notes.add), notes]
    with keras_bar():  # stdout is for results
        history = checkpoints.fit(captioner, data, epochs=options["epochs"], callbacks=watched)
    best = mm.Captioner.from_preset(out / "preset")
    report = mm.evaluate_captions(best, splits.valid, source=source, seed=options["seed"])
    if splits.test:
        test = mm.evaluate_captions(best, splits.test, source=source, seed=options["seed"])
        report |= {"test_scores": test["scores"], "test_intervals": test["intervals"]}
    return report | {"split": "valid", "epoch": validation.best_epoch + 1, "history": history, "options": options}


def finish(out: Path, report: dict[str, Any]) -> None:
    """Writes the report and prints its scores."""
    write_json(out / "report.json", report)
    forget_checkpoint(out)
    tell("on the valid split:")
    print(scores_text(report["scores"]))
    if "test_scores" in report:
        tell("on the test split:\n" + scores_text(report["test_scores"]))
    tell(f"preset: {out / 'preset'}\nreport: {out / 'report.json'}")


def word_vectors(embeddings: str, codec: Any, records: list[mm.CaptionRecord], dim: int, seed: int) -> Any:
    """The table to start from: the captions' own vectors, centred, or a file's as they are; nothing for random ones."""
    if embeddings == "random":
        return None
    if embeddings in EMBEDDINGS:
        sentences, skip_gram = codec.split(mm.texts(records)), embeddings == "skip-gram"
        vectors = mm.train_word2vec(sentences, codec.vocabulary, dim=dim, skip_gram=skip_gram, seed=seed)
    else:
        vectors = mm.align_vectors(mm.load_vectors(embeddings), codec.vocabulary, seed=seed)
    tell(f"word2vec: {vectors.coverage.covered} of {vectors.coverage.total} words have a vector")
    return mm.centred(vectors.table) if embeddings in EMBEDDINGS else vectors.table


def check_options(options: dict[str, Any]) -> None:
    """Refuses options that make no sense, before any work is done.

    Raises:
        mm.InputError: One is out of its range, or two contradict each other.
    """
    if options["encoder"] == "small" and options["vgg19_weights"] is not None:
        raise mm.InputError("--vgg19-weights is for --encoder vgg19. Received: --encoder small; leave one of them out.")
    if options["layer"] == "fc2" and options["attention"] == "bahdanau":
        raise mm.InputError(
            "--layer fc2 gives one vector, in which there is nowhere to look. Received: --attention bahdanau; "
            "add --attention mean or none."
        )
    if options["embeddings"] not in EMBEDDINGS and not Path(options["embeddings"]).is_file():
        raise mm.InputError(
            f"--embeddings expects {', '.join(EMBEDDINGS)} or a file of word vectors. Received: "
            f"{options['embeddings']!r}, which is none of them.{near(options['embeddings'], EMBEDDINGS)}"
        )
    check_seed(options["seed"])
    for name, least in LEAST.items():
        if options[name] < least:
            raise mm.InputError(f"--{name.replace('_', '-')} expects {least} or more. Received: {options[name]}.")
    for name in SHARES:
        if not 0 <= options[name] < 1:
            raise mm.InputError(
                f"--{name.replace('_', '-')} expects a share from 0 to below 1. Received: {options[name]}."
            )
    if not options["learning_rate"] > 0:
        raise mm.InputError(f"--learning-rate expects more than 0. Received: {options['learning_rate']}.")


def choose_encoder(encoder: str, weights: str | None, records: list[mm.CaptionRecord]) -> str:
    """`auto` is the small CNN for small pictures when no weights are named."""
    if encoder != "auto":
        return encoder
    return "small" if weights is None and picture_side(records) < SMALL_SIDE else "vgg19"


def picture_side(records: list[mm.CaptionRecord]) -> int:
    """The median side of the first 100 pictures, rounded down to a multiple of 8; 32 to 128."""
    from PIL import Image

    sides: list[int] = []
    for record in records[:100]:
        with contextlib.suppress(OSError), Image.open(record.image) as picture:
            sides += picture.size
    return min(SMALL_SIDE, max(32, int(statistics.median(sides or [SMALL_SIDE])) // 8 * 8))


if __name__ == "__main__":
    run(main)
