"""Trains a captioner and a question-answerer on generated scenes and shows what they say, in English and Korean."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mmtoolkit as mm
from mmtoolkit.cli.command import run, tell
from mmtoolkit.cli.options import Seeded
from mmtoolkit.cli.ranges import Count
from mmtoolkit.pipelines import caption, vqa
from mmtoolkit.pipelines.reporting import write_report
from mmtoolkit.pipelines.runs import claim
from mmtoolkit.pipelines.seeing import draw_attention, image_source, load_twin
from mmtoolkit.scenes import Language, write_scenes

LANGUAGES: dict[Language, str] = {"en": "English", "ko": "한국어"}
SHOWN = 5
SIZE = 64  # pixels


@dataclass(frozen=True, kw_only=True)
class Options(Seeded):
    """The options of `mmtoolkit demo`.

    Args:
        out: Folder of the demo.
        scenes: Number of pictures drawn.
        epochs: Passes over the captions, and a third as many over the questions.
        overwrite: Replace the demo that is already in OUT.
    """

    out: Path = Path("runs/demo")
    scenes: int = 1000
    epochs: Count = 9
    overwrite: bool = False


def main(options: Options) -> int:
    """Trains a captioner and a question-answerer on generated scenes and shows what they say, in English and Korean.

    Needs no data and no network. The small CNN looks at the pictures, or VGG19 if its weights are in the cache.
    """
    out, seed, epochs = options.out, options.seed, options.epochs
    claim(out, overwrite=options.overwrite)
    for language, name in LANGUAGES.items():
        started = time.perf_counter()
        shutil.rmtree(out / language, ignore_errors=True)
        data = write_scenes(out / language / "scenes", count=options.scenes, seed=seed, language=language, size=SIZE)
        tell(f"{name}: training on {data}")
        with contextlib.redirect_stdout(sys.stderr):  # their scores are of the validation split
            train(data, out / language / "run", epochs=epochs, seed=seed)
            train_answers(data, out / language / "answers", epochs=max(1, epochs // 3), seed=seed)  # nine a picture
        show(out / language, name, seed=seed)
        show_answers(out / language, name, seed=seed)
        print(f"{name}: {time.perf_counter() - started:.0f} s\n", flush=True)
    return 0


def train(data: Path, out: Path, *, epochs: int, seed: int) -> None:
    """The `caption` job with settings for small scenes."""
    options = caption.Options(
        data=data,
        out=out,
        encoder=eyes(),
        units=128,
        attention_units=64,
        embedding_dim=64,
        min_count=1,
        dropout=0.1,
        word_dropout=0.0,
        memory_dropout=0.0,
        label_smoothing=0.0,
        attention_penalty=0.0,
        epochs=epochs,
        batch_size=32,
        learning_rate=3e-3,
        averaging=0.95,
        patience=epochs,
        beam=3,
        no_repeat_ngram=0,  # "a red circle above a red square" may well repeat itself
        seed=seed,
    )
    caption.main(options)


def eyes() -> Literal["vgg19", "small"]:
    """VGG19 where its weights are in the cache, else the small CNN."""
    from mmtoolkit.vision.vgg import NO_TOP, cache_folder

    return "vgg19" if (cache_folder() / NO_TOP).is_file() else "small"


def train_answers(data: Path, out: Path, *, epochs: int, seed: int) -> None:
    """The `vqa` job with settings for small scenes."""
    options = vqa.Options(
        data=data / "questions.csv",
        out=out,
        encoder=eyes(),
        hops=2,
        units=128,
        attention_units=64,
        embedding_dim=64,
        dropout=0.0,
        crop=0.0,  # shapes are counted
        epochs=epochs,
        batch_size=64,
        learning_rate=3e-3,
        averaging=0.95,
        patience=epochs,
        seed=seed,
    )
    vqa.main(options)


def show_answers(folder: Path, name: str, *, seed: int) -> None:
    """Prints questions about unseen scenes with their answers, the accuracy and what simpler answers reach."""
    preset = folder / "answers" / "preset"
    model = mm.VisualQA.from_preset(preset)
    records = mm.read_questions(folder / "scenes" / "questions.csv", splits=("test",))
    source, _ = image_source(model.extractor, model.image_size, records, features=None, on_error="fail")
    report = mm.evaluate_answers(model, records, source=source, twin=load_twin(str(preset)), seed=seed)
    print(f"{name}: {report['questions']} questions about {report['images']} unseen scenes")
    for example, record in zip(report["rows"][:SHOWN], records, strict=False):
        right = "" if example["answer"] == record.answers[0] else f" (right: {record.answers[0]})"
        print(f"  {example['image_id']}  {example['question']}  {example['answer']}{right}")
    print(f"  accuracy {report['scores']['accuracy']:.2f}")
    for baseline, scores in report["baselines"].items():
        print(f"    {baseline}: {scores['accuracy']:.2f}")
    write_report(folder / "answers.json", report, model, records, source)
    print(f"  preset: {preset}\n  report: {folder / 'answers.html'}")


def show(folder: Path, name: str, *, seed: int) -> None:
    """Prints references and captions of unseen scenes, the scores, and where to look further."""
    captioner = mm.Captioner.from_preset(folder / "run" / "preset")
    records = mm.read_captions(folder / "scenes", splits=("test",))
    source, _ = image_source(captioner.extractor, captioner.image_size, records, features=None, on_error="fail")
    report = mm.evaluate_captions(captioner, records, source=source, seed=seed)
    print(f"{name}: {len(records)} unseen scenes")
    for example, record in zip(report["rows"][:SHOWN], records, strict=False):
        print(f"  {record.image_id}\n    reference: {record.captions[0]}\n    generated: {example['caption']}")
    print("  " + "  ".join(f"{key} {value:.2f}" for key, value in report["scores"].items()))
    picture = folder / "attention.png"
    inputs = {source.input_name: source.read([records[0].image])}
    try:
        draw_attention(captioner, records[0].image, inputs, report["rows"][0]["caption"], picture)
        print(f"  attention: {picture}")
    except mm.InputError as error:  # no font with Hangul
        tell(f"warning: {error}")
    write_report(folder / "report.json", report, captioner, records, source)
    print(f"  preset: {folder / 'run' / 'preset'}\n  report: {folder / 'report.html'}")


if __name__ == "__main__":
    run(main)
