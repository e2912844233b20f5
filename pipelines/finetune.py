"""Fine-tunes a trained model on one's own pictures, and shows what that gained and lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import keras_bar, progress_bar, run, scores_text, tell, warn
from mmtoolkit.cli.options import Data, Descent, HeldOut, Preset, Rewarding, Run, Store, resolved
from mmtoolkit.cli.ranges import Count, Positive, Share, Whole
from mmtoolkit.readers import Fault, OnError, Splits, left_out, split_as_trained
from mmtoolkit.records import digest
from mmtoolkit.run_folder import begin, claimed, is_stopped, lasting, tidy
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Task

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

Stage = Literal["decoder", "encoder"]
STEPS, EPOCHS, LEAST_PATIENCE = 600, (5, 40), 3  # of a stage where the options leave them open
WANTED = 20  # pictures: with fewer, fine-tuning has too little to train on and to choose by


@dataclass(frozen=True, kw_only=True)
class Options(Preset, Data, HeldOut, Store, Descent, Rewarding, Run):
    """The options of `mmtoolkit finetune`.

    Args:
        preset: Name of a shipped preset, or the path of one: a captioner or a question-answerer.
        data: Pictures with captions or questions, in any form that caption or vqa takes; from 20 pictures up.
        keep: The data that the preset was trained on: the report then shows what is lost of the old task, and new words
            find their neighbours among its words too.
        stages: decoder trains all but the encoder; encoder trains that too: the small CNN, or the last block of a
            network, for which a preset on stored regions becomes one of --encoder vgg19-block5. By default both, or on
            stored regions the decoder only, and with --reward neither.
        epochs: Largest number of epochs per stage; by default from 5 to 40, more where there are few pictures.
        encoder_rate: Share of the learning rate in the stage encoder.
        patience: Epochs of a stage without a better validation score before it ends; by default a quarter of them.
        min_count: New words that occur less often stay unknown.
    """

    keep: Path | None = None
    stages: tuple[Stage, ...] = ()
    epochs: Count | None = None
    patience: Whole | None = None
    min_count: Count = 1
    learning_rate: Positive = 1e-3
    encoder_rate: Positive = 0.1
    batch_size: Count = 16
    averaging: Share = 0.9
    label_smoothing: Share = 0.0

    def check(self) -> None:
        """Checks that numbers are in range, and that no stage comes twice."""
        super().check()
        if len(set(self.stages)) < len(self.stages):
            raise mm.InputError(f"--stages expects each stage once. Received: {' '.join(self.stages)}.")


def main(options: Options) -> int:
    """Fine-tunes a trained model on one's own pictures, and shows what that gained and lost.

    The model keeps its words and gets the new ones, which start from known words in similar contexts. First all but its
    encoder is trained, then, at a lower rate, the encoder with it. The best state, which may be the one before, is kept
    in OUT/preset; OUT/report.json compares before and after on the same held-out pictures. A fine-tuned preset has the
    distribution of the new pictures, by which predict notes those that are unlike them.
    """
    settings = resolved(options)
    with claimed(options.out, settings, resume=options.resume, overwrite=options.overwrite, tell=tell) as out:
        start_tensorflow()
        from mmtoolkit.presets import find_preset, preset_digest
        from mmtoolkit.training.job import check_finished

        model = mm.load(options.preset, encoder_weights=options.encoder_weights, warn=warn)
        task, base = mm.task_of(model), {"preset_sha256": preset_digest(find_preset(options.preset))}
        if out is None:
            check_finished(task, options, valid_share=options.valid_share, others=base)
            tell(f"nothing to resume: the run in {options.out} is finished")
            return 0
        report = tuned(task, model, options, settings, base, out)
    print_scores(task, report, options.out)
    return 0


def tuned(
    task: Task[Any], model: Any, options: Options, settings: dict[str, Any], base: Mapping[str, str], out: Path
) -> dict[str, Any]:
    """Fine-tunes in a folder, where `base` is the digest of the model's preset; returns the report."""
    from mmtoolkit.reports import save_report
    from mmtoolkit.tasks.self_critical import check_rewardable, reward_phase
    from mmtoolkit.training import Recipe, check_stages, fine_tune, resumable

    started = time.perf_counter()
    check_stages(options.stages, model)
    if options.reward != "none":
        if task is not mm.captioning:
            raise mm.InputError(f"--reward is for a captioner. Received: {options.preset}, of {task.name}.")
        check_rewardable(model)
    splits, source, faults = prepared(task, model, options)
    settings |= length(options, sum(len(task.texts([record])["words"]) for record in splits.train))
    old = old_splits(task, options.keep, model.card, options.on_error) if options.keep else None
    begin(out, settings, faults, keep=options.resume and is_stopped(out), tell=tell)
    with resumable(lambda: is_stopped(out), tell), keras_bar():
        done = fine_tune(
            task,
            model,
            splits,
            source=source,
            source_of=lambda model, records: source_of(model, records, options)[0],
            out=out,
            recipe=Recipe.of(settings),
            stages=options.stages,
            rewarded=None if options.reward == "none" else reward_phase(splits.train, settings),
            encoder_rate=options.encoder_rate,
            min_count=options.min_count,
            old=old,
            card=card_of(splits, options, settings),
            settings={**lasting(settings), **base},
            tell=tell,
        )
    report = {**done.report, **base, "options": settings, "left_out": len(faults)}
    if old:
        report["kept"] = kept(task, options, out / "preset", old.valid)
    report["seconds"] = {"total": round(time.perf_counter() - started)}
    save_report(
        out / "report.json", task, report, model=done.model, records=splits.valid, source=done.source, data=options.data
    )
    tidy(out)
    return report


def length(options: Options, examples: int) -> dict[str, int]:
    """Returns epochs and patience of a stage; where they are left open they depend on the number of examples.

    Example:
        >>> length(Options(preset="shapes_demo", data=Path("mine"), out=Path("runs/a")), examples=96)
        {'epochs': 40, 'patience': 10}
    """
    few, many = EPOCHS
    epochs = options.epochs or min(many, max(few, STEPS * options.batch_size // max(1, examples)))
    patience = max(LEAST_PATIENCE, epochs // 4) if options.patience is None else options.patience
    return {"epochs": epochs, "patience": patience}


def source_of(model: Any, records: Any, options: Options) -> tuple[ImageSource | None, list[Fault]]:
    """Makes the source of the images of some records for a model."""
    from mmtoolkit.data import source_for

    progress = progress_bar("features" if model.extractor else "pictures")
    return source_for(model, records, features=options.features, on_error=options.on_error, progress=progress)


def prepared(task: Task[Any], model: Any, options: Options) -> tuple[Splits[Any], ImageSource | None, list[Fault]]:
    """Loads the splits of the data and the source of its images, and prints what is left out."""
    from mmtoolkit.data.image_sources import readable
    from mmtoolkit.training.job import load_splits, trainable

    splits, faults = load_splits(task, options, valid_share=options.valid_share)
    records = [record for part in splits for record in part]
    source, unreadable = source_of(model, records, options)
    if faults := [*faults, *unreadable]:
        warn(left_out(faults))
    if (groups := len({record.group for record in records})) < WANTED:
        warn(f"fine-tuning wants {WANTED} pictures or more, and these are {groups}: scores say little")
    splits = Splits(*(readable(part, unreadable) for part in splits))
    return trainable(splits, options.data, unreadable), source, faults


def card_of(splits: Splits[Any], options: Options, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the card of the fine-tuning, in place of that of the first training."""
    records = [record for part in splits for record in part]
    about = {"data": str(options.data), "data_sha256": digest(records), "command": "mmtoolkit finetune"}
    cut = {"preset": options.preset, "seed": options.seed, "valid_share": options.valid_share}
    return {**about, **cut, "options": dict(settings)}


def old_splits(task: Task[Any], keep: Path, card: Mapping[str, Any], on_error: OnError) -> Splits[Any]:
    """Loads the data that a preset was trained on, with the split of its card."""
    from mmtoolkit.training.job import trainable

    records, _ = task.load(keep, on_error=on_error)
    splits, same = split_as_trained(records, card)
    if not same:
        warn(f"{keep} is not as the preset's training had it: its validation data may have been trained on")
    return trainable(splits, keep)


def kept(task: Task[Any], options: Options, preset: Path, valid: list[Any]) -> dict[str, Any]:
    """Evaluates the model before and after on the validation split of the old data."""
    from mmtoolkit.data.image_sources import readable
    from mmtoolkit.training.fine_tuning import scored

    models = {
        "before": mm.load(options.preset, encoder_weights=options.encoder_weights, warn=lambda line: None),
        "after": mm.load(preset),
    }
    scores: dict[str, Any] = {}
    for name, model in models.items():
        source, unreadable = source_of(model, valid, options)
        scores[name] = scored(task, model, readable(valid, unreadable), source, options.seed)
    return scores


def print_scores(task: Task[Any], report: Mapping[str, Any], out: Path) -> None:
    """Prints the scores, and on stderr those of before."""
    name = task.metric.names[0]
    tell("on the valid split:")
    print(scores_text(task.metric, report["scores"]))
    tell(f"before: {name} {report['before']['scores'][name]:.2f}; best state: {report['best']}")
    for part, where in (("test", "on the test split"), ("kept", "on the old data")):
        if part in report:
            before, after = (report[part][when]["scores"][name] for when in ("before", "after"))
            tell(f"{where}: {name} {before:.2f} before, {after:.2f} after")
    tell(f"preset: {out / 'preset'}")


if __name__ == "__main__":
    run(main)
