"""What the training jobs share: the choice of an encoder, word vectors, and `fit`."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import mmtoolkit as mm
from mmtoolkit.cli.command import keras_bar, scores_text, tell
from mmtoolkit.pipelines.kinds import kind_of
from mmtoolkit.pipelines.reporting import write_report
from mmtoolkit.pipelines.runs import checkpoint_in, digest, forget_checkpoint, is_stopped, lasting
from mmtoolkit.readers import Fault, Splits
from mmtoolkit.readers.tables import near

if TYPE_CHECKING:
    from mmtoolkit.vision import ExtractorKey, ImageSource

EMBEDDINGS = ("cbow", "skip-gram", "random")
SMALL_SIDE = 128  # pixels: smaller pictures go to the small CNN, unless weights are named
RecordT = TypeVar("RecordT", mm.CaptionRecord, mm.QuestionRecord)


def check_embeddings(embeddings: str, names: Sequence[str]) -> None:
    """Refuses what is neither a way to start word vectors nor a file of them.

    Args:
        embeddings: The value of `--embeddings`.
        names: The ways.

    Raises:
        mm.InputError: It is neither.
    """
    if embeddings not in names and not Path(embeddings).is_file():
        raise mm.InputError(
            f"--embeddings expects {', '.join(names)} or a file of word vectors. Received: "
            f"{embeddings!r}, which is none of them.{near(embeddings, names)}"
        )


def trainable(splits: Splits[RecordT], data: Path, unreadable: Sequence[Fault] = ()) -> Splits[RecordT]:
    """The same splits; raises where there is nothing to learn from or nothing to choose by."""
    if not splits.train or not splits.valid:
        why = f" but for {len(unreadable)} pictures that cannot be read" if unreadable else ""
        raise mm.InputError(f"Training needs a train and a valid split. Received: {data} without one of them{why}.")
    return splits


class VisionSetup(NamedTuple):
    """How a model sees.

    Args:
        encoder: `"vgg19"`, `"vgg19-block5"` or `"small"`.
        precision: Of all layers, `"float32"` or `"bfloat16"`.
        key: What makes the regions that are stored; none for the small CNN.
        image_size: Side of the square pictures.
    """

    encoder: str
    precision: str
    key: ExtractorKey | None
    image_size: int

    @property
    def dtype(self) -> str:
        """The precision as Keras calls it."""
        return "mixed_bfloat16" if self.precision == "bfloat16" else "float32"


def choose_vision(options: Mapping[str, Any], images: Sequence[Path]) -> VisionSetup:
    """The encoder and the precision for some pictures where `auto` leaves the choice."""
    from mmtoolkit.vision import choose_precision

    weights, precision = options["vgg19_weights"], options["precision"]
    encoder = choose_encoder("vgg19" if options["layer"] != "block5_conv4" else options["encoder"], weights, images)
    exact = choose_precision(precision) if encoder != "small" or precision != "auto" else "float32"
    if encoder == "small":
        return VisionSetup(encoder, exact, None, picture_side(images))
    layer = "block4_pool" if encoder == "vgg19-block5" else options["layer"]
    key = mm.extractor_key(weights or "imagenet", precision=exact, layer=layer)
    return VisionSetup(encoder, exact, key, key.side)


def choose_encoder(encoder: str, weights: str | None, images: Sequence[Path]) -> str:
    """`auto` is the small CNN for small pictures when no weights are named."""
    if encoder != "auto":
        return encoder
    return "small" if weights is None and picture_side(images) < SMALL_SIDE else "vgg19"


def picture_side(images: Sequence[Path]) -> int:
    """The median side of the first 100 pictures, rounded down to a multiple of 8; 32 to 128."""
    from PIL import Image

    sides: list[int] = []
    for path in images[:100]:
        with contextlib.suppress(OSError), Image.open(path) as picture:
            sides += picture.size
    return min(SMALL_SIDE, max(32, int(statistics.median(sides or [SMALL_SIDE])) // 8 * 8))


def word_vectors(embeddings: str, codec: Any, texts: Sequence[str], *, dim: int, seed: int) -> Any:
    """The table to start from: the texts' own vectors, centred, or a file's as they are; nothing for random ones."""
    if embeddings == "random":
        return None
    if embeddings in EMBEDDINGS:
        sentences, skip_gram = codec.split(texts), embeddings == "skip-gram"
        vectors = mm.train_word2vec(sentences, codec.vocabulary, dim=dim, skip_gram=skip_gram, seed=seed)
    else:
        vectors = mm.align_vectors(mm.load_vectors(embeddings), codec.vocabulary, seed=seed)
    tell(f"word2vec: {vectors.coverage.covered} of {vectors.coverage.total} words have a vector")
    return mm.centred(vectors.table) if embeddings in EMBEDDINGS else vectors.table


def tell_vocabulary(codec: Any, texts: Sequence[str], min_count: int) -> None:
    """Says how many words there are, and how many are too rare."""
    from mmtoolkit.text import SPECIAL

    rare = {word for words in codec.split(texts) for word in words}.difference(codec.vocabulary.tokens)
    rarer = f"rarer than --min-count {min_count} and left out: {len(rare)}"
    tell(f"vocabulary: {len(codec.vocabulary) - len(SPECIAL)} words; {rarer}")


def started_at_vgg19(model: Any) -> Any:
    """The model, built, with the last block of VGG19 as its weights file has it where that is trained along."""
    from mmtoolkit.vision import block5_weights

    model.build(model.input_shapes())
    if model.encoder_name == "vgg19-block5" and model.encoder:
        model.encoder.start(block5_weights(model.extractor))
    return model


class Trained(NamedTuple):
    """What a training leaves behind besides its preset."""

    history: dict[str, list[float]]
    epoch: int


def fit(
    model: Any,
    splits: Splits[Any],
    *,
    source: ImageSource | None,
    out: Path,
    options: Mapping[str, Any],
    card: Mapping[str, Any],
) -> Trained:
    """Fits a model, and keeps its best state in OUT/preset.

    Args:
        model: The model, built.
        splits: The records.
        source: Where features or pixels come from.
        out: Folder of the run.
        options: The options of the job; those that last must be the same in a run that goes on.
        card: What the preset's card says besides.
    """
    from mmtoolkit import monitoring
    from mmtoolkit.checkpoints import Position

    kind = kind_of(model)
    data = kind.batches(model, splits.train, source, options)
    steps, key = len(data(Position())), model.extractor
    optimizer = mm.adam(
        options["learning_rate"],
        steps=steps * options["epochs"],
        averaging=options["averaging"],
        lookahead=steps if options.get("lookahead") else 0,
    )
    model.compile(optimizer, loss=kind.loss(model, options["label_smoothing"]))
    extractor = {"vgg19_sha256": key.weights if key else None, "precision": options["precision"]}
    events, notes = monitoring.Events(out / "logs"), monitoring.AfterBar(tell)
    samples = None
    if source:
        samples = kind.samples()(splits.valid, source, out / "samples", events=events, tell=notes.add)
    validation = mm.DecodedValidation(
        splits.valid,
        source,
        out / "preset",
        judge=kind.judge(),
        patience=options["patience"],
        card={**card, **extractor, "options": dict(options), "versions": mm.versions()},
        watch=samples,
    )
    settings = {**lasting(options), **extractor, "train_sha256": digest(splits.train)}
    checkpoints = mm.Checkpoints(
        checkpoint_in(out), steps=steps, settings=settings, validation=validation, every=options["checkpoint_every"]
    )
    watched = [monitoring.StopAtNaN(out / "preset"), validation, monitoring.Curves(events, tell=notes.add), notes]
    with keras_bar():  # stdout is for results
        history = checkpoints.fit(model, data, epochs=options["epochs"], callbacks=watched)
    return Trained(history, validation.best_epoch + 1)


@contextlib.contextmanager
def told_how_to_go_on(out: Path) -> Any:
    """Where Ctrl-C ends a training, says how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if is_stopped(out):
            tell("the same command with --resume goes on from the last checkpoint")
        raise


def finish(out: Path, report: dict[str, Any], model: Any, splits: Splits[Any], source: ImageSource | None) -> None:
    """Writes the report on the best state of a model, and prints its scores."""
    report["train_sha256"] = digest(splits.train)
    write_report(out / "report.json", report, model, splits.valid, source)
    forget_checkpoint(out)
    tell("on the valid split:")
    print(scores_text(report["scores"]))
    if "test_scores" in report:
        tell("on the test split:\n" + scores_text(report["test_scores"]))
    tell(f"preset: {out / 'preset'}")
