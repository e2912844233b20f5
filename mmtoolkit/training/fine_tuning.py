"""The stages of a fine-tuning: new words, the decoder, the encoder; the best state of all is kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import keras

from mmtoolkit.evaluation import evaluate
from mmtoolkit.models.vocabulary_extension import (
    VocabularyExtension,
    check_trainable_block,
    extend_vocabulary,
    predicted_neighbours,
    with_trainable_block,
)
from mmtoolkit.readers import Splits
from mmtoolkit.task import Task
from mmtoolkit.training.fitting import Phase, Tell, data_digests, fit, keep_distribution
from mmtoolkit.training.recipe import Recipe
from mmtoolkit.training.validation import standing
from mmtoolkit.vision import ImageSource

Stage = Literal["decoder", "encoder"]
SourceOf = Callable[[Any, Sequence[Any]], ImageSource | None]  # of a model, for records
FOREIGN = 0.5  # share of unknown words from which texts are of another language
GUESSES, GUESSED = 2, 60  # times that the model predicts neighbours of new words, and batches that it reads for it


class State(NamedTuple):
    """A state of the model that may be kept: its name, its rank by validation scores, and its preset."""

    name: str
    rank: tuple[float, ...]
    folder: Path


class FineTuned(NamedTuple):
    """The best state of a fine-tuning, the report on it, and the source of its images."""

    model: Any
    report: dict[str, Any]
    source: ImageSource | None


def fine_tune(
    task: Task[Any],
    model: Any,
    splits: Splits[Any],
    *,
    source: ImageSource | None,
    source_of: SourceOf,
    out: Path,
    recipe: Recipe,
    stages: Sequence[Stage] = (),
    rewarded: Phase | None = None,
    encoder_rate: float = 0.1,
    min_count: int = 1,
    old: Splits[Any] | None = None,
    card: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    tell: Tell,
) -> FineTuned:
    """Fine-tunes a model stage by stage, keeps the best state in `out/preset`, and compares it with the state before.

    Args:
        task: The task of the model.
        model: A trained model.
        splits: The new records.
        source: Where features or pixels of the new records come from; `None` for a model without images.
        source_of: Makes a source for another state of the model, whose encoder may read other features.
        out: Folder of the run.
        recipe: The hyperparameters of each stage.
        stages: What is trained, in this order; by default what the model's encoder suggests, or nothing but a reward.
        rewarded: A further stage with an objective of its own.
        encoder_rate: Share of the learning rate in the stage `"encoder"`.
        min_count: New words that occur less often stay unknown.
        old: The data that the model was trained on, if at hand: new words find neighbours among its words too.
        card: What the preset's card has besides.
        settings: What the weights depend on besides data and model.
        tell: Called with progress messages.
    """
    before = evaluate(task, model, splits.valid, source=source, seed=recipe.seed)
    test = {"before": scored(task, model, splits.test, source, recipe.seed)} if splits.test else {}
    name, origin = task.metric.names[0], dict(model.card)
    tell(f"before: {name} {before['scores'][name]:.2f} on {len(splits.valid)} held-out records")
    states = [State("before", standing(task, model, splits.valid, source, before["scores"], name)[0], out / "stage-0")]
    tell_language(model, task.texts(splits.train), tell)
    model.save_preset(states[0].folder)
    taught = splits if stages or not rewarded else Splits([], [], [])  # a reward teaches no word
    model, extension = with_new_words(task, model, taught, source, old, recipe, min_count=min_count)
    tell_extension(extension, tell)
    model.baselines = task.fit_baselines(splits.train) or model.baselines
    histories, samples = dict[str, Any](), dict[str, Any]()
    flags = [layer.trainable for layer in layers_of(model)]
    for number, aims in enumerate(phases_of(stages, rewarded, task, model, recipe, encoder_rate), start=1):
        stage = aims.name
        tell(f"stage {number}: {stage}")
        keras.utils.set_random_seed(recipe.seed)  # a stage must not depend on when the one before was stopped
        model, source = unfrozen(aims.start(model.bare()), stage, splits, source, source_of, flags)
        own: dict[str, Any] = {"out": out / f"stage-{number}", "recipe": aims.recipe, "objective": aims.objective}
        own["settings"] = {**(settings or {}), "learning_rate": aims.recipe.learning_rate}
        trained = fit(task, model, splits, source=source, card={**origin, **(card or {})}, tell=tell, **own)
        model, histories[stage] = trained.model, trained.history
        samples[stage] = trained.samples
        states.append(State(stage, trained.rank, out / f"stage-{number}" / "preset"))
    best = max(states, key=lambda state: state.rank)  # the first of equals: before, where nothing won
    model, source = kept_state(best, model, splits, source_of, out / "preset", seed=recipe.seed, tell=tell)
    test |= {"after": scored(task, model, splits.test, source, recipe.seed)} if test else {}
    report = evaluate(task, model, splits.valid, source=source, train_records=splits.train, seed=recipe.seed) | {
        "split": "valid",
        "before": {key: before[key] for key in ("scores", "intervals")},
        **({"test": test} if test else {}),
        **extension.as_json(),
        "best": best.name,
        "history": histories,
        "samples": samples,
        **data_digests(splits, source),
    }
    tell_choice(best, states, before, report, tell)
    return FineTuned(model, report, source)


def phases_of(
    stages: Sequence[Stage], rewarded: Phase | None, task: Task[Any], model: Any, recipe: Recipe, encoder_rate: float
) -> list[Phase]:
    """Lists the stages with their objectives and recipes; those that are named train on people's texts."""
    named = stages or (() if rewarded else usual_stages(model))
    rates = {"decoder": recipe.learning_rate, "encoder": recipe.learning_rate * encoder_rate}
    phases = [Phase(stage, task, replace(recipe, learning_rate=rates[stage])) for stage in named]
    return [*phases, rewarded] if rewarded else phases


def tell_choice(
    best: State, states: Sequence[State], before: Mapping[str, Any], report: Mapping[str, Any], tell: Tell
) -> None:
    """Tells how many held-out outputs changed, or that no state was better than the one before."""
    count = len(report["rows"])
    if best.name == "before":
        ranks = ", ".join(f"{state.name} {state.rank[0]:g}" for state in states)
        tell(
            f"warning: no stage got better on the {count} held-out records ({ranks}), so the preset is as it was; "
            "give more pictures, a smaller --learning-rate or more --epochs"
        )
        return
    old = {row["id"]: row["output"] for row in before["rows"]}
    changed = sum(row["output"] != old[row["id"]] for row in report["rows"])
    tell(f"{changed} of {count} held-out outputs changed")


def kept_state(
    best: State, like: Any, splits: Splits[Any], source_of: SourceOf, preset: Path, *, seed: int, tell: Tell
) -> tuple[Any, ImageSource | None]:
    """Saves the best state as the preset of the run; returns its model and the source of its images."""
    model = type(like).from_preset(best.folder, **like.own_layers())
    model.save_preset(preset, card={**model.card, "best": best.name})
    source = source_of(model, [record for part in splits for record in part])
    if best.name != "before":  # which has what its own training left
        keep_distribution(model, splits, source, preset, seed=seed, tell=tell)
    return model, source


def scored(
    task: Task[Any], model: Any, records: Sequence[Any], source: ImageSource | None, seed: int
) -> dict[str, Any]:
    """Evaluates a model; returns the scores with their intervals."""
    report = evaluate(task, model, records, source=source, seed=seed)
    return {key: report[key] for key in ("scores", "intervals")}


def with_new_words(
    task: Task[Any],
    model: Any,
    splits: Splits[Any],
    source: ImageSource | None,
    old: Splits[Any] | None,
    recipe: Recipe,
    *,
    min_count: int,
) -> tuple[Any, VocabularyExtension]:
    """Extends the vocabularies by new words, which start from their neighbours.

    With the old data word2vec finds these. Without it the new texts may have too few known words: the model predicts
    which ones it would write there.
    """
    texts = task.texts(splits.train)
    known = task.texts(old.train) if old else None
    same: dict[str, Any] = {"known": known, "min_count": min_count, "seed": recipe.seed}
    larger, extension = extend_vocabulary(model, texts, **same)
    for _ in range(GUESSES):  # a new word often follows another one, which the first guess has placed
        if old or not extension.words[model.codec_names[-1]]:
            break
        order = {"batch_size": recipe.batch_size, "seed": recipe.seed, "epoch": 0, "step": 0}
        batches = task.dataset(larger, splits.train, source, **order)
        neighbours = predicted_neighbours(larger, extension, itertools.islice(batches, GUESSED))
        larger, extension = extend_vocabulary(model, texts, neighbours=neighbours, **same)
    return larger, extension


def usual_stages(model: Any) -> tuple[Stage, ...]:
    """Returns both stages where the encoder is a part of the model, else the first: large networks take long."""
    return ("decoder", "encoder") if model.encoder else ("decoder",)


def check_stages(stages: Sequence[Stage], model: Any) -> None:
    """Checks, before any training, that the model has an encoder if a stage trains it."""
    if "encoder" in stages and not model.encoder:
        check_trainable_block(model)


def unfrozen(
    model: Any,
    stage: str,
    splits: Splits[Any],
    source: ImageSource | None,
    source_of: SourceOf,
    flags: Sequence[bool],
) -> tuple[Any, ImageSource | None]:
    """Unfreezes what a stage trains; returns the model and the source of its images.

    `flags` say of each layer of the encoder whether it was trainable before: those that were not stay as they are.
    """
    if stage == "decoder" and model.encoder:
        model.encoder.trainable = False
    if stage != "encoder":
        return model, source
    if not model.encoder:
        model = with_trainable_block(model)
        source = source_of(model, [record for part in splits for record in part])
    model.encoder.trainable = True
    for layer, flag in zip(layers_of(model), flags, strict=False):  # none of a block that has just been added
        layer.trainable = flag
    return model, source


def layers_of(model: Any) -> list[Any]:
    """Lists the encoder of a model and all layers in it, each before those that it has."""
    found, waiting = list[Any](), [model.encoder] if model.encoder else []
    while waiting:
        layer = waiting.pop(0)
        found.append(layer)
        waiting += list(getattr(layer, "layers", ()))
    return found


def tell_language(model: Any, texts: Mapping[str, Sequence[str]], tell: Tell) -> None:
    """Warns where most words of the texts are unknown to a model."""
    name = model.codec_names[0]
    codec = getattr(model, model.codec_attribute(name))
    words = list(itertools.chain.from_iterable(codec.split(texts[name])))
    known = set(codec.vocabulary.tokens)
    unknown = [word for word in words if word not in known]
    if len(unknown) <= FOREIGN * len(words):
        return
    shown = ", ".join(dict.fromkeys(unknown[:3]))
    tell(
        f"warning: {100 * len(unknown) // len(words)} % of the words are unknown to this preset (e.g. {shown}), as of "
        "another language or script; it has to learn them anew, for which a whole training suits better"
    )


def tell_extension(extension: VocabularyExtension, tell: Tell) -> None:
    """Prints how many words are new, and which known words the first ones start from."""
    for codec, tokens in extension.words.items():
        shown = [f"{token} (like {', '.join(extension.neighbours[token]) or 'all'})" for token in tokens[:3]]
        tell(f"new {codec}: {len(tokens)}" + (f", {', '.join(shown)}" if shown else ""))
