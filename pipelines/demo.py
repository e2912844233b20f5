"""Trains models of captions, answers and text on generated scenes and shows their outputs, in English and Korean."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.cli.options import Seeded
from mmtoolkit.cli.ranges import Count
from mmtoolkit.run_folder import check_free
from mmtoolkit.scenes import Language, evaluate_pointing, pointing_text, write_scenes
from mmtoolkit.startup import start_tensorflow
from mmtoolkit.task import Task

LANGUAGES: dict[Language, str] = {"en": "English", "ko": "한국어"}
SHOWN = 5
SIZE = 64  # pixels
SMALL = {"units": 128, "attention_units": 64, "embedding_dim": 64, "learning_rate": 3e-3, "averaging": 0.95}
CAPTIONS = {  # "a red circle above a red square" may repeat n-grams
    **SMALL,
    **{"min_count": 1, "dropout": 0.1, "word_dropout": 0.0, "memory_dropout": 0.0, "label_smoothing": 0.0},
    **{"attention_penalty": 0.0, "batch_size": 32, "beam": 3, "no_repeat_ngram": 0},
}
TEXT: dict[str, Any] = {
    **{"units": 128, "embedding_dim": 32, "dropout": 0.0, "window": 32, "batch_size": 32, "precision": "float32"},
    **{"learning_rate": 5e-3, "averaging": 0.9, "epochs": 2},
}
ANSWERS = {**SMALL, "hops": 2, "dropout": 0.0, "crop": 0.0, "batch_size": 64}  # not cropped: shapes are counted


@dataclass(frozen=True, kw_only=True)
class Options(Seeded):
    """The options of `mmtoolkit demo`.

    Args:
        out: Folder of the demo.
        scenes: Number of pictures drawn.
        epochs: Passes over the captions, and a third as many over the questions.
        overwrite: Replace the demo in OUT.
    """

    out: Path = Path("runs/demo")
    scenes: int = 1000
    epochs: Count = 9
    overwrite: bool = False


def main(options: Options) -> int:
    """Trains models of captions, answers and text on generated scenes and shows their outputs, in English and Korean.

    Needs no data and no network. The image encoder is the small CNN, or VGG19 if its weights are in the cache.
    """
    out, seed, epochs = options.out, options.seed, options.epochs
    check_free(out, overwrite=options.overwrite)
    start_tensorflow()
    from mmtoolkit.vision.weights import NO_TOP, cache_folder

    encoder = "vgg19" if (cache_folder() / NO_TOP).is_file() else "small"
    for language, name in LANGUAGES.items():
        started, folder = time.perf_counter(), out / language
        shutil.rmtree(folder / "scenes", ignore_errors=True)  # the models and reports stay until there are new ones
        data = write_scenes(folder / "scenes", count=options.scenes, seed=seed, language=language, size=SIZE)
        tell(f"{name}: training on {data}")
        fewer = max(1, epochs // 3)  # there are nine questions a picture
        answers = {"data": data / "questions.csv", "out": folder / "answers", "epochs": fewer, "patience": fewer}
        captions = {"data": data, "out": folder / "run", "epochs": epochs, "patience": epochs}
        text = TEXT | {"data": write_text(folder / "scenes.txt", data), "out": folder / "text"}
        same = {"encoder": encoder}
        jobs = {"caption": CAPTIONS | captions | same, "vqa": ANSWERS | answers | same, "char-lm": text}
        for job, settings in jobs.items():
            if code := train(job, settings | {"seed": seed}):
                return code
        show(mm.captioning, folder / "run" / "preset", folder, "report", "attention", name, seed=seed)
        show(mm.question_answering, folder / "answers" / "preset", folder, "answers", "answers", name, seed=seed)
        print(f"{name}: a line that a language model has written\n  {line_of(folder / 'text' / 'preset', seed=seed)}")
        print(f"{name}: {time.perf_counter() - started:.0f} s\n", flush=True)
    return 0


def write_text(path: Path, data: Path) -> Path:
    """Writes the captions of the scenes as a text, one a line, and returns its path."""
    records, _ = mm.captioning.load(data)
    path.write_text("".join(f"{caption}\n" for caption in mm.captioning.texts(records)["words"]), encoding="utf-8")
    return path


def line_of(preset: Path, *, seed: int) -> str:
    """Generates a text and returns its second line, the first that the model has read a whole line before."""
    written = mm.load(preset).generate(decoding=mm.Sample(temperature=0.5, seed=seed))
    return [*written.splitlines(), "", ""][1]  # nothing where it has ended before


def train(job: str, settings: dict[str, Any]) -> int:
    """Runs a job as a person would type it; its scores, which are of the validation split, go to stderr."""
    from mmtoolkit.pipelines.__main__ import start

    words = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    words.append("--overwrite")  # `main` has asked whether it may
    with contextlib.redirect_stdout(sys.stderr):
        return start(job, words)


def show(
    task: Task[Any], preset: Path, folder: Path, report_name: str, picture_name: str, language: str, *, seed: int
) -> None:
    """Prints outputs for unseen scenes, the scores beside those of the baselines, and where to look further."""
    from mmtoolkit.data import source_for
    from mmtoolkit.pictures import draw
    from mmtoolkit.reports import save_report

    model, data = mm.load(preset), folder / "scenes"
    records, _ = task.load(data, splits=("test",))
    source, _ = source_for(model, records)
    report = mm.evaluate(task, model, records, source=source, seed=seed)
    questions = f"{len(records)} {task.record_noun}s about " if task.asks else ""
    print(f"{language}: {questions}{report['images']} unseen scenes")
    for row, record in zip(report["rows"][:SHOWN], records, strict=False):
        asked = f"  {row['input']}" if row["input"] else ""
        print(f"  {row['group']}{asked}\n    reference: {record.references[0]}\n    generated: {row['output']}")
    print("  " + "  ".join(f"{name} {task.metric.printed(name, value)}" for name, value in report["scores"].items()))
    for name, scores in report["baselines"].items():
        decisive = task.metric.names[0]
        print(f"    {name}: {decisive} {task.metric.printed(decisive, scores[decisive])}")
    outputs = {row["id"]: row["output"] for row in report["rows"]}
    if pointing := evaluate_pointing(task, model, records, outputs, source=source, data=data):
        print(f"  {pointing_text(pointing)}")
    picture = folder / f"{picture_name}.png"
    rows = zip(report["rows"], records, strict=True)
    right = next((number for number, (row, record) in enumerate(rows) if row["output"] in record.references), 0)
    (view,) = task.views(model, [records[right]], [report["rows"][right]["output"]], source)
    draw(view).save(picture)
    print(f"  attention: {picture}")
    _, page, *_ = save_report(
        folder / f"{report_name}.json", task, report, model=model, records=records, source=source, data=data
    )
    print(f"  preset: {preset}\n  report: {page}")


if __name__ == "__main__":
    run(main)
