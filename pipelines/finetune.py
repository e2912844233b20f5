"""Fine-tunes a trained model on one's own pictures, and says what that gained and lost."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import mmtoolkit as mm
from mmtoolkit.pipelines.command import run, scores_text, start_tensorflow, tell
from mmtoolkit.pipelines.kinds import Kind, kind_of
from mmtoolkit.pipelines.learning import check_ranges, fit, told_how_to_go_on, trainable
from mmtoolkit.pipelines.novelty import remember, unlike
from mmtoolkit.pipelines.reporting import write_report
from mmtoolkit.pipelines.runs import STAGES, begin, claim, digest, is_finished, is_stopped, resolved
from mmtoolkit.pipelines.seeing import load_model, pictures_for, readable, tell_left_out
from mmtoolkit.readers import Fault, OnError, Splits

if TYPE_CHECKING:
    from mmtoolkit.models.growing import Growth
    from mmtoolkit.vision import ImageSource

Stage = Literal["decoder", "encoder"]
LEAST = {"epochs": 1, "batch_size": 1, "min_count": 1, "patience": 0, "checkpoint_every": 0}
STEPS, EPOCHS, LEAST_PATIENCE = 600, (5, 40), 3  # of a stage where it is not said otherwise
GUESSES, GUESSED = 2, 60  # times that the model says what new words are like, and batches that it looks at
SHARES = ("label_smoothing", "averaging", "valid_share")


def main(
    *,
    preset: str,
    data: Path,
    out: Path,
    keep: Path | None = None,
    stages: tuple[Stage, ...] = (),
    epochs: int | None = None,
    learning_rate: float = 1e-3,
    encoder_rate: float = 0.1,
    batch_size: int = 16,
    label_smoothing: float = 0.0,
    averaging: float = 0.9,
    patience: int | None = None,
    min_count: int = 1,
    valid_share: float = 0.2,
    seed: int = 0,
    vgg19_weights: str | None = None,
    features: Path | None = None,
    on_error: OnError = "fail",
    exclude: Path | None = None,
    checkpoint_every: int = 200,
    resume: bool = False,
    overwrite: bool = False,
) -> int:
    """Fine-tunes a trained model on one's own pictures, and says what that gained and lost.

    The model keeps its words and gets those that are new, which start from the words that stand where they stand. First
    all but its encoder is trained, then, at a lower rate, the encoder with it. The best state of all, before included,
    is kept in OUT/preset; OUT/report.json compares before and after on the same pictures held out. Where that is one
    after, the pictures that predict calls unlike are those unlike the new ones.

    Args:
        preset: Name of a shipped preset, or the path of one: a captioner or a question-answerer.
        data: Pictures with captions or questions, in any form that caption or vqa takes; from 20 pictures up.
        out: Folder of the run.
        keep: The data that the preset was trained on: the report then says what is lost of the old task, and new words
            find their neighbours among its words too.
        stages: decoder trains all but the encoder; encoder trains that too: the small CNN, or VGG19's last block, for
            which a preset on stored regions becomes one of --encoder vgg19-block5. By default both, with VGG19 the
            first.
        epochs: Of each stage, at most; by default from 5 to 40, more of them where there are few pictures.
        learning_rate: Highest rate of Adam.
        encoder_rate: Share of that rate in the stage encoder.
        batch_size: Captions or questions a step.
        label_smoothing: Probability moved from the right word or answer to all.
        averaging: Share of the averaged weights kept at each step; 0 switches averaging off.
        patience: Epochs of a stage without a better validation score before it ends; by default a quarter of them.
        min_count: New words that occur less often stay unknown.
        valid_share: Share of the training pictures held out for validation where the data names no split for it.
        seed: Start of all random numbers.
        vgg19_weights: VGG19 weights; by default those the preset was trained with.
        features: Folder of the feature store; in the cache by default.
        on_error: What a bad row or picture does: fail ends the job, skip leaves it out, quarantine also writes it down
            in OUT/quarantine.jsonl.
        exclude: A list of rows and pictures to leave out, as doctor --quarantine writes it.
        checkpoint_every: Steps between two checkpoints within an epoch; 0 writes after epochs only.
        resume: Go on with the run in OUT; without one, start.
        overwrite: Replace the run that is already in OUT.
    """
    options = resolved(locals())
    check_ranges(options, least=LEAST, shares=SHARES)
    if resume and is_finished(out, options):
        return 0
    claim(out, overwrite=overwrite or resume)
    start_tensorflow()
    started = time.perf_counter()
    model = load_model(preset, vgg19_weights)
    kind = kind_of(model)
    splits, source, faults = prepared(model, kind, data, options, exclude=exclude)
    settle(options, sum(len(kind.texts([record])["words"]) for record in splits.train))
    old = old_splits(kind, keep, model.card, on_error) if keep else None
    begin(out, options, faults, keep=resume and is_stopped(out))
    with told_how_to_go_on(out):
        model, report, source = tuned(model, kind, splits, source, old=old, out=out, options=options)
    if old:
        report["kept"] = kept(kind, preset, out, old.valid, options)
    report |= {"left_out": len(faults), "seconds": {"total": round(time.perf_counter() - started)}}
    write_report(out / "report.json", report, model, splits.valid, source)
    for folder in out.glob(STAGES):
        shutil.rmtree(folder)
    say(report, out, kind.judge().scores[0])
    return 0


def settle(options: dict[str, Any], examples: int) -> None:
    """Fills in the epochs and the patience that were not given, from the number of captions or questions.

    Example:
        >>> options = {"epochs": None, "patience": None, "batch_size": 16}
        >>> settle(options, examples=96)
        >>> options["epochs"], options["patience"]
        (40, 10)
    """
    few, many = EPOCHS
    if options["epochs"] is None:
        options["epochs"] = min(many, max(few, STEPS * options["batch_size"] // max(1, examples)))
    if options["patience"] is None:
        options["patience"] = max(LEAST_PATIENCE, options["epochs"] // 4)


class State(NamedTuple):
    """A model that may be kept: what it is called, its validation score, and where it is."""

    name: str
    score: float
    folder: Path


def prepared(
    model: Any, kind: Kind, data: Path, options: Mapping[str, Any], *, exclude: Path | None
) -> tuple[Splits[Any], ImageSource | None, list[Fault]]:
    """The splits of the data, the source of its pictures for a model, and what is left out."""
    records, faults = kind.usable(data, on_error=options["on_error"], exclude=exclude)
    records = [record for record in records if getattr(record, "answers", True)]
    if not records:
        raise mm.InputError(f"Training needs answers. Received: {data}, whose questions have none; name another split.")
    splits = trainable(mm.split(records, seed=options["seed"], valid_share=options["valid_share"]), data)
    source, unreadable = pictures_for(model, records, features=place_of(options), on_error=options["on_error"])
    faults = [*faults, *unreadable]
    tell_left_out(faults)
    return trainable(Splits(*(readable(part, unreadable) for part in splits)), data, unreadable), source, faults


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
    name = kind.judge().scores[0]
    tell(f"before: {name} {before['scores'][name]:.2f} on {len(splits.valid)} held-out records")
    origin = dict(model.card)
    states = [State("before", before["scores"][name], out / "stage-0")]
    model.save_preset(states[0].folder)
    model, growth = larger(model, kind, splits, source, old, options)
    tell_growth(growth)
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
        states.append(State(stage, max(trained.history[f"val_{name}"]), folder / "preset"))
        model = type(model).from_preset(folder / "preset")
    best = max(states, key=lambda state: state.score)
    model = type(model).from_preset(best.folder)
    model.save_preset(out / "preset", card={**model.card, "best": best.name})
    records = [*splits.train, *splits.valid]
    source, _ = pictures_for(model, records, features=place_of(options), on_error="fail")
    if best.name != "before":  # which has what its own training left
        remember(model, splits, source, out / "preset", seed=options["seed"])
    report = kind.evaluate(model, splits.valid, source, seed=options["seed"]) | unlike(model, splits.valid, source)
    report |= {
        "split": "valid",
        "before": {key: before[key] for key in ("scores", "intervals")},
        "new": {codec: list(tokens) for codec, tokens in growth.words.items()},
        "neighbours": growth.neighbours,
        "best": best.name,
        "history": histories,
        "options": options,
    }
    return model, report, source


def larger(
    model: Any,
    kind: Kind,
    splits: Splits[Any],
    source: ImageSource | None,
    old: Splits[Any] | None,
    options: Mapping[str, Any],
) -> tuple[Any, Growth]:
    """The model with the new words, made of what word2vec and then the model itself find most like them."""
    from mmtoolkit.checkpoints import Position
    from mmtoolkit.models.growing import grown, said_instead

    texts = kind.texts(splits.train)
    same = {"known": kind.texts(old.train) if old else None, "min_count": options["min_count"], "seed": options["seed"]}
    found, growth = grown(model, texts, **same)
    for _ in range(GUESSES):  # what stands before a new word is often another one, which the first guess has placed
        if not growth.words[model.codec_names[-1]]:
            break
        batches = kind.batches(found, splits.train, source, options)(Position())
        neighbours = said_instead(found, growth, itertools.islice(batches, GUESSED))
        found, growth = grown(model, texts, neighbours=neighbours, **same)
    return found, growth


def usual_stages(model: Any) -> tuple[Stage, ...]:
    """Both stages where the encoder is a part of the model, else the first: to unfreeze VGG19 takes long."""
    return ("decoder", "encoder") if model.encoder else ("decoder",)


def unfrozen(
    model: Any, stage: Stage, splits: Splits[Any], source: ImageSource | None, options: Mapping[str, Any]
) -> tuple[Any, ImageSource | None]:
    """The model with what a stage trains unfrozen, and the source of its pictures.

    Raises:
        mm.InputError: The model has no encoder that could be trained.
    """
    from mmtoolkit.models.growing import deepened

    if stage == "decoder":
        if model.encoder:
            model.encoder.trainable = False
        return model, source
    if not model.encoder:
        model = deepened(model)
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
    from mmtoolkit.evaluation import usual_answers

    records = [record for part in splits for record in part]
    told = {"data": options["data"], "data_sha256": digest(records), "command": "mmtoolkit finetune"}
    told |= {"preset": options["preset"], "seed": options["seed"], "valid_share": options["valid_share"]}
    return told | ({"usual_answers": usual_answers(splits.train)} if kind.what == "question" else {})


def tell_growth(growth: Growth) -> None:
    """Says how many words are new, and what the first ones start from."""
    for codec, tokens in growth.words.items():
        shown = [f"{token} (like {', '.join(growth.neighbours[token]) or 'all'})" for token in tokens[:3]]
        tell(f"new {codec}: {len(tokens)}" + (f", {', '.join(shown)}" if shown else ""))


def old_splits(kind: Kind, keep: Path, card: Mapping[str, Any], on_error: OnError) -> Splits[Any]:
    """The data that a preset was trained on, cut as its card says.

    Raises:
        mm.InputError: There is no such data, or nothing to train or validate on in it.
    """
    records, _ = kind.usable(keep, on_error=on_error)
    records = [record for record in records if getattr(record, "answers", True)]
    splits = mm.split(records, seed=card.get("seed", 0), valid_share=card.get("valid_share", 0.1))
    return trainable(splits, keep)


def kept(kind: Kind, preset: str, out: Path, valid: list[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The scores before and after on the validation split of the old data."""
    models = {"before": load_model(preset, options["vgg19_weights"]), "after": load_model(str(out / "preset"), None)}
    found: dict[str, Any] = {}
    for name, model in models.items():
        source, unreadable = pictures_for(model, valid, features=place_of(options), on_error=options["on_error"])
        report = kind.evaluate(model, readable(valid, unreadable), source, seed=options["seed"])
        found[name] = {key: report[key] for key in ("scores", "intervals")}
    return found


def say(report: Mapping[str, Any], out: Path, name: str) -> None:
    """Prints the scores, and tells how the one called `name` was before."""
    print(scores_text(report["scores"]))
    tell(f"before: {name} {report['before']['scores'][name]:.2f}; best state: {report['best']}")
    if "kept" in report:
        before, after = (report["kept"][when]["scores"][name] for when in ("before", "after"))
        tell(f"on the old data: {name} {before:.2f} before, {after:.2f} after")
    tell(f"preset: {out / 'preset'}")


if __name__ == "__main__":
    run(main)
