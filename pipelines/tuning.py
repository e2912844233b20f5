"""The stages of a fine-tuning: new words, the decoder, the encoder; the best state of all is kept."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import mmtoolkit as mm
from mmtoolkit.cli.command import tell
from mmtoolkit.pipelines.kinds import Kind
from mmtoolkit.pipelines.learning import fit
from mmtoolkit.pipelines.out_of_distribution import fit_distribution
from mmtoolkit.pipelines.runs import digest
from mmtoolkit.pipelines.seeing import pictures_for
from mmtoolkit.readers import Splits

if TYPE_CHECKING:
    from mmtoolkit.models.vocabulary_extension import VocabularyExtension
    from mmtoolkit.vision import ImageSource

Stage = Literal["decoder", "encoder"]
DIGITS = 2  # of a validation score: less is no better state
TIE = "CIDEr"  # decides where two captioners have the same, no four words right of few pictures say
GUESSES, GUESSED = 2, 60  # times that the model says what new words are like, and batches that it looks at


class State(NamedTuple):
    """A model that may be kept: what it is called, its validation scores that count, and where it is."""

    name: str
    rank: tuple[float, ...]
    folder: Path


def rank(scores: Mapping[str, float], name: str) -> tuple[float, ...]:
    """What states are compared by: the score of a name, and where that is equal the one that breaks ties.

    Example:
        >>> rank({"BLEU-4": 3e-7, "CIDEr": 0.237}, "BLEU-4")
        (0.0, 0.24)
    """
    return round(scores[name], DIGITS), round(scores.get(TIE, 0.0), DIGITS)


def best_epoch(history: Mapping[str, Sequence[float]], name: str) -> dict[str, float]:
    """The validation scores of the epoch whose weights were kept: the best by name."""
    values = history[f"val_{name}"]
    kept = values.index(max(values))
    return {key.removeprefix("val_"): column[kept] for key, column in history.items() if key.startswith("val_")}


def tuned(
    model: Any,
    kind: Kind,
    splits: Splits[Any],
    source: ImageSource | None,
    *,
    old: Splits[Any] | None,
    out: Path,
    options: dict[str, Any],
) -> tuple[Any, dict[str, Any], ImageSource | None]:
    """Trains stage after stage, keeps the best state in OUT/preset, and compares it with the model before.

    Returns:
        The best state, the report on it, and the source of its pictures.
    """
    import keras

    before = kind.evaluate(model, splits.valid, source, seed=options["seed"])
    test = {"before": scored(kind, model, splits.test, source, options)} if splits.test else {}
    name = kind.judge().scores[0]
    tell(f"before: {name} {before['scores'][name]:.2f} on {len(splits.valid)} held-out records")
    origin = dict(model.card)
    states = [State("before", rank(before["scores"], name), out / "stage-0")]
    model.save_preset(states[0].folder)
    model, extension = larger(model, kind, splits, source, old, options)
    tell_extension(extension)
    histories: dict[str, Any] = {}
    for number, stage in enumerate(options["stages"] or usual_stages(model), start=1):
        tell(f"stage {number}: {stage}")
        keras.utils.set_random_seed(options["seed"])  # a stage must not depend on when the one before was stopped
        model, source = unfrozen(model.bare(), stage, splits, source, options)
        folder = out / f"stage-{number}"
        rate = options["learning_rate"] * (options["encoder_rate"] if stage == "encoder" else 1.0)
        settings = {**options, "learning_rate": rate, "precision": precision_of(model)}
        card = {**origin, **card_of(model, kind, splits, options)}
        trained = fit(model, splits, source=source, out=folder, options=settings, card=card)
        histories[stage] = trained.history
        states.append(State(stage, rank(best_epoch(trained.history, name), name), folder / "preset"))
        model = type(model).from_preset(folder / "preset")
    best = max(states, key=lambda state: state.rank)  # the first of equals: before, where nothing won
    model = type(model).from_preset(best.folder)
    model.save_preset(out / "preset", card={**model.card, "best": best.name})
    records = [record for part in splits for record in part]
    source, _ = pictures_for(model, records, features=place_of(options), on_error="fail")
    if best.name != "before":  # which has what its own training left
        fit_distribution(model, splits, source, out / "preset", seed=options["seed"])
    if test:
        test["after"] = scored(kind, model, splits.test, source, options)
    report = kind.evaluate(model, splits.valid, source, train_records=splits.train, seed=options["seed"]) | {
        "split": "valid",
        "before": {key: before[key] for key in ("scores", "intervals")},
        **({"test": test} if test else {}),
        "new": {codec: list(tokens) for codec, tokens in extension.words.items()},
        "neighbours": extension.neighbours,
        "best": best.name,
        "history": histories,
        "options": options,
    }
    return model, report, source


def scored(
    kind: Kind, model: Any, records: Sequence[Any], source: ImageSource | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The scores of a model with their intervals."""
    report = kind.evaluate(model, records, source, seed=options["seed"])
    return {key: report[key] for key in ("scores", "intervals")}


def larger(
    model: Any,
    kind: Kind,
    splits: Splits[Any],
    source: ImageSource | None,
    old: Splits[Any] | None,
    options: Mapping[str, Any],
) -> tuple[Any, VocabularyExtension]:
    """The model with the new words, made of what is most like them.

    With the old data word2vec finds that. Without it the texts may hold no word of the old kind: the model says what it
    would have said.
    """
    from mmtoolkit.checkpoints import Position
    from mmtoolkit.models.vocabulary_extension import extend_vocabulary, predicted_neighbours

    texts = kind.texts(splits.train)
    same = {"known": kind.texts(old.train) if old else None, "min_count": options["min_count"], "seed": options["seed"]}
    found, extension = extend_vocabulary(model, texts, **same)
    for _ in range(GUESSES):  # what stands before a new word is often another one, which the first guess has placed
        if old or not extension.words[model.codec_names[-1]]:
            break
        batches = kind.batches(found, splits.train, source, options)(Position())
        neighbours = predicted_neighbours(found, extension, itertools.islice(batches, GUESSED))
        found, extension = extend_vocabulary(model, texts, neighbours=neighbours, **same)
    return found, extension


def usual_stages(model: Any) -> tuple[Stage, ...]:
    """Both stages where the encoder is a part of the model, else the first: to unfreeze VGG19 takes long."""
    return ("decoder", "encoder") if model.encoder else ("decoder",)


def check_stages(stages: Sequence[Stage], model: Any) -> None:
    """Refuses, before any training, stages that cannot be.

    Raises:
        mm.InputError: One comes twice, or the model has no encoder that could be trained.
    """
    from mmtoolkit.models.vocabulary_extension import check_trainable_vgg19

    if len(set(stages)) < len(stages):
        raise mm.InputError(f"--stages expects each stage once. Received: {' '.join(stages)}.")
    if "encoder" in stages and not model.encoder:
        check_trainable_vgg19(model)


def unfrozen(
    model: Any, stage: Stage, splits: Splits[Any], source: ImageSource | None, options: Mapping[str, Any]
) -> tuple[Any, ImageSource | None]:
    """The model with what a stage trains unfrozen, and the source of its pictures.

    Raises:
        mm.InputError: The model has no encoder that could be trained.
    """
    from mmtoolkit.models.vocabulary_extension import with_trainable_vgg19

    if stage == "decoder":
        if model.encoder:
            model.encoder.trainable = False
        return model, source
    if not model.encoder:
        model = with_trainable_vgg19(model)
        records = [record for part in splits for record in part]
        source, _ = pictures_for(model, records, features=place_of(options), on_error="fail")
    model.encoder.trainable = True
    return model, source


def precision_of(model: Any) -> str:
    """The precision in which a model computes."""
    return "bfloat16" if model.compute_dtype == "bfloat16" else "float32"


def place_of(options: Mapping[str, Any]) -> Path | None:
    """The folder of the feature store that was asked for."""
    return Path(options["features"]) if options["features"] else None


def card_of(model: Any, kind: Kind, splits: Splits[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of the fine-tuning, in place of the first training."""
    from mmtoolkit.evaluation import most_frequent_answers

    records = [record for part in splits for record in part]
    told = {"data": options["data"], "data_sha256": digest(records), "command": "mmtoolkit finetune"}
    told |= {"preset": options["preset"], "seed": options["seed"], "valid_share": options["valid_share"]}
    return told | ({"usual_answers": most_frequent_answers(splits.train)} if kind.what == "question" else {})


def tell_extension(extension: VocabularyExtension) -> None:
    """Says how many words are new, and what the first ones start from."""
    for codec, tokens in extension.words.items():
        shown = [f"{token} (like {', '.join(extension.neighbours[token]) or 'all'})" for token in tokens[:3]]
        tell(f"new {codec}: {len(tokens)}" + (f", {', '.join(shown)}" if shown else ""))
