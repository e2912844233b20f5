"""Fine-tunes a trained model on one's own pictures, and says what that gained and lost."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmtoolkit as mm
from mmtoolkit.cli.command import run, scores_text, tell
from mmtoolkit.cli.options import Data, Descent, HeldOut, Preset, Run, Store
from mmtoolkit.cli.ranges import Count, Positive, Share, Whole
from mmtoolkit.pipelines.kinds import Kind, kind_of
from mmtoolkit.pipelines.learning import told_how_to_go_on, trainable
from mmtoolkit.pipelines.reporting import write_report
from mmtoolkit.pipelines.runs import (
    STAGES,
    WANTED,
    answered,
    begin,
    claim,
    cut_as_trained,
    digest,
    is_finished,
    is_stopped,
    resolved,
)
from mmtoolkit.pipelines.seeing import load_model, pictures_for, readable, tell_left_out
from mmtoolkit.pipelines.tuning import Stage, check_stages, place_of, scored, tuned
from mmtoolkit.readers import Fault, OnError, Splits
from mmtoolkit.startup import start_tensorflow

if TYPE_CHECKING:
    from mmtoolkit.vision import ImageSource

STEPS, EPOCHS, LEAST_PATIENCE = 600, (5, 40), 3  # of a stage where it is not said otherwise


@dataclass(frozen=True, kw_only=True)
class Options(Preset, Data, HeldOut, Store, Descent, Run):
    """The options of `mmtoolkit finetune`.

    Args:
        preset: Name of a shipped preset, or the path of one: a captioner or a question-answerer.
        data: Pictures with captions or questions, in any form that caption or vqa takes; from 20 pictures up.
        keep: The data that the preset was trained on: the report then says what is lost of the old task, and new words
            find their neighbours among its words too.
        stages: decoder trains all but the encoder; encoder trains that too: the small CNN, or VGG19's last block, for
            which a preset on stored regions becomes one of --encoder vgg19-block5. By default both, with VGG19 the
            first.
        epochs: Of each stage, at most; by default from 5 to 40, more of them where there are few pictures.
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


def main(options: Options) -> int:
    """Fine-tunes a trained model on one's own pictures, and says what that gained and lost.

    The model keeps its words and gets those that are new, which start from the words that stand where they stand. First
    all but its encoder is trained, then, at a lower rate, the encoder with it. The best state of all, before included,
    is kept in OUT/preset; OUT/report.json compares before and after on the same pictures held out. Where that is one
    after, the pictures that predict calls unlike are those unlike the new ones.
    """
    out, settings = options.out, resolved(options)
    if options.resume and is_finished(out, settings):
        return 0
    claim(out, overwrite=options.overwrite or options.resume)
    start_tensorflow()
    started = time.perf_counter()
    model = load_model(options.preset, options.vgg19_weights)
    check_stages(options.stages, model)
    kind = kind_of(model)
    splits, source, faults = prepared(model, kind, options.data, settings, exclude=options.exclude)
    settle(settings, sum(len(kind.texts([record])["words"]) for record in splits.train))
    old = old_splits(kind, options.keep, model.card, options.on_error) if options.keep else None
    begin(out, settings, faults, keep=options.resume and is_stopped(out))
    with told_how_to_go_on(out):
        model, report, source = tuned(model, kind, splits, source, old=old, out=out, options=settings)
    if old:
        report["kept"] = kept(kind, options.preset, out, old.valid, settings)
    report |= {"left_out": len(faults), "seconds": {"total": round(time.perf_counter() - started)}}
    report["train_sha256"] = digest(splits.train)
    write_report(out / "report.json", report, model, splits.valid, source)
    for folder in out.glob(STAGES):  # its samples and curves are kept
        shutil.rmtree(preset_in if (preset_in := folder / "preset").is_dir() else folder)
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


def prepared(
    model: Any, kind: Kind, data: Path, options: Mapping[str, Any], *, exclude: Path | None
) -> tuple[Splits[Any], ImageSource | None, list[Fault]]:
    """The splits of the data, the source of its pictures for a model, and what is left out."""
    records, faults = kind.usable(data, on_error=options["on_error"], exclude=exclude)
    records = answered(records)
    if not records:
        raise mm.InputError(f"Training needs answers. Received: {data}, whose questions have none; name another split.")
    splits = trainable(mm.split(records, seed=options["seed"], valid_share=options["valid_share"]), data)
    source, unreadable = pictures_for(model, records, features=place_of(options), on_error=options["on_error"])
    faults = [*faults, *unreadable]
    tell_left_out(faults)
    if (pictures := len({record.image_id for record in records})) < WANTED:
        tell(f"warning: fine-tuning wants {WANTED} pictures or more, and these are {pictures}: scores say little")
    return trainable(Splits(*(readable(part, unreadable) for part in splits)), data, unreadable), source, faults


def old_splits(kind: Kind, keep: Path, card: Mapping[str, Any], on_error: OnError) -> Splits[Any]:
    """The data that a preset was trained on, cut as its card says.

    Raises:
        mm.InputError: There is no such data, or nothing to train or validate on in it.
    """
    records, _ = kind.usable(keep, on_error=on_error)
    splits, same = cut_as_trained(records, card)
    if not same:
        tell(f"warning: {keep} is not as the preset's training had it: what is validated on may have been learnt from")
    return trainable(splits, keep)


def kept(kind: Kind, preset: str, out: Path, valid: list[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The scores before and after on the validation split of the old data."""
    models = {"before": load_model(preset, options["vgg19_weights"]), "after": load_model(str(out / "preset"), None)}
    found: dict[str, Any] = {}
    for name, model in models.items():
        source, unreadable = pictures_for(model, valid, features=place_of(options), on_error=options["on_error"])
        found[name] = scored(kind, model, readable(valid, unreadable), source, options)
    return found


def say(report: Mapping[str, Any], out: Path, name: str) -> None:
    """Prints the scores, and tells how the one called `name` was before."""
    tell("on the valid split:")
    print(scores_text(report["scores"]))
    tell(f"before: {name} {report['before']['scores'][name]:.2f}; best state: {report['best']}")
    for part, told in (("test", "on the test split"), ("kept", "on the old data")):
        if part in report:
            before, after = (report[part][when]["scores"][name] for when in ("before", "after"))
            tell(f"{told}: {name} {before:.2f} before, {after:.2f} after")
    tell(f"preset: {out / 'preset'}")


if __name__ == "__main__":
    run(main)
